//! All challenges of a realm: what it has somebody for, in the order that the script prefers.

use std::fs::read_to_string;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::answer::Answer;
use harness::core::Core;
use harness::database::own::Own;
use harness::database::{Backend, Database, schema};
use harness::instance::Refusal;
use harness::keys::Key;
use harness::profiles::Content;
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::sip;

use super::provider::{jwk, set};
use super::running::{LIMIT, Running, WORKERS};

/// What the script is asked for.
#[derive(Clone, Copy, Default)]
struct Wanted<'a> {
    realm: &'a str,
    schemes: &'a str,
    error: &'a str,
    stale: &'a str,
}

/// What `challenge_headers` says to a request from somebody of a domain.
fn ask(
    running: &Running,
    (method, domain): (&str, &str),
    wanted: Wanted<'_>,
    service: &str,
) -> Result<Answer, String> {
    let realm = STANDARD.encode(wanted.realm);
    let mut headers = vec![
        ("X-Realm", realm.as_str()),
        ("X-Schemes", wanted.schemes),
        ("X-Error", wanted.error),
        ("X-Stale", wanted.stale),
    ];
    headers.retain(|(_, value)| !value.is_empty());
    let from = format!("<sip:caller@{domain}>");
    let called = (service, "example.org");
    let port = running.instance.port;
    sip::exchange_as(port, method, called, &from, &headers, LIMIT).map_err(|e| e.to_string())
}

/// The values of all challenges, without their nonces; fails if there is one in another header.
fn values(answer: &Answer, name: &str) -> Result<Vec<String>, String> {
    let is_challenge = |(found, _): &&(String, String)| found.ends_with("-Authenticate");
    let challenges = answer.headers.iter().filter(is_challenge);
    challenges
        .map(|(found, value)| match found == name {
            true => Ok(without_nonce(value)),
            false => Err(format!("{name} expected, got {answer:?}")),
        })
        .collect()
}

fn without_nonce(value: &str) -> String {
    let Some((before, after)) = value.split_once(" nonce=\"") else {
        return value.to_owned();
    };
    let (_, after) = after.split_once("\",").unwrap_or_default();
    format!("{before}{after}")
}

/// Fails unless the challenges are these, both ways of asking.
fn expect(
    running: &Running,
    request: (&str, &str),
    wanted: Wanted<'_>,
    challenges: &[&str],
) -> Result<(), String> {
    let name = match request.0 {
        "REGISTER" => "WWW-Authenticate",
        _ => "Proxy-Authenticate",
    };
    for service in ["challenges", "challenges-async"] {
        let answer = ask(running, request, wanted, service)?;
        let found = values(&answer, name)?;
        if answer.header("X-RC") != Some("1") || found != challenges {
            return Err(format!("{challenges:?} expected, got {answer:?}"));
        }
    }
    Ok(())
}

/// Fails unless there are no challenges, and this code.
fn expect_none(
    running: &Running,
    request: (&str, &str),
    wanted: Wanted<'_>,
    code: &str,
) -> Result<(), String> {
    for service in ["challenges", "challenges-async"] {
        let answer = ask(running, request, wanted, service)?;
        let none = answer.header("WWW-Authenticate").is_none()
            && answer.header("Proxy-Authenticate").is_none();
        if answer.header("X-RC") != Some(code) || !none {
            return Err(format!("{code} and no challenge expected, got {answer:?}"));
        }
    }
    Ok(())
}

