//! Passwords that are known here: of the script, of subscribers, of jambonz's clients.

use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::{Backend, Database};
use harness::device::{Device, Question, Reply};
use harness::digest::hash;
use harness::instance::Instance;
use harness::profiles::Content;
use harness::redis::{self, Redis};
use harness::secrecy;
use harness::server::wait_for;
use harness::setting::ignored;
use libtest_mimic::Trial;

use super::faults::meanwhile;
use super::setting::{Setting, can_use, script, script_with_memory};

/// How long the database may be back without being used.
const BACK: Duration = Duration::from_secs(20);

/// The services of the script, one that waits and one that is resumed.
const BOTH: [&str; 2] = ["digest", "digest-async"];

/// Passwords, none of which may ever be logged.
const JOHNS: &str = "j0hn-passw0rd";
const OTHERS: &str = "0ther-passw0rd";
const OLD: &str = "0ld-passw0rd";
const CLIENTS: &str = "cl13nt-passw0rd";

/// jambonz's secret, and what it makes of the password of its clients with that.
const SECRET: &str = "a secret of jambonz";
const CBC: &str = "c7d2ec9a528d912e2fe13e4a41a2ab6d";
const CTR: &str = "5160db5cf6e0ba1092b98f2766006c";
const IV: &str = "000102030405060708090a0b0c0d0e0f";

type Run = fn(&Setting, &Core) -> Result<(), String>;

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let backends = [Backend::Mysql, Backend::Sqlite];
    let mut trials: Vec<Trial> = backends
        .into_iter()
        .map(|backend| {
            let name = format!("passwords of subscribers, {backend}");
            match can_use(core, backend) {
                Ok(()) => setting.trial(core, &name, move |setting, core| {
                    subscribers(setting, core, backend)
                }),
                Err(reason) => ignored(format!("{core}: {name}"), reason),
            }
        })
        .collect();
    let of_mysql: [(&str, Run); 2] = [
        ("passwords of jambonz's clients", clients),
        ("passwords of subscribers, the database hangs", hanging),
    ];
    for (name, run) in of_mysql {
        trials.push(match can_use(core, Backend::Mysql) {
            Ok(()) => setting.trial(core, name, run),
            Err(reason) => ignored(format!("{core}: {name}"), reason),
        });
    }
    let name = "passwords, with Redis";
    let can_use = redis::missing().map_or_else(|| can_use(core, Backend::Mysql), Err);
    trials.push(match can_use {
        Ok(()) => setting.trial(core, name, with_redis),
        Err(reason) => ignored(format!("{core}: {name}"), reason),
    });
    trials
}

/// `H(username:realm:password)`.
fn ha1(algorithm: &str, user: &str, password: &str) -> String {
    hash(algorithm, &format!("{user}:a.example:{password}"))
}

/// The statements that make the table of subscribers. Its columns are those of OpenSIPS, but may be NULL.
fn table() -> String {
    let of = |user: &str, domain: &str, password: Option<&str>, ha1: [Option<String>; 3]| {
        let text = |text: Option<&str>| match text {
            Some(text) => format!("'{}'", text.replace('\'', "''")),
            None => "NULL".to_string(),
        };
        let ha1 = ha1.map(|digits| text(digits.as_deref()));
        format!(
            "INSERT INTO subscriber (username, domain, password, ha1, ha1_sha256, ha1_sha512t256) \
             VALUES ({}, '{domain}', {}, {});\n",
            text(Some(user)),
            text(password),
            ha1.join(", ")
        )
    };
    let all = ["MD5", "SHA-256", "SHA-512-256"];
    let hashed = all.map(|algorithm| Some(ha1(algorithm, "hashed", JOHNS)));
    let empty = || [const { Some(String::new()) }; 3];
    let rows = [
        of("john", "a.example", Some(JOHNS), empty()),
        of("john", "b.example", Some(OTHERS), empty()),
        of("hashed", "a.example", Some(""), hashed),
        of(
            "both",
            "a.example",
            Some(OLD),
            [Some(ha1("MD5", "both", JOHNS)), None, None],
        ),
        of("nothing", "a.example", None, [None, None, None]),
        of("o'brien", "a.example", Some(JOHNS), empty()),
        of(
            "broken",
            "a.example",
            Some(JOHNS),
            [Some("xyz".into()), None, None],
        ),
    ];
    format!(
        "CREATE TABLE subscriber (username CHAR(64) NOT NULL, domain CHAR(64) NOT NULL, \
         password CHAR(25), ha1 CHAR(64), ha1_sha256 CHAR(64), ha1_sha512t256 CHAR(64));\n{}",
        rows.concat()
    )
}

