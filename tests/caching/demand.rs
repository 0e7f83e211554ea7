//! Profiles that are fetched when needed, and kept for a while.

use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::core::Core;
use harness::database::own::Own;
use harness::database::{Backend, Database};
use harness::keys::Key;
use harness::profiles::{Content, NEVER};
use harness::setting::Setting;
use harness::tokens::token;

use super::clock;
use super::own::questions;
use super::running::Running;

/// Seconds during which a trial fetches nothing again by itself.
const LONG: i64 = 3600;

/// A profile named `tag` with one key.
pub fn profile(tag: &str, key: &Key) -> Content {
    let mut content = Content::default();
    content.profile(tag, tag);
    content.secret(tag, &key.verifier());
    content
}

/// A token for that profile.
pub fn of(tag: &str, key: &Key) -> String {
    token(key, "HS256", &format!(r#"{{"tag":"{tag}"}}"#))
}

/// Adds a secret at run time.
pub fn add_secret(database: &Database, tag: &str, key: &Key) -> Result<(), String> {
    add_secret_between(database, tag, key, 0, NEVER)
}

fn add_secret_between(
    database: &Database,
    tag: &str,
    key: &Key,
    start: i64,
    end: i64,
) -> Result<(), String> {
    let secret = key.verifier();
    let row = format!(
        "INSERT INTO jwt_secrets (corresponding_tag, secret, start_ts, end_ts) \
         VALUES ('{tag}', '{secret}', {start}, {end});"
    );
    database.sql(&row).map(drop)
}

/// Adds a profile at run time.
pub fn add_profile(database: &Database, tag: &str) -> Result<(), String> {
    let row = format!("INSERT INTO jwt_profiles (tag, sip_username) VALUES ('{tag}', '{tag}');");
    database.sql(&row).map(drop)
}

/// Removes a secret at run time.
pub fn remove_secret(database: &Database, key: &Key) -> Result<(), String> {
    let row = format!(
        "DELETE FROM jwt_secrets WHERE secret = '{}';",
        key.verifier()
    );
    database.sql(&row).map(drop)
}

/// An added secret or profile takes effect within a second, however long the cache keeps what it
/// has.
pub fn rotation(setting: &Setting, core: &Core) -> Result<(), String> {
    let (old, new) = (Key::secret(), Key::secret());
    let database = setting
        .servers
        .create(Backend::Mysql, &profile("rotating", &old))?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", LONG)
    })?;
    let (by_old, by_new) = (of("rotating", &old), of("rotating", &new));
    running.everywhere(&by_old, 1)?;
    running.everywhere(&by_new, -1)?;
    running.everywhere(&of("added", &new), -4)?;
    add_secret(&database, "rotating", &new)?;
    add_secret(&database, "added", &new)?;
    add_profile(&database, "added")?;
    running.until_asked_again();
    running.everywhere(&by_new, 1)?;
    running.everywhere(&by_old, 1)?;
    running.everywhere(&of("added", &new), 1)?;
    running.instance.check_workers()
}

/// A tag last looked up more than a second ago is looked up again for the first token that needs
/// it; and bad tokens cause no more than one query a second.
pub fn at_once(setting: &Setting, core: &Core) -> Result<(), String> {
    let (old, new) = (Key::secret(), Key::secret());
    let database = setting
        .servers
        .create(Backend::Mysql, &profile("rotating", &old))?;
    let mut running = Running::start_with(setting, core, 1, |script| {
        script.database(&database).set("cache_ttl", LONG)
    })?;
    running.expect(&of("rotating", &old), 1)?;
    running.until_asked_again();
    add_secret(&database, "rotating", &new)?;
    running.expect(&of("rotating", &new), 1)?;
    let before = running.mi.statistic("jwt_store_queries")?;
    let start = Instant::now();
    let forged = of("rotating", &Key::secret());
    let unknown = of("unknown", &new);
    for _ in 0..100 {
        running.expect(&forged, -1)?;
        running.expect(&unknown, -4)?;
    }
    let seconds = start.elapsed().as_secs() + 1;
    let queries = running.mi.statistic("jwt_store_queries")? - before;
    if queries > 2 * seconds {
        return Err(format!("{queries} queries for two tags in {seconds} s"));
    }
    running.instance.check_workers()
}

