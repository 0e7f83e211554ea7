//! How web servers are asked.

use std::sync::Arc;
use std::time::Duration;

use ureq::http::HeaderName;

use super::origins::Origins;
use super::pace::Paces;
use super::proxy::Proxy;
use super::report::Reports;
use super::tls::{Loaded, TlsFiles, Trust, TrustError};
use crate::meters::{Gauge, Timer};

/// How endpoints are queried.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The total timeout of a request, including name resolution, all connections, all URLs and the
    /// answer.
    pub timeout: Duration,
    /// How long resolving a name may take, and how long connecting may take, including TLS.
    pub connect_timeout: Duration,
    /// Whose certificates are trusted, where no file says it.
    pub trust: Trust,
    /// Whose certificates are trusted, and the client certificate, of an endpoint without files of its
    /// own.
    pub files: TlsFiles,
    /// What was read of these by [`load`](Self::load), for processes that are forked afterwards.
    pub loaded: Option<Arc<Loaded>>,
    /// The proxy for what is not on this machine.
    pub proxy: Option<Proxy>,
    /// Credentials for the servers of documents, by origin.
    pub origins: Origins,
    /// The longest time for which a server that asks for it (`Retry-After`) is left alone; zero: it is not.
    pub retry_after_max: Duration,
    /// What threads have to log.
    pub reports: Arc<Reports>,
    /// The User-Agent header: visible ASCII characters and spaces.
    pub user_agent: String,
    /// The name of the header that carries the signature.
    pub signature_header: HeaderName,
    /// The most idle connections that are kept open.
    pub max_idle: usize,
    /// How long they are kept.
    pub max_idle_age: Duration,
    /// An endpoint is left alone after this many failures in a row; 0: never.
    pub breaker_failures: u32,
    /// How long it is left alone.
    pub breaker_time: Duration,
    /// What `blacklist: true` means, in seconds.
    pub blacklist_time: u32,
    /// What is counted.
    pub meters: Meters,
    /// How fast each URL answers.
    pub paces: Paces,
}

/// What is counted of a client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Meters {
    /// Its connections.
    pub connections: Gauge,
    /// How long each URL takes to answer, or to fail.
    pub answers: Timer,
    /// URLs that are left alone, and answer again.
    pub changes: Changes,
}

/// Is told of a URL, as it may be shown, that is left alone from now on, after so many failures in a row; or, with
/// `None`, that answers again.
#[derive(Clone, Copy)]
pub struct Changes(pub fn(&str, Option<u32>));

impl Default for Changes {
    fn default() -> Self {
        Changes(|_, _| {})
    }
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changes")
    }
}

impl ClientConfig {
    /// Reads the files now: whoever has a clone of this goes on with that if they can't be read later.
    ///
    /// # Errors
    /// Fails with the first file that can't be used.
    pub fn load(mut self) -> Result<Self, TrustError> {
        self.loaded = Some(Arc::new(self.files.load(&self.trust)?));
        Ok(self)
    }
}

/// How long an idle connection is kept. Shorter than web servers commonly allow, so that we close
/// first.
pub const MAX_IDLE_AGE: Duration = Duration::from_secs(15);

/// For unit tests; the defaults of parameters are in config/http.rs only.
#[cfg(test)]
impl Default for ClientConfig {
    fn default() -> Self {
        ClientConfig {
            timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(2),
            trust: Trust::System,
            files: TlsFiles::default(),
            loaded: None,
            proxy: None,
            origins: Origins::default(),
            retry_after_max: Duration::from_secs(60),
            reports: Arc::default(),
            user_agent: concat!("auth_web/", env!("CARGO_PKG_VERSION")).to_owned(),
            signature_header: super::signature::SIGNATURE_HEADER.parse().unwrap(),
            max_idle: 256,
            max_idle_age: MAX_IDLE_AGE,
            breaker_failures: 5,
            breaker_time: Duration::from_secs(30),
            blacklist_time: 3600,
            meters: Meters::default(),
            paces: Paces::default(),
        }
    }
}
