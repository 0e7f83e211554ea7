//! What many processes hand to one of them: texts in shared memory, without a lock and without waiting.
//!
//! Each text takes a slot for as long as it takes to be fetched. A writer takes a free one by writing its own number
//! there, and gives it on once the text is whole: one that is killed in between leaves a slot that whoever fetches
//! frees, and half a text is never fetched. Where no slot is free the text is lost, and whoever wrote it is told.

use std::fmt;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::memory::AtomicU64;

/// Nobody's.
const FREE: u64 = 0;

/// Whole. No process has such a number.
const WHOLE: u64 = u64::MAX;

/// How many slots are looked at for a free one: with fewer than nine of ten taken, one is found as good as always.
const TRIES: usize = 64;

/// The bytes of a word.
const WORD: usize = size_of::<u64>();

/// A text of up to `WORDS` words. All zero is free.
#[derive(Debug)]
#[repr(C)]
pub struct Slot<const WORDS: usize> {
    /// [`FREE`], [`WHOLE`], or the number of the process that writes.
    state: AtomicU64,
    time: AtomicU64,
    length: AtomicU64,
    text: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for Slot<WORDS> {
    fn default() -> Self {
        Slot {
            state: AtomicU64::default(),
            time: AtomicU64::default(),
            length: AtomicU64::default(),
            text: std::array::from_fn(|_| AtomicU64::default()),
        }
    }
}

/// See the [module](self).
pub struct Queue<const WORDS: usize> {
    slots: &'static [Slot<WORDS>],
    is_alive: fn(u64) -> bool,
    /// The number of the calling process.
    me: fn() -> u64,
}

impl<const WORDS: usize> fmt::Debug for Queue<WORDS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Queue").field(&self.slots.len()).finish()
    }
}

/// A text that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The time that it was given.
    pub time: u64,
    /// The text, as long as it was.
    pub text: Vec<u8>,
}

impl<const WORDS: usize> Queue<WORDS> {
    /// The longest text, in bytes.
    pub const MOST_BYTES: usize = WORDS * WORD;

    /// In these slots, which must be all zero, for the processes that are forked from now on. `is_alive` tells
    /// whether a process of that number is running.
    pub fn new(slots: &'static [Slot<WORDS>], is_alive: fn(u64) -> bool) -> Self {
        Queue {
            slots,
            is_alive,
            me: || std::process::id().into(),
        }
    }

    /// Hands over a text, and the time at which it came up. False if it is lost, because no slot is free or it is
    /// longer than [`MOST_BYTES`](Self::MOST_BYTES). Any thread of any process may.
    pub fn push(&self, time: u64, text: &[u8]) -> bool {
        self.put(time, text).is_some()
    }

    /// The same for somebody in particular, who [takes](Slot::take) it out of its slot.
    pub fn put(&self, time: u64, text: &[u8]) -> Option<&'static Slot<WORDS>> {
        if text.len() > Self::MOST_BYTES || self.slots.is_empty() {
            return None;
        }
        let count = self.slots.len();
        // Writers begin at different places.
        let mixed = (time ^ (self.me)().rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let first = usize::try_from((mixed >> 32) % count as u64).unwrap_or(0);
        let mut slots = (0..TRIES.min(count)).map(|at| &self.slots[(first + at) % count]);
        let me = (self.me)();
        let taken = slots.find(|slot| {
            let taken = slot.state.compare_exchange(FREE, me, Acquire, Relaxed);
            taken.is_ok()
        });
        let slot = taken?;
        slot.time.store(time, Relaxed);
        slot.length.store(text.len() as u64, Relaxed);
        for (word, bytes) in slot.text.iter().zip(text.chunks(WORD)) {
            let mut whole = [0; WORD];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(whole), Relaxed);
        }
        slot.state.store(WHOLE, Release);
        Some(slot)
    }

    /// The slot at this address, if there is one.
    pub fn slot_at(&self, address: usize) -> Option<&'static Slot<WORDS>> {
        let is_there = |slot: &&Slot<WORDS>| std::ptr::from_ref(*slot).addr() == address;
        self.slots.iter().find(is_there)
    }

    /// Frees what came up before this time, and nobody has taken.
    pub fn forget_before(&self, time: u64) {
        for slot in self.slots {
            if slot.state.load(Acquire) == WHOLE && slot.time.load(Relaxed) < time {
                let _ = slot.state.compare_exchange(WHOLE, FREE, AcqRel, Relaxed);
            }
        }
    }

    /// Fetches up to `most` texts, in the order of their times. Only one thread of one process may.
    pub fn fetch(&self, most: usize) -> Vec<Item> {
        let mut items = Vec::new();
        for slot in self.slots {
            if items.len() >= most {
                break;
            }
            match slot.state.load(Acquire) {
                FREE => {}
                WHOLE => {
                    items.push(slot.item());
                    slot.state.store(FREE, Release);
                }
                writer if !(self.is_alive)(writer) => {
                    let _ = slot.state.compare_exchange(writer, FREE, AcqRel, Relaxed);
                }
                _ => {}
            }
        }
        items.sort_by_key(|item| item.time);
        items
    }
}

