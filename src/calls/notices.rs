//! What has begun to fail, or works again: log lines, events, status and reports.

use std::cell::Cell;
use std::ffi::CStr;
use std::time::Instant;

use super::outcome;
use crate::clock;
use crate::log;
use crate::module::Module;
use crate::opensips::events::{self, Event, Parameter, Report};
use crate::opensips::{log, workers};
use crate::process::{
    Change, Notice, NoticeSubject as Subject, Raised, hand_over, handed_at, take_notices,
};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"outage";

/// Tells what the threads of this process have found out. Only on its own thread. A route that is run by that may
/// call the module again: what is found out meanwhile is told with the next call that is not part of it.
pub fn tell(module: &Module) {
    if let Some(_telling) = Telling::begin() {
        tell_all(module);
    }
}

/// That this process is telling, until it is dropped.
struct Telling;

impl Telling {
    /// `None` if it is already.
    fn begin() -> Option<Self> {
        (!IS_TELLING.replace(true)).then_some(Telling)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        IS_TELLING.set(false);
    }
}

fn tell_all(module: &Module) {
    let second = clock::now().as_secs();
    if SECOND.replace(second) != second {
        outcome::tell_of_left_out(second);
    }
    for notice in take_notices(&module.outages) {
        tell_one(module, &notice);
    }
}

/// Has workers tell what this process has found out, which is none of them: see [`workers`].
pub fn have_told(module: &Module) {
    if !workers::exist() {
        return tell(module);
    }
    for notice in take_notices(&module.outages) {
        if matches!(notice, Notice::Line(..)) {
            tell_one(module, &notice);
        } else if !hand_over(module, &notice) {
            log!(Warning, FUNCTION, "no worker could be told of {notice:?}");
        }
    }
}

/// Tells, in a worker, what another process has put at this address.
pub fn told(module: &Module, address: usize) {
    if let Some(notice) = handed_at(module, address) {
        tell_one(module, &notice);
    }
}

fn tell_one(module: &Module, notice: &Notice) {
    match notice {
        Notice::Changed(subject, change) => tell_of(module, subject, change),
        Notice::Raised(raised) => raise_of(raised),
        Notice::Line(level, name, line) if log::enabled(*level) => {
            log::write(*level, name, format_args!("{line}"));
        }
        Notice::Line(..) => {}
    }
}

thread_local! {
    /// Whether this process is telling, and a route of the script may run.
    static IS_TELLING: Cell<bool> = const { Cell::new(false) };

    /// When this process last looked whether lines were left out.
    static SECOND: Cell<u64> = const { Cell::new(0) };
}

fn raise_of(raised: &Raised) {
    match raised {
        Raised::Denied {
            function,
            code,
            reason,
            source,
            user,
            realm,
        } => events::raise(
            Event::Denied,
            &[
                ("function", Parameter::Text(function)),
                ("code", Parameter::Number(*code)),
                ("reason", Parameter::Text(reason)),
                ("source", Parameter::Text(source)),
                ("user", Parameter::Text(user)),
                ("realm", Parameter::Text(realm)),
            ],
        ),
        Raised::Banned {
            source,
            seconds,
            realm,
        } => events::raise(
            Event::Ban,
            &[
                ("source", Parameter::Text(source)),
                ("seconds", Parameter::Number(*seconds)),
                ("realm", Parameter::Text(realm)),
            ],
        ),
        Raised::Alert(alert) => {
            let message = alert.message();
            let or_empty = |part: &Option<String>| part.clone().unwrap_or_default();
            let [account, provider, detail] = [
                &alert.account_sid,
                &alert.service_provider_sid,
                &alert.detail,
            ]
            .map(or_empty);
            events::raise(
                Event::Alert,
                &[
                    ("type", Parameter::Text(alert.kind())),
                    ("account", Parameter::Text(&account)),
                    ("service_provider", Parameter::Text(&provider)),
                    ("message", Parameter::Text(&message)),
                    ("detail", Parameter::Text(&detail)),
                ],
            );
        }
    }
}

fn tell_of(module: &Module, subject: &Subject, change: &Change) {
    let line = line(module, subject, change);
    let works = matches!(change, Change::Working(_));
    match (works, subject) {
        (false, Subject::Database) => log!(Error, FUNCTION, "{line}"),
        _ => log!(Warning, FUNCTION, "{line}"),
    }
    let report = match subject {
        Subject::Database => Report::Database,
        Subject::Cachedb => Report::Cachedb,
        Subject::Keys(_) => Report::Keys,
        Subject::Endpoint(_) => Report::Endpoints,
        Subject::Alerts => Report::Alerts,
    };
    // One of several endpoints may answer again while others do not.
    let is_ready = works
        && match subject {
            Subject::Endpoint(_) => module.circuits.failing(Instant::now()) == 0,
            _ => true,
        };
    events::report(report, is_ready, &line);
    raise(subject, change);
}

/// The line of the log.
fn line(module: &Module, subject: &Subject, change: &Change) -> String {
    let what = match subject {
        Subject::Database => match &module.config.database {
            Some(database) => database.shown.clone(),
            None => "the database".to_owned(),
        },
        Subject::Cachedb => "the CacheDB".to_owned(),
        Subject::Keys(shown) => format!("keys from {shown}"),
        Subject::Endpoint(shown) => format!("endpoint {shown}"),
        Subject::Alerts => match &module.config.series.alerts {
            Some(influx) => format!("alerts in {influx}"),
            None => "alerts".to_owned(),
        },
    };
    match (subject, change) {
        (Subject::Cachedb, Change::Failing(error)) => {
            let then = match module.config.cache.required {
                true => "requests that need it are refused (cachedb_required)",
                false => "bans and used nonces are not looked at (cachedb_required)",
            };
            format!("the CacheDB can't be asked: {error}; {then}")
        }
        (_, Change::Failing(error)) => format!("{what}: {error}"),
        (_, Change::Working(None)) => format!("{what}: it answers again"),
        (Subject::Cachedb, Change::Working(Some(length))) => {
            format!("the CacheDB answers again, after {} s", length.as_secs())
        }
        (_, Change::Working(Some(length))) => {
            format!("{what}: answers again, after {} s", length.as_secs())
        }
    }
}

fn raise(subject: &Subject, change: &Change) {
    let (event, name, value) = match subject {
        Subject::Database => (Event::Store, "what", "database"),
        Subject::Cachedb => (Event::Store, "what", "cachedb"),
        Subject::Keys(shown) => (Event::Keys, "url", shown.as_str()),
        Subject::Endpoint(shown) => (Event::Endpoint, "url", shown.as_str()),
        Subject::Alerts => (Event::Store, "what", "alerts"),
    };
    if !events::is_wanted(event) {
        return;
    }
    let (state, reason) = match (subject, change) {
        (Subject::Keys(_), Change::Failing(error)) => ("failing", error.as_str()),
        (Subject::Keys(_), Change::Working(_)) => ("loaded", ""),
        (_, Change::Failing(error)) => ("down", error.as_str()),
        (_, Change::Working(_)) => ("up", ""),
    };
    events::raise(
        event,
        &[
            (name, Parameter::Text(value)),
            ("state", Parameter::Text(state)),
            ("reason", Parameter::Text(reason)),
        ],
    );
}
