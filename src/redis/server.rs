//! Finding a server, and connecting to it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use redis::cluster::{ClusterClient, ClusterConnection};
use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, cmd,
};
use thiserror::Error;

use super::url::{Login, RedisUrl, Topology};

/// Of the time for finding the master, the part that one Sentinel may take: so that one that hangs
/// does not keep the others from being asked.
const SENTINEL_SHARE: u32 = 4;

/// Why the certificates of a URL can't be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("names {0:?}, which can't be read ({1})")]
    File(PathBuf, io::Error),
    /// A file has no certificate in it.
    #[error("names {0:?}, which has no certificate in PEM")]
    NoCertificate(PathBuf),
    /// A file does not have what it should.
    #[error("has certificates or a key that can't be used: {0}")]
    Content(RedisError),
}

/// Where the servers are, and how to talk to them.
#[derive(Debug)]
pub struct Target {
    url: RedisUrl,
    certificates: Option<TlsCertificates>,
}

/// A connection: to one server, or to the nodes of a Cluster.
pub enum Server {
    Single(Connection),
    Cluster(Box<ClusterConnection>),
}

impl Target {
    /// Reads the certificates.
    ///
    /// # Errors
    /// Fails with [`CertificateError`].
    pub fn new(url: RedisUrl) -> Result<Self, CertificateError> {
        let read = |path: &Path| {
            let refused = |error| CertificateError::File(path.to_owned(), error);
            std::fs::read(path).map_err(refused)
        };
        let root_cert = url.tls_ca.as_deref().map(read).transpose()?;
        // The crate takes a file without any for a list of none.
        let is_certificate = |pem: &pem::Pem| pem.tag() == "CERTIFICATE";
        if let (Some(path), Some(text)) = (&url.tls_ca, &root_cert)
            && !pem::parse_many(text).is_ok_and(|list| list.iter().any(is_certificate))
        {
            return Err(CertificateError::NoCertificate(path.clone()));
        }
        let client_tls = match &url.tls_identity {
            None => None,
            Some((certificate, key)) => Some(ClientTlsConfig {
                client_cert: read(certificate)?,
                client_key: read(key)?,
            }),
        };
        let certificates = url.is_tls.then_some(TlsCertificates {
            client_tls,
            root_cert,
        });
        let target = Target { url, certificates };
        let first = target.url.hosts.first();
        if let Some((host, port)) = first {
            let info = target.info(host, *port, None, 0);
            info.and_then(|info| target.client(info))
                .map_err(CertificateError::Content)?;
        }
        Ok(target)
    }

    pub fn is_cluster(&self) -> bool {
        self.url.topology == Topology::Cluster
    }

    /// Connects; resolving a name may block beyond `until`, but no single wait for a server does.
    ///
    /// # Errors
    /// Fails with what the network or the server says.
    pub fn connect(&self, until: Instant) -> RedisResult<Server> {
        match &self.url.topology {
            Topology::Single => self.connect_to_first(until).map(Server::Single),
            Topology::Sentinel(master) => self.connect_to_master(master, until).map(Server::Single),
            Topology::Cluster => self.connect_to_cluster(until),
        }
    }

    fn connect_to_first(&self, until: Instant) -> RedisResult<Connection> {
        let login = self.url.login.as_ref();
        match self.url.hosts.first() {
            Some((host, port)) => self.open(host, *port, login, self.url.database, until),
            None => Err(io::Error::from(io::ErrorKind::AddrNotAvailable).into()),
        }
    }

