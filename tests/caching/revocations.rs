//! Tokens that are revoked before they end: by the management interface, by a table, by other machines, and by
//! logout tokens.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::own::Own;
use harness::database::{Backend, Database, schema};
use harness::instance::Refusal;
use harness::keys::Key;
use harness::mi::Mi;
use harness::profiles::Content;
use harness::redis::{Access, Cluster, Redis};
use harness::script::Script;
use harness::secrecy;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::{now, token, with_broken_signature, with_header};
use serde_json::{Value, json};

use super::discovery::{publish, with as of_issuer};
use super::provider::{Provider, jwk, patient, set};
use super::running::{LIMIT, Running, Said, WORKERS};

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
        json!({"type": "sub", "value": "alice", "before": (time - 1).to_string()}),
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
        let line = format!("refused ({REVOKED}) ");
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
    // In milliseconds, it says nothing.
    let milliseconds = of(json!({"sub": "alice", "iat": time * 1000}));
    running.everywhere(&milliseconds, REVOKED)?;
    running.everywhere_with_key(&milliseconds, &key.verifier(), -1)?;
    running.everywhere(&of(json!({"sub": "bob", "iat": time * 1000})), 1)?;
    let newer = of(json!({"sub": "alice", "iat": time}));
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
        (
            json!({"type": "jti", "value": 2_147_483_647}),
            "value is a number of more than 31 bits",
        ),
        (
            json!({"type": "sub", "value": "x", "before": 2_147_483_647}),
            "before is a number of more than 31 bits",
        ),
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

/// Values that JSON makes as long as can be: all of them are listed, page by page.
pub fn long_values(setting: &Setting, core: &Core) -> Result<(), String> {
    const MANY: usize = 60;
    let key = Key::secret();
    let mut running = start(setting, core, &key.verifier(), 100)?;
    let control = "\u{1}".repeat(250);
    for number in 0..MANY {
        let value = format!("{control}{number}");
        revoke(
            &running.mi,
            json!({"type": "jti", "value": value, "iss": "\u{1}".repeat(255)}),
        )?;
    }
    let mut listed = Vec::new();
    while listed.len() < MANY {
        let offset = listed.len().to_string();
        let (count, rows) = revoked(&running.mi, json!({"offset": offset}))?;
        if count != MANY as u64 || rows.is_empty() {
            return Err(format!("{count}, of which {} from {offset}", rows.len()));
        }
        listed.extend(rows);
    }
    let is_right = |(number, row): (usize, &Value)| row["value"] == format!("{control}{number}");
    if !listed.iter().enumerate().all(is_right) {
        return Err(format!("{} are listed", listed.len()));
    }
    running.instance.check_workers()
}

/// How long rows are used without being read again, in the trials where that matters.
const LONG: i64 = 3600;

/// A database with the table of revocations and one profile.
fn create(setting: &Setting, backend: Backend, secret: &str) -> Result<Database, String> {
    let mut content = Content::default();
    content.profile("phone", "alice");
    content.secret("phone", secret);
    if backend == Backend::DbText {
        return setting.servers.create(backend, &content);
    }
    let revocations = schema(backend).with_file_name("revocations.sql");
    let files = [schema(backend), revocations.clone(), revocations];
    setting.servers.create_with(backend, &files, &content)
}

/// Adds a row.
fn insert(database: &Database, (kind, value): (&str, &str), more: [&str; 3]) -> Result<(), String> {
    let [issuer, before, exp] = more;
    if database.backend == Backend::DbText {
        let folder = database.url.strip_prefix("text://").ok_or("no folder")?;
        let file = Path::new(folder).join("jwt_revocations");
        let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
        let id = text.lines().count();
        let [value, issuer] = [value, issuer].map(|text| text.replace(':', "\\:"));
        let row = format!("{id}:{kind}:{value}:{issuer}:{before}:{exp}\n");
        return std::fs::write(&file, text + &row).map_err(|e| e.to_string());
    }
    let or_null = |text: &str| match text {
        "" => "NULL".to_owned(),
        text => format!("'{text}'"),
    };
    let [issuer, before, exp] = [issuer, before, exp].map(or_null);
    database
        .sql(&format!(
            "INSERT INTO jwt_revocations (type, value, issuer, before_ts, exp) \
             VALUES ('{kind}', '{value}', {issuer}, {before}, {exp});"
        ))
        .map(drop)
}

fn with(script: Script, database: &Database, driver: &str) -> Script {
    // OpenSIPS's driver reads passwords in another way.
    let script = match driver {
        "opensips" => script
            .load(database.backend.opensips_module())
            .database(&database.with_plain_password()),
        _ => script.database(database),
    };
    script.set("db_driver", driver)
}

