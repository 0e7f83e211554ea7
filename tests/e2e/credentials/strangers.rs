//! Whose challenges opensips-cfg/outbound-auth.cfg answers: a carrier's, within the calls sent to
//! it, and nobody else's, wherever a request claims to be going.

use harness::instance::{Instance, tail};

use super::carrier::{Outbound, check_answer};
use super::party::{Message, Party, Request, Stranger};
use super::{LIMIT, Place, SECRET, Setting};

/// A name, and the function that shows it.
type Case = (&'static str, fn(&Setting, &Place) -> Result<(), String>);

/// A change to a request.
type Plain = fn(&mut Request);
type Variation<'a> = Box<dyn Fn(&mut Request) + 'a>;

pub const TRIALS: [Case; 9] = [
    ("a call from beginning to end", call),
    ("early, refused and cancelled calls", early),
    ("a carrier by name, and its gateway", named),
    ("destinations of the caller's choice", destinations),
    ("made-up dialogs", made_up),
    ("in-dialog requests that go elsewhere", astray),
    ("the other end challenges", other_end),
    ("a challenge from another address", forged),
    ("callers that are not known, and as it ships", unknown),
];

/// With the realms for which there are credentials.
const CHALLENGES: &str = "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"hers\", qop=\"auth\"\r\n\
    Proxy-Authenticate: Digest realm=\"refused.example\", nonce=\"hers\", qop=\"auth\"\r\n";

pub const CHALLENGED: &str = "407 Proxy Authentication Required";

pub fn challenge(nonce: &str) -> String {
    format!("Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"{nonce}\", qop=\"auth\"\r\n")
}

/// OpenSIPS with the shipped script, an admitted caller, the carrier, and a stranger.
pub struct Scene {
    pub instance: Instance,
    pub caller: Party,
    pub carrier: Party,
    stranger: Stranger,
}

impl Scene {
    pub fn new(setting: &Setting, place: &Place) -> Result<Scene, String> {
        Scene::with(setting, place, |port| Outbound::over("127.0.0.1", port))
    }

    fn with(
        setting: &Setting,
        place: &Place,
        script: impl FnOnce(u16) -> Outbound,
    ) -> Result<Scene, String> {
        // Started before the script, which contains its port.
        let mut carrier = Party::new("127.0.0.1", 0)?;
        let instance = Instance::start(&place.core, &script(carrier.port), &setting.folder())
            .map_err(|e| e.to_string())?;
        let core = instance.port;
        carrier.core = core;
        Ok(Scene {
            caller: Party::new("127.0.0.1", core)?,
            carrier,
            stranger: Stranger::new("127.0.0.1", core, CHALLENGES)?,
            instance,
        })
    }

    /// An INVITE from the caller, as a phone sends it.
    pub fn invite(&self) -> Request {
        let uri = format!("sip:100@127.0.0.1:{}", self.instance.port);
        Request::new(&self.caller, "INVITE", &uri)
    }

    fn us(&self) -> String {
        format!("127.0.0.1:{}", self.instance.port)
    }

    /// Sends a request and returns the final answer that the caller receives.
    fn ask(&self, request: &Request, of: &Party) -> Result<Message, String> {
        of.send(&request.text())?;
        loop {
            match of.next(LIMIT)? {
                Some(answer) if answer.status() >= 200 => {
                    if request.method == "INVITE" && answer.status() >= 300 {
                        let mut ack = request.clone();
                        ack.method = "ACK".to_string();
                        ack.to = answer.header("To").to_string();
                        of.send(&ack.text())?;
                    }
                    return Ok(answer);
                }
                Some(other) if other.status() > 100 => {}
                other => return Err(format!("an answer expected, got {other:?}")),
            }
        }
    }

    /// The carrier challenges a request that it received, and accepts the answer.
    fn challenge(&self, first: &Message, nonce: &str) -> Result<Message, String> {
        let (method, user) = (first.method().to_string(), "proxy-user");
        self.carrier
            .reply(first, CHALLENGED, "challenge", &challenge(nonce))?;
        if method == "INVITE" {
            self.carrier.request("ACK")?;
        }
        let second = self.carrier.request(&method)?;
        let answers = second.answers();
        let named = answers
            .first()
            .map(|answer| check_answer(answer, &method))
            .transpose()?;
        let nonce = format!("nonce=\"{nonce}\"");
        match answers.as_slice() {
            [answer] if named.as_deref() == Some(user) && answer.contains(&nonce) => Ok(second),
            _ => Err(format!("an answer of {user} expected, got {}", second.0)),
        }
    }

    /// An established call; `more` holds what the carrier says about the other end. Returns the
    /// first request of the dialog and the carrier's last answer.
    fn establish(&self, more: &str) -> Result<(Request, Message), String> {
        let mut request = self.invite();
        self.caller.send(&request.text())?;
        let invite = self.challenge(&self.carrier.request("INVITE")?, "first")?;
        self.carrier.reply(&invite, "200 OK", "callee", more)?;
        let answer = self.caller.answer(200)?;
        request.established(&answer);
        self.caller.send(&request.next("ACK").text())?;
        Ok((request, answer))
    }

    /// The same, with a carrier that is its own contact.
    fn call(&self) -> Result<Request, String> {
        let (request, _) = self.establish(&self.carrier.contact())?;
        self.carrier.request("ACK")?;
        Ok(request)
    }

    /// The answer has that status, and the stranger received requests only if `seen`, and never
    /// credentials.
    fn expect(&self, what: &str, answer: &Message, status: u16, seen: bool) -> Result<(), String> {
        let requests = self.stranger.requests();
        if let Some(given) = requests
            .iter()
            .find(|request| !request.answers().is_empty())
        {
            return Err(format!(
                "{what}: the stranger was given an answer: {}",
                given.0
            ));
        }
        match answer.status() == status && requests.is_empty() != seen {
            true => Ok(()),
            false => Err(format!(
                "{what}: {status} expected, got {}\nthe stranger: {requests:?}",
                answer.0
            )),
        }
    }

    /// The request was refused, and the stranger received nothing.
    fn refused(&self, what: &str, request: &Request, status: u16) -> Result<(), String> {
        let answer = self
            .ask(request, &self.caller)
            .map_err(|e| format!("{what}: {e}"))?;
        self.expect(what, &answer, status, false)
    }

    /// No process died, and no password was logged.
    fn end(mut self) -> Result<(), String> {
        self.instance.check_workers()?;
        match self.instance.log().contains(SECRET) {
            true => Err("a password is in the log".to_string()),
            false => Ok(()),
        }
    }

    /// Appends OpenSIPS's log.
    fn told(&self, e: String) -> String {
        format!("{e}\n{}", tail(&self.instance.log(), 30))
    }
}

/// Runs one trial, and adds OpenSIPS's log if it fails.
pub fn run(scene: Scene, steps: impl FnOnce(&Scene) -> Result<(), String>) -> Result<(), String> {
    steps(&scene).map_err(|e| scene.told(e))?;
    scene.end()
}

fn call(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        // The carrier gets the number, and nothing else of where the caller wanted the call to go.
        let mut request = scene.invite();
        request.uri = format!("sip:100@{};transport=udp;user=phone", scene.us());
        request.routes = vec![format!("<sip:{};lr>", scene.us())];
        scene.caller.send(&request.text())?;
        let invite = scene.carrier.request("INVITE")?;
        let expected = format!("sip:100@{}", scene.carrier.address);
        if invite.uri() != expected || !invite.headers("Route").is_empty() {
            return Err(format!(
                "{expected} without a route expected, got {}",
                invite.0
            ));
        }
        let invite = scene.challenge(&invite, "first")?;
        // The nonce was stale.
        let stale = challenge("second").replace("Digest ", "Digest stale=true, ");
        scene.carrier.reply(&invite, CHALLENGED, "stale", &stale)?;
        scene.carrier.request("ACK")?;
        let invite = scene.carrier.request("INVITE")?;
        if !invite
            .answers()
            .iter()
            .any(|answer| answer.contains("\"second\""))
        {
            return Err(format!(
                "an answer to the second nonce expected, got {}",
                invite.0
            ));
        }
        scene
            .carrier
            .reply(&invite, "180 Ringing", "callee", &scene.carrier.contact())?;
        scene.caller.answer(180)?;
        scene
            .carrier
            .reply(&invite, "200 OK", "callee", &scene.carrier.contact())?;
        let answer = scene.caller.answer(200)?;
        request.established(&answer);
        scene.caller.send(&request.next("ACK").text())?;
        scene.carrier.request("ACK")?;

        // Within the call.
        let info = request.next("INFO");
        scene.caller.send(&info.text())?;
        let got = scene.challenge(&scene.carrier.request("INFO")?, "info")?;
        scene.carrier.reply(&got, "200 OK", "", "")?;
        scene.caller.answer(200)?;
        let again = info.next("INVITE");
        scene.caller.send(&again.text())?;
        let got = scene.challenge(&scene.carrier.request("INVITE")?, "again")?;
        scene
            .carrier
            .reply(&got, "200 OK", "", &scene.carrier.contact())?;
        scene.caller.answer(200)?;
        scene.caller.send(&again.next("ACK").text())?;
        scene.carrier.request("ACK")?;

        // Either side may end it.
        let bye = again.next("BYE");
        scene.caller.send(&bye.text())?;
        let got = scene.challenge(&scene.carrier.request("BYE")?, "bye")?;
        scene.carrier.reply(&got, "200 OK", "", "")?;
        scene.caller.answer(200)?;

        let request = scene.call()?;
        let bye = upstream(scene, &request, "BYE");
        scene.carrier.send(&bye.text())?;
        let got = scene.caller.request("BYE")?;
        scene.caller.reply(&got, "200 OK", "", "")?;
        scene.carrier.answer(200).map(drop)
    })
}

