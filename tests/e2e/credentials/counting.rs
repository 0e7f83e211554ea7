//! What opensips-cfg/outbound-auth.cfg answers, and how it counts: a carrier that insists on ever higher
//! CSeqs, and challenges of every lawful form.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::digest;
use harness::server::wait_for;
use md5::{Digest as _, Md5};

use super::carrier::HASH;
use super::party::{Message, Request};
use super::strangers::{CHALLENGED, Scene, challenge, run};
use super::{LIMIT, Place, SECRET, Setting};

/// A name, and the function that shows it.
type Case = (&'static str, fn(&Setting, &Place) -> Result<(), String>);

pub const TRIALS: [Case; 11] = [
    ("a carrier that insists on counting", counted),
    ("refused, cancelled and tried again", unanswered),
    ("a provisional answer is acknowledged", acknowledged),
    ("a 200 that is repeated late", repeated),
    ("challenges of every form", forms),
    ("what can't be answered", unanswerable),
    ("the highest CSeq", highest),
    ("challenges of any size and number", sizes),
    ("Max-Forwards counts where a request is sent on", hops),
    ("who is wrong is told", told),
    ("a caller's own credentials", own),
];

/// The carrier, which answers 482 to a CSeq that is not higher than the last one of the call.
struct Strict<'a> {
    scene: &'a Scene,
    last: RefCell<HashMap<String, u32>>,
}

/// The number of a CSeq.
fn number(message: &Message) -> Result<u32, String> {
    let values = message.headers("CSeq");
    let [value] = values.as_slice() else {
        return Err(format!("one CSeq expected: {}", message.0));
    };
    let number = value.split(' ').next().and_then(|text| text.parse().ok());
    number.ok_or_else(|| format!("no number: {value}"))
}

/// The message has that number.
fn numbered(message: Message, expected: u32) -> Result<Message, String> {
    match number(&message)? == expected {
        true => Ok(message),
        false => Err(format!("CSeq {expected} expected: {}", message.0)),
    }
}

impl<'a> Strict<'a> {
    fn new(scene: &'a Scene) -> Strict<'a> {
        let last = RefCell::default();
        Strict { scene, last }
    }

    /// The next request, with a higher number than all before.
    fn request(&self, method: &str) -> Result<Message, String> {
        let request = self.scene.carrier.request(method)?;
        let (now, call) = (number(&request)?, request.header("Call-ID").to_string());
        match self.last.borrow_mut().insert(call, now) {
            Some(last) if last >= now => {
                self.scene
                    .carrier
                    .reply(&request, "482 Merged Request", "", "")?;
                Err(format!("{now} after {last}: {}", request.0))
            }
            _ => Ok(request),
        }
    }

    /// The ACK of a request.
    fn ack(&self, of: &Message) -> Result<Message, String> {
        numbered(self.scene.carrier.request("ACK")?, number(of)?)
    }

    /// Challenges a request; returns it with its answers.
    fn challenge(&self, request: &Message, challenges: &str) -> Result<Message, String> {
        let carrier = &self.scene.carrier;
        carrier.reply(request, CHALLENGED, "challenge", challenges)?;
        if request.method() == "INVITE" {
            self.ack(request)?;
        }
        let again = self.request(request.method())?;
        match again.answers().is_empty() {
            false => Ok(again),
            true => Err(format!("an answer expected: {}", again.0)),
        }
    }

    /// Answers a request; the caller sees that as the answer to his number.
    fn reply(&self, to: &Message, status: u16, of: &Request) -> Result<Message, String> {
        let (scene, line) = (self.scene, format!("{status} So Be It"));
        scene
            .carrier
            .reply(to, &line, "callee", &scene.carrier.contact())?;
        numbered(scene.caller.answer(status)?, of.cseq)
    }

    /// The caller's ACK for a 200, which fits the request that the carrier has seen.
    fn established(&self, ack: &Request, invite: &Message) -> Result<(), String> {
        self.scene.caller.send(&ack.text())?;
        let ack = self.ack(invite)?;
        match ack.answers() == invite.answers() {
            true => Ok(()),
            false => Err(format!("the answers of its INVITE expected: {}", ack.0)),
        }
    }
}

fn stale(nonce: &str) -> String {
    challenge(nonce).replace("Digest ", "Digest stale=true, ")
}

fn counted(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let mut request = scene.invite();
        scene.caller.send(&request.text())?;
        let invite = numbered(strict.request("INVITE")?, request.cseq)?;
        let invite = strict.challenge(&invite, &challenge("first"))?;
        let invite = strict.challenge(&invite, &stale("second"))?;
        strict.reply(&invite, 180, &request)?;
        let answer = strict.reply(&invite, 200, &request)?;
        let first = request.clone();
        request.established(&answer);
        strict.established(&request.next("ACK"), &invite)?;
        // The carrier has not seen it.
        scene
            .carrier
            .reply(&invite, "200 Once More", "callee", &scene.carrier.contact())?;
        numbered(scene.caller.answer(200)?, first.cseq)?;

        for method in ["INFO", "UPDATE", "INVITE", "OPTIONS", "INVITE", "BYE"] {
            request = request.next(method);
            scene.caller.send(&request.text())?;
            let got = strict.challenge(&strict.request(method)?, &challenge(method))?;
            let got = strict.challenge(&got, &stale("later"))?;
            strict.reply(&got, 200, &request)?;
            if method == "INVITE" {
                strict.established(&request.next("ACK"), &got)?;
            }
        }
        Ok(())
    })
}

