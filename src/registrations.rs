//! Registrations in Redis, as jambonz's registrar library reads them.
//!
//! | key | type | what |
//! |---|---|---|
//! | `user:<user>@<realm>` | string | the registration, a JSON object; expires with it |
//! | `active-user` | sorted set | the keys of all registrations, scored by their ends |
//! | `active-user:<realm>` | sorted set | those of one account, by its realm |
//!
//! The account of an address of record is that of its domain, unless the caller names another: that
//! of the domain above.
//!
//! Times are UNIX times in milliseconds, by the clock of whoever calls: Redis is only told how long
//! something lasts, so its own clock may differ. That clock only says which of two changes was
//! later.
//!
//! One server changes all three keys in one script, so that they never disagree. In a Cluster they are
//! on different nodes, and are changed one after the other: the place in the realm's index first,
//! since that is where the limit is enforced.

mod entry;
mod newest;
mod others;
mod round;
mod scripts;
mod steps;
mod undo;

use std::cell::Cell;
use std::collections::BTreeSet;

use ::redis::{FromRedisValue, RedisError, cmd};

use crate::redis::{CacheError, Session, named};
use crate::sip::{AddressOfRecord, is_same_uri};

pub use entry::{Entry, Grant, MemberValue, Registration};
pub use newest::Newest;
pub use round::{Round, Turn};
pub use undo::{Before, Left, Undo};

/// The index of all registrations.
const ALL: &str = "active-user";

/// The remaining time that stands for no entry.
const ABSENT: i64 = -2;

/// A change that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When, by the clock of Redis: UNIX time in microseconds.
    pub order: u64,
    /// What was there before.
    pub before: Option<Before>,
}

/// What [`Registrations::save`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It is saved.
    Done(Change),
    /// The realm has as many registrations as it may have. Nothing has changed.
    Full,
}

/// What [`Registrations::remove`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// There is none any more.
    Done(Change),
    /// Another contact is registered, and stays.
    Other,
}

/// The registrations that one conversation with Redis is about.
#[derive(Debug)]
pub struct Registrations<'a> {
    session: &'a Session<'a>,
    /// Whether each key is changed by itself, as a Cluster demands.
    is_split: bool,
    /// The realm of the account that counts them, unless it is that of their own domain.
    account: Option<&'a str>,
}

/// The keys of one address of record.
struct Keys {
    user: Vec<u8>,
    realm: Vec<u8>,
}

impl Keys {
    /// With the index of this account, or that of its own domain.
    fn of(aor: &AddressOfRecord, account: Option<&str>) -> Self {
        Keys {
            user: [b"user:", aor.whole().as_slice()].concat(),
            realm: realm_key(account.unwrap_or(aor.domain()).as_bytes()),
        }
    }
}

fn realm_key(realm: &[u8]) -> Vec<u8> {
    [ALL.as_bytes(), b":", realm].concat()
}

/// The realm that a key is of, in lower case, and that of the domain above, if there is one.
fn realms_of(user: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let at = user.iter().rposition(|byte| *byte == b'@')?;
    let realm = user.get(at + 1..)?.to_ascii_lowercase();
    let dot = realm.iter().position(|byte| *byte == b'.');
    let above = dot.and_then(|dot| realm.get(dot + 1..)).map(<[u8]>::to_vec);
    Some((realm, above))
}

/// What scripts return about an entry: whether they did it, when, and what was there before.
type Outcome = (i64, u64, i64, Vec<u8>);

impl<'a> Registrations<'a> {
    /// The registrations, over this session.
    pub fn new(session: &'a Session<'a>) -> Self {
        Registrations {
            session,
            is_split: session.is_cluster(),
            account: None,
        }
    }

    /// Those that the account of this realm counts; `None` for that of their own domain.
    #[must_use]
    pub fn of_account<'b>(&'b self, account: Option<&'b str>) -> Registrations<'b> {
        Registrations {
            session: self.session,
            is_split: self.is_split,
            account,
        }
    }

    /// As in a Cluster, whatever the server is.
    #[cfg(test)]
    fn split(session: &'a Session<'a>) -> Self {
        Registrations {
            session,
            is_split: true,
            account: None,
        }
    }

