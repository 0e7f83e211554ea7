//! What was there before a change, so that it can be put back.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

use super::entry::end_of;

/// An entry as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Before {
    /// Its bytes, whatever they are.
    pub entry: Vec<u8>,
    /// When it ends, UNIX time in milliseconds; `None` if never.
    pub until: Option<u64>,
}

/// Milliseconds by which what an entry says of its end may differ from how long it lasts: both are taken
/// at different moments.
const TOLERANCE: u64 = 2000;

impl Before {
    /// An entry that lasts for `left` milliseconds from now, `None` for ever.
    pub(super) fn new(entry: Vec<u8>, left: Option<u64>, now: u64) -> Self {
        let until = left.map(|left| now.saturating_add(left));
        // Its scores are what it says itself.
        let said = end_of(&entry).filter(|end| {
            until.is_some_and(|until| until.abs_diff(*end) <= TOLERANCE && *end > now)
        });
        Before {
            entry,
            until: said.or(until),
        }
    }

    /// How many milliseconds are left of it, -1 for ever.
    pub(super) fn lasts(&self, now: u64) -> i64 {
        let left = self.until.map(|until| until.saturating_sub(now));
        left.map_or(-1, |left| i64::try_from(left).unwrap_or(i64::MAX))
    }

    /// Its score in the indexes; `None` if it has no end, so that it is in none.
    pub(super) fn score(&self) -> Option<u64> {
        self.until
    }
}

/// What a change has left, which must still be there when it is undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left<'a> {
    /// No registration.
    Nothing,
    /// A registration.
    Entry {
        /// The URI of its contact.
        contact: &'a str,
        /// When it ends, UNIX time in milliseconds; `None` if that is not known.
        end: Option<u64>,
    },
}

/// What a script keeps of a change, as text for its variable: when it was made, and how to undo it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// When, see [`Change`](super::Change).
    pub order: u64,
    /// When that which was saved ends; `None` if something was removed.
    pub saved_until: Option<u64>,
    /// What was found, if anything.
    pub before: Option<Before>,
}

impl Undo {
    /// One line of ASCII.
    pub fn text(&self) -> String {
        let number = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        let change = format!("{}/{}", self.order, number(self.saved_until));
        match &self.before {
            None => change,
            Some(before) => {
                let entry = BASE64.encode(&before.entry);
                format!("{change}/{}/{entry}", number(before.until))
            }
        }
    }

    /// Reads [`text`](Self::text).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = str::from_utf8(text).ok()?;
        let number = |part: &str| match part {
            "-" => Some(None),
            digits => digits.parse().ok().map(Some),
        };
        let parts: Vec<_> = text.splitn(4, '/').collect();
        let (order, saved_until, before) = match parts[..] {
            [order, saved] => (order, saved, None),
            [order, saved, until, entry] => {
                let entry = BASE64.decode(entry).ok()?;
                let until = number(until)?;
                (order, saved, Some(Before { entry, until }))
            }
            _ => return None,
        };
        Some(Undo {
            order: order.parse().ok()?,
            saved_until: number(saved_until)?,
            before,
        })
    }
}
