use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;
use crate::keys::reference::KeyReferenceError;

mod models;

const URL: &str = "https://idp.example/certs";

fn places(count: usize) -> &'static [Place] {
    // Each is longer than what the stack of a test holds.
    let made = thread::Builder::new().stack_size(64 << 20);
    let made = made.spawn(move || places_of(count)).expect("a thread");
    made.join().expect("there is memory")
}

fn places_of<const N: usize>(count: usize) -> &'static [Place<N>] {
    let empty = || Place {
        url: AtomicU64::new(0),
        lease: AtomicU64::new(0),
        until: AtomicU64::new(0),
        version: AtomicU64::new(0),
        facts: Default::default(),
        digest: Default::default(),
        body: std::array::from_fn(|_| AtomicU64::new(0)),
    };
    let mut places = Vec::with_capacity(count);
    places.resize_with(count, empty);
    places.leak()
}

fn shared(places: &'static [Place]) -> SharedFetches {
    SharedFetches::new(&[7; 32], places, |_| true)
}

fn document(body: &[u8]) -> Result<Fetched, FetchError> {
    Ok(Fetched {
        body: body.to_vec(),
        max_age: Some(Duration::from_millis(1500)),
    })
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn ours<'a>(shared: &SharedFetches, place: &'a Place) -> Lease<'a> {
    match shared.wait(place, place.version(), soon()) {
        Turn::Ours(lease) => lease,
        Turn::Told | Turn::Late => panic!("no lease"),
    }
}

#[test]
fn what_one_was_answered_all_are_told() {
    let shared = shared(places(1));
    let place = shared.place(URL).expect("a place");
    assert_eq!(shared.news(place, URL), None);
    let long = vec![0xa5; MAX_DOCUMENT];
    let reason = "no route: ".repeat(200);
    for (number, answer, told) in [
        (1, document(b""), document(b"")),
        (2, document(b"1234567"), document(b"1234567")),
        (3, document(b"12345678"), document(b"12345678")),
        (4, document(&long), document(&long)),
        (
            5,
            Err(FetchError::Redirect(302)),
            Err(FetchError::Redirect(302)),
        ),
        (
            6,
            Err(FetchError::Status(503)),
            Err(FetchError::Status(503)),
        ),
        (7, Err(FetchError::TooLong), Err(FetchError::TooLong)),
        (
            8,
            Err(FetchError::Failed(reason.clone())),
            Err(FetchError::Failed(reason[..MAX_REASON].to_owned())),
        ),
        (
            9,
            Err(KeyReferenceError::Unprotected.into()),
            Err(FetchError::Failed("it is not an acceptable URL".to_owned())),
        ),
    ] {
        let asked = shared.start + Duration::from_secs(number);
        let lease = ours(&shared, place);
        assert_eq!(
            shared.tell(&lease, URL, asked, 40 + number, &answer),
            number
        );
        let news = shared.news(place, URL).expect("news");
        assert_eq!(
            news,
            News {
                asked,
                reload: 40 + number,
                answer: told
            }
        );
        assert_eq!(place.version(), number);
    }
    let forever = Ok(Fetched {
        body: vec![],
        max_age: Some(Duration::MAX),
    });
    shared.tell(&ours(&shared, place), URL, Instant::now(), 0, &forever);
    let news = shared
        .news(place, URL)
        .expect("news")
        .answer
        .expect("a document");
    assert!(news.max_age > Some(Duration::from_secs(1 << 33)));
}

#[test]
fn urls_have_places_of_their_own_until_there_are_none() {
    let shared = shared(places(3));
    let urls = [
        "https://a.example/",
        "https://b.example/",
        "https://c.example/",
    ];
    let taken = urls.map(|url| shared.place(url).expect("a place"));
    for (number, (place, url)) in taken.iter().zip(urls).enumerate() {
        let lease = ours(&shared, place);
        shared.tell(&lease, url, Instant::now(), 0, &document(&[number as u8]));
    }
    for (number, url) in urls.into_iter().enumerate() {
        let place = shared.place(url).expect("the same place");
        let news = shared.news(place, url).expect("news");
        assert_eq!(news.answer, document(&[number as u8]));
        assert_eq!(
            shared.news(place, "https://d.example/"),
            None,
            "not its own"
        );
    }
    assert!(shared.place("https://d.example/").is_none());
    assert!(SharedFetches::none().place(URL).is_none());
}