/// A request from the carrier in the dialog that the caller began.
fn upstream(scene: &Scene, request: &Request, method: &str) -> Request {
    let mut back = Request::new(
        &scene.carrier,
        method,
        &format!("sip:caller@{}", request.via),
    );
    back.from = request.to.clone();
    back.to = request.from.clone();
    back.id = request.id.clone();
    back.routes = request.routes.clone();
    back.cseq = 100;
    back
}

fn early(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let ringing = || {
            let request = scene.invite();
            scene.caller.send(&request.text())?;
            let invite = scene.challenge(&scene.carrier.request("INVITE")?, "ringing")?;
            let contact = scene.carrier.contact();
            scene
                .carrier
                .reply(&invite, "183 Session Progress", "callee", &contact)?;
            let answer = scene.caller.answer(183)?;
            let mut early = request.clone();
            early.established(&answer);
            Ok::<_, String>((request, invite, early))
        };
        let (request, invite, early) = ringing()?;
        // While it rings, to the carrier itself.
        let prack = early.next("PRACK");
        scene.caller.send(&prack.text())?;
        let got = scene.challenge(&scene.carrier.request("PRACK")?, "prack")?;
        scene.carrier.reply(&got, "200 OK", "", "")?;
        scene.caller.answer(200)?;
        // And back from it.
        let mut update = upstream(scene, &early, "UPDATE");
        update.uri = format!("sip:caller@{}", scene.stranger.address);
        scene.carrier.send(&update.text())?;
        let got = scene.caller.request("UPDATE")?;
        scene.caller.reply(&got, "200 OK", "", "")?;
        let answer = scene.carrier.answer(200)?;
        scene.expect("UPDATE to elsewhere", &answer, 200, false)?;

        // To nobody else; and if the carrier forwarded it, it gets no answer.
        let mut astray = early.next("UPDATE");
        astray.cseq += 10;
        astray.uri = format!("sip:callee@{}", scene.stranger.address);
        scene.refused("UPDATE of an early dialog", &astray, 403)?;
        let mut carried = astray.next("UPDATE");
        carried
            .routes
            .push(format!("<sip:{};lr>", scene.carrier.address));
        scene.caller.send(&carried.text())?;
        let got = scene.carrier.request("UPDATE")?;
        scene
            .carrier
            .reply(&got, CHALLENGED, "", &challenge("carried"))?;
        scene.caller.answer(407)?;
        let mut behind = carried.next("UPDATE");
        behind.uri = early.uri.clone();
        behind.routes = vec![
            early.routes[0].clone(),
            format!("<sip:{};lr>", scene.carrier.address),
            format!("<sip:{};lr>", scene.stranger.address),
        ];
        scene.caller.send(&behind.text())?;
        let got = scene.carrier.request("UPDATE")?;
        scene
            .carrier
            .reply(&got, CHALLENGED, "", &challenge("behind"))?;
        scene.caller.answer(407)?;

        // It is cancelled, wherever the CANCEL claims to go.
        let mut cancel = request.cancel();
        cancel.uri = format!("sip:100@{};maddr=127.0.0.1", scene.stranger.address);
        scene.caller.send(&cancel.text())?;
        scene.caller.answer(200)?;
        let got = scene.carrier.request("CANCEL")?;
        scene.carrier.reply(&got, "200 OK", "callee", "")?;
        // Even if the carrier challenges at the last moment.
        scene
            .carrier
            .reply(&invite, CHALLENGED, "callee", &challenge("late"))?;
        scene.carrier.request("ACK")?;
        let answer = scene.caller.next(LIMIT)?.ok_or("no answer")?;
        scene.expect("cancelled", &answer, 407, false)?;

        // A redirect is left to the caller, who sends the new request here.
        let (_, invite, _) = ringing()?;
        let contact = format!("Contact: <sip:100@{}>\r\n", scene.stranger.address);
        scene
            .carrier
            .reply(&invite, "302 Moved Temporarily", "callee", &contact)?;
        scene.carrier.request("ACK")?;
        let answer = scene.caller.answer(302)?;
        scene.expect("redirected", &answer, 302, false)
    })
}

