//! Servers that have not checked in for too long are taken out.

use std::time::Duration;

use super::super::metrics;
use super::chore::Chore;
use crate::log;
use crate::members::{Looked, Members, Set};
use crate::module::Module;
use crate::opensips::stats::{self, State};
use crate::process;
use crate::redis::{CacheError, Session};

/// Name in log lines.
const NAME: &std::ffi::CStr = c"server_checkin";

/// Looks at all members, every `checkin_interval`.
pub struct Look;

impl Chore for Look {
    fn run(&mut self, module: &'static Module) -> Duration {
        let checkins = &module.config.checkins;
        for set in Set::ALL {
            let look = move |session: &Session<'_>| {
                let members = Members::new(session, &checkins.cluster);
                members.expire(set, checkins.expires, checkins.interval)
            };
            let looked: Result<Looked, CacheError> =
                process::with(module, |process| process.ask_redis(look));
            match looked {
                Ok(looked) => told(module, set, &looked),
                Err(error) => {
                    let text = error.to_string();
                    if process::is_due(module, (NAME, &text)) {
                        log!(Error, NAME, "{}: {text}", set.key(&checkins.cluster));
                    }
                }
            }
        }
        checkins.interval
    }
}

fn told(module: &Module, set: Set, looked: &Looked) {
    let Looked {
        count,
        found,
        ended,
    } = looked;
    // The names are those of jambonz's dashboards.
    let shown = match set {
        Set::FeatureServers => Some((State::FeatureServers, "featureservers")),
        Set::RtpServers => Some((State::RtpServers, "rtpservers")),
        Set::ServiceUrls => None,
    };
    if let Some((state, name)) = shown {
        stats::set_state(state, *count);
        metrics::gauge(module, name, *count, "");
    }
    let key = set.key(&module.config.checkins.cluster);
    if *found > 0 {
        log!(
            Info,
            NAME,
            "{found} members of {key} were found there, and are watched now"
        );
    }
    for member in ended {
        let member = member.escape_debug();
        log!(
            Notice,
            NAME,
            "{member} has not checked in, and is out of {key}, which has {count} members"
        );
    }
}
