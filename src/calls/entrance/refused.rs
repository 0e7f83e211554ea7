//! Why a request is not admitted.

use crate::sip::Party;

/// See the [module](self).
#[derive(Debug)]
pub enum Refused {
    /// Its source is banned.
    Banned,
    /// It, or its credentials, can't be read, or in two ways.
    Malformed(String),
    /// There are none that could be judged.
    NoCredentials,
    /// Its nonce is stale, not ours, or used before.
    BadNonce(&'static str),
    /// The credentials are another's than that of this party.
    NotTheirs(String, Party),
    /// They prove nothing, or nobody can be asked.
    Denied(&'static str),
    /// Something that other requests need as well does not answer.
    Unavailable(String),
    /// Anything else.
    Failed(String),
}
