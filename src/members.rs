//! The servers of a cluster of jambonz, in Redis: which of them have said that they are open for calls.
//!
//! | key | type | what |
//! |---|---|---|
//! | `<cluster>:active-fs` | set | feature servers, `address:port` |
//! | `<cluster>:fs-service-url` | set | the URLs at which they take orders |
//! | `<cluster>:active-rtp` | set | servers of RTP, by their addresses |
//! | `<cluster>:drained-fs` | set | addresses of feature servers that get no more calls |
//! | `{<set>}:auth_web_seen` | sorted set | of each of the first three: its members, scored by when they have last checked in |
//! | `{<set>}:auth_web_watched` | string | that somebody looks at when they have; it lasts as long as that |
//!
//! The first four are jambonz's. When members have checked in is known to all registrars, so that none takes out who
//! has checked in at another one. The clock is that of Redis: UNIX time in milliseconds. What belongs to a set is in
//! its slot of a Redis Cluster, and is changed together with it, in one script: a member that checks in while it is
//! being taken out is there afterwards, or comes back.
//!
//! Where nobody has looked for a while, as Redis or all registrars were away, members could not check in either: they
//! get all of their time once more. So do those that somebody else has put there.

mod networks;
mod scripts;

use std::net::IpAddr;
use std::time::Duration;

use ::redis::{FromRedisValue, Script, cmd};

pub use networks::Networks;

use crate::redis::{CacheError, Session, named};

/// Most members of one set: whoever may check in could fill Redis otherwise.
pub const MOST: usize = 10_000;

/// Most bytes of the URL of a feature server.
pub const MOST_URL: usize = 1024;

/// By how much a look at the members may be late, beside half of the time between two of them.
const LATE: Duration = Duration::from_secs(2);

/// A set of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Feature servers.
    FeatureServers,
    /// The URLs of feature servers.
    ServiceUrls,
    /// Servers of RTP.
    RtpServers,
}

impl Set {
    /// All of them.
    pub const ALL: [Set; 3] = [Set::FeatureServers, Set::ServiceUrls, Set::RtpServers];

    /// Its key in Redis.
    pub fn key(self, cluster: &str) -> String {
        let name = match self {
            Set::FeatureServers => "active-fs",
            Set::ServiceUrls => "fs-service-url",
            Set::RtpServers => "active-rtp",
        };
        format!("{cluster}:{name}")
    }
}

/// What a server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkin {
    /// Whether it is a server of RTP, and not a feature server.
    pub is_rtp: bool,
    /// Where it sends from.
    pub address: IpAddr,
    /// From which port.
    pub port: u16,
    /// The URL that it gives.
    pub url: Option<String>,
    /// Whether it is open.
    pub is_open: bool,
}

impl Checkin {
    /// The set that it is for.
    pub fn set(&self) -> Set {
        match self.is_rtp {
            true => Set::RtpServers,
            false => Set::FeatureServers,
        }
    }

    /// Its name there.
    pub fn member(&self) -> String {
        match (self.is_rtp, self.address) {
            (true, address) => address.to_string(),
            (false, IpAddr::V4(address)) => format!("{address}:{}", self.port),
            (false, IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
        }
    }
}

/// What came of a check-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is noted.
    Done {
        /// How many members the set has now.
        count: u64,
        /// Whether that has changed the set.
        is_change: bool,
        /// Whether it is a member now.
        is_open: bool,
    },
    /// The set, or that of URLs, has as many members as there may be.
    Full,
}

/// What a look at a set has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// How many members it has now.
    pub count: u64,
    /// How many of these nobody has known.
    pub found: u64,
    /// Those that were taken out.
    pub ended: Vec<String>,
}

/// The members that one conversation with Redis is about.
#[derive(Debug)]
pub struct Members<'a> {
    session: &'a Session<'a>,
    cluster: &'a str,
}

/// The key of what belongs to a set, in its slot.
fn beside(set: &str, what: &str) -> String {
    format!("{{{set}}}:auth_web_{what}")
}

/// An address as one, whatever its spelling, without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .map(|address: IpAddr| address.to_canonical())
}

/// The address of a feature server, with or without its port.
pub fn host(member: &str) -> Option<IpAddr> {
    address(member).or_else(|| address(member.rsplit_once(':')?.0))
}

impl<'a> Members<'a> {
    /// Those of a cluster, over this session.
    pub fn new(session: &'a Session<'a>, cluster: &'a str) -> Self {
        Members { session, cluster }
    }

