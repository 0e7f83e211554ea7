//! Names of gateways in DNS. The core's resolver, which tm asks before it sends something, has no time limit that is of
//! use here, so whoever has a name that nobody answers for is not sent anything.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::module::Module;
use crate::pool::NoNotify;
use crate::process;
use crate::sip::HostPort;

/// For how long a name may take to be looked up.
const WITHIN: Duration = Duration::from_secs(3);

/// For how long a name that took longer is not looked up again.
const LEFT_ALONE: Duration = Duration::from_secs(60);

/// Names that took too long.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Instant>);

/// Why a name has no address.
enum Failure {
    /// The resolver says so.
    None(String),
    /// It was not there in time.
    Late,
}

impl Names {
    /// The addresses of a host.
    ///
    /// # Errors
    /// Fails with the resolver's error, or that there was no answer in time.
    pub fn look_up(&mut self, module: &'static Module, host: &str) -> Result<Vec<IpAddr>, String> {
        self.ask(module, host).map_err(|failure| match failure {
            Failure::None(error) => error,
            Failure::Late => format!("no answer of DNS within {} s", WITHIN.as_secs()),
        })
    }

    /// Whether the host of a URI is a name that takes too long to be looked up. One that has no address is not: it may
    /// have records of other kinds.
    pub fn is_slow(&mut self, module: &'static Module, uri: &str) -> bool {
        let host = HostPort::of(uri.as_bytes()).map(|of| of.host.to_owned());
        host.is_some_and(|host| matches!(self.ask(module, &host), Err(Failure::Late)))
    }

    fn ask(&mut self, module: &'static Module, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        self.0.retain(|_, at| at.elapsed() < LEFT_ALONE);
        if self.0.contains_key(host) {
            return Err(Failure::Late);
        }
        let name = host.to_owned();
        let job = move || {
            let found = (name.as_str(), 0).to_socket_addrs();
            let found = found.map_err(|error| Failure::None(error.to_string()))?;
            Ok(found.map(|address| address.ip()).collect())
        };
        let deadline = Instant::now() + WITHIN;
        let started = process::with(module, |process| {
            let threads = process.cache_threads();
            threads.submit(deadline, |_| Err(Failure::Late), job, NoNotify)
        });
        let found = match started {
            Ok(ticket) => ticket.wait(),
            Err(full) => Err(Failure::None(full.to_string())),
        };
        if matches!(found, Err(Failure::Late)) {
            self.0.insert(host.to_owned(), Instant::now());
        }
        found
    }
}