fn named(setting: &Setting, place: &Place) -> Result<(), String> {
    let mut gateway = Party::new("127.0.0.1", 0)?;
    let at = gateway.port;
    let scene = Scene::with(setting, place, |port| Outbound {
        choice: format!("$rd = \"LocalHost\"; $rp = {port}; $avp(address) = \"127.0.0.1:{at}\";"),
    })?;
    run(scene, |scene| {
        gateway.core = scene.instance.port;
        // What was sent to one may not be challenged by the other.
        let refused = scene.invite();
        scene.caller.send(&refused.text())?;
        let first = scene.carrier.request("INVITE")?;
        gateway.reply(&first, CHALLENGED, "gateway", &challenge("gateway"))?;
        scene.caller.answer(407)?;
        scene.carrier.request("ACK")?;
        let mut request = scene.invite();
        scene.caller.send(&request.text())?;
        let first = scene.carrier.request("INVITE")?;
        scene
            .carrier
            .reply(&first, CHALLENGED, "challenge", &challenge("first"))?;
        scene.carrier.request("ACK")?;
        let second = scene.carrier.request("INVITE")?;
        let answer = second.header("Proxy-Authorization");
        if check_answer(answer, "INVITE").as_deref() != Ok("named") {
            return Err(format!(
                "an answer of the entry for that name expected: {answer}"
            ));
        }
        // Under another name, whose address is what counts.
        let contact = format!("Contact: <sip:callee@localhost:{}>\r\n", gateway.port);
        scene.carrier.reply(&second, "200 OK", "callee", &contact)?;
        let answer = scene.caller.answer(200)?;
        request.established(&answer);
        scene.caller.send(&request.next("ACK").text())?;
        gateway.request("ACK")?;
        scene.caller.send(&request.next("INVITE").text())?;
        let got = gateway.request("INVITE")?;
        gateway.reply(&got, CHALLENGED, "", &challenge("gateway"))?;
        gateway.request("ACK")?;
        let got = gateway.request("INVITE")?;
        let answer = got.header("Proxy-Authorization");
        match check_answer(answer, "INVITE").as_deref() == Ok("named") {
            true => Ok(()),
            false => Err(format!("an answer to the gateway expected: {}", got.0)),
        }
    })
}

