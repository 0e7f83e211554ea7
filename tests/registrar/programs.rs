//! Programs that people have as phones, at work on the shipped registrar: what each is told to do is the
//! same, and is described here; how it is told, and what it can't, is in its own file. They are those that
//! Debian or PyPI has, as scripts/packages installs them.

mod baresip;
mod linphone;
mod pjsua;
mod pyvoip;
mod sipp;
mod sipsak;
mod talk;

use std::cell::{Cell, RefCell};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::Backend;
use harness::instance::{Instance, tail};
use harness::registrar::{SECRET, Setting, Site};
use harness::server::wait_for;
use harness::{module, ports};
use libtest_mimic::{Completion, Trial};

use super::group;
use super::hop::{Hop, answer_with, headers, uri};

const PROGRAMS: &[Program] = &[
    baresip::PROGRAM,
    linphone::PROGRAM,
    pjsua::PROGRAM,
    pyvoip::PROGRAM,
    sipp::PROGRAM,
    sipsak::PROGRAM,
];

/// Whom every program is.
const USER: &str = "mary";
const REALM: &str = "a.example";
const AOR: &str = "mary@a.example";

/// Whom it calls.
const CALLEE: &str = "100";

/// How long a step may take. It takes much less; the limit is for busy machines.
const LIMIT: Duration = Duration::from_secs(30);

/// How soon an answer or an ACK is sent again.
const AGAIN: Duration = Duration::from_millis(300);

/// Within this, a program that asks again and again without being told to has done so often.
const RESTLESS: Duration = Duration::from_secs(1);

/// How often one that was refused may ask: pyVoIP tries three times, and then signs off.
const TRIES: usize = 4;

/// One of them.
pub struct Program {
    name: &'static str,
    /// Why it can't be run here, if so.
    missing: fn() -> Option<String>,
    /// Runs it as a phone that registers at once.
    start: fn(Account) -> Result<Box<dyn Phone>, String>,
    calls: Calls,
}

/// Whether a program can call and be called.
#[derive(PartialEq)]
enum Calls {
    No,
    /// Only as far as each call is answered, and from where nobody asks for its password.
    Simply,
    /// Only as far as each call is answered.
    Answered,
    Yes,
}

/// What a program is told about itself.
pub struct Account {
    password: &'static str,
    /// Address and port of the registrar, as outbound proxy.
    proxy: String,
    /// A port for its own use.
    port: u16,
    folder: PathBuf,
}

/// What a program says of itself.
#[derive(Clone, Copy, PartialEq)]
pub enum Said {
    Registered,
    Refused,
    Ringing,
    /// That of the other side, which it calls.
    RingingBack,
    /// It is in a call.
    Answered,
    /// A call is over.
    Ended,
}

/// Who ends a call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Side {
    Program,
    NextHop,
}

/// A program that runs. It ends when dropped.
pub trait Phone {
    /// Registers anew, if it does not do so by itself.
    fn register(&mut self) -> Result<(), String>;
    fn sign_off(&mut self) -> Result<(), String>;

    /// Calls [`CALLEE`].
    fn call(&mut self, _ends: Side) -> Result<(), String> {
        Err("it can't call".to_string())
    }

    /// Gets ready for a call, if it is not.
    fn expect_call(&mut self, _ends: Side) -> Result<(), String> {
        Ok(())
    }

