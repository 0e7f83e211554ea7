use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::list::{Memory, Stamp};
use super::revocation::MAX_BYTES;
use super::*;
use crate::jwt::testing::{NOW, at, claiming};

mod models;

const THEN: i64 = 1_700_000_000;

fn exclusively(lock: &'static AtomicU64, work: &mut dyn FnMut()) -> bool {
    while lock.swap(1, Ordering::Acquire) != 0 {
        std::thread::yield_now();
    }
    work();
    lock.store(0, Ordering::Release);
    true
}

fn list(capacity: usize) -> Revocations {
    Revocations {
        told: List::new(Memory::leaked(capacity), exclusively),
        rows: None,
    }
}

fn revocation(kind: Kind, value: &str) -> Revocation {
    Revocation::new(kind, value, None, None, None).unwrap()
}

fn is_revoked(list: &Revocations, claims: &str, kid: Option<&str>) -> bool {
    let token = claiming(claims);
    list.find(&Identity::of(&token, kid), 30, || at(NOW))
        .is_some()
}

#[test]
fn each_kind_is_found_by_its_own_value_alone() {
    let list = list(10);
    let say = |claims: &str, kid| is_revoked(&list, claims, kid);
    assert!(list.is_empty());
    for kind in Kind::ALL {
        list.add(&revocation(kind, kind.name()), at(NOW)).unwrap();
        assert_eq!(Kind::parse(kind.name()), Some(kind));
    }
    assert!(!list.is_empty() && Kind::parse("iss").is_none());
    assert!(say(r#"{"jti":"jti"}"#, None));
    assert!(say(r#"{"sub":"sub","iat":1}"#, None));
    assert!(say(r#"{"sid":"sid"}"#, None));
    assert!(say("{}", Some("kid")));
    for other in [
        r#"{"jti":"sub","sub":"sid","sid":"jti"}"#,
        r#"{"jti":"jt","sub":"sub ","sid":"Sid"}"#,
        r#"{"jti":["jti"],"sub":{"sub":"sub"},"sid":null}"#,
        r#"{"iss":"jti"}"#,
        "{}",
    ] {
        assert!(!say(other, Some("jti")), "{other}");
    }
}

#[test]
fn numbers_are_found_as_they_are_written() {
    let list = list(10);
    list.add(&revocation(Kind::Jti, "7"), at(NOW)).unwrap();
    list.add(&revocation(Kind::Sub, "18446744073709551616"), at(NOW))
        .unwrap();
    assert!(is_revoked(&list, r#"{"jti":7}"#, None));
    assert!(is_revoked(&list, r#"{"jti":"7"}"#, None));
    assert!(is_revoked(&list, r#"{"sub":18446744073709551616}"#, None));
    assert!(!is_revoked(&list, r#"{"jti":7.0}"#, None));
}

#[test]
fn an_issuer_speaks_for_its_own_tokens() {
    let list = list(10);
    let of = |issuer| Revocation::new(Kind::Jti, "x", Some(issuer), None, None).unwrap();
    list.add(&of("a"), at(NOW)).unwrap();
    assert!(is_revoked(&list, r#"{"jti":"x","iss":"a"}"#, None));
    for other in [
        r#"{"jti":"x","iss":"b"}"#,
        r#"{"jti":"x"}"#,
        r#"{"jti":"xa"}"#,
    ] {
        assert!(!is_revoked(&list, other, None), "{other}");
    }
    list.add(&revocation(Kind::Jti, "x"), at(NOW)).unwrap();
    assert!(is_revoked(&list, r#"{"jti":"x","iss":"b"}"#, None));
    assert!(is_revoked(&list, r#"{"jti":"x"}"#, None));
}

#[test]
fn a_subject_is_refused_what_was_issued_until_then() {
    let list = list(10);
    let until = |before| Revocation::new(Kind::Sub, "alice", None, Some(before), None).unwrap();
    list.add(&until(THEN), at(NOW)).unwrap();
    let say = |more: &str| is_revoked(&list, &format!(r#"{{"sub":"alice"{more}}}"#), None);
    assert!(say(r#","iat":1699999999"#) && say(r#","iat":1700000000.9"#));
    assert!(!say(r#","iat":1700000001"#));
    assert!(say(""), "it may have been before");
    assert!(say(r#","iat":1700000001000"#), "milliseconds");
    // Never for less than that.
    list.add(&until(THEN - 10), at(NOW)).unwrap();
    assert!(say(r#","iat":1700000000"#));
    list.add(&until(THEN + 10), at(NOW)).unwrap();
    assert!(say(r#","iat":1700000010"#) && !say(r#","iat":1700000011"#));
    let found = list.find(
        &Identity::of(&claiming(r#"{"sub":"alice"}"#), None),
        30,
        || at(NOW),
    );
    let text = found.unwrap().to_string();
    assert_eq!(text, r#"sub "alice", issued up to 1700000010"#);
}

#[test]
fn the_key_that_verified_it_counts_and_not_the_one_that_it_names() {
    let token = claiming("{}");
    assert_eq!(Identity::of(&token, Some("k")).kid.as_deref(), Some("k"));
    assert_eq!(Identity::of(&token, None).kid, None);
}

#[test]
fn what_has_ended_makes_room_and_nothing_else_does() {
    let list = list(3);
    let ending = |value, until| Revocation::new(Kind::Jti, value, None, None, Some(until)).unwrap();
    let find = |value: &str, now| {
        let claims = format!(r#"{{"jti":"{value}"}}"#);
        list.find(&Identity::of(&claiming(&claims), None), 30, || at(now))
            .is_some()
    };
    for (value, until) in [("a", THEN + 1), ("b", THEN + 2), ("c", ALWAYS)] {
        list.add(&ending(value, until), at(NOW)).unwrap();
    }
    assert!(find("a", NOW) && !find("a", NOW + 1) && find("b", NOW + 1));
    assert_eq!(
        list.add(&ending("d", ALWAYS), at(NOW)),
        Err(ListError::Full(3))
    );
    assert!(["a", "b", "c"].iter().all(|value| find(value, NOW)) && !find("d", NOW));
    // What is there already needs no room, and is never shortened.
    list.add(&ending("a", THEN), at(NOW)).unwrap();
    assert!(find("a", NOW));
    list.add(&ending("d", ALWAYS), at(NOW + 1)).unwrap();
    assert!(!find("a", NOW) && ["b", "c", "d"].iter().all(|value| find(value, NOW)));
    assert_eq!(list.page(None, 0, 10, at(NOW)).count, 3);
    assert_eq!(list.page(None, 0, 10, at(NOW + 2)).count, 2);
    let page = list.page(Some((Kind::Jti, "d")), 0, 10, at(NOW));
    assert_eq!(
        (page.count, page.revocations),
        (1, vec![ending("d", ALWAYS)])
    );
    assert_eq!(
        list.page(None, 1, 1, at(NOW)).revocations,
        [ending("c", ALWAYS)]
    );
}

#[test]
fn what_can_t_be_revoked_is_refused() {
    let new = |kind, value: &str, issuer, before| {
        Revocation::new(kind, value, issuer, before, None).map(drop)
    };
    let long = "x".repeat(MAX_BYTES + 1);
    assert_eq!(new(Kind::Jti, "", None, None), Err(RevocationError::Value));
    assert_eq!(
        new(Kind::Jti, &long, None, None),
        Err(RevocationError::Value)
    );
    assert_eq!(
        new(Kind::Jti, "x", Some(&long), None),
        Err(RevocationError::Issuer)
    );
    assert_eq!(
        new(Kind::Jti, "x", Some(""), None),
        Err(RevocationError::Issuer)
    );
    assert_eq!(
        new(Kind::Kid, "x", None, Some(1)),
        Err(RevocationError::Before)
    );
}

#[test]
fn the_longest_texts_are_kept_whole() {
    let list = list(10);
    let (value, issuer) = ("\u{e9}".repeat(127) + "x", "i".repeat(MAX_BYTES));
    let longest = Revocation::new(Kind::Sid, &value, Some(&issuer), None, None).unwrap();
    list.add(&longest, at(NOW)).unwrap();
    assert_eq!(list.page(None, 0, 1, at(NOW)).revocations, [longest]);
    let of = |value: &str, issuer: &str| {
        is_revoked(
            &list,
            &format!(r#"{{"sid":"{value}","iss":"{issuer}"}}"#),
            None,
        )
    };
    assert!(of(&value, &issuer));
    assert!(!of(&value, &issuer[1..]) && !of(&(value.clone() + "i"), &issuer[1..]));
}

/// A short name, so that many are the same.
fn named() -> impl Strategy<Value = (Kind, u8, bool)> {
    let kind = prop_oneof![Just(Kind::Jti), Just(Kind::Sid), Just(Kind::Kid)];
    (kind, 0_u8..12, any::<bool>())
}

proptest! {
    #[test]
    fn it_knows_what_a_map_knows(
        steps in proptest::collection::vec((named(), 0_i64..40), 0..120),
        capacity in 1_usize..9,
    ) {
        let list = list(capacity);
        let mut map: HashMap<(Kind, u8, bool), i64> = HashMap::new();
        for (now, (name, length)) in (0_i64..).zip(steps) {
            let (kind, value, has_issuer) = name;
            let until = now + length;
            let issuer = has_issuer.then_some("i");
            let new = Revocation::new(kind, &value.to_string(), issuer, None, Some(until)).unwrap();
            let added = list.told.add(&new, now);
            let counting = map.values().filter(|until| now < **until).count();
            if added.is_ok() {
                let known = map.entry(name).or_insert(until);
                *known = until.max(*known);
            } else {
                prop_assert!(counting == capacity && map.get(&name).is_none_or(|u| *u <= now));
            }
            for ((kind, value, has_issuer), until) in map.iter().filter(|(_, u)| now < **u) {
                let value = value.to_string();
                let issuer = has_issuer.then_some("i");
                let found = list.told.find(Key { kind: *kind, value: &value, issuer });
                prop_assert_eq!(found.map(|times| times.until), Some(*until));
            }
            let counting = map.values().filter(|until| now < **until).count();
            prop_assert_eq!(list.told.page(None, 0, 0, now).count, counting);
        }
    }
}

#[test]
fn readers_miss_nothing_while_room_is_made() {
    let list = list(8);
    let lasting = ["a", "b", "c"];
    for value in lasting {
        list.add(&revocation(Kind::Jti, value), at(NOW)).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..3 {
            let (list, done) = (&list, &done);
            scope.spawn(move || {
                let mut rounds = 0_u64;
                while !done.load(Ordering::Relaxed) || rounds == 0 {
                    for value in lasting {
                        let key = Key {
                            kind: Kind::Jti,
                            value,
                            issuer: None,
                        };
                        assert!(list.told.find(key).is_some(), "reader {reader}: {value}");
                        assert!(!list.is_empty());
                    }
                    rounds += 1;
                }
            });
        }
        for number in 0..20_000_i64 {
            let value = number.to_string();
            let new = Revocation::new(Kind::Jti, &value, None, None, Some(number + 1)).unwrap();
            // Each has ended when the next one comes.
            list.told.add(&new, number).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_table_replaces_what_is_older_and_never_in_part() {
    let list = list(2).told;
    let stamp = |reload, time| Stamp { reload, time };
    let of = |values: &[&str]| -> Vec<_> {
        let of = |value: &&str| revocation(Kind::Jti, value);
        values.iter().map(of).collect()
    };
    let known = || -> Vec<_> {
        let page = list.page(None, 0, 10, THEN);
        page.revocations.into_iter().map(|it| it.value).collect()
    };
    assert_eq!(list.stamp(), Stamp::default());
    list.replace(&of(&["a", "b"]), stamp(0, 5)).unwrap();
    assert_eq!(
        (known(), list.stamp()),
        (vec!["a".into(), "b".into()], stamp(0, 5))
    );
    // Two rows may say the same.
    list.replace(&of(&["c", "c"]), stamp(1, 3)).unwrap();
    assert_eq!(known(), ["c"]);
    for older in [stamp(0, 9), stamp(1, 2)] {
        list.replace(&of(&["d"]), older).unwrap();
        assert_eq!((known(), list.stamp()), (vec!["c".into()], stamp(1, 3)));
    }
    let full = list.replace(&of(&["x", "y", "z"]), stamp(1, 4));
    assert_eq!(full, Err(ListError::Full(2)));
    assert_eq!((known(), list.stamp()), (vec!["c".into()], stamp(1, 3)));
    list.replace(&[], stamp(1, 4)).unwrap();
    assert!(list.is_empty() && list.stamp() == stamp(1, 4));
    // One of many asks.
    assert!(list.may_ask(10, 5) && !list.may_ask(14, 5) && list.may_ask(15, 5));
}