fn unanswered(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let acknowledge = |request: &Request, answer: &Message| {
            let mut ack = request.cancel();
            ack.method = "ACK".to_string();
            ack.to = answer.header("To").to_string();
            scene.caller.send(&ack.text())
        };
        // Refused, and tried again by the caller, who counts on from his own number.
        let mut request = scene.invite();
        for _ in 0..2 {
            scene.caller.send(&request.text())?;
            let invite = strict.challenge(&strict.request("INVITE")?, &challenge("first"))?;
            let answer = strict.reply(&invite, 486, &request)?;
            strict.ack(&invite)?;
            acknowledge(&request, &answer)?;
            request = request.next("INVITE");
        }
        // Challenged again, as the password is wrong.
        scene.caller.send(&request.text())?;
        let invite = strict.challenge(&strict.request("INVITE")?, &challenge("first"))?;
        scene
            .carrier
            .reply(&invite, CHALLENGED, "callee", &challenge("another"))?;
        strict.ack(&invite)?;
        acknowledge(
            &request,
            &numbered(scene.caller.answer(407)?, request.cseq)?,
        )?;

        let cancelled = scene.invite();
        scene.caller.send(&cancelled.text())?;
        let invite = strict.challenge(&strict.request("INVITE")?, &challenge("first"))?;
        strict.reply(&invite, 180, &cancelled)?;
        scene.caller.send(&cancelled.cancel().text())?;
        scene.caller.answer(200)?;
        let cancel = numbered(scene.carrier.request("CANCEL")?, number(&invite)?)?;
        scene.carrier.reply(&cancel, "200 OK", "callee", "")?;
        let answer = strict.reply(&invite, 487, &cancelled)?;
        strict.ack(&invite)?;
        acknowledge(&cancelled, &answer)
    })
}

