//! Every order in which two processes may see each other's writes.

use loom::thread;

use super::super::list::{Key, List, Memory, Stamp};
use super::*;
use crate::memory::in_every_order;

/// The lock is no part of the list: only one writes here.
fn list(capacity: usize) -> List {
    List::new(Memory::leaked(capacity), |_, work| {
        work();
        true
    })
}

fn of(value: &str) -> Key<'_> {
    Key {
        kind: Kind::Jti,
        value,
        issuer: None,
    }
}

fn until(value: &str, end: i64) -> Revocation {
    Revocation::new(Kind::Jti, value, None, None, Some(end)).unwrap()
}

#[test]
fn what_is_revoked_is_found_while_the_list_moves() {
    in_every_order(2, || {
        let list = list(2);
        list.add(&until("a", 100), 1).unwrap();
        list.add(&until("b", 5), 1).unwrap();
        let writer = {
            let list = list.clone();
            // There is no room, and one has ended: the other half counts from then on.
            thread::spawn(move || list.add(&until("c", 100), 10).unwrap())
        };
        assert_eq!(list.find(of("a")).map(|times| times.until), Some(100));
        writer.join().unwrap();
        assert!(list.find(of("a")).is_some() && list.find(of("c")).is_some());
        assert!(list.find(of("b")).is_none());
    });
}

#[test]
fn a_list_that_is_replaced_is_the_old_one_or_the_new_one() {
    in_every_order(2, || {
        let list = list(1);
        list.replace(&[until("a", 100)], Stamp { reload: 0, time: 1 })
            .unwrap();
        let writer = {
            let list = list.clone();
            let stamp = |time| Stamp { reload: 0, time };
            thread::spawn(move || {
                list.replace(&[until("a", 200)], stamp(2)).unwrap();
            })
        };
        let times = list.find(of("a")).expect("it is in both");
        assert!([100, 200].contains(&times.until));
        writer.join().unwrap();
        assert_eq!(list.find(of("a")).map(|times| times.until), Some(200));
    });
}
