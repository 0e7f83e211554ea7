//! The table of issuers: rules of their own, and the realms that they may speak for.

use std::path::Path;
use std::time::{Duration, Instant};

use harness::blackhole::Blackhole;
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
use harness::tokens::token;
use serde_json::json;

use super::discovery::{OPENID, metadata, of, publish, with};
use super::provider::{Provider, jwk, patient, set};
use super::running::{LIMIT, Running, Said, WORKERS};

/// How long rows are used without being read again, in the trials where that matters.
const LONG: i64 = 3600;

/// A database with the table of issuers and these profiles.
pub fn create(setting: &Setting, backend: Backend, content: &Content) -> Result<Database, String> {
    if backend == Backend::DbText {
        return setting.servers.create(backend, content);
    }
    let issuers = schema(backend).with_file_name("issuers.sql");
    setting.servers.create_with(
        backend,
        &[schema(backend), issuers.clone(), issuers],
        content,
    )
}

/// Adds a row: the columns that are not NULL, and their values.
pub fn insert(database: &Database, row: &[(&str, &str)]) -> Result<(), String> {
    if database.backend == Backend::DbText {
        return append(database, row);
    }
    let columns: Vec<_> = row.iter().map(|(column, _)| *column).collect();
    let values: Vec<_> = row
        .iter()
        .map(|(_, value)| format!("'{}'", value.replace('\'', "''")))
        .collect();
    let (columns, values) = (columns.join(", "), values.join(", "));
    database
        .sql(&format!(
            "INSERT INTO jwt_issuers ({columns}) VALUES ({values});"
        ))
        .map(drop)
}

/// Adds a row to a file of db_text, in the order of its columns.
fn append(database: &Database, row: &[(&str, &str)]) -> Result<(), String> {
    let folder = database.url.strip_prefix("text://").ok_or("no folder")?;
    let file = Path::new(folder).join("jwt_issuers");
    let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let head = text.lines().next().ok_or("no columns")?;
    let names = head
        .split_whitespace()
        .filter_map(|it| it.split('(').next());
    let value = |name: &str| match name {
        "id" => text.lines().count().to_string(),
        name => {
            let value = row.iter().find(|(column, _)| *column == name);
            let value = value.map_or("", |(_, value)| *value);
            value.replace('\\', "\\\\").replace(':', "\\:")
        }
    };
    let values: Vec<_> = names.map(value).collect();
    std::fs::write(&file, format!("{text}{}\n", values.join(":"))).map_err(|e| e.to_string())
}

fn script(script: Script, provider: &Provider, database: &Database, driver: &str) -> Script {
    // OpenSIPS's driver reads passwords in another way.
    let script = match driver {
        "opensips" => script
            .load(database.backend.opensips_module())
            .database(&database.with_plain_password()),
        _ => script.database(database),
    };
    patient(script)
        .set("db_driver", driver)
        .set("http_tls_ca", provider.authority())
        .set("jwks_min_refresh", 1)
}

/// What is said to a request from somebody to example.org.
pub fn ask(
    running: &Running,
    (method, service): (&str, &str),
    token: &str,
    from: &str,
    headers: &[(&str, &str)],
) -> Result<Said, String> {
    let headers = [&[("X-JWT", token)], headers].concat();
    let called = (service, "example.org");
    let port = running.instance.port;
    let answer = sip::exchange_as(port, method, called, from, &headers, LIMIT);
    Said::of(answer.map_err(|e| format!("{method} {service}: {e}"))?)
}

