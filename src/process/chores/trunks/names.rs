//! Names of gateways in DNS. The core's resolver, which tm asks before it sends something, has no time limit that is of
//! use here, so whoever has a name that nobody answers for is not sent anything. Names are looked up on threads, and
//! nobody waits for those of others.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::module::Module;
use crate::pool::{NoNotify, Ticket};
use crate::process;
use crate::sip::HostPort;

/// For how long a name may take to be looked up.
const WITHIN: Duration = Duration::from_secs(3);

/// For how long what is known of a name serves.
const SERVES: Duration = Duration::from_secs(60);

/// Most names that are looked up at a time.
const AT_ONCE: usize = 32;

/// What the resolver says: the addresses, or its error; `None` if there was no answer in time.
type Found = Option<Result<Vec<IpAddr>, String>>;

/// A name.
enum Name {
    /// It is being looked up.
    Asked(Ticket<Found>),
    /// It was looked up.
    Known(Found, Instant),
}

/// Names that were looked up, or are.
#[derive(Default)]
pub struct Names(BTreeMap<String, Name>);

/// Whether something can be sent to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// It can. The name may have no address, but records of other kinds.
    Open,
    /// It is not known yet.
    Wait,
    /// Nobody has answered for it.
    Closed,
}

impl Names {
    /// Whether something can be sent to the host of a URI.
    pub fn way(&mut self, module: &'static Module, uri: &str) -> Way {
        let host = HostPort::of(uri.as_bytes()).map(|of| of.host.to_owned());
        let Some(host) = host.filter(|host| address(host).is_none()) else {
            return Way::Open;
        };
        self.look(module, &host);
        match self.0.get(&host) {
            Some(Name::Known(Some(_), _)) => Way::Open,
            Some(Name::Known(None, _)) => Way::Closed,
            Some(Name::Asked(_)) | None => Way::Wait,
        }
    }

    /// The addresses of a host, as they were looked up before something was sent there.
    pub fn known(&self, host: &str) -> Vec<IpAddr> {
        match (address(host), self.0.get(host)) {
            (Some(address), _) => vec![address],
            (None, Some(Name::Known(Some(Ok(addresses)), _))) => addresses.clone(),
            (None, _) => Vec::new(),
        }
    }

    /// Takes what has come, and starts what is wanted.
    fn look(&mut self, module: &'static Module, host: &str) {
        let now = Instant::now();
        self.0.retain(
            |_, name| !matches!(name, Name::Known(_, at) if now.duration_since(*at) >= SERVES),
        );
        if let Some(name) = self.0.remove(host) {
            let name = match name {
                Name::Asked(ticket) => match ticket.try_take() {
                    Ok(found) => Name::Known(found, now),
                    Err(ticket) => Name::Asked(ticket),
                },
                known => known,
            };
            self.0.insert(host.to_owned(), name);
            return;
        }
        let asked = self
            .0
            .values()
            .filter(|name| matches!(name, Name::Asked(_)));
        if asked.count() >= AT_ONCE {
            return;
        }
        let name = host.to_owned();
        let job = move || {
            let found = (name.as_str(), 0).to_socket_addrs();
            let found = found.map(|found| found.map(|address| address.ip()).collect());
            Some(found.map_err(|error| error.to_string()))
        };
        let started = process::with(module, |process| {
            let threads = process.cache_threads();
            threads.submit(now + WITHIN, |_| None, job, NoNotify)
        });
        if let Ok(ticket) = started {
            self.0.insert(host.to_owned(), Name::Asked(ticket));
        }
    }
}

/// The address that a host is, if it is no name.
fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok()
}
