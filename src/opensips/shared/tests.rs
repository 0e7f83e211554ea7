use std::cell::Cell;

use super::*;
use crate::http::Inflight;
use crate::jwt::revocations::list::{Key, List, Memory};
use crate::jwt::revocations::{Kind, Revocation};
use crate::jwt::signatures::Signatures;
use crate::store::shared::{self as rows, Known, Once, SharedRows, Wanted};
use crate::store::{self, Select, Source, StoreError};

#[test]
fn work_under_the_lock_is_done_one_at_a_time() {
    init().expect("there is memory");
    static COUNT: AtomicU64 = AtomicU64::new(0);
    static DONE: AtomicU64 = AtomicU64::new(0);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                for _ in 0..500 {
                    // Read and written separately: only the lock makes it one step.
                    exclusively(|| {
                        let value = COUNT.load(Ordering::Relaxed);
                        std::thread::yield_now();
                        COUNT.store(value + 1, Ordering::Relaxed);
                        DONE.fetch_add(1, Ordering::Relaxed);
                    });
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    // Threads that waited too long did not work at all; no two worked at the same time.
    let count = COUNT.load(Ordering::Relaxed);
    assert!(count > 0 && count == DONE.load(Ordering::Relaxed));
    assert_eq!(exclusively(|| 7), Some(7), "the lock is free again");
}

#[test]
fn what_was_told_is_not_new() {
    let told = Told::new();
    assert!(told.is_new("one") && told.is_new("two"));
    assert!(!told.is_new("one") && !told.is_new("two"));
    for number in 0..2 * Told::SIZE {
        let _ = told.is_new(number);
    }
    assert!(told.is_new("three") && !told.is_new("three"), "it is full");
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
    let lock = &page().lock;
    while lock
        .compare_exchange(0, pid, Ordering::Relaxed, Ordering::Relaxed)
        .is_err()
    {}
    // Other tests use the lock as well, and may hold it for longer than this one waits.
    let end = Instant::now() + Duration::from_secs(60);
    while exclusively(|| ()).is_none() {
        assert!(Instant::now() < end, "nobody takes the lock over");
    }
}

fn ask(memory: &Signatures, number: u64, answer: bool) -> bool {
    memory.verified("RS256", b"key", &number.to_le_bytes(), b"s", || answer)
}

fn knows(memory: &Signatures, number: u64) -> bool {
    ask(memory, number, false)
}

#[test]
fn a_process_that_is_killed_leaves_nothing_wrong_behind() {
    let buckets = zeroed::<Bucket>(Bucket::count(8)).unwrap();
    let memory = Signatures::new(&[9; 32], buckets);
    for round in 0..30 {
        // SAFETY: the child only computes, allocates nothing, and is killed.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            for number in 0.. {
                ask(&memory, number, true);
            }
        }
        std::thread::sleep(Duration::from_millis(3));
        // SAFETY: our own child.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        for number in 0..1000 {
            assert!(!knows(&memory, u64::MAX - number), "round {round}");
        }
        ask(&memory, u64::MAX / 2 + round, true);
        assert!(knows(&memory, u64::MAX / 2 + round), "it goes on");
    }
    // What a child has learned, its parent knows.
    // SAFETY: the child only computes, allocates nothing, and exits.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        ask(&memory, u64::MAX, true);
        // SAFETY: ends the child without running anything else of the test.
        unsafe { libc::_exit(0) };
    }
    // SAFETY: our own child.
    unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) };
    assert!(knows(&memory, u64::MAX));
}

#[test]
fn what_is_revoked_outlives_who_is_killed_while_he_writes() {
    fn list(capacity: usize) -> List {
        let memory = Memory {
            head: zeroed(1).unwrap().first().unwrap(),
            entries: zeroed(Memory::entries(capacity)).unwrap(),
            slots: zeroed(Memory::slots(capacity)).unwrap(),
        };
        List::new(memory, |lock, work| {
            locked(lock, Duration::from_secs(60), work).is_some()
        })
    }
    let list = list(64);
    let ending =
        |value: &str, until| Revocation::new(Kind::Jti, value, None, None, Some(until)).unwrap();
    let is_revoked = |value: &str| {
        let key = Key {
            kind: Kind::Jti,
            value,
            issuer: None,
        };
        list.find(key).is_some()
    };
    for round in 0..20_i64 {
        let mine = format!("round {round}");
        list.add(&ending(&mine, i64::MAX), 1000).unwrap();
        let made_up: Vec<_> = (0..64)
            .map(|number| ending(&number.to_string(), number + 1))
            .collect();
        // SAFETY: the child only computes and allocates, which glibc allows after a fork, and is killed.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            loop {
                for (now, revocation) in (0_i64..).zip(&made_up) {
                    let _ = list.add(revocation, now);
                }
            }
        }
        std::thread::sleep(Duration::from_millis(3));
        // SAFETY: our own child.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), 0);
        }
        for earlier in 0..=round {
            assert!(is_revoked(&format!("round {earlier}")), "round {round}");
        }
    }
    assert!(!is_revoked("round 20"));
}

