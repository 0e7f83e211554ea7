//! Database URLs, in the form of OpenSIPS:
//! `scheme://[username[:password]@]host[:port]/database[?parameters]`.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::authority::{self, AuthorityError, decode};

/// A parsed database URL.
#[derive(Clone, PartialEq, Eq)]
pub struct DbUrl {
    /// User name; empty if there is none.
    pub username: String,
    /// Password; empty if there is none.
    pub password: Zeroizing<String>,
    /// Where the server listens.
    pub address: Address,
    /// Name of the database.
    pub database: String,
    /// Parameters, in their order.
    pub parameters: Vec<(String, String)>,
}

/// Where a database server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host name or address, and a port if one is given.
    Host(String, Option<u16>),
    /// A UNIX socket: `unix(/path)` in place of the host.
    Unix(String),
}

/// Why a URL is refused. The messages never repeat it, because it holds a password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// No `://`.
    #[error("has no scheme")]
    NoScheme,
    /// No host, or one that is neither a name nor an address.
    #[error("has no host that is a name, an address, [IPv6] or unix(/path)")]
    BadHost,
    /// No `/database`.
    #[error("has no /database after the host")]
    NoDatabase,
    /// A port that is not valid.
    #[error("has a port that is not a number from 1 to 65535")]
    BadPort,
}

/// The scheme of a URL, in lower case, such as `mysql`.
pub fn scheme(url: &str) -> Option<String> {
    let (scheme, _) = url.split_once("://")?;
    let ok = !scheme.is_empty()
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_');
    ok.then(|| scheme.to_ascii_lowercase())
}

impl DbUrl {
    /// Parses a URL as OpenSIPS does: user name, password, host and database may contain `%XX`.
    /// Unlike in OpenSIPS, a password may contain any character as it is, `@`, `/`, `:` and `?`
    /// included: it ends at the last `@` that a host and a database follow.
    ///
    /// # Errors
    /// Fails with [`UrlError`] if the URL is malformed.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let (_, rest) = url.split_once("://").ok_or(UrlError::NoScheme)?;
        let mut error = None;
        for (at, _) in rest.rmatch_indices('@') {
            match Target::parse(&rest[at + 1..]) {
                Ok(place) => return Ok(place.with_user(&rest[..at])),
                Err(e) => error = error.or(Some(e)),
            }
        }
        match error {
            Some(error) => Err(error),
            None => Ok(Target::parse(rest)?.with_user("")),
        }
    }
}

impl fmt::Debug for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DbUrl({self})")
    }
}

/// Everything but the password and the parameters: safe to log.
impl fmt::Display for DbUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.username.is_empty() {
            write!(f, "{}@", self.username)?;
        }
        match &self.address {
            Address::Host(host, port) => {
                if host.contains(':') {
                    write!(f, "[{host}]")?
                } else {
                    write!(f, "{host}")?
                }
                if let Some(port) = port {
                    write!(f, ":{port}")?;
                }
            }
            Address::Unix(path) => write!(f, "unix({path})")?,
        }
        write!(f, "/{}", self.database)
    }
}

/// What follows the `@`.
struct Target {
    address: Address,
    database: String,
    parameters: Vec<(String, String)>,
}

