//! Every order in which two processes may see each other's writes.

use loom::thread;

use super::{knows_number, learn, memory};
use crate::memory::in_every_order;

#[test]
fn two_that_learn_at_a_time_make_up_nothing() {
    in_every_order(1, || {
        // One bucket, and both take the same place.
        let memory = memory(4);
        let writer = {
            let memory = memory.clone();
            thread::spawn(move || learn(&memory, 2))
        };
        learn(&memory, 1);
        assert!(!knows_number(&memory, 3));
        writer.join().unwrap();
        assert!(!knows_number(&memory, 3));
        // What was lost is learned again.
        learn(&memory, 4);
        assert!(knows_number(&memory, 4));
    });
}

#[test]
fn nothing_is_known_before_it_is_verified() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    in_every_order(2, || {
        let (memory, is_verified) = (memory(4), Arc::new(AtomicBool::new(false)));
        let writer = {
            let (memory, is_verified) = (memory.clone(), is_verified.clone());
            thread::spawn(move || {
                let verify = || {
                    is_verified.store(true, Ordering::SeqCst);
                    true
                };
                memory.verified("RS256", b"key", &1_u64.to_le_bytes(), b"s", verify)
            })
        };
        if knows_number(&memory, 1) {
            assert!(is_verified.load(Ordering::SeqCst));
        }
        assert!(writer.join().unwrap());
        assert!(knows_number(&memory, 1));
    });
}
