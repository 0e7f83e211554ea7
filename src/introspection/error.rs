//! Why a token that its issuer is asked for is refused.

use thiserror::Error;

use super::limits::{MAX_ANSWER, WINDOW};
use crate::jwt::authorize::Outcome;
use crate::jwt::json::JsonError;

/// Why a token is refused for which its issuer was to be asked. Its text is the reason, for the log and for a
/// script; it holds nothing secret and no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IntrospectionError {
    /// `active` is not true (RFC 7662 section 2.2).
    #[error("its issuer says that it is not active")]
    Inactive,
    /// Another kind of token: a refresh token, or one that needs a proof of possession.
    #[error("its issuer says that its {member} is {found}, and not that of a bearer token")]
    NotBearer {
        /// `token_type` or `token_use`.
        member: &'static str,
        /// What it says, quoted.
        found: String,
    },
    /// The token and its issuer say different things.
    #[error("its issuer says another {0} than the token")]
    Differs(&'static str),
    /// No issuer speaks for the domain.
    #[error("it is opaque, and no issuer that can be asked speaks for {0}")]
    NoIssuer(String),
    /// More than one speaks for the domain.
    #[error("it is opaque, and more than one issuer that can be asked speaks for {0}")]
    Ambiguous(String),
    /// Nobody can say for which domain the request is.
    #[error("it is opaque, and the domain that the request is about can't be read")]
    NoDomain,
    /// The source sent too many tokens that are not active.
    #[error(
        "more tokens from its source address were not active than are asked for in {WINDOW} s \
         (introspection_source_limit)"
    )]
    SourceLimit,
    /// All sources together did.
    #[error("more tokens were not active than are asked for in {WINDOW} s (introspection_limit)")]
    Limit,
    /// The metadata of the issuer have none.
    #[error("the metadata of its issuer name no introspection_endpoint")]
    NoEndpoint,
    /// The endpoint was not asked, or gave no answer. The details are for the log.
    #[error("its issuer could not be asked: {0}")]
    Failed(String),
    /// What it answered is something else. The same.
    #[error("its issuer could not be asked: the answer {0}")]
    Answer(AnswerError),
    /// All that a script is told of these.
    #[error("its issuer could not be asked")]
    Unasked,
}

/// Why an answer is none.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Another media type (RFC 7662 section 2.2).
    #[error("is {found}, not application/json")]
    NotJson {
        /// Its media type, quoted.
        found: String,
    },
    /// Not a signed one, which was asked for (RFC 9701 section 5).
    #[error("is {found}, not application/token-introspection+jwt (introspection_signed)")]
    NotSigned {
        /// Its media type, quoted.
        found: String,
    },
    /// Not an object, or one that can be read in two ways.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// No decision.
    #[error("has no active that is true or false")]
    NoActive,
    /// It is signed, and not as it should be.
    #[error("is not signed as it should be: {0}")]
    Signature(String),
    /// A signed one without its content.
    #[error("has no token_introspection")]
    NoContent,
    /// Longer than is read.
    #[error("is longer than {MAX_ANSWER} bytes")]
    TooLong,
}

impl IntrospectionError {
    /// A signed answer that is not what it should be.
    pub fn unverified(outcome: &Outcome) -> Self {
        Self::Answer(AnswerError::Signature(outcome.to_string()))
    }
}

impl From<AnswerError> for IntrospectionError {
    fn from(error: AnswerError) -> Self {
        Self::Answer(error)
    }
}