fn acknowledged(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let request = scene.invite();
        scene.caller.send(&request.text())?;
        let invite = strict.challenge(&strict.request("INVITE")?, &challenge("first"))?;
        let answer = strict.reply(&invite, 183, &request)?;
        let mut prack = request.clone();
        prack.established(&answer);
        let ack = prack.next("ACK");
        prack = prack.next("PRACK");
        prack.more = format!("RAck: 7001 {} INVITE\r\n", request.cseq);
        scene.caller.send(&prack.text())?;
        let first = strict.request("PRACK")?;
        let second = strict.challenge(&first, &challenge("prack"))?;
        let expected = format!("7001 {} INVITE", number(&invite)?);
        for got in [&first, &second] {
            if got.headers("RAck") != [expected.as_str()] {
                return Err(format!("RAck {expected} expected: {}", got.0));
            }
        }
        strict.reply(&second, 200, &prack)?;
        strict.reply(&invite, 200, &request)?;
        strict.established(&ack, &invite)
    })
}

/// OpenSIPS would have forgotten the transaction after five seconds.
fn repeated(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let request = scene.invite();
        scene.caller.send(&request.text())?;
        let invite = strict.challenge(&strict.request("INVITE")?, &challenge("first"))?;
        strict.reply(&invite, 200, &request)?;
        std::thread::sleep(Duration::from_secs(8));
        scene.carrier.reply(
            &invite,
            "200 Still Here",
            "callee",
            &scene.carrier.contact(),
        )?;
        numbered(scene.caller.answer(200)?, request.cseq).map(drop)
    })
}

/// The challenges, and of each answer that is expected its header, user and algorithm.
type Form = (
    &'static str,
    &'static [(&'static str, &'static str, &'static str)],
);

const WWW: &str = "Authorization";
const PROXY: &str = "Proxy-Authorization";

const FORMS: [Form; 13] = [
    (
        "WWW-Authenticate: Digest realm=\"the proxy\",\r\n nonce=\"xWg1DnB3==\",algorithm=MD5,qop=\"auth\"\r\n",
        &[(WWW, "proxy-user", "MD5")],
    ),
    // No qop, as of RFC 2069.
    (
        "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"n\"\r\n",
        &[(PROXY, "proxy-user", "MD5")],
    ),
    (
        "Proxy-Authenticate: dIGEST nonce = n ,opaque=\"\",, Realm=\"the proxy\",QOP=auth-int,auth\r\n",
        &[(PROXY, "proxy-user", "MD5")],
    ),
    (
        "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"n\", qop=\"auth-int\", algorithm=md5\r\n",
        &[(PROXY, "proxy-user", "MD5")],
    ),
    (
        "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"n\", qop=\"auth-conf, auth\", algorithm=MD5-sess\r\n",
        &[(PROXY, "proxy-user", "MD5-sess")],
    ),
    (
        "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"n\", algorithm=\"SHA-256-sess\"\r\n",
        &[(PROXY, "proxy-user", "SHA-256-sess")],
    ),
    // Both kinds, for different servers on the path.
    (
        "WWW-Authenticate: Digest realm=\"inner.example\", nonce=\"w\", qop=\"auth\"\r\n\
         Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"p\", qop=\"auth\"\r\n",
        &[(PROXY, "proxy-user", "MD5"), (WWW, "user", "MD5")],
    ),
    // Several algorithms: in headers of their own, and in one.
    (
        "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"1\", algorithm=AKAv1-MD5, qop=\"auth\"\r\n\
         Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"2\", algorithm=MD5, qop=\"auth\"\r\n\
         Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"3\", algorithm=SHA-512-256, qop=\"auth-int\"\r\n\
         Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"4\", algorithm=SHA-256, qop=\"auth\"\r\n",
        &[(PROXY, "proxy-user", "SHA-512-256")],
    ),
    (
        "Proxy-Authenticate: Digest realm=\"the proxy\", nonce=\"1\", qop=\"auth\", algorithm=MD5, \
         Bearer realm=\"x\", Digest realm=\"the proxy\", nonce=\"2\", qop=\"auth\", algorithm=SHA-256\r\n",
        &[(PROXY, "proxy-user", "SHA-256")],
    ),
    // Several realms, one of them nobody's.
    (
        "WWW-Authenticate: Digest realm=\"nobody.example\", nonce=\"1\", qop=\"auth\"\r\n\
         WWW-Authenticate: Digest realm=\"refused.example\", nonce=\"2\", qop=\"auth\"\r\n\
         WWW-Authenticate: Digest realm=\"inner.example\", nonce=\"3\", qop=\"auth\"\r\n",
        &[(WWW, "refused", "MD5"), (WWW, "user", "MD5")],
    ),
    (
        "WWW-Authenticate: Digest realm=\"a \\\"b\\\"\", nonce=\"a\\\\b\", qop=\"auth\", opaque=\"x\\\"y, realm=z\"\r\n",
        &[(WWW, "quoted", "MD5")],
    ),
    (
        "WWW-Authenticate: Digest realm=\"hash.example\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256\r\n",
        &[(WWW, "hashed", "SHA-256")],
    ),
    (
        "WWW-Authenticate: Digest realm=\"hash.example\", nonce=\"n\"\r\n",
        &[(WWW, "hashed", "MD5")],
    ),
];

