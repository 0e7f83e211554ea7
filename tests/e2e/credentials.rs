//! Credentials for outgoing requests: which are used for whom, from the script and from a table.

mod carrier;
mod challenge;
mod counting;
mod party;
mod strangers;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::answer::Answer;
use harness::database::{Backend, Database, schema};
use harness::instance::Instance;
use harness::mi::Mi;
use harness::profiles::Content;
use harness::script::Script;
use harness::secrecy;
use harness::server::wait_for;
use harness::setting::{Place, Setting, ignored};
use harness::sip;
use libtest_mimic::Trial;

const ROUTES: &str = include_str!("credentials.cfg");

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// How long it may take until every worker has answered once.
const ALL: Duration = Duration::from_secs(30);

const WORKERS: u32 = 3;

/// What every password of these tests contains and no log may contain.
const SECRET: &str = "Gehe1m";

/// All trials of one core with one database.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    let trial = |name: &str, run: fn(&Setting, &Place) -> Result<(), String>| {
        let (setting, place) = (Arc::clone(setting), place.clone());
        Trial::test(format!("{place}, credentials: {name}"), move || {
            place.core.prepare()?;
            Ok(run(&setting, &place)?)
        })
    };
    let mut trials = vec![trial("every level of a table", levels)];
    // OpenSIPS's db_text reads a file only once.
    if place.backend != Backend::DbText {
        trials.push(trial("table over parameter, reload by MI", reload));
    }
    if place.backend == Backend::Mysql {
        trials.push(trial("the database is gone, and comes back", outage));
        trials.push(trial("the database hangs", hanging));
    }
    // What is independent of the database, once for each core.
    if place.backend == Backend::Sqlite {
        trials.push(trial("parameters, quoting, anonymous", parameters));
        trials.push(trial("wrong parameters are refused", refused));
        trials.push(trial("a Basic challenge of an endpoint", challenge::run));
        let mut shipped = |name: &str, run| match carrier::missing(&place.core) {
            Some(reason) => trials.push(ignored(format!("{place}, credentials: {name}"), reason)),
            None => trials.push(trial(name, run)),
        };
        shipped(carrier::SCRIPT, carrier::run);
        for (name, run) in strangers::TRIALS.into_iter().chain(counting::TRIALS) {
            shipped(&format!("{}, {name}", carrier::SCRIPT), run);
        }
    }
    trials
}

/// A core with the test script.
struct Running {
    instance: Instance,
    mi: Mi,
}

/// Return code, user name, password.
type Said = (i32, String, String);

impl Running {
    fn start(
        setting: &Setting,
        place: &Place,
        with: impl FnOnce(Script) -> Script,
    ) -> Result<Running, String> {
        let folder = setting.folder();
        let socket = folder.join("mi");
        let routes = ROUTES.replace("@MI@", &socket.display().to_string());
        let script = with(Script::new(&harness::module(), &routes).workers(WORKERS));
        let instance = Instance::start(&place.core, &script, &folder).map_err(|e| e.to_string())?;
        let mi = Mi::new(&socket);
        Ok(Running { instance, mi })
    }

    fn exchange(&self, service: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        sip::exchange(self.instance.port, "MESSAGE", service, headers, LIMIT)
            .map_err(|e| format!("{service} {headers:?}: {e}"))
    }

    /// Asks for the credentials of server, realm and user.
    fn ask(&self, (server, realm, user): (&str, &str, &str)) -> Result<(Said, String), String> {
        let headers = [
            ("X-Server", written(server)),
            ("X-Realm", written(realm)),
            ("X-User", written(user)),
        ];
        let answer = self.exchange("get", &headers)?;
        let header = |name| answer.header(name).unwrap_or("").to_string();
        let text = |name| header(name).trim_matches(['[', ']']).to_string();
        let code = header("X-RC")
            .parse()
            .map_err(|_| format!("unexpected answer {answer:?}"))?;
        let said = (code, text("X-Username"), text("X-Password"));
        Ok((said, header("X-Worker")))
    }

    /// Fails unless these are the credentials found.
    fn expect(&self, asked: (&str, &str, &str), expected: &str) -> Result<(), String> {
        let (said, _) = self.ask(asked)?;
        same(asked, said, expected)
    }