fn insert(database: &Database) -> Result<(), String> {
    let keys = set(&[jwk("one", &Key::p256())]);
    database
        .sql(&format!(
            "INSERT INTO jwt_issuers (issuer, realm, jwks, authz_server) VALUES
                ('https://a.example/', 'example.org', '{keys}', 'https://sign-in.example/x?a=b'),
                ('https://b.example/', 'other.example, Example.org', '{keys}', NULL),
                ('urn:c', 'third.example', '{keys}', NULL);
             INSERT INTO jwt_issuers (issuer, tenants, realm, jwks) VALUES
                ('https://d.example/{{tenantid}}', 'one', 'one.example', '{keys}'),
                ('https://e.example/{{tenantid}}', 'one, two', 'two.example', '{keys}');
             INSERT INTO jwt_issuers (issuer, realm, jwks, authz_server) VALUES
                ('https://f.example/', 'example.org', '{keys}', 'http://sign-in.example/');
             INSERT INTO http_endpoints (realm, url) VALUES
                ('example.org', 'https://hook.example/'), ('password.example', 'https://hook.example/');"
        ))
        .map(drop)
}

const A: &str = "Bearer realm=\"example.org\", authz_server=\"https://sign-in.example/x?a=b\", scope=\"sip calls\"";
const B: &str =
    "Bearer realm=\"example.org\", authz_server=\"https://b.example/\", scope=\"sip calls\"";

fn digest(realm: &str, algorithm: &str) -> String {
    format!("Digest realm=\"{realm}\", qop=\"auth\", algorithm={algorithm}")
}

/// Each realm by its issuers and its endpoint, of a database without profiles.
pub fn realms(setting: &Setting, core: &Core) -> Result<(), String> {
    let file = |name: &str| schema(Backend::Sqlite).with_file_name(name);
    let files = [
        schema(Backend::Sqlite),
        file("issuers.sql"),
        file("http.sql"),
    ];
    let content = Content::default();
    let servers = &setting.servers;
    let database = servers.create_with(Backend::Sqlite, &files, &content)?;
    insert(&database)?;
    database.sql("DELETE FROM version WHERE table_name IN ('jwt_profiles', 'jwt_secrets');")?;
    let script = |script: Script| {
        script
            .database(&database)
            .set("required_scope", "sip calls")
    };
    let mut running = Running::start(setting, core, script)?;
    let log = running.instance.log();
    if !log.contains("issuer \"https://f.example/\": authz_server must be an https URI") {
        return Err(format!("the row with http counts: {log}"));
    }
    let [sha, md5] = ["SHA-256", "MD5"].map(|name| digest("example.org", name));
    let (register, all) = (("REGISTER", "example.org"), Wanted::default());
    expect(&running, register, all, &[A, B, &sha, &md5])?;
    expect(
        &running,
        ("INVITE", "example.org"),
        all,
        &[A, B, &sha, &md5],
    )?;
    let schemes = |schemes| Wanted { schemes, ..all };
    expect(&running, register, schemes("MD5, bearer"), &[&md5, A, B])?;
    let strongest = digest("example.org", "SHA-512-256");
    expect(&running, register, schemes("SHA-512-256"), &[&strongest])?;
    // Of those that have the one or the other, or none.
    let of = |realm: &str, server: &str| {
        let server = match server.is_empty() {
            true => String::new(),
            false => format!(", authz_server=\"{server}\""),
        };
        format!("Bearer realm=\"{realm}\"{server}, scope=\"sip calls\"")
    };
    for (realm, server) in [
        ("other.example", "https://b.example/"),
        ("third.example", ""),
        ("one.example", "https://d.example/one"),
        ("two.example", ""),
    ] {
        expect(&running, ("INVITE", realm), all, &[&of(realm, server)])?;
    }
    let [sha, md5] = ["SHA-256", "MD5"].map(|name| digest("password.example", name));
    expect(&running, ("INVITE", "password.example"), all, &[&sha, &md5])?;
    expect_none(&running, ("INVITE", "nobody.example"), all, "-2")?;
    expect_none(&running, ("INVITE", "other.example"), schemes("MD5"), "-2")?;
    expect_none(
        &running,
        ("INVITE", "password.example"),
        schemes("Bearer"),
        "-2",
    )?;
    told(&running, register)?;
    malformed(&running, register)?;
    running.instance.check_workers()
}

