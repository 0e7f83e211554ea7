//! URLs of Redis: one server, Sentinel, or Cluster.
//!
//! ```text
//! redis[s]://[[username]:password@]host[:port][/database][?parameters]
//! redis[s]+sentinel://[[username]:password@]host[:port][,host[:port]...]/master[/database][?parameters]
//! redis[s]+cluster://[[username]:password@]host[:port][,host[:port]...][?parameters]
//! ```
//!
//! `rediss` is with TLS. OpenSIPS's own form, with a group in the scheme (`redis:group://`), is taken
//! as well; the group means nothing here.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::authority::{self, AuthorityError, decode};

/// The port of a server where the URL names none.
const PORT: u16 = 6379;

/// The port of a Sentinel where the URL names none.
const SENTINEL_PORT: u16 = 26379;

/// How servers are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// The one server of the URL.
    Single,
    /// The master of this name, which the Sentinels of the URL know.
    Sentinel(String),
    /// Any node of the URL knows all others.
    Cluster,
}

/// A username, which may be empty, and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Empty where the server knows passwords only.
    pub username: String,
    /// Never empty.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// A URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// How servers are found.
    pub topology: Topology,
    /// Whether connections are encrypted.
    pub is_tls: bool,
    /// The server, or the Sentinels or nodes to begin with.
    pub hosts: Vec<(String, u16)>,
    /// For the servers.
    pub login: Option<Login>,
    /// For the Sentinels.
    pub sentinel_login: Option<Login>,
    /// Number of the database; 0 in a Cluster.
    pub database: i64,
    /// PEM file of the certificate authorities that are trusted, in place of the system's.
    pub tls_ca: Option<PathBuf>,
    /// PEM files of our certificate and its key.
    pub tls_identity: Option<(PathBuf, PathBuf)>,
}

/// Without username and password.
impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

/// The form of the URL, without username, password and parameters: for logs.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tls = if self.is_tls { "s" } else { "" };
        let (kind, master) = match &self.topology {
            Topology::Single => ("", None),
            Topology::Sentinel(master) => ("+sentinel", Some(master)),
            Topology::Cluster => ("+cluster", None),
        };
        write!(f, "redis{tls}{kind}://")?;
        for (at, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match host.contains(':') {
                true => write!(f, "{comma}[{host}]:{port}")?,
                false => write!(f, "{comma}{host}:{port}")?,
            }
        }
        if let Some(master) = master {
            write!(f, "/{master}")?;
        }
        match self.topology {
            Topology::Cluster => Ok(()),
            _ => write!(f, "/{}", self.database),
        }
    }
}

/// Why a URL is refused. The messages never repeat it, as it may hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum UrlError {
    /// Another scheme.
    #[error(
        "has a scheme that is not redis, rediss, redis+sentinel, rediss+sentinel, redis+cluster or \
         rediss+cluster"
    )]
    Scheme,
    /// No host, or one that is neither a name nor an address.
    #[error("has no host that is a name, an address or [IPv6]")]
    Host,
    /// Several hosts of one server.
    #[error(
        "has several hosts, which is for redis+sentinel:// and redis+cluster:// (or for OpenSIPS's \
         own driver, with cachedb_driver \"opensips\")"
    )]
    SeveralHosts,
    /// Not a port.
    #[error("has a port that is not a number from 1 to 65535")]
    Port,
    /// Sentinel without a master.
    #[error("has no name of a master behind the hosts, as in redis+sentinel://host:26379/mymaster")]
    Master,
    /// Not a number.
    #[error("has a database that is not a number from 0 to 65535")]
    Database,
    /// A Cluster has database 0 only.
    #[error("has a database, and a Cluster has none to choose from")]
    ClusterDatabase,
    /// A parameter that is not known.
    #[error(
        "has another parameter than tls_ca, tls_cert and tls_key with TLS, and sentinel_username and \
         sentinel_password with Sentinel"
    )]
    Parameter,
    /// One of the pair without the other.
    #[error("has one of tls_cert and tls_key without the other")]
    HalfIdentity,
}