    /// Asks one Sentinel after the other for the master, and the master whether it is one.
    fn connect_to_master(&self, master: &str, until: Instant) -> RedisResult<Connection> {
        let share = left(until)? / SENTINEL_SHARE;
        let mut last = None;
        for (host, port) in &self.url.hosts {
            let soon = until.min(Instant::now() + share);
            match self
                .master_by(host, *port, master, soon)
                .and_then(|(host, port)| self.connect_if_master(&host, port, until))
            {
                Ok(connection) => return Ok(connection),
                // Of several causes the first that is not a time-out.
                Err(error) if last.as_ref().is_none_or(RedisError::is_timeout) => {
                    last = Some(error)
                }
                Err(_) => {}
            }
        }
        Err(last.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable).into()))
    }

    /// Where a Sentinel says that the master is.
    fn master_by(
        &self,
        host: &str,
        port: u16,
        master: &str,
        until: Instant,
    ) -> RedisResult<(String, u16)> {
        let mut sentinel = self.open(host, port, self.url.sentinel_login.as_ref(), 0, until)?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let address: Option<(String, u16)> = question.query(&mut sentinel)?;
        address.ok_or_else(|| {
            let cause = format!("the Sentinel {host}:{port} knows no master of this name");
            (ErrorKind::MasterNameNotFoundBySentinel, "", cause).into()
        })
    }

    fn connect_if_master(&self, host: &str, port: u16, until: Instant) -> RedisResult<Connection> {
        let login = self.url.login.as_ref();
        let mut connection = self.open(host, port, login, self.url.database, until)?;
        let role: Vec<redis::Value> = cmd("ROLE").query(&mut connection)?;
        let role: Option<String> = match role.into_iter().next() {
            Some(role) => redis::from_redis_value(role)?,
            None => None,
        };
        match role.as_deref() {
            Some("master") => Ok(connection),
            _ => {
                let cause = format!("{host}:{port} is not the master yet");
                Err((ErrorKind::MasterNameNotFoundBySentinel, "", cause).into())
            }
        }
    }

    fn connect_to_cluster(&self, until: Instant) -> RedisResult<Server> {
        let left = left(until)?;
        let nodes = self.url.hosts.iter();
        let nodes = nodes
            .map(|(host, port)| self.info(host, *port, self.url.login.as_ref(), 0))
            .collect::<RedisResult<Vec<_>>>()?;
        let mut builder = ClusterClient::builder(nodes)
            .connection_timeout(left)
            .response_timeout(left)
            .retries(2)
            .min_retry_wait(10)
            .max_retry_wait(50);
        if let Some(certificates) = &self.certificates {
            builder = builder.certs(certificates.clone());
        }
        let connection = builder.build()?.get_connection()?;
        Ok(Server::Cluster(Box::new(connection)))
    }

    fn info(
        &self,
        host: &str,
        port: u16,
        login: Option<&Login>,
        database: i64,
    ) -> RedisResult<ConnectionInfo> {
        let address = match self.url.is_tls {
            false => ConnectionAddr::Tcp(host.to_owned(), port),
            true => ConnectionAddr::TcpTls {
                host: host.to_owned(),
                port,
                insecure: false,
                tls_params: None,
            },
        };
        let mut redis = RedisConnectionInfo::default()
            .set_db(database)
            .set_skip_set_lib_name();
        if let Some(login) = login {
            redis = redis.set_password(login.password.as_str());
            if !login.username.is_empty() {
                redis = redis.set_username(&login.username);
            }
        }
        Ok(address.into_connection_info()?.set_redis_settings(redis))
    }

    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match &self.certificates {
            None => Client::open(info),
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
        }
    }

    fn open(
        &self,
        host: &str,
        port: u16,
        login: Option<&Login>,
        database: i64,
        until: Instant,
    ) -> RedisResult<Connection> {
        let client = self.client(self.info(host, port, login, database)?)?;
        let connection = client.get_connection_with_timeout(left(until)?)?;
        set_timeouts(&connection, until)?;
        Ok(connection)
    }
}

impl Server {
    /// Does something that has time until then.
    ///
    /// # Errors
    /// Fails with the error of the work, or if the time is over.
    pub fn within<T>(
        &mut self,
        until: Instant,
        work: impl Fn(&mut dyn ConnectionLike) -> RedisResult<T>,
    ) -> RedisResult<T> {
        match self {
            Server::Single(connection) => {
                set_timeouts(connection, until)?;
                work(connection)
            }
            Server::Cluster(connection) => {
                let left = Some(left(until)?);
                connection.set_read_timeout(left)?;
                connection.set_write_timeout(left)?;
                work(connection.as_mut())
            }
        }
    }
}

fn set_timeouts(connection: &Connection, until: Instant) -> RedisResult<()> {
    let left = Some(left(until)?);
    connection.set_read_timeout(left)?;
    connection.set_write_timeout(left)
}

/// What is left of the time.
fn left(until: Instant) -> RedisResult<Duration> {
    match until.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
        left => Ok(left),
    }
}