/// A removed secret or profile remains valid for cache_ttl at most, in every worker.
pub fn revocation(setting: &Setting, core: &Core) -> Result<(), String> {
    const TTL: u64 = 2;
    let (key, other) = (Key::secret(), Key::secret());
    let mut content = profile("leaving", &key);
    content.secret("leaving", &other.verifier());
    content.profile("gone", "gone");
    content.secret("gone", &key.verifier());
    let database = setting.servers.create(Backend::Mysql, &content)?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", TTL as i64)
    })?;
    // Twice: the second time from the token cache.
    for _ in 0..2 {
        running.everywhere(&of("leaving", &key), 1)?;
        running.everywhere(&of("gone", &key), 1)?;
    }
    remove_secret(&database, &key)?;
    database.sql("DELETE FROM jwt_profiles WHERE tag = 'gone';")?;
    sleep(Duration::from_secs(TTL));
    running.everywhere(&of("leaving", &key), -1)?;
    running.everywhere(&of("leaving", &other), 1)?;
    running.everywhere(&of("gone", &key), -4)?;
    database.sql("UPDATE jwt_profiles SET sip_username = 'renamed' WHERE tag = 'leaving';")?;
    sleep(Duration::from_secs(TTL));
    for _ in 0..20 {
        running
            .expect(&of("leaving", &other), 1)?
            .expect_header("X-User", "renamed")?;
    }
    running.instance.check_workers()
}

/// jwt_reload reaches every worker at once, including the tokens that it remembers.
pub fn reload(setting: &Setting, core: &Core, tokens: i64) -> Result<(), String> {
    let key = Key::secret();
    let database = setting
        .servers
        .create(Backend::Mysql, &profile("leaving", &key))?;
    let mut running = Running::start(setting, core, |script| {
        script
            .database(&database)
            .set("cache_ttl", LONG)
            .set("token_cache_size", tokens)
    })?;
    let token = of("leaving", &key);
    for _ in 0..2 {
        running.everywhere(&token, 1)?;
    }
    remove_secret(&database, &key)?;
    // Nobody was notified: the answer comes from the cache.
    running.everywhere(&token, 1)?;
    running.mi.reload()?;
    running.everywhere(&token, -1)?;
    add_secret(&database, "leaving", &key)?;
    running.mi.reload()?;
    running.everywhere(&token, 1)?;
    running.instance.check_workers()
}

/// A remembered token is refused once it, or its secret, has expired.
pub fn time_passes(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let database = setting
        .servers
        .create(Backend::Mysql, &profile("timely", &key))?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", LONG)
    })?;
    let before = |change: i64| {
        let (ending, coming) = (Key::secret(), Key::secret());
        add_secret_between(&database, "timely", &ending, 0, change)?;
        add_secret_between(&database, "timely", &coming, change, NEVER)?;
        running.mi.reload()?;
        let with = |claim: &str| {
            let payload = format!(r#"{{"{claim}":{change},"tag":"timely"}}"#);
            token(&key, "HS256", &payload)
        };
        let tokens = [
            (with("exp"), 1, -3),
            (with("nbf"), -3, 1),
            (of("timely", &ending), 1, -1),
            (of("timely", &coming), -1, 1),
        ];
        // Twice: the second time from the token cache.
        for _ in 0..2 {
            for (token, code, _) in &tokens {
                running.everywhere(token, *code)?;
            }
        }
        Ok(tokens)
    };
    clock::around(before, |tokens| {
        for (token, _, code) in &tokens {
            running.everywhere(token, *code)?;
        }
        Ok(())
    })?;
    running.instance.check_workers()
}

/// With cache_ttl 0 the database is queried for every token, including a remembered one.
pub fn no_cache(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    const TOKENS: u64 = 40;
    let key = Key::secret();
    own.with(setting.folder(), &profile("always", &key), |_, database| {
        let mut running = Running::start(setting, core, |script| {
            script.database(database).set("cache_ttl", 0)
        })?;
        let token = of("always", &key);
        running.everywhere(&token, 1)?;
        let queries = running.mi.statistic("jwt_store_queries")?;
        let asked = questions(database, || {
            for _ in 0..TOKENS {
                running.expect(&token, 1)?;
            }
            Ok(())
        })?;
        let queries = running.mi.statistic("jwt_store_queries")? - queries;
        if queries != TOKENS || asked < TOKENS {
            return Err(format!(
                "{TOKENS} tokens, {queries} queries counted, {asked} questions at the server"
            ));
        }
        remove_secret(database, &key)?;
        running.everywhere(&token, -1)?;
        add_secret(database, "always", &key)?;
        running.everywhere(&token, 1)?;
        running.instance.check_workers()
    })
}

