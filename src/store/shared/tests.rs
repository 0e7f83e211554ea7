use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::table::*;
use super::*;
use crate::memory::AtomicU64;
use crate::store::{Cell, Select, Source, StoreError};

mod models;

/// Memory of this process for a few answers.
fn memory(answers: usize) -> Memory {
    // A table is longer than what the stack of a test holds.
    let made = thread::Builder::new().stack_size(256 << 20);
    let made = made.spawn(move || Memory {
        sealed: vec![Counter(AtomicU64::new(0))].leak(),
        leases: leases::testing::words(64),
        none: region::testing::slots(answers),
        short: region::testing::slots(answers),
        long: region::testing::slots(region::WAYS),
        tables: region::testing::slots(region::WAYS),
    });
    made.unwrap().join().unwrap()
}

fn shared(answers: usize) -> SharedRows {
    let patience = Duration::from_secs(60);
    SharedRows::new([&[7; 32], &[8; 32]], memory(answers), patience, |_| true)
}

/// A table that counts how often it is asked.
struct Table {
    rows: Mutex<Result<Vec<Vec<Cell>>, StoreError>>,
    asked: AtomicUsize,
}

impl Table {
    fn new(rows: Vec<Vec<Cell>>) -> Self {
        Table {
            rows: Mutex::new(Ok(rows)),
            asked: AtomicUsize::new(0),
        }
    }