/// Rows of all kinds, and what they demand; what is wrong with others is in the log at start.
pub fn rows(
    setting: &Setting,
    core: &Core,
    backend: Backend,
    driver: &'static str,
) -> Result<(), String> {
    let (a, b, c, secret) = (Key::rsa(), Key::p256(), Key::p256(), Key::secret());
    let provider = Provider::start(&setting.folder(), &[])?;
    let mut content = Content::default();
    content.profile("phone", "by-profile");
    content.secret("phone", &secret.verifier());
    let database = create(setting, backend, &content)?;
    let of_a = publish(&provider, "/a", &[jwk("one", &a)]);
    insert(
        &database,
        &[
            ("issuer", &of_a),
            ("realm", "b.example, Example.org"),
            ("audience", "phones, sip"),
            ("algorithms", "RS256"),
            ("required_claims", "role=sip; azp"),
            ("username_claim", "{user.name}@example.org"),
        ],
    )?;
    // By the URL of its set, with the rules of the parameters.
    let of_b = "https://b.example/";
    let keys_of_b = provider.at("/keys-of-b");
    provider.page("/keys-of-b", set(&[jwk("one", &b)]));
    insert(
        &database,
        &[("issuer", of_b), ("realm", "*"), ("jwks", &keys_of_b)],
    )?;
    // By a set in the row; not even a URL.
    let inline = set(&[jwk("one", &c)]);
    insert(
        &database,
        &[("issuer", "urn:c"), ("realm", "*"), ("jwks", &inline)],
    )?;
    // Tenants, as with version 1.0 of Entra ID's tokens.
    let template = "https://sts.example/{tenantid}/";
    let at = provider.at("/common/metadata");
    provider.page("/common/metadata", metadata(template, &keys_of_b));
    insert(
        &database,
        &[
            ("issuer", template),
            ("tenants", "one two"),
            ("realm", "*"),
            ("discovery_url", &at),
        ],
    )?;
    for row in [
        &[("issuer", "https://no-realm.example"), ("realm", "")][..],
        &[("issuer", "http://far.example"), ("realm", "*")],
        &[
            ("issuer", "https://odd.example"),
            ("realm", "*"),
            ("algorithms", "RS257"),
        ],
        &[
            ("issuer", "https://file.example"),
            ("realm", "*"),
            ("jwks", "file:///etc/passwd"),
        ],
        &[
            ("issuer", "https://word.example"),
            ("realm", "*"),
            ("jwks", "a secret that is long enough"),
        ],
        &[
            ("issuer", "https://sts.example/two/"),
            ("realm", "*"),
            ("tenants", "x"),
        ],
        &[
            ("issuer", "https://twice.example"),
            ("realm", "*"),
            ("jwks", &inline),
        ],
        &[
            ("issuer", "https://twice.example"),
            ("realm", "b.example"),
            ("jwks", &inline),
        ],
    ] {
        insert(&database, row)?;
    }
    let mut running = Running::start(setting, core, |it| {
        script(it, &provider, &database, driver)
            .set("issuers_table", "jwt_issuers")
            .set("cache_ttl", LONG)
            .set("audience", "general")
            .set("issuer", "https://elsewhere.example")
            .set("username_claim", "nick")
    })?;
    let log = running.instance.log();
    for fault in [
        "issuer \"https://no-realm.example\": realm is missing",
        "issuer \"http://far.example\": the metadata of an issuer must be at https",
        "issuer \"https://odd.example\": algorithms: ",
        "issuer \"https://file.example\": jwks must be a JWK Set",
        "issuer \"https://word.example\": jwks: ",
        "issuer \"https://sts.example/two/\": there are tenants, and no {tenantid}",
        "row 11: issuer \"https://twice.example\" is there more than once",
        "row 12: issuer \"https://twice.example\" is there more than once",
    ] {
        let lines = log.lines().filter(|line| line.contains(fault)).count();
        if lines != 1 {
            return Err(format!("{lines} lines {fault}: {log}"));
        }
    }
    let mine = json!({
        "aud": "sip", "role": "sip", "azp": "x", "user": { "name": "alice" }, "nick": "nobody",
    });
    let good = with(&of_a, &a, "one", mine.clone());
    for _ in 0..2 {
        running.everywhere(&good, 1)?;
    }
    let said = running.expect(&good, 1)?;
    said.expect_header("X-User", "alice@example.org")?;
    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = mine.clone();
        claims[name] = value;
        with(&of_a, &a, "one", claims)
    };
    for (token, code) in [
        (changed("aud", json!("general")), -5),
        (changed("role", json!("other")), -5),
        (changed("azp", json!(null)), -5),
        (changed("user", json!({ "name": "" })), -5),
        (changed("user", json!({ "name": "a\r\nb" })), -5),
        (changed("exp", json!(1)), -3),
        // By its own rules, whatever else is in it.
        (changed("tag", json!("phone")), 1),
        (with(&of_a, &b, "one", mine.clone()), -1),
    ] {
        running.expect(&token, code)?;
    }
    let theirs = json!({ "aud": "general", "nick": "bob" });
    for (issuer, key) in [
        (of_b, &b),
        ("urn:c", &c),
        ("https://sts.example/one/", &b),
        ("https://sts.example/two/", &b),
    ] {
        let good = with(issuer, key, "one", theirs.clone());
        for _ in 0..2 {
            running.everywhere(&good, 1)?;
        }
        let said = running.expect(&good, 1)?;
        said.expect_header("X-User", "bob")?;
        running.expect(&with(issuer, key, "one", mine.clone()), -5)?;
    }
    let asked = provider.asked();
    for issuer in [
        "https://sts.example/{tenantid}/",
        "https://sts.example/three/",
        "https://twice.example",
        "https://word.example",
        "https://no-realm.example",
        "https://B.example/",
        "https://b.example",
        "https://elsewhere.example",
    ] {
        running.expect(&with(issuer, &c, "one", theirs.clone()), -5)?;
    }
    // What is in a row, everybody may know.
    let word = Key::Secret(b"a secret that is long enough".to_vec());
    let forged = format!(
        r#"{{"iss":"https://word.example","aud":"general","nick":"bob","exp":{}}}"#,
        i32::MAX
    );
    running.expect(&token(&word, "HS256", &forged), -5)?;
    if provider.asked() != asked {
        return Err("somebody was asked for an issuer that is not listed".to_owned());
    }
    // Profiles go on as before, for all other issuers.
    let claims = |iss: &str| {
        format!(
            r#"{{"tag":"phone","iss":"{iss}","aud":"general","exp":{}}}"#,
            i32::MAX
        )
    };
    running.expect(
        &token(&secret, "HS256", &claims("https://elsewhere.example")),
        1,
    )?;
    running.expect(&token(&secret, "HS256", &claims(&of_a)), -1)?;
    running.instance.check_workers()
}

