//! Tokens that are revoked before they end: by their `jti`, by their `sub` or `sid`, or by the `kid` of the
//! key that signed them.
//!
//! They are in memory that all processes share, so what one process revokes is refused by all at once. How
//! that memory is read and written is in [`list`].

pub mod list;
mod revocation;

use std::time::Duration;

use self::list::{Key, List, ListError, Page};
use super::claims;
use super::json::Value;
use super::token::Token;

pub use revocation::{ALWAYS, Kind, Revocation, RevocationError};

/// By what a token may be revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its `jti`.
    pub jti: Option<Box<str>>,
    /// Its `sub`.
    pub sub: Option<Box<str>>,
    /// Its `sid`.
    pub sid: Option<Box<str>>,
    /// The `kid` of the key that verified it, else that of its header.
    pub kid: Option<Box<str>>,
    /// Its `iss`, if that is a string.
    pub issuer: Option<Box<str>>,
    /// Its `iat`, in whole seconds since 1970.
    pub issued: Option<i64>,
}

impl Identity {
    /// That of a token. `kid` is that of the key that verified it: of a token which names none, nothing else
    /// tells which key that was.
    pub fn of(token: &Token, kid: Option<&str>) -> Self {
        // Some issuers count their tokens, or their users.
        let text = |name: &str| match token.claim(name)? {
            Value::String(text) => Some(text.as_str().into()),
            Value::Integer(number) => Some(number.to_string().into()),
            Value::Number(number) => Some(number.as_str().into()),
            _ => None,
        };
        Identity {
            jti: text("jti"),
            sub: text("sub"),
            sid: text("sid"),
            kid: kid.or_else(|| token.kid()).map(Into::into),
            issuer: token
                .claim("iss")
                .and_then(|iss| iss.as_str())
                .map(Into::into),
            issued: claims::issued(token),
        }
    }

    fn names(&self) -> impl Iterator<Item = (Kind, &str)> {
        let of = |kind| match kind {
            Kind::Jti => &self.jti,
            Kind::Sub => &self.sub,
            Kind::Sid => &self.sid,
            Kind::Kid => &self.kid,
        };
        let named = move |kind| of(kind).as_deref().map(|value| (kind, value));
        Kind::ALL.into_iter().filter_map(named)
    }
}

/// All that is revoked.
#[derive(Clone, Debug)]
pub struct Revocations {
    /// What was revoked at run time.
    pub told: List,
    /// The rows of a table, if there is one.
    pub rows: Option<List>,
}

impl Revocations {
    /// Whether nothing is: then no token has to be looked at.
    pub fn is_empty(&self) -> bool {
        self.lists().all(List::is_empty)
    }

    fn lists(&self) -> impl Iterator<Item = &List> {
        std::iter::once(&self.told).chain(&self.rows)
    }

    /// Why this token is refused at `now`, the time since 1970, which is asked for only if need be. A token
    /// that does not say when it was issued counts as issued before; so does one that was issued more than
    /// `leeway` seconds from now, whose time means something else, as milliseconds.
    pub fn find(
        &self,
        token: &Identity,
        leeway: u64,
        now: impl Fn() -> Duration,
    ) -> Option<Revocation> {
        if self.is_empty() {
            return None;
        }
        let leeway = i64::try_from(leeway).unwrap_or(i64::MAX);
        let issuers = [None, token.issuer.as_deref()];
        let issuers = &issuers[..1 + usize::from(token.issuer.is_some())];
        token.names().find_map(|(kind, value)| {
            let keys = issuers.iter().map(|issuer| Key {
                kind,
                value,
                issuer: *issuer,
            });
            keys.filter_map(|key| self.look_up(key, &now))
                .find(|found| {
                    let latest = || seconds(now()).saturating_add(leeway);
                    token
                        .issued
                        .is_none_or(|issued| issued <= found.before || issued > latest())
                })
        })
    }

    fn look_up(&self, key: Key<'_>, now: impl Fn() -> Duration) -> Option<Revocation> {
        let all = self.lists().filter_map(|list| list.find(key));
        // Both may have it, the one for some and the other for all that were issued.
        let counting = all.filter(|times| seconds(now()) < times.until);
        let times = counting.max_by_key(|times| times.before)?;
        Some(Revocation {
            kind: key.kind,
            value: key.value.to_owned(),
            issuer: key.issuer.map(str::to_owned),
            before: times.before,
            until: times.until,
        })
    }

    /// Revokes tokens, for all processes and at once.
    ///
    /// # Errors
    /// Fails if there is no room; then they are not revoked.
    pub fn add(&self, revocation: &Revocation, now: Duration) -> Result<(), ListError> {
        self.told.add(revocation, seconds(now))
    }

    /// What is revoked, from number `first` on, at most `most` of them: all, or by this value. What was
    /// revoked at run time comes first, then the table.
    pub fn page(
        &self,
        wanted: Option<(Kind, &str)>,
        first: usize,
        most: usize,
        now: Duration,
    ) -> Page {
        let mut all = Page::default();
        for list in self.lists() {
            let first = first.saturating_sub(all.count);
            let most = most - all.revocations.len();
            let page = list.page(wanted, first, most, seconds(now));
            all.count += page.count;
            all.revocations.extend(page.revocations);
        }
        all
    }
}

/// The time since 1970 in whole seconds.
fn seconds(now: Duration) -> i64 {
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