impl RedisUrl {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// Fails with what is wrong with it, without repeating it.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = scheme.split(':').next().unwrap_or("").to_ascii_lowercase();
        let (is_tls, kind) = match scheme.strip_prefix("rediss") {
            Some(kind) => (true, kind),
            None => (false, scheme.strip_prefix("redis").ok_or(UrlError::Scheme)?),
        };
        let kind = match kind {
            "" => Kind::Single,
            "+sentinel" => Kind::Sentinel,
            "+cluster" => Kind::Cluster,
            _ => return Err(UrlError::Scheme),
        };
        // A password may have any character in it: it ends at the last @ that is followed by all
        // that is required.
        let mut error = None;
        for (at, _) in rest.rmatch_indices('@') {
            let (user, target) = rest.split_at(at);
            match Target::parse(kind, &target[1..]) {
                Ok(target) => return target.with_login(is_tls, Some(user)),
                Err(wrong) => {
                    error.get_or_insert(wrong);
                }
            }
        }
        match error {
            Some(error) => Err(error),
            None => Target::parse(kind, rest)?.with_login(is_tls, None),
        }
    }

    /// Whether this is a URL of Redis at all, by its scheme.
    pub fn is_redis(text: &str) -> bool {
        let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
        let scheme = scheme.split(':').next().unwrap_or("").to_ascii_lowercase();
        let kind = scheme
            .strip_prefix("rediss")
            .or_else(|| scheme.strip_prefix("redis"));
        kind.is_some_and(|kind| kind.is_empty() || kind.starts_with('+'))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Single,
    Sentinel,
    Cluster,
}

/// What follows the login.
struct Target {
    topology: Topology,
    hosts: Vec<(String, u16)>,
    database: i64,
    parameters: Vec<(String, String)>,
}

