//! The guarantees of a pool, seen from outside. Waits have generous limits that only a defect
//! reaches; nothing depends on the machine's speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::{Lost, NoNotify, Pool, PoolConfig, PoolFull};

fn pool(max_threads: usize) -> Pool {
    Pool::new(
        "test",
        PoolConfig {
            max_threads,
            ..PoolConfig::default()
        },
    )
}

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(600)
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "never happened: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_job_runs_on_another_thread_and_its_result_arrives() {
    let pool = pool(1);
    let ticket = pool
        .submit(far(), |_| None, || Some(thread::current().id()), NoNotify)
        .expect("an idle pool takes a job");
    let ran_on = ticket.wait().expect("the job was faster than ten minutes");
    assert_ne!(ran_on, thread::current().id());
}

#[test]
fn the_deadline_completes_a_job_that_hangs_and_its_late_result_is_dropped() {
    let pool = pool(1);
    let (release, held) = mpsc::channel::<()>();
    let (notified, notices) = mpsc::channel();
    let ticket = pool
        .submit(
            soon(),
            |lost| format!("{lost:?}"),
            move || {
                _ = held.recv();
                "late".to_owned()
            },
            move || _ = notified.send(()),
        )
        .expect("an idle pool takes a job");
    notices
        .recv_timeout(Duration::from_secs(60))
        .expect("the deadline notifies");
    assert_eq!(pool.in_flight(), 1, "the thread still hangs");
    assert!(
        matches!(
            pool.submit(far(), |_| String::new(), String::new, NoNotify),
            Err(PoolFull::Busy { max: 1 })
        ),
        "a thread that hangs counts"
    );
    release.send(()).expect("the job waits for this");
    until("the thread is idle again", || pool.in_flight() == 0);
    assert_eq!(ticket.wait(), "TimedOut");
    assert!(notices.try_recv().is_err(), "notified a second time");
}

#[test]
fn who_waits_is_released_at_the_deadline() {
    let pool = pool(1);
    let (_release, held) = mpsc::channel::<()>();
    let ticket = pool
        .submit(soon(), Err, move || Ok(held.recv().is_ok()), NoNotify)
        .expect("an idle pool takes a job");
    assert_eq!(ticket.wait(), Err(Lost::TimedOut));
}

#[test]
fn a_deadline_that_is_sooner_than_the_first_one_is_not_missed() {
    let pool = pool(2);
    let (_release, held) = mpsc::channel::<()>();
    let (_release2, held2) = mpsc::channel::<()>();
    let (notified, notices) = mpsc::channel();
    let first = notified.clone();
    let _late = pool.submit(
        far(),
        |_| (),
        move || _ = held.recv(),
        move || _ = first.send("far"),
    );
    let _early = pool.submit(
        soon(),
        |_| (),
        move || _ = held2.recv(),
        move || _ = notified.send("soon"),
    );
    assert_eq!(notices.recv_timeout(Duration::from_secs(60)), Ok("soon"));
}

#[test]
fn every_job_completes_exactly_once_when_it_races_its_deadline() {
    const JOBS: usize = 2000;
    let pool = Arc::new(pool(16));
    let notified = Arc::new(AtomicUsize::new(0));
    let (mut done, mut timed_out) = (0, 0);
    let mut tickets = Vec::new();
    for number in 0..JOBS {
        let micros = (number as u64 * 7919) % 400;
        loop {
            let notified = Arc::clone(&notified);
            let deadline = Instant::now() + Duration::from_micros(200);
            let ticket = pool.submit(
                deadline,
                move |lost| (number, Err(lost)),
                move || {
                    thread::sleep(Duration::from_micros(micros));
                    (number, Ok(()))
                },
                move || _ = notified.fetch_add(1, Ordering::SeqCst),
            );
            match ticket {
                Ok(ticket) => {
                    tickets.push(ticket);
                    break;
                }
                Err(PoolFull::Busy { .. }) => thread::yield_now(),
                Err(PoolFull::NoThread(error)) => panic!("no thread: {error}"),
            }
        }
    }
    for (number, ticket) in tickets.into_iter().enumerate() {
        // Half of them the way an event loop does, half by waiting.
        let (of, result) = if number % 2 == 0 {
            ticket.wait()
        } else {
            let mut ticket = ticket;
            loop {
                match ticket.try_take() {
                    Ok(value) => break value,
                    Err(again) => ticket = again,
                }
                thread::yield_now();
            }
        };
        assert_eq!(of, number);
        match result {
            Ok(()) => done += 1,
            Err(Lost::TimedOut) => timed_out += 1,
            Err(Lost::Panicked) => panic!("no job panics here"),
        }
    }
    assert_eq!(done + timed_out, JOBS);
    until("as many notices as jobs", || {
        notified.load(Ordering::SeqCst) == JOBS
    });
    until("all threads are idle", || pool.in_flight() == 0);
    assert_eq!(notified.load(Ordering::SeqCst), JOBS);
}

