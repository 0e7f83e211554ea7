//! Tokens that are revoked before they end: by the management interface.

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::mi::Mi;
use harness::profiles::Content;
use harness::secrecy;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::{now, token, with_header};
use serde_json::{Value, json};

use super::provider::{jwk, set};
use super::running::{LIMIT, Running, Said};

/// The code of a token that is revoked.
pub const REVOKED: i32 = -8;

/// Revokes something.
pub fn revoke(mi: &Mi, params: Value) -> Result<(), String> {
    match mi.run("jwt_revoke", params)? {
        Value::String(ok) if ok == "OK" => Ok(()),
        other => Err(format!("jwt_revoke answers {other}")),
    }
}

/// What is revoked.
pub fn revoked(mi: &Mi, params: Value) -> Result<(u64, Vec<Value>), String> {
    let list = mi.run("jwt_revoked", params)?;
    let count = list["count"].as_u64();
    match (count, list["revocations"].as_array()) {
        (Some(count), Some(rows)) => Ok((count, rows.clone())),
        _ => Err(format!("jwt_revoked answers {list}")),
    }
}

/// Fails unless the command is refused with these words.
fn refused(mi: &Mi, method: &str, params: Value, words: &str) -> Result<(), String> {
    match mi.run(method, params.clone()) {
        Err(said) if said.contains(words) => Ok(()),
        other => Err(format!(
            "{method} {params} answers {other:?}, not {words:?}"
        )),
    }
}

/// A core with one profile.
fn start(setting: &Setting, core: &Core, secret: &str, max: i64) -> Result<Running, String> {
    let mut content = Content::default();
    content.profile("phone", "alice");
    content.secret("phone", secret);
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    Running::start(setting, core, |script| {
        script
            .database(&database)
            .set("cache_ttl", 3600)
            .set("revocations_max", max)
    })
}

/// By each kind, in all workers at once, whether they remember the token or not.
pub fn kinds(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let mut running = start(setting, core, &key.verifier(), 100)?;
    let time = now();
    let of = |claims: Value| {
        let mut all = json!({"tag": "phone", "exp": time + 600, "iss": "urn:a"});
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), claims) {
            all.extend(more);
        }
        token(&key, "HS256", &all.to_string())
    };
    let (gone, stays) = (
        of(json!({"jti": "3f2a-gone"})),
        of(json!({"jti": "3f2a-stays"})),
    );
    let of_alice = of(json!({"sub": "alice", "iat": time - 1}));
    let of_session = of(json!({"sub": "bob", "sid": "08a5019c", "iat": time - 1}));
    let other_session = of(json!({"sub": "bob", "sid": "9a21", "iat": time - 1}));
    let all = [&gone, &stays, &of_alice, &of_session, &other_session];
    for token in all {
        running.everywhere(token, 1)?;
        running.everywhere_with_key(token, &key.verifier(), 1)?;
    }
    let before = running.instance.log_length();
    for params in [
        json!({"type": "jti", "value": "3f2a-gone", "exp": (time + 600).to_string()}),
        json!({"type": "sub", "value": "alice"}),
        json!({"type": "sid", "value": "08a5019c", "iss": "urn:a"}),
    ] {
        revoke(&running.mi, params)?;
    }
    for (token, reason) in [
        (&gone, "revoked: jti \"3f2a-gone\"".to_owned()),
        (
            &of_alice,
            "revoked: sub \"alice\", issued up to ".to_owned(),
        ),
        (
            &of_session,
            "revoked: sid \"08a5019c\" of issuer \"urn:a\"".to_owned(),
        ),
    ] {
        running.everywhere(token, REVOKED)?;
        running.ask(token)?.expect(REVOKED)?.because(&reason)?;
        let said = Said::of(running.exchange("async", &[("X-JWT", token)])?)?;
        said.expect(REVOKED)?.because(&reason)?;
        running.everywhere_with_key(token, &key.verifier(), -1)?;
        running
            .ask_with_key(token, &key.verifier())?
            .because(&reason)?;
        let log = running.instance.log_since(before);
        let line = format!("refused ({REVOKED}) token ");
        if !log
            .lines()
            .any(|it| it.contains(&line) && it.contains(&reason))
        {
            return Err(format!("the log lacks {reason:?}"));
        }
    }
    // Nobody has seen these, and they are as their neighbours.
    let unseen = of(json!({"jti": "3f2a-gone", "n": 1}));
    running.everywhere(&unseen, REVOKED)?;
    let undated = of(json!({"sub": "alice"}));
    running.everywhere(&undated, REVOKED)?;
    let newer = of(json!({"sub": "alice", "iat": now() + 60}));
    let elsewhere = of(json!({"sub": "bob", "sid": "08a5019c", "iss": "urn:b"}));
    for token in [&stays, &other_session, &newer, &elsewhere] {
        running.everywhere(token, 1)?;
        running.everywhere_with_key(token, &key.verifier(), 1)?;
    }
    // A reload takes nothing back.
    running.mi.reload()?;
    running.everywhere(&gone, REVOKED)?;
    running.everywhere(&stays, 1)?;
    let unspeakable = all.iter().filter_map(|token| secrecy::of_token(token));
    secrecy::check(&running.instance.log(), unspeakable)?;
    running.instance.check_workers()
}

