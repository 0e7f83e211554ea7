//! Why an endpoint gave no answer.

use std::fmt;
use std::time::Duration;

use super::answer::{AnswerError, MAX_ANSWER};
use super::request::MAX_QUERY;

/// An endpoint failed. Prints as one line that names every URL queried, without userinfo and query,
/// each with its cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointError {
    /// URL and cause, in the order in which they were queried.
    pub failures: Vec<(String, Cause)>,
}

impl std::error::Error for EndpointError {}

impl EndpointError {
    /// Whether there is nothing to query, because the realm has no endpoint.
    pub fn is_unknown_realm(&self) -> bool {
        self.failures
            .iter()
            .any(|(_, cause)| matches!(cause, Cause::UnknownRealm))
    }

    /// For a realm whose endpoint can't be queried. Realms come from requests, so whatever could
    /// corrupt a log is escaped.
    pub(super) fn realm(realm: &str, cause: Cause) -> Self {
        EndpointError::one(format!("of realm {}", realm.escape_debug()), cause)
    }

    /// No one waits for the answer.
    pub fn given_up(cause: &str) -> Self {
        EndpointError::one("of the request", Cause::GivenUp(cause.to_owned()))
    }

    pub(super) fn one(url: impl fmt::Display, cause: Cause) -> Self {
        EndpointError {
            failures: vec![(url.to_string(), cause)],
        }
    }

    /// Whether it was not even tried because too many requests are in progress.
    #[cfg(test)]
    pub(super) fn is_overload(&self) -> bool {
        self.failures
            .iter()
            .any(|(_, cause)| matches!(cause, Cause::Overload(_)))
    }

    /// What kind of failure it is, for statistics: that of the last URL that was asked, if any was.
    pub fn kind(&self) -> FailureKind {
        let kinds = self.failures.iter().rev().map(|(_, cause)| cause.kind());
        let asked = |kind: &FailureKind| *kind != FailureKind::LeftAlone;
        let mut kinds = kinds.peekable();
        let last = kinds.peek().copied();
        kinds.find(asked).or(last).unwrap_or(FailureKind::Other)
    }

    /// What an endpoint that was asked did wrong, with its URL: the last of them, if it is a fault of the endpoint's
    /// that its owner can see from outside.
    pub fn fault(&self) -> Option<(&str, Fault)> {
        let mut failures = self.failures.iter().rev();
        failures.find_map(|(url, cause)| Some((url.as_str(), cause.fault()?)))
    }

    /// Whether it was not even tried because the endpoint is being left alone.
    #[cfg(test)]
    pub(super) fn is_left_alone(&self) -> bool {
        self.failures
            .iter()
            .all(|(_, cause)| matches!(cause, Cause::LeftAlone(_) | Cause::SetDown))
    }
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (url, cause)) in self.failures.iter().enumerate() {
            let separator = if at == 0 { "endpoint " } else { "; then " };
            write!(f, "{separator}{url}: {cause}")?;
        }
        Ok(())
    }
}

/// What an endpoint did wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It answered with this status.
    Status(u16),
    /// There was no connection to it, or it broke, or took too long.
    Unreachable,
}