#[test]
fn what_was_not_written_to_its_end_counts_as_nothing() {
    let shared = shared(places(1));
    let place = shared.place(URL).expect("a place");
    let first = document(&[1; 1000]);
    shared.tell(&ours(&shared, place), URL, Instant::now(), 0, &first);
    assert_eq!(shared.news(place, URL).expect("news").answer, first);
    let whole = place.body[3].swap(0, Ordering::Relaxed);
    assert_eq!(shared.news(place, URL), None);
    place.body[3].store(whole, Ordering::Relaxed);
    for fact in &place.facts {
        let whole = fact.swap(u64::MAX, Ordering::Relaxed);
        assert_eq!(shared.news(place, URL), None);
        fact.store(whole, Ordering::Relaxed);
    }
    assert_eq!(shared.news(place, URL).expect("news").answer, first);
    // Nobody waits for what can't be read: it is asked for again.
    place.body[3].store(0, Ordering::Relaxed);
    let second = document(&[2; 1000]);
    shared.tell(&ours(&shared, place), URL, Instant::now(), 0, &second);
    assert_eq!(shared.news(place, URL).expect("news").answer, second);
}

#[test]
fn one_asks_at_a_time_and_one_who_is_gone_keeps_nobody_waiting() {
    static ALIVE: AtomicBool = AtomicBool::new(true);
    let shared = SharedFetches::new(&[7; 32], places(1), |_| ALIVE.load(Ordering::Relaxed));
    let place = shared.place(URL).expect("a place");
    let late = || matches!(shared.wait(place, 0, Instant::now()), Turn::Late);
    let lease = ours(&shared, place);
    assert!(late());
    drop(lease);
    // It dies.
    std::mem::forget(ours(&shared, place));
    assert!(late());
    ALIVE.store(false, Ordering::Relaxed);
    assert!(!late());
    // It hangs for longer than it may ask.
    ALIVE.store(true, Ordering::Relaxed);
    let until = Instant::now() + Duration::from_millis(50);
    let Turn::Ours(hanging) = shared.wait(place, 0, until) else {
        panic!("no lease");
    };
    assert!(late());
    let next = ours(&shared, place);
    drop(hanging);
    assert!(late(), "what ran out is not the other's to return");
    shared.tell(&next, URL, Instant::now(), 0, &document(b"x"));
    assert!(matches!(shared.wait(place, 0, soon()), Turn::Told));
}

#[test]
fn readers_never_see_a_mixture() {
    let shared = shared(places(1));
    let place = shared.place(URL).expect("a place");
    let writing = AtomicBool::new(true);
    let shared = &shared;
    thread::scope(|scope| {
        let write = move |byte: u8| {
            let lease = Lease { place, mine: 0 };
            let body = vec![byte; usize::from(byte) * 20];
            let reload = u64::from(byte);
            shared.tell(&lease, URL, Instant::now(), reload, &document(&body));
        };
        // Two that each believe they hold the lease.
        let writers = [1_u8, 2].map(|first| {
            scope.spawn(move || {
                for round in 0..2000_usize {
                    write(first + 2 * (round % 100) as u8);
                }
            })
        });
        let readers = [(); 2].map(|()| {
            scope.spawn(|| {
                let mut read = 0;
                // With a single processor, a reader may see nothing complete until the end.
                while writing.load(Ordering::Relaxed) || read == 0 {
                    let Some(news) = shared.news(place, URL) else {
                        continue;
                    };
                    let body = news.answer.expect("a document").body;
                    let byte = body[0];
                    assert!(body.iter().all(|other| *other == byte));
                    assert_eq!(body.len(), usize::from(byte) * 20);
                    assert_eq!(news.reload, u64::from(byte));
                    read += 1;
                }
            })
        });
        for writer in writers {
            writer.join().expect("no panic");
        }
        // The last words of both may be mixed.
        write(1);
        writing.store(false, Ordering::Relaxed);
        for reader in readers {
            reader.join().expect("no mixture");
        }
    });
}

/// Places for the tests of those who share.
pub(in crate::keys) fn shared_places() -> std::sync::Arc<SharedFetches> {
    std::sync::Arc::new(shared(places(2)))
}
