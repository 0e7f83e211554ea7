//! Keys that somebody else has written, and a Redis that refuses.

use super::*;

#[test]
fn whatever_else_is_there_gives_way() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let john = aor("john@a.example");
    let key = "user:john@a.example";
    for registrations in both(&session) {
        for strange in [
            "",
            "{",
            "[1]",
            "null",
            "\"x\"",
            "{\"contact\":\"sip:1\"}",
            "{\"expiryTime\":\"x\"}",
        ] {
            site.cli(&["FLUSHALL"]);
            site.cli(&["SET", key, strange]);
            assert!(
                registrations.get(&john, NOW).unwrap().is_none(),
                "{strange}"
            );
            let saved = save(&registrations, "john@a.example", "sip:2", None, NOW);
            let before = saved.before().expect(strange);
            assert_eq!(
                (before.entry.as_slice(), before.until),
                (strange.as_bytes(), None)
            );
            let left = Left::Entry {
                contact: "sip:2",
                end: None,
            };
            assert!(
                registrations
                    .restore(&john, left, Some(&before), NOW)
                    .unwrap()
            );
            assert_eq!(site.cli(&["GET", key]), strange);
            assert_eq!(site.ttl(key), -1);
            assert_eq!(
                site.cli(&["EXISTS", "active-user", "active-user:a.example"]),
                "0"
            );
            let removed = registrations
                .remove(&john, Some(&["sip:1".to_owned()]), NOW)
                .unwrap();
            let stays = ["[1]", "{\"expiryTime\":\"x\"}"].contains(&strange);
            assert_eq!(removed == Removed::Other, stays, "{strange}");
        }
        // jambonz once kept hashes.
        site.cli(&["DEL", key]);
        site.cli(&["HSET", key, "contact", "sip:1"]);
        assert!(registrations.get(&john, NOW).unwrap().is_none());
        assert!(save(&registrations, "john@a.example", "sip:2", None, NOW).is_new());
        site.cli(&["DEL", key]);
        site.cli(&["HSET", key, "contact", "sip:1"]);
        let removed = registrations
            .remove(&john, Some(&["sip:1".to_owned()]), NOW)
            .unwrap();
        assert_eq!(removed.before(), None);
        assert!(site.is_gone("john@a.example"));
    }
}

#[test]
fn a_failure_changes_nothing() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    for registrations in both(&session) {
        for broken in ["active-user", "active-user:a.example"] {
            site.cli(&["FLUSHALL"]);
            save(&registrations, "mary@a.example", "sip:1", None, NOW);
            site.cli(&["RENAME", broken, "away"]);
            site.cli(&["SET", broken, "x"]);
            for (name, contact) in [("mary@a.example", "sip:2"), ("john@a.example", "sip:1")] {
                let (aor, grant) = (aor(name), Grant::default());
                let entry = entry(&aor, contact, &grant);
                let saved = registrations.save(&entry, Some(9), NOW + 1);
                assert!(matches!(saved, Err(CacheError::Refused(_))), "{saved:?}");
                let removed = registrations.remove(&aor, None, NOW + 1);
                assert!(
                    matches!(removed, Err(CacheError::Refused(_))),
                    "{removed:?}"
                );
            }
            site.cli(&["DEL", broken]);
            site.cli(&["RENAME", "away", broken]);
            let (members, all, realm) = site.kept("mary@a.example");
            assert_eq!(members.unwrap()["contact"], "sip:1");
            for score in [all, realm] {
                let score: u64 = score.parse().unwrap();
                assert!(score.abs_diff(NOW + 3_600_000) <= 30_000, "{score}");
            }
            assert!(site.is_gone("john@a.example"));
        }
    }
    site.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    let (john, grant) = (aor("john@a.example"), Grant::default());
    for registrations in both(&session) {
        let saved = registrations.save(&entry(&john, "sip:1", &grant), None, NOW);
        assert!(matches!(saved, Err(CacheError::Refused(_))), "{saved:?}");
    }
    assert!(site.is_gone("john@a.example"));
}