/// A question that this way of knowing passwords is to answer.
fn question(service: &str, user: &str, by: &str) -> Question {
    Question::register(service, user, "a.example").with("X-By", by)
}

fn subscribers(setting: &Setting, core: &Core, backend: Backend) -> Result<(), String> {
    let database = setting.servers.create(backend, &Content::default())?;
    refused(setting, core, &database)?;
    database.sql(&table())?;
    let script = script_with_memory()
        .database(&database)
        .set("subscriber_table", "subscriber");
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    let since = instance.log_length();
    for service in BOTH {
        of_the_table(&device, service)?;
        nonces(&device, service)?;
        whose(&device, service)?;
    }
    let log = instance.log_since(since);
    let refusals = |reason: &str| log.matches(reason).count();
    if refusals("no such user, or not their password") == 0 || refusals("hexadecimal digits") == 0 {
        return Err("the log does not say why".to_string());
    }
    // The hashes are as good as the passwords.
    let hashes = ["MD5", "SHA-256"].map(|algorithm| ha1(algorithm, "hashed", JOHNS));
    let hashes = hashes.iter().map(String::as_str);
    secrecy::check(&log, [JOHNS, OTHERS, OLD].into_iter().chain(hashes))?;
    for service in BOTH {
        of_the_script(&device, service)?;
    }
    instance.check_workers()
}

/// Who is admitted by the table, and who is not.
fn of_the_table(device: &Device, service: &str) -> Result<(), String> {
    let of = |user: &str| question(service, user, "subscriber");
    device
        .authorize(&of("john"), JOHNS)?
        .expect("1")?
        .expect_header("X-Grant", "{\"status\":\"ok\"}")?
        .expect_header(
            "X-Proof",
            "Authorization|digest|john|a.example|00000001|john@a.example",
        )?;
    device.authorize(&of("o'brien"), JOHNS)?.expect("1")?;
    let other = Question {
        domain: "b.example".to_string(),
        ..of("john")
    };
    device.authorize(&other, OTHERS)?.expect("1")?;
    device.authorize(&other, JOHNS)?.expect("-1")?;
    // Whoever does not exist is answered as whoever has another password.
    let answer = |user: &str, password: &str| -> Result<(u16, String), String> {
        let reply: Reply = device.authorize(&of(user), password)?.expect("-1")?;
        Ok((reply.status, reply.header("X-Result").to_string()))
    };
    let wrong = answer("john", OTHERS)?;
    for (user, password) in [
        ("nobody", JOHNS),
        ("JOHN", JOHNS),
        ("nothing", ""),
        ("john", ""),
    ] {
        if answer(user, password)? != wrong {
            return Err(format!("{user} is not answered like john"));
        }
    }
    let other_name = |name: &str, user: &str| {
        let challenge = device.challenge(&of(user))?;
        let mut response = device.respond(&of(user), &challenge, JOHNS);
        response.username = name.to_string();
        device.ask_with(&of(user), &response)
    };
    other_name("x' OR '1'='1", "john")?.expect("-1")?;
    other_name("john@a.example", "john")?.expect("1")?;
    other_name("john@b.example", "john")?.expect("-1")?;
    for algorithm in ["MD5", "SHA-256", "SHA-512-256"] {
        for name in [algorithm.to_string(), format!("{algorithm}-sess")] {
            for user in ["john", "hashed"] {
                let question = of(user).with("X-Algorithms", name.as_str());
                device.authorize(&question, JOHNS)?.expect("1")?;
                device.authorize(&question, OTHERS)?.expect("-1")?;
            }
        }
    }
    // An HA1 comes before a password, which may be an old one, where there is one of the algorithm.
    device.authorize(&of("both"), JOHNS)?.expect("1")?;
    device.authorize(&of("both"), OLD)?.expect("-1")?;
    let sha = of("both").with("X-Algorithms", "SHA-256");
    device.authorize(&sha, OLD)?.expect("1")?;
    device.authorize(&sha, JOHNS)?.expect("-1")?;
    device.authorize(&of("broken"), JOHNS)?.expect("-5")?;
    Ok(())
}