/// Methods of all kinds.
const METHODS: [&str; 13] = [
    "INVITE",
    "BYE",
    "INFO",
    "MESSAGE",
    "OPTIONS",
    "REFER",
    "NOTIFY",
    "PRACK",
    "UPDATE",
    "SUBSCRIBE",
    "REGISTER",
    "PUBLISH",
    "ANYTHING",
];

fn destinations(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let (us, her) = (scene.us(), scene.stranger.address.clone());
        let port = scene.stranger.port;
        // Route sets that the caller specifies.
        let routes: [&[String]; 7] = [
            &[format!("<sip:{her};lr>")],
            &[format!("<sip:{us};lr>"), format!("<sip:{her};lr>")],
            &[format!("<sip:{us};lr>, <sip:{her};lr>")],
            &[format!("<sip:{us}>"), format!("<sip:{her}>")],
            &[
                format!("<sip:{us};lr;maddr=127.0.0.1>"),
                format!("<sip:{her};lr;transport=udp>"),
            ],
            &[format!("sip:{her};lr")],
            &[format!("\"<sip:{us};lr>\" <sip:{her};lr>")],
        ];
        for route in routes {
            let mut request = scene.invite();
            request.routes = route.to_vec();
            scene.refused(&format!("{route:?}"), &request, 403)?;
        }
        // However the header is written.
        for header in [
            format!("ROUTE: <sip:{her};lr>"),
            format!("Route : <sip:{her};lr>"),
            format!("route :\r\n <sip:{her};lr>"),
            format!("Route:\r\n\t<sip:{us};lr>\r\n , <sip:{her};lr>"),
            format!("Route: <sip:{us};lr>\r\nSubject: x\r\nRoute: <sip:{us};lr>"),
        ] {
            let mut request = scene.invite();
            request.more = format!("{header}\r\n");
            scene.refused(&header, &request, 403)?;
        }
        // Nor does one reach the carrier that OpenSIPS itself does not recognise as a header.
        for header in [
            format!("Junk\r\nRoute: <sip:{her};lr>"),
            format!("route\t:\r\n <sip:{her};lr>"),
            format!("\u{c}Route: <sip:{her};lr>"),
            format!("Subject: x\rRoute: <sip:{her};lr>"),
            format!("X\0: y\r\nRoute\0: <sip:{her};lr>"),
        ] {
            let mut request = scene.invite();
            request.more = format!("{header}\r\n");
            scene.refused(&header, &request, 400)?;
        }
        // What the request names as its destination.
        let refused = [
            (format!("sip:100@{us};maddr=127.0.0.1"), 403),
            (
                format!("sip:100@127.0.0.1:{port};maddr=127.0.0.1;transport=udp"),
                403,
            ),
            (format!("sip:100@{us};MAddr=127.0.0.1"), 403),
            (format!("sip:100@{us};lr;maddr=127.0.0.1"), 403),
            (format!("sips:100@{her}"), 416),
            (format!("im:100@{her}"), 400),
            (format!("sip:100@{her}?Route=%3Csip:{her};lr%3E"), 400),
            (format!("sip:{her}"), 404),
            (format!("sip:100;phone-context=x@{her}"), 404),
        ];
        for (uri, status) in refused {
            let mut request = scene.invite();
            request.uri = uri.clone();
            scene.refused(&uri, &request, status)?;
        }
        let called = [
            format!("sip:100@{her}"),
            format!("SIP:100@{her};transport=udp"),
            format!("sip:100@LOCALHOST:{port}"),
            format!("sip:100@localhost:{port};lr"),
            format!("sip:100@[::1]:{port}"),
            format!("sip:100:secret@{her}"),
            format!("sip:100@{her}?Route=%3Csip:{her}%3Blr%3E"),
            format!("sip:100@{her};%6Daddr={her}"),
            "tel:100".to_string(),
        ];
        for uri in called {
            let mut request = scene.invite();
            request.uri = uri.clone();
            scene.caller.send(&request.text())?;
            let invite = scene
                .carrier
                .request("INVITE")
                .map_err(|e| format!("{uri}: {e}"))?;
            let expected = format!("sip:100@{}", scene.carrier.address);
            if invite.uri() != expected {
                return Err(format!("{uri}: {expected} expected, got {}", invite.0));
            }
            let invite = scene.challenge(&invite, "called")?;
            scene
                .carrier
                .reply(&invite, "486 Busy Here", "callee", "")?;
            scene.carrier.request("ACK")?;
            let answer = scene.caller.answer(486)?;
            scene.expect(&uri, &answer, 486, false)?;
            let mut ack = request.cancel();
            ack.method = "ACK".to_string();
            ack.to = answer.header("To").to_string();
            scene.caller.send(&ack.text())?;
        }
        // Nothing but calls is sent out.
        for method in METHODS {
            let status = match method {
                "INVITE" => continue,
                "OPTIONS" => 200,
                _ => 405,
            };
            let mut request = Request::new(&scene.caller, method, &format!("sip:100@{her}"));
            scene.refused(method, &request, status)?;
            request = request.next(method);
            request.uri.push_str(";maddr=127.0.0.1");
            scene.refused(method, &request, 403)?;
        }
        Ok(())
    })
}