/// Cached profiles cause no queries; those beyond cache_size do, and the least recently used one is
/// evicted.
pub fn cache_size(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let tags = ["one", "two", "three"];
    let mut content = Content::default();
    for tag in tags {
        content.profile(tag, tag);
        content.secret(tag, &key.verifier());
    }
    own.with(setting.folder(), &content, |_, database| {
        let mut running = Running::start_with(setting, core, 1, |script| {
            script
                .database(database)
                .set("cache_ttl", LONG)
                .set("shared_cache_size", 0)
                .set("cache_size", 2)
        })?;
        let queries = |tags: &[&str]| -> Result<u64, String> {
            let before = running.mi.statistic("jwt_store_queries")?;
            for tag in tags {
                running
                    .expect(&of(tag, &key), 1)?
                    .expect_header("X-User", tag)?;
            }
            Ok(running.mi.statistic("jwt_store_queries")? - before)
        };
        for (tags, expected) in [
            (&["one", "two"][..], 2),
            (&["two", "one", "two", "one"], 0),
            // "two" is evicted, since "one" was used after it.
            (&["three"], 1),
            (&["one"], 0),
            (&["two"], 1),
            (&["three", "one", "two", "three"], 4),
        ] {
            let counted = queries(tags)?;
            if counted != expected {
                return Err(format!(
                    "{counted} queries for {tags:?}, {expected} expected"
                ));
            }
        }
        let asked = questions(database, || {
            for _ in 0..100 {
                running.expect(&of("two", &key), 1)?;
            }
            Ok(())
        })?;
        if asked != 0 {
            return Err("a cached profile was asked for".to_string());
        }
        running.instance.check_workers()
    })
}

/// The statistics change as the manual says, and cover all workers.
pub fn statistics(own: &Own, setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    own.with(
        setting.folder(),
        &profile("counted", &key),
        |server, database| {
            let mut running = Running::start(setting, core, |script| {
                script.database(database).set("cache_ttl", 1)
            })?;
            const NAMES: [&str; 5] = [
                "jwt_accepted",
                "jwt_rejected",
                "jwt_store_queries",
                "jwt_store_failures",
                "jwt_served_stale",
            ];
            let read = || {
                NAMES
                    .iter()
                    .map(|name| running.mi.statistic(name))
                    .collect::<Result<Vec<_>, _>>()
            };
            let moved = |what: &str, from: &[u64], by: [std::ops::RangeInclusive<u64>; 5]| {
                let to = read()?;
                for (((name, from), to), by) in NAMES.iter().zip(from).zip(&to).zip(&by) {
                    if !by.contains(&(to - from)) {
                        return Err(format!(
                            "{what}: {name} went from {from} to {to}, {by:?} expected"
                        ));
                    }
                }
                Ok(())
            };
            let start = read()?;
            if start != [0; 5] {
                return Err(format!("they begin at {start:?}"));
            }
            for _ in 0..10 {
                running.expect(&of("counted", &key), 1)?;
            }
            // Each worker asks at least once.
            moved("accepted", &start, [10..=10, 0..=0, 1..=10, 0..=0, 0..=0])?;
            running.everywhere(&of("counted", &key), 1)?;
            let start = read()?;
            for token in [
                "garbage",
                &of("counted", &Key::secret()),
                &of("nobody", &key),
            ] {
                running.ask(token)?;
            }
            moved("rejected", &start, [0..=0, 3..=3, 1..=2, 0..=0, 0..=0])?;
            server.pause();
            // Let the cached data expire.
            sleep(Duration::from_millis(1100));
            let start = read()?;
            for _ in 0..10 {
                running.expect(&of("counted", &key), 1)?;
            }
            moved(
                "served stale",
                &start,
                [10..=10, 0..=0, 10..=10, 10..=10, 10..=10],
            )?;
            let start = read()?;
            running.expect(&of("elsewhere", &key), -6)?;
            moved("store failed", &start, [0..=0, 1..=1, 1..=1, 1..=1, 0..=0])?;
            let log = running.instance.log();
            // The outage is told once, and each token that the cache serves at INFO.
            let outages = log.matches("ERROR:auth_web:outage: ").count();
            if outages != 1 || !log.contains("the cache serves (cache_grace)") {
                return Err(format!("{outages} outages in the log:\n{log}"));
            }
            server.resume()?;
            running.instance.check_workers()
        },
    )
}
