//! What a token must satisfy beyond its signature, each rule at its boundaries.

use std::thread::sleep;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::Setting;
use harness::tokens::{now, token, with_header};
use serde_json::{Value, json};

use super::clock::across;
use super::running::Running;

const TAG: &str = "ruled";

/// The longest token in the trial of limits, in bytes.
const MAX_TOKEN_SIZE: usize = 1024;

/// How deep JSON may be nested.
const MAX_DEPTH: usize = 32;

/// How many secrets of a profile are used.
const MAX_SECRETS: usize = 64;

fn content(key: &Key) -> Content {
    super::demand::profile(TAG, key)
}

fn edit(value: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut changed = value.clone();
    change(&mut changed);
    changed
}

fn without(value: &Value, name: &str) -> Value {
    edit(value, |v| {
        v.as_object_mut().and_then(|members| members.remove(name));
    })
}

/// required_claims, max_age, token_type, required_scope and load_claims.
pub fn claims(setting: &Setting, core: &Core) -> Result<(), String> {
    const AGE: i64 = 600;
    let key = Key::secret();
    let database = setting.servers.create(Backend::Sqlite, &content(&key))?;
    let mut running = Running::start(setting, core, |script| {
        script
            .database(&database)
            .set("required_claims", "realm_access.roles=sip; org")
            .set("required_claims", "email_verified=true")
            .set("max_age", AGE)
            .set("token_type", "at+jwt")
            .set("required_scope", "sip:register calls")
            .set(
                "load_claims",
                "$avp(role)=realm_access.roles[0];$avp(org)=org['legal.name'];\
                 $avp(limit)=limits.calls;$avp(flag)=email_verified",
            )
    })?;
    let header = json!({ "alg": "HS256", "typ": "at+jwt" });
    let good = json!({
        "tag": TAG,
        "iat": now(),
        "scope": "openid sip:register calls",
        "email_verified": true,
        "org": { "legal.name": "Acme, Inc." },
        "realm_access": { "roles": ["sip", "admin"] },
        "limits": { "calls": 41 },
    });
    let signed = |header: &Value, claims: &Value| {
        with_header(&key, "HS256", &header.to_string(), &claims.to_string())
    };
    let typ = |typ: &str| edit(&header, |h| h["typ"] = json!(typ));
    let with = |name: &str, value: Value| edit(&good, |claims| claims[name] = value);
    let full = "sip|Acme, Inc.|42|true";
    for _ in 0..2 {
        running
            .expect(&signed(&header, &good), 1)?
            .expect_header("X-Claims", full)?;
    }
    let admitted = [
        (typ("application/at+jwt"), good.clone(), full),
        (typ("AT+JWT"), good.clone(), full),
        (
            header.clone(),
            with("scope", json!(["calls", "sip:register"])),
            full,
        ),
        (
            header.clone(),
            edit(&without(&good, "scope"), |c| {
                c["scp"] = json!("calls sip:register")
            }),
            full,
        ),
        (
            header.clone(),
            with("realm_access", json!({ "roles": ["admin", "sip"] })),
            "admin|Acme, Inc.|42|true",
        ),
        // One value instead of a list with one element; then there is no first element.
        (
            header.clone(),
            with("realm_access", json!({ "roles": "sip" })),
            "<null>|Acme, Inc.|42|true",
        ),
        (
            header.clone(),
            without(&good, "limits"),
            "sip|Acme, Inc.|0|true",
        ),
        (
            header.clone(),
            with("org", json!({ "name": "no legal one" })),
            "sip|<null>|42|true",
        ),
    ];
    for (header, claims, loaded) in &admitted {
        running
            .expect(&signed(header, claims), 1)?
            .expect_header("X-Claims", loaded)?;
    }
    let refused = [
        (typ("JWT"), good.clone(), -5, "typ"),
        (without(&header, "typ"), good.clone(), -5, "typ is missing"),
        (header.clone(), without(&good, "org"), -5, "org is missing"),
        (
            header.clone(),
            with("org", Value::Null),
            -5,
            "org is missing",
        ),
        (
            header.clone(),
            with("email_verified", json!(false)),
            -5,
            "email_verified differs",
        ),
        (
            header.clone(),
            with("realm_access", json!({ "roles": ["sipp", "admin"] })),
            -5,
            "realm_access.roles differs",
        ),
        (
            header.clone(),
            without(&good, "realm_access"),
            -5,
            "realm_access.roles is missing",
        ),
        (
            header.clone(),
            with("scope", json!("sip:register callsx")),
            -5,
            "scope calls is not granted",
        ),
        (
            header.clone(),
            without(&good, "scope"),
            -5,
            "is not granted",
        ),
        (header.clone(), without(&good, "iat"), -5, "iat is missing"),
        (
            header.clone(),
            with("iat", json!("now")),
            -3,
            "iat is not a number",
        ),
        (
            header.clone(),
            with("iat", json!(now() - AGE - 60)),
            -3,
            "at most 600 s",
        ),
        (
            header.clone(),
            with("iat", json!(now() + 3600)),
            -3,
            "in the future",
        ),
    ];
    for (header, claims, code, reason) in &refused {
        running
            .expect(&signed(header, claims), *code)?
            .expect_header("X-Claims", "<null>|<null>|0|<null>")?
            .because(reason)?;
    }
    // The last second of its age is accepted, the next is not; the same from the token cache.
    let issued = now() - AGE + 2;
    let aging = signed(&header, &with("iat", json!(issued)));
    let change = issued + AGE + 1;
    across(
        change,
        |second| if second < change { 1 } else { -3 },
        || running.ask(&aging),
    )?;
    running.instance.check_workers()
}

