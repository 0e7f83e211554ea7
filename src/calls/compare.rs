//! `is_equal`, `is_from`, `is_same_destination` and `peer_get`: what `==` of a script can't compare; and
//! `source_get`, where a message comes from.

use super::codes::{DONE, FAILED, peer as code_of_peer};
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable, is_myself};
use crate::opensips::registration::bracketed;
use crate::sip::HostPort;

fn code(is_so: bool) -> i32 {
    match is_so {
        true => DONE,
        false => FAILED,
    }
}

/// `is_equal(one, other)`: whether two variables have the same value, byte by byte.
pub fn is_equal(message: Message, one: Option<Variable>, other: Option<Variable>) -> i32 {
    let value = |variable: Option<Variable>| variable.and_then(|variable| message.text(variable));
    code(value(one).is_some_and(|one| value(other) == Some(one)))
}

/// `is_same_destination(uri, other)`: whether two URIs lead to the same host and port.
pub fn is_same_destination(
    message: Message,
    uri: Option<Variable>,
    other: Option<Variable>,
) -> i32 {
    let value = |variable: Option<Variable>| variable.and_then(|variable| message.text(variable));
    let (Some(uri), Some(other)) = (value(uri), value(other)) else {
        return FAILED;
    };
    let places = HostPort::of(&uri).zip(HostPort::of(&other));
    code(places.is_some_and(|(uri, other)| uri.leads_to(&other)))
}

/// `is_from(sources)`: whether the message comes from one of these, `address:port` or `address:*`.
pub fn is_from(module: &'static Module, message: Message, sources: &[u8]) -> i32 {
    let address = module.request.source(message);
    let port = module.request.source_port(message).to_string();
    let is_it = |source: &[u8]| {
        let source = str::from_utf8(source).unwrap_or_default().trim_ascii();
        source.rsplit_once(':').is_some_and(|(host, of)| {
            let is_host = |uri: &[u8]| HostPort::of(uri).is_some_and(|host| host.is_of(&address));
            (of == "*" || of == port) && is_host(format!("sip:{host}").as_bytes())
        })
    };
    code(sources.split(|byte| *byte == b',').any(is_it))
}

/// `source_get(out_uri [, out_protocol])`: where the message comes from.
pub fn source(
    module: &'static Module,
    message: Message,
    uri: Option<Variable>,
    protocol: Option<Variable>,
) -> i32 {
    let Some(arrival) = module.registration.arrival(message) else {
        return FAILED;
    };
    let host = bracketed(&module.request.source(message));
    let source = format!("sip:{host}:{}", module.request.source_port(message));
    let set = |variable: Option<Variable>, text: &str| {
        variable.is_none_or(|variable| message.set(variable, Value::Text(text.as_bytes())))
    };
    code(set(uri, &source) && set(protocol, &arrival.protocol))
}

/// `host:port`, as a URI; the port is optional.
fn uri(text: &[u8]) -> Vec<u8> {
    [b"sip:", text.trim_ascii()].concat()
}

/// `peer_get(address, peers, out_peer)`: which of these the address is, by its host alone, or whether it
/// is this machine.
pub fn peer(
    message: Message,
    address: Option<Variable>,
    peers: &[u8],
    out: Option<Variable>,
) -> i32 {
    let address = address.and_then(|address| message.text(address));
    let address = uri(&address.unwrap_or_default());
    let Some(of) = HostPort::of(&address).filter(|of| !of.has_maddr) else {
        return code_of_peer::UNKNOWN;
    };
    // The list may be the same on all machines.
    let is_it = |peer: &&[u8]| {
        let is_other = |peer: HostPort<'_>| {
            peer.is_of(of.host) && !is_myself(peer.host, peer.port.unwrap_or(0))
        };
        HostPort::of(&uri(peer)).is_some_and(is_other)
    };
    let peer = peers.split(|byte| *byte == b',').find(is_it);
    match peer.map(<[u8]>::trim_ascii) {
        Some(peer) if out.is_some_and(|out| message.set(out, Value::Text(peer))) => {
            code_of_peer::FOUND
        }
        None if is_myself(of.host, of.port.unwrap_or(0)) => code_of_peer::MYSELF,
        _ => code_of_peer::UNKNOWN,
    }
}
