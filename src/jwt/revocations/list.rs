//! A bounded list of what is revoked, in memory that processes share.
//!
//! Readers take no lock and wait for nobody. There are two halves, of which one counts: entries are added to
//! that one, behind those that are there, and an entry is found only once it is whole. Entries that have ended
//! are left where they are until there is no room: then what counts still is written into the other half, and
//! the number of the generation says that from now on that one counts. Who reads looks at that number before
//! and after, and once more if it has changed. So whoever is killed while he writes leaves behind what counted
//! before, and nothing else.
//!
//! Those who write exclude each other; how is up to whoever makes the list.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{
    AtomicU64 as Lock,
    Ordering::{Acquire, Relaxed, Release},
};

use thiserror::Error;

use super::revocation::{Kind, MAX_BYTES, Revocation};
use crate::memory::{AtomicI64, AtomicU64, fence};

/// Words of the texts of an entry: of what is revoked, and of its issuer.
const WORDS: usize = (2 * MAX_BYTES).div_ceil(8);

/// What is revoked, or where there was something. All zero is a value.
#[derive(Debug)]
#[repr(C)]
pub struct Entry {
    hash: AtomicU64,
    /// The kind, and the lengths of the texts.
    facts: AtomicU64,
    before: AtomicI64,
    until: AtomicI64,
    text: [AtomicU64; WORDS],
}

/// The number of an entry, counted from 1, where its hash leads to, and the upper half of that hash, so that no
/// other entry is looked at; 0 for none.
#[derive(Debug)]
#[repr(transparent)]
pub struct Slot(AtomicU64);

impl Slot {
    fn of(hash: u64, number: u32) -> u64 {
        hash & UPPER | u64::from(number)
    }
}

const UPPER: u64 = u64::MAX << 32;

#[derive(Debug)]
#[repr(C)]
struct Numbers {
    /// How many entries there are.
    count: AtomicU64,
    /// A bit for each kind, with an issuer and without, that is among them.
    kinds: AtomicU64,
    /// Of a list that is written as a whole: see [`Stamp`].
    reload: AtomicU64,
    time: AtomicU64,
}

/// The numbers of a list. All zero is an empty list.
#[derive(Debug)]
#[repr(C)]
pub struct Head {
    /// Changes with the half that counts, which is that of its last bit.
    generation: AtomicU64,
    /// For those who write.
    lock: Lock,
    /// When somebody last wanted to write all of it; a time as in [`Stamp`].
    wanted: AtomicU64,
    /// When others were last heard of, a time as in [`Stamp`].
    heard: AtomicU64,
    /// Up to where: see [`Place`].
    place: [AtomicU64; 3],
    /// Until when somebody hears others, a time as in [`Stamp`]; 0 if nobody does.
    turn: AtomicU64,
    halves: [Numbers; 2],
}

/// The memory of a list: all zero, or used by one that has the same hashes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// One.
    pub head: &'static Head,
    /// [`entries`](Memory::entries) of them.
    pub entries: &'static [Entry],
    /// [`slots`](Memory::slots) of them.
    pub slots: &'static [Slot],
}

impl Memory {
    /// How many entries are needed for a list of that capacity.
    pub const fn entries(capacity: usize) -> usize {
        2 * capacity
    }

    /// How many slots.
    pub const fn slots(capacity: usize) -> usize {
        // At most half of them are taken, so that a search is short.
        2 * (2 * capacity).next_power_of_two()
    }
}

#[cfg(test)]
impl Memory {
    /// Memory of this process for a list of that capacity.
    pub(crate) fn leaked(capacity: usize) -> Self {
        fn leak<T>(count: usize, zero: impl Fn() -> T) -> &'static [T] {
            (0..count).map(|_| zero()).collect::<Vec<_>>().leak()
        }
        let numbers = || Numbers {
            count: AtomicU64::new(0),
            kinds: AtomicU64::new(0),
            reload: AtomicU64::new(0),
            time: AtomicU64::new(0),
        };
        let head = leak(1, || Head {
            generation: AtomicU64::new(0),
            lock: Lock::new(0),
            wanted: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            place: std::array::from_fn(|_| AtomicU64::new(0)),
            turn: AtomicU64::new(0),
            halves: [numbers(), numbers()],
        });
        let entry = || Entry {
            hash: AtomicU64::new(0),
            facts: AtomicU64::new(0),
            before: AtomicI64::new(0),
            until: AtomicI64::new(0),
            text: std::array::from_fn(|_| AtomicU64::new(0)),
        };
        Memory {
            head: &head[0],
            entries: leak(Memory::entries(capacity), entry),
            slots: leak(Memory::slots(capacity), || Slot(AtomicU64::new(0))),
        }
    }
}