fn forms(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        for (challenges, expected) in FORMS {
            form(scene, challenges, expected).map_err(|e| format!("{challenges}{e}"))?;
        }
        Ok(())
    })
}

fn form(scene: &Scene, challenges: &str, expected: &[(&str, &str, &str)]) -> Result<(), String> {
    const BODY: &str = "v=0\r\n";
    let strict = Strict::new(scene);
    let request = scene.invite();
    let text = request.text().replace(
        "Content-Length: 0\r\n\r\n",
        &format!("Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\n{BODY}"),
    );
    scene.caller.send(&text)?;
    let invite = strict.challenge(&strict.request("INVITE")?, challenges)?;
    let mut seen = Vec::new();
    for name in [PROXY, WWW] {
        for value in invite.headers(name) {
            let (user, algorithm) = check(value, &invite, BODY)?;
            seen.push((name.to_string(), user, algorithm));
        }
    }
    let mut right: Vec<_> = expected
        .iter()
        .map(|(name, user, algorithm)| (name.to_string(), user.to_string(), algorithm.to_string()))
        .collect();
    seen.sort();
    right.sort();
    if seen != right {
        return Err(format!("{right:?} expected, answered has {seen:?}"));
    }
    let answer = strict.reply(&invite, 486, &request)?;
    strict.ack(&invite)?;
    let mut ack = request.cancel();
    ack.method = "ACK".to_string();
    ack.to = answer.header("To").to_string();
    scene.caller.send(&ack.text())
}

/// User and algorithm of an answer that is correct (RFC 7616 section 3.4.1).
fn check(value: &str, request: &Message, body: &str) -> Result<(String, String), String> {
    let mut fields = HashMap::new();
    let mut rest = value.strip_prefix("Digest ").ok_or("no Digest")?;
    while let Some((name, after)) = rest.split_once('=') {
        let (mut text, mut end) = (String::new(), after.len());
        let mut chars = after.char_indices();
        let quoted = after.starts_with('"');
        if quoted {
            chars.next();
        }
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' if quoted => text.extend(chars.next().map(|(_, c)| c)),
                '"' if quoted => {
                    end = at + 1;
                    break;
                }
                ',' if !quoted => {
                    end = at;
                    break;
                }
                c => text.push(c),
            }
        }
        fields.insert(name.trim(), text);
        rest = after[end..].trim_start_matches([',', ' ']);
    }
    let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
    let user = field("username");
    let password = match user.as_str() {
        "proxy-user" => format!("{SECRET}1"),
        "user" => format!("{SECRET}2"),
        "refused" => format!("{SECRET}4"),
        "quoted" => format!("{SECRET}6"),
        "hashed" => HASH.to_string(),
        other => return Err(format!("there is no user {other}: {value}")),
    };
    let algorithm = match field("algorithm").as_str() {
        "" => "MD5".to_string(),
        name => name.to_string(),
    };
    let hash = |text: String| {
        let bytes = match algorithm.to_ascii_uppercase().trim_end_matches("-SESS") {
            "MD5" => Md5::digest(text.as_bytes()).to_vec(),
            "SHA-256" => digest::digest(&digest::SHA256, text.as_bytes())
                .as_ref()
                .to_vec(),
            _ => digest::digest(&digest::SHA512_256, text.as_bytes())
                .as_ref()
                .to_vec(),
        };
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let (nonce, cnonce, qop) = (field("nonce"), field("cnonce"), field("qop"));
    let mut first = hash(format!("{user}:{}:{password}", field("realm")));
    if algorithm.ends_with("-sess") {
        first = hash(format!("{first}:{nonce}:{cnonce}"));
    }
    let mut second = format!("INVITE:{}", request.uri());
    if qop == "auth-int" {
        second = format!("{second}:{}", hash(body.to_string()));
    }
    let middle = match qop.as_str() {
        "" => nonce,
        _ => format!("{nonce}:{}:{cnonce}:{qop}", field("nc")),
    };
    match hash(format!("{first}:{middle}:{}", hash(second))) == field("response") {
        true => Ok((user, algorithm.replace("md5", "MD5"))),
        false => Err(format!("a wrong response: {value}")),
    }
}

