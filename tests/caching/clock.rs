//! Questions whose answer changes with the second, asked by the clock.
//!
//! An answer counts only where it must be the same for every second in which it can have been
//! given, so that a slow machine sees fewer answers, and never a wrong one.

use super::running::Said;
use harness::tokens::now;
use std::thread::sleep;
use std::time::Duration;

/// How often is asked.
const STEP: Duration = Duration::from_millis(50);

/// How many seconds after the change the last answer may come.
const AFTER: i64 = 10;

/// Asks again and again until the code was seen that `code` wants of a UNIX second before `change`,
/// and the one of a second from `change` on; each answer must be that of its second.
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

/// Does something that has to be through before a UNIX second that is not far ahead, then, from
/// that second on, something with what it gave. Again with more time where the machine was too slow.
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