/// A row that changes counts after `jwt_reload`, and after `cache_ttl`, also for tokens that are remembered.
pub fn changes(
    setting: &Setting,
    core: &Core,
    backend: Backend,
    driver: &'static str,
) -> Result<(), String> {
    let (key, other) = (Key::p256(), Key::p256());
    let provider = Provider::start(&setting.folder(), &[])?;
    let database = create(setting, backend, &Content::default())?;
    let keys = set(&[jwk("one", &key)]);
    let add = |issuer: &str| {
        insert(
            &database,
            &[("issuer", issuer), ("realm", "*"), ("jwks", &keys)],
        )
    };
    add("urn:a")?;
    add("urn:b")?;
    let start = |ttl: i64| {
        Running::start(setting, core, |it| {
            script(it, &provider, &database, driver).set("cache_ttl", ttl)
        })
    };
    let mut running = start(LONG)?;
    let [a, b, c] = ["urn:a", "urn:b", "urn:c"].map(|issuer| of(issuer, &key, "one"));
    let change = |set: &str, issuer: &str| {
        database.sql(&format!(
            "UPDATE jwt_issuers SET {set} WHERE issuer = '{issuer}';"
        ))
    };
    for _ in 0..2 {
        running.everywhere(&a, 1)?;
        running.everywhere(&b, 1)?;
        running.everywhere(&c, -5)?;
    }
    change("realm = 'b.example'", "urn:a")?;
    add("urn:c")?;
    running.everywhere(&a, 1)?;
    running.mi.reload()?;
    running.everywhere(&a, -7)?;
    running.everywhere(&b, 1)?;
    running.everywhere(&c, 1)?;
    let new_keys = format!("jwks = '{}'", set(&[jwk("one", &other)]));
    change(&new_keys, "urn:b")?;
    database.sql("DELETE FROM jwt_issuers WHERE issuer = 'urn:c';")?;
    running.mi.reload()?;
    running.everywhere(&b, -1)?;
    running.everywhere(&c, -5)?;
    running.everywhere(&of("urn:b", &other, "one"), 1)?;
    change("realm = '*'", "urn:a")?;
    running.mi.reload()?;
    running.everywhere(&a, 1)?;
    running.instance.check_workers()?;
    drop(running);

    let mut running = start(1)?;
    for _ in 0..2 {
        running.everywhere(&a, 1)?;
    }
    change("username_claim = 'nothing'", "urn:a")?;
    std::thread::sleep(Duration::from_millis(2100));
    // Not one more token counts by what the row was.
    running.expect(&a, -5)?;
    wait_for(LIMIT, || {
        (running.all_say(&a, -5) == Ok(true)).then_some(())
    })
    .ok_or("cache_ttl is over, and the row counts")?;
    add("urn:c")?;
    wait_for(LIMIT, || (running.all_say(&c, 1) == Ok(true)).then_some(()))
        .ok_or("cache_ttl is over, and the new row does not count")?;
    running.instance.check_workers()
}