fn unanswerable(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        for (challenges, reason) in [
            (
                "Digest realm=\"the proxy\", nonce=\"n\", algorithm=AKAv1-MD5",
                "\"AKAv1-MD5\"",
            ),
            (
                "Digest realm=\"the proxy\", nonce=\"n\", qop=\"auth-conf\"",
                "\"auth-conf\"",
            ),
            ("Digest realm=\"the proxy\", qop=\"auth\"", "has no nonce"),
            ("Digest nonce=\"n\", qop=\"auth\"", "has no realm"),
            ("Digest realm=\"the proxy\", nonce=\"n", "grammar"),
            ("Bearer realm=\"the proxy\"", "\"Bearer\" is not Digest"),
            (
                "Digest realm=\"nobody.example\", nonce=\"n\"",
                "no credentials for realm nobody.example",
            ),
        ] {
            let strict = Strict::new(scene);
            let since = scene.instance.log_length();
            let request = scene.invite();
            scene.caller.send(&request.text())?;
            let invite = strict.request("INVITE")?;
            let header = format!("Proxy-Authenticate: {challenges}\r\n");
            scene
                .carrier
                .reply(&invite, CHALLENGED, "callee", &header)?;
            strict.ack(&invite)?;
            let answer = numbered(scene.caller.answer(407)?, request.cseq)?;
            let mut ack = request.cancel();
            ack.method = "ACK".to_string();
            ack.to = answer.header("To").to_string();
            scene.caller.send(&ack.text())?;
            let said = wait_for(LIMIT, || {
                scene
                    .instance
                    .log_since(since)
                    .contains(reason)
                    .then_some(())
            });
            said.ok_or_else(|| format!("{challenges}: {reason} is not in the log"))?;
        }
        Ok(())
    })
}

/// The caller acknowledges a refusal.
fn refused(scene: &Scene, status: u16, request: &Request) -> Result<(), String> {
    let answer = numbered(scene.caller.answer(status)?, request.cseq)?;
    let mut ack = request.cancel();
    ack.method = "ACK".to_string();
    ack.to = answer.header("To").to_string();
    scene.caller.send(&ack.text())
}

/// A CSeq is below 2^31, with room for counting on.
fn highest(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        for number in [
            "2140000000",
            "2147483647",
            "2147483648",
            "4294967295",
            "4294967296",
            "99999999999999999999",
        ] {
            let request = scene.invite();
            let line = format!("CSeq: {} ", request.cseq);
            let text = request.text().replace(&line, &format!("CSeq: {number} "));
            scene.caller.send(&text)?;
            scene
                .caller
                .answer(400)
                .map_err(|e| format!("{number}: {e}"))?;
        }
        let mut request = scene.invite();
        request.cseq = 2_139_999_999;
        scene.caller.send(&request.text())?;
        let invite = numbered(strict.request("INVITE")?, request.cseq)?;
        let again = strict.challenge(&invite, &challenge("first"))?;
        let again = strict.challenge(&again, &stale("second"))?;
        let again = numbered(again, request.cseq + 2)?;
        scene.carrier.reply(&again, "486 Busy", "callee", "")?;
        strict.ack(&again)?;
        refused(scene, 486, &request)
    })
}

