//! Numbers that all processes of one OpenSIPS share: an anonymous shared mapping, made before the
//! fork.

use std::{
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How many numbers there are room for.
pub const CELLS: usize = 64;

/// Cell of the generation of caches, which `jwt_reload` raises.
pub const GENERATION: usize = CELLS - 1;

/// Cell of the number of the newest snapshot of all profiles, 0 for none.
pub const SNAPSHOT: usize = CELLS - 3;

/// Cell of the process that published it.
pub const SNAPSHOT_OWNER: usize = CELLS - 4;

/// Cell of the UNIX time, in seconds, at which reading it began.
pub const SNAPSHOT_TIME: usize = CELLS - 5;

/// Cell of the generation of caches of then.
pub const SNAPSHOT_GENERATION: usize = CELLS - 6;

/// Cell that is 1 while a newer one can't be had.
pub const SNAPSHOT_FAILING: usize = CELLS - 7;

/// Cell of the generation of credentials, which `credentials_reload` raises.
pub const CREDENTIALS_GENERATION: usize = CELLS - 8;

/// Cell that is 1 once OpenSIPS ends.
pub const SNAPSHOT_ENDING: usize = CELLS - 9;

/// Cell of the lock of [`exclusively`].
const LOCK: usize = CELLS - 2;

/// How long [`exclusively`] waits for its turn. What is done under the lock takes microseconds.
const PATIENCE: Duration = Duration::from_millis(20);

struct Page(*const AtomicU64);
// SAFETY: the page is never unmapped, and holds nothing but atomics.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

static PAGE: OnceLock<Page> = OnceLock::new();

/// Makes the mapping. Must be called before the fork; later calls do nothing.
///
/// # Errors
/// The system's error where it gives no memory.
pub fn init() -> std::io::Result<()> {
    if PAGE.get().is_some() {
        return Ok(());
    }
    // SAFETY: a new anonymous mapping, which the system fills with zeroes.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            CELLS * size_of::<AtomicU64>(),
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    let _ = PAGE.set(Page(page.cast()));
    Ok(())
}

fn cell(index: usize) -> Option<&'static AtomicU64> {
    let page = PAGE.get().filter(|_| index < CELLS)?;
    // SAFETY: inside of the mapping, aligned, and never unmapped.
    Some(unsafe { &*page.0.add(index) })
}

/// Adds to a number.
pub fn add(index: usize, n: u64) {
    if let Some(cell) = cell(index) {
        cell.fetch_add(n, Ordering::Relaxed);
    }
}

/// Sets a number. What was set before it is seen by whoever reads this one.
pub fn set(index: usize, n: u64) {
    if let Some(cell) = cell(index) {
        cell.store(n, Ordering::Release);
    }
}

/// Reads a number.
pub fn get(index: usize) -> u64 {
    cell(index).map_or(0, |cell| cell.load(Ordering::Acquire))
}

/// Does a short piece of work while no other process does its own: no waiting for a network in it.
/// `None` where the turn did not come in time. The lock of a process that died is taken over.
pub fn exclusively<T>(work: impl FnOnce() -> T) -> Option<T> {
    struct Held(&'static AtomicU64);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.store(0, Ordering::Release);
        }
    }

    let lock = cell(LOCK)?;
    let me = u64::from(std::process::id());
    let start = Instant::now();
    while let Err(owner) = lock.compare_exchange_weak(0, me, Ordering::Acquire, Ordering::Relaxed) {
        if owner != 0 && !is_alive(owner) {
            let _ = lock.compare_exchange(owner, 0, Ordering::Relaxed, Ordering::Relaxed);
        } else if start.elapsed() > PATIENCE {
            return None;
        }
        std::thread::yield_now();
    }
    let _held = Held(lock);
    Some(work())
}

/// Whether there is a process of that number that still runs. One that has ended counts for nothing
/// even while nobody has asked for its status yet, which may be for ever: in a container the first
/// process, which inherits it, often asks for none.
pub fn is_alive(pid: u64) -> bool {
    // SAFETY: signal 0 is never sent, it only asks whether it could be.
    let code = unsafe { libc::kill(libc::pid_t::try_from(pid).unwrap_or(0), 0) };
    let exists = code == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH);
    exists && !has_ended(pid)
}

/// Whether a process has ended and nobody has asked for its status; false where /proc does not say.
fn has_ended(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold anything.
    let state = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    state.starts_with(['Z', 'X'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_under_the_lock_is_done_one_at_a_time() {
        init().expect("there is memory");
        const CELL: usize = 40;
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    for _ in 0..500 {
                        // Read and written apart: only the lock makes it one step.
                        exclusively(|| {
                            let page = cell(CELL).expect("init was called");
                            let value = page.load(Ordering::Relaxed);
                            std::thread::yield_now();
                            page.store(value + 1, Ordering::Relaxed);
                        });
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no panic");
        }
        // Whoever had to wait too long did not work at all, nobody worked at the same time.
        assert!(get(CELL) > 0 && get(CELL) <= 2000);
        assert_eq!(exclusively(|| 7), Some(7), "the lock is free again");
    }

    #[test]
    fn who_has_ended_is_not_alive_although_nobody_asked_for_its_status() {
        assert!(is_alive(u64::from(std::process::id())));
        let mut child = std::process::Command::new("true")
            .spawn()
            .expect("true is there");
        let pid = u64::from(child.id());
        while is_alive(pid) {
            std::thread::yield_now();
        }
        let status = child.wait().expect("it is still there to be asked");
        assert!(status.success() && !is_alive(pid));
    }

    #[test]
    fn the_lock_of_the_dead_is_taken_over() {
        init().expect("there is memory");
        let child = std::process::Command::new("true")
            .spawn()
            .expect("true is there");
        let pid = u64::from(child.id());
        let _ = child.wait_with_output();
        let lock = cell(LOCK).expect("init was called");
        while lock
            .compare_exchange(0, pid, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
        {}
        assert_eq!(exclusively(|| 1), Some(1));
    }
}
