//! Queries an endpoint without blocking.

mod form;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::answer::{Answer, Ban, Verdict};
use super::ban::Entry;
use super::client::Client;
use super::endpoint::Endpoint;
use super::error::{Cause, EndpointError};
use super::inflight::Inflight;
use super::request::{Payload, Request};
use super::shares::Shares;
use crate::pool::{Lost, Notify, Pool, Ticket};

/// The outcome of a request.
pub type Outcome = Result<Answered, Refusal>;

/// An answer, and what was done because of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// What the endpoint says.
    pub answer: Box<Answer>,
    /// Whether the source is banned now, if the endpoint wants that and there is a [`Gate`].
    pub banned: Option<Result<(), String>>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source is banned.
    #[error("its source is banned")]
    Banned,
    /// This count of its nonce was used before.
    #[error("this count of its nonce was used before")]
    Replay,
    /// The gate could not be asked.
    #[error("{0}")]
    Gate(String),
    /// The endpoint was not asked, or did not answer as it should.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

/// What a request has to pass before its endpoint is asked: on the same thread, within the same
/// timeout.
pub trait Gate: Send {
    /// Whether it may pass; without an answer by `until` it is an error.
    ///
    /// # Errors
    /// Fails if that can't be told; the endpoint is not asked then.
    fn enter(&self, until: Instant) -> Result<Entry, String>;

    /// Bans the source of the request.
    ///
    /// # Errors
    /// Fails with the reason.
    fn ban(&self, ban: Ban, until: Instant) -> Result<(), String>;
}

/// Finds the endpoint of a realm; may block. The error is a message for the log.
pub type FindEndpoint = Box<dyn FnOnce() -> Result<Option<Arc<Endpoint>>, String> + Send>;

/// What is queried.
pub enum Target {
    /// This endpoint.
    Endpoint(Arc<Endpoint>),
    /// The endpoint of a realm, still to be looked up: on the thread that then queries it, within
    /// the same timeout.
    Realm {
        /// The realm, for messages.
        realm: String,
        /// Finds it.
        find: FindEndpoint,
    },
}

impl Target {
    /// Its name in messages.
    fn name(&self) -> String {
        match self {
            Target::Endpoint(endpoint) => endpoint.to_string(),
            Target::Realm { realm, .. } => format!("of realm {}", realm.escape_debug()),
        }
    }

    fn find(self) -> Result<Arc<Endpoint>, EndpointError> {
        match self {
            Target::Endpoint(endpoint) => Ok(endpoint),
            Target::Realm { realm, find } => match find() {
                Ok(Some(endpoint)) => Ok(endpoint),
                Ok(None) => Err(EndpointError::realm(&realm, Cause::UnknownRealm)),
                Err(error) => Err(EndpointError::realm(&realm, Cause::Table(error))),
            },
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Target").field(&self.name()).finish()
    }
}

/// A client and the threads it works on. Belongs to one process.
#[derive(Debug)]
pub struct Webhooks {
    client: Arc<Client>,
    pool: Arc<Pool>,
    shares: Shares,
}

/// The client gives up this much earlier than the ticket, or a tenth of the timeout if that is
/// less: then the log can say what it was waiting for.
const HEAD_START: Duration = Duration::from_millis(50);

impl Webhooks {
    /// Both must have been made in this process, after it was forked.
    pub fn new(client: impl Into<Arc<Client>>, pool: Arc<Pool>) -> Self {
        Webhooks {
            client: client.into(),
            pool,
            shares: Shares::new(usize::MAX, None),
        }
    }

    /// Limits the requests in progress to one endpoint: those of this process, and those of all.
    #[must_use]
    pub fn with_most_to_one(self, most: usize, all: Option<Inflight>) -> Self {
        Webhooks {
            shares: Shares::new(most, all),
            ..self
        }
    }

    #[cfg(test)]
    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Starts a query. Never blocks.
    ///
    /// The ticket is completed once, at the latest after [`ClientConfig::timeout`], and then
    /// `notify` is called once. A caller that wants to wait passes
    /// [`NoNotify`](crate::pool::NoNotify) and calls [`Ticket::wait`].
    ///
    /// `now` is the time that a signature carries.
    ///
    /// # Errors
    /// Fails if the endpoint is being left alone, or if too many requests are in progress; no query
    /// is sent then, and `notify` is not called.
    ///
    /// [`ClientConfig::timeout`]: super::ClientConfig::timeout
    pub fn ask<N: Notify + 'static>(
        &self,
        target: Target,
        request: Request,
        gate: Option<Box<dyn Gate>>,
        now: SystemTime,
        notify: N,
    ) -> Result<Ticket<Outcome>, EndpointError> {
        let started = Instant::now();
        if let Target::Endpoint(endpoint) = &target
            && let Some(error) = self.client.refuses(endpoint, started)
        {
            return Err(error);
        }
        let timeout = self.client.config().timeout;
        let deadline = started + timeout;
        let until = deadline
            .checked_sub(HEAD_START.min(timeout / 10))
            .unwrap_or(deadline);
        let name = target.name();
        let lost = {
            let name = name.clone();
            move |lost| {
                let cause = match lost {
                    Lost::TimedOut => Cause::TimedOut("altogether"),
                    Lost::Panicked => Cause::Internal,
                };
                Err(EndpointError::one(name, cause).into())
            }
        };
        let share = self
            .shares
            .take(&name)
            .map_err(|no_share| EndpointError::one(&name, Cause::Overload(no_share.to_string())))?;
        let client = Arc::clone(&self.client);
        let job = move || {
            // Released when the thread is free again, which may be after the timeout.
            let _share = share;
            if let Some(gate) = &gate {
                match gate.enter(until).map_err(Refusal::Gate)? {
                    Entry::Open => {}
                    Entry::Banned => return Err(Refusal::Banned),
                    Entry::Replay => return Err(Refusal::Replay),
                }
            }
            let endpoint = target.find()?;
            let payload = Payload::new(&request, endpoint.method());
            let answer = client.ask(&endpoint, &payload, request.expires, until, now)?;
            let banned = match (&answer.verdict, &gate) {
                (Verdict::Denied { ban: Some(ban) }, Some(gate)) => Some(gate.ban(*ban, deadline)),
                _ => None,
            };
            let answer = Box::new(answer);
            Ok(Answered { answer, banned })
        };
        self.pool
            .submit(deadline, lost, job, notify)
            .map_err(|full| EndpointError::one(name, Cause::Overload(full.to_string())))
    }
}

#[cfg(test)]
mod tests;
