//! What an administrator requires of a token beyond its signature.

use super::algorithm::AlgorithmSet;
use super::path::{ClaimPath, PathError};

/// The rules that tokens are checked against, set once by modparams.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The accepted algorithms. Default: all known ones.
    pub algorithms: AlgorithmSet,
    /// Seconds by which clocks may differ, for `exp`, `nbf` and the age of a token. Default 0.
    pub leeway: u64,
    /// Accepted values of `iss`; empty: not checked.
    pub issuers: Vec<String>,
    /// One of these must be in `aud`; empty: not checked.
    pub audiences: Vec<String>,
    /// Whether a token without `exp` is refused. Default no.
    pub require_exp: bool,
    /// Claims that a token must have. Default none.
    pub required_claims: Vec<RequiredClaim>,
    /// Longest time since `iat`, in seconds; unset: not checked.
    pub max_age: Option<u64>,
    /// The required `typ` of the header (RFC 8725 section 3.11), e.g. `at+jwt` of RFC 9068; unset:
    /// not checked.
    pub token_type: Option<String>,
    /// Scopes that must all be granted (RFC 6750 section 3.1). Default none.
    pub required_scope: Vec<String>,
}

/// A claim that must be present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequiredClaim {
    /// Where the claim is.
    pub path: ClaimPath,
    /// The value that it, or one of its elements, must have; unset: any but null.
    pub value: Option<String>,
}

impl RequiredClaim {
    /// Reads `name` or `name=value`, the name a [`ClaimPath`].
    ///
    /// # Errors
    /// Fails if the name is not a path.
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

    /// Reads several of them, separated by `;`.
    ///
    /// # Errors
    /// Fails as [`parse`](Self::parse) does, and if there is none.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, PathError> {
        let list: Vec<_> = text
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .collect();
        match list.is_empty() {
            // Not a name either.
            true => Self::parse("").map(|claim| vec![claim]),
            false => list.into_iter().map(Self::parse).collect(),
        }
    }
}