    fn set(&self, rows: Result<Vec<Vec<Cell>>, StoreError>) {
        *self.rows.lock().unwrap() = rows;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Source for &Table {
    fn select(&mut self, _: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.rows.lock().unwrap().clone()
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.as_bytes().to_vec())
}

fn row(realm: &str) -> Vec<Vec<Cell>> {
    vec![vec![text(realm), text("secret"), Cell::Int(-7), Cell::Null]]
}

const COLUMNS: [&str; 4] = ["realm", "secret", "number", "nothing"];

fn of(realm: &str) -> Select<'_> {
    Select {
        table: "realms",
        columns: &COLUMNS,
        key: Some(("realm", realm)),
        and: None,
        limit: 16,
    }
}

const LONG_AGO: Duration = Duration::from_secs(3600);

fn wanted(generation: u64) -> Wanted {
    Wanted {
        generation,
        rows: LONG_AGO,
        none: LONG_AGO,
    }
}

fn ask(
    shared: &SharedRows,
    mut table: &Table,
    wanted: Wanted,
    select: &Select<'_>,
) -> Result<Aged<Vec<Vec<Cell>>>, StoreError> {
    Once::new(shared, wanted, &mut table, true).answer(|source| source.select(select))
}

#[test]
fn what_one_has_asked_all_know() {
    let (shared, table) = (shared(64), Table::new(row("a.example")));
    let select = of("a.example");
    assert!(
        Known::new(&shared, wanted(0))
            .answer(|s| s.select(&select))
            .is_none()
    );
    let first = ask(&shared, &table, wanted(0), &select).unwrap();
    assert!(first.is_asked && first.value == row("a.example"));
    let again = ask(&shared, &table, wanted(0), &select).unwrap();
    assert!(!again.is_asked && again.value == first.value && again.since <= first.since + LONG_AGO);
    let known = Known::new(&shared, wanted(0)).answer(|s| s.select(&select));
    assert_eq!(known, Some(again));
    assert_eq!(table.asked(), 1);
    // Other questions have no part in it.
    let others = [
        of("b.example"),
        of("a.exampl"),
        Select {
            table: "realm",
            ..select
        },
        Select {
            limit: 17,
            ..select
        },
        Select {
            key: Some(("secret", "a.example")),
            ..select
        },
        Select {
            key: None,
            ..select
        },
        Select {
            and: Some(("secret", "secret")),
            ..select
        },
        Select {
            columns: &COLUMNS[..3],
            ..select
        },
    ];
    for other in &others {
        let known = Known::new(&shared, wanted(0)).answer(|s| s.select(other));
        assert!(known.is_none(), "{other:?}");
    }
    assert!(
        Known::new(&shared, wanted(1))
            .answer(|s| s.select(&select))
            .is_none()
    );
}

#[test]
fn that_there_are_none_is_known_as_long_as_it_may_be() {
    let (shared, table) = (shared(64), Table::new(vec![]));
    let select = of("a.example");
    let none = |none| Wanted { none, ..wanted(0) };
    for _ in 0..3 {
        assert_eq!(
            ask(&shared, &table, wanted(0), &select).unwrap().value,
            row("x")[..0]
        );
    }
    assert_eq!(table.asked(), 1);
    ask(&shared, &table, none(Duration::ZERO), &select).unwrap();
    assert_eq!(table.asked(), 2);
    // Then there is one, and then there is none again.
    table.set(Ok(row("a.example")));
    ask(&shared, &table, none(Duration::ZERO), &select).unwrap();
    assert_eq!(
        ask(&shared, &table, wanted(0), &select)
            .unwrap()
            .value
            .len(),
        1
    );
    assert_eq!(table.asked(), 3);
    table.set(Ok(vec![]));
    let old = Wanted {
        rows: Duration::ZERO,
        ..wanted(0)
    };
    assert!(ask(&shared, &table, old, &select).unwrap().value.is_empty());
    assert!(
        ask(&shared, &table, wanted(0), &select)
            .unwrap()
            .value
            .is_empty()
    );
    assert_eq!(table.asked(), 4);
}

#[test]
fn what_is_not_to_be_remembered_is_asked_each_time() {
    let nothing = Wanted {
        generation: 0,
        rows: Duration::ZERO,
        none: Duration::ZERO,
    };
    let table = Table::new(row("a.example"));
    for (shared, wanted) in [(shared(64), nothing), (SharedRows::none(), wanted(0))] {
        let before = table.asked();
        for _ in 0..3 {
            let answer = ask(&shared, &table, wanted, &of("a.example")).unwrap();
            assert!(answer.is_asked && answer.value == row("a.example"));
        }
        assert_eq!(table.asked(), before + 3);
    }
}

#[test]
fn a_failure_is_not_known_and_keeps_nobody_waiting() {
    let (shared, table) = (shared(64), Table::new(vec![]));
    table.set(Err(StoreError::Unreachable("it is down".into())));
    for _ in 0..3 {
        assert!(ask(&shared, &table, wanted(0), &of("a.example")).is_err());
    }
    assert_eq!(table.asked(), 3);
    table.set(Ok(row("a.example")));
    assert!(ask(&shared, &table, wanted(0), &of("a.example")).is_ok());
}

#[test]
fn rows_of_any_length_are_known_or_asked_for() {
    let (shared, table) = (shared(64), Table::new(vec![]));
    let select = of("a.example");
    let again = Wanted {
        rows: Duration::ZERO,
        ..wanted(0)
    };
    for length in [
        1,
        1800,
        2100,
        16_000,
        17_000,
        3 << 20,
        (4 << 20) - 500,
        5 << 20,
        10,
    ] {
        let mut rows = row("a.example");
        rows[0][1] = Cell::Text(vec![0xa5; length]);
        table.set(Ok(rows.clone()));
        // Whatever was there before.
        let asked = ask(&shared, &table, again, &select).unwrap();
        assert!(asked.value == rows, "{length}");
        let before = table.asked();
        let known = ask(&shared, &table, wanted(0), &select).unwrap();
        assert!(known.value == rows, "{length}");
        assert_eq!(known.is_asked, length > 4 << 20, "{length}");
        assert_eq!(table.asked() > before, length > 4 << 20);
    }
}

#[test]
fn names_that_are_made_up_displace_no_row() {
    let shared = shared(64);
    let (there, nothing) = (Table::new(row("a.example")), Table::new(vec![]));
    ask(&shared, &there, wanted(0), &of("a.example")).unwrap();
    for number in 0..1000 {
        let made_up = format!("{number}.example");
        ask(&shared, &nothing, wanted(0), &of(&made_up)).unwrap();
        // What the database takes for the same.
        let other = format!("A.EX{number}AMPLE");
        let taken = ask(&shared, &there, wanted(0), &of(&other)).unwrap();
        assert!(taken.value.is_empty());
    }
    let known = ask(&shared, &there, wanted(0), &of("a.example")).unwrap();
    assert!(!known.is_asked);
}

#[test]
fn rows_of_another_value_are_left_out() {
    let shared = shared(64);
    let named = |name: &str| vec![text(name), text("secret"), Cell::Int(1), Cell::Null];
    let table = Table::new(vec![
        named("Alice"),
        named("alice  "),
        named("älice"),
        vec![Cell::Null, text("secret"), Cell::Int(1), Cell::Null],
        vec![Cell::Int(12), text("secret"), Cell::Int(1), Cell::Null],
    ]);
    let count = |value: &str| {
        ask(&shared, &table, wanted(0), &of(value))
            .unwrap()
            .value
            .len()
    };
    assert_eq!([count("alice"), count("Alice"), count("ALICE")], [2, 1, 0]);
    assert_eq!([count("älice"), count("12"), count("")], [1, 1, 0]);
}

#[test]
fn the_least_recently_used_go() {
    let shared = shared(region::WAYS);
    let table = Table::new(vec![]);
    let learn = |number: usize| {
        let realm = format!("{number}.example");
        table.set(Ok(row(&realm)));
        ask(&shared, &table, wanted(0), &of(&realm)).unwrap();
    };
    let knows = |number: usize| {
        let realm = format!("{number}.example");
        let known = Known::new(&shared, wanted(0)).answer(|s| s.select(&of(&realm)));
        known.is_some()
    };
    (0..region::WAYS).for_each(learn);
    assert!((0..region::WAYS).all(knows));
    learn(region::WAYS);
    let known: Vec<_> = (0..=region::WAYS).filter(|n| knows(*n)).collect();
    assert_eq!(known, [1, 2, 3, 4]);
}

#[test]
fn a_burst_of_one_question_asks_once() {
    struct Slow<'a>(&'a Table, &'a AtomicBool);
    impl Source for Slow<'_> {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            let mut table = self.0;
            let rows = table.select(select);
            while !self.1.load(Ordering::Relaxed) {
                thread::yield_now();
            }
            rows
        }
    }
    for rows in [row("a.example"), vec![]] {
        let (shared, table) = (shared(64), Table::new(rows.clone()));
        let (waiting, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        // How old an answer may be makes no difference to who waits for it.
        let fresh = Wanted {
            none: Duration::ZERO,
            ..wanted(0)
        };
        thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        waiting.fetch_add(1, Ordering::Relaxed);
                        let mut slow = Slow(&table, &is_over);
                        let once = Once::new(&shared, fresh, &mut slow, true);
                        once.answer(|source| source.select(&of("a.example")))
                    })
                })
                .collect();
            while waiting.load(Ordering::Relaxed) < 8 || table.asked() == 0 {
                thread::yield_now();
            }
            // Those that have not looked yet may find the answer, or ask if it is too old for them.
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(20) {
                thread::yield_now();
            }
            is_over.store(true, Ordering::Relaxed);
            for one in all {
                assert_eq!(one.join().unwrap().unwrap().value, rows);
            }
        });
        assert!(table.asked() < 4, "{}", table.asked());
    }
}