/// Does something while no other process does so with the same number, which is 0 if nobody does; false
/// if that could not be had.
pub type Exclusively = fn(&'static Lock, &mut dyn FnMut()) -> bool;

/// Why something is not revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ListError {
    /// There is no room.
    #[error("{0} revocations count, which is the limit (revocations_max)")]
    Full(usize),
    /// Another process writes, and does not end.
    #[error("another process writes to the list of revocations")]
    Busy,
}

/// What an entry is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    /// The kind.
    pub kind: Kind,
    /// The value.
    pub value: &'a str,
    /// The issuer; `None` for any.
    pub issuer: Option<&'a str>,
}

impl Key<'_> {
    fn bit(&self) -> u64 {
        1 << (2 * self.kind as u64 + u64::from(self.issuer.is_some()))
    }
}

/// Since when, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// See [`Revocation::before`].
    pub before: i64,
    /// See [`Revocation::until`].
    pub until: i64,
}

/// When what is in a list was asked for. All zero is never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// After how many reloads.
    pub reload: u64,
    /// In nanoseconds since some moment before the first.
    pub time: u64,
}

/// Up to where others were heard of. All zero is nowhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The number of the last that was heard.
    pub at: u64,
    /// The highest number that there was then.
    pub known: u64,
    /// The tag of that one; 0 for none.
    pub tag: u64,
}

/// That whoever has it hears others, and nobody else does until it has ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn(u64);

/// A part of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many count.
    pub count: usize,
    /// Some of them.
    pub revocations: Vec<Revocation>,
}

/// The texts of an entry as words.
struct Packed {
    facts: u64,
    text: [u64; WORDS],
}

impl Packed {
    fn of(key: &Key<'_>) -> Self {
        let issuer = key.issuer.unwrap_or_default();
        let mut bytes = [0; 8 * WORDS];
        let all = key.value.bytes().chain(issuer.bytes());
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = byte;
        }
        let mut text = [0; WORDS];
        for (word, eight) in text.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*eight);
        }
        Packed {
            facts: key.kind as u64
                | u64::from(key.issuer.is_some()) << 8
                | (key.value.len() as u64) << 16
                | (issuer.len() as u64) << 32,
            text,
        }
    }

    fn words(&self) -> usize {
        let bytes = (self.facts >> 16 & 0xffff) + (self.facts >> 32 & 0xffff);
        usize::try_from(bytes).unwrap_or(0).div_ceil(8).min(WORDS)
    }

    /// The reverse of [`of`](Self::of); `None` for what was read while it was written.
    fn unpack(&self, times: Times) -> Option<Revocation> {
        let kind = usize::try_from(self.facts & 0xff).ok()?;
        let length = usize::try_from(self.facts >> 16 & 0xffff).ok()?;
        let issuer = usize::try_from(self.facts >> 32 & 0xffff).ok()?;
        let bytes: Vec<u8> = self
            .text
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let text = |from: usize, length: usize| {
            let text = bytes.get(from..from + length)?;
            String::from_utf8(text.to_vec()).ok()
        };
        Some(Revocation {
            kind: *Kind::ALL.get(kind)?,
            value: text(0, length)?,
            issuer: match self.facts >> 8 & 0xff {
                0 => None,
                _ => Some(text(length, issuer)?),
            },
            before: times.before,
            until: times.until,
        })
    }
}

impl Entry {
    fn is(&self, hash: u64, packed: impl Fn() -> Packed) -> bool {
        if self.hash.load(Relaxed) != hash {
            return false;
        }
        let packed = packed();
        let words = packed.words();
        let mut text = self.text[..words].iter().zip(&packed.text);
        self.facts.load(Relaxed) == packed.facts && text.all(|(a, b)| a.load(Relaxed) == *b)
    }

    fn times(&self) -> Times {
        Times {
            before: self.before.load(Relaxed),
            until: self.until.load(Relaxed),
        }
    }

    fn packed(&self) -> Packed {
        Packed {
            facts: self.facts.load(Relaxed),
            text: self.text.each_ref().map(|word| word.load(Relaxed)),
        }
    }

    fn write(&self, hash: u64, packed: &Packed, times: Times) {
        self.hash.store(hash, Relaxed);
        self.facts.store(packed.facts, Relaxed);
        self.before.store(times.before, Relaxed);
        self.until.store(times.until, Relaxed);
        // What is behind them is never looked at.
        for (word, value) in self.text.iter().zip(&packed.text[..packed.words()]) {
            word.store(*value, Relaxed);
        }
    }
}

