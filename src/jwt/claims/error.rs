//! What the claims of a token are refused for.

use thiserror::Error;

/// What a token's claims are refused for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClaimError {
    /// Now is on or after `exp` (RFC 7519 section 4.1.4).
    #[error("expired {seconds} s ago")]
    Expired {
        /// Seconds since then.
        seconds: u64,
    },
    /// Now is before `nbf` (RFC 7519 section 4.1.5).
    #[error("not valid for another {seconds} s")]
    NotYetValid {
        /// Seconds until then.
        seconds: u64,
    },
    /// Issued longer ago than the rules allow.
    #[error("issued {age} s ago, at most {limit} s are allowed")]
    TooOld {
        /// Seconds since `iat`.
        age: u64,
        /// Seconds that are allowed.
        limit: u64,
    },
    /// `iat` is ahead, where the age of a token matters.
    #[error("issued {seconds} s in the future")]
    IssuedInFuture {
        /// Seconds until then.
        seconds: u64,
    },
    /// `exp`, `nbf` or `iat` is no NumericDate (RFC 7519 section 2).
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    /// A claim that is asked for is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// A claim does not have the value that is asked for.
    #[error("{0} differs from what is required")]
    Differs(String),
    /// A scope that is asked for is not granted (RFC 8693 section 4.2).
    #[error("scope {0} is not granted")]
    InsufficientScope(String),
    /// The header's `typ` is not the one that is asked for.
    #[error("typ is {found}, required is {required:?}")]
    TokenType {
        /// What the token says it is.
        found: String,
        /// What it must be.
        required: String,
    },
}

impl ClaimError {
    /// Whether the error is about time: expired, not yet valid, too old, or no time at all.
    pub fn is_about_time(&self) -> bool {
        match self {
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::TooOld { .. }
            | Self::IssuedInFuture { .. }
            | Self::NotANumber(_) => true,
            Self::Missing(_)
            | Self::Differs(_)
            | Self::InsufficientScope(_)
            | Self::TokenType { .. } => false,
        }
    }
}