    /// Answers the call that rings, if it does not do so by itself.
    fn answer(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Ends its call, if it does not do so by itself.
    fn hang_up(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// How often it has said that.
    fn said(&mut self, what: Said) -> usize;

    /// All that it has said.
    fn everything(&self) -> String;
}

/// All of them, on each core.
pub fn trials(setting: &Arc<Setting>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for core in setting.cores() {
        let mut add = |program: &'static Program, name: &str, run: Scenario| {
            let (setting, core) = (Arc::clone(setting), core.clone());
            let name = format!("{core}, programs: {} {name}", program.name);
            trials.push(Trial::ignorable_test(name, move || {
                let missing = group::missing(&core, Backend::Mysql).or_else(program.missing);
                if let Some(reason) = missing {
                    return Ok(Completion::ignored_with(reason));
                }
                group::conclusion(&core, at_work(&setting, &core, program, run))
            }));
        };
        for program in PROGRAMS {
            add(program, "registers and signs off", registrations);
            if program.calls != Calls::No {
                add(program, "calls and is called", calls);
            }
        }
    }
    trials
}

type Scenario = fn(&Place, &mut Instance) -> Result<(), String>;

/// Where a program is at work.
struct Place<'a> {
    setting: &'a Setting,
    program: &'static Program,
    site: Site,
}

fn at_work(
    setting: &Setting,
    core: &Core,
    program: &'static Program,
    run: Scenario,
) -> Result<(), String> {
    if !module().is_file() {
        return Err(format!("no module at {}: run make", module().display()));
    }
    let mut site = setting.site(core, Backend::Mysql)?;
    // As shipped, a call over UDP needs credentials.
    let trusts = program.calls == Calls::Simply;
    site.settings = vec![(
        "TRUST_UDP_SOURCE",
        if trusts { "yes" } else { "no" }.to_string(),
    )];
    // All of them use UDP; whether TLS is up, the harness finds out in a way that looks like an error.
    (site.tls, site.ws, site.wss) = (None, None, None);
    let mut instance = site.start(core)?;
    let place = Place {
        setting,
        program,
        site,
    };
    let outcome = run(&place, &mut instance).and_then(|()| instance.check_workers());
    let log = instance.log();
    let outcome = outcome.and_then(|()| match log.lines().find(|line| is_error(line)) {
        Some(line) => Err(format!("an error is in the log: {line}")),
        None => Ok(()),
    });
    outcome.map_err(|e| format!("{e}\n{}", tail(&log, 25)))
}

/// What a requester does is no error of ours; and no secret is ever in the log.
fn is_error(line: &str) -> bool {
    ["ERROR:", "CRITICAL:", SECRET]
        .iter()
        .any(|text| line.contains(text))
}

impl Place<'_> {
    fn start(&self, password: &'static str) -> Result<Box<dyn Phone>, String> {
        (self.program.start)(Account {
            password,
            proxy: self.site.place(),
            port: ports::free(),
            folder: self.setting.folder(),
        })
    }

    /// Whether the registrar has it: in usrloc and in Redis, or in neither.
    fn is_registered(&self) -> Result<Option<bool>, String> {
        let in_redis = !self.site.redis.is_empty_of(AOR)?;
        let in_usrloc = !self.site.contact(AOR)?.is_empty();
        Ok((in_redis == in_usrloc).then_some(in_redis))
    }

    fn wait_until_registered(&self, expected: bool) -> Result<(), String> {
        let mut last = Ok(None);
        wait_for(LIMIT, || {
            last = self.is_registered();
            (last == Ok(Some(expected))).then_some(())
        })
        .ok_or_else(|| format!("is it registered? {expected} expected, found {last:?}"))
    }
}

/// Waits until it has said that more than `before` times.
fn hear(phone: &mut dyn Phone, what: Said, before: usize, step: &str) -> Result<(), String> {
    wait_for(LIMIT, || (phone.said(what) > before).then_some(()))
        .ok_or_else(|| format!("{step}: the program does not say so"))
}

/// Adds what the program said to an error.
fn with_words(phone: &dyn Phone, outcome: Result<(), String>) -> Result<(), String> {
    outcome.map_err(|e| format!("{e}\nIt said:\n{}", tail(&phone.everything(), 60)))
}

