//! The native driver of the CacheDB: Redis, by the crate `redis`.
//!
//! It is asked on threads, with a time-out for all that one question takes: finding the server,
//! connecting, waiting for a free connection, commands and their answers. Connections are kept. What
//! is particular about it:
//!
//! - A connection is made on a thread of its own, since a name may take long to resolve, and nobody
//!   is to wait for it beyond the time-out.
//! - Sentinels are asked for the master's address here, and not by the crate, whose blocking client of
//!   Sentinel has no time-outs: one Sentinel that hangs would block it for ever.

mod certificates;
#[cfg(feature = "fuzzing")]
mod replies;
mod server;
mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::{Cmd, ConnectionLike, ErrorKind, FromRedisValue, RedisError, ServerErrorKind, cmd};
use thiserror::Error;

use self::server::{Server, Target};
use crate::connections::{Connections, Lease, Unavailable};
use crate::counters::{Claim, Counters};
use crate::meters::Gauge;
use crate::pool::{Lost, NoNotify, Pool};

pub use certificates::CertificateError;
#[cfg(feature = "fuzzing")]
pub use replies::Replies;
pub use url::RedisUrl;

/// Most connections of one process: each is in use for a fraction of a millisecond at a time.
const MAX_CONNECTIONS: usize = 16;

/// Why a question has no answer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CacheError {
    /// Redis did not answer in time; milliseconds.
    #[error("Redis did not answer within {0} ms (cachedb_timeout)")]
    TimedOut(u64),
    /// It can't be reached, or the connection broke.
    #[error("Redis can't be reached: {0}")]
    Unreachable(String),
    /// It answers with an error.
    #[error("Redis refuses: {0}")]
    Refused(String),
    /// It was not asked.
    #[error("Redis is not asked: {0}")]
    Busy(String),
}

impl CacheError {
    /// Whether it is about the key that was asked for, which holds something else: whatever else is asked is answered.
    pub fn is_of_key(&self) -> bool {
        matches!(self, CacheError::Refused(cause) if cause.contains("WRONGTYPE"))
    }
}

/// Redis as one process asks it.
#[derive(Clone, Debug)]
pub struct Redis {
    target: Arc<Target>,
    timeout: Duration,
    connections: Arc<Connections<Server>>,
    /// Where connections are made.
    threads: Arc<Pool>,
}

/// What is needed to reach Redis, read and checked at start.
#[derive(Clone, Debug)]
pub struct Settings(Arc<Target>);

impl Settings {
    /// Reads the certificates that the URL names.
    ///
    /// # Errors
    /// Fails with [`CertificateError`] if a file can't be read, or does not have what it should.
    pub fn new(url: RedisUrl) -> Result<Self, CertificateError> {
        Target::new(url).map(|target| Settings(Arc::new(target)))
    }

    /// Whether it is a cluster, of which each node has keys of its own.
    pub fn is_cluster(&self) -> bool {
        self.0.is_cluster()
    }

    /// As if a server answered with these replies.
    #[cfg(feature = "fuzzing")]
    pub fn answering(url: RedisUrl, replies: Replies) -> Result<Self, CertificateError> {
        let target = Target::new(url)?.answering(replies);
        Ok(Settings(Arc::new(target)))
    }
}

impl Redis {
    /// Connects to nothing yet. `timeout` is for all that one question takes; connections are counted in
    /// `gauge`.
    pub fn new(settings: &Settings, timeout: Duration, threads: Arc<Pool>, gauge: Gauge) -> Self {
        Redis {
            target: settings.0.clone(),
            timeout,
            connections: Arc::new(Connections::new(MAX_CONNECTIONS).counting(gauge)),
            threads,
        }
    }

    /// A conversation of `timeout` at most, which ends at `deadline` in any case. For a thread that
    /// may wait.
    pub fn session(&self, deadline: Instant) -> Session<'_> {
        let now = Instant::now();
        Session {
            redis: self,
            until: deadline.min(now + self.timeout),
        }
    }

    /// The error that the time is over.
    pub fn timed_out(&self) -> CacheError {
        CacheError::TimedOut(u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX))
    }

    /// Whether it is a cluster, of which each node has names of its own.
    pub fn is_cluster(&self) -> bool {
        self.target.is_cluster()
    }

    /// The time-out of a question.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    fn connect(&self, until: Instant) -> Result<Server, CacheError> {
        let target = self.target.clone();
        let lost = |lost| match lost {
            Lost::TimedOut => Err(None),
            Lost::Panicked => Err(Some("internal error in its driver".to_owned())),
        };
        let job = move || target.connect(until).map_err(|error| described(&error));
        let connected = self
            .threads
            .submit(until, lost, job, NoNotify)
            .map_err(|full| CacheError::Busy(full.to_string()))?
            .wait();
        connected.map_err(|cause| match cause {
            Some(cause) => CacheError::Unreachable(cause),
            None => self.timed_out(),
        })
    }

    fn error(&self, error: &RedisError) -> CacheError {
        let Some(text) = described(error) else {
            return self.timed_out();
        };
        match error.kind() {
            ErrorKind::Io => CacheError::Unreachable(text),
            _ => CacheError::Refused(text),
        }
    }
}