/// Nonces are ours, fresh, and used once; nothing is admitted that does not fit together.
fn nonces(device: &Device, service: &str) -> Result<(), String> {
    let john = question(service, "john", "subscriber");
    let challenge = device.challenge(&john)?;
    let mut response = device.respond(&john, &challenge, JOHNS);
    device.ask_with(&john, &response)?.expect("1")?;
    device.ask_with(&john, &response)?.expect("-3")?;
    response.nc = 2;
    response.realm = "A.EXAMPLE".to_string();
    device.ask_with(&john, &response)?.expect("1")?;
    device.ask_with(&john, &response)?.expect("-3")?;
    // One that is wrong uses up its count, too.
    response.nc = 3;
    response.password = OTHERS.to_string();
    device.ask_with(&john, &response)?.expect("-1")?;
    response.password = JOHNS.to_string();
    device.ask_with(&john, &response)?.expect("-3")?;
    response.nc = 4;
    response.realm = "b.example".to_string();
    device.ask_with(&john, &response)?.expect("-3")?;
    let mut bare = device.respond(&john, &device.challenge(&john)?, JOHNS);
    bare.qop = None;
    device.ask_with(&john, &bare)?.expect("1")?;
    device.ask_with(&john, &bare)?.expect("-3")?;
    let mut other = device.respond(&john, &device.challenge(&john)?, JOHNS);
    other.algorithm = "SHA-256".to_string();
    device.ask_with(&john, &other)?.expect("-4")?;
    let mut whole = device.respond(&john, &device.challenge(&john)?, JOHNS);
    whole.qop = Some("auth-int".to_string());
    device.ask_with(&john, &whole)?.expect("-6")?;
    let mut elsewhere = device.respond(&john, &device.challenge(&john)?, JOHNS);
    elsewhere.uri = "sip:elsewhere.example".to_string();
    device.ask_with(&john, &elsewhere)?.expect("-6")?;
    elsewhere.uri = device.uri(&john).replace("sip:", "SIP:");
    device.ask_with(&john, &elsewhere)?.expect("1")?;
    let token = john.clone().with("Authorization", "Bearer abc");
    device.ask(&token)?.expect("-4")?;
    Ok(())
}

/// A password proves one user, whoever is asked for.
fn whose(device: &Device, service: &str) -> Result<(), String> {
    let mary = question(service, "mary", "subscriber");
    let challenge = device.challenge(&mary)?;
    let mut response = device.respond(&mary, &challenge, JOHNS);
    response.username = "john".to_string();
    device.ask_with(&mary, &response)?.expect("-7")?;
    response.nc = 2;
    response.password = OTHERS.to_string();
    device.ask_with(&mary, &response)?.expect("-1")?;
    response.nc = 3;
    let of_mary = response.header("REGISTER").replace("\"john\"", "\"mary\"");
    let both = mary
        .clone()
        .with("Authorization", response.header("REGISTER"))
        .with("Authorization", of_mary);
    device.ask(&both)?.expect("-6")?;
    let john = Question::register(service, "john", "a.example");
    for by in ["clients", "nothing", "SUBSCRIBER"] {
        let question = john.clone().with("X-By", by).with("X-Value", "a1");
        device.authorize(&question, JOHNS)?.expect("-5")?;
    }
    Ok(())
}

/// The script knows the password, or its hash.
fn of_the_script(device: &Device, service: &str) -> Result<(), String> {
    let of = |by: &str, value: &str| question(service, "jane", by).with("X-Value", value);
    device
        .authorize(&of("password", "known"), "known")?
        .expect("1")?;
    device
        .authorize(&of("password", "known"), "other")?
        .expect("-1")?;
    for by in ["password", "ha1"] {
        let nothing = question(service, "jane", by);
        device.authorize(&nothing, "")?.expect("-1")?;
    }
    for algorithm in ["MD5", "SHA-256", "SHA-512-256"] {
        let digits = ha1(algorithm, "jane", "known");
        let question = of("ha1", &digits).with("X-Algorithms", algorithm);
        device.authorize(&question, "known")?.expect("1")?;
        device.authorize(&question, "other")?.expect("-1")?;
    }
    device.authorize(&of("ha1", "abc"), "abc")?.expect("-5")?;
    Ok(())
}