/// How many challenges are looked at, how long an answer may be, and how often there is one.
fn sizes(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let header = |realm: &str, nonce: &str| {
            format!("Proxy-Authenticate: Digest realm=\"{realm}\", nonce=\"{nonce}\"\r\n")
        };
        let nobodys = |count: usize| {
            let all = (0..count).map(|number| header(&format!("nobody{number}.example"), "n"));
            all.collect::<String>()
        };
        let copies = |count: usize| header("nobody.example", "n").repeat(count);
        let ours = |nonce: &str| header("the proxy", nonce);
        let long = "n".repeat(3000);
        for (what, challenges) in [
            ("a long nonce", ours(&long)),
            ("the last of sixteen headers", copies(15) + &ours("n")),
            ("the last of eight realms", nobodys(7) + &ours("n")),
        ] {
            let request = scene.invite();
            scene.caller.send(&request.text())?;
            let invite = strict.request("INVITE")?;
            let invite = strict
                .challenge(&invite, &challenges)
                .map_err(|e| format!("{what}: {e}"))?;
            scene.carrier.reply(&invite, "486 Busy", "callee", "")?;
            strict.ack(&invite)?;
            refused(scene, 486, &request)?;
        }
        for (what, challenges, said) in [
            ("too long a nonce", ours(&"n".repeat(9000)), "too long"),
            (
                "a seventeenth header",
                copies(16) + &ours("n"),
                "no credentials",
            ),
            (
                "a ninth realm",
                nobodys(8) + &ours("n"),
                "realm nobody7.example",
            ),
        ] {
            let since = scene.instance.log_length();
            let request = scene.invite();
            scene.caller.send(&request.text())?;
            let invite = strict.request("INVITE")?;
            scene
                .carrier
                .reply(&invite, CHALLENGED, "callee", &challenges)?;
            strict.ack(&invite)?;
            refused(scene, 407, &request).map_err(|e| format!("{what}: {e}"))?;
            let log = || scene.instance.log_since(since);
            wait_for(LIMIT, || log().contains(said).then_some(()))
                .ok_or_else(|| format!("{what}: {said} is not in the log"))?;
        }
        // Four times at the most, whatever the carrier says.
        let request = scene.invite();
        scene.caller.send(&request.text())?;
        let mut invite = strict.request("INVITE")?;
        for nonce in ["1", "2", "3", "4"] {
            invite = strict.challenge(&invite, &stale(nonce))?;
        }
        scene
            .carrier
            .reply(&invite, CHALLENGED, "callee", &stale("5"))?;
        strict.ack(&invite)?;
        refused(scene, 407, &request)
    })
}

/// What the carrier gets for a line of Max-Forwards.
const SENT_ON: [(&str, &str); 5] = [
    ("Max-Forwards: 1\r\n", "0"),
    ("Max-Forwards: 70\r\n", "69"),
    ("Max-Forwards: 070\r\n", "69"),
    ("Max-Forwards: 255\r\n", "254"),
    ("", "70"),
];

