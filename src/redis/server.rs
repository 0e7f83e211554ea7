//! Finding a server, and connecting to it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::cluster::{ClusterClient, ClusterConfig, ClusterConnection};
use redis::{
    Client, Connection, ConnectionAddr, ConnectionInfo, ConnectionLike, ErrorKind,
    IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult, TlsCertificates, cmd,
};

use super::certificates::{self, CertificateError};
#[cfg(feature = "fuzzing")]
use super::replies::Replies;
use super::url::{Login, RedisUrl, Topology};

/// Of the time for finding the master, the part that one Sentinel may take, and in a Cluster, each node: so
/// that one that hangs or is out of reach does not keep the others from being asked.
const SHARE: u32 = 4;

/// Where the servers are, and how to talk to them.
#[derive(Debug)]
pub struct Target {
    url: RedisUrl,
    /// A server's address without its host and port, with the certificates.
    address: ConnectionAddr,
    /// What makes connections to a Cluster, one for each of its nodes that the URL names, which it asks first.
    cluster: Vec<ClusterClient>,
    /// The first node of the URL that is asked, counted round and round.
    first: AtomicUsize,
    /// What is answered in place of a server.
    #[cfg(feature = "fuzzing")]
    replies: Option<Replies>,
}

/// A connection: to one server, or to the nodes of a Cluster.
pub enum Server {
    Single(Connection),
    Cluster(Box<ClusterConnection>),
    #[cfg(feature = "fuzzing")]
    Replies(Replies),
}

impl Target {
    /// Reads the certificates.
    ///
    /// # Errors
    /// Fails with [`CertificateError`].
    pub fn new(url: RedisUrl) -> Result<Self, CertificateError> {
        let certificates = certificates::read(&url)?;
        let address = address(certificates.clone()).map_err(CertificateError::Content)?;
        let mut target = Target {
            url,
            address,
            cluster: Vec::new(),
            first: AtomicUsize::new(0),
            #[cfg(feature = "fuzzing")]
            replies: None,
        };
        if target.is_cluster() {
            let clients = target.cluster_clients(certificates.as_ref());
            target.cluster = clients.map_err(CertificateError::Content)?;
        }
        Ok(target)
    }

    #[cfg(feature = "fuzzing")]
    pub fn answering(self, replies: Replies) -> Self {
        Target {
            replies: Some(replies),
            ..self
        }
    }

    pub fn is_cluster(&self) -> bool {
        self.url.topology == Topology::Cluster
    }

    /// Connects; resolving a name may block beyond `until`, but no single wait for a server does.
    ///
    /// # Errors
    /// Fails with what the network or the server says.
    pub fn connect(&self, until: Instant) -> RedisResult<Server> {
        #[cfg(feature = "fuzzing")]
        if let Some(replies) = &self.replies {
            return Ok(Server::Replies(replies.clone()));
        }
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
        let share = left(until)? / SHARE;
        let mut last = None;
        for (host, port) in &self.url.hosts {
            let soon = until.min(Instant::now() + share);
            match self
                .master_by(host, *port, master, soon)
                .and_then(|(host, port)| {
                    // One that is cut off may name a former master, which is out of reach.
                    let half = Instant::now() + left(until)? / 2;
                    self.connect_if_master(&host, port, half)
                }) {
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

    fn cluster_clients(
        &self,
        certificates: Option<&TlsCertificates>,
    ) -> RedisResult<Vec<ClusterClient>> {
        let nodes = self.url.hosts.iter();
        let mut nodes = nodes
            .map(|(host, port)| self.info(host, *port, self.url.login.as_ref(), 0))
            .collect::<RedisResult<Vec<_>>>()?;
        let mut clients = Vec::new();
        for _ in 0..nodes.len() {
            let mut builder = ClusterClient::builder(nodes.clone())
                .retries(2)
                .min_retry_wait(10)
                .max_retry_wait(50);
            if let Some(certificates) = certificates {
                builder = builder.certs(certificates.clone());
            }
            clients.push(builder.build()?);
            nodes.rotate_left(1);
        }
        Ok(clients)
    }

    /// Asks one node of the URL after the other for all nodes, and connects to these. Next time, one that takes
    /// long is the last to be asked.
    fn connect_to_cluster(&self, until: Instant) -> RedisResult<Server> {
        let left = left(until)?;
        let share = left / SHARE;
        let first = self.first.load(Ordering::Relaxed);
        let client = self
            .cluster
            .get(first % self.cluster.len().max(1))
            .ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        let limits = ClusterConfig::new()
            .set_connection_timeout(share)
            .set_response_timeout(left);
        let begin = Instant::now();
        let connected = client.get_connection_with_config(limits);
        if begin.elapsed() >= share {
            self.first.fetch_add(1, Ordering::Relaxed);
        }
        Ok(Server::Cluster(Box::new(connected?)))
    }

    fn info(
        &self,
        host: &str,
        port: u16,
        login: Option<&Login>,
        database: i64,
    ) -> RedisResult<ConnectionInfo> {
        let mut redis = RedisConnectionInfo::default()
            .set_db(database)
            .set_skip_set_lib_name();
        if let Some(login) = login {
            redis = redis.set_password(login.password.as_str());
            if !login.username.is_empty() {
                redis = redis.set_username(&login.username);
            }
        }
        let info = at(&self.address, host, port).into_connection_info()?;
        Ok(info.set_redis_settings(redis))
    }

    fn open(
        &self,
        host: &str,
        port: u16,
        login: Option<&Login>,
        database: i64,
        until: Instant,
    ) -> RedisResult<Connection> {
        let client = Client::open(self.info(host, port, login, database)?)?;
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
            #[cfg(feature = "fuzzing")]
            Server::Replies(replies) => work(replies),
        }
    }
}

/// An address of nowhere, with the certificates as the crate keeps them: read once, and not for each
/// connection.
fn address(certificates: Option<TlsCertificates>) -> RedisResult<ConnectionAddr> {
    let Some(certificates) = certificates else {
        return Ok(ConnectionAddr::Tcp(String::new(), 0));
    };
    let nowhere = ConnectionAddr::TcpTls {
        host: String::new(),
        port: 0,
        insecure: false,
        tls_params: None,
    };
    let client = Client::build_with_tls(nowhere, certificates)?;
    Ok(client.get_connection_info().addr().clone())
}

/// The same address at this host and port.
fn at(address: &ConnectionAddr, to: &str, at: u16) -> ConnectionAddr {
    let mut address = address.clone();
    match &mut address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            to.clone_into(host);
            *port = at;
        }
        _ => {}
    }
    address
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
