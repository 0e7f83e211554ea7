//! Numbers that all processes of one OpenSIPS share: an anonymous shared mapping, made before the
//! fork.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    io::ErrorKind,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use once_cell::sync::OnceCell;

use super::ffi::{AW_GAUGES_COUNT, aw_gauge as State};
use crate::http::{Circuit, InflightPlace, Pace};
use crate::introspection;
use crate::jwt::revocations::list::{Entry, Head, Slot};
use crate::jwt::signatures::Bucket;
use crate::keys::Place;
use crate::outages;
use crate::queue::Slot as QueueSlot;
use crate::rate::Rate;
use crate::registrations::Newest;
use crate::store::shared::{Counter, LeaseWord, Slot as RowSlot};

/// How long [`exclusively`] waits for the lock. What is done under the lock takes microseconds, but on a busy
/// machine its holder may not be running.
const LOCK_TIMEOUT: Duration = Duration::from_millis(200);

/// How long it does so without sleeping, and how long it then sleeps at a time: yielding alone does not let a
/// holder of lower priority run.
const LOCK_YIELDS: Duration = Duration::from_millis(1);
const LOCK_SLEEP: Duration = Duration::from_micros(200);

/// A number that all processes share.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct Number(AtomicU64);

impl Number {
    const fn new() -> Self {
        Number(AtomicU64::new(0))
    }

    /// Adds to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds to it, or takes away from it.
    pub fn change(&self, n: i64) {
        self.0.fetch_add(n.cast_unsigned(), Ordering::Relaxed);
    }

    /// Sets it. Whoever reads this value also sees what was set before it.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Release);
    }

    /// Reads it.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// The newest snapshot of all profiles (`cache_mode` "preload"). Its publisher sets `number` last.
#[derive(Debug)]
#[repr(C)]
pub struct SnapshotNumbers {
    /// Its number, 0 for none.
    pub number: Number,
    /// The process that published it.
    pub owner: Number,
    /// The UNIX time, in seconds, at which reading it began.
    pub time: Number,
    /// The generation of the caches at that time.
    pub generation: Number,
    /// 1 while no newer one is available.
    pub failing: Number,
    /// The generation of the caches for which the tables could not be read last.
    pub failed: Number,
    /// 1 once OpenSIPS ends.
    pub ending: Number,
}

/// What is shown of the registrations at carriers. Its publisher sets `number` last.
#[derive(Debug)]
#[repr(C)]
pub struct TrunkNumbers {
    /// Its number, 0 for none.
    pub number: Number,
    /// The process that published it.
    pub owner: Number,
}

/// What was logged by one process and need not be repeated by any other. Remembers hashes, the
/// newest in place of the oldest once there is no room for more.
#[derive(Debug)]
#[repr(transparent)]
pub struct Told([AtomicU64; Self::SIZE]);

impl Told {
    /// More than any site has to report: each key of ten full sets.
    const SIZE: usize = 1024;

    const fn new() -> Self {
        Told([const { AtomicU64::new(0) }; Self::SIZE])
    }

    /// Whether no process has logged this yet. From now on one has.
    pub fn is_new(&self, subject: impl Hash) -> bool {
        // Without a random key: all processes must come to the same number. 0 is an empty place.
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let hash = hasher.finish().max(1);
        let first = usize::try_from(hash % Self::SIZE as u64).unwrap_or(0);
        let places = self.0.iter().cycle().skip(first).take(Self::SIZE);
        for place in places {
            match place.compare_exchange(0, hash, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(other) if other == hash => return false,
                Err(_) => {}
            }
        }
        self.0[first].store(hash, Ordering::Relaxed);
        true
    }
}

/// All that the processes share. The system fills it with zeroes.
#[derive(Debug)]
#[repr(C)]
pub struct Page {
    gauges: [Number; AW_GAUGES_COUNT as usize],
    /// The generation of the caches, which `jwt_reload` increments.
    pub generation: Number,
    /// The oldest generation of which anything serves, if what replaces it can't be read: that of the last
    /// `jwt_reload drop=1`.
    pub dropped: Number,
    /// The generation of the credentials, which `credentials_reload` increments.
    pub credentials_generation: Number,
    /// The oldest of these of which anything serves: that of the last `credentials_reload drop=1`.
    pub credentials_dropped: Number,
    /// The newest snapshot.
    pub snapshot: SnapshotNumbers,
    /// What is shown of the registrations at carriers.
    pub trunks: TrunkNumbers,
    /// The newest changes of registrations that this machine has heard of.
    pub newest: Newest,
    /// What the log has been told.
    pub told: Told,
    /// The log lines of each kind.
    pub log_rates: [Rate; Self::LOG_RATES],
    /// The events of refusals.
    pub event_rate: Rate,
    /// The events of alerts.
    pub alert_rate: Rate,
    /// The process that holds the lock of [`exclusively`], 0 for none.
    lock: AtomicU64,
}

impl Page {
    /// How many kinds of log lines there may be, see `src/calls/told.rs`.
    pub const LOG_RATES: usize = 32;

    const fn new() -> Self {
        Page {
            gauges: [const { Number::new() }; AW_GAUGES_COUNT as usize],
            generation: Number::new(),
            dropped: Number::new(),
            credentials_generation: Number::new(),
            credentials_dropped: Number::new(),
            snapshot: SnapshotNumbers {
                number: Number::new(),
                owner: Number::new(),
                time: Number::new(),
                generation: Number::new(),
                failing: Number::new(),
                failed: Number::new(),
                ending: Number::new(),
            },
            trunks: TrunkNumbers {
                number: Number::new(),
                owner: Number::new(),
            },
            newest: Newest::new(),
            told: Told::new(),
            log_rates: [const { Rate::new() }; Self::LOG_RATES],
            event_rate: Rate::new(),
            alert_rate: Rate::new(),
            lock: AtomicU64::new(0),
        }
    }

