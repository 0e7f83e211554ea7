//! Route and Record-Route (RFC 3261 sections 20.30 and 20.34).

use std::net::IpAddr;

/// Host and port of a SIP or SIPS URI, as far as it can be read in only one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// As it is written; an IPv6 address in brackets.
    pub host: &'a str,
    /// `None` if the URI has none.
    pub port: Option<u16>,
    /// Whether a parameter `maddr` sends requests elsewhere (RFC 3261 section 19.1.1).
    pub has_maddr: bool,
}

impl<'a> HostPort<'a> {
    /// Those of a URI. `None` if it is of another scheme, or another reader could find another host in
    /// it.
    pub fn of(uri: &'a [u8]) -> Option<Self> {
        let text = str::from_utf8(uri).ok()?;
        let (scheme, rest) = text.split_once(':')?;
        if !["sip", "sips"]
            .iter()
            .any(|known| scheme.eq_ignore_ascii_case(known))
        {
            return None;
        }
        let rest = match rest.split_once('@') {
            Some((_, after)) if after.contains('@') => return None,
            Some((_, after)) => after,
            None => rest,
        };
        let end = match rest.starts_with('[') {
            true => rest.find(']')? + 1,
            false => rest.find([':', ';', '?']).unwrap_or(rest.len()),
        };
        let (host, rest) = rest.split_at_checked(end)?;
        let is_address = |inside: &str| {
            let allowed = |byte: u8| byte.is_ascii_hexdigit() || b":.".contains(&byte);
            !inside.is_empty() && inside.bytes().all(allowed)
        };
        let is_host = match host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
        {
            Some(inside) => is_address(inside),
            None => {
                let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
                !host.is_empty() && host.bytes().all(allowed)
            }
        };
        let end = rest.find([';', '?']).unwrap_or(rest.len());
        let (port, rest) = rest.split_at_checked(end)?;
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        let (parameters, headers) = rest.split_once('?').unwrap_or((rest, ""));
        // Some look for parameters after headers as well.
        if headers.contains(';') {
            return None;
        }
        let mut names = parameters
            .split(';')
            .map(|parameter| parameter.split('=').next().unwrap_or_default());
        is_host.then(|| HostPort {
            host,
            port,
            has_maddr: names.any(|name| name.trim().eq_ignore_ascii_case("maddr")),
        })
    }

    /// Whether this leads to a host, by the same name, or the same IP address in any form.
    pub fn is_of(&self, host: &str) -> bool {
        !self.has_maddr
            && (self.host.eq_ignore_ascii_case(host) || is_same_address(self.host, host))
    }

    /// Whether this leads to the same host and port as another.
    pub fn leads_to(&self, other: &HostPort<'_>) -> bool {
        !other.has_maddr && self.port == other.port && self.is_of(other.host)
    }
}

/// Whether two texts are the same IP address, of IPv6 with or without brackets and in any form.
fn is_same_address(one: &str, other: &str) -> bool {
    let read = |text: &str| {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        bare.unwrap_or(text).parse::<IpAddr>().ok()
    };
    read(one).is_some_and(|one| read(other) == Some(one))
}

/// The URIs of a header that is a list of addresses in angle brackets and nothing else. `None` for any
/// other: a display name may contain brackets and commas, and other parsers would find other entries.
pub fn entries(value: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    for entry in value.split(|byte| *byte == b',') {
        let inside = entry.trim_ascii_start().strip_prefix(b"<")?;
        let end = inside.iter().position(|byte| *byte == b'>')?;
        let (uri, rest) = inside.split_at(end);
        let rest = rest.get(1..).unwrap_or_default();
        let is_plain = |text: &[u8]| !text.iter().any(|byte| b"<>\"\0".contains(byte));
        // A folded URI is not one to all readers.
        let is_word = uri.iter().all(|byte| *byte > b' ');
        if uri.is_empty() || !is_word || !is_plain(uri) || !is_plain(rest) {
            return None;
        }
        found.push(uri);
    }
    Some(found)
}

/// A route set as scripts keep it, `<uri>,<uri>`; `-` if it is empty.
pub fn route_set<'a>(uris: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let entries: Vec<_> = uris
        .into_iter()
        .map(|uri| [b"<", uri, b">"].concat())
        .collect();
    match entries.is_empty() {
        true => b"-".to_vec(),
        false => entries.join(b",".as_slice()),
    }
}

