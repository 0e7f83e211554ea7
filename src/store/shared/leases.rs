//! Who asks what at the moment.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::seal::Name;
use crate::memory::AtomicU64;

/// A question that is being asked, by whom and until when. All zero is none.
#[derive(Debug)]
#[repr(C)]
pub struct LeaseWord {
    /// The process in the upper bits, and how the question's name ends in the lower ones; 0 for none.
    holder: AtomicU64,
    /// When it runs out, a time.
    until: AtomicU64,
}

/// Bits of a question's name. Those above it hold any number of a process: Linux has at most 2^22.
const NAME_BITS: u32 = 42;
const NAME: u64 = (1 << NAME_BITS) - 1;

/// The leases of all processes.
pub(super) struct Leases {
    words: &'static [LeaseWord],
    is_alive: fn(u64) -> bool,
}

/// What came of wanting one.
pub(super) enum Wish {
    /// It is the caller's, who is to ask.
    Ours(Lease),
    /// Somebody asks this.
    Theirs,
    /// Others that ask something else are in its place: the caller may ask, and nobody waits for him.
    Neither,
}

impl Leases {
    pub(super) fn new(words: &'static [LeaseWord], is_alive: fn(u64) -> bool) -> Self {
        Leases { words, is_alive }
    }

    /// Takes the lease of a question until some time, unless another has it; `me` is the number of the calling
    /// process. What belongs to a process that is dead is nobody's.
    pub(super) fn take(&self, name: &Name, me: u64, now: u64, until: u64) -> Wish {
        let (end, place) = (name.0[3] & NAME, name.0[2]);
        let scaled = (u128::from(place) * self.words.len() as u128) >> 64;
        let Some(word) = usize::try_from(scaled).ok().and_then(|n| self.words.get(n)) else {
            return Wish::Neither;
        };
        let mine = me << NAME_BITS | end;
        let holder = word.holder.load(Acquire);
        let runs = holder != 0 && word.until.load(Acquire) > now;
        if runs && (self.is_alive)(holder >> NAME_BITS) {
            return match holder & NAME == end {
                true => Wish::Theirs,
                false => Wish::Neither,
            };
        }
        // First, so that nobody takes it for one that has run out.
        word.until.store(until, Release);
        match word.holder.compare_exchange(holder, mine, AcqRel, Acquire) {
            Ok(_) => Wish::Ours(Lease { word, mine }),
            Err(other) if other & NAME == end => Wish::Theirs,
            Err(_) => Wish::Neither,
        }
    }
}

/// The right to ask, until it is dropped.
pub(super) struct Lease {
    word: &'static LeaseWord,
    mine: u64,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Unless it ran out, and another has it now.
        let _ = self
            .word
            .holder
            .compare_exchange(self.mine, 0, Release, Relaxed);
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Leases of this process alone.
    pub(crate) fn words(count: usize) -> &'static [LeaseWord] {
        let word = || LeaseWord {
            holder: AtomicU64::new(0),
            until: AtomicU64::new(0),
        };
        (0..count).map(|_| word()).collect::<Vec<_>>().leak()
    }
}
