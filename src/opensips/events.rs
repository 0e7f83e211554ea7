//! Events (EVI), and what the status and report interface tells of what the module depends on.
//!
//! Only from a process's own thread: whoever has subscribed is told before [`raise`] returns, and a route of
//! the script may be run.

/// An event: a row of AW_EVENTS in `src/shim/exports.h`.
pub use super::ffi::aw_event as Event;

/// An identifier of the status and report interface: a row of AW_REPORTS in `src/shim/exports.h`.
pub use super::ffi::aw_report as Report;

use super::ffi::{self, aw_event_param, aw_str};
use super::lend;

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// Text.
    Text(&'a str),
    /// A number.
    Number(i32),
}

/// Publishes the events and registers the identifiers. Only in `mod_init`. `false` if the core refuses.
pub fn publish() -> bool {
    // SAFETY: before the fork.
    unsafe { ffi::aw_events_publish() == 0 && ffi::aw_reports_register() == 0 }
}

/// Whether anybody has subscribed to an event.
pub fn is_wanted(event: Event) -> bool {
    // SAFETY: published.
    unsafe { ffi::aw_event_wanted(event) != 0 }
}

/// Whether the script runs the route of an event now.
pub fn is_in_route() -> bool {
    // SAFETY: reads a number of the core's.
    unsafe { ffi::aw_in_event_route() != 0 }
}

/// Raises an event with parameters by name, in this order.
pub fn raise(event: Event, parameters: &[(&'static str, Parameter<'_>)]) {
    let of = |(name, value): &(&'static str, Parameter<'_>)| {
        let (text, number) = match value {
            Parameter::Text(text) => (lend(text.as_bytes()), 0),
            Parameter::Number(number) => (aw_str::default(), *number),
        };
        aw_event_param {
            name: lend(name.as_bytes()),
            text,
            number,
        }
    };
    let list: Vec<_> = parameters.iter().map(of).collect();
    let count = u32::try_from(list.len()).unwrap_or(u32::MAX);
    // SAFETY: all of it lives through the call, after which the core keeps nothing of it.
    unsafe { ffi::aw_event_raise(event, list.as_ptr(), count) };
}

/// Sets the status of an identifier, and adds a report of it.
pub fn report(report: Report, is_ready: bool, text: &str) {
    // SAFETY: registered; the core copies the text.
    unsafe { ffi::aw_report(report, is_ready.into(), lend(text.as_bytes())) }
}