/// OpenSIPS does not start without the table, or one of its columns.
fn refused(setting: &Setting, core: &Core, database: &Database) -> Result<(), String> {
    let with_a_column = |column: &str| {
        database.sql(&format!(
            "DROP TABLE IF EXISTS other; CREATE TABLE other (username CHAR(64), domain CHAR(64), {column} CHAR(64));"
        ))
    };
    let start = |table: &str| {
        let script = script().database(database).set("subscriber_table", table);
        match setting.start(core, &script) {
            Ok(_) => Err(format!("it starts with the table {table}")),
            Err(refusal) if refusal.contains("db_url") && refusal.contains(table) => Ok(()),
            Err(refusal) => Err(format!("the log does not say why: {refusal}")),
        }
    };
    start("missing")?;
    with_a_column("password")?;
    start("other")?;
    let script = script()
        .database(database)
        .set("subscriber_table", "other")
        .set("subscriber_ha1_column", "")
        .set("subscriber_ha1_sha256_column", "")
        .set("subscriber_ha1_sha512t256_column", "");
    setting.start(core, &script)?.check_workers()
}

/// jambonz's own table, by either cipher.
fn clients(setting: &Setting, core: &Core) -> Result<(), String> {
    let database = setting
        .servers
        .create(Backend::Mysql, &Content::default())?;
    let password = |content: &str| format!("{{\"iv\":\"{IV}\",\"content\":\"{content}\"}}");
    database.sql(&format!(
        "CREATE TABLE clients (client_sid CHAR(36) NOT NULL UNIQUE, account_sid CHAR(36) NOT NULL, \
         is_active BOOLEAN NOT NULL DEFAULT 1, username VARCHAR(64), password VARCHAR(1024), \
         allow_direct_app_calling BOOLEAN NOT NULL DEFAULT 1, \
         allow_direct_queue_calling BOOLEAN NOT NULL DEFAULT 1, \
         allow_direct_user_calling BOOLEAN NOT NULL DEFAULT 1, PRIMARY KEY (client_sid));\n\
         INSERT INTO clients VALUES \
         ('c1', 'a1', 1, 'john', '{cbc}', 1, 0, 1), ('c2', 'a1', 0, 'idle', '{cbc}', 1, 1, 1), \
         ('c3', 'a1', 1, 'nothing', NULL, 1, 1, 1), ('c4', 'a1', 1, 'broken', '{{}}', 1, 1, 1), \
         ('c5', 'a2', 1, 'jane', '{cbc}', 0, 0, 0), ('c6', 'a1', 1, 'legacy', '{ctr}', 0, 1, 0);",
        cbc = password(CBC),
        ctr = password(CTR),
    ))?;
    let script = script_with_memory()
        .database(&database)
        .set("clients_table", "clients")
        .set("clients_secret", SECRET)
        .set("load_grant", "$avp(call_hook)=allow_direct_queue_calling");
    let start = |cipher: Option<&str>| {
        let script = script.clone();
        let script = match cipher {
            Some(cipher) => script.set("clients_cipher", cipher),
            None => script,
        };
        setting.start(core, &script)
    };
    let mut instance = start(None)?;
    let check = |instance: &Instance, service: &str, user: &str, account: &str, code: &str| {
        let device = Device::new(instance.port)?;
        let question = question(service, user, "clients").with("X-Value", account);
        let reply = device.authorize(&question, CLIENTS)?;
        reply
            .expect(code)
            .map_err(|e| format!("{user} of {account}: {e}"))
    };
    for service in BOTH {
        check(&instance, service, "john", "a1", "1")?
            .expect_header(
                "X-Grant",
                "{\"status\":\"ok\",\"allow_direct_app_calling\":true,\
                 \"allow_direct_queue_calling\":false,\"allow_direct_user_calling\":true}",
            )?
            .expect_header("X-Result", "1|<null>|<null>|false|<null>|0")?;
        for user in ["idle", "nothing", "jane", "nobody", "JOHN"] {
            check(&instance, service, user, "a1", "-1")?;
        }
        check(&instance, service, "john", "a2", "-1")?;
        check(&instance, service, "john", "a1' OR '1'='1", "-1")?;
        check(&instance, service, "jane", "a2", "1")?;
        check(&instance, service, "broken", "a1", "-5")?;
        check(&instance, service, "legacy", "a1", "-5")?;
        check(&instance, service, "subscriber", "", "-5")?;
    }
    let log = instance.log();
    if !log.contains("the password of a client can't be decrypted") {
        return Err("the log does not say what is wrong".to_string());
    }
    secrecy::check(&log, [CLIENTS, SECRET, CBC])?;
    instance.check_workers()?;
    let instance = start(Some("aes-256-ctr"))?;
    check(&instance, "digest-async", "legacy", "a1", "1")?;
    check(&instance, "digest-async", "john", "a1", "-1")?;
    Ok(())
}

