//! Registrations that others make, as jambonz's registrar library does.

use super::*;

const INTERVAL: Duration = Duration::from_secs(30);

/// A whole round; how many steps it took.
fn round(site: &Site, registrations: &Registrations<'_>, now: u64) -> usize {
    site.cli(&["DEL", "auth_web_adopt"]);
    let Turn::Ours(mut at) = registrations.begin_round(INTERVAL).unwrap() else {
        panic!("it is another's turn");
    };
    let mut steps = 1;
    while let Some(next) = registrations.adopt(at, INTERVAL, now).unwrap() {
        at = next;
        steps += 1;
    }
    steps
}

fn score(site: &Site, index: &str, key: &str) -> Option<u64> {
    site.cli(&["ZSCORE", index, key]).parse().ok()
}

#[test]
fn they_are_taken_up_with_the_end_of_their_keys() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let registrations = Registrations::new(&session);
    save(&registrations, "own@a.example", "sip:1", None, NOW);
    for (key, seconds) in [
        ("user:a@a.example", "600"),
        ("user:b@A.Example", "60"),
        ("user:c@d@b.a.example", "600"),
        // Of no realm.
        ("user:nobody", "600"),
        ("user:nobody@", "600"),
        ("user", "600"),
        ("other:a@a.example", "600"),
    ] {
        site.cli(&["SET", key, "{}", "EX", seconds]);
    }
    // One that never ends is none of theirs.
    site.cli(&["SET", "user:ever@a.example", "{}"]);
    round(&site, &registrations, NOW);
    assert_eq!(registrations.count("a.example", NOW), Ok(3));
    assert_eq!(registrations.count("b.a.example", NOW), Ok(1));
    assert_eq!(registrations.count_all(NOW), Ok(4));
    let near = |index: &str, key: &str, seconds: u64| {
        let end = score(&site, index, key).unwrap_or_else(|| panic!("{key} is not in {index}"));
        let off = end.abs_diff(NOW + seconds * 1000);
        assert!(off < 30_000, "{key} in {index}: {off}");
    };
    near("active-user:a.example", "user:a@a.example", 600);
    near("active-user:a.example", "user:b@A.Example", 60);
    near("active-user", "user:c@d@b.a.example", 600);
    near("active-user", "user:own@a.example", 3600);
    assert_eq!(site.cli(&["EXISTS", "active-user:"]), "0");
    // Refreshed for longer, and for less; and signed off.
    site.cli(&["EXPIRE", "user:b@A.Example", "7200"]);
    site.cli(&["EXPIRE", "user:own@a.example", "120"]);
    site.cli(&["DEL", "user:a@a.example", "user:c@d@b.a.example"]);
    round(&site, &registrations, NOW);
    near("active-user:a.example", "user:b@A.Example", 7200);
    near("active-user:a.example", "user:own@a.example", 120);
    assert_eq!(registrations.count("a.example", NOW), Ok(2));
    assert_eq!(registrations.count_all(NOW), Ok(2));
    assert_eq!(site.cli(&["EXISTS", "active-user:b.a.example"]), "0");
    // They end as others do, in whatever case the realm was written.
    assert_eq!(registrations.expire(NOW + 7_300_000, 10), Ok(2));
    let indexes = ["EXISTS", "active-user", "active-user:a.example"];
    assert_eq!(site.cli(&indexes), "0");
}

#[test]
fn whose_account_is_that_of_the_domain_above_stays_there() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let registrations = Registrations::new(&session);
    let above = registrations.of_account(Some("a.example"));
    save(&above, "john@b.a.example", "sip:1", None, NOW);
    site.cli(&["EXPIRE", "user:john@b.a.example", "7200"]);
    round(&site, &registrations, NOW);
    assert_eq!(registrations.count("a.example", NOW), Ok(1));
    assert_eq!(registrations.count("b.a.example", NOW), Ok(0));
    let end = score(&site, "active-user:a.example", "user:john@b.a.example").unwrap();
    assert!(end > NOW + 7_000_000, "{end}");
    site.cli(&["DEL", "user:john@b.a.example"]);
    round(&site, &registrations, NOW);
    assert_eq!(site.cli(&["EXISTS", "active-user:a.example"]), "0");
}

#[test]
fn a_place_that_others_have_taken_is_no_longer_free() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let registrations = Registrations::new(&session);
    site.cli(&["SET", "user:theirs@a.example", "{}", "EX", "600"]);
    round(&site, &registrations, NOW);
    let saved = |name| save(&registrations, name, "sip:1", Some(2), NOW);
    assert!(saved("a@a.example").is_new());
    assert_eq!(saved("b@a.example"), Saved::Full);
    // Who was registered there keeps their place here.
    assert!(saved("theirs@a.example").before().is_some());
}

#[test]
fn there_are_many_and_what_is_no_index_is_left_alone() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let registrations = Registrations::new(&session);
    site.cli(&["SET", "active-user:x.example", "x"]);
    site.cli(&["SET", "user:a@x.example", "{}", "EX", "600"]);
    let set =
        "for n = 1, 1000 do redis.call('SET', 'user:' .. n .. '@a.example', '{}', 'EX', 600) end";
    site.cli(&["EVAL", set, "0"]);
    let steps = round(&site, &registrations, NOW);
    assert!(steps > 6, "{steps}");
    assert_eq!(registrations.count("a.example", NOW), Ok(1000));
    assert_eq!(registrations.count_all(NOW), Ok(1001));
    assert_eq!(site.cli(&["GET", "active-user:x.example"]), "x");
    site.cli(&[
        "EVAL",
        "redis.call('DEL', 'active-user') redis.call('SET', 'active-user', 'x')",
        "0",
    ]);
    site.cli(&["DEL", "auth_web_adopt"]);
    let Turn::Ours(at) = registrations.begin_round(INTERVAL).unwrap() else {
        panic!("it is another's turn");
    };
    let adopted = (0..100).try_fold(Some(at), |at, _| match at {
        Some(at) => registrations.adopt(at, INTERVAL, NOW),
        None => Ok(None),
    });
    assert!(
        matches!(adopted, Err(CacheError::Refused(_))),
        "{adopted:?}"
    );
    assert_eq!(site.cli(&["GET", "active-user"]), "x");
}

#[test]
fn one_at_a_time_has_a_round() {
    let Some(site) = Site::start() else { return };
    let session = site.session();
    let registrations = Registrations::new(&session);
    let interval = Duration::from_millis(400);
    let begin = || registrations.begin_round(interval).unwrap();
    let begun = Instant::now();
    let Turn::Ours(at) = begin() else {
        panic!("it is another's turn");
    };
    // On a busy machine it may be over already.
    let is_others = |turn: Turn, since: Instant| match turn {
        Turn::Others(left) => left <= interval,
        Turn::Ours(_) => since.elapsed() >= interval,
    };
    assert!(is_others(begin(), begun));
    thread::sleep(Duration::from_millis(300));
    // While it goes on, nobody else begins.
    let renewed = Instant::now();
    registrations.adopt(at, interval, NOW).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert!(is_others(begin(), renewed));
    thread::sleep(2 * interval);
    assert!(matches!(begin(), Turn::Ours(_)));
}