    /// The same for every worker.
    fn everywhere(&self, asked: (&str, &str, &str), expected: &str) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let end = Instant::now() + ALL;
        while seen.len() < WORKERS as usize {
            if Instant::now() > end {
                return Err(format!("only {seen:?} answered, of {WORKERS} workers"));
            }
            let answers = std::thread::scope(|scope| {
                let asked: Vec<_> = (0..2 * WORKERS)
                    .map(|_| scope.spawn(|| self.ask(asked)))
                    .collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|_| Err("a panic".to_string()))
                };
                asked.into_iter().map(join).collect::<Vec<_>>()
            });
            for answer in answers {
                let (said, worker) = answer?;
                same(asked, said, expected)?;
                seen.insert(worker);
            }
        }
        Ok(())
    }

    /// Makes all workers read the table again.
    fn reload(&self) -> Result<(), String> {
        match self.mi.run("credentials_reload", serde_json::Value::Null)? {
            serde_json::Value::String(ok) if ok == "OK" => Ok(()),
            other => Err(format!("credentials_reload answers {other}")),
        }
    }

    /// While the table can't be read, it is not reloaded, and that is said.
    fn is_not_reloaded(&self) -> Result<(), String> {
        match self.mi.run("credentials_reload", serde_json::Value::Null) {
            Err(error) if error.contains("500") => Ok(()),
            other => Err(format!("credentials_reload answers {other:?}")),
        }
    }

    /// No process died, and nothing secret was logged.
    fn look_after(mut self) -> Result<(), String> {
        self.instance.check_workers()?;
        let said = self.instance.log();
        // At its highest log level, the core itself logs what goes over the wire.
        let own = said.lines().filter(|line| line.contains("auth_web"));
        secrecy::check(&own.collect::<Vec<_>>().join("\n"), [SECRET])
    }
}

/// As written in a header.
fn written(text: &str) -> &str {
    match text {
        "" => "-",
        text => text,
    }
}

fn same(asked: (&str, &str, &str), said: Said, expected: &str) -> Result<(), String> {
    let right = match expected {
        "" => (2, "anonymous".to_string(), String::new()),
        name => (1, name.to_string(), password(name)),
    };
    match said == right {
        true => Ok(()),
        false => Err(format!("{asked:?}: {right:?} expected, got {said:?}")),
    }
}

/// The password that belongs to a user name.
fn password(name: &str) -> String {
    format!("{SECRET}:;'\"\\ {name}")
}

/// A row: server, realm, user, name.
type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