/// The URIs of what [`route_set`] made.
pub fn of_route_set(text: &[u8]) -> Option<Vec<&[u8]>> {
    match text {
        b"" | b"-" => Some(Vec::new()),
        text => entries(text),
    }
}

/// Whether a URI of Record-Route is followed by another one of the same proxy, as OpenSIPS writes them
/// where the transport changes.
pub fn is_double(uri: &[u8]) -> bool {
    let mut parameters = uri.split(|byte| *byte == b';').skip(1);
    parameters.any(|parameter| parameter.eq_ignore_ascii_case(b"r2=on"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host_port(uri: &str) -> Option<(&str, Option<u16>, bool)> {
        HostPort::of(uri.as_bytes()).map(|of| (of.host, of.port, of.has_maddr))
    }

    #[test]
    fn host_and_port_are_those_that_everybody_finds() {
        let h = "h.example";
        assert_eq!(host_port("sip:h.example"), Some((h, None, false)));
        assert_eq!(host_port("sip:h.example;lr"), Some((h, None, false)));
        assert_eq!(
            host_port("SIPS:u;x=y@h.example:5061;lr"),
            Some((h, Some(5061), false))
        );
        assert_eq!(host_port("sip:h.example:0"), Some((h, Some(0), false)));
        assert_eq!(
            host_port("sip:[2001:DB8::7]:5060"),
            Some(("[2001:DB8::7]", Some(5060), false))
        );
        assert_eq!(
            host_port("sip:h.example;Maddr=192.0.2.1;lr"),
            Some((h, None, true))
        );
        assert_eq!(host_port("sip:h.example;maddr"), Some((h, None, true)));
        assert_eq!(host_port("sip:h.example?maddr=x"), Some((h, None, false)));
        for uri in [
            "",
            "sip:",
            "sip:@",
            "tel:1",
            "h.example",
            "sip:a@b@h",
            "sip:h:",
            "sip:h:x",
            "sip:h:+1",
            "sip:h:65536",
            "sip:[::1",
            "sip:[]",
            "sip:[::1]x",
            "sip:h h",
            "sip:h\0",
            "sip:h%41",
            "sip:\u{e4}",
            "sip:h:5060:1",
            "sip:[g::1]",
        ] {
            assert_eq!(host_port(uri), None, "{uri:?}");
        }
    }

    #[test]
    fn a_header_is_a_list_of_addresses_in_brackets() {
        let read = |value: &str| {
            let uris = entries(value.as_bytes())?.into_iter();
            Some(
                uris.map(|uri| String::from_utf8_lossy(uri).into_owned())
                    .collect::<Vec<_>>(),
            )
        };
        let is = |uris: &[&str]| Some(uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>());
        assert_eq!(read("<sip:a;lr>"), is(&["sip:a;lr"]));
        assert_eq!(
            read(" \t<sip:a>;x=y ,\r\n <sip:b> "),
            is(&["sip:a", "sip:b"])
        );
        for value in [
            "",
            "sip:a",
            "A <sip:a>",
            "\"A\" <sip:a>",
            "<>",
            "<sip:a",
            "<sip:a>,",
            ",<sip:a>",
            "<sip:a,b>",
            "<sip:a> <sip:b>",
            "<sip:<a>>",
            "<sip:a>;x=\"<sip:b>\"",
            "<sip:a\0>",
            "<sip:\"a>",
            "<sip:a>;x=>",
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
    }

    #[test]
    fn a_route_set_is_kept_as_text() {
        let uris = [b"sip:a;lr".as_slice(), b"sip:b"];
        assert_eq!(route_set(uris), b"<sip:a;lr>,<sip:b>");
        assert_eq!(of_route_set(b"<sip:a;lr>,<sip:b>"), Some(uris.to_vec()));
        assert_eq!(route_set([]), b"-");
        assert_eq!(of_route_set(b"-"), Some(Vec::new()));
        assert_eq!(of_route_set(b"<null"), None);
        assert!(is_double(b"sip:a;R2=on;lr") && is_double(b"sip:a;lr;r2=on"));
        assert!(
            !is_double(b"sip:a;lr") && !is_double(b"sip:r2=on") && !is_double(b"sip:a;r2=only")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(value: Vec<u8>) {
            _ = HostPort::of(&value);
            _ = HostPort::of(&[b"sip:", value.as_slice()].concat());
            let text = [b"<", value.as_slice(), b">"].concat();
            if let Some(uris) = entries(&text) {
                let kept = route_set(uris.iter().copied());
                prop_assert_eq!(of_route_set(&kept), Some(uris));
            }
        }
    }
}
