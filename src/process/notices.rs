//! What threads find out that has to be told: by the process's own thread, which alone may call the core.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::alerts::Alert;
use crate::clock;
use crate::module::{self, Module};
use crate::opensips::log::Level;
use crate::opensips::workers;
use crate::outages::Outages;
use crate::store::StoreError;

/// Most that waits to be told; what comes after that is left out.
const MOST: usize = 256;

/// What may fail, and work again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// The database of `db_url`.
    Database,
    /// The CacheDB of `cachedb_url`.
    Cachedb,
    /// What is fetched from this URL, or of this issuer.
    Keys(String),
    /// An endpoint, as it is shown: whether it is left alone.
    Endpoint(String),
    /// The InfluxDB of `alerts_url`.
    Alerts,
}

impl Subject {
    /// What tells it from others.
    fn identity(&self) -> &str {
        match self {
            Subject::Database => "database",
            Subject::Cachedb => "cachedb",
            Subject::Alerts => "alerts",
            Subject::Keys(shown) | Subject::Endpoint(shown) => shown,
        }
    }
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// It fails, for this reason.
    Failing(String),
    /// It works again, after this time if that is known.
    Working(Option<Duration>),
}

/// An event of a call. A route of the script may be run by it, which may call the module again: it is raised
/// once the call is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Raised {
    /// A request was refused.
    Denied {
        /// The function that was called.
        function: String,
        /// What it returned.
        code: i32,
        /// Why.
        reason: String,
        /// Where the request came from.
        source: String,
        /// The user that it was about.
        user: String,
        /// His domain.
        realm: String,
    },
    /// A source was banned.
    Banned {
        /// Its address.
        source: String,
        /// For how long; 0 for ever.
        seconds: i32,
        /// The domain that the request was about.
        realm: String,
    },
    /// Something that the owner of an account should know.
    Alert(Box<Alert>),
}

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// Something has begun to fail, or works again.
    Changed(Subject, Change),
    /// An event.
    Raised(Raised),
    /// A line of the log, with the name in it: each process can log it.
    #[serde(skip)]
    Line(Level, &'static CStr, String),
}

/// Something that may have to be told: whoever tells it first for all processes does. A process may find out, and
/// have no call for a long time.
enum Found {
    /// Something has failed at that time.
    Failed {
        identity: String,
        subject: Subject,
        at: Instant,
        error: String,
    },
    /// Something has worked for somebody who asked at that time.
    Worked {
        identity: String,
        subject: Subject,
        asked: Instant,
    },
    /// This in any case.
    Told(Notice),
}

/// How long a failure is worth telling: it may be over by then.
const FRESH: Duration = Duration::from_secs(10);

static WAITING: Mutex<VecDeque<Found>> = Mutex::new(VecDeque::new());

/// How many wait: asked with each call.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn lock() -> MutexGuard<'static, VecDeque<Found>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has an event raised, once the call is over.
pub fn raise_later(raised: Raised) {
    push(Found::Told(Notice::Raised(raised)));
}

/// Has a line logged, which a thread of ours may not do itself.
pub fn log_later(level: Level, name: &'static CStr, line: String) {
    push(Found::Told(Notice::Line(level, name, line)));
}

fn push(found: Found) {
    let mut waiting = lock();
    if waiting.len() < MOST {
        waiting.push_back(found);
        COUNT.store(waiting.len(), Ordering::Relaxed);
    }
}

/// What is to be told now, by this process.
pub fn take(outages: &Outages) -> Vec<Notice> {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return Vec::new();
    }
    COUNT.store(0, Ordering::Relaxed);
    let waiting = std::mem::take(&mut *lock());
    let now = Instant::now();
    let told = |found| match found {
        Found::Told(notice) => Some(notice),
        Found::Failed {
            identity,
            subject,
            at,
            error,
        } => {
            let is_fresh = now.saturating_duration_since(at) < FRESH;
            let begins = is_fresh && outages.failed(&identity, at);
            begins.then_some(Notice::Changed(subject, Change::Failing(error)))
        }
        Found::Worked {
            identity,
            subject,
            asked,
        } => {
            let length = outages.works(&identity, asked, now)?;
            Some(Notice::Changed(subject, Change::Working(Some(length))))
        }
    };
    waiting.into_iter().filter_map(told).collect()
}

/// Notes how a question ended that was asked at `asked`. The first failure of all processes, and the first
/// success after it, are told.
pub fn note(subject: &Subject, asked: Instant, failure: Option<&dyn ToString>) {
    note_as(subject.identity(), subject, asked, failure);
}

/// The same for something that is not always shown by the same name; `identity` tells it from others.
pub fn note_as(identity: &str, subject: &Subject, asked: Instant, failure: Option<&dyn ToString>) {
    let Some(module) = module::get() else {
        return;
    };
    let (at, is_failing) = (Instant::now(), module.outages.is_failing(identity));
    match failure {
        Some(_) if is_failing => _ = module.outages.failed(identity, at),
        Some(error) => push(Found::Failed {
            identity: identity.to_owned(),
            subject: subject.clone(),
            at,
            error: error.to_string(),
        }),
        None if is_failing => push(Found::Worked {
            identity: identity.to_owned(),
            subject: subject.clone(),
            asked,
        }),
        None => {}
    }
}

/// Notes whether the database works: a query that it refuses, or that waits for others, says nothing of it.
pub fn note_database(asked: Instant, error: Option<&StoreError>) {
    match error {
        None => note(&Subject::Database, asked, None),
        Some(error) if error.is_outage() => note(&Subject::Database, asked, Some(error)),
        Some(_) => {}
    }
}

/// Whether something fails now.
pub fn is_failing(subject: &Subject) -> bool {
    module::get().is_some_and(|module| module.outages.is_failing(subject.identity()))
}

/// An endpoint is left alone from now on, or answers again.
pub fn endpoint_changed(shown: &str, left_alone: Option<u32>) {
    let subject = Subject::Endpoint(shown.to_owned());
    let change = match left_alone {
        Some(failures) => Change::Failing(format!(
            "it failed {failures} times in a row and is left alone for now"
        )),
        None => Change::Working(None),
    };
    push(Found::Told(Notice::Changed(subject, change)));
}

/// How long a notice waits for a worker.
const HANDED: Duration = Duration::from_secs(60);

/// Has a worker tell it. False if none can.
pub fn hand_over(module: &Module, notice: &Notice) -> bool {
    let (Some(handed), Ok(text)) = (&module.handed, serde_json::to_vec(notice)) else {
        return false;
    };
    let now = clock::now();
    handed.forget_before(clock::nanoseconds(now.saturating_sub(HANDED)));
    let slot = handed.put(clock::nanoseconds(now), &text);
    slot.is_some_and(workers::tell)
}

/// What another process has put at this address, if it is still there.
pub fn handed_at(module: &Module, address: usize) -> Option<Notice> {
    let item = module.handed.as_ref()?.slot_at(address)?.take()?;
    serde_json::from_slice(&item.text).ok()
}
