//! A database that is asked once for all processes.

use std::thread;
use std::time::{Duration, Instant};

use super::leases::Wish;
use super::rows::Packer;
use super::seal::{Name, OVERHEAD};
use super::table::{Answered, SharedRows, TABLE};
use crate::store::{Cell, Select, Source, StoreError};

/// How often a thread that waits for another looks: at first, and at most.
const LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(10);

/// Which answers count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// After how many reloads.
    pub generation: u64,
    /// How old rows may be, since they were asked for.
    pub rows: Duration,
    /// How old it may be that there are none.
    pub none: Duration,
}

impl Wanted {
    /// Whatever is not older than this, after this many reloads.
    pub fn within(ttl: Duration, generation: u64) -> Self {
        Wanted {
            generation,
            rows: ttl,
            none: ttl,
        }
    }

    /// Whether anything is to be remembered.
    fn is_remembered(&self) -> bool {
        !(self.rows.is_zero() && self.none.is_zero())
    }

    /// Whether this counts at `now`. What was not known yet at `since`, when somebody began to wait for it, is
    /// new to him.
    fn counts(&self, answered: &Answered, now: Instant, since: Option<Instant>) -> bool {
        let most = match answered.rows.is_empty() {
            true => self.none,
            false => self.rows,
        };
        now.saturating_duration_since(answered.asked) < most
            || since.is_some_and(|since| answered.told > since)
    }
}

/// What was made of answers, and how old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aged<T> {
    /// What was made of them.
    pub value: T,
    /// When the oldest of them was asked for.
    pub since: Instant,
    /// Whether the database was asked for any of them.
    pub is_asked: bool,
}

impl<T> Aged<T> {
    /// The same with what `make` makes of it.
    pub fn map<U>(self, make: impl FnOnce(T) -> U) -> Aged<U> {
        Aged {
            value: make(self.value),
            since: self.since,
            is_asked: self.is_asked,
        }
    }
}

/// What is known already, and at hand at once: whatever is not is an error, and so is a long table.
pub struct Known<'a> {
    shared: &'a SharedRows,
    wanted: Wanted,
    since: Instant,
}

impl<'a> Known<'a> {
    /// What is known now.
    pub fn new(shared: &'a SharedRows, wanted: Wanted) -> Self {
        Known {
            shared,
            wanted,
            since: Instant::now(),
        }
    }

    /// What `work` makes of what is known; `None` if that is not enough.
    pub fn answer<T>(
        mut self,
        work: impl FnOnce(&mut dyn Source) -> Result<T, StoreError>,
    ) -> Option<Aged<T>> {
        if !self.shared.is_shared() {
            return None;
        }
        let value = work(&mut self).ok()?;
        Some(Aged {
            value,
            since: self.since,
            is_asked: false,
        })
    }
}

impl Source for Known<'_> {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let now = Instant::now();
        let name = self.shared.name(select, self.wanted.generation);
        let found = self.shared.find(&name, now, false);
        let found = found.filter(|found| self.wanted.counts(found, now, None));
        let found = found.ok_or_else(|| StoreError::Unreachable("it was not asked".to_owned()))?;
        self.since = self.since.min(found.asked);
        Ok(found.rows)
    }
}

/// What is known already or, where that does not count, what the database says: then all processes know.
///
/// Of a question for the rows of one value, rows that have another one are left out. A value is the same byte
/// by byte, apart from blanks that a column appends, and one without capital letters is the same as that of a
/// row that has some. It is up to databases what else they take for the same, and anybody can ask for all that.
pub struct Once<'a> {
    shared: &'a SharedRows,
    wanted: Wanted,
    source: &'a mut dyn Source,
    is_shared: bool,
    waits: bool,
    since: Instant,
    is_asked: bool,
}

impl<'a> Once<'a> {
    /// Asks `source` for what is not known. If another process is asking, it is waited for if the caller `waits`,
    /// which no SIP worker may; else it is asked at the same time.
    pub fn new(
        shared: &'a SharedRows,
        wanted: Wanted,
        source: &'a mut dyn Source,
        waits: bool,
    ) -> Self {
        Once {
            shared,
            waits,
            is_shared: shared.is_shared() && wanted.is_remembered(),
            wanted,
            source,
            since: Instant::now(),
            is_asked: false,
        }
    }

