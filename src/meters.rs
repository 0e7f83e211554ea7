//! What is measured where OpenSIPS is not known: whoever runs it passes in where it is counted.

use std::fmt;
use std::time::{Duration, Instant};

/// A number of what there is now.
#[derive(Clone, Copy)]
pub struct Gauge(pub fn(i64));

impl Gauge {
    /// Counts nothing.
    pub const NONE: Gauge = Gauge(|_| {});

    /// Adds to it, or takes away.
    pub fn add(self, change: i64) {
        if change != 0 {
            (self.0)(change);
        }
    }

    /// Counts one for as long as the result lives.
    pub fn hold(self) -> Held {
        self.add(1);
        Held(self)
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Gauge::NONE
    }
}

impl fmt::Debug for Gauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauge")
    }
}

/// See [`Gauge::hold`].
#[derive(Debug)]
pub struct Held(Gauge);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// The part of a [`Gauge`] that is the size of one thing.
#[derive(Debug)]
pub struct Share {
    gauge: Gauge,
    size: usize,
}

impl Share {
    /// None of it yet.
    pub fn of(gauge: Gauge) -> Self {
        Share { gauge, size: 0 }
    }

    /// It has this size now.
    pub fn set(&mut self, size: usize) {
        let number = |size| i64::try_from(size).unwrap_or(i64::MAX);
        self.gauge.add(number(size) - number(self.size));
        self.size = size;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Is told how long each of something took.
#[derive(Clone, Copy)]
pub struct Timer(pub fn(Duration));

impl Timer {
    /// Tells nobody.
    pub const NONE: Timer = Timer(|_| {});

    /// Does something, and tells how long it took.
    pub fn time<T>(self, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        (self.0)(start.elapsed());
        done
    }
}

impl Default for Timer {
    fn default() -> Self {
        Timer::NONE
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Timer")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn a_gauge_shows_what_is_held_and_how_large_things_are() {
        static NUMBER: AtomicI64 = AtomicI64::new(0);
        let gauge = Gauge(|change| {
            NUMBER.fetch_add(change, Relaxed);
        });
        let held = [gauge.hold(), gauge.hold()];
        let mut share = Share::of(gauge);
        share.set(5);
        assert_eq!(NUMBER.load(Relaxed), 7);
        share.set(3);
        assert_eq!(NUMBER.load(Relaxed), 5);
        drop(held);
        assert_eq!(NUMBER.load(Relaxed), 3);
        drop(share);
        assert_eq!(NUMBER.load(Relaxed), 0);
    }

    #[test]
    fn a_timer_is_told_of_each() {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let timer = Timer(|_| {
            CALLS.fetch_add(1, Relaxed);
        });
        assert_eq!(timer.time(|| 5), 5);
        assert_eq!(CALLS.load(Relaxed), 1);
    }
}