fn registrations(place: &Place, instance: &mut Instance) -> Result<(), String> {
    let mut phone = place.start("secret")?;
    let outcome = come_and_go(place, phone.as_mut());
    with_words(phone.as_ref(), outcome)?;
    drop(phone);
    let mut phone = place.start("wrong")?;
    let outcome = hear(phone.as_mut(), Said::Refused, 0, "a wrong password")
        .and_then(|()| refused(place, instance));
    with_words(phone.as_ref(), outcome)
}

fn come_and_go(place: &Place, phone: &mut dyn Phone) -> Result<(), String> {
    hear(phone, Said::Registered, 0, "registering")?;
    place.wait_until_registered(true)?;
    let contact = place.site.contact(AOR)?;
    let before = phone.said(Said::Registered);
    phone.register()?;
    hear(phone, Said::Registered, before, "registering again")?;
    place.wait_until_registered(true)?;
    if place.site.contact(AOR)? != contact {
        return Err(format!("it has another contact than {contact}"));
    }
    phone.sign_off()?;
    place.wait_until_registered(false)
}

/// Refused for good, it may come back later, but not at once and for ever.
fn refused(place: &Place, instance: &Instance) -> Result<(), String> {
    std::thread::sleep(RESTLESS);
    let log = instance.log();
    let tries = log.matches("denied: wrong password").count();
    if tries == 0 || tries > TRIES {
        return Err(format!("with a wrong password it has asked {tries} times"));
    }
    place.wait_until_registered(false)
}

fn calls(place: &Place, _: &mut Instance) -> Result<(), String> {
    let hop = Hop::new(&place.site)?;
    let ear = UdpSocket::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    let ear = ear.local_addr().map_err(|e| e.to_string())?;
    let there = NextHop {
        hop,
        port: place.site.next_hop,
        ear: ear.port(),
        calls: Cell::new(0),
        over: RefCell::default(),
    };
    let mut phone = place.start("secret")?;
    let outcome = talk(place, phone.as_mut(), &there);
    with_words(phone.as_ref(), outcome)
}

fn talk(place: &Place, phone: &mut dyn Phone, there: &NextHop) -> Result<(), String> {
    hear(phone, Said::Registered, 0, "registering")?;
    place.wait_until_registered(true)?;
    let of = |what: &str| {
        let what = what.to_string();
        move |e: String| format!("{what}: {e}")
    };
    for side in [Side::Program, Side::NextHop] {
        there
            .is_called(phone, side)
            .map_err(of(&format!("it calls, {side:?} hangs up")))?;
    }
    for side in [Side::Program, Side::NextHop] {
        there
            .calls(phone, side)
            .map_err(of(&format!("it is called, {side:?} hangs up")))?;
    }
    if place.program.calls == Calls::Yes {
        there
            .is_busy(phone)
            .map_err(of("it calls one who is busy"))?;
        there
            .is_given_up(phone)
            .map_err(of("it gives up its call"))?;
        there
            .gives_up(phone)
            .map_err(of("the call to it is given up"))?;
    }
    Ok(())
}

/// The next hop, with a voice.
struct NextHop {
    hop: Hop,
    port: u16,
    /// Where its voice comes from.
    ear: u16,
    /// How many it has made.
    calls: Cell<usize>,
    /// The Call-IDs of those that it got: an INVITE may come again.
    over: RefCell<Vec<String>>,
}

/// A call, as the next hop knows it.
struct Call {
    target: String,
    routes: Vec<String>,
    from: String,
    to: String,
    call_id: String,
    cseq: u32,
}

impl Call {
    fn request(&self, port: u16, method: &str) -> String {
        let Call {
            target,
            from,
            to,
            call_id,
            cseq,
            ..
        } = self;
        let routes: String = self
            .routes
            .iter()
            .map(|route| format!("Route: {route}\r\n"))
            .collect();
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{method}{cseq}{call_id}\r\n\
             Max-Forwards: 70\r\n{routes}From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{CALLEE}@127.0.0.1:{port}>\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }
}