impl Target {
    fn parse(kind: Kind, text: &str) -> Result<Self, UrlError> {
        let (text, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (hosts, path) = text.split_once('/').unwrap_or((text, ""));
        let port = match kind {
            Kind::Sentinel => SENTINEL_PORT,
            Kind::Single | Kind::Cluster => PORT,
        };
        let hosts: Vec<_> = hosts
            .split(',')
            .map(|host| host_and_port(host, port))
            .collect::<Result<_, _>>()?;
        if kind == Kind::Single && hosts.len() > 1 {
            return Err(UrlError::SeveralHosts);
        }
        let (topology, database) = match kind {
            Kind::Single => (Topology::Single, path),
            Kind::Cluster => (Topology::Cluster, path),
            Kind::Sentinel => {
                let (master, database) = path.split_once('/').unwrap_or((path, ""));
                match decode(master) {
                    master if master.is_empty() => return Err(UrlError::Master),
                    master => (Topology::Sentinel(master), database),
                }
            }
        };
        let database = match database.trim_end_matches('/') {
            "" => 0,
            number => number
                .parse::<u16>()
                .map(i64::from)
                .map_err(|_| UrlError::Database)?,
        };
        if kind == Kind::Cluster && database != 0 {
            return Err(UrlError::ClusterDatabase);
        }
        let parameters = parameters
            .split('&')
            .filter(|parameter| !parameter.is_empty())
            .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
            .map(|(name, value)| (decode(name), decode(value)))
            .collect();
        Ok(Target {
            topology,
            hosts,
            database,
            parameters,
        })
    }

    fn with_login(self, is_tls: bool, user: Option<&str>) -> Result<RedisUrl, UrlError> {
        let (mut ca, mut cert, mut key) = (None, None, None);
        let (mut username, mut password) = (None, None);
        let is_sentinel = matches!(self.topology, Topology::Sentinel(_));
        for (name, value) in self.parameters {
            match name.as_str() {
                "tls_ca" if is_tls => ca = Some(PathBuf::from(value)),
                "tls_cert" if is_tls => cert = Some(PathBuf::from(value)),
                "tls_key" if is_tls => key = Some(PathBuf::from(value)),
                "sentinel_username" if is_sentinel => username = Some(value),
                "sentinel_password" if is_sentinel => password = Some(value),
                _ => return Err(UrlError::Parameter),
            }
        }
        let tls_identity = match (cert, key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some((cert, key)),
            _ => return Err(UrlError::HalfIdentity),
        };
        let user = user.map(|user| user.split_once(':').unwrap_or(("", user)));
        Ok(RedisUrl {
            topology: self.topology,
            is_tls,
            hosts: self.hosts,
            login: user.and_then(|(username, password)| login(decode(username), decode(password))),
            sentinel_login: login(username.unwrap_or_default(), password.unwrap_or_default()),
            database: self.database,
            tls_ca: ca,
            tls_identity,
        })
    }
}

fn login(username: String, password: String) -> Option<Login> {
    let password = Zeroizing::new(password);
    (!password.is_empty()).then_some(Login { username, password })
}

/// An empty port is the default, too.
fn host_and_port(text: &str, default: u16) -> Result<(String, u16), UrlError> {
    let text = text.strip_suffix(':').unwrap_or(text);
    match authority::host_and_port(text) {
        Ok((host, port)) => Ok((host, port.unwrap_or(default))),
        Err(AuthorityError::Host) => Err(UrlError::Host),
        Err(AuthorityError::Port) => Err(UrlError::Port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> RedisUrl {
        RedisUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn the_forms() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379/0"),
            ("redis://localhost:6379/", "redis://localhost:6379/0"),
            ("redis:group1://h:7000/3", "redis://h:7000/3"),
            (
                "REDISS://u:p@[2001:db8::1]:1/2",
                "rediss://[2001:db8::1]:1/2",
            ),
            (
                "redis+sentinel://:p@a,b:1,c/mymaster/2",
                "redis+sentinel://a:26379,b:1,c:26379/mymaster/2",
            ),
            ("rediss+cluster://a,b:1/", "rediss+cluster://a:6379,b:1"),
        ] {
            assert_eq!(parse(url).to_string(), shown);
            assert!(RedisUrl::is_redis(url), "{url}");
        }
        assert!(!RedisUrl::is_redis("local://") && !RedisUrl::is_redis("redislike://h"));
        let url = parse(
            "rediss+sentinel://h/m?tls_ca=/a&tls_cert=/b&tls_key=%2Fc&sentinel_password=x%40",
        );
        assert_eq!(url.tls_ca, Some("/a".into()));
        assert_eq!(url.tls_identity, Some(("/b".into(), "/c".into())));
        assert_eq!(url.sentinel_login.unwrap().password.as_str(), "x@");
        assert!(url.login.is_none());
    }

    #[test]
    fn a_password_may_have_any_character() {
        for password in [
            "a/b", "a@b", "a:b", "p@h/x", "50%off", "a?b#c", "ü€", "@", "%zz",
        ] {
            let login = parse(&format!("redis://:{password}@h:1/0")).login.unwrap();
            assert_eq!(
                (login.username.as_str(), login.password.as_str()),
                ("", password)
            );
            let escaped: String = password.bytes().map(|b| format!("%{b:02X}")).collect();
            let login = parse(&format!("redis://me:{escaped}@h")).login.unwrap();
            assert_eq!(
                (login.username.as_str(), login.password.as_str()),
                ("me", password)
            );
        }
        // As OpenSIPS's own driver has it.
        assert_eq!(
            parse("redis://secret@h/").login.unwrap().password.as_str(),
            "secret"
        );
        assert!(parse("redis://:@h/").login.is_none());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, error) in [
            ("hunter2", UrlError::Scheme),
            ("redis+x://h", UrlError::Scheme),
            ("redis://", UrlError::Host),
            ("redis://:hunter2@/0", UrlError::Host),
            ("redis://:hunter2@a b/0", UrlError::Host),
            ("redis://:hunter2@a,b/0", UrlError::SeveralHosts),
            ("redis://:hunter2@a:0", UrlError::Port),
            ("redis://:hunter2@a:70000", UrlError::Port),
            ("redis+sentinel://:hunter2@a", UrlError::Master),
            ("redis://:hunter2@a/x", UrlError::Database),
            ("redis+cluster://:hunter2@a/1", UrlError::ClusterDatabase),
            ("redis://a?tls_ca=/x", UrlError::Parameter),
            ("rediss://a?tls_key=/x", UrlError::HalfIdentity),
        ] {
            assert_eq!(RedisUrl::parse(url), Err(error), "{url}");
        }
        let shown = format!("{:?}", parse("redis://u:hunter2@h"));
        assert_eq!(shown, "RedisUrl(redis://h:6379/0)");
    }
}