    /// The number of a state.
    pub fn gauge(&self, state: State) -> &Number {
        // There is one for each value of the enum.
        &self.gauges[state as usize]
    }
}

static PAGE: OnceCell<&'static Page> = OnceCell::new();

/// Used if nothing is shared: outside OpenSIPS.
static OWN: Page = Page::new();

/// Makes the mapping. Must be called before the fork; later calls do nothing.
///
/// # Errors
/// Fails with the system's error if there is no memory.
pub fn init() -> std::io::Result<()> {
    PAGE.get_or_try_init(map).map(drop)
}

fn map() -> std::io::Result<&'static Page> {
    zeroed::<Page>(1)?
        .first()
        .ok_or(ErrorKind::OutOfMemory.into())
}

/// Values of which all bits may be zero, and that processes may share.
///
/// # Safety
/// It must consist of atomics and padding, and be aligned to no more than 4096 bytes.
pub unsafe trait Zeroed: Sync {}

// SAFETY: numbers and a lock, all of them atomics.
unsafe impl Zeroed for Page {}
// SAFETY: atomics.
unsafe impl Zeroed for Bucket {}
// SAFETY: atomics.
unsafe impl Zeroed for Place {}
// SAFETY: atomics.
unsafe impl Zeroed for outages::Place {}
// SAFETY: atomics.
unsafe impl Zeroed for Circuit {}
// SAFETY: atomics.
unsafe impl Zeroed for Pace {}
// SAFETY: atomics.
unsafe impl Zeroed for Head {}
// SAFETY: atomics.
unsafe impl Zeroed for Entry {}
// SAFETY: an atomic.
unsafe impl Zeroed for Slot {}
// SAFETY: atomics.
unsafe impl Zeroed for InflightPlace {}
// SAFETY: an atomic.
unsafe impl Zeroed for Counter {}
// SAFETY: atomics.
unsafe impl Zeroed for LeaseWord {}
// SAFETY: atomics.
unsafe impl<const WORDS: usize> Zeroed for RowSlot<WORDS> {}
// SAFETY: atomics.
unsafe impl<const WORDS: usize> Zeroed for QueueSlot<WORDS> {}
// SAFETY: an atomic.
unsafe impl Zeroed for introspection::Place {}

/// Memory for this many values, all zero, that processes that are forked later share. It is never
/// given back. What is not touched takes no memory.
///
/// # Errors
/// Fails with the system's error if there is no memory.
pub fn zeroed<T: Zeroed>(count: usize) -> std::io::Result<&'static [T]> {
    if count == 0 {
        return Ok(&[]);
    }
    let size = count
        .checked_mul(size_of::<T>())
        .ok_or(ErrorKind::OutOfMemory)?;
    // SAFETY: a new anonymous mapping, which the system fills with zeroes.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: large enough, aligned to a page of memory, never unmapped; zero is a value of the type.
    Ok(unsafe { std::slice::from_raw_parts(start.cast(), count) })
}

/// What the processes share.
pub fn page() -> &'static Page {
    PAGE.get().copied().unwrap_or(&OWN)
}

/// Runs `work` while no other process runs its own. It must be short, and never wait for a network.
/// `None` if the lock was not free in time. The lock of a process that died is taken over.
pub fn exclusively<T>(work: impl FnOnce() -> T) -> Option<T> {
    locked(&page().lock, LOCK_TIMEOUT, work)
}

/// The same for what has a lock of its own: the number of the process that holds it, 0 for none.
pub fn locked<T>(
    lock: &'static AtomicU64,
    timeout: Duration,
    work: impl FnOnce() -> T,
) -> Option<T> {
    struct Locked(&'static AtomicU64);
    impl Drop for Locked {
        fn drop(&mut self) {
            self.0.store(0, Ordering::Release);
        }
    }

    let me = u64::from(std::process::id());
    let start = Instant::now();
    while let Err(owner) = lock.compare_exchange_weak(0, me, Ordering::Acquire, Ordering::Relaxed) {
        if owner != 0 && !is_alive(owner) {
            let _ = lock.compare_exchange(owner, 0, Ordering::Relaxed, Ordering::Relaxed);
        } else {
            match start.elapsed() {
                waited if waited > timeout => return None,
                waited if waited > LOCK_YIELDS => std::thread::sleep(LOCK_SLEEP),
                _ => {}
            }
        }
        std::thread::yield_now();
    }
    let _locked = Locked(lock);
    Some(work())
}

/// Whether a process of that number is still running. One that has ended does not count, even if
/// nobody has collected its status yet, which may never happen: in a container the first process,
/// which inherits it, often collects none.
pub fn is_alive(pid: u64) -> bool {
    // SAFETY: signal 0 is never sent, only checked for whether it could be.
    let code = unsafe { libc::kill(libc::pid_t::try_from(pid).unwrap_or(0), 0) };
    let exists = code == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH);
    exists && !has_ended(pid)
}

/// Whether a process has ended and nobody has collected its status; false if /proc does not say.
fn has_ended(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may contain anything.
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    state.starts_with(['Z', 'X'])
}

#[cfg(test)]
mod tests;