fn made_up(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let (us, her) = (scene.us(), scene.stranger.address.clone());
        // An existing call, for its identifiers.
        let real = scene.call()?;
        let did = &real.routes[0];
        let routes: [&[String]; 6] = [
            &[],
            &[format!("<sip:{us};lr>")],
            &[format!("<sip:{us};lr>"), format!("<sip:{her};lr>")],
            &[format!("<sip:{us};lr>, <sip:{her};lr>")],
            &[format!("<sip:{us};lr;did=1a.2b>")],
            // From another call.
            std::slice::from_ref(did),
        ];
        for method in METHODS {
            for route in routes {
                for hers in [
                    format!("sip:100@{her}"),
                    format!("sip:100@{us};maddr=127.0.0.1"),
                ] {
                    let mut request = Request::new(&scene.caller, method, &hers);
                    request.to.push_str(";tag=made-up");
                    request.routes = route.to_vec();
                    let maddr = hers.contains("maddr");
                    let listed =
                        !["SUBSCRIBE", "REGISTER", "PUBLISH", "ANYTHING"].contains(&method);
                    let status = match (maddr, listed) {
                        (true, _) => 403,
                        (_, true) => 481,
                        (_, false) => 405,
                    };
                    scene.refused(&format!("{method} {hers} {route:?}"), &request, status)?;
                }
            }
        }
        // Almost that call.
        let varied: [(&str, Plain); 5] = [
            ("another To tag", |r| r.to.push('x')),
            ("another From tag", |r| r.from.push('x')),
            ("another Call-ID", |r| r.id.push('x')),
            ("in capitals", |r| {
                r.to = r.to.replace("tag=callee", "tag=CALLEE")
            }),
            ("without its route", |r| r.routes.clear()),
        ];
        for (what, vary) in varied {
            for method in ["INVITE", "INFO", "BYE"] {
                let mut request = real.next(method);
                request.cseq += 50;
                vary(&mut request);
                request.uri = format!("sip:100@{her}");
                let answer = scene.ask(&request, &scene.caller)?;
                let status = answer.status();
                if status != 403 && status != 481 {
                    return Err(format!("{what}: refusal expected, got {}", answer.0));
                }
                scene.expect(what, &answer, status, false)?;
            }
        }
        Ok(())
    })
}

