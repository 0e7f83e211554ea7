//! Against a real Redis, read back with redis-cli.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use harness::redis::{Redis as Server, missing};
use serde_json::{Value, json};

use super::*;
use crate::meters::Gauge;
use crate::pool::{Pool, PoolConfig};
use crate::redis::{Redis, RedisUrl, Settings};

mod broken;
mod cluster;
mod order;
mod others;
mod strange;
mod text;

/// The time at which tests begin: any will do, as Redis is only told durations.
const NOW: u64 = 1_700_000_000_000;

/// Contacts and hooks that would break out of text that is pasted together.
const HOSTILE: [&str; 6] = [
    "sip:john@10.0.0.1:5060;transport=tcp",
    "it's \"quoted\" \\ \\\\' ]] --",
    "a\r\nb\tc\u{0}d",
    "ü\u{1f600}\u{2028}",
    "${jndi} %s %d $1 {1}",
    "",
];

/// A server with a client of it, and the folder that it lives in.
struct Site {
    server: Server,
    redis: Redis,
    _folder: tempfile::TempDir,
}

fn client(url: &str) -> Redis {
    let settings = Settings::new(RedisUrl::parse(url).unwrap()).unwrap();
    let threads = Arc::new(Pool::new("test", PoolConfig::default()));
    Redis::new(&settings, Duration::from_secs(20), threads, Gauge::NONE)
}

impl Site {
    /// `None`, with the reason printed, if there is no Redis on this machine.
    fn start() -> Option<Site> {
        if let Some(reason) = missing() {
            println!("not tested: {reason}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path()).unwrap();
        Some(Site {
            redis: client(&format!("redis://127.0.0.1:{}", server.port)),
            server,
            _folder: folder,
        })
    }

    fn session(&self) -> Session<'_> {
        session(&self.redis)
    }

    fn cli(&self, words: &[&str]) -> String {
        self.server.cli(words).unwrap()
    }

    /// The JSON of an address of record, and its scores in both indexes.
    fn kept(&self, aor: &str) -> (Option<Value>, String, String) {
        let key = format!("user:{aor}");
        let (_, realm) = aor.rsplit_once('@').unwrap();
        let json = self.cli(&["GET", &key]);
        (
            (!json.is_empty()).then(|| serde_json::from_str(&json).unwrap()),
            self.cli(&["ZSCORE", "active-user", &key]),
            self.cli(&["ZSCORE", &format!("active-user:{realm}"), &key]),
        )
    }

    fn is_gone(&self, aor: &str) -> bool {
        self.kept(aor) == (None, String::new(), String::new())
    }

    /// Milliseconds that a key lasts.
    fn ttl(&self, key: &str) -> i64 {
        self.cli(&["PTTL", key]).parse().unwrap()
    }
}

fn session(redis: &Redis) -> Session<'_> {
    redis.session(Instant::now() + Duration::from_secs(20))
}

/// In one script, and key by key.
fn both<'a>(session: &'a Session<'a>) -> [Registrations<'a>; 2] {
    [Registrations::new(session), Registrations::split(session)]
}

fn aor(text: &str) -> AddressOfRecord {
    AddressOfRecord::parse(text).unwrap()
}

fn entry<'a>(aor: &'a AddressOfRecord, contact: &'a str, grant: &'a Grant) -> Entry<'a> {
    Entry {
        aor,
        expires: 3600,
        contact,
        sbc_address: "192.0.2.1:5060",
        private_sbc_address: "10.0.0.1:5060",
        protocol: "udp",
        source: "198.51.100.7:40000",
        grant,
    }
}

fn save(
    registrations: &Registrations<'_>,
    name: &str,
    contact: &str,
    limit: Option<u32>,
    now: u64,
) -> Saved {
    let (aor, grant) = (aor(name), Grant::default());
    registrations
        .save(&entry(&aor, contact, &grant), limit, now)
        .unwrap()
}

impl Saved {
    /// What was there before.
    fn before(self) -> Option<Before> {
        match self {
            Saved::Done(change) => change.before,
            Saved::Full => panic!("there is no room"),
        }
    }

    /// Whether it is saved, and there was nothing before.
    fn is_new(&self) -> bool {
        matches!(self, Saved::Done(change) if change.before.is_none())
    }
}

impl Removed {
    /// What was there before.
    fn before(self) -> Option<Before> {
        match self {
            Removed::Done(change) => change.before,
            Removed::Other => panic!("another one is there"),
        }
    }
}