/// exp and nbf with leeway: to the second.
pub fn leeway(setting: &Setting, core: &Core) -> Result<(), String> {
    const LEEWAY: i64 = 30;
    let key = Key::secret();
    let database = setting.servers.create(Backend::Sqlite, &content(&key))?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("leeway", LEEWAY)
    })?;
    let claiming = |claim: &str, value: i64| {
        token(
            &key,
            "HS256",
            &format!(r#"{{"{claim}":{value},"tag":"{TAG}"}}"#),
        )
    };
    let change = now() + 3;
    let code = |first: i32, then: i32| move |second| if second < change { first } else { then };
    let (exp, nbf) = (
        claiming("exp", change - LEEWAY),
        claiming("nbf", change + LEEWAY),
    );
    let ask = |token: &str| running.ask(token);
    std::thread::scope(|scope| {
        let expiring = scope.spawn(|| across(change, code(1, -3), || ask(&exp)));
        let coming = across(change, code(-3, 1), || ask(&nbf));
        expiring.join().map_err(|_| "a panic")??;
        coming
    })?;
    running.instance.check_workers()
}

/// Sizes: the last accepted one and the first refused one.
pub fn limits(setting: &Setting, core: &Core, mode: &'static str) -> Result<(), String> {
    let (key, other) = (Key::secret(), Key::secret());
    let mut content = content(&key);
    for (tag, before) in [("full", MAX_SECRETS - 1), ("overfull", MAX_SECRETS)] {
        content.profile(tag, tag);
        for _ in 0..before {
            content.secret(tag, &other.verifier());
        }
        content.secret(tag, &key.verifier());
    }
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| {
        script
            .database(&database)
            .set("cache_mode", mode)
            .set("max_token_size", MAX_TOKEN_SIZE as i64)
    })?;
    let (longest, too_long) = (sized(&key, MAX_TOKEN_SIZE), sized(&key, MAX_TOKEN_SIZE + 1));
    running.expect(&longest, 1)?;
    running.expect(&too_long, -2)?;
    // The scheme in front of it does not count.
    for (token, code) in [(&longest, 1), (&too_long, -2)] {
        let value = format!("Bearer {token}");
        let answer = running.exchange("bearer", &[("Authorization", &value)])?;
        super::running::Said::of(answer)?.expect(code)?;
    }
    running.expect(&super::demand::of("full", &key), 1)?;
    running.expect(&super::demand::of("overfull", &key), -1)?;
    for (depth, code) in [(MAX_DEPTH, 1), (MAX_DEPTH + 1, -2)] {
        // The object is the first level.
        let (open, close) = ("[".repeat(depth - 1), "]".repeat(depth - 1));
        let payload = format!(r#"{{"deep":{open}{close},"tag":"{TAG}"}}"#);
        running.expect(&token(&key, "HS256", &payload), code)?;
    }
    running.instance.check_workers()
}

