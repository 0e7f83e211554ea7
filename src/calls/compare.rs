//! `is_equal`, `is_from` and `peer_get`: what `==` of a script can't compare.

use super::codes::{DONE, FAILED, peer as code_of_peer};
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable, is_myself};
use crate::sip::{HostPort, is_same_address};

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

/// `is_from(sources)`: whether the message comes from one of these, `address:port` or `address:*`.
pub fn is_from(module: &'static Module, message: Message, sources: &[u8]) -> i32 {
    let address = module.request.source(message);
    let port = module.request.source_port(message).to_string();
    let is_it = |source: &[u8]| {
        let source = str::from_utf8(source).unwrap_or_default().trim_ascii();
        source
            .rsplit_once(':')
            .is_some_and(|(host, of)| is_same_address(host, &address) && (of == "*" || of == port))
    };
    code(sources.split(|byte| *byte == b',').any(is_it))
}

/// Host and port of `host:port`, as in a URI; port 0 if there is none.
fn host_port(text: &[u8]) -> Option<(String, u16)> {
    let uri = [b"sip:", text.trim_ascii()].concat();
    let of = HostPort::of(&uri).filter(|of| !of.has_maddr)?;
    Some((of.host.to_ascii_lowercase(), of.port.unwrap_or(0)))
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
    let Some((host, port)) = address.and_then(|address| host_port(&address)) else {
        return code_of_peer::UNKNOWN;
    };
    // The list may be the same on all machines.
    let is_it = |peer: &&[u8]| {
        host_port(peer).is_some_and(|(other, port)| other == host && !is_myself(&other, port))
    };
    let peer = peers.split(|byte| *byte == b',').find(is_it);
    match peer.map(<[u8]>::trim_ascii) {
        Some(peer) if out.is_some_and(|out| message.set(out, Value::Text(peer))) => {
            code_of_peer::FOUND
        }
        None if is_myself(&host, port) => code_of_peer::MYSELF,
        _ => code_of_peer::UNKNOWN,
    }
}
