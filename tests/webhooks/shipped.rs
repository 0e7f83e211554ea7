//! opensips-cfg/http_authorize.cfg, as a user would copy it.

use std::sync::Arc;
use std::time::Duration;

use harness::bindings::{self, Attack, Proof};
use harness::core::Core;
use harness::database::{Backend, Database};
use harness::device::{Device, LIMIT, Question, Reply, Written};
use harness::digest::Response;
use harness::endpoint::Endpoint;
use harness::hop::Hop;
use harness::instance::Instance;
use harness::server::wait_for;
use harness::shipped::Shipped;
use harness::wrong;
use libtest_mimic::Trial;

use super::setting::{Setting, USERS};

const FILE: &str = "http_authorize.cfg";

/// The trial of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let mut trials = vec![setting.trial(core, "opensips-cfg/http_authorize.cfg", run)];
    // The stand-in stores no contacts and forwards nothing.
    if core.is_opensips() {
        let name = "opensips-cfg/http_authorize.cfg: who is bound to what";
        trials.push(setting.trial(core, name, bound));
        let name = "opensips-cfg/http_authorize.cfg: who is wrong is told";
        trials.push(setting.trial(core, name, told));
        let name = "opensips-cfg/http_authorize.cfg: what the next hop gets";
        trials.push(setting.trial(core, name, relayed));
    }
    trials
}

fn script(endpoint: &Endpoint) -> Result<Shipped, String> {
    // It uses no database, and names one only in a comment.
    let shipped = Shipped::read(FILE, &harness::module(), &Database::nowhere(Backend::Mysql))?;
    Ok(shipped.asking(&endpoint.url()))
}

/// Nobody is bound by somebody else, nor for longer than was granted.
fn bound(setting: &Setting, core: &Core) -> Result<(), String> {
    let endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let mut instance =
        Instance::start(core, &script(&endpoint)?, &setting.folder()).map_err(|e| e.to_string())?;
    let device = Device::new(instance.port)?;
    let secret = |user| Proof::Password(user, "secret");
    bindings::no_longer_than(&device, "sip:short@a.example", secret("short"), 60)?;
    // Whatever is granted to a device that asks for no time.
    bindings::no_longer_than(&device, "sip:john@a.example", secret("john"), 604_800)?;
    bindings::stars(&device, "sip:john@a.example", secret("john"))?;
    let other = ("sip:john@b.example", Proof::Password("john", "other"));
    bindings::one_list(&device, ("john", "a.example"), secret("john"), other)?;
    let since = instance.log_length();
    bindings::restarted(&device, "sip:john@a.example", secret("john"))?;
    instance.no_error_since(since)?;

    let victim = "sip:alice@a.example";
    let respond = |user: &str, method: &str| {
        let ends = [victim, victim].map(|uri| format!("<{uri}>"));
        let reply = device.ask_written("REGISTER", [&ends[0], &ends[1]], &[])?;
        let response = Response::to(&reply.challenge()?, user, "secret", &device.registrar());
        Ok::<_, String>(response.header(method))
    };
    let own = |method: &str| respond("short", method);
    let disguised = || {
        let own = || respond("short", "REGISTER");
        let worthless = || Ok::<_, String>(own()?.replace("\"short\"", "\"alice\""));
        let rest = |value: String| value.split_once(' ').map(|(_, rest)| rest.to_string());
        let rest = |value| rest(value).ok_or("no scheme");
        Ok(vec![
            respond("alice@evil.example", "REGISTER")?,
            respond("%61lice", "REGISTER")?,
            worthless()?,
            format!("{}, opaque=\"\\\", username=alice, z=\\\"\"", own()?),
            format!("{}, username=\"alice\"", own()?),
            format!("Digest username=\"alice\", {}", rest(own()?)?),
            format!("{}\r\nAuthorization: {}", worthless()?, own()?),
            format!("{}\r\nAuthorization: {}", own()?, worthless()?),
            format!("{}\r\nProxy-Authorization: {}", own()?, worthless()?),
            format!("{}\r\nProxy-Authorization: {}", worthless()?, own()?),
            format!("{}\r\nJunk\r\nAuthorization: {}", worthless()?, own()?),
            format!("{}\r\n\x0cAuthorization: {}", worthless()?, own()?),
            format!("Basic YWxpY2U6c2VjcmV0\r\nAuthorization: {}", own()?),
        ])
    };
    let attack = Attack {
        mallory: "sip:short@a.example",
        victim,
        proof: secret("alice"),
        own: &own,
        disguised: &disguised,
    };
    bindings::try_all(&device, &attack)?;
    instance.check_workers()
}