fn hops(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let since = scene.instance.log_length();
        let send = |request: &Request, line: &str| {
            let text = request.text().replace("Max-Forwards: 70\r\n", line);
            scene.caller.send(&text)
        };
        let mut options = scene.invite();
        options.method = "OPTIONS".to_string();
        send(&options, "Max-Forwards: 0\r\n")?;
        scene.caller.answer(200)?;
        let request = scene.invite();
        send(&request, "Max-Forwards: 0\r\n")?;
        refused(scene, 483, &request)?;
        for value in ["-1", "x", "", "256", "4294967296"] {
            send(&scene.invite(), &format!("Max-Forwards: {value}\r\n"))?;
            scene
                .caller
                .answer(400)
                .map_err(|e| format!("{value}: {e}"))?;
        }
        for (line, arrives) in SENT_ON {
            let request = scene.invite();
            send(&request, line)?;
            let invite = strict.request("INVITE")?;
            if invite.headers("Max-Forwards") != [arrives] {
                return Err(format!("{line:?}: not {arrives}: {}", invite.0));
            }
            scene.carrier.reply(&invite, "486 Busy", "callee", "")?;
            strict.ack(&invite)?;
            refused(scene, 486, &request)?;
        }
        // Within a call.
        let mut request = scene.invite();
        scene.caller.send(&request.text())?;
        let invite = strict.request("INVITE")?;
        let answer = strict.reply(&invite, 200, &request)?;
        request.established(&answer);
        strict.established(&request.next("ACK"), &invite)?;
        let info = request.next("INFO");
        send(&info, "Max-Forwards: 0\r\n")?;
        scene.caller.answer(483)?;
        let bye = info.next("BYE");
        send(&bye, "Max-Forwards: 9\r\n")?;
        let bye = strict.request("BYE")?;
        if bye.headers("Max-Forwards") != ["8"] {
            return Err(format!("not 8: {}", bye.0));
        }
        scene.carrier.reply(&bye, "200 OK", "callee", "")?;
        scene.caller.answer(200)?;
        scene.instance.no_error_since(since)
    })
}