/// Tokens of one tenant's issuer stand for nobody of another tenant, whoever the request says that it is.
pub fn realms(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[])?;
    let database = create(setting, Backend::Sqlite, &Content::default())?;
    let of_a = publish(&provider, "/a", &[jwk("one", &key)]);
    let of_b = publish(&provider, "/b", &[jwk("one", &key)]);
    insert(
        &database,
        &[("issuer", &of_a), ("realm", "example.org a.example")],
    )?;
    insert(&database, &[("issuer", &of_b), ("realm", "B.example")])?;
    let template = provider.at("/t/{tenantid}");
    provider.page(
        &format!("/t/common{OPENID}"),
        metadata(&template, &provider.at("/a/keys")),
    );
    for (tenant, realm) in [("one", "a.example"), ("two", "b.example")] {
        insert(
            &database,
            &[("issuer", &template), ("tenants", tenant), ("realm", realm)],
        )?;
    }
    for (aor, credentials) in [
        ("off", 0_i64),
        ("off", 1),
        ("full", 1),
        ("a.example, b.example", 1),
    ] {
        let mut running = Running::start_with(setting, core, 1, |it| {
            script(it, &provider, &database, "auto")
                .set("jwt_aor", aor)
                .set("caller_by_credentials", credentials)
        })?;
        for (issuer, name, domain, other) in [
            (of_a.clone(), "alice@a.example", "a.example", "b.example"),
            (of_b.clone(), "alice@b.example", "B.EXAMPLE", "a.example"),
            (
                template.replace("{tenantid}", "one"),
                "alice@a.example",
                "A.example",
                "b.example",
            ),
            (
                template.replace("{tenantid}", "two"),
                "alice@b.example",
                "b.example",
                "a.example",
            ),
        ] {
            let token = with(&issuer, &key, "one", json!({ "sub": name }));
            let from = |domain: &str| format!("<sip:alice@{domain}>");
            let (mine, theirs) = (from(domain), from(other));
            // Twice: the second time it is remembered.
            for _ in 0..2 {
                for service in ["plain", "async"] {
                    let of = |e: String| {
                        format!("jwt_aor {aor}, {credentials}, {issuer}, {service}: {e}")
                    };
                    let invite = |from: &str| ask(&running, ("INVITE", service), &token, from, &[]);
                    invite(&mine).and_then(|said| said.expect(1)).map_err(of)?;
                    let said = invite(&theirs)
                        .and_then(|said| said.expect(-7))
                        .map_err(of)?;
                    if aor == "off" {
                        said.because("does not speak for").map_err(of)?;
                    }
                    // Who names nobody is asked where he calls, which is example.org.
                    for nobody in ["<sip:anonymous@anonymous.invalid>", "<sip:alice@192.0.2.1>"] {
                        let said = invite(nobody).map_err(of)?;
                        let code = if issuer == of_a && credentials == 1 && aor == "off" {
                            1
                        } else {
                            -7
                        };
                        said.expect(code).map_err(of)?;
                    }
                    // A name that is to be proven in place of From.
                    let preferred = format!("<sip:alice@{other}>");
                    let headers = [("P-Preferred-Identity", preferred.as_str())];
                    let from = "<sip:anonymous@anonymous.invalid>";
                    let said = ask(&running, ("INVITE", service), &token, from, &headers);
                    let said = said.map_err(of)?;
                    said.expect(-7).map_err(of)?;
                    // REGISTER is about To, which is of example.org.
                    let register = ("REGISTER", service);
                    let said = ask(&running, register, &token, &mine, &[]).map_err(of)?;
                    let code = if issuer == of_a && aor == "off" {
                        1
                    } else {
                        -7
                    };
                    said.expect(code).map_err(of)?;
                    let twice = [("To", theirs.as_str())];
                    let said = ask(&running, register, &token, &mine, &twice).map_err(of)?;
                    said.expect(-7).map_err(of)?;
                }
            }
        }
        running.instance.check_workers()?;
    }
    Ok(())
}