/// Numbers of any size and form are admitted, and come out as they came; so do those that a script
/// signs.
pub fn numbers(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let database = setting.servers.create(Backend::Sqlite, &content(&key))?;
    let mut running = Running::start(setting, core, |script| {
        script
            .database(&database)
            .set("load_claims", "$avp(role)=n;$avp(org)=list")
            .set("required_claims", "n")
    })?;
    let long = "7".repeat(400);
    for (number, in_decoded) in [
        ("7", "7"),
        ("-2147483648", "-2147483648"),
        ("9223372036854775807", "9223372036854775807"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("9223372036854775808", "9223372036854775808"),
        ("-9223372036854775809", "-9223372036854775809"),
        ("12345678901234567890", "12345678901234567890"),
        (&long, &long),
        ("1e400", "1e400"),
        ("-1.5E+999999999999", "-1.5E+999999999999"),
        // As the C module prints them.
        ("0.10", "0.10000000000000001"),
        ("1E3", "1000.0"),
        ("1729185718.641225", "1729185718.6412251"),
        ("-0.0", "-0.0"),
    ] {
        let claims = format!(r#"{{"list":[{number},"{number}"],"n":{number},"tag":"{TAG}"}}"#);
        let signed = token(&key, "HS256", &claims);
        let decoded = format!(
            r#"{{"alg":"HS256","typ":"JWT"}}.{{"list":[{in_decoded},"{number}"],"n":{in_decoded},"tag":"{TAG}"}}"#
        );
        for _ in 0..2 {
            running
                .expect(&signed, 1)?
                .expect_header(
                    "X-Claims",
                    &format!(r#"{number}|[{number},"{number}"]|0|<null>"#),
                )?
                .expect_header("X-Decoded", &decoded)?;
        }
        let answer = running.exchange(
            "sign",
            &[
                ("X-Claims", &claims),
                ("X-Key", &b64_padded(&key.verifier())),
                ("X-Verifier", &b64_padded(&key.verifier())),
                ("X-Algorithm", "HS256"),
            ],
        )?;
        let made = super::running::Said::of(answer)?.expect(1)?;
        let made = made.expect_header("X-Verified", "1")?;
        let token = made.answer.header("X-Token").unwrap_or("").to_string();
        running.expect(&token, 1)?.expect_header(
            "X-Claims",
            &format!(r#"{number}|[{number},"{number}"]|0|<null>"#),
        )?;
    }
    for number in ["01", "1.", ".5", "+1", "NaN", "1e", "0x10", "--1"] {
        let claims = format!(r#"{{"n":{number},"tag":"{TAG}"}}"#);
        running.expect(&token(&key, "HS256", &claims), -2)?;
    }
    for (name, number, code) in [
        ("exp", "99999999999999999999", 1),
        ("exp", "1e400", 1),
        ("exp", "-1e400", -3),
        ("exp", "1e-400", -3),
        ("nbf", "99999999999999999999", -3),
        ("nbf", "-99999999999999999999", 1),
        ("iat", "99999999999999999999", 1),
    ] {
        let claims = format!(r#"{{"n":1,"{name}":{number},"tag":"{TAG}"}}"#);
        running
            .expect(&token(&key, "HS256", &claims), code)
            .map_err(|e| format!("{name} {number}: {e}"))?;
    }
    running.instance.check_workers()
}

/// The time since 1970, with its fraction of a second.
fn clock() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("a clock after 1970")
}

/// Times with fractions of seconds, as Laravel issues them: a token of now is good now, and one
/// that has expired within this second is not admitted until its end.
pub fn fractions(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let database = setting.servers.create(Backend::Sqlite, &content(&key))?;
    for max_age in [0, 600] {
        let mut running = Running::start(setting, core, |script| {
            script.database(&database).set("max_age", max_age)
        })?;
        let claiming = |nbf: Duration, exp: Duration| {
            let time = |time: Duration| format!("{}.{:06}", time.as_secs(), time.subsec_micros());
            let (nbf, exp) = (time(nbf), time(exp));
            let claims = format!(
                r#"{{"aud":"2","jti":"0a1b","iat":{nbf},"nbf":{nbf},"exp":{exp},"sub":"3","scopes":["*"],"tag":"{TAG}"}}"#
            );
            token(&key, "HS256", &claims)
        };
        let hour = Duration::from_secs(3600);
        for _ in 0..20 {
            let now = clock();
            running.expect(&claiming(now, now + hour), 1)?;
        }
        // Each answer must be right for every moment between the question and the answer.
        let (mut before, mut after) = (0, 0);
        let end = clock() + Duration::from_secs(60);
        while before < 5 || after < 5 {
            if clock() > end {
                return Err(format!("{before} times before, {after} times after"));
            }
            let edge = clock() + Duration::from_millis(120);
            let (expiring, coming) = (claiming(clock(), edge), claiming(edge, edge + hour));
            for _ in 0..8 {
                for (token, first, then) in [(&expiring, 1, -3), (&coming, -3, 1)] {
                    let asked = clock();
                    let said = running.ask(token)?;
                    let answered = clock();
                    if answered < edge {
                        said.expect(first)?;
                        before += 1;
                    } else if asked > edge {
                        said.expect(then)?;
                        after += 1;
                    }
                }
                sleep(Duration::from_millis(20));
            }
        }
        running.instance.check_workers()?;
    }
    Ok(())
}

/// For a header that the script decodes.
fn b64_padded(text: &str) -> String {
    STANDARD.encode(text)
}

/// A token of that many bytes.
fn sized(key: &Key, size: usize) -> String {
    // Base64 text does not come in every length, so the header is varied as well.
    for kid in 0..4 {
        let header = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(kid));
        for padding in 0..size {
            let payload = format!(r#"{{"pad":"{}","tag":"{TAG}"}}"#, "p".repeat(padding));
            let token = with_header(key, "HS256", &header, &payload);
            if token.len() == size {
                return token;
            }
            if token.len() > size {
                break;
            }
        }
    }
    panic!("no token has {size} bytes");
}

/// Secrets shorter than their hash: one warning that names the row, or no entry.
pub fn weak_keys(setting: &Setting, core: &Core) -> Result<(), String> {
    let weak = Key::Secret(b"only-31-bytes-for-hs256-are-few".to_vec());
    let strong = Key::Secret(b"exactly-32-bytes-for-hs256-do-it".to_vec());
    let mut content = content(&strong);
    content.profile("weak", "weak");
    content.secret("weak", &strong.verifier());
    content.secret("weak", &weak.verifier());
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let by_weak = token(&weak, "HS256", r#"{"tag":"weak"}"#);
    let by_strong = token(&strong, "HS256", r#"{"tag":"weak"}"#);
    // Long enough for one hash may be too short for another.
    let too_strong = token(&strong, "HS512", &format!(r#"{{"tag":"{TAG}"}}"#));
    for ttl in [3600, 0] {
        let mut running = Running::start_with(setting, core, 1, |script| {
            script.database(&database).set("cache_ttl", ttl)
        })?;
        for _ in 0..5 {
            running.expect(&by_strong, 1)?;
        }
        let warnings = || {
            let log = running.instance.log();
            let lines = log.lines().filter(|line| {
                line.contains("WARNING:auth_web:") && line.contains("shorter than the hash")
            });
            lines.map(str::to_string).collect::<Vec<_>>()
        };
        if !warnings().is_empty() {
            return Err(format!("warned of what nobody used: {:?}", warnings()));
        }
        for _ in 0..3 {
            running.expect(&by_weak, 1)?;
            let another = format!(r#"{{"n":{},"tag":"weak"}}"#, now());
            running.expect(&token(&weak, "HS256", &another), 1)?;
        }
        running.mi.reload()?;
        running.expect(&by_weak, 1)?;
        let found = warnings();
        let [line] = &found[..] else {
            return Err(format!(
                "cache_ttl {ttl}: one warning expected, got {found:#?}"
            ));
        };
        if !line.contains("secret 2 of tag \"weak\"") {
            return Err(format!("the row is not named: {line}"));
        }
        running.expect(&too_strong, 1)?;
        if warnings().len() != 2 {
            return Err(format!("HS512 with 32 bytes: {:#?}", warnings()));
        }
        let log = running.instance.log();
        if [&weak, &strong]
            .iter()
            .any(|key| log.contains(&key.verifier()))
        {
            return Err("a secret is in the log".to_string());
        }
        running.instance.check_workers()?;
    }
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("weak_keys", 0)
    })?;
    running.everywhere(&by_strong, 1)?;
    running.everywhere(&by_weak, -1)?;
    running.expect(&by_weak, -1)?.because("weak_keys")?;
    running.expect(&too_strong, -1)?.because("weak_keys")?;
    let answer = running.ask_with_key(&by_weak, &weak.verifier())?;
    answer.expect(-1)?.because("weak_keys")?;
    running
        .ask_with_key(&by_strong, &strong.verifier())?
        .expect(1)?;
    running.instance.check_workers()
}