/// A change of the text of an INVITE, and the status and reason that the caller is then told.
type Fault = (&'static str, &'static str, u16, &'static str);

/// What a caller writes wrongly.
const FAULTS: [Fault; 16] = [
    (
        "From: <sip:caller@example.org>",
        "From: x",
        400,
        "Invalid From",
    ),
    (
        "From: <sip:caller@example.org>",
        "From: <sip:caller@",
        400,
        "Invalid From",
    ),
    (
        "From: <sip:caller@example.org>",
        "From: <http://x>",
        400,
        "Invalid From",
    ),
    (
        "From: <sip:caller@example.org>;tag=",
        "From: <sip:caller@example.org>;x=",
        400,
        "From has no tag",
    ),
    ("From: ", "X-From: ", 400, MANDATORY),
    ("To: ", "X-To: ", 400, MANDATORY),
    ("Call-ID: ", "X-Call-ID: ", 400, MANDATORY),
    (
        "To: <sip:callee@example.org>",
        "To: <sip:>",
        400,
        "Invalid To",
    ),
    ("sip:100@", "sip:100@x@", 400, "Invalid Request-URI"),
    ("sip:100@", "http://", 400, "Invalid Request-URI"),
    (
        "INVITE sip",
        "invite sip",
        400,
        "CSeq must be a number below 2^32 and the method of the request",
    ),
    ("Contact: <", "Contact: ", 400, "Invalid contact"),
    ("Contact: <sip:", "Contact: <tel:", 400, "Invalid contact"),
    (
        "Contact: <",
        "Contact: <sip:a@192.0.2.7>, <",
        400,
        "Invalid contact",
    ),
    (
        "Contact: <",
        "Contact: *\r\nX-Contact: <",
        400,
        "Invalid contact",
    ),
    ("sip:100@", "sip:100;x=y@", 404, ""),
];

const MANDATORY: &str = "From, To, Call-ID and CSeq must occur exactly once";

/// Whoever is wrong is told what it is; none of it is an error of ours, and his calls go on.
fn told(setting: &Setting, place: &Place) -> Result<(), String> {
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        let since = scene.instance.log_length();
        let is_told = |status: u16, reason: &str| {
            let answer = scene.caller.answer(status)?;
            match answer.header("X-Reason") == reason {
                true => Ok(()),
                false => Err(format!("{reason} expected: {}", answer.0)),
            }
        };
        let told = |text: &str, status: u16, reason: &str| {
            scene.caller.send(text)?;
            is_told(status, reason)
                .and_then(|()| scene.instance.no_error_since(since))
                .map_err(|e| format!("{text}{e}"))
        };
        for (old, new, status, reason) in FAULTS {
            let text = scene.invite().text().replacen(old, new, 1);
            told(&text, status, reason)?;
        }
        let long = format!("sip:{}@", "1".repeat(257));
        told(&scene.invite().text().replace("sip:100@", &long), 414, "")?;
        told(&scene.invite().cancel().text(), 481, "")?;

        // Within a call, which goes on.
        let mut request = scene.invite();
        scene.caller.send(&request.text())?;
        let invite = strict.request("INVITE")?;
        let answer = strict.reply(&invite, 200, &request)?;
        request.established(&answer);
        strict.established(&request.next("ACK"), &invite)?;
        let last = RefCell::new(request.clone());
        let info = |change: &dyn Fn(&mut Request)| {
            let mut info = last.borrow().next("INFO");
            last.replace(info.clone());
            change(&mut info);
            info.text()
        };
        let other = "Not for the other side of its call";
        let elsewhere = "<sip:192.0.2.7;lr>";
        told(&info(&|r| r.routes = vec!["<".to_string()]), 481, "")?;
        told(&info(&|r| r.routes = Vec::new()), 481, "")?;
        told(&info(&|r| r.from += "x"), 481, "")?;
        told(
            &info(&|r| r.uri = "x".to_string()),
            400,
            "Invalid Request-URI",
        )?;
        told(
            &info(&|r| r.uri = "sip:x@192.0.2.7".to_string()),
            403,
            other,
        )?;
        told(&info(&|r| r.routes.push(elsewhere.to_string())), 403, other)?;
        let mut request = last.into_inner().next("INFO");
        scene.caller.send(&request.text())?;
        let got = strict.request("INFO")?;
        scene.carrier.reply(&got, "200 OK", "callee", "")?;
        scene.caller.answer(200)?;
        request.cseq -= 2;
        told(
            &request.next("INFO").text(),
            500,
            "CSeq is not higher than the last",
        )?;
        request.cseq += 2;
        scene.caller.send(&request.next("BYE").text())?;
        let got = strict.request("BYE")?;
        scene.carrier.reply(&got, "200 OK", "callee", "")?;
        scene.caller.answer(200).map(drop)
    })
}

/// Where the script answers, the caller's own answer is not sent along: the carrier might take the first. What
/// he answers in the other header is his.
fn own(setting: &Setting, place: &Place) -> Result<(), String> {
    const OWN: &str = "Digest username=\"x\", realm=\"the proxy\", nonce=\"n\", uri=\"sip:x\", \
                       response=\"00000000000000000000000000000000\"";
    run(Scene::new(setting, place)?, |scene| {
        let strict = Strict::new(scene);
        for (name, other, challenges) in [
            (PROXY, WWW, challenge("n")),
            (WWW, PROXY, challenge("n").replace("Proxy-", "WWW-")),
        ] {
            let mut request = scene.invite();
            request.more = format!("{PROXY}: {OWN}\r\n{WWW}: {OWN}\r\n");
            scene.caller.send(&request.text())?;
            let invite = strict.challenge(&strict.request("INVITE")?, &challenges)?;
            let answer = strict.reply(&invite, 200, &request)?;
            request.established(&answer);
            scene.caller.send(&request.next("ACK").text())?;
            let ack = strict.ack(&invite)?;
            for message in [&invite, &ack] {
                let ours = message.headers(name);
                if ours.len() != 1 || ours == [OWN] || message.headers(other) != [OWN] {
                    return Err(format!("{name}: one answer expected: {}", message.0));
                }
            }
        }
        Ok(())
    })
}
