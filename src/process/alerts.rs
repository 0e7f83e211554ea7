//! Raises alerts.

use super::notices::{self, Raised};
use crate::alerts::Alert;
use crate::clock;
use crate::module::Module;
use crate::opensips::events::{self, Event};
use crate::opensips::shared;
use crate::opensips::stats::{self, Statistic};

/// Raises an alert: as the event, and in InfluxDB where `alerts_url` names one. Never waits. Only in a process's own
/// thread, that of the process of what is done at intervals included.
pub fn raise(module: &'static Module, alert: &Alert) {
    stats::count(Statistic::AlertsRaised);
    let now = clock::now();
    if let Some(waiting) = &module.alerts {
        let time = clock::nanoseconds(now);
        if !waiting.push(time, alert.point().as_bytes()) {
            stats::count(Statistic::AlertsLost);
        }
    }
    let rate = module.config.told.event_rate;
    let is_told = rate > 0
        && events::is_wanted(Event::Alert)
        // What the route of an event does would raise the next one, without end.
        && !events::is_in_route()
        && shared::page().alert_rate.admits(now.as_secs(), rate);
    if is_told {
        notices::raise_later(Raised::Alert(Box::new(alert.clone())));
    }
}
