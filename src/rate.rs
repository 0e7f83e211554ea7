//! How much of something is done a second, by all processes together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What was done in the current second, and what was left out. All zero is a good beginning.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Rate {
    /// The second, in the upper half, and how much was done in it.
    window: AtomicU64,
    /// What was left out since somebody last heard of it.
    left_out: AtomicU64,
}

impl Rate {
    /// Nothing so far.
    pub const fn new() -> Self {
        Rate {
            window: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
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
            self.left_out.fetch_add(1, Relaxed);
        }
        is_admitted
    }

    /// How many were left out before this second, once: 0 if none were, or somebody was told of it.
    pub fn take_left_out(&self, second: u64) -> u64 {
        if self.left_out.load(Relaxed) == 0 {
            return 0;
        }
        let is_over = self.window.load(Relaxed) >> 32 != second & u64::from(u32::MAX);
        match is_over {
            true => self.left_out.swap(0, Relaxed),
            false => 0,
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
    }
}