fn astray(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let (us, her) = (scene.us(), scene.stranger.address.clone());
        let real = scene.call()?;
        let varied: [(&str, Variation<'_>); 8] = [
            (
                "another target",
                Box::new(|r| r.uri = format!("sip:100@{her}")),
            ),
            ("maddr", Box::new(|r| r.uri.push_str(";maddr=127.0.0.1"))),
            (
                "another port",
                Box::new(|r| r.uri = format!("sip:party@127.0.0.1:{}", scene.stranger.port)),
            ),
            (
                "by name",
                Box::new(|r| r.uri = format!("sip:party@localhost:{}", scene.stranger.port)),
            ),
            (
                "a further route",
                Box::new(|r| r.routes.push(format!("<sip:{her};lr>"))),
            ),
            (
                "a route before",
                Box::new(|r| r.routes.insert(0, format!("<sip:{us};lr>, <sip:{her};lr>"))),
            ),
            (
                "a strict route",
                Box::new(|r| r.routes.push(format!("<sip:{her}>"))),
            ),
            (
                "behind the carrier",
                Box::new(|r| {
                    r.uri = format!("sip:100@{her}");
                    r.routes.push(format!("<sip:{};lr>", scene.carrier.address));
                }),
            ),
        ];
        let mut cseq = 100;
        for (what, vary) in &varied {
            for method in METHODS {
                cseq += 1;
                let mut request = real.next(method);
                // A BYE would end the call for all requests that follow it.
                if method == "BYE" {
                    continue;
                }
                request.cseq = cseq;
                vary(&mut request);
                let listed = !["SUBSCRIBE", "REGISTER", "PUBLISH", "ANYTHING"].contains(&method);
                let status = if listed || request.uri.contains("maddr") {
                    403
                } else {
                    405
                };
                scene.refused(&format!("{what}, {method}"), &request, status)?;
            }
        }
        // The tag of the carrier's challenge is not that of its answer.
        let mut other = real.next("INFO");
        other.cseq = cseq + 1;
        other.to = other.to.replace("tag=callee", "tag=challenge");
        other.uri = format!("sip:100@{her}");
        scene.refused("the tag of a refusal", &other, 481)?;
        // Nor is there a way to a branch that has rung but did not answer.
        let mut forked = scene.invite();
        scene.caller.send(&forked.text())?;
        let invite = scene.challenge(&scene.carrier.request("INVITE")?, "forked")?;
        let contact = scene.carrier.contact();
        scene
            .carrier
            .reply(&invite, "183 Session Progress", "fork", &contact)?;
        scene.caller.answer(183)?;
        scene.carrier.reply(&invite, "200 OK", "callee", &contact)?;
        forked.established(&scene.caller.answer(200)?);
        scene.caller.send(&forked.next("ACK").text())?;
        scene.carrier.request("ACK")?;
        forked = forked.next("INFO");
        forked.to = forked.to.replace("tag=callee", "tag=fork");
        forked.uri = format!("sip:100@{her}");
        scene.refused("another branch", &forked, 403)?;
        // The way back is the one by which the call came.
        let mut back = upstream(scene, &real, "INVITE");
        back.uri = format!("sip:caller@{her}");
        let answer = scene.ask(&back, &scene.carrier)?;
        scene.expect("to another caller", &answer, 403, false)?;
        // A correct one still gets through.
        let mut right = real.next("BYE");
        right.cseq = cseq + 10;
        scene.caller.send(&right.text())?;
        let got = scene.challenge(&scene.carrier.request("BYE")?, "right")?;
        scene.carrier.reply(&got, "200 OK", "", "")?;
        scene.caller.answer(200).map(drop)
    })
}