/// Rows of all kinds as they are at start, and what is wrong with others.
pub fn rows(
    setting: &Setting,
    core: &Core,
    backend: Backend,
    driver: &'static str,
) -> Result<(), String> {
    let key = Key::secret();
    let database = create(setting, backend, &key.verifier())?;
    let time = now();
    let (ended, later) = ((time - 10).to_string(), (time + 600).to_string());
    insert(&database, ("jti", "gone"), ["", "", &later])?;
    insert(&database, ("jti", "other"), ["urn:b", "", ""])?;
    insert(&database, ("sub", "alice"), ["", "1000", ""])?;
    insert(&database, ("sub", "bob"), ["urn:a", "", ""])?;
    insert(&database, ("sid", "08a5019c"), ["", "", ""])?;
    insert(&database, ("jti", "over"), ["", "", &ended])?;
    insert(&database, ("iss", "urn:a"), ["", "", ""])?;
    insert(&database, ("kid", "k"), ["", "1000", ""])?;
    insert(&database, ("jti", "blank "), ["", "", ""])?;
    let mut running = Running::start(setting, core, |script| {
        with(script, &database, driver)
            .set("revocations_table", "jwt_revocations")
            .set("cache_ttl", LONG)
    })?;
    let log = running.instance.log();
    for fault in [
        "table jwt_revocations, row 7: type must be jti, sub, sid or kid",
        "table jwt_revocations, row 8: before is for type sub alone",
    ] {
        let lines = log.lines().filter(|line| line.contains(fault)).count();
        if lines != 1 {
            return Err(format!("{lines} lines {fault}: {log}"));
        }
    }
    for (claims, code) in [
        (json!({"jti": "gone"}), REVOKED),
        (json!({"jti": "other"}), 1),
        (json!({"jti": "other", "iss": "urn:b"}), REVOKED),
        (json!({"sub": "alice", "iat": 1000}), REVOKED),
        (json!({"sub": "alice", "iat": 1001}), 1),
        (json!({"sub": "bob", "iat": time, "iss": "urn:a"}), REVOKED),
        (json!({"sub": "bob", "iat": time, "iss": "urn:b"}), 1),
        (json!({"sid": "08a5019c"}), REVOKED),
        (json!({"jti": "over", "iss": "urn:a"}), 1),
        (json!({"jti": "blank "}), REVOKED),
        (json!({"jti": "blank"}), 1),
    ] {
        let mut all = claims;
        all["tag"] = json!("phone");
        let token = token(&key, "HS256", &all.to_string());
        for _ in 0..2 {
            running
                .everywhere(&token, code)
                .map_err(|e| format!("{all}: {e}"))?;
        }
    }
    // The table and the command have each their own: what is in one is in the list, once.
    revoke(&running.mi, json!(["jti", "told"]))?;
    let (count, rows) = revoked(&running.mi, Value::Null)?;
    if (count, rows.len()) != (7, 7) || rows[0]["value"] != "told" {
        return Err(format!("{count}: {rows:?}"));
    }
    running.mi.reload()?;
    running.everywhere(
        &token(&key, "HS256", r#"{"tag":"phone","jti":"told"}"#),
        REVOKED,
    )?;
    running.instance.check_workers()
}

/// A row that is added or removed counts after `jwt_reload`, and after `cache_ttl`, for all tokens.
pub fn changes(
    setting: &Setting,
    core: &Core,
    backend: Backend,
    driver: &'static str,
) -> Result<(), String> {
    let key = Key::secret();
    let database = create(setting, backend, &key.verifier())?;
    let of = |jti: &str| {
        token(
            &key,
            "HS256",
            &format!(r#"{{"tag":"phone","jti":"{jti}"}}"#),
        )
    };
    let (a, b) = (of("a"), of("b"));
    let remove = |jti: &str| {
        let delete = format!("DELETE FROM jwt_revocations WHERE value = '{jti}';");
        database.sql(&delete).map(drop)
    };
    let start = |ttl: i64| {
        Running::start(setting, core, |script| {
            with(script, &database, driver).set("cache_ttl", ttl)
        })
    };
    let mut running = start(LONG)?;
    for token in [&a, &b] {
        running.everywhere(token, 1)?;
        running.everywhere_with_key(token, &key.verifier(), 1)?;
    }
    insert(&database, ("jti", "a"), [""; 3])?;
    running.everywhere(&a, 1)?;
    running.mi.reload()?;
    running.everywhere(&a, REVOKED)?;
    running.everywhere_with_key(&a, &key.verifier(), -1)?;
    running.everywhere(&b, 1)?;
    remove("a")?;
    running.everywhere(&a, REVOKED)?;
    running.mi.reload()?;
    running.everywhere_with_key(&a, &key.verifier(), 1)?;
    running.everywhere(&a, 1)?;
    running.instance.check_workers()?;
    drop(running);

    let mut running = start(1)?;
    for token in [&a, &b] {
        running.everywhere(token, 1)?;
    }
    insert(&database, ("jti", "a"), [""; 3])?;
    std::thread::sleep(Duration::from_millis(1100));
    // Nobody has asked for so long that nothing has been read: it waits for that.
    running.expect(&a, REVOKED)?;
    running.everywhere(&a, REVOKED)?;
    running.everywhere(&b, 1)?;
    insert(&database, ("jti", "b"), [""; 3])?;
    remove("a")?;
    for (token, code) in [(&b, REVOKED), (&a, 1)] {
        wait_for(LIMIT, || {
            (running.all_say(token, code) == Ok(true)).then_some(())
        })
        .ok_or("cache_ttl is over, and what was read counts")?;
    }
    // The asynchronous form waits for it as well, whatever is remembered.
    insert(&database, ("jti", "a"), [""; 3])?;
    std::thread::sleep(Duration::from_millis(1100));
    let said = Said::of(running.exchange("async", &[("X-JWT", &a)])?)?;
    said.expect(REVOKED)?;
    running.instance.check_workers()
}

/// What is read at start has to be there, in the right version, and must not be too much.
pub fn start_of_table(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let without = setting
        .servers
        .create(Backend::Sqlite, &Content::default())?;
    let refused = |database: &Database, name: &str, value: &str| {
        let with = |it: Script| with(it, database, "auto").set(name, value);
        match Running::try_start(setting, core, WORKERS, "", with) {
            Ok(_) => Err(format!("{name} {value}: it starts")),
            Err(Refusal { log, .. }) => Ok(log),
        }
    };
    let log = refused(&without, "revocations_table", "jwt_revocations")?;
    if !log.contains("jwt_revocations") || !log.contains("schema/sqlite/revocations.sql") {
        return Err(log);
    }
    let database = create(setting, Backend::Sqlite, &key.verifier())?;
    for jti in ["a", "b", "c"] {
        insert(&database, ("jti", jti), [""; 3])?;
    }
    let log = refused(&database, "revocations_max", "2")?;
    if !log.contains("table jwt_revocations: 2 revocations count, which is the limit") {
        return Err(log);
    }
    // What has ended takes no room.
    let over = format!(
        "UPDATE jwt_revocations SET exp = {} WHERE value = 'b';",
        now() - 10
    );
    database.sql(&over)?;
    let running = Running::start(setting, core, |script| {
        with(script, &database, "auto")
            .set("revocations_max", 2)
            .set("cache_ttl", 1)
            .set("cache_grace", 2)
    })?;
    let of = |jti: &str| {
        token(
            &key,
            "HS256",
            &format!(r#"{{"tag":"phone","jti":"{jti}"}}"#),
        )
    };
    running.everywhere(&of("a"), REVOKED)?;
    running.everywhere(&of("b"), 1)?;
    // Later, what was read before serves for cache_grace, and then nothing is known of any token.
    insert(&database, ("jti", "d"), [""; 3])?;
    wait_for(LIMIT, || {
        (running.all_say(&of("b"), -6) == Ok(true)).then_some(())
    })
    .ok_or("there is no room for a row, and tokens are admitted")?;
    let log = running.instance.log();
    if !log.contains("2 revocations count, which is the limit") {
        return Err("the log does not say that there is no room".to_owned());
    }
    database.sql("DELETE FROM jwt_revocations WHERE value = 'd';")?;
    wait_for(LIMIT, || {
        (running.all_say(&of("b"), 1) == Ok(true)).then_some(())
    })
    .ok_or("there is room again, and no token is admitted")?;
    drop(running);
    database.sql("UPDATE version SET table_version = 2 WHERE table_name = 'jwt_revocations';")?;
    let log = refused(&database, "cache_ttl", "30")?;
    match log.contains("jwt_revocations") {
        true => Ok(()),
        false => Err(log),
    }
}

/// A database that hangs: with keys of a file, nothing else is asked of it.
pub fn hanging(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    const TIMEOUT: Duration = Duration::from_millis(4000);
    let key = Key::p256();
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let file = folder.join("keys.json");
    std::fs::write(&file, set(&[jwk("one", &key)])).map_err(|e| e.to_string())?;
    own.with(setting.folder(), &Content::default(), |server, database| {
        let table = schema(Backend::Mysql).with_file_name("revocations.sql");
        let table = std::fs::read_to_string(table).map_err(|e| e.to_string())?;
        database.sql(&table)?;
        insert(database, ("jti", "gone"), [""; 3])?;
        let start = |grace: i64| {
            Running::start_with(setting, core, 1, |script| {
                script
                    .database(database)
                    .set("jwks_url", format!("file://{}", file.display()).as_str())
                    .set("db_timeout", TIMEOUT.as_millis() as i64)
                    .set("cache_ttl", 1)
                    .set("cache_grace", grace)
            })
        };
        let (mut long, mut short) = (start(LONG)?, start(1)?);
        let of = |jti: &str| {
            let claims = format!(r#"{{"sub":"alice","jti":"{jti}","iat":{}}}"#, now());
            with_header(&key, "ES256", r#"{"alg":"ES256","kid":"one"}"#, &claims)
        };
        let (gone, good) = (of("gone"), of("good"));
        for running in [&long, &short] {
            running.expect(&gone, REVOKED)?;
            running.expect(&good, 1)?;
        }
        server.hang()?;
        let during = || {
            // What is known serves, and whoever waits does so once.
            let begun = Instant::now();
            for _ in 0..20 {
                long.expect(&gone, REVOKED)?;
                long.expect(&good, 1)?;
            }
            let waited = begun.elapsed();
            if waited > 2 * TIMEOUT {
                return Err(format!("forty tokens waited for {waited:?}"));
            }
            wait_for(LIMIT, || {
                (short.all_say(&good, -6) == Ok(true)).then_some(())
            })
            .ok_or("cache_grace is over, and a token is admitted")?;
            // One that is not good waits for nothing.
            let begun = Instant::now();
            short.expect(&with_broken_signature(&good), -1)?;
            if begun.elapsed() > TIMEOUT / 2 {
                return Err(format!("a forged token waited for {:?}", begun.elapsed()));
            }
            let mi = &short.mi;
            revoke(mi, json!(["jti", "told"]))?;
            long.expect(&gone, REVOKED)?;
            long.expect(&good, 1).map(drop)
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        insert(database, ("jti", "good"), [""; 3])?;
        for (running, told) in [(&long, 1), (&short, REVOKED)] {
            wait_for(LIMIT, || {
                (running.all_say(&good, REVOKED) == Ok(true)).then_some(())
            })
            .ok_or("the database answers, and a new row does not count")?;
            running.expect(&of("told"), told)?;
        }
        long.instance.check_workers()?;
        short.instance.check_workers()
    })
}

/// A core that shares what it revokes, with keys of a file.
fn start_sharing(
    setting: &Setting,
    core: &Core,
    redis: &str,
    with: impl FnOnce(Script) -> Script,
) -> Result<(Running, Key), String> {
    let key = Key::p256();
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let file = folder.join("keys.json");
    std::fs::write(&file, set(&[jwk("one", &key)])).map_err(|e| e.to_string())?;
    let running = Running::start(setting, core, |script| {
        let script = script
            .set("jwks_url", format!("file://{}", file.display()).as_str())
            .set("cachedb_url", redis)
            .set("revocations_cachedb", 1);
        with(script)
    })?;
    Ok((running, key))
}

/// A token of this `jti`.
fn of_jti(key: &Key, jti: &str) -> String {
    let claims = format!(r#"{{"sub":"alice","jti":"{jti}","iat":{}}}"#, now() - 1);
    with_header(key, "ES256", r#"{"alg":"ES256","kid":"one"}"#, &claims)
}

/// Waits until all workers say so.
fn until(running: &Running, token: &str, code: i32, what: &str) -> Result<(), String> {
    wait_for(LIMIT, || {
        (running.all_say(token, code) == Ok(true)).then_some(())
    })
    .ok_or_else(|| format!("not {code} in time: {what}"))
}

/// What one machine revokes, the others know, also those that are started later.
fn known_to_others(setting: &Setting, core: &Core, redis: &Access) -> Result<(), String> {
    let start = || start_sharing(setting, core, redis.url().as_str(), |script| script);
    let ((mut here, key_here), (mut there, key_there)) = (start()?, start()?);
    let jtis = ["a", "ending", "b\\\" \u{e9}"];
    for (running, key) in [(&here, &key_here), (&there, &key_there)] {
        for jti in jtis {
            running.everywhere(&of_jti(key, jti), 1)?;
        }
    }
    let end = (now() + 600).to_string();
    revoke(&here.mi, json!({"type": "jti", "value": "a"}))?;
    revoke(
        &here.mi,
        json!({"type": "jti", "value": "ending", "exp": end}),
    )?;
    revoke(&there.mi, json!({"type": "jti", "value": "b\" \u{e9}"}))?;
    let (mut later, key_later) = start()?;
    for (running, key) in [
        (&here, &key_here),
        (&there, &key_there),
        (&later, &key_later),
    ] {
        for jti in jtis {
            until(running, &of_jti(key, jti), REVOKED, jti)?;
        }
        let (count, rows) = revoked(&running.mi, json!(["jti", "ending"]))?;
        let end_of = |row: &Value| row["until"].as_i64().map(|until| (until - 1).to_string());
        if count != 1 || rows.first().and_then(end_of).as_ref() != Some(&end) {
            return Err(format!("{count}: {rows:?}"));
        }
        running.everywhere(&of_jti(key, "other"), 1)?;
    }
    here.instance.check_workers()?;
    there.instance.check_workers()?;
    later.instance.check_workers()
}

/// By one Redis, which may hold what others wrote, and be emptied.
pub fn shared(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    known_to_others(setting, core, &redis)?;
    const CHANGES: &str = "{auth_web_revocations}:changes";
    redis.cli(&["ZADD", CHANGES, "1", "not for us"])?;
    let (mut running, key) = start_sharing(setting, core, &redis.url(), |script| script)?;
    let (gone, good) = (of_jti(&key, "a"), of_jti(&key, "good"));
    until(&running, &gone, REVOKED, "a")?;
    running.everywhere(&good, 1)?;
    wait_for(LIMIT, || {
        running
            .instance
            .log()
            .contains("left out: 1 in Redis")
            .then_some(())
    })
    .ok_or("the log says nothing of what can't be read")?;
    // What is known is known, whatever happens to Redis; and what comes then is heard of.
    redis.cli(&["FLUSHALL"])?;
    let (other, _) = start_sharing(setting, core, &redis.url(), |script| script)?;
    revoke(&other.mi, json!(["jti", "good"]))?;
    until(&running, &good, REVOKED, "after Redis was emptied")?;
    running.everywhere(&gone, REVOKED)?;
    // Whoever ends is taken out by whoever writes.
    redis.cli(&["ZADD", CHANGES, "1", "ended"])?;
    redis.cli(&["ZADD", "{auth_web_revocations}:ends", "1", "ended"])?;
    revoke(&other.mi, json!(["jti", "another"]))?;
    let left = redis.cli(&["ZCARD", CHANGES])?;
    if left != "2" {
        return Err(format!(
            "{left} changes are left in Redis, of which two count"
        ));
    }
    running.instance.check_workers()
}

/// There is no room in Redis for one more; and a machine that has less room than the others.
pub fn shared_and_full(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let start = |max: i64, grace: i64| {
        start_sharing(setting, core, &redis.url(), |script| {
            script.set("revocations_max", max).set("cache_grace", grace)
        })
    };
    let ((mut here, key_here), (mut there, key_there)) = (start(3, LONG)?, start(3, 1)?);
    let (more, good) = (json!(["jti", "d"]), "good");
    for jti in ["a", "b", "c"] {
        revoke(&here.mi, json!(["jti", jti]))?;
    }
    // It has heard of none of them: without a token, nobody asks. Redis alone knows.
    refused(&there.mi, "jwt_revoke", more.clone(), "3 revocations count")?;
    for jti in ["a", "b", "c"] {
        until(&there, &of_jti(&key_there, jti), REVOKED, jti)?;
    }
    let (mut new, key_new) = start(3, 1)?;
    for running in [&here, &there, &new] {
        refused(
            &running.mi,
            "jwt_revoke",
            more.clone(),
            "3 revocations count",
        )?;
        // What is there already needs no room.
        revoke(&running.mi, json!(["jti", "a"]))?;
    }
    for (running, key) in [(&here, &key_here), (&there, &key_there), (&new, &key_new)] {
        running.everywhere(&of_jti(key, "d"), 1)?;
        until(running, &of_jti(key, "c"), REVOKED, "c")?;
        running.everywhere(&of_jti(key, good), 1)?;
        if running.instance.log().contains("no room") {
            return Err("there is room for all".to_owned());
        }
    }
    let (mut small, key) = start(2, 1)?;
    until(&small, &of_jti(&key, good), -6, "there is no room for one")?;
    let log = small.instance.log();
    let said = log.lines().filter(|line| line.contains("no room for all"));
    let said: Vec<_> = said.collect();
    match said[..] {
        [one] if one.contains("ERROR") && one.contains("revocations_max") => {}
        _ => return Err(format!("what the log says of it: {said:?}")),
    }
    for running in [&mut here, &mut there, &mut new, &mut small] {
        running.instance.check_workers()?;
    }
    Ok(())
}

/// Numbers after which others go on: some are taken out, and a replica that had not got the last of them takes
/// the place of its master.
pub fn shared_and_lost(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let start = || start_sharing(setting, core, &redis.url(), |script| script);
    let ((mut here, _), (mut there, key)) = (start()?, start()?);
    let tell = |jti: &str| revoke(&here.mi, json!(["jti", jti]));
    let heard = |jti: &str| until(&there, &of_jti(&key, jti), REVOKED, jti);
    tell("a")?;
    tell("b")?;
    heard("b")?;
    // The last one is taken out, and so are all.
    redis.cli(&["ZPOPMAX", "{auth_web_revocations}:changes"])?;
    tell("c")?;
    heard("c")?;
    redis.cli(&["DEL", "{auth_web_revocations}:changes"])?;
    tell("d")?;
    heard("d")?;
    let keys = ["changes", "ends", "tags"].map(|key| format!("{{auth_web_revocations}}:{key}"));
    for key in &keys {
        redis.cli(&["COPY", key, &format!("{key}:replica")])?;
    }
    tell("e")?;
    tell("f")?;
    heard("f")?;
    for key in &keys {
        redis.cli(&["RENAME", &format!("{key}:replica"), key])?;
    }
    let told = ["g", "h", "i", "j"];
    for jti in told {
        tell(jti)?;
    }
    for jti in told {
        heard(jti)?;
    }
    // The numbers alone are lost.
    redis.cli(&["DEL", &keys[2]])?;
    tell("k")?;
    heard("k")?;
    tell("l")?;
    heard("l")?;
    here.instance.check_workers()?;
    there.instance.check_workers()
}

/// So many that one time-out is not enough for all.
pub fn shared_and_many(setting: &Setting, core: &Core) -> Result<(), String> {
    const MANY: i64 = 20_000;
    let redis = Redis::start(&setting.folder())?;
    let fill = format!(
        r#"for i = 1, {MANY} do
             local it = '{{"type":"jti","value":"' .. i .. '"}}'
             redis.call('ZADD', KEYS[1], i, it)
             redis.call('ZADD', KEYS[2], '+inf', it)
           end
           redis.call('HSET', KEYS[3], 'last', {MANY}, {MANY}, '00000000000000aa')
           return 1"#
    );
    let keys = ["changes", "ends", "tags"].map(|key| format!("{{auth_web_revocations}}:{key}"));
    redis.cli(&["EVAL", &fill, "3", &keys[0], &keys[1], &keys[2]])?;
    let (mut running, key) = start_sharing(setting, core, &redis.url(), |script| {
        script
            .set("revocations_max", MANY + 1)
            .set("cachedb_timeout", 50)
            .set("leeway", 300)
    })?;
    until(
        &running,
        &of_jti(&key, &MANY.to_string()),
        REVOKED,
        "the last",
    )?;
    until(&running, &of_jti(&key, "good"), 1, "all were heard")?;
    let (count, _) = revoked(&running.mi, Value::Null)?;
    if count != MANY.unsigned_abs() {
        return Err(format!("{count} are known"));
    }
    running.instance.check_workers()
}

/// Each machine has its own `leeway`, whatever that of the one is that tells.
pub fn shared_leeway(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let start = |leeway: i64| {
        start_sharing(setting, core, &redis.url(), |script| {
            script.set("leeway", leeway)
        })
    };
    let ((mut none, _), (mut long, key)) = (start(0)?, start(300)?);
    let exp = now() + 600;
    revoke(
        &none.mi,
        json!({"type": "jti", "value": "a", "exp": exp.to_string()}),
    )?;
    until(&long, &of_jti(&key, "a"), REVOKED, "a")?;
    for (running, leeway) in [(&none, 0), (&long, 300)] {
        let (_, rows) = revoked(&running.mi, Value::Null)?;
        let found = rows.first().map(|row| row["until"].clone());
        if found != Some(json!(exp + leeway + 1)) {
            return Err(format!("leeway {leeway}: {found:?}"));
        }
    }
    none.instance.check_workers()?;
    long.instance.check_workers()
}

/// By a Cluster.
pub fn in_cluster(setting: &Setting, core: &Core) -> Result<(), String> {
    let cluster = Cluster::start(&setting.folder())?;
    known_to_others(setting, core, &cluster)
}

/// Redis can't be asked.
pub fn unheard(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let start = |required: i64| {
        start_sharing(setting, core, &redis.url(), |script| {
            script
                .set("cache_grace", 1)
                .set("cachedb_required", required)
        })
    };
    let ((mut strict, key), (mut lax, other)) = (start(1)?, start(0)?);
    strict.everywhere(&of_jti(&key, "good"), 1)?;
    lax.everywhere(&of_jti(&other, "good"), 1)?;
    redis.hang()?;
    let during = || {
        refused(
            &strict.mi,
            "jwt_revoke",
            json!(["jti", "a"]),
            "revoked on this machine alone",
        )?;
        strict.everywhere(&of_jti(&key, "a"), REVOKED)?;
        until(
            &strict,
            &of_jti(&key, "good"),
            -6,
            "nothing was heard for longer than cache_grace",
        )?;
        strict.everywhere(&of_jti(&key, "a"), -6)?;
        lax.everywhere(&of_jti(&other, "good"), 1)
    };
    let outcome = during();
    redis.go_on()?;
    outcome?;
    until(&strict, &of_jti(&key, "good"), 1, "Redis answers again")?;
    strict.everywhere(&of_jti(&key, "a"), REVOKED)?;
    // Nobody else was told.
    lax.everywhere(&of_jti(&other, "a"), 1)?;
    revoke(&strict.mi, json!(["jti", "a"]))?;
    until(&lax, &of_jti(&other, "a"), REVOKED, "Redis answers again")?;
    strict.instance.check_workers()?;
    lax.instance.check_workers()?;
    let url = redis.url();
    for (name, value) in [("cachedb_driver", "opensips"), ("cachedb_url", "local://")] {
        let with = |script: Script| {
            script
                .set("cachedb_url", url.as_str())
                .set("revocations_cachedb", 1)
                .set(name, value)
        };
        match Running::try_start(setting, core, WORKERS, "", with) {
            Ok(_) => return Err(format!("{name} {value}: it starts")),
            Err(Refusal { log, .. }) if log.contains("revocations_cachedb") => {}
            Err(refusal) => return Err(refusal.to_string()),
        }
    }
    Ok(())
}

/// A logout token of an issuer, with changes to its header and claims; null takes a member away.
fn logout_token(issuer: &str, key: &Key, header: Value, claims: Value) -> String {
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let changed = |mut all: Value, changes: Value| {
        if let (Some(all), Value::Object(changes)) = (all.as_object_mut(), changes) {
            all.extend(changes);
            all.retain(|_, value| !value.is_null());
        }
        all.to_string()
    };
    let all = json!({"alg": "ES256", "typ": "logout+jwt", "kid": "one"});
    let header = changed(all, header);
    let all = json!({
        "iss": issuer, "aud": "sip-client", "sub": "alice", "iat": now(), "exp": now() + 120,
        "jti": "bWJq", "events": {event: {}},
    });
    with_header(key, "ES256", &header, &changed(all, claims))
}

/// Logout tokens: what they revoke, and what is taken for none.
pub fn logout(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, other) = (Key::p256(), Key::p256());
    let provider = Provider::start(&setting.folder(), &[])?;
    let a = publish(&provider, "/a", &[jwk("one", &key)]);
    let b = publish(&provider, "/b", &[jwk("one", &other)]);
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("issuer_url", format!("{a} {b}").as_str())
            .set("http_tls_ca", provider.authority())
            .set("audience", "sip")
            .set("logout_audience", "sip-client")
            .set("required_scope", "sip")
            .set("token_type", "JWT")
            .set("logout_expire", 600)
    })?;
    let of = |issuer: &str, key: &Key, more: Value| {
        let mut claims = json!({"aud": "sip", "scope": "sip", "iat": now() - 10});
        if let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) {
            claims.extend(more);
        }
        of_issuer(issuer, key, "one", claims)
    };
    let alice = of(&a, &key, json!({}));
    let other_alice = of(&b, &other, json!({}));
    let bob = of(&a, &key, json!({"sub": "bob", "sid": "08a5"}));
    let other_bob = of(&a, &key, json!({"sub": "bob", "sid": "9a21"}));
    let all = [&alice, &other_alice, &bob, &other_bob];
    let mi = &running.mi;
    let say = |header: Value, claims: Value| logout_token(&a, &key, header, claims);
    let same = || json!({});
    let mut sent = Vec::new();
    // The keys of its issuer are fetched for it, if nobody has asked for them before.
    let stolen = logout_token(&a, &other, same(), same());
    for (token, words) in [
        (stolen, "no secret verifies it"),
        (say(same(), json!({"iss": b})), "no secret verifies it"),
        (
            say(same(), json!({"iss": "https://c.example"})),
            "which is not listed",
        ),
        (say(json!({"alg": "none"}), same()), "not signed"),
        (
            say(json!({"typ": "at+jwt"}), same()),
            "typ is another than logout+jwt",
        ),
        (say(same(), json!({"aud": "sip"})), "aud differs"),
        (say(same(), json!({"exp": now() - 10})), "expired"),
        (say(same(), json!({"exp": null})), "exp is missing"),
        (say(same(), json!({"iat": null})), "iat is missing"),
        (say(same(), json!({"jti": null})), "jti is missing"),
        (say(same(), json!({"sub": null})), "neither sub nor sid"),
        (say(same(), json!({"nonce": "n"})), "nonce"),
        (say(same(), json!({"events": null})), "events has no"),
        (
            say(
                same(),
                json!({"events": {"http://schemas.openid.net/event/other": {}}}),
            ),
            "events has no",
        ),
        (alice.clone(), "aud differs"),
        ("garbage".to_owned(), "not a token"),
    ] {
        refused(mi, "jwt_revoke", json!({"logout_token": token}), words)?;
        sent.push(token);
    }
    for token in all {
        running.everywhere(token, 1)?;
    }
    // A user, of this issuer alone; who logs in again is let in.
    let good = say(same(), json!({"iat": now() - 5}));
    revoke(mi, json!([good]))?;
    running.everywhere(&alice, REVOKED)?;
    running.everywhere(&other_alice, 1)?;
    running.everywhere(&of(&a, &key, json!({"iat": now()})), 1)?;
    let (count, rows) = revoked(mi, Value::Null)?;
    let left = rows.first().and_then(|row| row["left"].as_i64());
    if count != 1 || rows[0]["iss"] != a.as_str() || left.is_none_or(|left| left > 602) {
        return Err(format!("{count}: {rows:?}"));
    }
    // A session.
    let of_session = say(json!({"typ": "JWT"}), json!({"sub": null, "sid": "08a5"}));
    revoke(mi, json!({"logout_token": of_session}))?;
    running.everywhere(&bob, REVOKED)?;
    running.everywhere(&other_bob, 1)?;
    // Both.
    revoke(
        mi,
        json!({"logout_token": say(same(), json!({"sub": "bob", "sid": "9a21"}))}),
    )?;
    running.everywhere(&other_bob, REVOKED)?;
    running.everywhere(&of(&a, &key, json!({"sub": "bob"})), REVOKED)?;
    // A key that is revoked logs nobody out.
    revoke(mi, json!({"type": "kid", "value": "one", "iss": b}))?;
    let by_revoked = logout_token(&b, &other, same(), same());
    refused(
        mi,
        "jwt_revoke",
        json!({"logout_token": by_revoked}),
        "revoked: kid",
    )?;
    let log = running.instance.log();
    if !log.contains("jwt_revoke: logout token ") {
        return Err("the log does not say which logout tokens were refused".to_owned());
    }
    sent.extend([good, of_session, by_revoked]);
    secrecy::check(
        &log,
        sent.iter().filter_map(|token| secrecy::of_token(token)),
    )?;
    running.instance.check_workers()?;
    drop(running);
    drop(provider);

    // With the keys of a file, and of a provider that is away.
    let away = Running::start(setting, core, |script| {
        patient(script).set("issuer_url", a.as_str())
    })?;
    match away
        .mi
        .run("jwt_revoke", json!({"logout_token": say(same(), same())}))
    {
        Err(said) if said.contains("500") => {}
        other => return Err(format!("a provider that is away: {other:?}")),
    }
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let file = folder.join("keys.json");
    std::fs::write(&file, set(&[jwk("one", &key)])).map_err(|e| e.to_string())?;
    let mut running = Running::start(setting, core, |script| {
        script.set("jwks_url", format!("file://{}", file.display()).as_str())
    })?;
    running.everywhere(&alice, 1)?;
    revoke(&running.mi, json!({"logout_token": say(same(), same())}))?;
    running.everywhere(&alice, REVOKED)?;
    running.instance.check_workers()
}

/// Logout tokens of the issuers in a table.
pub fn logout_by_row(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let issuers = schema(Backend::Sqlite).with_file_name("issuers.sql");
    let files = [schema(Backend::Sqlite), issuers];
    let database = setting
        .servers
        .create_with(Backend::Sqlite, &files, &Content::default())?;
    let add = |issuer: &str| {
        let keys = set(&[jwk("one", &key)]);
        database.sql(&format!(
            "INSERT INTO jwt_issuers (issuer, realm, audience, jwks) VALUES ('{issuer}', '*', 'sip-client', '{keys}');"
        ))
    };
    add("urn:a")?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", LONG)
    })?;
    let of = |issuer: &str| of_issuer(issuer, &key, "one", json!({"aud": "sip-client"}));
    let say = |issuer: &str| {
        let token = logout_token(issuer, &key, json!({}), json!({}));
        json!({"logout_token": token})
    };
    running.everywhere(&of("urn:a"), 1)?;
    revoke(&running.mi, say("urn:a"))?;
    running.everywhere(&of("urn:a"), REVOKED)?;
    // One that is new is found after a reload.
    add("urn:b")?;
    refused(
        &running.mi,
        "jwt_revoke",
        say("urn:b"),
        "which is not listed",
    )?;
    running.mi.reload()?;
    revoke(&running.mi, say("urn:b"))?;
    running.everywhere(&of("urn:b"), REVOKED)?;
    running.instance.check_workers()
}
