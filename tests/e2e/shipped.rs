//! The scripts in opensips-cfg, as a user would copy them.

use std::sync::Arc;
use std::time::Duration;

use harness::database::Backend;
use harness::device::Device;
use harness::hop::Hop;
use harness::instance::Instance;
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::{Place, Setting};
use harness::shipped::Shipped;
use harness::sip;
use harness::tokens::token;
use libtest_mimic::{Failed, Trial};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

const FILES: [&str; 2] = ["jwt_authorize.cfg", "jwt_authorize_async.cfg"];

/// The trials of one core, whose databases are `places`.
pub fn trials(setting: &Arc<Setting>, places: &[Place]) -> Vec<Trial> {
    let simple = |place: &&Place| matches!(place.backend, Backend::Sqlite | Backend::DbText);
    let Some(place) = places.iter().find(simple) else {
        return Vec::new();
    };
    FILES
        .iter()
        .map(|file| {
            let (setting, place) = (Arc::clone(setting), place.clone());
            Trial::test(format!("{place}, opensips-cfg/{file}"), move || {
                place.core.prepare()?;
                run(&setting, &place, file)
            })
        })
        .collect()
}

/// Users who all sign with this key.
fn content(key: &Key) -> Content {
    let mut content = Content::default();
    for (tag, username) in [
        ("caller", "caller@example.org"),
        ("hmac", "dave@example.org"),
        ("bare", "caller"),
        ("loud", "CALLER@example.org"),
        ("elsewhere", "caller@b.example"),
    ] {
        content.profile(tag, username);
        content.secret(tag, &key.verifier());
    }
    content
}

fn run(setting: &Setting, place: &Place, file: &str) -> Result<(), Failed> {
    let w = setting.world();
    let database = setting.servers.create(place.backend, &content(&w.secret))?;
    let shipped = Shipped::read(file, &harness::module(), &database)?;
    let mut instance =
        Instance::start(&place.core, &shipped, &setting.folder()).map_err(|e| e.to_string())?;
    let soon = w.now + 3600;
    let signed =
        |key: &Key, alg: &str, payload: &str| format!("Bearer {}", token(key, alg, payload));
    let of = |tag: &str| {
        // What a claim says about the realm has no effect.
        let more = r#""realm":"example.org","sub":"caller@example.org""#;
        signed(
            &w.secret,
            "HS256",
            &format!(r#"{{"exp":{soon},"tag":"{tag}",{more}}}"#),
        )
    };
    let callers = format!(r#"{{"exp":{soon},"tag":"caller"}}"#);
    let good = of("caller");
    let asked = [
        (None, 401),
        (Some(good.clone()), 200),
        (Some(of("hmac")), 403),
        (Some(of("bare")), 403),
        (Some(of("loud")), 403),
        (Some(of("elsewhere")), 403),
        (Some(of("nobody")), 403),
        (
            Some(signed(&w.secret, "HS256", r#"{"exp":1,"tag":"caller"}"#)),
            401,
        ),
        (Some(signed(&w.secret, "HS256", r#"{"tag":"caller"}"#)), 403),
        (Some(signed(&w.secret, "HS512", &callers)), 403),
        (Some(signed(&w.other_secret, "HS256", &callers)), 403),
        (Some("Bearer garbage".to_string()), 400),
        // Credentials that are no token are none.
        (Some("Digest username=\"caller\"".to_string()), 401),
        (Some("Basic Y2FsbGVyOnNlY3JldA==".to_string()), 401),
        // As JsSIP sends what it was given.
        (Some(good.replace("Bearer ", "")), 200),
        (Some(of("hmac").replace("Bearer ", "")), 403),
    ];
    let ask = |method: &str, user: &str, headers: &[(&str, &str)], status: u16| {
        let answer = sip::exchange(instance.port, method, user, headers, LIMIT)
            .map_err(|e| format!("{method} of {user}, {headers:?}: {e}"))?;
        match answer.status == status {
            true => Ok(()),
            false => Err(format!(
                "{method} of {user}, {headers:?}: {status} expected, got {answer:?}"
            )),
        }
    };
    // It appears in From and To: see harness::sip.
    for (header, status) in &asked {
        let headers: Vec<_> = header
            .iter()
            .map(|value| ("Authorization", value.as_str()))
            .collect();
        ask("REGISTER", "caller", &headers, *status)?;
    }
    let own = ("Authorization", good.as_str());
    let worthless = ("Authorization", "Bearer garbage");
    let digest = ("Authorization", "Digest username=\"dave\"");
    let to = ("To", "<sip:dave@example.org>");
    let (daves, hidden) = (of("hmac"), format!("Junk\r\nAuthorization: {good}"));
    for (method, user, headers, status) in [
        // To counts in a registration, whatever From says; in everything else, From.
        ("REGISTER", "dave", vec![own], 403),
        (
            "REGISTER",
            "dave",
            vec![("Authorization", daves.as_str())],
            200,
        ),
        ("MESSAGE", "dave", vec![own], 200),
        (
            "MESSAGE",
            "dave",
            vec![("Authorization", daves.as_str())],
            403,
        ),
        (
            "MESSAGE",
            "caller",
            vec![("Authorization", daves.as_str())],
            403,
        ),
        ("REGISTER", "%63aller", vec![own], 200),
        ("REGISTER", "CALLER", vec![own], 403),
        ("REGISTER", "caller%00", vec![own], 403),
        ("register", "caller", vec![own], 400),
        ("register", "dave", vec![own], 400),
        ("REGISTER", "caller", vec![to, own], 400),
        (
            "REGISTER",
            "caller",
            vec![("Proxy-Authorization", own.1)],
            200,
        ),
        ("MESSAGE", "dave", vec![("Proxy-Authorization", own.1)], 200),
        ("REGISTER", "caller", vec![digest, own], 200),
        ("REGISTER", "caller", vec![own, digest], 200),
        ("REGISTER", "caller", vec![("X-JWT", own.1)], 200),
        // Of several tokens nobody can tell whose the request is.
        ("REGISTER", "caller", vec![own, worthless], 400),
        ("REGISTER", "caller", vec![worthless, own], 400),
        ("REGISTER", "caller", vec![own, own], 400),
        ("REGISTER", "caller", vec![own, ("X-JWT", own.1)], 400),
        // What can't be read.
        (
            "REGISTER",
            "caller",
            vec![own, ("Max-Forwards", "256")],
            400,
        ),
        ("CANCEL", "caller", vec![], 481),
        (
            "REGISTER",
            "caller",
            vec![worthless, ("X-A", hidden.as_str())],
            400,
        ),
    ] {
        ask(method, user, &headers, status)?;
    }
    instance.check_workers()?;
    // The stand-in forwards nothing.
    if place.core.is_opensips() {
        relayed(setting, place, file, &good)?;
    }
    Ok(())
}

/// Of what the sender claims, only what was checked is passed on.
fn relayed(setting: &Setting, place: &Place, file: &str, token: &str) -> Result<(), Failed> {
    let content = content(&setting.world().secret);
    let database = setting.servers.create(place.backend, &content)?;
    let hop = Hop::new()?;
    let script = hop.behind(Shipped::read(file, &harness::module(), &database)?);
    let mut instance =
        Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let invite = Hop::invite("caller", "example.org");
    let device = Device::new(instance.port)?;
    let id = device.send(&invite.with("Authorization", token))?;
    hop.expect_nothing_unchecked(&id)?;
    Ok(instance.check_workers()?)
}
