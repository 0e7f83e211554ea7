//! One user name, and where it applies.

use std::fmt;

use zeroize::Zeroizing;

/// A user name and its password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name for Authorization.
    pub username: Vec<u8>,
    /// Its password; may be empty.
    pub password: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

/// Where an entry applies. Empty stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The server: a host name or an address, compared case-insensitively.
    pub server: Vec<u8>,
    /// The realm of the challenge, compared exactly (RFC 3261 section 20.44).
    pub realm: Vec<u8>,
    /// The user on whose behalf the request is sent, compared exactly.
    pub user: Vec<u8>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it applies.
    pub scope: Scope,
    /// The login that answers.
    pub login: Login,
}
