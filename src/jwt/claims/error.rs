//! Why the claims of a token are refused.

use thiserror::Error;

/// Why a token's claims are refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClaimError {
    /// The current time is on or after `exp` (RFC 7519 section 4.1.4).
    #[error("expired {seconds} s ago")]
    Expired {
        /// Seconds since then.
        seconds: u64,
    },
    /// The current time is before `nbf` (RFC 7519 section 4.1.5).
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
    /// `iat` is in the future, where the age of a token matters.
    #[error("issued {seconds} s in the future")]
    IssuedInFuture {
        /// Seconds until then.
        seconds: u64,
    },
    /// `exp`, `nbf` or `iat` is not a NumericDate (RFC 7519 section 2).
    #[error("{0} is not a number")]
    NotANumber(&'static str),
    /// A required claim is missing.
    #[error("{0} is missing")]
    Missing(String),
    /// A claim does not have the required value.
    #[error("{0} differs from what is required")]
    Differs(String),
    /// `iss` or `aud` is none of those that are allowed.
    #[error("{claim} differs from what is required: it is {found}, allowed are {allowed}")]
    NotAllowed {
        /// Which of them.
        claim: &'static str,
        /// What the token has, quoted.
        found: String,
        /// What the administrator allows.
        allowed: String,
    },
    /// `iss` is none of those that are listed.
    #[error("iss is {found}, which is not listed")]
    NotListed {
        /// What the token has, quoted.
        found: String,
    },
    /// A required scope is not granted (RFC 8693 section 4.2).
    #[error("scope {0} is not granted")]
    InsufficientScope(String),
    /// The header's `typ` is not the required one.
    #[error("typ is {found}, required is {required:?}")]
    TokenType {
        /// What the token says it is.
        found: String,
        /// What it must be.
        required: String,
    },
}

impl ClaimError {
    /// Whether the error is about time: expired, not yet valid, too old, or not a time at all.
    pub fn is_about_time(&self) -> bool {
        match self {
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::TooOld { .. }
            | Self::IssuedInFuture { .. }
            | Self::NotANumber(_) => true,
            Self::Missing(_)
            | Self::Differs(_)
            | Self::NotAllowed { .. }
            | Self::NotListed { .. }
            | Self::InsufficientScope(_)
            | Self::TokenType { .. } => false,
        }
    }
}