#[test]
fn an_account_counts_the_devices_of_realms_below() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        let above = registrations.of_account(Some("a.example"));
        let limit = Some(2);
        assert!(save(&above, "john@x.a.example", "sip:1", limit, NOW).is_new());
        assert!(save(&above, "john@y.a.example", "sip:1", limit, NOW).is_new());
        for name in ["john@z.a.example", "mary@a.example"] {
            assert_eq!(save(&above, name, "sip:1", limit, NOW), Saved::Full);
        }
        let own = save(&registrations, "mary@a.example", "sip:1", limit, NOW);
        assert_eq!(own, Saved::Full, "it is the same account");
        assert_eq!(registrations.count("a.example", NOW), Ok(2));
        // What is undone has its place again.
        let john = aor("john@x.a.example");
        let before = above.remove(&john, None, NOW).unwrap().before();
        assert_eq!(registrations.count("a.example", NOW), Ok(1));
        let restored = above.restore(&john, Left::Nothing, before.as_ref(), NOW);
        assert_eq!(restored, Ok(true));
        assert_eq!(registrations.count("a.example", NOW), Ok(2));
        // Those that have ended are taken out of its index as well.
        assert_eq!(registrations.expire(NOW + 3_600_001, 100), Ok(2));
        assert_eq!(site.cli(&["ZCARD", "active-user:a.example"]), "0");
        for name in ["john@x.a.example", "john@y.a.example"] {
            above.remove(&aor(name), None, NOW).unwrap();
        }
    }
}

#[test]
fn what_is_saved_is_found_whatever_it_is() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        for (at, text) in HOSTILE.into_iter().enumerate() {
            let name = format!("it's%20\"{at}\"\\@a.example");
            let john = aor(&name);
            let granted = json!({
                "call_hook": {"url": text, "n": 9_007_199_254_740_993_u64},
                "call_status_hook": text,
                "allow_direct_app_calling": "true",
            });
            let grant = Grant::parse(granted.to_string().as_bytes()).unwrap();
            let entry = entry(&john, text, &grant);
            let saved = registrations.save(&entry, None, NOW).unwrap();
            assert!(saved.is_new());
            let found = registrations.get(&john, NOW).unwrap().unwrap();
            assert_eq!(found.json(), entry.json(NOW));
            assert_eq!(found.left(), 3600);
            let whole = String::from_utf8(john.whole()).unwrap();
            let (members, all, realm) = site.kept(&whole);
            let members = members.unwrap();
            assert_eq!(members["contact"], text);
            assert_eq!(members["callHook"], granted["call_hook"]);
            assert_eq!(members["call_hook"], granted["call_hook"]);
            assert_eq!(members["callStatusHook"], text);
            assert_eq!(
                [all, realm],
                [(NOW + 3_600_000).to_string(), (NOW + 3_600_000).to_string()]
            );
            // Only the very contact takes it out.
            let other = format!("{text} ");
            let removed = registrations.remove(&john, Some(&[other]), NOW).unwrap();
            assert_eq!(removed, Removed::Other);
            let removed = registrations
                .remove(&john, Some(&[text.to_owned()]), NOW)
                .unwrap();
            assert!(removed.before().is_some());
            assert!(site.is_gone(&whole));
            let removed = registrations
                .remove(&john, Some(&[text.to_owned()]), NOW)
                .unwrap();
            assert_eq!(removed.before(), None);
        }
    }
}

#[test]
fn a_contact_is_removed_in_any_spelling() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let grant = Grant::default();
    let john = aor("john@a.example");
    for registrations in both(&session) {
        let entry = entry(&john, "sip:%6aohn@h:5062;ob", &grant);
        registrations.save(&entry, None, NOW).unwrap();
        let remove = |contacts: [&str; 2]| {
            let contacts = contacts.map(str::to_owned);
            registrations.remove(&john, Some(&contacts), NOW).unwrap()
        };
        for others in [["sip:john@h", "sip:john@h:5063"], ["sip:JOHN@h:5062", ""]] {
            assert_eq!(remove(others), Removed::Other);
        }
        assert!(remove(["sip:john@h", "sip:john@H:5062"]).before().is_some());
        assert_eq!(remove(["sip:john@h", "sip:john@h"]).before(), None);
    }
}

