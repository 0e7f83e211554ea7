//! Resolves host names to addresses, with a cache, and never waits longer than allowed.
//!
//! `getaddrinfo` blocks for an arbitrary time, and may be called thousands of times a second for
//! the same name. So each name is looked up by one dedicated thread at a time, callers wait for it
//! as long as their timeout allows, and the result serves all of them for a while. When it becomes
//! stale it is looked up again in the background, and used meanwhile: a name server that is down
//! does not stop requests to endpoints that are up.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use crate::pool::DEFAULT_STACK_SIZE;

/// The system does not say how long a name server's answer is valid; half a minute is what DNS load
/// balancers use.
const FRESH: Duration = Duration::from_secs(30);

/// How long an address is used while the name can't be looked up again.
const USABLE: Duration = Duration::from_secs(3600);

/// A failure is remembered only to spare the name server the other requests of the same moment.
const FAILED: Duration = Duration::from_secs(1);

/// The most names that are remembered; beyond that the oldest are forgotten.
const MOST_NAMES: usize = 10_000;

/// How a name is looked up; blocks.
type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

#[derive(Debug, Clone, Default)]
struct Entry {
    addresses: Vec<SocketAddr>,
    /// When the addresses were found.
    found: Option<Instant>,
    /// When and why the last lookup failed.
    failed: Option<(Instant, String)>,
    under_way: bool,
}

#[derive(Debug, Default)]
struct Names {
    entries: Mutex<HashMap<(String, u16), Entry>>,
    changed: Condvar,
}

impl Names {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, u16), Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caching resolver.
#[derive(Debug)]
pub(super) struct Memory {
    names: Arc<Names>,
    lookup: Lookup,
}

impl Memory {
    pub(super) fn new() -> Self {
        Memory::with_lookup(|host, port| Ok((host, port).to_socket_addrs()?.collect()))
    }

    pub(super) fn with_lookup(lookup: Lookup) -> Self {
        Memory {
            names: Arc::default(),
            lookup,
        }
    }

