//! The memory of answers, and the answers in it.

use std::fmt;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::leases::{LeaseWord, Leases};
use super::region::{self, Region, Slot};
use super::rows;
use super::seal::{Facts, Name, OVERHEAD, Sealer};
use crate::clock;
use crate::memory::AtomicU64;
use crate::store::{Cell, Select};

/// Words of an answer without rows.
pub(super) const NONE: usize = OVERHEAD.div_ceil(8);

/// Words of a short answer, so that a [`Slot`] takes 2 KiB: four public keys of RSA, or the row of an endpoint.
pub(super) const SHORT: usize = (2 << 10) / 8 - region::HEAD;

/// Words of a longer answer, so that a [`Slot`] takes 16 KiB.
pub(super) const LONG: usize = (16 << 10) / 8 - region::HEAD;

/// Words of a table as a whole, so that a [`Slot`] takes 4 MiB.
pub(super) const TABLE: usize = (4 << 20) / 8 - region::HEAD;

/// For how many short answers there is room for one longer one.
pub(super) const SHORT_FOR_LONG: usize = 16;

/// How many tables as a whole are remembered.
pub(super) const TABLES: usize = 4;

/// How many questions may be asked at a time by all processes without any of them being asked twice.
pub(super) const LEASES: usize = 4096;

/// The memory. Memory that no answer needed is never touched.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// One: how many answers were sealed.
    pub sealed: &'static [Counter],
    /// [`leases`](Memory::leases) of them.
    pub leases: &'static [LeaseWord],
    /// [`answers`](Memory::answers) of them, for those without rows.
    pub none: &'static [Slot<NONE>],
    /// [`answers`](Memory::answers) of them.
    pub short: &'static [Slot<SHORT>],
    /// [`long`](Memory::long) of them.
    pub long: &'static [Slot<LONG>],
    /// [`tables`](Memory::tables) of them.
    pub tables: &'static [Slot<TABLE>],
}

/// A number that only rises.
#[derive(Debug)]
#[repr(transparent)]
pub struct Counter(pub(super) AtomicU64);

impl Memory {
    /// None: nothing is shared.
    pub const NONE: Memory = Memory {
        sealed: &[],
        leases: &[],
        none: &[],
        short: &[],
        long: &[],
        tables: &[],
    };

    /// How many slots there are for this many answers.
    pub fn answers(count: usize) -> usize {
        count.next_multiple_of(region::WAYS)
    }

    /// How many for longer answers.
    pub fn long(count: usize) -> usize {
        Memory::answers(count.div_ceil(SHORT_FOR_LONG))
    }

    /// How many for tables as a whole.
    pub fn tables(count: usize) -> usize {
        if count == 0 { 0 } else { TABLES }
    }

    /// How many leases.
    pub fn leases(count: usize) -> usize {
        if count == 0 { 0 } else { LEASES }
    }

    /// How much it can take at most, in bytes.
    pub fn size(&self) -> usize {
        size_of_val(self.leases)
            + size_of_val(self.none)
            + size_of_val(self.short)
            + size_of_val(self.long)
            + size_of_val(self.tables)
    }
}

/// See the [module](self).
pub struct SharedRows {
    sealed: &'static [Counter],
    sealer: Sealer,
    pub(super) leases: Leases,
    none: Region<NONE>,
    pub(super) short: Region<SHORT>,
    long: Region<LONG>,
    tables: Region<TABLE>,
    pub(super) start: Instant,
    /// How long others wait for whoever asks.
    pub(super) patience: Duration,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(super) struct Answered {
    pub(super) rows: Vec<Vec<Cell>>,
    /// When it was asked for.
    pub(super) asked: Instant,
    /// When the answer was there.
    pub(super) told: Instant,
}

impl SharedRows {
    /// Shares nothing.
    pub fn none() -> Self {
        SharedRows::new([&[0; 32], &[1; 32]], Memory::NONE, Duration::ZERO, |_| {
            false
        })
    }