/// One half of a list.
#[derive(Clone, Copy)]
struct Half {
    numbers: &'static Numbers,
    entries: &'static [Entry],
    slots: &'static [Slot],
}

impl Half {
    /// The slots that a hash leads to, one after the other.
    fn slots(&self, hash: u64) -> impl Iterator<Item = &'static Slot> {
        let mask = self.slots.len() - 1;
        let first = usize::try_from(hash & mask as u64).unwrap_or(0);
        let slots = self.slots;
        (0..slots.len()).map(move |step| &slots[(first + step) & mask])
    }

    fn find(&self, hash: u64, key: &Key<'_>) -> Option<&'static Entry> {
        let entries = self.entries;
        self.slots(hash)
            .map(|slot| slot.0.load(Acquire))
            .take_while(|slot| *slot != 0)
            .filter(|slot| slot & UPPER == hash & UPPER)
            .filter_map(|slot| entries.get(usize::try_from(slot & !UPPER).ok()?.checked_sub(1)?))
            .find(|entry| entry.is(hash, || Packed::of(key)))
    }

    fn count(&self) -> usize {
        let count = usize::try_from(self.numbers.count.load(Acquire));
        count.unwrap_or(usize::MAX).min(self.entries.len())
    }

    /// Those that are written, at this moment.
    fn written(&self) -> &'static [Entry] {
        &self.entries[..self.count()]
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            reload: self.numbers.reload.load(Relaxed),
            time: self.numbers.time.load(Relaxed),
        }
    }

    fn clear(&self) {
        self.numbers.count.store(0, Relaxed);
        self.numbers.kinds.store(0, Relaxed);
        for slot in self.slots {
            slot.0.store(0, Relaxed);
        }
    }

    /// Adds an entry that is not there; false if there is no room.
    fn push(&self, hash: u64, packed: &Packed, bit: u64, times: Times) -> bool {
        let count = self.count();
        let Some(entry) = self.entries.get(count) else {
            return false;
        };
        entry.write(hash, packed, times);
        self.numbers.kinds.fetch_or(bit, Relaxed);
        let number = count + 1;
        // Before it can be found: nothing is ever written over what can be.
        self.numbers.count.store(number as u64, Release);
        let free = self.slots(hash).find(|slot| slot.0.load(Relaxed) == 0);
        if let (Some(slot), Ok(number)) = (free, u32::try_from(number)) {
            slot.0.store(Slot::of(hash, number), Release);
        }
        true
    }

    /// Revokes what is revoked already for longer, never for shorter; else adds it.
    fn put(&self, hash: u64, key: &Key<'_>, times: Times) -> bool {
        match self.find(hash, key) {
            Some(entry) => {
                entry.before.fetch_max(times.before, Relaxed);
                entry.until.fetch_max(times.until, Relaxed);
                true
            }
            None => self.push(hash, &Packed::of(key), key.bit(), times),
        }
    }
}

/// See the [module](self).
#[derive(Clone)]
pub struct List {
    memory: Memory,
    hasher: RandomState,
    exclusively: Exclusively,
}

impl List {
    /// A list in this memory. All processes must have it from this one: its hashes are keyed, so that nobody
    /// outside can find values that lead to the same slot.
    pub fn new(memory: Memory, exclusively: Exclusively) -> Self {
        List {
            memory,
            hasher: RandomState::new(),
            exclusively,
        }
    }

    /// How many may be revoked at a time.
    pub fn capacity(&self) -> usize {
        self.memory.entries.len() / 2
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.read(|half| half.count() == 0)
    }

    /// Whether something is revoked by this, and for how long; ended or not.
    pub fn find(&self, key: Key<'_>) -> Option<Times> {
        self.read(|half| {
            if half.numbers.kinds.load(Relaxed) & key.bit() == 0 {
                return None;
            }
            half.find(self.hash(&key), &key).map(Entry::times)
        })
    }

