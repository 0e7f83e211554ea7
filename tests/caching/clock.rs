//! Questions whose answer changes from one second to the next, asked by the clock.
//!
//! An answer counts only if it must be the same for every second in which it may have been given,
//! so that a slow machine sees fewer answers, but never a wrong one.

use std::thread::sleep;
use std::time::Duration;

use harness::tokens::now;

use super::running::Said;

/// The interval between questions.
const STEP: Duration = Duration::from_millis(50);

/// How many seconds after the change the last answer may arrive.
const AFTER: i64 = 10;

/// Asks repeatedly until the code that `code` expects for a UNIX second before `change` was seen,
/// and the one for a second from `change` on; each answer must match its second.
pub fn across(
    change: i64,
    code: impl Fn(i64) -> i32,
    ask: impl Fn() -> Result<Said, String>,
) -> Result<(), String> {
    let (mut before, mut after) = (false, false);
    while !(before && after) {
        let start = now();
        if start > change + AFTER {
            return Err(format!(
                "never asked in time: before {before}, after {after}"
            ));
        }
        let said = ask()?;
        let end = now();
        let expected = code(start);
        if expected != code(end) {
            continue;
        }
        said.expect(expected)
            .map_err(|e| format!("{} s from the change: {e}", start - change))?;
        before |= end < change;
        after |= start >= change;
        sleep(STEP);
    }
    Ok(())
}

/// Does something that must be complete before a UNIX second in the near future; then, from that
/// second on, does something with its result. Retries with more time if the machine was too slow.
pub fn around<T>(
    before: impl Fn(i64) -> Result<T, String>,
    after: impl FnOnce(T) -> Result<(), String>,
) -> Result<(), String> {
    for ahead in [3, 10, 30] {
        let change = now() + ahead;
        let outcome = before(change);
        if now() >= change {
            continue;
        }
        let found = outcome?;
        while now() < change {
            sleep(STEP);
        }
        return after(found);
    }
    Err("the machine is too slow: 30 s were over before they could be used".to_string())
}
