//! Every order in which two processes may see each other's writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use super::*;
use crate::memory::in_every_order;

/// One place for answers of one word.
fn small() -> (Arc<SharedFetches<1>>, &'static Place<1>) {
    let places = places_of::<1>(1);
    let shared = SharedFetches::new(&[7; 32], places, |_| true);
    (Arc::new(shared), &places[0])
}

fn tell(shared: &SharedFetches<1>, lease: &Lease<'_, 1>, byte: u8) -> u64 {
    let answer = document(&[byte; 8]);
    shared.tell(lease, URL, shared.start, u64::from(byte), &answer)
}

fn is_whole(news: &News) -> bool {
    let body = &news.answer.as_ref().expect("a document").body;
    *body == [body[0]; 8] && u64::from(body[0]) == news.reload
}

#[test]
fn what_is_read_while_it_is_written_is_one_answer_or_none() {
    in_every_order(1, || {
        let (shared, place) = small();
        tell(&shared, &Lease { place, mine: 0 }, 1);
        let writer = {
            let shared = shared.clone();
            // It believes that it holds the lease.
            thread::spawn(move || tell(&shared, &Lease { place, mine: 0 }, 2))
        };
        assert!(shared.news(place, URL).is_none_or(|news| is_whole(&news)));
        assert_eq!(writer.join().unwrap(), 2);
        assert_eq!(shared.news(place, URL).map(|news| news.reload), Some(2));
    });
}

#[test]
fn one_of_two_asks_and_whoever_sees_the_version_sees_the_answer() {
    in_every_order(2, || {
        let (shared, place) = small();
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = |byte: u8| {
            let (shared, asked) = (shared.clone(), asked.clone());
            move || {
                let until = shared.start + Duration::from_secs(3600);
                if let Some(lease) = shared.lease(place, until)
                    && place.version() == 0
                {
                    asked.fetch_add(1, Ordering::Relaxed);
                    tell(&shared, &lease, byte);
                }
                if place.version() == 1 {
                    let news = shared.news(place, URL).expect("it is complete");
                    assert!(is_whole(&news));
                }
            }
        };
        let other = thread::spawn(ask(2));
        ask(1)();
        other.join().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    });
}