    /// What counts at `now`, in UNIX seconds, from number `first` on, at most `most` of them: all, or what is
    /// revoked by this value, of whichever issuer.
    pub fn page(&self, wanted: Option<(Kind, &str)>, first: usize, most: usize, now: i64) -> Page {
        let is_wanted = |entry: &Entry| {
            wanted.is_none_or(|(kind, value)| {
                let found = entry.packed().unpack(entry.times());
                found.is_some_and(|found| found.kind == kind && found.value == value)
            })
        };
        self.read(|half| {
            let counting = || {
                let entries = half.written().iter();
                entries.filter(|entry| now < entry.until.load(Relaxed) && is_wanted(entry))
            };
            let shown = counting().skip(first).take(most);
            Page {
                count: counting().count(),
                revocations: shown
                    .filter_map(|entry| entry.packed().unpack(entry.times()))
                    .collect(),
            }
        })
    }

    /// Revokes something, for longer if it is revoked already. `now` is in UNIX seconds: what has ended by
    /// then makes room.
    ///
    /// # Errors
    /// Fails if there is no room; nothing is forgotten then.
    pub fn add(&self, revocation: &Revocation, now: i64) -> Result<(), ListError> {
        self.write(|| {
            let generation = self.memory.head.generation.load(Relaxed);
            let (key, times) = of(revocation);
            let hash = self.hash(&key);
            if self.half(generation).put(hash, &key, times) {
                return Ok(());
            }
            let entries = self.half(generation).written();
            let counts = |entry: &&Entry| now < entry.until.load(Relaxed);
            let full = ListError::Full(self.capacity());
            if entries.iter().all(|entry| counts(&entry)) {
                return Err(full);
            }
            let other = self.other();
            for entry in entries.iter().filter(counts) {
                let Some(kept) = entry.packed().unpack(entry.times()) else {
                    continue;
                };
                let bit = of(&kept).0.bit();
                let hash = entry.hash.load(Relaxed);
                other.push(hash, &entry.packed(), bit, entry.times());
            }
            if !other.put(hash, &key, times) {
                return Err(full);
            }
            self.publish();
            Ok(())
        })
    }

    /// Revokes these, and nothing else, unless what is there was asked for later than at `stamp`.
    ///
    /// # Errors
    /// Fails if there is no room for all of them; then what was there stays.
    pub fn replace(&self, revocations: &[Revocation], stamp: Stamp) -> Result<(), ListError> {
        self.write(|| {
            if self.half(self.memory.head.generation.load(Relaxed)).stamp() > stamp {
                return Ok(());
            }
            let other = self.other();
            for revocation in revocations {
                let (key, times) = of(revocation);
                if !other.put(self.hash(&key), &key, times) {
                    return Err(ListError::Full(self.capacity()));
                }
            }
            other.numbers.reload.store(stamp.reload, Relaxed);
            other.numbers.time.store(stamp.time, Relaxed);
            self.publish();
            Ok(())
        })
    }

    /// When what is there was asked for.
    pub fn stamp(&self) -> Stamp {
        self.read(|half| half.stamp())
    }

    /// Whether there is room for this, and for nothing else that is new.
    pub fn has_room(&self, revocation: &Revocation, now: i64) -> bool {
        let (key, _) = of(revocation);
        let hash = self.hash(&key);
        self.read(|half| {
            let counts = |entry: &Entry| now < entry.until.load(Relaxed);
            half.count() < self.capacity()
                || half.find(hash, &key).is_some()
                || !half.written().iter().all(counts)
        })
    }

    /// Takes the turn to hear others, for `patience` nanoseconds; `None` while somebody else has it. `now` is a
    /// time as in [`Stamp`].
    pub fn take_turn(&self, now: u64, patience: u64) -> Option<Turn> {
        let turn = &self.memory.head.turn;
        let last = turn.load(Relaxed);
        let mine = now.saturating_add(patience).max(last.saturating_add(1));
        let is_free = last <= now;
        let taken = || turn.compare_exchange(last, mine, Acquire, Relaxed).is_ok();
        (is_free && taken()).then_some(Turn(mine))
    }

    /// Has the turn last for `patience` nanoseconds from `now` on; false if it has ended and somebody else has
    /// taken it.
    pub fn prolong(&self, turn: &mut Turn, now: u64, patience: u64) -> bool {
        let later = now.saturating_add(patience).max(turn.0);
        let head = &self.memory.head;
        let prolonged = head.turn.compare_exchange(turn.0, later, Acquire, Relaxed);
        if prolonged.is_ok() {
            turn.0 = later;
        }
        prolonged.is_ok()
    }

    /// Ends a turn.
    pub fn end_turn(&self, turn: Turn) {
        let head = &self.memory.head;
        let _ = head.turn.compare_exchange(turn.0, 0, Release, Relaxed);
    }