/// What kind of failure an [`EndpointError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// It did not answer in time.
    TimedOut,
    /// There was no connection, or it broke.
    Unreachable,
    /// It failed before, or has asked for that, and was not asked.
    LeftAlone,
    /// Too many requests are in progress.
    Overload,
    /// It answered otherwise than it should.
    BadAnswer,
    /// It was not asked for another reason.
    Other,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The timeout expired during this step.
    #[error("timed out {0}")]
    TimedOut(&'static str),
    /// The host's name has no address.
    #[error("the name of its host can't be resolved: {0}")]
    Resolve(String),
    /// No TCP connection could be made.
    #[error("can't connect: {0}")]
    Connect(String),
    /// The proxy can't be reached, or makes no connection.
    #[error("no connection through the proxy: {0}")]
    Proxy(String),
    /// The files of certificates and keys of the endpoint can't be used.
    #[error("not asked: {0}")]
    Files(String),
    /// The TLS handshake failed.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The connection was closed or failed.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Not HTTP.
    #[error("its answer is not HTTP: {0}")]
    Protocol(String),
    /// A redirect, which is not followed: the credentials are meant for no other server.
    #[error("it answered with a redirect (status {0}), which is not followed")]
    Redirect(u16),
    /// None of those that mean something.
    #[error("it answered with status {0}, which must be 200 (or 401 or 403, which deny)")]
    Status(u16),
    /// 429 or 503, with how long it wants to be left alone.
    #[error("it answered with status {0}, and asks to be left alone for {secs} s", secs = .1.as_secs())]
    Later(u16, Duration),
    /// It has asked for that before.
    #[error("it asked to be left alone, for {0} s from now on")]
    Held(u64),
    /// A GET carries everything in its URL, whose length is limited.
    #[error("a GET with a query of {0} bytes is not sent, {MAX_QUERY} are allowed: use POST")]
    QueryTooLong(usize),
    /// Over [`MAX_ANSWER`].
    #[error("its answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
    /// The body was not understood.
    #[error("{0}")]
    Answer(#[from] AnswerError),
    /// The circuit breaker.
    #[error("it failed {0} times in a row and is left alone for now")]
    LeftAlone(u32),
    /// Somebody has said so.
    #[error("it is set down (http_endpoint_set)")]
    SetDown,
    /// The endpoint table has none for the realm.
    #[error("not found")]
    UnknownRealm,
    /// The lookup in the endpoint table failed, or the row is invalid.
    #[error("the lookup failed: {0}")]
    Table(String),
    /// The thread pool refused the request.
    #[error("not asked: {0}")]
    Overload(String),
    /// The script did not wait, or could not.
    #[error("{0}")]
    GivenUp(String),
    /// An internal error.
    #[error("not asked: an internal error")]
    Internal,
}

impl Cause {
    /// It is left alone for this time.
    pub(super) fn held(time: Duration) -> Self {
        Cause::Held(time.as_secs() + u64::from(time.subsec_nanos() > 0))
    }

    fn kind(&self) -> FailureKind {
        match self {
            Cause::TimedOut(_) => FailureKind::TimedOut,
            Cause::Resolve(_)
            | Cause::Connect(_)
            | Cause::Proxy(_)
            | Cause::Tls(_)
            | Cause::Broken(_) => FailureKind::Unreachable,
            Cause::LeftAlone(_) | Cause::Held(_) | Cause::SetDown => FailureKind::LeftAlone,
            Cause::Overload(_) => FailureKind::Overload,
            Cause::Protocol(_)
            | Cause::Redirect(_)
            | Cause::Status(_)
            | Cause::Later(..)
            | Cause::TooLong
            | Cause::Answer(_) => FailureKind::BadAnswer,
            Cause::Files(_)
            | Cause::QueryTooLong(_)
            | Cause::UnknownRealm
            | Cause::Table(_)
            | Cause::GivenUp(_)
            | Cause::Internal => FailureKind::Other,
        }
    }

    fn fault(&self) -> Option<Fault> {
        match (self, self.kind()) {
            (Cause::Status(status) | Cause::Later(status, _) | Cause::Redirect(status), _) => {
                Some(Fault::Status(*status))
            }
            (Cause::Protocol(_), _) | (_, FailureKind::TimedOut | FailureKind::Unreachable) => {
                Some(Fault::Unreachable)
            }
            _ => None,
        }
    }

    /// Whether the next URL is to be tried.
    pub(super) fn passes_on(&self) -> bool {
        match self {
            Cause::Status(status) => *status >= 500,
            Cause::Later(..) | Cause::Held(_) => true,
            Cause::Redirect(_)
            | Cause::QueryTooLong(_)
            | Cause::TooLong
            | Cause::Answer(_)
            | Cause::UnknownRealm
            | Cause::Table(_)
            | Cause::Files(_)
            | Cause::Overload(_)
            | Cause::GivenUp(_)
            | Cause::Internal => false,
            Cause::TimedOut(_)
            | Cause::Resolve(_)
            | Cause::Connect(_)
            | Cause::Proxy(_)
            | Cause::Tls(_)
            | Cause::Broken(_)
            | Cause::Protocol(_)
            | Cause::LeftAlone(_)
            | Cause::SetDown => true,
        }
    }

    /// Whether this indicates an endpoint that is out of order. A 4xx status may be due to a single
    /// request, and whoever can provoke one must not be able to disable the endpoint.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            Cause::Status(status) | Cause::Later(status, _) => *status >= 500,
            Cause::LeftAlone(_)
            | Cause::SetDown
            | Cause::Held(_)
            | Cause::QueryTooLong(_)
            | Cause::UnknownRealm
            | Cause::Table(_)
            | Cause::Files(_)
            | Cause::Overload(_)
            | Cause::GivenUp(_)
            | Cause::Internal => false,
            Cause::TimedOut(_)
            | Cause::Resolve(_)
            | Cause::Connect(_)
            | Cause::Proxy(_)
            | Cause::Tls(_)
            | Cause::Broken(_)
            | Cause::Protocol(_)
            | Cause::Redirect(_)
            | Cause::TooLong
            | Cause::Answer(_) => true,
        }
    }
}
