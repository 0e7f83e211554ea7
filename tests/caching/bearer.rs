//! opensips-cfg/bearer.cfg, as a user would copy it.

use harness::bindings::{self, Attack, Proof};
use harness::core::Core;
use harness::database::Backend;
use harness::device::{Device, Question, Reply, Written};
use harness::digest::Response;
use harness::endpoint::Endpoint;
use harness::hop::Hop;
use harness::instance::Instance;
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::Setting;
use harness::shipped::Shipped;
use harness::sipp::{self, Run};
use harness::tokens::{now, token};
use harness::wrong;

const FILE: &str = "bearer.cfg";

const DOMAIN: &str = "a.example";

const USERS: &str = "a.example:caller:secret\na.example:mary:secret\nb.example:caller:secret\n";

/// Calls of SIPp.
const CALLS: usize = 20;

/// The script, for users whose tags are their names and who all sign with this key.
fn script(setting: &Setting, key: &Key, endpoint: &Endpoint) -> Result<Shipped, String> {
    let mut content = Content::default();
    for (tag, username) in [
        ("caller", "caller@a.example"),
        ("mary", "mary@a.example"),
        ("longer", "caller@x@a.example"),
        ("bare", "caller"),
        ("loud", "CALLER@a.example"),
        ("elsewhere", "caller@b.example"),
    ] {
        content.profile(tag, username);
        content.secret(tag, &key.verifier());
    }
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let shipped = Shipped::read(FILE, &harness::module(), &database)?;
    Ok(shipped.asking(&endpoint.url()))
}