/// The database, the table and its version at start; while the database is away, what is known serves, and
/// strangers wait for nothing.
pub fn start(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[])?;
    let without = setting
        .servers
        .create(Backend::Sqlite, &Content::default())?;
    let refused = |what: &str, database: &Database, name: &str, value: &str| {
        let with = |it: Script| script(it, &provider, database, "auto").set(name, value);
        match Running::try_start(setting, core, WORKERS, "", with) {
            Ok(_) => Err(format!("{what}: it starts")),
            Err(Refusal { log, .. }) => Ok(log),
        }
    };
    let log = refused("no table", &without, "issuers_table", "jwt_issuers")?;
    if !log.contains("jwt_issuers") || !log.contains("schema/sqlite/issuers.sql") {
        return Err(log);
    }
    let database = create(setting, Backend::Sqlite, &Content::default())?;
    let keys = set(&[jwk("one", &key)]);
    insert(
        &database,
        &[("issuer", "urn:a"), ("realm", "*"), ("jwks", &keys)],
    )?;
    let url = provider.url();
    let with = |it: Script| {
        script(it, &provider, &database, "auto")
            .set("jwks_url", url.as_str())
            .set("issuers_table", "jwt_issuers")
    };
    match Running::try_start(setting, core, WORKERS, "", with) {
        Ok(_) => return Err("jwks_url and issuers_table: it starts".to_owned()),
        Err(Refusal { log, .. }) if log.contains("not allowed with jwks_url") => {}
        Err(refusal) => return Err(refusal.to_string()),
    }
    // With jwks_url alone the table is nobody's business.
    let page = jwk("one", &key);
    provider.publish(&[page]);
    let running = Running::start(setting, core, |it| {
        script(it, &provider, &database, "auto").set("jwks_url", url.as_str())
    })?;
    running.expect(&of("urn:anybody", &key, "one"), 1)?;
    drop(running);
    database.sql("UPDATE version SET table_version = 3 WHERE table_name = 'jwt_issuers';")?;
    let log = refused("another version", &database, "cache_ttl", "30")?;
    if !log.contains("jwt_issuers") {
        return Err(log);
    }
    // One that was set up before there were columns for introspection and challenges.
    let columns = [
        "introspection_url",
        "introspection_auth",
        "introspection_client_id",
        "introspection_client_secret",
        "introspection_key_id",
        "introspection_algorithm",
        "introspection_tokens",
        "introspection_signed",
        "authz_server",
    ];
    for column in columns {
        database.sql(&format!("ALTER TABLE jwt_issuers DROP COLUMN {column};"))?;
    }
    database.sql("UPDATE version SET table_version = 1 WHERE table_name = 'jwt_issuers';")?;
    let running = Running::start(setting, core, |it| script(it, &provider, &database, "auto"))?;
    running.expect(&of("urn:a", &key, "one"), 1)?;
    running.expect(&of("urn:anybody", &key, "one"), -5)?;
    Ok(())
}