/// A database with these credentials in it.
fn database(setting: &Setting, place: &Place, rows: &[Row<'_>]) -> Result<Database, String> {
    let mut files = vec![schema(place.backend)];
    if place.backend != Backend::DbText {
        files.push(files[0].with_file_name("credentials.sql"));
    }
    let database = setting
        .servers
        .create_with(place.backend, &files, &Content::default())?;
    for row in rows {
        insert(&database, *row)?;
    }
    Ok(database)
}

fn insert(database: &Database, (server, realm, user, name): Row<'_>) -> Result<(), String> {
    if database.backend == Backend::DbText {
        let escape = |text: &str| text.replace('\\', "\\\\").replace(':', "\\:");
        let fields = [server, realm, user, name, &password(name)].map(escape);
        return append(database, &fields.join(":"));
    }
    let backslash = if database.backend == Backend::Mysql {
        "\\\\"
    } else {
        "\\"
    };
    let quote = |text: &str| format!("'{}'", text.replace('\'', "''").replace('\\', backslash));
    // Some are NULL and some empty, which means the same.
    let or_null = |text: &str| match (text, name.len() % 2) {
        ("", 0) => "NULL".to_string(),
        _ => quote(text),
    };
    database
        .sql(&format!(
            "INSERT INTO credentials (server, realm, sip_user, username, password) \
             VALUES ({}, {}, {}, {}, {});",
            or_null(server),
            or_null(realm),
            or_null(user),
            quote(name),
            quote(&password(name)),
        ))
        .map(drop)
}

fn delete(database: &Database, name: &str) -> Result<(), String> {
    let sql = format!("DELETE FROM credentials WHERE username = '{name}';");
    database.sql(&sql).map(drop)
}

/// Adds a row to the file of db_text.
fn append(database: &Database, row: &str) -> Result<(), String> {
    let folder = database.url.strip_prefix("text://").ok_or("no folder")?;
    let file = std::path::Path::new(folder).join("credentials");
    let text = std::fs::read_to_string(&file).map_err(|e| e.to_string())?;
    let id = text.lines().count();
    std::fs::write(&file, format!("{text}{id}:{row}\n")).map_err(|e| e.to_string())
}

/// From the most to the least specific, in order of precedence.
const LEVELS: [Row<'static>; 8] = [
    ("s.example", "r", "u", "level0"),
    ("s.example", "r", "", "level1x"),
    ("s.example", "", "u", "level2"),
    ("s.example", "", "", "level3x"),
    ("", "r", "u", "level4"),
    ("", "r", "", "level5x"),
    ("", "", "u", "level6"),
    ("", "", "", "level7x"),
];

fn levels(setting: &Setting, place: &Place) -> Result<(), String> {
    let others = [
        // For this server, nothing matches outside its own realm.
        ("only.example", "inner", "", "inner"),
        ("double.example", "", "", "earlier"),
        ("DOUBLE.example", "", "", "later"),
    ];
    let mut rows = LEVELS.to_vec();
    rows.reverse();
    rows.extend(others);
    let database = database(setting, place, &rows)?;
    let running = Running::start(setting, place, |script| script.database(&database))?;
    for (server, realm, user, name) in LEVELS {
        let other = |text: &'static str, other| if text.is_empty() { other } else { text };
        running.expect((server, realm, user), name)?;
        let unknown = (
            other(server, "x.example"),
            other(realm, "x"),
            other(user, "x"),
        );
        running.expect(unknown, name)?;
    }
    running.expect(("S.EXAMPLE.", "r", "u"), "level0")?;
    running.expect(("s.example", "R", "u"), "level2")?;
    running.expect(("s.example", "r", "U"), "level1x")?;
    running.expect(("only.example", "inner", "u"), "inner")?;
    running.expect(("only.example", "r", "u"), "level4")?;
    running.expect(("double.example", "r", "u"), "later")?;
    running.look_after()
}

fn reload(setting: &Setting, place: &Place) -> Result<(), String> {
    let database = database(setting, place, &[("s.example", "r", "", "table")])?;
    let running = Running::start(setting, place, |script| {
        script.database(&database).set("cache_ttl", 3600).set(
            "credential",
            parameter("script", ";server=s.example;realm=r").as_str(),
        )
    })?;
    let asked = ("s.example", "r", "u");
    running.everywhere(asked, "table")?;
    delete(&database, "table")?;
    insert(&database, ("new.example", "", "", "new"))?;
    // No worker reads the table early.
    running.everywhere(asked, "table")?;
    running.reload()?;
    running.everywhere(asked, "script")?;
    running.everywhere(("new.example", "r", "u"), "new")?;
    running.everywhere(("other.example", "r", "u"), "")?;
    running.look_after()
}

fn outage(setting: &Setting, place: &Place) -> Result<(), String> {
    setting.with_own_mariadb(|server, database| {
        let file = schema(place.backend).with_file_name("credentials.sql");
        database.sql(&std::fs::read_to_string(file).map_err(|e| e.to_string())?)?;
        insert(database, ("s.example", "", "", "before"))?;
        let running = Running::start(setting, place, |script| {
            script
                .database(database)
                .set("cache_ttl", 1)
                .set("cache_grace", 3600)
        })?;
        let asked = ("s.example", "r", "u");
        running.everywhere(asked, "before")?;
        server.pause();
        std::thread::sleep(Duration::from_millis(1100));
        running.everywhere(asked, "before")?;
        running.is_not_reloaded()?;
        running.everywhere(asked, "before")?;
        // What is dropped does not serve.
        let drop = serde_json::json!({ "drop": 1 });
        running.mi.run("credentials_reload", drop)?;
        let ((code, ..), _) = running.ask(asked)?;
        if code != -1 {
            return Err(format!("what was dropped serves: {code}"));
        }
        server.resume()?;
        delete(database, "before")?;
        insert(database, ("s.example", "", "", "after"))?;
        running.reload()?;
        running.everywhere(asked, "after")?;
        // Without a command: each worker notices once it is asked after that time.
        delete(database, "after")?;
        let noticed = wait_for(ALL, || running.everywhere(asked, "").is_ok().then_some(()));
        noticed.ok_or("what was deleted still counts")?;
        running.look_after()
    })
}

/// MariaDB hangs: one request waits for db_timeout, and no other does, although each one has to
/// read the table again.
fn hanging(setting: &Setting, place: &Place) -> Result<(), String> {
    const TIMEOUT: Duration = Duration::from_secs(2);
    const TRIES: u32 = 10;
    setting.with_own_mariadb(|server, database| {
        let file = schema(place.backend).with_file_name("credentials.sql");
        database.sql(&std::fs::read_to_string(file).map_err(|e| e.to_string())?)?;
        insert(database, ("s.example", "", "", "before"))?;
        let running = Running::start(setting, place, |script| {
            script
                .database(database)
                .workers(1)
                .set("db_timeout", TIMEOUT.as_millis() as i64)
        })?;
        let asked = ("s.example", "r", "u");
        running.expect(asked, "before")?;
        insert(database, ("s.example", "r", "", "after"))?;
        server.hang()?;
        let during = || {
            let start = Instant::now();
            running.is_not_reloaded()?;
            running.expect(asked, "before")?;
            if start.elapsed() < TIMEOUT / 2 {
                return Err("the database did not hang".to_string());
            }
            let start = Instant::now();
            for _ in 0..TRIES {
                running.is_not_reloaded()?;
                running.expect(asked, "before")?;
            }
            match start.elapsed() {
                long if long > TIMEOUT * TRIES / 2 => {
                    Err(format!("{TRIES} requests took {long:?}"))
                }
                _ => Ok(()),
            }
        };
        let outcome = during();
        server.go_on()?;
        outcome?;
        wait_for(ALL, || running.reload().is_ok().then_some(()))
            .ok_or("the database is back, and not asked")?;
        let noticed = wait_for(ALL, || running.expect(asked, "after").is_ok().then_some(()));
        noticed.ok_or("the database is back, and not read")?;
        running.look_after()
    })
}

/// A value of the parameter `credential`, fully quoted.
fn parameter(name: &str, rest: &str) -> String {
    let password = password(name).replace('\\', "\\\\").replace('"', "\\\"");
    format!("{name}:\"{password}\"{rest}")
}

fn parameters(setting: &Setting, place: &Place) -> Result<(), String> {
    let running = Running::start(setting, place, |script| {
        script
            .set(
                "credential",
                parameter("earlier", ";server=s.example").as_str(),
            )
            .set(
                "credential",
                parameter("later", ";server=s.example").as_str(),
            )
            .set(
                "credential",
                parameter("quoted", ";realm=\"a;b:c\";user='d;e'").as_str(),
            )
            .set("credential", parameter("plain", " ; user = 100 ;").as_str())
    })?;
    running.expect(("s.example", "r", "u"), "later")?;
    running.expect(("x.example", "a;b:c", "d;e"), "quoted")?;
    running.expect(("x.example", "a;b:c", "other"), "")?;
    running.expect(("", "", "100"), "plain")?;
    running.expect(("", "", ""), "")?;
    running.look_after()
}

fn refused(setting: &Setting, place: &Place) -> Result<(), String> {
    let secret = format!("{SECRET}hunter");
    for value in [
        secret.clone(),
        format!("a:{secret};{secret}"),
        format!("a:\"{secret}"),
        format!("a:{secret};realm=r;realm=s"),
    ] {
        let script = Script::new(&harness::module(), "\nroute { exit; }\n")
            .set("credential", value.as_str());
        let Err(refusal) = Instance::start(&place.core, &script, &setting.folder()) else {
            return Err("a wrong value is accepted".to_string());
        };
        let said = refusal
            .log
            .lines()
            .find(|line| line.contains("parameter \"credential\""));
        match said {
            Some(line) if line.contains("username:password") && !line.contains(SECRET) => {}
            Some(line) => return Err(format!("not helpful: {}", line.replace(SECRET, "***"))),
            None => return Err("nothing is logged about the parameter".to_string()),
        }
    }
    Ok(())
}