/// What is said of the token that was refused.
fn told(running: &Running, register: (&str, &str)) -> Result<(), String> {
    let expect = |error, stale, end: &str| {
        let wanted = Wanted {
            error,
            stale,
            ..Wanted::default()
        };
        let [sha, md5] = ["SHA-256", "MD5"].map(|name| {
            let stale = [", stale=true", ""][usize::from(stale.is_empty())];
            format!("{}{stale}", digest("example.org", name))
        });
        let [a, b] = [A, B].map(|bearer| format!("{bearer}{end}"));
        expect(running, register, wanted, &[&a, &b, &sha, &md5])
    };
    expect("", "1", "")?;
    expect("0", "", "")?;
    expect("1", "", "")?;
    expect("-6", "", "")?;
    expect("invalid_request", "", ", error=\"invalid_request\"")?;
    expect("insufficient_scope", "", ", error=\"insufficient_scope\"")?;
    for (code, description) in [
        ("-1", "it is not valid here"),
        ("-2", "it is malformed"),
        ("-3", "it has expired, or is not valid yet"),
        ("-8", "it was revoked"),
    ] {
        let end = format!(", error=\"invalid_token\", error_description=\"{description}\"");
        expect(code, "", &end)?;
    }
    Ok(())
}

/// What can't stand in a challenge.
fn malformed(running: &Running, register: (&str, &str)) -> Result<(), String> {
    let all = Wanted::default();
    let [of_a, of_b] = [A, B].map(|bearer| bearer.replace("example.org", r#"the \"a\" \\ realm"#));
    let quoted = Wanted {
        realm: r#"the "a" \ realm"#,
        schemes: "Bearer",
        ..all
    };
    expect(running, register, quoted, &[&of_a, &of_b])?;
    let long = "a".repeat(300);
    for realm in ["a\r\nVia: x", "a\nb", "a\0b", "\u{7f}", &long] {
        expect_none(running, register, Wanted { realm, ..all }, "-1")?;
    }
    for schemes in ["Basic", "SHA", ",", "MD5 Digest"] {
        expect_none(running, register, Wanted { schemes, ..all }, "-1")?;
    }
    for error in ["expired", "INVALID_TOKEN", "1.5"] {
        expect_none(running, register, Wanted { error, ..all }, "-1")?;
    }
    // A domain that the sender made up.
    expect_none(running, ("INVITE", &format!("{long}.example")), all, "-2")
}

/// One provider for all realms, and the parameters that count then.
pub fn one(setting: &Setting, core: &Core) -> Result<(), String> {
    const SERVER: &str = "https://login.example.org/";
    const KEYS: &str = "https://login.example.org/keys";
    let [sha, md5] = ["SHA-256", "MD5"].map(|name| digest("example.org", name));
    let bearer = format!("Bearer realm=\"example.org\", authz_server=\"{SERVER}\"");
    let (register, all) = (("REGISTER", "example.org"), Wanted::default());
    let mut running = Running::start(setting, core, |script| {
        script
            .set("jwks_url", KEYS)
            .set("authz_server", SERVER)
            .set("jwt_aor", "example.org")
    })?;
    expect(&running, register, all, &[&bearer])?;
    // Whose users no token stands for.
    expect_none(&running, ("INVITE", "other.example"), all, "-2")?;
    running.instance.check_workers()?;

    let mut running = Running::start(setting, core, |script| {
        script
            .set("issuer_url", "https://a.example https://b.example")
            .set("http_url", "https://hook.example/")
    })?;
    let [a, b] = ["a", "b"].map(|name| {
        format!("Bearer realm=\"example.org\", authz_server=\"https://{name}.example\"")
    });
    expect(&running, register, all, &[&a, &b, &sha, &md5])?;
    running.instance.check_workers()?;

    // All of them get their tokens in one place.
    let mut running = Running::start(setting, core, |script| {
        script
            .set("issuer_url", "https://a.example https://b.example")
            .set("authz_server", SERVER)
    })?;
    expect(&running, register, all, &[&bearer])?;
    running.instance.check_workers()?;
    for bad in ["http://login.example.org/", "login", "https://a b/"] {
        let started = Running::try_start(setting, core, WORKERS, "", |script| {
            script.set("jwks_url", KEYS).set("authz_server", bad)
        });
        match started {
            Err(Refusal { log, .. }) if log.contains("authz_server") && log.contains(bad) => {}
            Err(other) => return Err(format!("{bad}: {other}")),
            Ok(_) => return Err(format!("{bad} is taken")),
        }
    }
    Ok(())
}

/// A row that is added is in the challenges after `cache_ttl`, and after `jwt_reload`, although nobody has come with
/// a token.
pub fn changes(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    own.with(setting.folder(), &Content::default(), |_, database| {
        let file = schema(Backend::Mysql).with_file_name("issuers.sql");
        database.sql(&read_to_string(file).map_err(|e| e.to_string())?)?;
        let keys = set(&[jwk("one", &Key::p256())]);
        let add = |name: &str| {
            let values = format!("'https://{name}.example', 'example.org', '{keys}'");
            database.sql(&format!(
                "INSERT INTO jwt_issuers (issuer, realm, jwks) VALUES ({values});"
            ))
        };
        let schemes = Wanted {
            schemes: "Bearer",
            ..Wanted::default()
        };
        let is_there = |running: &Running, name: &str| {
            let answer = ask(running, ("REGISTER", "example.org"), schemes, "challenges");
            let found = values(&answer.ok()?, "WWW-Authenticate").ok()?;
            let server = format!("authz_server=\"https://{name}.example\"");
            found.iter().any(|it| it.contains(&server)).then_some(())
        };
        for (ttl, name) in [(1, "a"), (3600, "b")] {
            let mut running = Running::start_with(setting, core, 1, |script| {
                script.database(database).set("cache_ttl", ttl)
            })?;
            add(name)?;
            if ttl > 1 {
                if is_there(&running, name).is_some() {
                    return Err("it is there before it is read".to_owned());
                }
                running.mi.reload()?;
            }
            wait_for(LIMIT, || is_there(&running, name))
                .ok_or_else(|| format!("cache_ttl {ttl}: no challenge for {name}"))?;
            running.instance.check_workers()?;
        }
        Ok(())
    })
}

/// A realm is looked up while MariaDB is away: the caller is told to try again, and whatever is known is as
/// before.
pub fn outage(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    own.with(setting.folder(), &Content::default(), |server, database| {
        for name in ["issuers.sql", "http.sql"] {
            let file = schema(Backend::Mysql).with_file_name(name);
            database.sql(&read_to_string(file).map_err(|e| e.to_string())?)?;
        }
        insert(database)?;
        let mut running = Running::start_with(setting, core, 1, |script| {
            script
                .database(database)
                .set("required_scope", "sip calls")
                .set("db_timeout", 1000)
        })?;
        let [sha, md5] = ["SHA-256", "MD5"].map(|name| digest("example.org", name));
        let (register, all) = (("REGISTER", "example.org"), Wanted::default());
        expect(&running, register, all, &[A, B, &sha, &md5])?;
        server.hang()?;
        let during = || {
            expect(&running, register, all, &[A, B, &sha, &md5])?;
            let unknown = ("INVITE", "unknown.example");
            let answered = std::thread::scope(|scope| {
                let asked = scope.spawn(|| ask(&running, unknown, all, "challenges-async"));
                let mut pings = 0;
                while !asked.is_finished() {
                    if !sip::ping("127.0.0.1", running.instance.port, LIMIT) {
                        return Err("OPTIONS is not answered meanwhile".to_owned());
                    }
                    pings += 1;
                }
                let answer = asked.join().map_err(|_| "a panic".to_owned())??;
                match answer.header("X-RC") {
                    Some("-5") => Ok(pings),
                    _ => Err(format!("-5 expected, got {answer:?}")),
                }
            })?;
            match answered {
                0..3 => Err(format!("OPTIONS was answered {answered} times")),
                _ => Ok(()),
            }
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        running.instance.check_workers()
    })
}
