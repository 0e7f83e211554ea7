//! Queries an endpoint without blocking.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::answer::Answer;
use super::client::Client;
use super::endpoint::Endpoint;
use super::error::{Cause, EndpointError};
use super::request::{Payload, Request};
use super::shares::Shares;
use crate::pool::{Lost, Notify, Pool, Ticket};

/// The outcome of a request.
pub type Outcome = Result<Answer, EndpointError>;

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
            shares: Shares::new(usize::MAX),
        }
    }

    /// Limits the requests in progress to one endpoint.
    #[must_use]
    pub fn with_most_to_one(self, most: usize) -> Self {
        Webhooks {
            shares: Shares::new(most),
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
                Err(EndpointError::one(name, cause))
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
            let endpoint = target.find()?;
            let payload = Payload::new(&request, endpoint.method());
            client.ask(&endpoint, &payload, request.expires, until, now)
        };
        self.pool
            .submit(deadline, lost, job, notify)
            .map_err(|full| EndpointError::one(name, Cause::Overload(full.to_string())))
    }
}

#[cfg(test)]
mod tests;
