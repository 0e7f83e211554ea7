//! Slots of one size for sealed answers.

use std::sync::atomic::Ordering::Relaxed;

use zeroize::Zeroizing;

use super::seal::{Facts, Name, Sealer};
use crate::memory::AtomicU64;

/// In how many slots an answer may be. If others are in all of them, it displaces the one that was used the
/// longest time ago.
pub(super) const WAYS: usize = 4;

/// Words of a slot before the answer.
pub(super) const HEAD: usize = 8;

/// How much later it must be for a use to be noted, in nanoseconds: what many use at a time is not written each
/// time.
const USE: u64 = 1_000_000_000;

/// A sealed answer of at most `WORDS` words. All zero is free.
#[derive(Debug)]
#[repr(C)]
pub struct Slot<const WORDS: usize> {
    /// How its question's name begins; 0 if it is free.
    name: [AtomicU64; 2],
    /// When it was last used. All times are in nanoseconds since a certain moment.
    used: AtomicU64,
    number: AtomicU64,
    asked: AtomicU64,
    told: AtomicU64,
    /// Of the sealed answer, in bytes.
    length: AtomicU64,
    /// Nothing: a slot is as long as its size says.
    _rest: AtomicU64,
    body: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Slot<WORDS> {
    fn is(&self, name: &Name) -> bool {
        let mut words = self.name.iter().zip(&name.0);
        words.all(|(word, of)| word.load(Relaxed) == *of)
    }

    fn read(&self) -> Option<(Facts, Zeroizing<Vec<u8>>)> {
        let facts = Facts {
            number: self.number.load(Relaxed),
            asked: self.asked.load(Relaxed),
            told: self.told.load(Relaxed),
        };
        let length = usize::try_from(self.length.load(Relaxed)).ok()?;
        if length > 8 * WORDS {
            return None;
        }
        // All of it is sealed as yet. Room for the last word, so that nothing grows once it is opened.
        let mut bytes = Zeroizing::new(Vec::with_capacity(length.next_multiple_of(8)));
        for word in &self.body[..length.div_ceil(8)] {
            bytes.extend_from_slice(&word.load(Relaxed).to_le_bytes());
        }
        bytes.truncate(length);
        Some((facts, bytes))
    }

    fn write(&self, name: &Name, facts: Facts, bytes: &[u8]) {
        for (word, of) in self.name.iter().zip(&name.0) {
            word.store(*of, Relaxed);
        }
        self.used.store(facts.told, Relaxed);
        self.number.store(facts.number, Relaxed);
        self.asked.store(facts.asked, Relaxed);
        self.told.store(facts.told, Relaxed);
        self.length.store(bytes.len() as u64, Relaxed);
        for (word, bytes) in self.body.iter().zip(bytes.chunks(8)) {
            let mut last = [0; 8];
            last[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_le_bytes(last), Relaxed);
        }
    }
}

/// Slots of one size.
pub(super) struct Region<const WORDS: usize> {
    slots: &'static [Slot<WORDS>],
}

impl<const WORDS: usize> Region<WORDS> {
    pub(super) fn new(slots: &'static [Slot<WORDS>]) -> Self {
        Region { slots }
    }

    /// Where the answer to a question may be.
    fn slots(&self, name: &Name) -> &'static [Slot<WORDS>] {
        let sets = self.slots.len() / WAYS;
        // The third word, which is no part of what a slot knows, scaled from 2^64 to the number of sets.
        let scaled = (u128::from(name.0[2]) * sets as u128) >> 64;
        let first = usize::try_from(scaled).unwrap_or(0) * WAYS;
        self.slots.get(first..first + WAYS).unwrap_or_default()
    }

    /// The answer to a question, and what is known of it, if it is there, and all of it. `now` is a time.
    pub(super) fn find(
        &self,
        sealer: &Sealer,
        name: &Name,
        now: u64,
    ) -> Option<(Facts, Zeroizing<Vec<u8>>)> {
        // Two that wrote it at the same time may have taken two slots.
        let found = self.slots(name).iter().filter(|slot| slot.is(name));
        let opened = found.filter_map(|slot| {
            let (facts, bytes) = slot.read()?;
            let opened = sealer.open(name, facts, bytes)?;
            if now.saturating_sub(slot.used.load(Relaxed)) >= USE {
                slot.used.store(now, Relaxed);
            }
            Some((facts, opened))
        });
        opened.max_by_key(|(facts, _)| facts.asked)
    }

    /// Puts the answer to a question, which must not be too long, in place of what there was of it.
    pub(super) fn put(&self, name: &Name, facts: Facts, bytes: &[u8]) {
        let slots = self.slots(name);
        let slot = slots.iter().find(|slot| slot.is(name)).or_else(|| {
            let last_used = |slot: &&Slot<WORDS>| match slot.name[0].load(Relaxed) {
                0 => 0,
                _ => slot.used.load(Relaxed).max(1),
            };
            slots.iter().min_by_key(last_used)
        });
        if let Some(slot) = slot {
            slot.write(name, facts, bytes);
        }
    }

    /// Forgets what there is of a question.
    pub(super) fn forget(&self, name: &Name) {
        for slot in self.slots(name).iter().filter(|slot| slot.is(name)) {
            slot.name[0].store(0, Relaxed);
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    impl<const WORDS: usize> Region<WORDS> {
        /// The words of an answer that are looked at.
        pub(crate) fn words_of(&self, name: &Name) -> impl Iterator<Item = &'static AtomicU64> {
            let slot = self.slots(name).iter().find(|slot| slot.is(name)).unwrap();
            let length = slot.length.load(Relaxed) as usize;
            let facts = [&slot.number, &slot.asked, &slot.told, &slot.length];
            let all = slot.name.iter().chain(facts);
            all.chain(&slot.body[..length / 8])
        }
    }

    /// Slots of this process alone.
    pub(crate) fn slots<const WORDS: usize>(count: usize) -> &'static [Slot<WORDS>] {
        let word = || AtomicU64::new(0);
        let slot = || Slot {
            name: [word(), word()],
            used: word(),
            number: word(),
            asked: word(),
            told: word(),
            length: word(),
            _rest: word(),
            body: std::array::from_fn(|_| word()),
        };
        (0..count).map(|_| slot()).collect::<Vec<_>>().leak()
    }
}