/// A token with the required scope; `exp` as it is to be written.
fn until(key: &Key, tag: &str, exp: &str) -> String {
    let claims = format!(r#"{{"exp":{exp},"tag":"{tag}","scope":"sip","realm":"a.example"}}"#);
    token(key, "HS256", &claims)
}

/// Nobody is bound with somebody else's token or password, nor for longer than allowed.
pub fn bound(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let script = script(setting, &key, &endpoint)?;
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let device = Device::new(instance.port)?;
    let long = |tag| until(&key, tag, &(now() + 86_400).to_string());
    let victim = "sip:caller@a.example";
    let good = long("caller");
    let proof = Proof::Token(&good);
    let longer = long("longer");
    let other = ("sip:caller%40x@a.example", Proof::Token(&longer));
    bindings::namesake(&device, (victim, proof), other)?;
    bindings::stars(&device, victim, proof)?;
    let others = long("elsewhere");
    let other = ("sip:caller@b.example", Proof::Token(&others));
    bindings::one_list(&device, ("caller", DOMAIN), proof, other)?;
    lifetimes(&device, &key, victim)?;
    let since = instance.log_length();
    for proof in [proof, Proof::Password("caller", "secret")] {
        bindings::restarted(&device, victim, proof)?;
    }
    instance.no_error_since(since)?;

    let mallory = "sip:mary@a.example";
    let own = |_: &str| Ok(format!("Bearer {}", long("mary")));
    let digest = |user: &str, password: &str| {
        let ends = [format!("<{victim}>"), format!("<{victim}>")];
        let reply = device.ask_written("REGISTER", [&ends[0], &ends[1]], &[])?;
        let response = Response::to(&reply.challenge()?, user, password, &device.registrar());
        Ok::<_, String>(response.header("REGISTER"))
    };
    let disguised = || {
        let own = own("")?;
        let (worthless, marys) = (digest("caller", "wrong")?, digest("mary", "secret")?);
        Ok(vec![
            format!("Bearer {}", long("bare")),
            format!("Bearer {}", long("loud")),
            others_too(&own, &worthless),
            others_too(&worthless, &own),
            others_too(&own, &marys),
            others_too(&marys, &own),
            others_too(&own, "Bearer garbage"),
            others_too("Bearer garbage", &own),
            others_too("Basic Y2FsbGVyOnNlY3JldA==", &own),
            others_too("Bearer", &marys),
            format!("{worthless}\r\nAuthorization: {own}"),
            format!("{own}\r\nAuthorization: {worthless}"),
            format!("{worthless}\r\nAuthorization: {marys}"),
            format!("Basic x\r\nAuthorization: {own}"),
            format!("{worthless}\r\nJunk\r\nAuthorization: {own}"),
            format!("{own}, {worthless}"),
            format!("{worthless}, {own}"),
        ])
    };
    let attack = Attack {
        mallory,
        victim,
        proof,
        own: &own,
        disguised: &disguised,
    };
    bindings::try_all(&device, &attack)?;
    // By password as well.
    let own = |method: &str| {
        let ends = [format!("<{mallory}>"), format!("<{victim}>")];
        let reply = device.ask_written("REGISTER", [&ends[0], &ends[1]], &[])?;
        let response = Response::to(&reply.challenge()?, "mary", "secret", &device.registrar());
        Ok(response.header(method))
    };
    let attack = Attack {
        own: &own,
        ..attack
    };
    bindings::try_all(&device, &attack)?;
    field(&device, &good)?;
    several(&device, &good, &long("mary"))?;
    for proof in [proof, Proof::Password("caller", "secret")] {
        wrong::told(&instance, &device, victim, proof)?;
    }
    instance.check_workers()
}

/// One token decides, wherever it is; of several nobody can tell whose the request is.
fn several(device: &Device, good: &str, other: &str) -> Result<(), String> {
    let register = Question::register("registrar", "caller", DOMAIN);
    let ask = |lines: &[(&str, String)], status: u16| {
        let with = |question: Question, (name, value): &(&str, String)| {
            question.with(name, value.as_str())
        };
        let reply = device.ask(&lines.iter().fold(register.clone(), with))?;
        match reply.status == status {
            true => Ok(reply),
            false => Err(format!("{lines:?}: not {status}: {reply:?}")),
        }
    };
    let names = ["Authorization", "Proxy-Authorization", "X-JWT"];
    let scheme = |token: &str| format!("Bearer {token}");
    for name in names {
        ask(&[(name, good.to_string())], 200)?;
        ask(&[(name, scheme(good))], 200)?;
        ask(&[(name, scheme(other))], 403)?;
        ask(&[(name, scheme("garbage"))], 401)?;
    }
    for one in names {
        for two in names {
            for tokens in [
                [good, good],
                [good, other],
                [other, good],
                [good, "garbage"],
            ] {
                let [first, second] = tokens.map(scheme);
                let reply = ask(&[(one, first), (two, second)], 400)?;
                if reply.header("X-Reason") != "More than one token" {
                    return Err(format!("no reason: {reply:?}"));
                }
            }
        }
    }
    Ok(())
}

/// What clients send in the field: tokens without their scheme and in either header, credentials that
/// answer no challenge, callers without a name, seconds of 32 bits.
fn field(device: &Device, good: &str) -> Result<(), String> {
    let status = |reply: Reply, status: u16| match reply.status == status {
        true => Ok(reply),
        false => Err(format!("{status} expected, got {reply:?}")),
    };
    let register = Question::register("registrar", "caller", DOMAIN);
    let invite = Question {
        method: "INVITE",
        ..register.clone().contact("")
    };
    let first = "Digest username=\"caller\", realm=\"a.example\", nonce=\"\", uri=\"sip:a.example\", \
                 response=\"\"";
    for question in [&register, &invite] {
        let asked = match question.method {
            "REGISTER" => 401,
            _ => 407,
        };
        for name in ["Authorization", "Proxy-Authorization"] {
            for value in [good.to_string(), format!("Bearer {good}")] {
                let with = question.clone().with(name, value.as_str());
                status(device.ask(&with)?, 200).map_err(|e| format!("{name}: {e}"))?;
                let with = question.clone().with(name, first).with(name, value);
                status(device.ask(&with)?, 200).map_err(|e| format!("{name}: {e}"))?;
            }
            for value in [first.to_string(), format!("{first}, {first}")] {
                let reply = status(device.ask(&question.clone().with(name, value))?, asked)?;
                let challenge = reply.challenge()?;
                let response = device.respond(question, &challenge, "secret");
                status(device.ask_with(question, &response)?, 200)?;
            }
        }
    }
    for (user, code) in [("caller", 200), ("mary", 403)] {
        let question = invite.clone().anonymous(&format!("{user}@a.example"));
        let reply = status(device.ask(&question)?, 407)?;
        if !format!("{reply:?}").contains("Bearer realm=\\\"a.example") {
            return Err(format!("challenged for another realm: {reply:?}"));
        }
        let mut response = device.respond(&question, &reply.challenge()?, "secret");
        response.username = "caller".to_string();
        status(device.ask_with(&question, &response)?, code)?;
        let token = question.with("Authorization", good);
        status(device.ask(&token)?, code)?;
    }
    bindings::named_by_credentials(device, ("caller", "secret"), DOMAIN)?;
    // A token of a user there, and of nobody else.
    for (domain, code) in [(DOMAIN, 200), ("b.example", 403), ("192.0.2.7", 403)] {
        let reply = device.ask_as(&Written {
            method: "INVITE".to_string(),
            uri: format!("sip:100@{domain}"),
            from: "<sip:mary@192.0.2.7>".to_string(),
            to: format!("<sip:100@{domain}>"),
            lines: vec![format!("Proxy-Authorization: Bearer {good}")],
            ..Written::default()
        })?;
        status(reply, code).map_err(|e| format!("{domain}: {e}"))?;
    }
    for seconds in ["2147483648", "4294967295"] {
        let question = register.clone().contact(&format!(";expires={seconds}"));
        let reply = status(device.ask(&question.with("Authorization", good))?, 200)?;
        // The stand-in says nothing of contacts.
        let saved = reply.header("Contact").to_string();
        if !saved.contains(";expires=3600") && !saved.contains(";expires=3599") {
            return Err(format!("{seconds}: {reply:?}"));
        }
    }
    Ok(())
}

/// One in Authorization, the other in Proxy-Authorization.
fn others_too(one: &str, other: &str) -> String {
    format!("{one}\r\nProxy-Authorization: {other}")
}

/// A UNIX time with an exponent, to the microsecond.
fn scientific(seconds: i64) -> String {
    let digits = seconds.to_string();
    format!("{}.{}641225E9", &digits[..1], &digits[1..])
}

/// A contact outlives neither its token, however its expiry is written, nor an hour; and none of
/// them affects the next.
fn lifetimes(device: &Device, key: &Key, victim: &str) -> Result<(), String> {
    let lasting = until(key, "caller", &(now() + 86_400).to_string());
    let proof = Proof::Token(&lasting);
    // The remaining time shrinks meanwhile, and may be missing on a slow machine.
    // OpenSIPS reads a clock that may be a few milliseconds behind, and then a second less.
    let soon = now() + 1799;
    let far = (now() + 86_400, 3600);
    for (exp, most) in [
        (soon.to_string(), 1800),
        (format!("{}", far.0), far.1),
        (format!("{soon}.9"), 1800),
        (format!("{soon}.000"), 1800),
        (format!("{}.5", far.0), far.1),
        // In milliseconds.
        (format!("{soon}000"), 3600),
        (format!("{soon}000.5"), 3600),
        ("2147483647".to_string(), 3600),
        ("2147483648".to_string(), 3600),
        ("4294967295".to_string(), 3600),
        ("4294967297".to_string(), 3600),
        ("9223372036854775807".to_string(), 3600),
        ("1e12".to_string(), 3600),
        ("1.5E+10".to_string(), 3600),
        // As Java writes it.
        (scientific(soon), 1800),
        (scientific(far.0), far.1),
        ("99999999999999999999".to_string(), 3600),
        // It reaches the script with its exponent, which is not understood.
        ("9.9e307".to_string(), 0),
        (soon.to_string(), 1800),
    ] {
        let ends = until(key, "caller", &exp);
        // Each of several workers gets some of them.
        for expires in ["604800", "4294967295", "604800"] {
            let contact = format!("Contact: <sip:one@{}>;expires={expires}", device.local());
            let reply = bindings::register(
                device,
                victim,
                Proof::Token(&ends),
                &[&contact, "Expires: 0"],
            )?;
            let held = bindings::bound(device, victim, proof)?;
            let longest = held.values().max().copied().unwrap_or(0);
            let kept = reply.status == 200 && longest > 0;
            let refused = reply.status == 401 && longest == 0;
            if longest > most || most > 0 && !kept || most == 0 && !refused {
                return Err(format!("exp {exp}: bound for {longest} s: {reply:?}"));
            }
            bindings::sign_off(device, victim, proof)?;
        }
    }
    bindings::no_longer_than(device, victim, proof, 3600)?;
    // It has expired and is admitted because clocks may differ; but only for calls, since no time
    // is left for a contact.
    let ended = until(key, "caller", &(now() - 1).to_string());
    let contact = format!("Contact: <sip:one@{}>;expires=60", device.local());
    let reply = bindings::register(device, victim, Proof::Token(&ended), &[&contact])?;
    let held = bindings::bound(device, victim, proof)?;
    match reply.status == 401 && held.is_empty() {
        true => Ok(()),
        false => Err(format!("{held:?} of a token that has ended: {reply:?}")),
    }
}

/// Of what the sender claims, only what was checked is passed on.
pub fn relayed(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let hop = Hop::new()?;
    let script = hop.behind(script(setting, &key, &endpoint)?);
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let device = Device::new(instance.port)?;
    let token = until(&key, "caller", &(now() + 3600).to_string());
    let invite = Hop::invite("caller", DOMAIN);
    let digest = "Digest username=\"caller\", realm=\"elsewhere.example\"";
    for name in ["Authorization", "Proxy-Authorization", "X-JWT"] {
        let both = invite.clone().with(name, format!("Bearer {token}"));
        let id = device.send(&both.with("Authorization", digest))?;
        hop.expect_nothing_unchecked(&id)?;
    }
    // Who is proven, where From proves nothing.
    let line = format!("Proxy-Authorization: Bearer {token}");
    for from in bindings::OWN_ADDRESSES {
        let lines = [line.clone()];
        let call = bindings::with_own_address("sip:100@a.example", from, &lines);
        hop.expect_asserted(&device.send_as(&call)?, "caller@a.example")?;
    }
    instance.check_workers()
}

/// Challenges with both schemes, and accepts either.
pub fn shipped(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, other) = (Key::secret(), Key::secret());
    let mut endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let script = script(setting, &key, &endpoint)?;
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let claims = |more: &str| format!(r#"{{"exp":{},"tag":"caller"{more}}}"#, now() + 3600);
    let good = token(&key, "HS256", &claims(r#","scope":"openid sip""#));
    let forged = token(&other, "HS256", &claims(r#","scope":"sip""#));
    let run = Run {
        scenario: "bearer_or_digest",
        service: "caller",
        rows: &vec![vec![good.clone(), forged.clone()]; CALLS],
    };
    sipp::run(&run, instance.port, &setting.folder())?;

    let device = Device::new(instance.port)?;
    let register = |user: &str| Question::register("registrar", user, DOMAIN);
    let invite = Question {
        method: "INVITE",
        ..register("caller").contact("")
    };
    let bearer = |question: &Question, name: &str, token: &str| {
        device.ask(&question.clone().with(name, format!("Bearer {token}")))
    };
    // Either header, whatever the method, and the scheme in any letter case.
    for name in ["Authorization", "Proxy-Authorization"] {
        status(bearer(&register("caller"), name, &good)?, 200)?;
        status(bearer(&invite, name, &good)?, 200)?;
    }
    let loud = register("caller").with("Authorization", format!("BEARER {good}"));
    status(device.ask(&loud)?, 200)?;
    status(device.authorize(&invite, "secret")?, 200)?;
    status(device.authorize(&register("caller"), "wrong")?, 403)?;
    // Nobody is admitted under another's name.
    status(bearer(&register("mary"), "Authorization", &good)?, 403)?;
    let mary = Question {
        user: "mary".to_string(),
        ..invite.clone()
    };
    status(bearer(&mary, "Proxy-Authorization", &good)?, 403)?;
    status(device.authorize(&register("mary"), "secret")?, 200)?;
    // Credentials of another scheme, or for another hop, are no reason to refuse, wherever they stand.
    let digest = "Digest username=\"caller\", realm=\"c.example\", nonce=\"n\", uri=\"sip:c\", \
                  response=\"00000000000000000000000000000000\"";
    for question in [register("caller"), invite.clone()] {
        for (ours, theirs) in [
            ("Authorization", "Proxy-Authorization"),
            ("Proxy-Authorization", "Authorization"),
        ] {
            for other in [digest, "Basic Y2FsbGVyOnNlY3JldA=="] {
                let good = format!("Bearer {good}");
                let both = question.clone().with(theirs, other);
                status(device.ask(&both.with(ours, good.as_str()))?, 200)?;
                let both = question.clone().with(ours, other);
                status(device.ask(&both.with(ours, good.as_str()))?, 200)?;
            }
        }
    }
    let basic = register("caller").with("Authorization", "Basic Y2FsbGVyOnNlY3JldA==");
    let answer = device.ask(&basic)?;
    if ![400, 401].contains(&answer.status) {
        return Err(format!("Basic: {answer:?}"));
    }
    let expired = format!(r#"{{"exp":{},"scope":"sip","tag":"caller"}}"#, now() - 60);
    for (token, error) in [
        (forged, "invalid_token"),
        (token(&key, "HS256", &expired), "invalid_token"),
        (
            token(&key, "HS256", r#"{"scope":"sip","tag":"caller"}"#),
            "invalid_token",
        ),
        (
            token(
                &key,
                "HS256",
                &claims(r#","scope":"sip""#).replace("caller", "nobody"),
            ),
            "invalid_token",
        ),
        ("garbage".to_string(), "invalid_token"),
        (
            token(&key, "HS256", &claims(r#","scope":"openid""#)),
            "insufficient_scope",
        ),
        (token(&key, "HS256", &claims("")), "insufficient_scope"),
    ] {
        challenged(
            &bearer(&register("caller"), "Authorization", &token)?,
            401,
            "WWW-Authenticate",
            Some(error),
        )?;
        challenged(
            &bearer(&invite, "Proxy-Authorization", &token)?,
            407,
            "Proxy-Authenticate",
            Some(error),
        )?;
    }
    challenged(
        &device.ask(&register("caller"))?,
        401,
        "WWW-Authenticate",
        None,
    )?;
    challenged(&device.ask(&invite)?, 407, "Proxy-Authenticate", None)?;
    // A password waits for its endpoint; a token does not need it.
    let challenge = device.ask(&register("caller"))?.challenge()?;
    let response = device.respond(&register("caller"), &challenge, "secret");
    endpoint.pause();
    status(device.ask_with(&register("caller"), &response)?, 503)?;
    status(bearer(&register("caller"), "Authorization", &good)?, 200)?;
    instance.check_workers()
}

fn status(reply: Reply, status: u16) -> Result<Reply, String> {
    match reply.status == status {
        true => Ok(reply),
        false => Err(format!("{status} expected, got {reply:?}")),
    }
}

/// Fails unless there is one challenge of each scheme, Digest first, with this error.
fn challenged(reply: &Reply, status: u16, name: &str, error: Option<&str>) -> Result<(), String> {
    let headers = reply.headers(name);
    let good = match &headers[..] {
        [digest, bearer] => {
            digest.starts_with("Digest realm=\"a.example\", ")
                && bearer.starts_with("Bearer realm=\"a.example\", authz_server=\"https://")
                && match error {
                    Some(error) => bearer.contains(&format!("error=\"{error}\"")),
                    None => !bearer.contains("error="),
                }
        }
        _ => false,
    };
    if good && reply.status == status {
        return Ok(());
    }
    Err(format!("{status} with {error:?} expected, got {reply:?}"))
}
