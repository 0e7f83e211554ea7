//! `stats_begin`, `stats_time` and `stats_gauge`: metrics that a script sends.

use std::ffi::CStr;
use std::time::Duration;

use super::codes;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::process::metrics;

/// `stats_begin(out_begun)`.
pub fn begin(module: &Module, message: Message, out: Option<Variable>) -> i32 {
    // All processes count from when the module was set up.
    let begun = module.start.elapsed().as_micros().to_string();
    let is_set = out.is_some_and(|out| message.set(out, Value::Text(begun.as_bytes())));
    done(is_set)
}

/// `stats_time(name, begun [, tags])`.
pub fn time(
    module: &Module,
    message: Message,
    name: &[u8],
    begun: Option<Variable>,
    tags: &[u8],
) -> i32 {
    let begun = begun.and_then(|begun| message.text(begun));
    let begun = begun.and_then(|begun| std::str::from_utf8(&begun).ok()?.parse().ok());
    let Some(begun) = begun.map(Duration::from_micros) else {
        return refused(c"stats_time", "begun has not been set by stats_begin");
    };
    let Some((name, tags)) = named(name, tags) else {
        return refused(c"stats_time", NO_NAME);
    };
    let took = module.start.elapsed().saturating_sub(begun);
    done(metrics::time(module, name, took, tags))
}

/// `stats_gauge(name, value [, tags])`.
pub fn gauge(module: &Module, [name, value, tags]: [&[u8]; 3]) -> i32 {
    let value = std::str::from_utf8(value)
        .ok()
        .and_then(|value| value.parse().ok());
    let Some(value) = value else {
        return refused(c"stats_gauge", "value is no whole number");
    };
    let Some((name, tags)) = named(name, tags) else {
        return refused(c"stats_gauge", NO_NAME);
    };
    done(metrics::gauge(module, name, value, tags))
}

const NO_NAME: &str = "name is empty, or name or tags are not UTF-8";

fn named<'a>(name: &'a [u8], tags: &'a [u8]) -> Option<(&'a str, &'a str)> {
    let name = std::str::from_utf8(name).ok();
    let name = name.filter(|name| !name.is_empty())?;
    Some((name, std::str::from_utf8(tags).ok()?))
}

fn refused(function: &'static CStr, cause: &str) -> i32 {
    log!(Error, function, "nothing is sent: {cause}");
    codes::FAILED
}

fn done(is_done: bool) -> i32 {
    match is_done {
        true => codes::DONE,
        false => codes::FAILED,
    }
}