    /// Saves a registration in place of what is there. With a `limit`, the realm has at most as many:
    /// whoever is registered already keeps their place, and with 0 nobody is saved.
    ///
    /// # Errors
    /// Fails with [`CacheError`]; then nothing has changed, unless the answer alone was lost.
    pub fn save(
        &self,
        entry: &Entry<'_>,
        limit: Option<u32>,
        now: u64,
    ) -> Result<Saved, CacheError> {
        let keys = Keys::of(entry.aor, self.account);
        let json = entry.json(now);
        let end = entry.end(now).to_string();
        let ttl = u64::from(entry.expires) * 1000;
        let limit = limit.map_or(-1, i64::from);
        let place = match self.is_split {
            false => None,
            true => match self.reserve(&keys, limit, &end, now)? {
                Some(place) => Some(place),
                None => return Ok(Saved::Full),
            },
        };
        let mut save = scripts::SAVE.key(keys.user.as_slice());
        if !self.is_split {
            save.key(keys.realm.as_slice()).key(ALL);
        }
        save.arg(now).arg(limit).arg(&end).arg(ttl).arg(&json);
        let saved: Result<(Outcome, bool), _> = self.script(|connection| save.invoke(connection));
        // Whether or not this fails too: what the place was taken for has failed already.
        let give_back = |error| {
            if let Some(place) = &place {
                let _ = self.give_back(&keys, &end, place, now);
            }
            error
        };
        let ((done, order, left, raw), is_repeated) = saved.map_err(give_back)?;
        if done == 0 {
            return Ok(Saved::Full);
        }
        let is_own = is_repeated && raw == json.as_bytes();
        let before = before(left, raw, now);
        if self.is_split
            && let Err(error) = self.enter(ALL.as_bytes(), &keys.user, &end, now)
        {
            let entry = Left::Entry {
                contact: entry.contact,
                end: Some(entry.end(now)),
            };
            let _ = self.put_back(&keys, entry, before.as_ref(), now);
            return Err(give_back(error));
        }
        if is_own {
            // It was saved, and the answer that said what was there before was lost.
            let cause = "it broke off while the registration was being saved";
            return Err(CacheError::Unreachable(cause.to_owned()));
        }
        Ok(Saved::Done(Change { order, before }))
    }