/// MariaDB hangs: a token of an issuer that is not listed waits for nothing, and what is known serves all
/// others.
pub fn hanging(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    const TIMEOUT: Duration = Duration::from_millis(4000);
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[])?;
    own.with(setting.folder(), &Content::default(), |server, database| {
        let issuers = schema(Backend::Mysql).with_file_name("issuers.sql");
        let issuers = std::fs::read_to_string(issuers).map_err(|e| e.to_string())?;
        database.sql(&issuers)?;
        let keys = set(&[jwk("one", &key)]);
        let add = |issuer: &str| {
            insert(
                database,
                &[("issuer", issuer), ("realm", "*"), ("jwks", &keys)],
            )
        };
        add("urn:a")?;
        let [a, new, stranger] =
            ["urn:a", "urn:new", "urn:stranger"].map(|issuer| of(issuer, &key, "one"));
        // One worker: if it waits, everybody waits.
        let mut running = Running::start_with(setting, core, 1, |it| {
            script(it, &provider, database, "auto")
                .set("db_timeout", TIMEOUT.as_millis() as i64)
                .set("cache_ttl", 1)
        })?;
        running.expect(&a, 1)?;
        std::thread::sleep(Duration::from_millis(1100));
        server.hang()?;
        let during = || {
            for _ in 0..3 {
                let start = Instant::now();
                running.expect(&stranger, -5)?;
                if start.elapsed() > TIMEOUT / 2 {
                    return Err(format!("a stranger waited for {:?}", start.elapsed()));
                }
                running.expect(&a, 1)?;
                running.until_asked_again();
            }
            Ok(())
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        add("urn:new")?;
        wait_for(LIMIT, || {
            (running.all_say(&new, 1) == Ok(true)).then_some(())
        })
        .ok_or("the database answers, and a new row does not count")?;
        running.expect(&a, 1)?;
        running.instance.check_workers()
    })
}

/// A token that is remembered by its profile ends with the row of its issuer, also where profiles are read
/// anew without a change.
pub fn remembered(setting: &Setting, core: &Core) -> Result<(), String> {
    let (secret, other) = (Key::secret(), Key::p256());
    let keys = set(&[jwk("one", &other)]);
    let provider = Provider::start(&setting.folder(), &[])?;
    let mut content = Content::default();
    content.profile("phone", "alice");
    content.secret("phone", &secret.verifier());
    let database = create(setting, Backend::Sqlite, &content)?;
    let add = |issuer, realm| {
        let row = [("issuer", issuer), ("realm", realm), ("jwks", &*keys)];
        insert(&database, &row)
    };
    add("urn:some", "*")?;
    let running = Running::start_with(setting, core, 1, |it| {
        script(it, &provider, &database, "auto")
            .set("cache_ttl", 1)
            .set("cache_mode", "preload")
    })?;
    let claims = format!(r#"{{"tag":"phone","iss":"urn:new","exp":{}}}"#, i32::MAX);
    let known = token(&secret, "HS256", &claims);
    running.expect(&known, 1)?;
    running.expect(&known, 1)?;
    add("urn:new", "b.example")?;
    wait_for(LIMIT, || {
        (running.all_say(&known, -1) == Ok(true)).then_some(())
    })
    .ok_or("a token outlives the row of its issuer")?;
    for _ in 0..3 {
        running.mi.reload()?;
        running.expect(&known, -1)?;
        std::thread::sleep(Duration::from_millis(400));
        running.expect(&known, -1)?;
    }
    Ok(())
}

/// Tokens that wait for the keys of an issuer that hangs leave the database to others.
pub fn hostile(setting: &Setting, core: &Core) -> Result<(), String> {
    /// More than there are threads for the database.
    const MANY: usize = 300;
    let (secret, key) = (Key::secret(), Key::p256());
    let hole = Blackhole::silent()?;
    let mut content = Content::default();
    content.profile("phone", "alice");
    content.secret("phone", &secret.verifier());
    let provider = Provider::start(&setting.folder(), &[])?;
    let database = create(setting, Backend::Mysql, &content)?;
    let url = format!("http://127.0.0.1:{}/", hole.port);
    let row = [("issuer", "urn:hostile"), ("realm", "*"), ("jwks", &*url)];
    insert(&database, &row)?;
    let running = Running::start_with(setting, core, 1, |it| {
        script(it, &provider, &database, "auto")
            .set("http_timeout", 5000)
            .set("cache_ttl", LONG)
    })?;
    let claims = format!(r#"{{"tag":"phone","exp":{}}}"#, i32::MAX);
    let other = token(&secret, "HS256", &claims);
    std::thread::scope(|scope| {
        for number in 0..MANY {
            let hostile = with("urn:hostile", &key, "x", json!({"n": number}));
            let running = &running;
            scope.spawn(move || running.exchange("async", &[("X-JWT", &hostile)]).is_ok());
        }
        // By then they wait.
        std::thread::sleep(Duration::from_secs(2));
        let said = Said::of(running.exchange("async", &[("X-JWT", &other)])?)?;
        match said.code {
            1 => Ok(()),
            code => Err(format!("{code}: the database is not asked")),
        }
    })
}
