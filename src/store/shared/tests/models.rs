//! Every order in which two processes may see each other's writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;
use zeroize::Zeroizing;

use super::super::leases::{Leases, Wish, testing::words};
use super::super::region::{Region, WAYS, testing::slots};
use super::super::seal::{Facts, Name, Sealer};
use crate::memory::in_every_order;

/// Words of an answer of one word.
const ONE: usize = 3;

struct Shared {
    sealer: Sealer,
    region: Region<ONE>,
    leases: Leases,
    name: Name,
}

fn shared() -> Arc<Shared> {
    let sealer = Sealer::new([&[7; 32], &[8; 32]]);
    Arc::new(Shared {
        name: sealer.name(&[], ["question"].into_iter()),
        sealer,
        region: Region::new(slots(WAYS)),
        leases: Leases::new(words(1), |_| true),
    })
}

impl Shared {
    fn put(&self, number: u64) {
        let facts = Facts {
            number,
            asked: number,
            told: number,
        };
        let bytes = Zeroizing::new(number.to_le_bytes().to_vec());
        let sealed = self.sealer.seal(&self.name, facts, bytes).unwrap();
        self.region.put(&self.name, facts, &sealed);
    }

    fn find(&self) -> Option<u64> {
        let (facts, bytes) = self.region.find(&self.sealer, &self.name, 0)?;
        assert_eq!(*bytes, facts.number.to_le_bytes());
        Some(facts.number)
    }
}

#[test]
fn what_is_read_while_it_is_written_is_one_answer_or_none() {
    in_every_order(1, || {
        let shared = shared();
        shared.put(1);
        let writer = {
            let shared = shared.clone();
            thread::spawn(move || shared.put(2))
        };
        let found = shared.find();
        assert!(matches!(found, None | Some(1 | 2)), "{found:?}");
        writer.join().unwrap();
        assert_eq!(shared.find(), Some(2));
    });
}

#[test]
fn one_of_two_asks_and_the_other_knows_or_waits() {
    in_every_order(2, || {
        let shared = shared();
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = |me: u64| {
            let (shared, asked) = (shared.clone(), asked.clone());
            move || {
                let wish = shared.leases.take(&shared.name, me, 0, 10);
                let Wish::Ours(_lease) = wish else {
                    assert!(matches!(wish, Wish::Theirs));
                    return;
                };
                if shared.find().is_none() {
                    asked.fetch_add(1, Ordering::Relaxed);
                    shared.put(me);
                }
            }
        };
        let other = thread::spawn(ask(2));
        ask(1)();
        other.join().unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    });
}