    /// The registration of an address of record. `None` if there is none that can be read, or it has
    /// ended.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn get(&self, aor: &AddressOfRecord, now: u64) -> Result<Option<Registration>, CacheError> {
        let keys = Keys::of(aor, self.account);
        let mut read = cmd("GET");
        read.arg(keys.user.as_slice());
        // What is no registration is none, as for the scripts.
        let read = |connection: &mut dyn ::redis::ConnectionLike| match read.query(connection) {
            Err(error) if error.code() == Some("WRONGTYPE") => Ok(None),
            other => other,
        };
        let raw: Option<Vec<u8>> = self.session.run(read)?;
        Ok(raw.and_then(|raw| Registration::parse(raw, now)))
    }

    /// Removes a registration: that of one of `contacts`, in whatever spelling (RFC 3261 section 19.1.4), or
    /// whatever is there. One that can't be read is removed in any case.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn remove(
        &self,
        aor: &AddressOfRecord,
        contacts: Option<&[String]>,
        now: u64,
    ) -> Result<Removed, CacheError> {
        let contact = contacts.map(|contacts| contacts.first().map_or("", String::as_str));
        let removed = self.remove_exactly(aor, contact, now)?;
        let Some(contacts) = contacts.filter(|_| removed == Removed::Other) else {
            return Ok(removed);
        };
        let known = self.get(aor, now)?;
        let known = known.as_ref().and_then(|known| known.member("contact"));
        match known {
            Some(MemberValue::Text(known)) if contacts.iter().any(|it| is_same_uri(it, &known)) => {
                self.remove_exactly(aor, Some(&known), now)
            }
            _ => Ok(removed),
        }
    }

    /// Removes the registration of `contact`, compared byte by byte, or whatever is there.
    fn remove_exactly(
        &self,
        aor: &AddressOfRecord,
        contact: Option<&str>,
        now: u64,
    ) -> Result<Removed, CacheError> {
        let keys = Keys::of(aor, self.account);
        let mut remove = scripts::REMOVE.key(keys.user.as_slice());
        if !self.is_split {
            remove.key(keys.realm.as_slice()).key(ALL);
        }
        remove.arg(u8::from(contact.is_none()));
        remove.arg(contact.unwrap_or_default());
        let ((done, order, left, raw), _): (Outcome, _) =
            self.script(|connection| remove.invoke(connection))?;
        if done == 0 {
            return Ok(Removed::Other);
        }
        let before = before(left, raw, now);
        if self.is_split
            && let Err(error) = self.leave(&keys)
        {
            let _ = self.put_back(&keys, Left::Nothing, before.as_ref(), now);
            return Err(error);
        }
        Ok(Removed::Done(Change { order, before }))
    }

    /// Puts back what [`save`](Self::save) or [`remove`](Self::remove) found, or removes what was saved
    /// if there was nothing, as long as what they `left` is still there. Whether it is as before.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn restore(
        &self,
        aor: &AddressOfRecord,
        left: Left<'_>,
        before: Option<&Before>,
        now: u64,
    ) -> Result<bool, CacheError> {
        self.put_back(&Keys::of(aor, self.account), left, before, now)
    }

    /// How many registrations the account of a realm has: those of others as far as they have been
    /// [taken up](Self::adopt).
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn count(&self, realm: &str, now: u64) -> Result<u64, CacheError> {
        let mut count = scripts::COUNT.key(realm_key(realm.as_bytes()));
        count.arg(now);
        let (number, _) = self.script(|connection| count.invoke(connection))?;
        Ok(number)
    }

    /// How many registrations there are of all accounts.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn count_all(&self, now: u64) -> Result<u64, CacheError> {
        let mut count = cmd("ZCOUNT");
        count.arg(ALL).arg(format!("({now}")).arg("+inf");
        self.session.query(&count)
    }

    /// How many registrations there are, and `most` of them from the one with this number on, in the order in which
    /// they end: each with its address of record and its end. Of the account of a realm, or of all. What others have
    /// made is there once it was adopted.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn page(
        &self,
        realm: Option<&str>,
        now: u64,
        (offset, most): (usize, usize),
    ) -> Result<(u64, Vec<(String, u64)>), CacheError> {
        let index = match realm {
            Some(realm) => realm_key(realm.as_bytes()),
            None => ALL.as_bytes().to_vec(),
        };
        let since = format!("({now}");
        let mut count = cmd("ZCOUNT");
        count.arg(&index).arg(&since).arg("+inf");
        let mut read = cmd("ZRANGEBYSCORE");
        read.arg(&index).arg(&since).arg("+inf").arg("WITHSCORES");
        read.arg("LIMIT").arg(offset).arg(most);
        let count = self.session.query(&count)?;
        let page: Vec<(Vec<u8>, f64)> = self.session.query(&read)?;
        let page = page.into_iter().map(|(member, end)| {
            let aor = member.strip_prefix(b"user:").unwrap_or(&member);
            // Milliseconds, far below 2^53.
            (String::from_utf8_lossy(aor).into_owned(), end as u64)
        });
        Ok((count, page.collect()))
    }

    /// Takes up to `most` registrations that have ended out of the index of all, and out of those of
    /// their realms. How many it took out.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn expire(&self, now: u64, most: usize) -> Result<usize, CacheError> {
        let mut find = cmd("ZRANGEBYSCORE");
        find.arg(ALL).arg("-inf").arg(now);
        find.arg("LIMIT").arg(0).arg(most);
        let ended: Vec<Vec<u8>> = self.session.query(&find)?;
        if ended.is_empty() {
            return Ok(0);
        }
        // First those of the realms: what remains in the index of all is found again.
        // A realm may have the account of the domain above.
        let realms = ended.iter().filter_map(|member| realms_of(member));
        let realms = realms.flat_map(|(realm, above)| [Some(realm), above].into_iter().flatten());
        let prunes = realms.collect::<BTreeSet<_>>().into_iter().map(|realm| {
            let mut prune = cmd("ZREMRANGEBYSCORE");
            prune.arg(realm_key(&realm)).arg("-inf").arg(now);
            prune
        });
        self.all(prunes)?;
        let mut forget = scripts::FORGET.key(ALL);
        forget.arg(now).arg(&ended);
        let (taken, _) = self.script(|connection| forget.invoke(connection))?;
        Ok(taken)
    }

    fn put_back(
        &self,
        keys: &Keys,
        left: Left<'_>,
        before: Option<&Before>,
        now: u64,
    ) -> Result<bool, CacheError> {
        let before = before.filter(|before| before.until.is_none_or(|until| until > now));
        let lasts = before.map_or(ABSENT, |before| before.lasts(now));
        let score = before.and_then(Before::score);
        let score = score.map_or(String::new(), |score| score.to_string());
        let mut restore = scripts::RESTORE.key(keys.user.as_slice());
        if !self.is_split {
            restore.key(keys.realm.as_slice()).key(ALL);
        }
        match left {
            Left::Nothing => restore.arg("nothing").arg("").arg(""),
            Left::Entry { contact, end } => {
                let end = end.map_or(String::new(), |end| end.to_string());
                restore.arg("entry").arg(contact).arg(end)
            }
        };
        restore.arg(before.map_or(b"".as_slice(), |before| &before.entry));
        restore.arg(lasts).arg(&score).arg(now);
        let (done, _): (i64, _) = self.script(|connection| restore.invoke(connection))?;
        if done == 0 {
            return Ok(false);
        }
        if self.is_split {
            match score.is_empty() {
                true => self.leave(keys)?,
                false => {
                    self.enter(&keys.realm, &keys.user, &score, now)?;
                    self.enter(ALL.as_bytes(), &keys.user, &score, now)?;
                }
            }
        }
        Ok(true)
    }

    /// Runs a script, and says whether it may have run twice.
    fn script<T: FromRedisValue>(
        &self,
        invoke: impl Fn(&mut dyn ::redis::ConnectionLike) -> Result<T, RedisError>,
    ) -> Result<(T, bool), CacheError> {
        let tries = Cell::new(0);
        let value = self.session.run(|connection| {
            tries.set(tries.get() + 1);
            invoke(connection).map_err(named)
        })?;
        Ok((value, tries.get() > 1))
    }
}

/// What a script says was there.
fn before(left: i64, entry: Vec<u8>, now: u64) -> Option<Before> {
    (left != ABSENT).then(|| Before::new(entry, u64::try_from(left).ok(), now))
}

#[cfg(test)]
mod tests;