    /// Shares this memory, which must be all zero, with the processes that are forked from now on. `keys` are
    /// random; whoever asks is waited for no longer than `patience`; `is_alive` tells whether a process of that
    /// number is running.
    pub fn new(
        keys: [&[u8; 32]; 2],
        memory: Memory,
        patience: Duration,
        is_alive: fn(u64) -> bool,
    ) -> Self {
        SharedRows {
            sealed: memory.sealed,
            sealer: Sealer::new(keys),
            leases: Leases::new(memory.leases, is_alive),
            none: Region::new(memory.none),
            short: Region::new(memory.short),
            long: Region::new(memory.long),
            tables: Region::new(memory.tables),
            start: Instant::now(),
            patience,
        }
    }

    /// Whether anything is shared.
    pub fn is_shared(&self) -> bool {
        !self.sealed.is_empty()
    }

    /// The name of a question, after this many reloads.
    pub(super) fn name(&self, select: &Select<'_>, generation: u64) -> Name {
        let (columns, keys) = (select.columns.len() as u64, select.keys().count() as u64);
        let numbers = [select.limit as u64, generation, columns, keys];
        let texts = [select.table]
            .into_iter()
            .chain(select.columns.iter().copied());
        let keys = select.keys().flat_map(|(column, value)| [column, value]);
        self.sealer.name(&numbers, texts.chain(keys))
    }

    /// The answer to a question; one that it takes a while to read only if `is_patient`.
    pub(super) fn find(&self, name: &Name, now: Instant, is_patient: bool) -> Option<Answered> {
        let now = self.nanoseconds(now);
        let sealer = &self.sealer;
        let tables = || {
            let tables = is_patient.then_some(&self.tables)?;
            tables.find(sealer, name, now)
        };
        // Two that asked at a time may each have left one.
        let (facts, bytes) = [
            self.none.find(sealer, name, now),
            self.short.find(sealer, name, now),
            self.long.find(sealer, name, now),
            tables(),
        ]
        .into_iter()
        .flatten()
        .max_by_key(|(facts, _)| facts.asked)?;
        Some(Answered {
            rows: rows::unpack(&bytes)?,
            asked: self.start + Duration::from_nanos(facts.asked),
            told: self.start + Duration::from_nanos(facts.told),
        })
    }

    /// Remembers an answer that came now, unless it is too long, or what is known was asked for later.
    pub(super) fn tell(
        &self,
        name: &Name,
        packed: Zeroizing<Vec<u8>>,
        asked: Instant,
        now: Instant,
    ) {
        let Some(Counter(sealed)) = self.sealed.first() else {
            return;
        };
        if self
            .find(name, now, true)
            .is_some_and(|known| known.asked > asked)
        {
            return;
        }
        let facts = Facts {
            // No two answers are sealed with the same number: see `seal`.
            number: sealed.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            asked: self.nanoseconds(asked),
            told: self.nanoseconds(now),
        };
        let is_empty = packed.is_empty();
        let Some(bytes) = self.sealer.seal(name, facts, packed) else {
            return;
        };
        // What other slots have of it is older.
        self.forget(name);
        match bytes.len().div_ceil(8) {
            _ if is_empty => self.none.put(name, facts, &bytes),
            words if words <= SHORT => self.short.put(name, facts, &bytes),
            words if words <= LONG => self.long.put(name, facts, &bytes),
            words if words <= TABLE => self.tables.put(name, facts, &bytes),
            _ => {}
        }
    }

    /// Forgets the answer to a question.
    pub(super) fn forget(&self, name: &Name) {
        self.none.forget(name);
        self.short.forget(name);
        self.long.forget(name);
        self.tables.forget(name);
    }

    pub(super) fn nanoseconds(&self, time: Instant) -> u64 {
        clock::nanoseconds(time.saturating_duration_since(self.start))
    }
}

impl fmt::Debug for SharedRows {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SharedRows").finish_non_exhaustive()
    }
}
