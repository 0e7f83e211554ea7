//! What comes from where a trunk of `trunk_type` "reg" is registered counts as from its carrier: hashes in Redis
//! that jambonz's sbc-inbound reads.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use ::redis::cmd;

use super::asking::{AGAIN, Complaints, ask_redis};
use crate::clock;
use crate::module::Module;

/// A hash lasts at least that long, in seconds, as jambonz has it. What counts is the end in each of its members.
const LASTS: u64 = 7200;

/// Addresses of carriers.
#[derive(Debug, Default)]
pub struct Inbound {
    /// The addresses that were written for each carrier.
    written: BTreeMap<String, BTreeSet<String>>,
    /// What is still to be written: the end of an address and a carrier, in UNIX seconds; `None` to remove it.
    waiting: BTreeMap<(String, String), Option<u64>>,
    /// When that is tried.
    at: Option<Instant>,
}

impl Inbound {
    /// What comes from this host counts as from the carrier for as many seconds; not any more if they are 0. Its
    /// addresses are those of its name, as `named` has them. A name without any is one for SRV alone: then it is the
    /// address that has answered.
    pub fn admit(&mut self, carrier: &str, named: &[IpAddr], source: Option<String>, seconds: u32) {
        let mut addresses: BTreeSet<String> = named.iter().map(IpAddr::to_string).collect();
        if addresses.is_empty() {
            let source = source.and_then(|source| source.parse::<IpAddr>().ok());
            addresses.extend(source.map(|source| source.to_string()));
        }
        let end = (seconds > 0).then(|| clock::now().as_secs() + u64::from(seconds));
        for address in addresses {
            self.waiting.insert((carrier.to_owned(), address), end);
        }
        self.at = None;
    }

    /// Nothing counts as from the carrier any more.
    pub fn remove(&mut self, carrier: &str) {
        let written = self.written.remove(carrier).unwrap_or_default();
        let wanted = self.waiting.keys().filter(|(of, _)| of == carrier);
        let addresses: BTreeSet<String> = wanted
            .map(|(_, address)| address.clone())
            .chain(written)
            .collect();
        for address in addresses {
            self.waiting.insert((carrier.to_owned(), address), None);
        }
        self.at = None;
    }

    /// Leaves all to another server.
    pub fn forget(&mut self) {
        *self = Inbound::default();
    }

    /// Writes what waits, in one go; what fails is tried again.
    pub fn write(&mut self, module: &'static Module, complaints: &mut Complaints) {
        if self.waiting.is_empty() || self.at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        let now = clock::now().as_secs();
        // What is over need not be written.
        self.waiting
            .retain(|_, end| end.is_none_or(|end| end > now));
        for ((carrier, address), end) in std::mem::take(&mut self.waiting) {
            let key = format!("eph-gw-ip:{address}");
            let sid = carrier.clone();
            let done = ask_redis(module, move |session| match end {
                None => session.query::<i64>(cmd("HDEL").arg(key).arg(sid)),
                Some(end) => {
                    let lasts = end.saturating_sub(now).max(LASTS);
                    let _: i64 = session.query(cmd("HSET").arg(&key).arg(sid).arg(end))?;
                    session.query::<i64>(cmd("EXPIRE").arg(&key).arg(lasts))
                }
            });
            if let Err(error) = done {
                complaints.complain(
                    "addresses of carriers are not written, it is tried again",
                    &error.to_string(),
                );
                self.waiting.insert((carrier, address), end);
                self.at = Some(Instant::now() + AGAIN);
            } else if end.is_some() {
                self.written.entry(carrier).or_default().insert(address);
            }
        }
    }
}
