//! How a JWK Set comes over the network: what [`KeySources`](super::KeySources) needs of it.

use std::time::{Duration, Instant};

use thiserror::Error;

use super::reference::KeyReferenceError;

/// The longest answer of a provider, in bytes. A set of a hundred keys with their certificates
/// stays below half of it.
pub const MAX_DOCUMENT: usize = 512 * 1024;

/// Gets documents over HTTP.
pub trait Fetch {
    /// Gets one, with GET, and is back at `deadline` at the latest.
    ///
    /// # Errors
    /// [`FetchError`]: anything but a whole answer of status 200 and at most [`MAX_DOCUMENT`]
    /// bytes.
    fn get(&self, url: &str, deadline: Instant) -> Result<Fetched, FetchError>;
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// What the provider sent, at most [`MAX_DOCUMENT`] bytes.
    pub body: Vec<u8>,
    /// How long it says that this is fresh (RFC 9111 section 4.2), if it does; zero where it says
    /// that it is not to be stored or used again.
    pub max_age: Option<Duration>,
}

/// Why there is no document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FetchError {
    /// Not a URL that may be asked.
    #[error("{0}")]
    Url(#[from] KeyReferenceError),
    /// A redirect: the administrator named one provider, not whoever that one names.
    #[error("it answered with a redirect (status {0}), which is not followed")]
    Redirect(u16),
    /// Not 200.
    #[error("it answered with status {0}, which must be 200")]
    Status(u16),
    /// Over [`MAX_DOCUMENT`].
    #[error("its answer is longer than {MAX_DOCUMENT} bytes")]
    TooLong,
    /// Network, TLS or time-out, in words.
    #[error("{0}")]
    Failed(String),
}
