//! Whatever Redis answers: replies as they are sent (RESP), to the questions that one conversation asks. The
//! first byte chooses the conversation, and whether it is with a Cluster.
#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use auth_web::fuzzing::{
    AddressOfRecord, Before, CacheError, Claim, Counters, Entry, Gauge, Grant, Left, MemberValue, Pool,
    PoolConfig, Redis, RedisUrl, Registration, Registrations, Replies, Round, Saved, Settings, Turn, Undo, hear,
    tell,
};
use auth_web::jwt::revocations::list::Place;
use auth_web::jwt::revocations::{Kind, Revocation};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_700_000_000_000;

/// Nothing that is printed may have it.
const PASSWORD: &str = "Zq7vXw9KpT";

const URLS: [&str; 2] = [
    "redis://:Zq7vXw9KpT@127.0.0.1:6379/1",
    "redis+cluster://u:Zq7vXw9KpT@127.0.0.1:6379",
];

static THREADS: LazyLock<Arc<Pool>> =
    LazyLock::new(|| Arc::new(Pool::new("fuzz", PoolConfig::default())));

fuzz_target!(|data: &[u8]| {
    let Some((choice, replies)) = data.split_first() else {
        return;
    };
    texts(replies);
    if replies
        .windows(PASSWORD.len())
        .any(|it| it == PASSWORD.as_bytes())
    {
        return;
    }
    let url = RedisUrl::parse(URLS[usize::from(*choice) % 2]).expect("a URL");
    let settings = Settings::answering(url, Replies::new(replies.to_vec())).expect("settings");
    let redis = Redis::new(
        &settings,
        Duration::from_secs(20),
        Arc::clone(&THREADS),
        Gauge::NONE,
    );
    let session = redis.session(Instant::now() + Duration::from_secs(20));
    let registrations = Registrations::new(&session);
    let aor = AddressOfRecord::parse("john@a.example").expect("an address");
    let error = match usize::from(*choice) / 2 % 10 {
        0 => {
            let grant = Grant::default();
            let entry = Entry {
                aor: &aor,
                expires: 60,
                contact: "sip:john@192.0.2.1",
                sbc_address: "192.0.2.2:5060",
                private_sbc_address: "192.0.2.2:5060",
                protocol: "udp",
                source: "192.0.2.1:5060",
                grant: &grant,
            };
            let saved = registrations.save(&entry, Some(9), NOW);
            saved.map(|saved| match saved {
                Saved::Done(change) => undo(Undo {
                    order: change.order,
                    saved_until: Some(entry.end(NOW)),
                    before: change.before,
                }),
                Saved::Full => {}
            })
        }
        1 => registrations.get(&aor, NOW).map(|found| {
            if let Some(found) = found {
                kept(&found);
            }
        }),
        2 => {
            let contacts = ["sip:john@192.0.2.1".to_owned()];
            registrations.remove(&aor, Some(&contacts), NOW).map(drop)
        }
        3 => {
            let left = Left::Entry {
                contact: "sip:john@192.0.2.1",
                end: Some(NOW),
            };
            let before = Before {
                entry: replies.to_vec(),
                until: Some(NOW + 1000),
            };
            registrations
                .restore(&aor, left, Some(&before), NOW)
                .map(drop)
        }
        4 => registrations
            .count("a.example", NOW)
            .and_then(|_| registrations.count_all(NOW))
            .and_then(|_| adopted(&registrations)),
        5 => registrations.expire(NOW, 100).map(drop),
        6 => {
            let place = Place {
                at: 7,
                known: 8,
                tag: 9,
            };
            hear(&session, place, 30).map(|news| {
                for (_, revocation) in &news.revocations {
                    assert!((1..=255).contains(&revocation.value.len()));
                }
            })
        }
        7 => {
            let one = Revocation::new(Kind::Jti, "x", None, None, None).expect("a revocation");
            tell(&session, &one, (1_700_000_000, 30), 100).map(drop)
        }
        8 => {
            let claim = Claim {
                key: "key".to_owned(),
                ttl: 30,
            };
            session.get_and_claim("counter", &claim).map(drop)
        }
        _ => session.ping().and_then(|()| session.set("key", -1, 0)),
    }
    .err();
    if let Some(error) = error {
        assert!(!error.to_string().contains(PASSWORD));
    }
});

/// Some steps of looking for registrations of others.
fn adopted(registrations: &Registrations<'_>) -> Result<(), CacheError> {
    const INTERVAL: Duration = Duration::from_secs(30);
    let Turn::Ours(begin) = registrations.begin_round(INTERVAL)? else {
        return Ok(());
    };
    for round in [begin, Round::Index(0)] {
        registrations.adopt(round, INTERVAL, NOW)?;
    }
    Ok(())
}

/// What is kept in Redis and in variables, as texts.
fn texts(text: &[u8]) {
    if let Some(found) = Registration::parse(text.to_vec(), NOW) {
        kept(&found);
    }
    if let Some(read) = Undo::parse(text) {
        undo(read);
    }
    if let Ok(grant) = Grant::parse(text) {
        let aor = AddressOfRecord::parse("john@a.example").expect("an address");
        let entry = Entry {
            aor: &aor,
            expires: 60,
            contact: "sip:\"\\\r\n",
            sbc_address: "192.0.2.2:5060",
            private_sbc_address: "192.0.2.2:5060",
            protocol: "udp",
            source: "192.0.2.1:5060",
            grant: &grant,
        };
        // Whatever was granted, what is written is a registration of that contact.
        let written = Registration::parse(entry.json(NOW).into_bytes(), NOW);
        let written = written.expect("what is written can be read");
        let contact = MemberValue::Text(entry.contact.to_owned());
        assert_eq!(
            (written.member("contact"), written.left()),
            (Some(contact), 60)
        );
    }
}

fn kept(found: &Registration) {
    assert!(
        serde_json::from_str::<serde_json::Value>(found.json()).is_ok_and(|it| it.is_object())
            || found.json().contains(['\\', 'e', 'E', '[', '{'])
    );
    for name in ["contact", "callHook", "expiryTime", ""] {
        _ = found.member(name);
    }
}

/// What a variable keeps is read as it was.
fn undo(undo: Undo) {
    let text = undo.text();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(Undo::parse(text.as_bytes()), Some(undo));
}