/// Whoever sends something wrong is told what it is, and nobody loses a registration by it.
fn told(setting: &Setting, core: &Core) -> Result<(), String> {
    let users = [64, 65, 192, 193].map(|length| "u".repeat(length));
    let odd = ["john", "j\u{f6}hn", "jo\thn", "jo hn", "100%", "a@b", "#1"];
    let lines = users.iter().map(String::as_str).chain(odd);
    let lines: String = lines
        .map(|user| format!("a.example:{user}:secret\n"))
        .collect();
    let folder = setting.folder();
    let file = folder.join("users.txt");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    std::fs::write(&file, &lines).map_err(|e| e.to_string())?;
    let endpoint = Endpoint::start(&folder, &lines, &[])?;
    let mut instance =
        Instance::start(core, &script(&endpoint)?, &setting.folder()).map_err(|e| e.to_string())?;
    let device = Device::new(instance.port)?;
    let proof = |user| Proof::Password(user, "secret");
    wrong::told(&instance, &device, "sip:john@a.example", proof("john"))?;
    // Users that the registrar can save, and others.
    let since = instance.log_length();
    let [most, over, longest, longer] = &users;
    let contact = format!("Contact: <sip:one@{}>", device.local());
    for (user, escaped, reason) in [
        (most.as_str(), most.as_str(), ""),
        (over, over, ""),
        (longest, longest, ""),
        (longer, longer, "To is too long"),
        ("jo hn", "jo%20hn", ""),
        ("100%", "100%25", ""),
        ("a@b", "a%40b", ""),
        ("#1", "%231", ""),
        (
            "j\u{f6}hn",
            "j%C3%B6hn",
            "To has an escape that can't be saved",
        ),
        ("jo\thn", "jo%09hn", "To has an escape that can't be saved"),
        ("100%", "100%", "To has an escape that can't be saved"),
    ] {
        let to = format!("sip:{escaped}@a.example");
        let reply = match reason {
            "" => bindings::register(&device, &to, proof(user), &[&contact])?,
            // Before anybody is asked for a password.
            _ => {
                let address = format!("<{to}>");
                let lines = std::slice::from_ref(&contact);
                device.ask_written("REGISTER", [&address, &address], lines)?
            }
        };
        let status = if reason.is_empty() { 200 } else { 400 };
        if reply.status != status || reply.header("X-Reason") != reason {
            return Err(format!("{to}: {status}, {reason}: {reply:?}"));
        }
    }
    for (length, status) in [(255, 200), (256, 400)] {
        let challenge = challenge(&device, &register("john"))?;
        let response = Response::to(&challenge, "john", "secret", &device.registrar());
        let reply = device.ask_as(&Written {
            method: "REGISTER".to_string(),
            uri: device.registrar(),
            from: "<sip:john@a.example>".to_string(),
            to: "<sip:john@a.example>".to_string(),
            call_id: "c".repeat(length),
            lines: vec![
                contact.clone(),
                format!("Authorization: {}", response.header("REGISTER")),
            ],
            ..Written::default()
        })?;
        if reply.status != status {
            return Err(format!("a Call-ID of {length}: {status}: {reply:?}"));
        }
    }
    instance.no_error_since(since)?;
    instance.check_workers()
}

/// Of what the sender claims, only what was checked is passed on.
fn relayed(setting: &Setting, core: &Core) -> Result<(), String> {
    let endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let hop = Hop::new()?;
    let script = hop.behind(script(&endpoint)?);
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let device = Device::new(instance.port)?;
    let invite = Hop::invite("john", "a.example");
    let challenge = status(device.ask(&invite)?, 407)?.challenge()?;
    let response = device
        .respond(&invite, &challenge, "secret")
        .header("INVITE");
    let id = device.send(&invite.with("Proxy-Authorization", response))?;
    hop.expect_nothing_unchecked(&id)?;
    // Who is proven, where From proves nothing.
    let uri = "sip:100@a.example";
    for from in bindings::OWN_ADDRESSES {
        let challenge = device.ask_as(&bindings::with_own_address(uri, from, &[]))?;
        let response = Response::to(&challenge.challenge()?, "john", "secret", uri);
        let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
        let id = device.send_as(&bindings::with_own_address(uri, from, &[line]))?;
        hop.expect_asserted(&id, "john@a.example")?;
    }
    instance.check_workers()
}