    /// The addresses of `host`, by `until` at the latest.
    fn addresses(&self, host: &str, port: u16, until: Instant) -> Result<Vec<SocketAddr>, String> {
        let key = (host.to_owned(), port);
        let mut entries = self.names.lock();
        loop {
            let now = Instant::now();
            let age = |since: Instant| now.saturating_duration_since(since);
            let entry = entries.entry(key.clone()).or_default();
            if let Some(found) = entry.found.filter(|found| age(*found) < USABLE) {
                let addresses = entry.addresses.clone();
                let tried = entry
                    .failed
                    .as_ref()
                    .is_some_and(|(at, _)| age(*at) < FAILED);
                if age(found) >= FRESH && !tried {
                    // A failure to start the lookup is no reason to discard what is known.
                    _ = self.start(entry, &key);
                }
                return Ok(addresses);
            }
            if let Some((at, error)) = &entry.failed
                && !entry.under_way
                && age(*at) < FAILED
            {
                return Err(error.clone());
            }
            let left = until.saturating_duration_since(now);
            if left.is_zero() {
                return Err(TIMED_OUT.to_owned());
            }
            self.start(entry, &key)?;
            entries = self
                .names
                .changed
                .wait_timeout(entries, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Starts to look up a name, unless a lookup is in progress.
    fn start(&self, entry: &mut Entry, key: &(String, u16)) -> Result<(), String> {
        if entry.under_way {
            return Ok(());
        }
        let (names, lookup, key) = (Arc::clone(&self.names), self.lookup, key.clone());
        // A thread inherits the signal mask of its creator: here a pool thread, which blocks all
        // signals.
        thread::Builder::new()
            .name("resolver".to_owned())
            .stack_size(DEFAULT_STACK_SIZE)
            .spawn(move || {
                let looked_up = lookup(&key.0, key.1);
                let mut entries = names.lock();
                forget_oldest(&mut entries);
                let entry = entries.entry(key).or_default();
                entry.under_way = false;
                match looked_up {
                    Ok(addresses) if !addresses.is_empty() => {
                        entry.addresses = addresses;
                        entry.found = Some(Instant::now());
                        entry.failed = None;
                    }
                    Ok(_) => entry.failed = Some((Instant::now(), "no address".to_owned())),
                    Err(error) => entry.failed = Some((Instant::now(), error.to_string())),
                }
                drop(entries);
                names.changed.notify_all();
            })
            .map_err(|error| error.to_string())?;
        entry.under_way = true;
        Ok(())
    }
}

const TIMED_OUT: &str = "the name server does not answer";

fn forget_oldest(entries: &mut HashMap<(String, u16), Entry>) {
    if entries.len() <= MOST_NAMES {
        return;
    }
    let idle = entries.iter().filter(|(_, entry)| !entry.under_way);
    let oldest = idle.min_by_key(|(_, entry)| {
        entry
            .found
            .max(entry.failed.as_ref().map(|(failed, _)| *failed))
    });
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        entries.remove(&oldest);
    }
}

impl Resolver for Memory {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let default = if uri.scheme() == Some(&Scheme::HTTPS) {
            443
        } else {
            80
        };
        let port = uri.port_u16().unwrap_or(default);
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let mut resolved = self.empty();
        if let Ok(address) = bare.parse::<IpAddr>() {
            resolved.push(SocketAddr::new(address, port));
            return Ok(resolved);
        }
        let far = Duration::from_secs(3600);
        let left = if timeout.after.is_not_happening() {
            far
        } else {
            *timeout.after
        };
        let until = Instant::now() + left.min(far);
        let addresses =
            self.addresses(host, port, until)
                .map_err(|error| match error.as_str() {
                    TIMED_OUT => ureq::Error::Timeout(timeout.reason),
                    _ => ureq::Error::Io(io::Error::other(error)),
                })?;
        // As many as fit the fixed array.
        for address in addresses.into_iter().take(16) {
            resolved.push(address);
        }
        Ok(resolved)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_name_is_looked_up_once_for_all_who_ask() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let memory = Memory::with_lookup(|host, port| {
            LOOKUPS.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(20));
            assert_eq!(host, "h");
            Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))])
        });
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let found = memory.addresses("h", 80, far()).expect("it is found");
                    assert_eq!(found, [SocketAddr::from(([192, 0, 2, 1], 80))]);
                });
            }
        });
        assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn who_waits_for_a_name_server_that_is_down_stops_in_time() {
        let memory = Memory::with_lookup(|_, _| {
            thread::park();
            Err(io::Error::other("never"))
        });
        let until = Instant::now() + Duration::from_millis(20);
        assert_eq!(memory.addresses("h", 80, until), Err(TIMED_OUT.to_owned()));
    }

    #[test]
    fn a_failure_is_told_and_tried_again_soon() {
        static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
        let memory = Memory::with_lookup(|_, port| match LOOKUPS.fetch_add(1, Ordering::SeqCst) {
            0 => Err(io::Error::other("no such name")),
            _ => Ok(vec![SocketAddr::from(([192, 0, 2, 1], port))]),
        });
        let failed = memory.addresses("h", 80, far());
        assert_eq!(failed, Err("no such name".to_owned()));
        let end = Instant::now() + Duration::from_secs(60);
        while memory.addresses("h", 80, far()).is_err() {
            assert!(Instant::now() < end, "it is never tried again");
            thread::sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn old_addresses_are_used_while_the_name_is_looked_up_again() {
        let memory = Memory::with_lookup(|_, _| Err(io::Error::other("down")));
        let old = Instant::now()
            .checked_sub(FRESH)
            .expect("this machine is up for a minute");
        let known = SocketAddr::from(([192, 0, 2, 1], 80));
        memory.names.lock().insert(
            ("h".to_owned(), 80),
            Entry {
                addresses: vec![known],
                found: Some(old),
                ..Entry::default()
            },
        );
        assert_eq!(memory.addresses("h", 80, far()), Ok(vec![known]));
        let end = Instant::now() + Duration::from_secs(60);
        let failed = || memory.names.lock()[&("h".to_owned(), 80)].failed.is_some();
        while !failed() {
            assert!(Instant::now() < end, "it is never looked up again");
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(memory.addresses("h", 80, far()), Ok(vec![known]));
    }
}