    /// Revokes what others do, each with its number; whoever goes on does so at `place`. `now` is in UNIX
    /// seconds.
    ///
    /// # Errors
    /// Fails if there is no room for one of them; then whoever goes on begins with that one. Fails as well if
    /// the turn is over.
    pub fn hear(
        &self,
        turn: &Turn,
        revocations: &[(u64, Revocation)],
        place: Place,
        now: i64,
    ) -> Result<(), ListError> {
        for (number, revocation) in revocations.iter().filter(|(_, it)| now < it.until) {
            if let Err(error) = self.add(revocation, now) {
                let at = number.saturating_sub(1).min(place.at);
                self.go_to(turn, Place { at, ..place })?;
                return Err(error);
            }
        }
        self.go_to(turn, place)
    }

    fn go_to(&self, turn: &Turn, place: Place) -> Result<(), ListError> {
        self.write(|| {
            let head = self.memory.head;
            if head.turn.load(Relaxed) != turn.0 {
                return Err(ListError::Busy);
            }
            let [at, known, tag] = &head.place;
            // Whoever is killed in between leaves nothing that can be gone on with.
            tag.store(0, Relaxed);
            fence(Release);
            at.store(place.at, Relaxed);
            known.store(place.known, Relaxed);
            tag.store(place.tag, Release);
            Ok(())
        })
    }

    /// Up to where others were heard of; for whoever has the turn.
    pub fn place(&self) -> Place {
        let [at, known, tag] = &self.memory.head.place;
        let tag = tag.load(Acquire);
        Place {
            at: at.load(Relaxed),
            known: known.load(Relaxed),
            tag,
        }
    }

    /// That all was heard of that others had revoked at `time`, as in [`Stamp`].
    pub fn is_heard(&self, time: u64) {
        self.memory.head.heard.fetch_max(time, Release);
    }

    /// When others were last heard of, 0 for never.
    pub fn heard(&self) -> u64 {
        self.memory.head.heard.load(Acquire)
    }

    /// Whether whoever asks now is to write all of it: nobody else has been for `patience` nanoseconds. `now`
    /// is a time as in [`Stamp`].
    pub fn may_ask(&self, now: u64, patience: u64) -> bool {
        let wanted = &self.memory.head.wanted;
        let last = wanted.load(Relaxed);
        let is_due = last == 0 || now.saturating_sub(last) >= patience;
        is_due
            && wanted
                .compare_exchange(last, now.max(1), Relaxed, Relaxed)
                .is_ok()
    }

    /// Does something to the half that counts, and again if that has changed meanwhile.
    fn read<T>(&self, work: impl Fn(Half) -> T) -> T {
        let head = self.memory.head;
        loop {
            let generation = head.generation.load(Acquire);
            let found = work(self.half(generation));
            fence(Acquire);
            if head.generation.load(Relaxed) == generation {
                return found;
            }
        }
    }

    fn write(&self, work: impl Fn() -> Result<(), ListError>) -> Result<(), ListError> {
        let mut done = Err(ListError::Busy);
        (self.exclusively)(&self.memory.head.lock, &mut || done = work());
        done
    }

    /// The half that does not count, emptied.
    fn other(&self) -> Half {
        let other = self.half(self.memory.head.generation.load(Relaxed) + 1);
        // Whoever reads what is written from here on sees that it has not counted any more before.
        fence(Release);
        other.clear();
        other
    }

    /// Has the other half count.
    fn publish(&self) {
        self.memory.head.generation.fetch_add(1, Release);
    }

    fn numbers(&self, generation: u64) -> &'static Numbers {
        &self.memory.head.halves[usize::from(generation & 1 == 1)]
    }

    fn half(&self, generation: u64) -> Half {
        let of = generation & 1 == 1;
        let (entries, slots) = (self.memory.entries, self.memory.slots);
        let entries = entries.split_at(entries.len() / 2);
        let slots = slots.split_at(slots.len() / 2);
        Half {
            numbers: self.numbers(generation),
            entries: if of { entries.1 } else { entries.0 },
            slots: if of { slots.1 } else { slots.0 },
        }
    }

    fn hash(&self, key: &Key<'_>) -> u64 {
        self.hasher.hash_one(key)
    }
}

fn of(revocation: &Revocation) -> (Key<'_>, Times) {
    let times = Times {
        before: revocation.before,
        until: revocation.until,
    };
    let key = Key {
        kind: revocation.kind,
        value: &revocation.value,
        issuer: revocation.issuer.as_deref(),
    };
    (key, times)
}

impl fmt::Debug for List {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let capacity = self.capacity();
        formatter.debug_tuple("List").field(&capacity).finish()
    }
}