fn run(setting: &Setting, core: &Core) -> Result<(), String> {
    let mut endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let script = script(&endpoint)?;
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let device = Device::new(instance.port)?;
    registrations(&device)?;
    field(&device)?;
    identities(&device)?;
    nonces(&device)?;
    let invite = Question {
        method: "INVITE",
        ..register("john").contact("")
    };
    status(device.ask(&invite)?, 407)?;
    status(device.authorize(&invite, "secret")?, 200)?;
    status(device.authorize(&invite, "wrong")?, 403)?;
    banned(&Device::at(&setting.address(), instance.port)?, &instance)?;
    status(device.authorize(&register("john"), "secret")?, 200)?;

    let challenge = challenge(&device, &register("john"))?;
    let response = device.respond(&register("john"), &challenge, "secret");
    endpoint.pause();
    let failed = status(device.ask_with(&register("john"), &response)?, 503)?;
    if failed.header("Retry-After").is_empty() {
        return Err(format!("no Retry-After: {failed:?}"));
    }
    instance.check_workers()
}

fn register(user: &str) -> Question {
    Question::register("registrar", user, "a.example")
}

fn status(reply: Reply, status: u16) -> Result<Reply, String> {
    match reply.status == status {
        true => Ok(reply),
        false => Err(format!("{status} expected, got {reply:?}")),
    }
}

fn challenge(device: &Device, question: &Question) -> Result<harness::digest::Challenge, String> {
    status(device.ask(question)?, 401)?.challenge()
}

/// The user, what is asked for, and how long the contact is then saved; empty means not at all.
const REGISTRATIONS: [(&str, &str, &str); 9] = [
    ("john", ";expires=3600", "3600"),
    ("john", "", "3600"),
    ("short", ";expires=3600", "60"),
    ("short", ";expires=30", "30"),
    ("short", "", "60"),
    ("text", ";expires=3600", "120"),
    ("long", ";expires=7200", "7200"),
    ("long", "", "86400"),
    // Signing off.
    ("john", ";expires=0", ""),
];

fn registrations(device: &Device) -> Result<(), String> {
    for (user, contact, saved) in REGISTRATIONS {
        let question = register(user).contact(contact);
        let reply = status(device.authorize(&question, "secret")?, 200)?;
        let contact = reply.header("Contact");
        let expires = contact.split_once(";expires=").map(|(_, rest)| {
            let end = rest.find(|c: char| !c.is_ascii_digit());
            rest.split_at(end.unwrap_or(rest.len())).0
        });
        if expires.unwrap_or_default() != saved {
            return Err(format!("{question:?} for {saved:?}: {reply:?}"));
        }
    }
    status(device.authorize(&register("john"), "wrong")?, 403)?;
    status(device.authorize(&register("suspended"), "secret")?, 403)?;
    Ok(())
}