/// Has a child do something for ever, and kills it in the middle of that.
fn killed(work: impl Fn()) {
    // SAFETY: the child only computes and allocates, which glibc allows after a fork, and is killed.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        loop {
            work();
        }
    }
    std::thread::sleep(Duration::from_millis(3));
    // SAFETY: our own child.
    unsafe {
        libc::kill(pid, libc::SIGKILL);
        libc::waitpid(pid, std::ptr::null_mut(), 0);
    }
}

#[test]
fn who_is_killed_while_he_tells_leaves_no_answer_that_is_not_whole() {
    /// Every answer that it gives is one byte, over and over.
    struct Table(Cell<u8>);
    impl Source for Table {
        fn select(&mut self, _: &Select<'_>) -> Result<Vec<Vec<store::Cell>>, StoreError> {
            let byte = self.0.get().wrapping_add(1);
            self.0.set(byte);
            let text = vec![byte; 10 * usize::from(byte)];
            Ok(vec![vec![store::Cell::Text(text)]])
        }
    }
    let memory = rows::Memory {
        sealed: zeroed(1).unwrap(),
        leases: zeroed(rows::Memory::leases(8)).unwrap(),
        none: zeroed(rows::Memory::answers(8)).unwrap(),
        short: zeroed(rows::Memory::answers(8)).unwrap(),
        long: zeroed(rows::Memory::long(8)).unwrap(),
        tables: zeroed(rows::Memory::tables(8)).unwrap(),
    };
    let patience = Duration::from_secs(60);
    let shared = SharedRows::new([&[7; 32], &[8; 32]], memory, patience, is_alive);
    let select = Select {
        table: "t",
        columns: &["c"],
        key: None,
        and: None,
        limit: 1,
    };
    // Rows are too old at once, so that each question asks; what there is, is looked at afterwards.
    let each = Wanted {
        generation: 0,
        rows: Duration::ZERO,
        none: patience,
    };
    let any = Wanted {
        rows: patience,
        ..each
    };
    let mut known = 0;
    for round in 0..100_u8 {
        killed(|| {
            let mut table = Table(Cell::new(round));
            for _ in 0..100 {
                let _ = Once::new(&shared, each, &mut table, true).answer(|it| it.select(&select));
            }
        });
        if let Some(known_rows) = Known::new(&shared, any).answer(|it| it.select(&select)) {
            let [row] = known_rows.value.as_slice() else {
                panic!("one row");
            };
            let [store::Cell::Text(text)] = row.as_slice() else {
                panic!("one text");
            };
            let byte = text.first().copied().unwrap_or(0);
            assert_eq!(text.len(), 10 * usize::from(byte));
            assert!(text.iter().all(|other| *other == byte));
            known += 1;
        }
        // Whoever comes next waits for no dead process.
        let begin = Instant::now();
        let mut table = Table(Cell::new(0));
        let asked = Once::new(&shared, each, &mut table, true).answer(|it| it.select(&select));
        assert!(asked.unwrap().is_asked && begin.elapsed() < patience);
        assert_eq!(table.0.get(), 1);
    }
    assert!(known > 0);
}

#[test]
fn who_is_killed_has_no_requests_in_progress() {
    let places = zeroed::<InflightPlace>(8).unwrap();
    let inflight = Inflight::new(places, 3, is_alive);
    for _ in 0..20 {
        killed(|| inflight.hold("a", 3));
        let begin = Instant::now();
        while !inflight.has_room("a", 3) {
            assert!(begin.elapsed() < Duration::from_secs(60), "it is dead");
        }
    }
}
