//! Has metrics sent.

use std::time::Duration;

use crate::clock;
use crate::module::Module;
use crate::opensips::stats::{self, Statistic};
use crate::statsd::Kind;

/// Sends how much of something there is. Its tags, `name:value`, are separated by commas. Never waits; any thread of
/// any process may. False if it is not sent.
pub fn gauge(module: &Module, name: &str, value: u64, tags: &str) -> bool {
    hand_over(module, name, Kind::Gauge, value, tags)
}

/// Sends how long something took, in milliseconds; the same otherwise.
pub fn time(module: &Module, name: &str, time: Duration, tags: &str) -> bool {
    let milliseconds = time.as_micros().saturating_add(500) / 1000;
    let value = u64::try_from(milliseconds).unwrap_or(u64::MAX);
    hand_over(module, name, Kind::Histogram, value, tags)
}

fn hand_over(module: &Module, name: &str, kind: Kind, value: u64, tags: &str) -> bool {
    let Some(waiting) = &module.metrics else {
        return false;
    };
    let line = module.config.series.common.line(name, kind, value, tags);
    let is_taken = waiting.push(clock::nanoseconds(clock::now()), line.as_bytes());
    if !is_taken {
        stats::count(Statistic::MetricsLost);
    }
    is_taken
}