#[test]
fn keys_end_with_the_last_registration() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        site.cli(&["FLUSHALL"]);
        let grant = Grant::default();
        for (name, expires) in [
            ("a@a.example", 60),
            ("b@a.example", 600),
            ("c@a.example", 6),
        ] {
            let aor = aor(name);
            let mut entry = entry(&aor, "sip:x", &grant);
            entry.expires = expires;
            registrations.save(&entry, None, NOW).unwrap();
        }
        let near = |key: &str, seconds: i64| {
            let left = seconds * 1000 - site.ttl(key);
            assert!((0..30_000).contains(&left), "{key}: {left}");
        };
        near("user:b@a.example", 600);
        // Others write into the indexes as well: these last for as long as they have members.
        assert_eq!(site.ttl("active-user:a.example"), -1);
        // A second later, by Redis's own clock or not, what has ended is gone.
        assert_eq!(registrations.count("a.example", NOW + 5_999).unwrap(), 3);
        assert_eq!(registrations.count("a.example", NOW + 6_000).unwrap(), 2);
        assert_eq!(site.cli(&["ZCARD", "active-user:a.example"]), "2");
        assert_eq!(site.cli(&["ZCARD", "active-user"]), "3");
        let there = |now| {
            registrations
                .get(&aor("a@a.example"), now)
                .unwrap()
                .is_some()
        };
        assert!(there(NOW + 59_999) && !there(NOW + 60_000));
        assert_eq!(registrations.expire(NOW + 600_000, 10), Ok(3));
        let indexes = ["EXISTS", "active-user", "active-user:a.example"];
        assert_eq!(site.cli(&indexes), "0");
    }
}

#[test]
fn a_realm_has_no_more_than_its_limit() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        site.cli(&["FLUSHALL"]);
        let save = |name, limit, now| save(&registrations, name, "sip:x", limit, now);
        assert_eq!(save("a@a.example", Some(0), NOW), Saved::Full);
        assert!(site.is_gone("a@a.example"));
        assert!(save("a@a.example", Some(1), NOW).is_new());
        assert_eq!(save("b@a.example", Some(1), NOW), Saved::Full);
        assert!(site.is_gone("b@a.example"));
        // Another realm, no limit, and the one that is there already.
        assert!(save("b@b.example", Some(1), NOW).is_new());
        assert!(save("b@a.example", None, NOW).is_new());
        assert!(save("a@a.example", Some(1), NOW + 1).before().is_some());
        assert_eq!(save("a@a.example", Some(0), NOW + 2), Saved::Full);
        // Ended ones take no place.
        let later = NOW + 3_700_000;
        assert!(save("c@a.example", Some(1), later).is_new());
        assert_eq!(registrations.count("a.example", later).unwrap(), 1);
    }
}

#[test]
fn of_many_at_once_one_gets_the_last_place() {
    let Some(site) = Site::start() else { return };
    for is_split in [false, true] {
        for round in 0..20 {
            let realm = format!("r{round}.{is_split}.example");
            let one = |user: &str| {
                let name = format!("{user}@{realm}");
                let session = site.session();
                let registrations = match is_split {
                    false => Registrations::new(&session),
                    true => Registrations::split(&session),
                };
                save(&registrations, &name, "sip:x", Some(1), NOW)
            };
            let saved = thread::scope(|scope| {
                let other = scope.spawn(|| one("a"));
                [one("b"), other.join().unwrap()]
            });
            let full = saved.iter().filter(|saved| **saved == Saved::Full).count();
            assert_eq!(full, 1, "{saved:?}");
            let key = format!("active-user:{realm}");
            assert_eq!(site.cli(&["ZCARD", &key]), "1");
        }
    }
}

#[test]
fn a_change_is_undone() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        site.cli(&["FLUSHALL"]);
        let john = aor("john@a.example");
        let save =
            |contact, now| save(&registrations, "john@a.example", contact, None, now).before();
        let left = |contact, end| Left::Entry { contact, end };
        let restore = |left, before: Option<&Before>, now| {
            registrations.restore(&john, left, before, now).unwrap()
        };
        // A new one.
        assert_eq!(save("sip:1", NOW), None);
        assert!(!restore(left("sip:2", None), None, NOW));
        assert!(!restore(Left::Nothing, None, NOW));
        assert!(restore(left("sip:1", None), None, NOW));
        assert!(site.is_gone("john@a.example"));
        assert!(restore(left("sip:1", None), None, NOW));
        // One in place of another, at once: nothing has changed.
        save("sip:1", NOW);
        let was = site.kept("john@a.example");
        let before = save("sip:2", NOW + 1);
        let end = NOW + 1 + 3_600_000;
        assert!(restore(left("sip:2", Some(end)), before.as_ref(), NOW + 2));
        assert_eq!(site.kept("john@a.example"), was);
        // And later.
        let before = save("sip:2", NOW + 10_000);
        let end = NOW + 10_000 + 3_600_000;
        let later = NOW + 20_000;
        assert!(!restore(
            left("sip:2", Some(end + 1)),
            before.as_ref(),
            later
        ));
        assert!(!restore(left("sip:1", Some(end)), before.as_ref(), later));
        assert_eq!(site.kept("john@a.example").0.unwrap()["contact"], "sip:2");
        assert!(restore(left("sip:2", Some(end)), before.as_ref(), later));
        let is = site.kept("john@a.example");
        assert_eq!(is.0, was.0);
        // By the time that Redis measured, so not to the millisecond.
        for (is, was) in [(is.1, was.1), (is.2, was.2)] {
            let [is, was] = [is, was].map(|score| score.parse::<i64>().unwrap());
            assert!((is - was).abs() <= 30_000, "{is} {was}");
        }
        assert!(site.ttl("user:john@a.example") <= 3_590_000);
        // Twice is as good as once.
        assert!(restore(left("sip:2", Some(end)), before.as_ref(), later));
        // One that was removed.
        let before = registrations.remove(&john, None, later).unwrap().before();
        assert!(restore(Left::Nothing, before.as_ref(), later));
        assert_eq!(site.kept("john@a.example").0, was.0);
        registrations.remove(&john, None, later).unwrap();
        save("sip:3", later);
        assert!(!restore(Left::Nothing, before.as_ref(), later));
        assert_eq!(site.kept("john@a.example").0.unwrap()["contact"], "sip:3");
        // What has ended in the meantime does not come back.
        let end = later + 3_600_000;
        assert!(restore(
            left("sip:3", Some(end)),
            before.as_ref(),
            NOW + 9_000_000
        ));
        assert!(site.is_gone("john@a.example"));
    }
}

