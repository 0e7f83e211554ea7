//! Several processes that share what they fetch, played by several [`KeySources`].

use super::*;
use crate::keys::shared::SharedFetches;
use crate::keys::shared::tests::shared_places;

/// Another process of this scene's OpenSIPS.
fn fork(scene: &Scene, shared: &Arc<SharedFetches>) -> Scene {
    let provider = Arc::clone(&scene.provider);
    Scene {
        sources: KeySources::new(config(), Arc::clone(&provider) as _).sharing(Arc::clone(shared)),
        provider,
        start: scene.start,
    }
}

/// Two of them, and their provider's first answer.
fn two(answer: Result<Fetched, FetchError>) -> (Scene, Scene) {
    let shared = shared_places();
    let scene = Scene::with(answer);
    (fork(&scene, &shared), fork(&scene, &shared))
}

#[test]
fn one_request_serves_all() {
    let (a, b) = two(good(&[0], Some(500)));
    a.fetch(0).expect("a set");
    assert!(b.must_fetch("0", 20), "it has not looked yet");
    let keys = b.fetch(20).expect("a set");
    assert!(verifies(&keys, "0"));
    assert!(!b.must_fetch("0", 499));
    assert_eq!(a.provider.asked(), 1);
    // The time counts from the request, whoever made it.
    assert!(!b.should_refresh(499));
    assert!(b.should_refresh(500) && a.should_refresh(500));
    a.fetch(500).expect("a set");
    let same = b.fetch(501).expect("a set");
    assert!(
        Arc::ptr_eq(&keys, &same),
        "what was verified with it stays so"
    );
    assert!(!b.should_refresh(999));
    assert_eq!(a.provider.asked(), 2);
}

#[test]
fn a_new_key_is_known_to_all_and_asked_for_once() {
    let (a, b) = two(good(&[0], Some(1000)));
    a.fetch(0).expect("a set");
    b.fetch(0).expect("a set");
    let before = b.sources.generation();
    a.provider.says(good(&[0, 1], Some(1000)));
    assert!(a.must_fetch("1", 60) && b.must_fetch("1", 60));
    a.fetch(60).expect("a set");
    assert!(!b.must_fetch("1", 200), "it has heard");
    assert!(verifies(&b.known(), "1"));
    assert!(b.sources.generation() > before);
    // One that nobody has: the pause counts from the last request, whoever made it.
    assert!(!b.must_fetch("2", 89) && b.must_fetch("2", 90));
    b.fetch(90).expect("a set");
    assert!(!a.must_fetch("2", 119) && !a.sources.may_have_changed(URL, a.start + seconds(119)));
    assert!(a.sources.may_have_changed(URL, a.start + seconds(120)));
    assert_eq!(a.provider.asked(), 3);
}

#[test]
fn a_failure_is_met_once_and_heard_of_by_all() {
    let (a, b) = two(down());
    let error = a.fetch(0).expect_err("it is down");
    assert!(error.is_own);
    let heard = b.fetch(1).expect_err("it was down");
    assert!(!heard.is_own);
    assert_eq!(heard.cause, error.cause);
    assert!(!b.must_fetch("0", 29), "nor is it asked again so soon");
    assert_eq!(a.provider.asked(), 1);
    a.provider.says(good(&[0], None));
    b.fetch(30).expect("a set");
    assert!(a.sources.failure(URL).is_none());
    assert!(verifies(&a.known(), "0"));
    // What is not a set is one for nobody, and the last good one stays.
    a.provider.says(Ok(Fetched {
        body: b"<html>".to_vec(),
        max_age: None,
    }));
    a.fetch(130).expect_err("no set");
    let failure = b.sources.failure(URL).expect("it has heard");
    assert!(matches!(failure.cause, SourceCause::Key(_)));
    assert!(verifies(
        &failure.last_good.expect("the last good one"),
        "0"
    ));
}

#[test]
fn a_reload_asks_once_whoever_hears_of_it_first() {
    let (a, b) = two(good(&[0], Some(1000)));
    a.fetch(0).expect("a set");
    b.fetch(0).expect("a set");
    a.provider.says(good(&[1], Some(1000)));
    a.sources.reload(1);
    assert!(a.must_fetch("0", 1));
    a.fetch(1).expect("a set");
    // The other has not heard of the reload, but of the answer.
    assert!(verifies(&b.known(), "1") && !verifies(&b.known(), "0"));
    assert!(!b.must_fetch("1", 2));
    b.sources.reload(1);
    assert!(!b.must_fetch("1", 2), "that was after the reload");
    assert_eq!(a.provider.asked(), 2);
    b.sources.reload(2);
    assert!(b.must_fetch("1", 2), "that was before it");
    b.fetch(2).expect("a set");
    assert_eq!(a.provider.asked(), 3);
}

#[test]
fn who_comes_while_another_process_asks_waits_for_its_answer() {
    let provider = Slow::new();
    let shared = shared_places();
    let process =
        || KeySources::new(config(), Arc::clone(&provider) as _).sharing(Arc::clone(&shared));
    let (first, others) = (process(), [(); 3].map(|()| process()));
    let start = Instant::now();
    thread::scope(|scope| {
        let asking = scope.spawn(|| first.fetch_at(URL, start, far()));
        provider.begun.wait();
        let late = others[0].fetch_at(URL, start, Instant::now() + Duration::from_millis(20));
        assert_eq!(late.expect_err("no time").cause, SourceCause::StillAsking);
        let waiting: Vec<_> = others
            .iter()
            .flat_map(|other| [other, other])
            .map(|other| scope.spawn(move || other.fetch_at(URL, start, far())))
            .collect();
        provider.may_end.wait();
        asking.join().unwrap().expect("a set");
        for other in waiting {
            assert!(verifies(&other.join().unwrap().expect("a set"), "0"));
        }
    });
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_request_that_panics_leaves_it_to_another_process() {
    struct Panics;
    impl Fetch for Panics {
        fn get(&self, _: &str, _: Instant) -> Result<Fetched, FetchError> {
            panic!("a defect");
        }
    }
    let shared = shared_places();
    let sources = KeySources::new(config(), Arc::new(Panics)).sharing(Arc::clone(&shared));
    let scene = Scene::with(good(&[0], None));
    let other = fork(&scene, &shared);
    thread::scope(|scope| {
        let first = scope.spawn(|| sources.fetch_at(URL, other.start, far()));
        first.join().expect_err("the panic");
    });
    other.fetch(0).expect("a set");
    assert!(verifies(&sources.known(URL).expect("it has heard"), "0"));
}