fn other_end(setting: &Setting, place: &Place) -> Result<(), String> {
    let end = |more: fn(&Scene) -> String| {
        run(Scene::new(setting, place)?, |scene| {
            // The carrier passes on what the other end says about itself.
            let (mut request, _) = scene.establish(&more(scene))?;
            for method in ["INFO", "UPDATE", "INVITE", "OPTIONS", "BYE"] {
                request = request.next(method);
                let answer = scene.ask(&request, &scene.caller)?;
                scene.expect(method, &answer, 407, true)?;
            }
            Ok(())
        })
    };
    end(|scene| format!("Contact: <sip:callee@{}>\r\n", scene.stranger.address))?;
    end(|scene| {
        format!(
            "Contact: <sip:callee@localhost:{}>\r\n",
            scene.stranger.port
        )
    })?;
    end(|scene| {
        let contact = scene.carrier.contact();
        format!(
            "{contact}Record-Route: <sip:{};lr>\r\n",
            scene.stranger.address
        )
    })?;
    // Nor the caller, who is challenged on behalf of the other end.
    run(Scene::new(setting, place)?, |scene| {
        let mut request = scene.invite();
        request.via.clone_from(&scene.caller.address);
        let real = scene.call()?;
        let back = upstream(scene, &real, "INVITE");
        scene.carrier.send(&back.text())?;
        let got = scene.caller.request("INVITE")?;
        scene.caller.reply(&got, CHALLENGED, "", CHALLENGES)?;
        scene.carrier.answer(407)?;
        let got = scene.caller.request("ACK")?;
        match got.answers().is_empty() {
            true => Ok(()),
            false => Err(format!("the caller was given an answer: {}", got.0)),
        }
    })
}