#[test]
fn ended_ones_are_taken_out_a_few_at_a_time() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        site.cli(&["FLUSHALL"]);
        for at in 0..10 {
            let name = format!("u{at}%40x@r{}.example", at % 3);
            save(&registrations, &name, "sip:x", None, NOW);
        }
        save(&registrations, "late@r0.example", "sip:x", None, NOW + 1000);
        site.cli(&["ZADD", "active-user", "1", "no realm"]);
        let expire = |now, most| registrations.expire(now, most).unwrap();
        assert_eq!(expire(NOW, 4), 1);
        assert_eq!(expire(NOW + 3_600_000, 4), 4);
        assert_eq!(expire(NOW + 3_600_000, 1000), 6);
        assert_eq!(expire(NOW + 3_600_000, 1000), 0);
        assert_eq!(
            site.cli(&["ZRANGE", "active-user", "0", "-1"]),
            "user:late@r0.example"
        );
        let keys = ["active-user:r1.example", "active-user:r2.example"];
        assert_eq!(site.cli(&["EXISTS", keys[0], keys[1]]), "0");
        assert_eq!(site.cli(&["ZCARD", "active-user:r0.example"]), "1");
    }
}

#[test]
fn nobody_waits_for_a_server_that_is_gone() {
    let Some(site) = Site::start() else { return };
    save(
        &Registrations::new(&site.session()),
        "a@a.example",
        "sip:x",
        None,
        NOW,
    );
    site.server.pause();
    let session = site.session();
    let (john, grant) = (aor("john@a.example"), Grant::default());
    for registrations in both(&session) {
        let saved = registrations.save(&entry(&john, "sip:1", &grant), None, NOW);
        assert!(
            matches!(saved, Err(CacheError::Unreachable(_))),
            "{saved:?}"
        );
    }
    // The same connections find the server when it is back, and load the scripts again.
    site.server.resume().unwrap();
    let registrations = Registrations::new(&session);
    assert!(save(&registrations, "john@a.example", "sip:x", None, NOW).is_new());
}

#[test]
fn of_a_decoded_token_the_hooks_are_kept() {
    let claims = r#"{"allow_direct_app_calling":true,"call_hook":"https://a.example","call_status_hook":{"url":"x.y"}}"#;
    let token = format!(r#"{{"alg":"ES256","typ":"{{"}}.{claims}"#);
    let granted = Grant::parse(token.as_bytes()).unwrap();
    let hooks = r#"{"call_hook":"https://a.example","call_status_hook":{"url":"x.y"}}"#;
    assert_eq!(granted, Grant::parse(hooks.as_bytes()).unwrap());
    assert_ne!(granted, Grant::parse(claims.as_bytes()).unwrap());
    for text in [
        "{}.", "{}.x", "{}{}", "{} .{}", ".{}", "{}.[]", "{}.{}.{}", "{}.{}x",
    ] {
        assert_eq!(
            Grant::parse(text.as_bytes()),
            Err(entry::GrantError::NotAnObject),
            "{text}"
        );
    }
    let lone = r#"{}.{"call_hook":"\ud800"}"#;
    assert_eq!(
        Grant::parse(lone.as_bytes()),
        Err(entry::GrantError::Hook("call_hook"))
    );
}
