//! What an administrator asks of a token beyond its signature.

use super::algorithm::AlgorithmSet;
use super::path::{ClaimPath, PathError};

/// The rules that a token is judged by, set once by modparams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Algorithms that are accepted at all. Default: all that are known.
    pub algorithms: AlgorithmSet,
    /// Seconds by which clocks may differ, for `exp`, `nbf` and the age of a token. Default 0.
    pub leeway: u64,
    /// Accepted values of `iss`; none: not checked.
    pub issuers: Vec<String>,
    /// Of these one must be in `aud`; none: not checked.
    pub audiences: Vec<String>,
    /// Whether a token without `exp` is refused. Default no.
    pub require_exp: bool,
    /// Claims that a token must have. Default none.
    pub required_claims: Vec<RequiredClaim>,
    /// Longest time since `iat`, in seconds; unset: not checked.
    pub max_age: Option<u64>,
    /// The header's `typ` that is asked for (RFC 8725 section 3.11), e.g. `at+jwt` of RFC 9068;
    /// unset: not checked.
    pub token_type: Option<String>,
    /// Scopes that must all be granted (RFC 6750 section 3.1). Default none.
    pub required_scope: Vec<String>,
}

/// A claim that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Where the claim is.
    pub path: ClaimPath,
    /// The value that it, or an element of it, must have; unset: any but null.
    pub value: Option<String>,
}

impl RequiredClaim {
    /// Reads `name` or `name=value`, the name a [`ClaimPath`].
    ///
    /// # Errors
    /// A name that is no path.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.trim().to_owned())),
            None => (text, None),
        };
        Ok(Self {
            path: ClaimPath::parse(name.trim())?,
            value,
        })
    }
}