    /// What `work` makes of it.
    ///
    /// # Errors
    /// Fails with the error of the source or of the work.
    pub fn answer<T>(
        mut self,
        work: impl FnOnce(&mut dyn Source) -> Result<T, StoreError>,
    ) -> Result<Aged<T>, StoreError> {
        let value = work(&mut self)?;
        Ok(Aged {
            value,
            since: self.since,
            is_asked: self.is_asked,
        })
    }

    /// An answer that counts; else the right to ask, if it could be had: nobody waits for longer than the
    /// patience of all.
    fn known_or_turn(&self, name: &Name) -> Result<Answered, Option<super::leases::Lease>> {
        let shared = self.shared;
        let begin = Instant::now();
        let me = u64::from(std::process::id());
        let (mut look, mut waits) = (LOOK, None);
        loop {
            let now = Instant::now();
            let found = shared.find(name, now, true);
            if let Some(found) = found.filter(|found| self.wanted.counts(found, now, waits)) {
                return Ok(found);
            }
            let until = shared.nanoseconds(now + shared.patience);
            match shared.leases.take(name, me, shared.nanoseconds(now), until) {
                Wish::Neither => return Err(None),
                Wish::Ours(lease) => {
                    // It may have been returned just now, with an answer.
                    let found = shared.find(name, now, true);
                    let found = found.filter(|found| self.wanted.counts(found, now, waits));
                    return found.ok_or(Some(lease));
                }
                Wish::Theirs if !self.waits => return Err(None),
                Wish::Theirs => {}
            }
            waits.get_or_insert(begin);
            let left = shared.patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(None);
            }
            thread::sleep(look.min(left));
            look = (2 * look).min(LONGEST_LOOK);
        }
    }
}

impl Once<'_> {
    /// Passes on the rows that are known, or those with which `read` calls back, which are told to all then.
    fn rows(
        &mut self,
        select: &Select<'_>,
        row: &mut dyn FnMut(Vec<Cell>),
        read: impl FnOnce(&mut dyn Source, &mut dyn FnMut(Vec<Cell>)) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        if !self.is_shared {
            self.is_asked = true;
            return read(self.source, row);
        }
        let name = self.shared.name(select, self.wanted.generation);
        let _lease = match self.known_or_turn(&name) {
            Ok(known) => {
                self.since = self.since.min(known.asked);
                known.rows.into_iter().for_each(row);
                return Ok(());
            }
            Err(lease) => lease,
        };
        self.is_asked = true;
        let asked = Instant::now();
        let mut packer = Packer::new(8 * TABLE - OVERHEAD);
        read(self.source, &mut |cells| {
            if is_of(select, &cells) {
                packer.push(&cells);
                row(cells);
            }
        })?;
        match packer.finish() {
            Some(packed) => self.shared.tell(&name, packed, asked, Instant::now()),
            None => self.shared.forget(&name),
        }
        Ok(())
    }
}

impl Source for Once<'_> {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut rows = Vec::new();
        // Not row by row: a driver may open a connection for that.
        self.rows(select, &mut |row| rows.push(row), |source, row| {
            source.select(select)?.into_iter().for_each(row);
            Ok(())
        })?;
        Ok(rows)
    }

    fn each(
        &mut self,
        select: &Select<'_>,
        row: &mut dyn FnMut(Vec<Cell>),
    ) -> Result<(), StoreError> {
        self.rows(select, row, |source, row| source.each(select, row))
    }
}

/// Whether a row has the value that was asked for.
fn is_of(select: &Select<'_>, row: &[Cell]) -> bool {
    let has = |(column, value)| has_value(select.columns, row, column, value);
    select.keys().all(has)
}

fn has_value(columns: &[&str], row: &[Cell], column: &str, value: &str) -> bool {
    let place = columns.iter().position(|name| *name == column);
    let Some(cell) = place.and_then(|place| row.get(place)) else {
        return true;
    };
    let value = value.as_bytes();
    let is_same = |text: &[u8]| {
        text == value
            || !value.iter().any(u8::is_ascii_uppercase) && text.eq_ignore_ascii_case(value)
    };
    match cell {
        Cell::Text(text) => is_same(text) || is_same(text.trim_ascii_end()),
        Cell::Int(number) => number.to_string().as_bytes() == value,
        Cell::Null => false,
    }
}