fn forged(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        for ip in ["127.0.0.1", "127.0.0.2"] {
            // It has seen the request, and answers in the carrier's place.
            let forger = Party::new(ip, scene.instance.port)?;
            let request = scene.invite();
            scene.caller.send(&request.text())?;
            let invite = scene.carrier.request("INVITE")?;
            forger.reply(&invite, CHALLENGED, "forged", CHALLENGES)?;
            let answer = scene.caller.answer(407)?;
            let mut ack = request.cancel();
            ack.method = "ACK".to_string();
            ack.to = answer.header("To").to_string();
            scene.caller.send(&ack.text())?;
            // The carrier gets the ACK next, and no answer to a challenge that it did not send.
            let next = scene.carrier.request("ACK")?;
            if !next.answers().is_empty() {
                return Err(format!("an answer to a forged challenge: {}", next.0));
            }
            // Within a call as well.
            let real = scene.call()?;
            scene.caller.send(&real.next("INFO").text())?;
            let info = scene.carrier.request("INFO")?;
            forger.reply(&info, CHALLENGED, "", CHALLENGES)?;
            scene.caller.answer(407)?;
        }
        Ok(())
    })
}

fn unknown(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let outside = Party::new("127.0.0.2", scene.instance.port)?;
        for method in METHODS {
            let mut request = scene.invite();
            request.method = method.to_string();
            request.via.clone_from(&outside.address);
            let answer = scene.ask(&request, &outside)?;
            scene.expect(method, &answer, 403, false)?;
        }
        // Not even with full knowledge of a call.
        let real = scene.call()?;
        for (method, further) in [("INFO", 10), ("INVITE", 20), ("REFER", 30)] {
            let mut request = real.next(method);
            request.cseq += further;
            request.via.clone_from(&outside.address);
            let answer = scene.ask(&request, &outside)?;
            scene.expect(method, &answer, 403, false)?;
        }
        Ok(())
    })?;
    // Without a carrier the script lets nobody call out, whatever the destination.
    let scene = Scene::with(setting, place, |_| Outbound {
        choice: String::new(),
    })?;
    run(scene, |scene| {
        for uri in [
            format!("sip:100@{}", scene.stranger.address),
            format!("sip:100@{}", scene.us()),
            "sip:100@carrier.invalid".to_string(),
        ] {
            let mut request = scene.invite();
            request.uri = uri.clone();
            scene.refused(&uri, &request, 403)?;
        }
        Ok(())
    })
}
