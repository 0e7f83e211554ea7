//! Credentials for the way out: which user name and password answer which challenge.
//!
//! An entry says for which server, realm and user it is, each exactly or for any. The most exact
//! entry is taken in the order of pyVoIP's credentials manager: an exact server goes before any
//! server, within it an exact realm before any realm, within that an exact user before any user.
//! So a more exact server always beats a more exact realm. Where no entry fits, a request may still
//! be sent as `anonymous` with an empty password (RFC 3261 section 22.1).

mod entry;
mod parameter;

pub use entry::{Entry, Login, Scope};
pub use parameter::{SYNTAX, parse};

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The user name that RFC 3261 section 22.1 has for a client without credentials.
pub const ANONYMOUS: &str = "anonymous";

type Users = HashMap<Box<[u8]>, Arc<Login>>;
type Realms = HashMap<Box<[u8]>, Users>;

/// All entries, ready to be looked up.
#[derive(Clone, Default)]
pub struct Credentials {
    servers: HashMap<Box<[u8]>, Realms>,
    len: usize,
}

impl fmt::Debug for Credentials {
    /// How many there are, and nothing of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// Of two entries with the same scope, the later one counts.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut credentials = Credentials::default();
        for Entry { scope, login } in entries {
            let replaced = credentials
                .servers
                .entry(host(&scope.server).into())
                .or_default()
                .entry(scope.realm.into())
                .or_default()
                .insert(scope.user.into(), Arc::new(login));
            credentials.len += usize::from(replaced.is_none());
        }
        credentials
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What answers a challenge of `server` with `realm` for `user`. What is empty is not known,
    /// and only entries for any fit it. `None`: nothing fits, see [`ANONYMOUS`].
    pub fn get(&self, server: &[u8], realm: &[u8], user: &[u8]) -> Option<&Arc<Login>> {
        [&host(server)[..], b""]
            .into_iter()
            .filter_map(|server| self.servers.get(server))
            .find_map(|realms| within(realms, realm, user))
    }

    /// As [`get`](Self::get), among the entries that name this very server.
    pub fn get_of_server(&self, server: &[u8], realm: &[u8], user: &[u8]) -> Option<&Arc<Login>> {
        let server = Some(host(server)).filter(|server| !server.is_empty())?;
        within(self.servers.get(&server[..])?, realm, user)
    }
}

fn within<'a>(realms: &'a Realms, realm: &[u8], user: &[u8]) -> Option<&'a Arc<Login>> {
    [realm, b""]
        .into_iter()
        .filter_map(|realm| realms.get(realm))
        .find_map(|users| users.get(user).or_else(|| users.get(&b""[..])))
}

/// A host as it is compared: in lower case, without the dot at the end of a complete domain name
/// and without the brackets of an IPv6 address.
fn host(name: &[u8]) -> Vec<u8> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    let name = name
        .strip_prefix(b"[")
        .and_then(|name| name.strip_suffix(b"]"))
        .unwrap_or(name);
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
