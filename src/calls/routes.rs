//! `caller_route_set`, `callee_route_set` and `check_route_set`: the routes of a dialog.

use super::codes::{FAILED, route as code};
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable, is_myself};
use crate::sip::{HostPort, entries, is_double, of_route_set, route_set};

/// The most entries of ours: one, or two where the transport changes.
const MAX_OURS: usize = 2;

/// The URIs of all values of a header. `None` if one can be read in two ways.
fn uris(values: &[Vec<u8>]) -> Option<Vec<&[u8]>> {
    let lists: Option<Vec<_>> = values.iter().map(|value| entries(value)).collect();
    lists.map(|lists| lists.concat())
}

/// Whether a URI leads to this machine.
fn is_ours(uri: &[u8]) -> bool {
    HostPort::of(uri).is_some_and(|of| !of.has_maddr && is_myself(of.host, of.port.unwrap_or(0)))
}

/// Whether a URI has one of these names, `host:port`, port 0 where it has none.
fn is_named(uri: &[u8], names: &[u8]) -> bool {
    HostPort::of(uri).is_some_and(|of| {
        let name = format!("{}:{}", of.host, of.port.unwrap_or(0));
        let mut names = names.split(|byte| *byte == b',');
        !of.has_maddr && names.any(|known| known.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// Gives the script a route set: [`code::OF_SOURCE`] if all of it leads to where the message comes
/// from.
fn give(module: &'static Module, message: Message, uris: &[&[u8]], out: Option<Variable>) -> i32 {
    let set = route_set(uris.iter().copied());
    if !out.is_some_and(|out| message.set(out, Value::Text(&set))) {
        return FAILED;
    }
    let source = module.request.source(message);
    let is_theirs = |uri: &&[u8]| HostPort::of(uri).is_some_and(|of| of.is_of(&source));
    match uris.iter().all(is_theirs) {
        true => code::OF_SOURCE,
        false => code::OF_OTHERS,
    }
}

/// `caller_route_set(out_routes)`: Record-Route of a request that begins a dialog, in its order (RFC
/// 3261 section 12.1.1).
pub fn caller(module: &'static Module, message: Message, out: Option<Variable>) -> i32 {
    let values = module.request.record_route(message);
    match uris(&values) {
        Some(uris) => give(module, message, &uris, out),
        None => FAILED,
    }
}

/// `callee_route_set(caller_routes, out_routes)`: Record-Route of a reply in reverse order (RFC 3261
/// section 12.1.2), without the entries of the caller, and without ours above them.
pub fn callee(
    module: &'static Module,
    message: Message,
    caller: &[u8],
    out: Option<Variable>,
) -> i32 {
    let values = module.request.record_route(message);
    match (uris(&values), of_route_set(caller)) {
        (Some(uris), Some(caller)) => match above_ours(&uris, &caller) {
            Some(above) => {
                let reversed: Vec<_> = above.iter().rev().copied().collect();
                give(module, message, &reversed, out)
            }
            None => FAILED,
        },
        _ => FAILED,
    }
}

/// Whether two URIs lead to the same place. Some write the parameters of a copy in a way of their own.
fn lead_to_one_place(one: &[u8], other: &[u8]) -> bool {
    let place = HostPort::of(one);
    one == other
        || place.is_some_and(|one| HostPort::of(other).is_some_and(|other| one.leads_to(&other)))
}

/// The entries above ours, which are followed by those of the caller, and no others.
fn above_ours<'a, 'b>(uris: &'b [&'a [u8]], caller: &[&'a [u8]]) -> Option<&'b [&'a [u8]]> {
    let (rest, below) = uris.split_at_checked(uris.len().checked_sub(caller.len())?)?;
    let mut pairs = below.iter().zip(caller);
    if !pairs.all(|(below, caller)| lead_to_one_place(below, caller)) {
        return None;
    }
    let (last, rest) = rest.split_last()?;
    if !is_ours(last) {
        return None;
    }
    match is_double(last) {
        false => Some(rest),
        true => rest
            .split_last()
            .filter(|(other, _)| is_ours(other))
            .map(|(_, rest)| rest),
    }
}

/// `check_route_set(routes [, own_names])`: how many entries of ours precede these in Route.
pub fn check(module: &'static Module, message: Message, routes: &[u8], names: &[u8]) -> i32 {
    let values = module.request.route(message);
    let (Some(uris), Some(routes)) = (uris(&values), of_route_set(routes)) else {
        return FAILED;
    };
    let Some(ours) = uris.strip_suffix(routes.as_slice()) else {
        return FAILED;
    };
    let is_valid = |uri: &&[u8]| is_ours(uri) || is_named(uri, names);
    match ours.len() {
        number @ 1..=MAX_OURS if ours.iter().all(is_valid) => {
            i32::try_from(number).unwrap_or(FAILED)
        }
        _ => FAILED,
    }
}