/// The words for an error; `None` where it is that the time was over.
fn described(error: &RedisError) -> Option<String> {
    if error.is_timeout() {
        return None;
    }
    Some(match error.kind() {
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
            "it is a node of a Redis Cluster, whose scheme is redis+cluster".to_owned()
        }
        _ => error.to_string(),
    })
}

/// See [`Redis::session`].
#[derive(Debug)]
pub struct Session<'a> {
    redis: &'a Redis,
    until: Instant,
}

impl Session<'_> {
    /// When it ends.
    pub fn until(&self) -> Instant {
        self.until
    }

    /// Whether it answers at all.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn ping(&self) -> Result<(), CacheError> {
        // Every topology knows which server this is for.
        self.get_counter("auth_web_ping").map(drop)
    }

    /// Whether the keys of one command have to be in one slot, so that each is asked about by itself.
    pub fn is_cluster(&self) -> bool {
        self.redis.target.is_cluster()
    }

    /// Asks one thing.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, CacheError> {
        self.run(|connection| command.query(connection))
    }

    /// Does something with a connection. It is done again, on a new one, where a kept one turns out to
    /// be closed: so it has to be something that may be done twice.
    ///
    /// # Errors
    /// Fails with [`CacheError`].
    pub fn run<T>(
        &self,
        work: impl Fn(&mut dyn ConnectionLike) -> Result<T, RedisError>,
    ) -> Result<T, CacheError> {
        let connections = &self.redis.connections;
        let mut lease = connections
            .lease(self.until)
            .map_err(|unavailable| match unavailable {
                Unavailable::NotOpen => self.redis.timed_out(),
                Unavailable::AllInUse => CacheError::Busy(format!(
                    "{MAX_CONNECTIONS} connections are in use, which is the limit"
                )),
            })?;
        let kept = lease.is_kept();
        match self.try_run(&mut lease, &work) {
            Err(Failure::Asked(error)) if kept && is_stale(&error) => {
                // The others are as old.
                connections.close_idle();
                self.try_run(&mut lease, &work)
            }
            other => other,
        }
        .map_err(|failure| match failure {
            Failure::Asked(error) => self.redis.error(&error),
            Failure::Connecting(error) => error,
        })
    }

    fn try_run<T>(
        &self,
        lease: &mut Lease<'_, Server>,
        work: impl Fn(&mut dyn ConnectionLike) -> Result<T, RedisError>,
    ) -> Result<T, Failure> {
        let server = lease
            .connection(|| self.redis.connect(self.until))
            .map_err(Failure::Connecting)?;
        let done = server.within(self.until, work);
        if let Err(error) = &done
            && (is_stale(error) || error.is_timeout())
        {
            lease.discard();
        }
        done.map_err(Failure::Asked)
    }
}

enum Failure {
    Asked(RedisError),
    Connecting(CacheError),
}

/// Whether another connection may do better: this one is closed, or leads to a server that is no
/// longer the master.
fn is_stale(error: &RedisError) -> bool {
    let is_not_master = matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading
        )
    );
    is_not_master || !error.is_timeout() && (error.is_io_error() || error.is_unrecoverable_error())
}

/// The error of a script. Redis 6 hides in it that a server is no longer the master, which another connection solves.
pub fn named(error: RedisError) -> RedisError {
    let hidden = error.kind() == ErrorKind::Server(ServerErrorKind::ResponseError);
    match error.detail() {
        Some(detail) if hidden && detail.contains("-READONLY") => {
            let kind = ErrorKind::Server(ServerErrorKind::ReadOnly);
            (kind, "", detail.to_owned()).into()
        }
        _ => error,
    }
}

impl Counters for Session<'_> {
    type Error = CacheError;

    fn claim(&self, claim: &Claim) -> Result<bool, CacheError> {
        let set: Option<String> = self.query(&claiming(claim))?;
        Ok(set.is_some())
    }

    fn set(&self, key: &str, value: i32, ttl: u32) -> Result<(), CacheError> {
        let mut command = cmd("SET");
        command.arg(key).arg(value);
        if ttl > 0 {
            command.arg("EX").arg(ttl);
        }
        self.query(&command)
    }

    fn get_counter(&self, key: &str) -> Result<Option<i64>, CacheError> {
        self.query(&look_up(key))
    }

    /// Both at once, in one round trip, except in a Cluster.
    fn get_and_claim(
        &self,
        counter: &str,
        claim: &Claim,
    ) -> Result<(Option<i64>, bool), CacheError> {
        if self.is_cluster() {
            return Ok((self.get_counter(counter)?, self.claim(claim)?));
        }
        let mut both = ::redis::pipe();
        both.add_command(look_up(counter));
        both.add_command(claiming(claim));
        let (value, set): (Option<i64>, Option<String>) =
            self.run(|connection| both.query(connection))?;
        Ok((value, set.is_some()))
    }
}

/// One command, so that there is never a claim that is remembered for ever.
fn claiming(Claim { key, ttl }: &Claim) -> Cmd {
    let mut command = cmd("SET");
    command
        .arg(key)
        .arg(1)
        .arg("NX")
        .arg("EX")
        .arg((*ttl).max(1));
    command
}

fn look_up(key: &str) -> Cmd {
    let mut command = cmd("GET");
    command.arg(key);
    command
}
