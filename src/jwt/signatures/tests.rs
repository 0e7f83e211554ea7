use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;

mod models;

fn memory(signatures: usize) -> Signatures {
    let buckets = (0..Bucket::count(signatures)).map(|_| Bucket::default());
    Signatures::new(&[7; 32], Box::leak(buckets.collect()))
}

/// Whether it is known without being verified.
fn knows(memory: &Signatures, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    memory.verified("RS256", key, message, signature, || false)
}

fn learn(memory: &Signatures, number: u64) {
    assert!(memory.verified("RS256", b"key", &number.to_le_bytes(), b"s", || true));
}

fn knows_number(memory: &Signatures, number: u64) -> bool {
    knows(memory, b"key", &number.to_le_bytes(), b"s")
}

#[test]
fn what_was_verified_is_known_and_nothing_else() {
    let memory = memory(100);
    let asked = Cell::new(0);
    let ask = |answer| {
        memory.verified("RS256", b"key", b"message", b"signature", || {
            asked.set(asked.get() + 1);
            answer
        })
    };
    assert!(!ask(false), "a refusal is the answer");
    assert!(ask(true), "and is not remembered");
    assert!(ask(false), "what is true stays true");
    assert_eq!(asked.get(), 2);
    for (key, message, signature) in [
        (&b"kez"[..], &b"message"[..], &b"signature"[..]),
        (b"key", b"messagf", b"signature"),
        (b"key", b"message", b"signaturf"),
        (b"key", b"message", b""),
        (b"keym", b"essage", b"signature"),
        (b"key", b"messages", b"ignature"),
    ] {
        assert!(!knows(&memory, key, message, signature));
    }
    assert!(!memory.verified("RS384", b"key", b"message", b"signature", || false));
}

#[test]
fn without_memory_each_is_verified() {
    let memory = Signatures::none();
    learn(&memory, 1);
    assert!(!knows_number(&memory, 1));
}

#[test]
fn as_many_as_it_is_made_for_are_remembered() {
    let memory = memory(10_000);
    (0..10_000).for_each(|number| learn(&memory, number));
    let known = (0..10_000).filter(|n| knows_number(&memory, *n)).count();
    assert!(known > 9_850, "{known}");
    (10_000..100_000).for_each(|number| learn(&memory, number));
    let known = (0..100_000).filter(|n| knows_number(&memory, *n)).count();
    assert!((15_000..=20_000).contains(&known), "{known}");
}

#[test]
fn the_least_recently_used_goes() {
    // One bucket.
    let memory = memory(4);
    (0..8).for_each(|number| learn(&memory, number));
    assert!((0..8).all(|number| knows_number(&memory, number)));
    assert!(knows_number(&memory, 0));
    learn(&memory, 8);
    learn(&memory, 9);
    let known: Vec<u64> = (0..10).filter(|n| knows_number(&memory, *n)).collect();
    assert_eq!(known, [0, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn threads_that_write_the_same_places_make_up_nothing() {
    let memory = memory(8);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (memory, is_over) = (&memory, &is_over);
            scope.spawn(move || {
                for number in 0.. {
                    learn(memory, number * 3 + thread);
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        for number in 0..100_000 {
            assert!(!knows_number(&memory, u64::MAX - number));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

proptest! {
    #[test]
    fn a_place_is_within_the_memory(count in 1_usize..1000, word in any::<u64>()) {
        let buckets: Vec<Bucket> = (0..count).map(|_| Bucket::default()).collect();
        let memory = Signatures::new(&[1; 32], Box::leak(buckets.into_boxed_slice()));
        memory.bucket(&[word, 0, 0, 0]);
        prop_assert_eq!(size_of::<Bucket>() % 64, 0);
    }
}