/// What devices send in the field.
fn field(device: &Device) -> Result<(), String> {
    let first = "Digest username=\"john\", realm=\"a.example\", nonce=\"\", uri=\"sip:a.example\", \
                 response=\"\"";
    let unknown = "Digest username=\"john\", realm=\"a.example\", nonce=\"n\", uri=\"sip:a.example\", \
                   response=\"00\", algorithm=AKAv1-MD5";
    for value in [first, unknown, &format!("{unknown}, {unknown}")] {
        let question = register("john").with("Authorization", value);
        let challenge = status(device.ask(&question)?, 401)?.challenge()?;
        let response = device.respond(&register("john"), &challenge, "secret");
        status(device.ask_with(&register("john"), &response)?, 200)?;
        // In the header that is meant for proxies.
        let challenge = challenge_of(device, "john")?;
        let response = device.respond(&register("john"), &challenge, "secret");
        let question = register("john")
            .with("Authorization", value)
            .with("Proxy-Authorization", response.header("REGISTER"));
        let expected = if value.contains(", Digest") { 401 } else { 200 };
        status(device.ask(&question)?, expected)?;
    }
    // An endpoint that has nothing to say of a time, also where none was asked for.
    status(device.authorize(&register("zero"), "secret")?, 200)?;
    let invite = Question {
        method: "INVITE",
        ..register("zero").contact("")
    };
    status(device.authorize(&invite, "secret")?, 200)?;
    // A caller without a name is whom he prefers to be, once that is proven.
    for (user, code) in [("john", 200), ("alice", 403)] {
        let question = invite.clone().anonymous(&format!("{user}@a.example"));
        let challenge = status(device.ask(&question)?, 407)?.challenge()?;
        if challenge.realm != "a.example" {
            return Err(format!("challenged for {}", challenge.realm));
        }
        let mut response = device.respond(&question, &challenge, "secret");
        response.username = "john".to_string();
        status(device.ask_with(&question, &response)?, code)?;
    }
    bindings::named_by_credentials(device, ("john", "secret"), "a.example")?;
    // All of 32 bits.
    for seconds in ["2147483648", "4294967295"] {
        let question = register("john").contact(&format!(";expires={seconds}"));
        let reply = status(device.authorize(&question, "secret")?, 200)?;
        if !reply.header("Contact").contains(";expires=604800") {
            return Err(format!("{seconds}: {reply:?}"));
        }
    }
    Ok(())
}

fn challenge_of(device: &Device, user: &str) -> Result<harness::digest::Challenge, String> {
    challenge(device, &register(user))
}

/// Nobody is admitted under another's name, however many names the request contains.
fn identities(device: &Device) -> Result<(), String> {
    let mary = register("mary");
    let johns = |question: &Question| {
        let mut response = device.respond(question, &challenge(device, question)?, "secret");
        response.username = "john".to_string();
        Ok::<_, String>(response.header(question.method))
    };
    let stolen = mary.clone().with("Authorization", johns(&mary)?);
    status(device.ask(&stolen)?, 403)?;
    let claimed = johns(&mary)?.replace("username=\"john\"", "username=\"mary\"");
    let both = mary.clone().with("Authorization", claimed.as_str());
    status(
        device.ask(&both.clone().with("Authorization", johns(&mary)?))?,
        400,
    )?;
    status(
        device.ask(&both.with("Proxy-Authorization", johns(&mary)?))?,
        400,
    )?;
    status(
        device.ask(&mary.with("Authorization", "Digest username="))?,
        400,
    )?;
    // Credentials of the same user for other realms are no reason to refuse him.
    let john = register("john");
    let own = johns(&john)?;
    for (header, value) in [
        ("Authorization", own.replace("a.example", "c.example")),
        ("Proxy-Authorization", own.replace("a.example", "c.example")),
        ("Authorization", "Basic am9objpzZWNyZXQ=".to_string()),
    ] {
        let own = johns(&john)?;
        let both = john.clone().with(header, value).with("Authorization", own);
        status(device.ask(&both)?, 200)?;
    }
    Ok(())
}

fn nonces(device: &Device) -> Result<(), String> {
    let question = register("john");
    let response = device.respond(&question, &challenge(device, &question)?, "secret");
    status(device.ask_with(&question, &response)?, 200)?;
    let again = status(device.ask_with(&question, &response)?, 401)?;
    match again.challenge()?.stale {
        true => Ok(()),
        false => Err(format!("stale=true is missing: {again:?}")),
    }
}

fn banned(device: &Device, instance: &Instance) -> Result<(), String> {
    status(device.authorize(&register("forever"), "wrong")?, 403)?;
    let since = instance.log_length();
    device.send(&register("john"))?;
    let refused = || {
        instance
            .log_since(since)
            .contains("it is banned")
            .then_some(())
    };
    wait_for(LIMIT, refused).ok_or("no word of the ban in the log")?;
    match device.receive(Duration::from_millis(300)) {
        Err(_) => Ok(()),
        Ok(reply) => Err(format!("an answer to one who is banned: {reply:?}")),
    }
}
