//! URLs, with a provider played by the test. The clock is the test's.

mod providers;
mod together;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::jwt::algorithm::{Algorithm, AlgorithmSet};
use crate::jwt::key::KeyError;
use crate::jwt::signatures::Signatures;
use crate::jwt::testing::{self, fixture, parse, signing_key};
use crate::jwt::verify::verify_with_set;
use crate::keys::error::SourceCause;
use crate::keys::{FetchError, Fetched};

const URL: &str = "https://user:password@idp.example/certs?key=secret";

/// A provider whose answer is set by the test.
struct Provider {
    answer: Mutex<Result<Fetched, FetchError>>,
    asked: AtomicUsize,
}

impl Provider {
    fn new(answer: Result<Fetched, FetchError>) -> Arc<Self> {
        Arc::new(Self {
            answer: Mutex::new(answer),
            asked: AtomicUsize::new(0),
        })
    }

    fn says(&self, answer: Result<Fetched, FetchError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Fetch for Provider {
    fn get(&self, url: &str, _: Instant) -> Result<Fetched, FetchError> {
        assert_eq!(url, URL);
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answer.lock().unwrap().clone()
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Enough time for whatever takes real time.
fn far() -> Instant {
    Instant::now() + seconds(600)
}

fn config() -> SourceConfig {
    SourceConfig {
        min_ttl: seconds(100),
        max_ttl: seconds(1000),
        min_refresh: seconds(30),
        max_sources: 4,
        places: 4,
        named: None,
    }
}

/// A set of the first or the second of two keys, or of both; their kids are `0` and `1`.
fn set(kids: &[usize]) -> Vec<u8> {
    let mut published: Value =
        serde_json::from_str(include_str!("../../../tests/jwks/auth0.json")).unwrap();
    let keys = published["keys"].as_array_mut().unwrap();
    for (kid, key) in keys.iter_mut().enumerate() {
        key["kid"] = Value::from(kid.to_string());
    }
    let wanted: Vec<_> = kids.iter().map(|kid| keys[*kid].clone()).collect();
    serde_json::json!({ "keys": wanted })
        .to_string()
        .into_bytes()
}

fn good(kids: &[usize], max_age: Option<u64>) -> Result<Fetched, FetchError> {
    Ok(Fetched {
        body: set(kids),
        max_age: max_age.map(seconds),
    })
}

fn down() -> Result<Fetched, FetchError> {
    Err(FetchError::Failed("can't connect".to_owned()))
}

fn other_rsa_key() -> jsonwebtoken::EncodingKey {
    let pem = pem::parse(fixture!("rsa-2048-other.test-private.pem")).unwrap();
    jsonwebtoken::EncodingKey::from_rsa_der(pem.contents())
}

/// A token that names `kid`, signed with the key of that number (0 if it is not a number).
fn token(kid: &str) -> Token {
    let key = match kid {
        "1" => other_rsa_key(),
        _ => signing_key(Algorithm::RS256),
    };
    let header = format!(r#"{{"alg":"RS256","kid":"{kid}"}}"#);
    parse(&testing::signed(&header, "{}", Algorithm::RS256, &key))
}

fn verifies(keys: &KeySet, kid: &str) -> bool {
    verify_with_set(&token(kid), keys, AlgorithmSet::ALL, &Signatures::none()).is_ok()
}

struct Scene {
    provider: Arc<Provider>,
    sources: KeySources,
    start: Instant,
}

impl Scene {
    fn with(answer: Result<Fetched, FetchError>) -> Self {
        let provider = Provider::new(answer);
        Self {
            sources: KeySources::new(config(), Arc::clone(&provider) as _),
            provider,
            start: Instant::now(),
        }
    }

    /// A scene in which the provider's set of key 0 has been fetched.
    fn begun(max_age: Option<u64>) -> Self {
        let scene = Self::with(good(&[0], max_age));
        scene.fetch(0).expect("a set");
        scene
    }

    fn fetch(&self, at: u64) -> Result<Arc<KeySet>, SourceError> {
        self.sources.fetch_at(URL, self.start + seconds(at), far())
    }

    fn must_fetch(&self, kid: &str, at: u64) -> bool {
        self.sources
            .must_fetch(URL, &token(kid), self.start + seconds(at))
    }

    fn should_refresh(&self, at: u64) -> bool {
        self.sources.should_refresh(URL, self.start + seconds(at))
    }

    fn known(&self) -> Arc<KeySet> {
        self.sources.known(URL).expect("a set")
    }
}

#[test]
fn nothing_is_known_before_it_was_fetched() {
    let scene = Scene::with(good(&[0], None));
    assert!(scene.sources.known(URL).is_none());
    assert!(scene.sources.failure(URL).is_none());
    assert!(!scene.should_refresh(0));
    assert!(scene.must_fetch("0", 0));
    assert_eq!(scene.provider.asked(), 0, "only fetch asks");
    let keys = scene.fetch(0).expect("a set");
    assert!(verifies(&keys, "0") && !verifies(&keys, "1"));
    assert!(Arc::ptr_eq(&keys, &scene.known()));
    assert!(!scene.must_fetch("0", 0));
    assert_eq!(scene.provider.asked(), 1);
}

#[test]
fn a_provider_decides_how_long_its_set_is_fresh_within_bounds() {
    for (says, ttl) in [
        (None, 100),
        (Some(0), 100),
        (Some(99), 100),
        (Some(101), 101),
        (Some(999), 999),
        (Some(1000), 1000),
        (Some(1001), 1000),
        (Some(u64::MAX), 1000),
    ] {
        let scene = Scene::begun(says);
        assert!(!scene.should_refresh(ttl - 1), "{says:?}");
        assert!(scene.should_refresh(ttl), "{says:?}");
        assert!(!scene.must_fetch("0", ttl), "it serves meanwhile");
    }
}

#[test]
fn one_is_told_to_refresh_and_the_others_go_on() {
    let scene = Scene::begun(None);
    assert!(scene.should_refresh(100));
    for at in 100..130 {
        assert!(!scene.should_refresh(at));
    }
    assert!(scene.should_refresh(130), "whoever was told never came");
    scene.fetch(131).expect("a set");
    assert!(!scene.should_refresh(230));
    assert!(scene.should_refresh(231));
}

#[test]
fn a_new_key_is_known_as_soon_as_a_token_names_it() {
    let scene = Scene::begun(Some(1000));
    scene.provider.says(good(&[0, 1], Some(1000)));
    assert!(!scene.must_fetch("1", 29), "it was asked a moment ago");
    assert!(scene.must_fetch("1", 30));
    let keys = scene.fetch(30).expect("a set");
    assert!(verifies(&keys, "0") && verifies(&keys, "1"));
    assert!(!scene.must_fetch("1", 1000));
    // The old one is withdrawn.
    scene.provider.says(good(&[1], Some(1000)));
    assert!(scene.should_refresh(1030));
    let keys = scene.fetch(1030).expect("a set");
    assert!(!verifies(&keys, "0") && verifies(&keys, "1"));
}

#[test]
fn a_storm_of_unknown_kids_asks_once_in_min_refresh() {
    let scene = Scene::begun(Some(1000));
    let before = scene.provider.asked();
    let (mut told, mut kid) = (0, 0);
    for at in 1..=300 {
        for _ in 0..20 {
            kid += 1;
            let header = format!(r#"{{"alg":"RS256","kid":"made up {kid}"}}"#);
            let token = parse(&testing::with_header(&header));
            let now = scene.start + seconds(at);
            if scene.sources.must_fetch(URL, &token, now) {
                told += 1;
            }
            // A caller that was not told to fetch also gets what is known.
            assert!(scene.fetch(at).expect("a set").has_kid("0"));
        }
    }
    assert_eq!(scene.provider.asked() - before, 10);
    assert_eq!(told, 10);
}

#[test]
fn a_token_without_kid_or_a_set_without_kids_is_no_reason_to_ask() {
    let scene = Scene::begun(Some(1000));
    let nameless = parse(&testing::good(Algorithm::RS256, "{}"));
    let later = scene.start + seconds(500);
    assert!(!scene.sources.must_fetch(URL, &nameless, later));
    let text = String::from_utf8(set(&[0])).unwrap();
    let anonymous = text.replace(r#""kid":"0","#, "");
    assert_ne!(text, anonymous);
    scene.provider.says(Ok(Fetched {
        body: anonymous.into_bytes(),
        max_age: None,
    }));
    scene.fetch(500).expect("a set");
    assert!(!scene.must_fetch("whatever", 599));
}

#[test]
fn a_provider_that_is_down_leaves_its_last_good_set_in_use() {
    let scene = Scene::begun(None);
    let nonsense = |body: &[u8]| {
        Ok(Fetched {
            body: body.to_vec(),
            max_age: Some(seconds(1000)),
        })
    };
    let failures = [
        down(),
        Err(FetchError::Status(500)),
        Err(FetchError::Redirect(302)),
        Err(FetchError::TooLong),
        nonsense(b""),
        nonsense(b"<html>"),
        nonsense(b"{}"),
        nonsense(br#"{"keys":[]}"#),
        nonsense(br#"{"keys":{}}"#),
        nonsense(br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#),
        nonsense(fixture!("rsa-2048.public.pem")),
        nonsense(&[0xff; 1000]),
    ];
    let mut at = 100;
    for failure in failures {
        let shown = format!("{failure:?}");
        scene.provider.says(failure);
        assert!(scene.should_refresh(at), "{shown}");
        let error = scene.fetch(at).expect_err(&shown);
        let message = error.to_string();
        assert!(
            message.starts_with("keys from https://idp.example/certs: ")
                && message.ends_with("; the last good ones stay in use"),
            "{message}"
        );
        for secret in ["password", "key=secret", "user", "html", "c2Vj"] {
            assert!(!message.contains(secret), "{message}");
        }
        let last_good = error.last_good.expect("a set");
        assert!(Arc::ptr_eq(&last_good, &scene.known()));
        assert!(verifies(&last_good, "0"));
        // It is left alone for a while, even by a caller that does not check first.
        let asked = scene.provider.asked();
        assert!(!scene.should_refresh(at + 29) && !scene.must_fetch("1", at + 29));
        scene.fetch(at + 29).expect_err("the same again");
        assert_eq!(scene.provider.asked(), asked);
        at += 30;
    }
    // However long the outage, no one waits for a provider that is down.
    assert!(!scene.must_fetch("0", at + 1_000_000));
    scene.provider.says(good(&[1], None));
    assert!(scene.must_fetch("1", at));
    assert!(verifies(&scene.fetch(at).expect("a set"), "1"));
    assert!(scene.sources.failure(URL).is_none());
}

#[test]
fn a_provider_that_was_never_up_is_not_asked_by_every_token() {
    let scene = Scene::with(down());
    let error = scene.fetch(0).expect_err("it is down");
    assert_eq!(
        error.to_string(),
        "keys from a URL that has never answered: can't connect",
        "it may be a secret that looks like one"
    );
    let named = KeySources {
        config: SourceConfig {
            named: Some(URL.to_owned()),
            ..config()
        },
        ..scene.sources
    };
    let failure = named.failure(URL).expect("the reason").to_string();
    assert_eq!(
        failure,
        "keys from https://idp.example/certs: can't connect"
    );
    let scene = Scene {
        sources: named,
        ..scene
    };
    let error = scene.fetch(0).expect_err("it is down");
    assert!(scene.sources.known(URL).is_none());
    let failure = scene.sources.failure(URL).expect("the reason");
    assert_eq!(failure.to_string(), error.to_string());
    assert!(!scene.must_fetch("0", 29));
    scene.fetch(29).expect_err("it is not asked");
    assert_eq!(scene.provider.asked(), 1);
    assert!(scene.must_fetch("0", 30));
}

#[test]
fn a_set_that_nobody_used_for_long_is_fetched_before_it_is_used() {
    let scene = Scene::begun(None);
    assert!(!scene.must_fetch("0", 1999));
    assert!(scene.must_fetch("0", 2000));
    scene.provider.says(down());
    scene.fetch(2000).expect_err("it is down");
    assert!(!scene.must_fetch("0", 9999), "there is nothing better");
}

#[test]
fn secrets_that_are_published_do_not_count() {
    let text = String::from_utf8(set(&[0])).unwrap();
    let secret = r#"{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"},"#;
    let body = text.replace(r#"{"keys":["#, secret).into_bytes();
    let scene = Scene::with(Ok(Fetched {
        body,
        max_age: None,
    }));
    let keys = scene.fetch(0).expect("a set");
    assert_eq!(keys.keys().len(), 1);
    assert!(!keys.keys()[0].is_secret());
}

#[test]
fn after_a_reload_nothing_is_believed_before_it_was_asked_for() {
    let scene = Scene::begun(Some(1000));
    scene.provider.says(good(&[1], Some(1000)));
    scene.sources.reload(1);
    assert!(scene.must_fetch("0", 1), "min_refresh does not hold it up");
    let keys = scene.fetch(1).expect("a set");
    assert!(!verifies(&keys, "0") && verifies(&keys, "1"));
    assert!(!scene.must_fetch("0", 2));
    scene.sources.reload(2);
    scene.provider.says(down());
    let error = scene.fetch(3).expect_err("it is down");
    assert!(error.last_good.is_some());
    assert!(!scene.must_fetch("1", 4), "it was asked");
}

#[test]
fn the_generation_tells_of_changes_and_of_nothing_else() {
    let scene = Scene::with(good(&[0], None));
    let first = scene.sources.generation();
    let keys = scene.fetch(0).expect("a set");
    let second = scene.sources.generation();
    assert!(second > first);
    let again = scene.fetch(100).expect("the same set");
    assert!(Arc::ptr_eq(&keys, &again));
    scene.provider.says(down());
    scene.fetch(200).expect_err("it is down");
    assert_eq!(scene.sources.generation(), second);
    scene.provider.says(good(&[1], None));
    scene.fetch(300).expect("another set");
    assert!(scene.sources.generation() > second);
}

#[test]
fn the_least_used_url_is_forgotten() {
    struct Any;
    impl Fetch for Any {
        fn get(&self, _: &str, _: Instant) -> Result<Fetched, FetchError> {
            good(&[0], None)
        }
    }
    let sources = KeySources::new(config(), Arc::new(Any));
    let url = |number: usize| format!("https://idp.example/{number}");
    for number in 0..4 {
        sources.fetch(&url(number), far()).expect("a set");
    }
    assert!(sources.known(&url(0)).is_some());
    sources.fetch(&url(4), far()).expect("a set");
    let known: Vec<_> = (0..5).map(|n| sources.known(&url(n)).is_some()).collect();
    assert_eq!(known, [true, false, true, true, true]);
}

/// A provider that answers when the test lets it.
struct Slow {
    asked: AtomicUsize,
    begun: Barrier,
    may_end: Barrier,
}

impl Slow {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            asked: AtomicUsize::new(0),
            begun: Barrier::new(2),
            may_end: Barrier::new(2),
        })
    }
}

impl Fetch for Slow {
    fn get(&self, _: &str, _: Instant) -> Result<Fetched, FetchError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.begun.wait();
        self.may_end.wait();
        good(&[0], None)
    }
}

/// How many threads wait for the answer.
fn waiting(sources: &KeySources) -> usize {
    let publisher = sources.publishers.find(URL).expect("it was asked");
    publisher.lock().waiting()
}

fn until(condition: impl Fn() -> bool) {
    let end = far();
    while !condition() {
        assert!(Instant::now() < end, "it never happens");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn one_thread_asks_and_the_others_wait_for_its_result() {
    let provider = Slow::new();
    let sources = KeySources::new(config(), Arc::clone(&provider) as _);
    let start = Instant::now();
    thread::scope(|scope| {
        let first = scope.spawn(|| sources.fetch_at(URL, start, far()));
        provider.begun.wait();
        assert!(
            sources.must_fetch(URL, &token("0"), start),
            "whoever comes now waits too"
        );
        let others: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| sources.fetch_at(URL, start, far())))
            .collect();
        until(|| waiting(&sources) == 50);
        let late = sources.fetch_at(URL, start, Instant::now());
        assert_eq!(
            late.expect_err("no time left").cause,
            SourceCause::StillAsking
        );
        provider.may_end.wait();
        let keys = first.join().unwrap().expect("a set");
        for other in others {
            let same = other.join().unwrap().expect("a set");
            assert!(Arc::ptr_eq(&keys, &same));
        }
    });
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
    assert_eq!(waiting(&sources), 0);
}

#[test]
fn where_there_is_a_set_to_go_on_with_few_wait() {
    let provider = Slow::new();
    let sources = KeySources::new(config(), Arc::clone(&provider) as _);
    let start = Instant::now();
    let later = start + seconds(100);
    thread::scope(|scope| {
        let first = scope.spawn(|| sources.fetch_at(URL, start, far()));
        provider.begun.wait();
        provider.may_end.wait();
        first.join().unwrap().expect("a set");
        let second = scope.spawn(|| sources.fetch_at(URL, later, far()));
        provider.begun.wait();
        assert!(!sources.should_refresh(URL, later), "it is under way");
        assert!(!sources.must_fetch(URL, &token("0"), later));
        let others: Vec<_> = (0..super::super::published::MOST_WAITING)
            .map(|_| scope.spawn(|| sources.fetch_at(URL, later, far())))
            .collect();
        until(|| waiting(&sources) == super::super::published::MOST_WAITING);
        let error = sources.fetch_at(URL, later, far()).expect_err("too many");
        assert_eq!(error.cause, SourceCause::TooManyWait);
        assert!(verifies(&error.last_good.expect("a set"), "0"));
        provider.may_end.wait();
        second.join().unwrap().expect("a set");
        for other in others {
            other.join().unwrap().expect("a set");
        }
    });
}

#[test]
fn who_has_no_time_does_not_ask() {
    let scene = Scene::with(good(&[0], None));
    let error = scene.sources.fetch(URL, Instant::now()).expect_err("late");
    assert_eq!(error.cause, SourceCause::NoTime);
    assert_eq!(scene.provider.asked(), 0);
    assert!(scene.must_fetch("0", 0), "and keeps nobody from asking");
}

#[test]
fn a_request_that_panics_keeps_nobody_waiting() {
    struct Panics;
    impl Fetch for Panics {
        fn get(&self, _: &str, _: Instant) -> Result<Fetched, FetchError> {
            panic!("a defect");
        }
    }
    let sources = KeySources::new(config(), Arc::new(Panics));
    let start = Instant::now();
    thread::scope(|scope| {
        let first = scope.spawn(|| sources.fetch_at(URL, start, far()));
        first.join().expect_err("the panic");
    });
    assert!(!sources.must_fetch(URL, &token("0"), start));
    sources
        .fetch_at(URL, start, far())
        .expect_err("there is no result");
    assert!(sources.must_fetch(URL, &token("0"), start + seconds(30)));
}