    fn drained_key(&self) -> String {
        format!("{}:drained-fs", self.cluster)
    }

    /// Notes what a server says. A feature server that is drained counts as closed.
    ///
    /// # Errors
    /// Fails with [`CacheError`]; what the server says may be half noted then.
    pub fn take(&self, checkin: &Checkin) -> Result<Checked, CacheError> {
        let is_drained = checkin.is_open && !checkin.is_rtp && self.is_drained(checkin.address)?;
        let is_open = checkin.is_open && !is_drained;
        let checked = self.note(checkin.set(), &checkin.member(), is_open)?;
        let Some(url) = checkin.url.as_deref().filter(|_| checked != Checked::Full) else {
            return Ok(checked);
        };
        match self.note(Set::ServiceUrls, url, is_open)? {
            Checked::Full => Ok(Checked::Full),
            Checked::Done { .. } => Ok(checked),
        }
    }

    fn note(&self, set: Set, member: &str, is_open: bool) -> Result<Checked, CacheError> {
        let key = set.key(self.cluster);
        let script: &Script = match is_open {
            true => &scripts::ENTER,
            false => &scripts::LEAVE,
        };
        let mut script = script.key(key.as_str());
        script.key(beside(&key, "seen")).arg(member).arg(MOST);
        let (done, count): (i64, u64) = self.script(&script)?;
        Ok(match done {
            -1 => Checked::Full,
            done => Checked::Done {
                count,
                is_change: done == 1,
                is_open,
            },
        })
    }

    /// Takes out the members of a set that have not checked in for `expires`. This is done every `interval`, by this
    /// registrar or another.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn expire(
        &self,
        set: Set,
        expires: Duration,
        interval: Duration,
    ) -> Result<Looked, CacheError> {
        let key = set.key(self.cluster);
        let watched = interval + interval / 2 + LATE;
        let mut script = scripts::EXPIRE.key(key.as_str());
        script.key(beside(&key, "seen"));
        script.key(beside(&key, "watched"));
        for time in [expires, watched] {
            script.arg(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
        let (count, found, ended): (u64, u64, Vec<Vec<u8>>) = self.script(&script)?;
        let ended = ended
            .iter()
            .map(|member| String::from_utf8_lossy(member).into_owned());
        Ok(Looked {
            count,
            found,
            ended: ended.collect(),
        })
    }

    /// Whether a feature server gets no more calls.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn is_drained(&self, server: IpAddr) -> Result<bool, CacheError> {
        let server = server.to_canonical();
        let drained = self.drained()?;
        Ok(drained.iter().any(|other| address(other) == Some(server)))
    }

    /// Lets a feature server have no more calls, from its next check-in.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn drain(&self, server: IpAddr) -> Result<(), CacheError> {
        let mut add = cmd("SADD");
        add.arg(self.drained_key()).arg(server.to_string());
        self.session.query(&add)
    }

    /// Lets it have calls again, from its next check-in.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn undrain(&self, server: IpAddr) -> Result<(), CacheError> {
        let server = server.to_canonical();
        for other in self.drained()? {
            if address(&other) == Some(server) {
                let mut remove = cmd("SREM");
                remove.arg(self.drained_key()).arg(other);
                self.session.query::<()>(&remove)?;
            }
        }
        Ok(())
    }

    /// The addresses of the feature servers that get no more calls, sorted.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn drained(&self) -> Result<Vec<String>, CacheError> {
        self.of(&self.drained_key())
    }

    /// The members of a set, sorted.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn list(&self, set: Set) -> Result<Vec<String>, CacheError> {
        self.of(&set.key(self.cluster))
    }

    fn of(&self, key: &str) -> Result<Vec<String>, CacheError> {
        let mut read = cmd("SMEMBERS");
        read.arg(key);
        let members: Vec<Vec<u8>> = self.session.query(&read)?;
        let members = members
            .iter()
            .map(|member| String::from_utf8_lossy(member).into_owned());
        let mut members: Vec<String> = members.collect();
        members.sort_unstable();
        Ok(members)
    }

    /// Runs a script, which may be done twice.
    fn script<T: FromRedisValue>(
        &self,
        script: &::redis::ScriptInvocation<'_>,
    ) -> Result<T, CacheError> {
        let run = |connection: &mut dyn ::redis::ConnectionLike| script.invoke(connection);
        self.session
            .run(|connection| run(connection).map_err(named))
    }
}

#[cfg(test)]
mod tests;