impl Target {
    fn parse(text: &str) -> Result<Self, UrlError> {
        let (address, rest) = if let Some(path) = text
            .get(..5)
            .filter(|start| start.eq_ignore_ascii_case("unix("))
            .and_then(|_| text.get(5..))
        {
            let (path, rest) = path.split_once(')').ok_or(UrlError::BadHost)?;
            if path.is_empty() {
                return Err(UrlError::BadHost);
            }
            (
                Address::Unix(decode(path)),
                rest.strip_prefix('/').ok_or(UrlError::NoDatabase)?,
            )
        } else {
            let (authority, rest) = text.split_once('/').ok_or(UrlError::NoDatabase)?;
            (host_and_port(authority)?, rest)
        };
        let (database, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        if database.is_empty() {
            return Err(UrlError::NoDatabase);
        }
        let parameters = parameters
            .split('&')
            .filter(|p| !p.is_empty())
            .map(|p| p.split_once('=').unwrap_or((p, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        Ok(Target {
            address,
            database: decode(database),
            parameters,
        })
    }

    fn with_user(self, user: &str) -> DbUrl {
        let (username, password) = user.split_once(':').unwrap_or((user, ""));
        DbUrl {
            username: decode(username),
            password: Zeroizing::new(decode(password)),
            address: self.address,
            database: self.database,
            parameters: self.parameters,
        }
    }
}

fn host_and_port(text: &str) -> Result<Address, UrlError> {
    match authority::host_and_port(text) {
        Ok((host, port)) => Ok(Address::Host(host, port)),
        Err(AuthorityError::Host) => Err(UrlError::BadHost),
        Err(AuthorityError::Port) => Err(UrlError::BadPort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> DbUrl {
        DbUrl::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"))
    }

    #[test]
    fn the_forms_of_opensips() {
        let url = parse("mysql://opensips:opensipsrw@localhost/opensips");
        assert_eq!(
            (url.username.as_str(), url.password.as_str()),
            ("opensips", "opensipsrw")
        );
        assert_eq!(url.address, Address::Host("localhost".into(), None));
        assert_eq!(url.database, "opensips");
        let url = parse("mysql://u@db.example.com:3307/o?ssl-mode=REQUIRED&ssl-ca=%2Fca.pem");
        assert_eq!(
            url.address,
            Address::Host("db.example.com".into(), Some(3307))
        );
        assert_eq!(
            url.parameters,
            [
                ("ssl-mode".into(), "REQUIRED".into()),
                ("ssl-ca".into(), "/ca.pem".into())
            ]
        );
        let url = parse("mysql://u:p@[2001:db8::1]:3306/o");
        assert_eq!(url.address, Address::Host("2001:db8::1".into(), Some(3306)));
        let url = parse("mysql://u:p@unix(/run/mysqld/mysqld.sock)/o");
        assert_eq!(url.address, Address::Unix("/run/mysqld/mysqld.sock".into()));
        assert_eq!(parse("mysql://localhost:3306/o").username, "");
    }

    #[test]
    fn a_password_may_hold_any_character() {
        for password in [
            "a/b", "a@b", "a:b", "p@h/x", "50%off", "%", "a?b#c", "ü€", "@", "@@/:", "%zz",
        ] {
            let url = parse(&format!("mysql://u:{password}@host:3306/db"));
            assert_eq!(url.password.as_str(), password);
            assert_eq!(
                url.address,
                Address::Host("host".into(), Some(3306)),
                "{password}"
            );
            let escaped: String = password.bytes().map(|b| format!("%{b:02X}")).collect();
            assert_eq!(
                parse(&format!("mysql://u:{escaped}@h/db"))
                    .password
                    .as_str(),
                password
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, error) in [
            ("opensips", UrlError::NoScheme),
            ("mysql://u:secret@host", UrlError::NoDatabase),
            ("mysql://u:secret@host/", UrlError::NoDatabase),
            ("mysql://u:secret@/db", UrlError::BadHost),
            ("mysql://u:secret@ho st/db", UrlError::BadHost),
            ("mysql://u:secret@host:0/db", UrlError::BadPort),
            ("mysql://u:secret@host:99999/db", UrlError::BadPort),
            ("mysql://u:secret@[::1/db", UrlError::BadHost),
            ("mysql://u:secret@unix(/x/db", UrlError::BadHost),
        ] {
            assert_eq!(DbUrl::parse(url), Err(error), "{url}");
        }
        let shown = format!("{:?}", parse("mysql://u:secret@h:1/db?ssl-ca=x"));
        assert_eq!(shown, "DbUrl(u@h:1/db)");
    }

    #[test]
    fn schemes() {
        assert_eq!(scheme("MySQL://x").as_deref(), Some("mysql"));
        assert_eq!(scheme("sqlite:///tmp/x.db").as_deref(), Some("sqlite"));
        assert_eq!(scheme("nothing"), None);
        assert_eq!(scheme("://x"), None);
    }
}