impl<const WORDS: usize> Slot<WORDS> {
    /// Takes what was put there; `None` if it is there no more. Only one thread of one process may.
    pub fn take(&self) -> Option<Item> {
        if self.state.load(Acquire) != WHOLE {
            return None;
        }
        let item = self.item();
        let taken = self.state.compare_exchange(WHOLE, FREE, AcqRel, Relaxed);
        taken.is_ok().then_some(item)
    }

    fn item(&self) -> Item {
        let length = usize::try_from(self.length.load(Relaxed)).unwrap_or(0);
        let words = self.text.iter().take(length.div_ceil(WORD));
        let mut text: Vec<u8> = words
            .flat_map(|word| word.load(Relaxed).to_le_bytes())
            .collect();
        text.truncate(length);
        Item {
            time: self.time.load(Relaxed),
            text,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::memory::in_every_order;

    fn queue(slots: usize) -> Queue<4> {
        let slots: Vec<Slot<4>> = (0..slots).map(|_| Slot::default()).collect();
        Queue::new(slots.leak(), |pid| pid == 7)
    }

    fn texts<const WORDS: usize>(queue: &Queue<WORDS>, most: usize) -> Vec<String> {
        let items = queue.fetch(most).into_iter();
        items
            .map(|item| String::from_utf8(item.text).unwrap())
            .collect()
    }

    #[test]
    fn texts_come_whole_and_in_the_order_of_their_times() {
        let queue = queue(8);
        for (time, text) in [
            (3, "three"),
            (1, ""),
            (2, "exactly 32 bytes: 0123456789abcd"),
        ] {
            assert!(queue.push(time, text.as_bytes()), "{text}");
        }
        assert!(!queue.push(4, &[b'x'; 33]), "longer than a slot");
        let whole = ["", "exactly 32 bytes: 0123456789abcd", "three"];
        assert_eq!(texts(&queue, 10), whole);
        assert!(queue.fetch(10).is_empty());
    }

    #[test]
    fn what_finds_no_room_is_lost_and_the_next_has_room_again() {
        let queue = queue(3);
        let pushed = (0..5).filter(|time| queue.push(*time, b"x")).count();
        assert_eq!(pushed, 3);
        assert_eq!(queue.fetch(2).len(), 2);
        assert_eq!((0..5).filter(|time| queue.push(*time, b"y")).count(), 2);
        assert_eq!(queue.fetch(9).len(), 3);
        assert!(!self::queue(0).push(1, b"x"));
    }

    #[test]
    fn what_is_for_somebody_is_taken_once_or_forgotten() {
        let queue = queue(2);
        let slot = queue.put(5, b"x").unwrap();
        let there = queue.slot_at(std::ptr::from_ref(slot).addr()).unwrap();
        assert!(queue.slot_at(1).is_none());
        assert_eq!(there.take().unwrap().text, b"x");
        assert!(there.take().is_none());
        let slot = queue.put(6, b"y").unwrap();
        queue.forget_before(6);
        assert_eq!(slot.take().unwrap().time, 6);
        let slot = queue.put(7, b"z").unwrap();
        queue.forget_before(8);
        assert!(slot.take().is_none());
    }

    #[test]
    fn half_a_text_is_never_fetched_and_its_slot_is_freed_once_its_writer_is_gone() {
        let queue = queue(2);
        for (slot, writer) in queue.slots.iter().zip([7, 8]) {
            slot.state.store(writer, Relaxed);
        }
        assert!(!queue.push(1, b"x"), "both are being written");
        assert!(queue.fetch(9).is_empty());
        assert!(queue.push(1, b"x"), "one of the writers is gone");
        assert!(!queue.push(1, b"x"), "the other is not");
        assert_eq!(texts(&queue, 9), ["x"]);
    }

    #[test]
    fn nothing_is_torn_or_lost_in_whatever_order_it_is_seen() {
        in_every_order(2, || {
            let slots: Vec<Slot<2>> = (0..2).map(|_| Slot::default()).collect();
            let queue = Arc::new(Queue {
                // The model counts what is never dropped as lost.
                slots: &*Box::leak(slots.into_boxed_slice()),
                is_alive: |_| true,
                me: || 1,
            });
            let writer = |text: &'static [u8]| {
                let queue = Arc::clone(&queue);
                loom::thread::spawn(move || assert!(queue.push(0, text)))
            };
            let writers = [writer(b"aaaaaaaaaaaa"), writer(b"bbbbbbbbbbbb")];
            let mut seen = texts(&queue, 9);
            for writer in writers {
                writer.join().unwrap();
            }
            seen.extend(texts(&queue, 9));
            seen.sort();
            assert_eq!(seen, ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]);
        });
    }
}