/// The only header of that name.
fn header(text: &str, name: &str) -> Result<String, String> {
    match &headers(text, name)[..] {
        [one] => Ok(one.clone()),
        _ => Err(format!("not one {name} in\n{text}")),
    }
}

/// The entries of Record-Route, from the top.
fn record_routes(text: &str) -> Vec<String> {
    headers(text, "Record-Route")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|entry| entry.trim().to_string())
        .collect()
}

impl NextHop {
    fn contact(&self) -> String {
        format!("Contact: <sip:{CALLEE}@127.0.0.1:{}>\r\n", self.port)
    }

    /// A message without a body, with an offer or an answer in it.
    fn with_voice(&self, message: &str) -> String {
        let body = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
             m=audio {} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n",
            self.ear
        );
        let length = format!(
            "Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        message.replace("Content-Length: 0\r\n\r\n", &length)
    }

    /// Repeats an answer or an ACK until that is heard, as whoever speaks UDP does; the answer to it.
    fn repeat<T>(&self, text: &str, mut heard: impl FnMut() -> Option<T>) -> Result<T, String> {
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            self.hop.send(text)?;
            if let Some(found) = wait_for(AGAIN, &mut heard) {
                return Ok(found);
            }
        }
        Err(format!("nothing follows\n{text}"))
    }

    /// Repeats an answer until it is acknowledged.
    fn acknowledged(&self, answer: &str, call_id: &str) -> Result<(), String> {
        self.hop.within(AGAIN)?;
        let outcome = self.repeat(answer, || {
            let text = self.hop.next("ACK").ok()?;
            (headers(&text, "Call-ID") == [call_id]).then_some(())
        });
        self.hop.patient()?;
        outcome
    }

    /// The next request of this call, answered; others come again from an earlier one.
    fn answer(&self, method: &str, call_id: &str) -> Result<(), String> {
        loop {
            let text = self.hop.answer(method, "200 OK")?;
            if header(&text, "Call-ID")? == call_id {
                return Ok(());
            }
        }
    }

    /// The program calls, and its INVITE arrives as the registrar has to pass it on.
    fn invited(&self, phone: &mut dyn Phone, ends: Side) -> Result<String, String> {
        phone.call(ends)?;
        let invite = loop {
            let invite = self.hop.next("INVITE")?;
            let call_id = header(&invite, "Call-ID")?;
            if !self.over.borrow().contains(&call_id) {
                self.over.borrow_mut().push(call_id);
                break invite;
            }
        };
        if header(&invite, "X-Registered-User")? != AOR {
            return Err(format!("it is not {AOR}:\n{invite}"));
        }
        match invite.contains("response=") {
            true => Err(format!("credentials are sent on:\n{invite}")),
            false => Ok(invite),
        }
    }

    /// The next answer with this status to the request with this CSeq.
    fn answered(&self, status: &str, cseq: &str) -> Result<String, String> {
        loop {
            let text = self.hop.next("SIP/2.0 ")?;
            if text.starts_with(&format!("SIP/2.0 {status}")) && header(&text, "CSeq")? == cseq {
                return Ok(text);
            }
        }
    }

    /// One side ends the call, and the other notices.
    fn end(&self, phone: &mut dyn Phone, call: &Call, ends: Side) -> Result<(), String> {
        let before = phone.said(Said::Ended);
        match ends {
            Side::Program => {
                phone.hang_up()?;
                self.answer("BYE", &call.call_id)?;
            }
            Side::NextHop => {
                self.hop.send(&call.request(self.port, "BYE"))?;
                self.answered("200", &format!("{} BYE", call.cseq))?;
            }
        }
        hear(phone, Said::Ended, before, "the end of the call")
    }

    fn is_called(&self, phone: &mut dyn Phone, ends: Side) -> Result<(), String> {
        let before = phone.said(Said::Answered);
        let invite = self.invited(phone, ends)?;
        self.hop
            .send(&answer_with(&invite, "180 Ringing", &self.contact()))?;
        let answer = answer_with(&invite, "200 OK", &self.contact());
        self.acknowledged(&self.with_voice(&answer), &header(&invite, "Call-ID")?)?;
        hear(phone, Said::Answered, before, "being answered")?;
        let call = Call {
            target: uri(&invite, "Contact")?,
            routes: record_routes(&invite),
            from: header(&answer, "To")?,
            to: header(&invite, "From")?,
            call_id: header(&invite, "Call-ID")?,
            cseq: 1,
        };
        self.end(phone, &call, ends)
    }

    /// An INVITE for the program, which rings.
    fn rings(&self, phone: &mut dyn Phone, ends: Side) -> Result<Call, String> {
        phone.expect_call(ends)?;
        let before = phone.said(Said::Ringing);
        self.calls.set(self.calls.get() + 1);
        let call = Call {
            target: format!("sip:{AOR}"),
            routes: Vec::new(),
            from: format!("<sip:{CALLEE}@{REALM}>;tag=there"),
            to: format!("<sip:{AOR}>"),
            call_id: format!("to-the-program-{}", self.calls.get()),
            cseq: 1,
        };
        let invite = call.request(self.port, "INVITE");
        self.hop.send(&self.with_voice(&invite))?;
        self.answered("180", "1 INVITE")?;
        hear(phone, Said::Ringing, before, "ringing")?;
        Ok(call)
    }

    fn calls(&self, phone: &mut dyn Phone, ends: Side) -> Result<(), String> {
        let before = phone.said(Said::Answered);
        let mut call = self.rings(phone, ends)?;
        phone.answer()?;
        let answer = self.answered("200", "1 INVITE")?;
        call.target = uri(&answer, "Contact")?;
        call.to = header(&answer, "To")?;
        call.routes = record_routes(&answer);
        call.routes.reverse();
        let ack = call.request(self.port, "ACK");
        self.repeat(&ack, || (phone.said(Said::Answered) > before).then_some(()))?;
        call.cseq = 2;
        self.end(phone, &call, ends)
    }

    fn is_busy(&self, phone: &mut dyn Phone) -> Result<(), String> {
        let before = phone.said(Said::Ended);
        let invite = self.invited(phone, Side::NextHop)?;
        let answer = answer_with(&invite, "486 Busy Here", &self.contact());
        self.acknowledged(&answer, &header(&invite, "Call-ID")?)?;
        hear(phone, Said::Ended, before, "hearing that it is busy")
    }

    fn is_given_up(&self, phone: &mut dyn Phone) -> Result<(), String> {
        let before_ringing = phone.said(Said::RingingBack);
        let before = phone.said(Said::Ended);
        let invite = self.invited(phone, Side::Program)?;
        self.hop
            .send(&answer_with(&invite, "180 Ringing", &self.contact()))?;
        hear(
            phone,
            Said::RingingBack,
            before_ringing,
            "hearing that it rings",
        )?;
        phone.hang_up()?;
        let call_id = header(&invite, "Call-ID")?;
        self.answer("CANCEL", &call_id)?;
        let answer = answer_with(&invite, "487 Request Terminated", &self.contact());
        self.acknowledged(&answer, &call_id)?;
        hear(phone, Said::Ended, before, "giving up")
    }

    fn gives_up(&self, phone: &mut dyn Phone) -> Result<(), String> {
        let before = phone.said(Said::Ended);
        let call = self.rings(phone, Side::NextHop)?;
        let cancel = call
            .request(self.port, "CANCEL")
            .replace("z9hG4bKCANCEL", "z9hG4bKINVITE");
        self.hop.send(&cancel)?;
        self.answered("487", "1 INVITE")?;
        let ack = call
            .request(self.port, "ACK")
            .replace("z9hG4bKACK", "z9hG4bKINVITE");
        self.hop.send(&ack)?;
        hear(phone, Said::Ended, before, "hearing that it was given up")
    }
}