#[test]
fn who_may_not_wait_asks_at_the_same_time() {
    let (shared, table) = (shared(64), Table::new(row("a.example")));
    let select = of("a.example");
    let name = shared.name(&select, 0);
    let until = shared.nanoseconds(Instant::now() + LONG_AGO);
    let now = shared.nanoseconds(Instant::now());
    let me = u64::from(std::process::id());
    let lease = shared.leases.take(&name, me, now, until);
    let mut source = &table;
    let once = Once::new(&shared, wanted(0), &mut source, false);
    let answer = once.answer(|source| source.select(&select)).unwrap();
    assert!(answer.is_asked && answer.value == row("a.example"));
    drop(lease);
}

#[test]
fn an_answer_that_was_asked_for_earlier_replaces_none() {
    let shared = shared(64);
    let name = shared.name(&of("a.example"), 0);
    let packed = |rows: Vec<Vec<Cell>>| {
        let mut packer = rows::Packer::new(1 << 20);
        rows.iter().for_each(|row| packer.push(row));
        packer.finish().unwrap()
    };
    let (earlier, later) = (Instant::now(), Instant::now() + Duration::from_millis(5));
    for rows in [vec![], row("b.example")] {
        let (shared_now, later) = (later + Duration::from_millis(5), later);
        shared.forget(&name);
        shared.tell(&name, packed(rows.clone()), later, shared_now);
        shared.tell(&name, packed(row("a.example")), earlier, shared_now);
        assert_eq!(shared.find(&name, shared_now, true).unwrap().rows, rows);
    }
}

#[test]
fn nobody_waits_for_the_dead_nor_for_ever() {
    let table = Table::new(row("a.example"));
    let select = of("a.example");
    let patience = Duration::from_millis(30);
    for is_alive in [|_| true, |_| false] as [fn(u64) -> bool; 2] {
        let shared = SharedRows::new([&[7; 32], &[8; 32]], memory(64), patience, is_alive);
        let name = shared.name(&select, 0);
        let until = shared.nanoseconds(Instant::now() + LONG_AGO);
        let leases::Wish::Ours(held) = shared.leases.take(&name, 1, 0, until) else {
            panic!("it is nobody's");
        };
        let before = table.asked();
        assert!(ask(&shared, &table, wanted(0), &select).unwrap().is_asked);
        assert_eq!(table.asked(), before + 1);
        drop(held);
    }
}

#[test]
fn a_byte_that_differs_makes_it_no_answer() {
    let (shared, table) = (shared(64), Table::new(row("a.example")));
    let select = of("a.example");
    ask(&shared, &table, wanted(0), &select).unwrap();
    let name = shared.name(&select, 0);
    assert!(shared.find(&name, Instant::now(), true).is_some());
    for word in shared.short.words_of(&name) {
        let was = word.load(Ordering::Relaxed);
        for bit in [0, 31, 63] {
            word.store(was ^ 1 << bit, Ordering::Relaxed);
            assert!(shared.find(&name, Instant::now(), true).is_none());
        }
        word.store(was, Ordering::Relaxed);
    }
    assert!(shared.find(&name, Instant::now(), true).is_some());
    // No text of a row is there to be read.
    let bytes: Vec<u8> = (shared.short.words_of(&name))
        .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
        .collect();
    assert!(!bytes.windows(6).any(|six| six == b"secret"));
}