#[test]
fn over_the_limit_is_refused_at_once_counted_and_never_notified() {
    let pool = pool(2);
    let mut releases = Vec::new();
    let mut tickets = Vec::new();
    for _ in 0..2 {
        let (release, held) = mpsc::channel::<()>();
        releases.push(release);
        tickets.push(
            pool.submit(far(), |_| false, move || held.recv().is_ok(), NoNotify)
                .expect("below the limit"),
        );
    }
    let (notified, notices) = mpsc::channel::<()>();
    let refused = pool.submit(far(), |_| true, || true, move || _ = notified.send(()));
    assert!(
        matches!(refused, Err(PoolFull::Busy { max: 2 })),
        "{refused:?}"
    );
    assert_eq!(pool.refused(), 1);
    assert!(notices.recv().is_err(), "the notifier was dropped unused");
    for release in releases {
        release.send(()).expect("the job waits for this");
    }
    for ticket in tickets {
        assert!(ticket.wait());
    }
}

#[test]
fn a_job_that_panics_is_lost_and_its_thread_works_on() {
    let pool = pool(1);
    let ticket = pool
        .submit(far(), Some, || panic!("on purpose"), NoNotify)
        .expect("an idle pool");
    assert_eq!(ticket.wait(), Some(Lost::Panicked));
    until("the thread is idle", || pool.in_flight() == 0);
    assert_eq!(
        pool.submit(far(), |_| 0, || 7, NoNotify)
            .expect("an idle pool")
            .wait(),
        7
    );
    assert_eq!(pool.threads(), 1);
}

#[test]
fn a_pool_grows_only_as_far_as_it_must() {
    let pool = pool(8);
    for number in 0..50 {
        let ticket = pool
            .submit(far(), |_| 0, move || number, NoNotify)
            .expect("an idle pool");
        assert_eq!(ticket.wait(), number);
        until("the thread is idle", || pool.in_flight() == 0);
    }
    assert_eq!(pool.threads(), 1);
}

#[test]
fn threads_run_the_hook_first_and_end_when_there_is_nothing_to_do() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let pool = Pool::new(
        "test",
        PoolConfig {
            max_threads: 4,
            idle: Duration::from_millis(5),
            thread_init: || _ = STARTED.fetch_add(1, Ordering::SeqCst),
            ..PoolConfig::default()
        },
    );
    for round in 1..=3 {
        let seen = pool
            .submit(far(), |_| 0, || STARTED.load(Ordering::SeqCst), NoNotify)
            .expect("an idle pool")
            .wait();
        assert!(seen >= 1, "the hook ran before the job");
        until("no thread is left", || pool.threads() == 0);
        until("the watch has ended too", || !pool.deadlines.is_running());
        assert_eq!(
            STARTED.load(Ordering::SeqCst),
            2 * round,
            "one for jobs, one for deadlines"
        );
    }
}

#[test]
fn jobs_under_way_complete_after_the_pool_is_dropped() {
    let pool = pool(2);
    let (_release, held) = mpsc::channel::<()>();
    let hangs = pool
        .submit(soon(), Err, move || Ok(held.recv().is_ok()), NoNotify)
        .expect("below the limit");
    let (release, held) = mpsc::channel::<()>();
    let runs = pool
        .submit(far(), Err, move || Ok(held.recv().is_ok()), NoNotify)
        .expect("below the limit");
    drop(pool);
    release.send(()).expect("the job waits for this");
    assert_eq!(runs.wait(), Ok(true));
    assert_eq!(hangs.wait(), Err(Lost::TimedOut));
}

#[test]
fn a_promise_completes_its_ticket_once_and_takes_no_thread() {
    let pool = pool(1);
    let notified = Arc::new(AtomicUsize::new(0));
    let promise = |deadline| {
        let count = Arc::clone(&notified);
        let notify = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        pool.promise(deadline, |lost| format!("{lost:?}"), notify)
            .expect("the deadline is watched")
    };
    let (kept, ticket) = promise(far());
    kept.complete("kept".to_owned());
    assert_eq!(ticket.wait(), "kept");
    let (dropped, ticket) = promise(far());
    drop(dropped);
    assert_eq!(ticket.wait(), "Panicked");
    let (late, ticket) = promise(soon());
    assert_eq!(ticket.wait(), "TimedOut");
    late.complete("late".to_owned());
    until("each is told of once", || {
        notified.load(Ordering::SeqCst) == 3
    });
    assert_eq!(pool.threads(), 0);
}
