//! How a JWK Set is fetched over the network: what [`KeySources`](super::KeySources) needs.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::reference::KeyReferenceError;

/// The longest answer of a provider, in bytes. A set of a hundred keys with their certificates
/// stays below half of that.
pub const MAX_DOCUMENT: usize = 512 * 1024;

/// Gets documents over HTTP.
pub trait Fetch {
    /// Gets one, with GET, and returns by `deadline` at the latest.
    ///
    /// # Errors
    /// Fails with [`FetchError`] on anything but a complete answer with status 200 and at most
    /// [`MAX_DOCUMENT`] bytes.
    fn get(&self, url: &str, deadline: Instant) -> Result<Fetched, FetchError>;
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What the provider sent, at most [`MAX_DOCUMENT`] bytes.
    pub body: Vec<u8>,
    /// How long the provider says that this is fresh (RFC 9111 section 4.2), if it does; zero if it
    /// says not to store or reuse it.
    pub max_age: Option<Duration>,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// Not an acceptable URL.
    #[error("{0}")]
    Url(#[from] KeyReferenceError),
    /// A redirect: the administrator named this provider, not one that it points to.
    #[error("it answered with a redirect (status {0}), which is not followed")]
    Redirect(u16),
    /// Not 200.
    #[error("it answered with status {0}, which must be 200")]
    Status(u16),
    /// 429 or 503, with how long it wants to be left alone from when it was asked.
    #[error("it answered with status {status}, and asks to be left alone for {secs} s", secs = .time.as_secs())]
    Later {
        /// The status.
        status: u16,
        /// How long.
        time: Duration,
    },
    /// Over [`MAX_DOCUMENT`].
    #[error("its answer is longer than {MAX_DOCUMENT} bytes")]
    TooLong,
    /// A network or TLS error, or a timeout, in words.
    #[error("{0}")]
    Failed(String),
}
