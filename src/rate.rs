//! How much of something is done a second, by all processes together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was done in the current second, and what was left out. All zero is a good beginning.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Rate {
    /// The second, in the upper half, and how much was done in it.
    window: AtomicU64,
    /// The second, in the upper half, in which something was left out last, and how much.
    left_out: AtomicU64,
    /// What was left out before that, and nobody has heard of.
    before: AtomicU64,
}

impl Rate {
    /// Nothing so far.
    pub const fn new() -> Self {
        Rate {
            window: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            before: AtomicU64::new(0),
        }
    }

    /// Whether one more may be done in this second (of whatever clock), if `most` may; it counts as left out
    /// otherwise.
    pub fn admits(&self, second: u64, most: u32) -> bool {
        let second = second & u64::from(u32::MAX);
        let admit = |window: u64| {
            let done = match window >> 32 == second {
                true => window & u64::from(u32::MAX),
                false => 0,
            };
            (done < most.into()).then_some(second << 32 | (done + 1))
        };
        let is_admitted = self.window.fetch_update(Relaxed, Relaxed, admit).is_ok();
        if !is_admitted {
            self.leave_out(second);
        }
        is_admitted
    }

    fn leave_out(&self, second: u64) {
        let count = |left_out: u64| match left_out >> 32 == second {
            true => Some(left_out.saturating_add(1)),
            false => Some(second << 32 | 1),
        };
        if let Ok(last) = self.left_out.fetch_update(Relaxed, Relaxed, count)
            && last >> 32 != second
        {
            self.before.fetch_add(last & u64::from(u32::MAX), Relaxed);
        }
    }

    /// How many were left out before this second, once: 0 if none were, or somebody was told of it.
    pub fn take_left_out(&self, second: u64) -> u64 {
        let second = second & u64::from(u32::MAX);
        let take = |left_out: u64| (left_out != 0 && left_out >> 32 != second).then_some(0);
        let last = self.left_out.fetch_update(Relaxed, Relaxed, take);
        let last = last.map_or(0, |last| last & u64::from(u32::MAX));
        match self.before.load(Relaxed) {
            0 => last,
            _ => last + self.before.swap(0, Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_and_one_is_told_of_the_others() {
        let rate = Rate::new();
        let admitted = |second| (0..5).filter(|_| rate.admits(second, 3)).count();
        assert_eq!(rate.take_left_out(6), 0);
        assert_eq!(admitted(7), 3);
        assert_eq!(rate.take_left_out(7), 0, "it is not over");
        assert_eq!((rate.take_left_out(8), rate.take_left_out(8)), (2, 0));
        assert_eq!(admitted(8), 3);
        assert!(!rate.admits(9, 0), "none at all");
        // Also while it goes on.
        assert_eq!(admitted(10), 3);
        assert_eq!((rate.take_left_out(10), rate.take_left_out(10)), (3, 0));
        assert_eq!(rate.take_left_out(11), 2);
    }
}