/// Two workers of which each knows what the other has used up, and bans of a webhook; and a Redis that hangs.
fn with_redis(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let database = setting
        .servers
        .create(Backend::Mysql, &Content::default())?;
    database.sql(&table())?;
    let script = script()
        .database(&database)
        .set("subscriber_table", "subscriber")
        .set("http_url", setting.endpoint()?.url().as_str())
        .set("nonce_expire", 300)
        .set("cachedb_url", redis.url().as_str());
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    for service in BOTH {
        let john = question(service, "john", "subscriber");
        let by_script = question(service, "john", "password").with("X-Value", OTHERS);
        for (question, password) in [(&john, JOHNS), (&by_script, OTHERS)] {
            let challenge = device.challenge(question)?;
            let mut response = device.respond(question, &challenge, password);
            device.ask_with(question, &response)?.expect("1")?;
            for _ in 0..4 {
                device.ask_with(question, &response)?.expect("-3")?;
            }
            response.nc = 2;
            response.password = OLD.to_string();
            device.ask_with(question, &response)?.expect("-1")?;
        }
        let stranger = Device::at(&setting.address(), instance.port)?;
        let banned = Question::register("plain", "forever", "a.example");
        stranger.authorize(&banned, "wrong")?.expect("-1")?;
        stranger.ask(&john)?.expect("-2")?;
    }
    secrecy::check(&instance.log(), [JOHNS, OLD])?;
    redis.hang()?;
    for service in BOTH {
        let john = question(service, "john", "subscriber");
        device.ask(&john)?.expect("-5")?;
    }
    instance.check_workers()
}

/// MariaDB hangs, and is gone: nobody is admitted, and the only worker waits for nothing.
fn hanging(setting: &Setting, core: &Core) -> Result<(), String> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    const TRIES: u32 = 5;
    let folder = setting.folder();
    let own = &setting.own_mariadb;
    own.with(folder, &Content::default(), |server, database| {
        database.sql(&table())?;
        let script = script_with_memory()
            .database(database)
            .workers(1)
            .set("subscriber_table", "subscriber")
            .set("nonce_expire", 300)
            .set("db_timeout", TIMEOUT.as_millis() as i64);
        let mut instance = setting.start(core, &script)?;
        let device = Device::new(instance.port)?;
        let john = question("digest-async", "john", "subscriber");
        device.authorize(&john, JOHNS)?.expect("1")?;
        let with_credentials = || {
            let challenge = device.challenge(&john)?;
            let response = device.respond(&john, &challenge, JOHNS);
            Ok::<_, String>(
                john.clone()
                    .with("Authorization", response.header("REGISTER")),
            )
        };
        let questions = [with_credentials()?, with_credentials()?];
        server.hang()?;
        let during = || {
            meanwhile(&device, &questions, "-5")?;
            // It is known that it hangs: nobody waits for it any more.
            let start = Instant::now();
            for _ in 0..TRIES {
                device.ask(&with_credentials()?)?.expect("-5")?;
            }
            match start.elapsed() {
                long if long > TIMEOUT * TRIES / 2 => Err(format!("{TRIES} rounds took {long:?}")),
                _ => Ok(()),
            }
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        let is_back = || {
            let reply = Device::new(instance.port)?.authorize(&john, JOHNS);
            reply.map(|reply| reply.code() == "1")
        };
        let comes_back = || wait_for(BACK, || is_back().unwrap_or(false).then_some(()));
        comes_back().ok_or("the database is back, and not used")?;
        server.kill();
        Device::new(instance.port)?
            .authorize(&john, JOHNS)?
            .expect("-5")?;
        server.resume()?;
        comes_back().ok_or("the database was started again, and is not used")?;
        secrecy::check(&instance.log(), [JOHNS, OTHERS, OLD])?;
        instance.check_workers()
    })
}