/// A key that others have, too: their tokens need not say which key it is.
pub fn keys(setting: &Setting, core: &Core) -> Result<(), String> {
    let (stolen, other) = (Key::p256(), Key::p256());
    let keys = set(&[jwk("stolen", &stolen), jwk("other", &other)]);
    let mut running = start(setting, core, &keys, 100)?;
    let of = |key: &Key, kid: Option<&str>| {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": kid});
        let header = match kid {
            Some(_) => header.to_string(),
            None => r#"{"alg":"ES256","typ":"JWT"}"#.to_owned(),
        };
        with_header(key, "ES256", &header, r#"{"tag":"phone"}"#)
    };
    let bad = [of(&stolen, Some("stolen")), of(&stolen, None)];
    let good = [of(&other, Some("other")), of(&other, None)];
    for token in bad.iter().chain(&good) {
        running.everywhere(token, 1)?;
    }
    revoke(&running.mi, json!(["kid", "stolen"]))?;
    for token in &bad {
        running.everywhere(token, REVOKED)?;
        let said = running.ask(token)?.expect(REVOKED)?;
        said.because("revoked: kid \"stolen\"")?;
        running.everywhere_with_key(token, &keys, -1)?;
    }
    for token in &good {
        running.everywhere(token, 1)?;
        running.everywhere_with_key(token, &keys, 1)?;
    }
    // Whose name the token takes counts as little: no key of that name verifies it.
    running.expect(&of(&stolen, Some("other")), -1)?;
    running.instance.check_workers()
}

/// What the commands take, how long it counts, and how much of it there may be.
pub fn commands(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let running = start(setting, core, &key.verifier(), 3)?;
    let mi = &running.mi;
    let time = now();
    for (params, words) in [
        (json!({"type": "iss", "value": "x"}), "type must be"),
        (
            json!({"type": "jti", "value": ""}),
            "value must have 1 to 255 bytes",
        ),
        (
            json!({"type": "jti", "value": "x".repeat(256)}),
            "value must have",
        ),
        (
            json!({"type": "jti", "value": "x", "iss": ""}),
            "iss must have",
        ),
        (
            json!({"type": "jti", "value": "x", "exp": "soon"}),
            "exp must be a number",
        ),
        (
            json!({"type": "jti", "value": "x", "exp": -1}),
            "exp must be a number",
        ),
        (
            json!({"type": "jti", "value": "x", "exp": 3600}),
            "exp has passed",
        ),
        (
            json!({"type": "jti", "value": "x", "before": time}),
            "before is for type sub",
        ),
        (
            json!({"type": "sub", "value": "x", "before": {}}),
            "before must be text, or a number",
        ),
        (json!({"type": "jti", "value": ["x"]}), "value must be text"),
        (json!({"type": "jti"}), "-32602"),
        (json!({"type": "jti", "value": "x", "until": 1}), "-32602"),
        (Value::Null, "-32602"),
    ] {
        refused(mi, "jwt_revoke", params, words)?;
    }
    let (count, rows) = revoked(mi, json!({"type": "jti", "value": "x"}))?;
    if (count, rows.len()) != (0, 0) {
        return Err(format!("{count} were revoked by mistake: {rows:?}"));
    }
    refused(mi, "jwt_revoked", json!({"offset": "x"}), "offset must be")?;
    Ok(())
}

/// A list that is full, and what has ended.
pub fn full(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let mut running = start(setting, core, &key.verifier(), 3)?;
    let mi = &running.mi;
    let of = |jti: &str| {
        token(
            &key,
            "HS256",
            &format!(r#"{{"tag":"phone","jti":"{jti}"}}"#),
        )
    };
    revoke(mi, json!({"type": "jti", "value": "a"}))?;
    let end = (now() + 600).to_string();
    let of_b = json!({"type": "sub", "value": "b", "iss": "urn:b", "before": 7, "exp": end});
    revoke(mi, of_b)?;
    let time = now() + 5;
    revoke(
        mi,
        json!({"type": "jti", "value": "ending", "exp": time.to_string()}),
    )?;
    let (count, rows) = revoked(mi, Value::Null)?;
    let lasting = json!({"type": "jti", "value": "a"});
    if count < 2 || rows.first() != Some(&lasting) {
        return Err(format!("{count}: {rows:?}"));
    }
    let (count, rows) = revoked(mi, json!(["sub", "b"]))?;
    let row = rows.first().ok_or("no row")?;
    let left = row["left"].as_i64().unwrap_or_default();
    if count != 1
        || row["iss"] != "urn:b"
        || row["before"] != 7
        || row["until"]
            .as_i64()
            .map(|until| (until - 1).to_string())
            .as_ref()
            != Some(&end)
        || !(1..=601).contains(&left)
    {
        return Err(format!("{count}: {rows:?}"));
    }
    // As long as it counts there is no room, and nothing is forgotten for that.
    let until = wait_for(LIMIT, || {
        match mi.run("jwt_revoke", json!(["jti", "late"])) {
            Err(said) if said.contains("3 revocations count, which is the limit") => None,
            other => Some(other),
        }
    });
    match until {
        Some(Ok(_)) if now() > time => {}
        other => return Err(format!("{other:?} at {} s", now() - time)),
    }
    running.everywhere(&of("ending"), 1)?;
    for jti in ["a", "late"] {
        running.everywhere(&of(jti), REVOKED)?;
    }
    refused(mi, "jwt_revoke", json!(["jti", "more"]), "revocations_max")?;
    running.everywhere(&of("more"), 1)?;
    // For longer, where it is revoked already.
    revoke(mi, json!(["jti", "a"]))?;
    let (count, rows) = revoked(mi, json!({"offset": 1}))?;
    if (count, rows.len()) != (3, 2) {
        return Err(format!("{count}: {rows:?}"));
    }
    running.instance.check_workers()
}
