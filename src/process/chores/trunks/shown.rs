//! What the command `trunk_list` shows, in whichever process it runs.

use std::time::{Duration, Instant};

use crate::opensips::{segment, shared};
use crate::trunks::State;

/// It is not renewed more often than that.
const AT_MOST: Duration = Duration::from_secs(1);

/// The registrations.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shown {
    /// Whether this server makes them.
    pub is_leading: bool,
    /// All of them, if it does.
    pub trunks: Vec<State>,
}

/// What is shown now.
#[derive(Debug, Default)]
pub struct Showing {
    last: Option<Shown>,
    at: Option<Instant>,
}

impl Showing {
    /// Shows it, if it has changed.
    pub fn show(&mut self, is_leading: bool, states: impl FnOnce() -> Vec<State>) {
        if self.at.is_some_and(|at| at.elapsed() < AT_MOST) {
            return;
        }
        self.at = Some(Instant::now());
        let shown = Shown {
            is_leading,
            trunks: states(),
        };
        if self.last.as_ref() == Some(&shown) {
            return;
        }
        let Ok(bytes) = serde_json::to_vec(&shown) else {
            return;
        };
        let page = &shared::page().trunks;
        let (owner, number) = (u64::from(std::process::id()), page.number.get());
        // Nobody misses it much: it is tried again.
        if segment::publish(owner, number + 1, &bytes).is_err() {
            return;
        }
        let old = (page.owner.get(), number);
        page.owner.set(owner);
        page.number.set(number + 1);
        segment::unlink(old.0, old.1);
        self.last = Some(shown);
    }
}

/// What is shown now; `None` if there is nothing yet.
pub fn list() -> Option<Shown> {
    let page = &shared::page().trunks;
    // It may be replaced while it is looked for.
    (0..5).find_map(|_| {
        let number = page.number.get();
        let segment = segment::Segment::open(page.owner.get(), number).ok()?;
        serde_json::from_slice(segment.bytes()).ok()
    })
}

/// Removes it at the end.
pub fn end() {
    let page = &shared::page().trunks;
    let number = page.number.get();
    for number in number.saturating_sub(1)..=number + 1 {
        segment::unlink(page.owner.get(), number);
    }
}
