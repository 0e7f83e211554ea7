//! Outbound credentials: which user name and password answer which challenge.
//!
//! An entry applies to a server, realm and user, each either exact or any. The most specific entry
//! is chosen in the order of pyVoIP's credentials manager: an exact server precedes any server,
//! within it an exact realm precedes any realm, within that an exact user precedes any user. So a
//! more specific server always beats a more specific realm. If no entry matches, a request may
//! still be sent as `anonymous` with an empty password (RFC 3261 section 22.1).

mod entry;
mod parameter;

pub use entry::{Entry, Login, Scope};
pub use parameter::{SYNTAX, parse};

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// The user name that RFC 3261 section 22.1 assigns to a client without credentials.
pub const ANONYMOUS: &str = "anonymous";

type Users = HashMap<Box<[u8]>, Arc<Login>>;
type Realms = HashMap<Box<[u8]>, Users>;

/// All entries, ready for lookup.
#[derive(Clone, Default)]
pub struct Credentials {
    servers: HashMap<Box<[u8]>, Realms>,
    len: usize,
}

impl fmt::Debug for Credentials {
    /// Shows their number, but none of their contents.
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

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Server, realm, user and user name of each entry, in order; empty ones are for any.
    pub fn entries(&self) -> Vec<[&[u8]; 4]> {
        let mut entries = Vec::with_capacity(self.len);
        for (server, realms) in &self.servers {
            for (realm, users) in realms {
                for (user, login) in users {
                    entries.push([&server[..], realm, user, &login.username]);
                }
            }
        }
        entries.sort_unstable();
        entries
    }

    /// The login that answers a challenge from `server` with `realm` for `user`. An empty argument
    /// is unknown, and matches only entries for any. `None`: nothing matches, see [`ANONYMOUS`].
    pub fn get(&self, server: &[u8], realm: &[u8], user: &[u8]) -> Option<&Arc<Login>> {
        [&host(server)[..], b""]
            .into_iter()
            .filter_map(|server| self.servers.get(server))
            .find_map(|realms| within(realms, realm, user))
    }

    /// Like [`get`](Self::get), but only among the entries that name this very server.
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

/// A host in the form used for comparison: in lower case, without the trailing dot of a complete
/// domain name and without the brackets of an IPv6 address.
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
