//! Why a place gives no keys.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::fetch::FetchError;
use super::limits::MAX_FILE;
use crate::jwt::key::{KeyError, KeySet};

/// Keys that could not be read or fetched. Prints as one line with the path, or with the URL
/// without userinfo and query.
#[derive(Debug, Clone)]
pub struct SourceError {
    /// The path or URL, fit for display.
    pub name: String,
    /// What happened.
    pub cause: SourceCause,
    /// The keys that stay in use meanwhile. Never set for a file.
    pub last_good: Option<Arc<KeySet>>,
    /// Whether the caller itself sent the request that failed, rather than having waited for it, or
    /// heard of it from another process.
    pub is_own: bool,
}

impl std::error::Error for SourceError {}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys from {}: {}", self.name, self.cause)?;
        if self.last_good.is_some() {
            f.write_str("; the last good ones stay in use")?;
        }
        Ok(())
    }
}

impl SourceCause {
    /// Whether a server has answered.
    pub(super) fn is_answer(&self) -> bool {
        match self {
            SourceCause::Fetch(error) => match error {
                FetchError::Redirect(_)
                | FetchError::Status(_)
                | FetchError::Later { .. }
                | FetchError::TooLong => true,
                FetchError::Url(_) | FetchError::Failed(_) => false,
            },
            SourceCause::Read(_)
            | SourceCause::NoTime
            | SourceCause::StillAsking
            | SourceCause::TooManyWait => false,
            _ => true,
        }
    }
}

/// What went wrong. No message contains anything from a file or an answer, except whose metadata they are,
/// quoted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SourceCause {
    /// The file does not exist or can't be read.
    #[error("the file can't be read: {0}")]
    Read(String),
    /// A directory, a device or a pipe.
    #[error("it is not a regular file")]
    NotAFile,
    /// Over [`MAX_FILE`].
    #[error("the file is longer than {MAX_FILE} bytes")]
    TooLarge,
    /// The content is not a key.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// The beginning of a key rather than a secret.
    #[error("it looks like the beginning of a PEM or JSON text, which can't be a secret in a file")]
    Incomplete,
    /// What a server answered, saved as a key.
    #[error("it is a web page or a JSON document, which can't be a secret in a file")]
    NotASecret,
    /// The provider could not be queried, or did not return a set.
    #[error("{0}")]
    Fetch(#[from] FetchError),
    /// The deadline passed before the provider could be queried.
    #[error("timed out before the provider could be asked")]
    NoTime,
    /// Another thread is querying the provider, and did not finish in time.
    #[error("timed out while the provider was already being asked")]
    StillAsking,
    /// Too many threads already wait for the provider.
    #[error("the provider is already being asked, and too many threads wait for its answer")]
    TooManyWait,
}
