//! A host and a port (`hostport` of RFC 3261 section 25.1), as settings and tables have them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest host name (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;

/// A host, and a port if one is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPortBuf {
    /// A name or an address; one of IPv6 in brackets.
    pub host: String,
    /// The port.
    pub port: Option<u16>,
}

impl HostPortBuf {
    /// Reads `host` or `host:port`; an address of IPv6 is in brackets, or stands alone.
    pub fn parse(text: &str) -> Option<Self> {
        if text.parse::<Ipv6Addr>().is_ok() {
            let host = format!("[{text}]");
            return Some(HostPortBuf { host, port: None });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':')?),
                };
                (format!("[{address}]"), port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host.to_owned(), Some(port)),
                None => (text.to_owned(), None),
            },
        };
        if !host.starts_with('[') && !is_name(&host) {
            return None;
        }
        let port = match port {
            None => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
        };
        Some(HostPortBuf { host, port })
    }

    /// Whether it is an address, and no name.
    pub fn is_address(&self) -> bool {
        self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok()
    }
}

impl std::fmt::Display for HostPortBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.host)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Letters, digits, hyphens and dots. Some networks have underscores in names.
fn is_name(host: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && host.len() <= MAX_HOST && host.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_port_or_not() {
        for (text, host, port) in [
            ("sip.example.org", "sip.example.org", None),
            ("192.0.2.1:5080", "192.0.2.1", Some(5080)),
            ("[2001:db8::1]:5060", "[2001:db8::1]", Some(5060)),
            ("2001:db8::1", "[2001:db8::1]", None),
        ] {
            let parsed = HostPortBuf::parse(text).expect(text);
            assert_eq!((parsed.host.as_str(), parsed.port), (host, port), "{text}");
            assert_eq!(parsed.is_address(), !host.ends_with("org"));
        }
        for bad in [
            "", ":5060", "a:", "a:0", "a:65536", "a b", "a\r\nb", "sip:a", "a>b", "a;b", "[a]",
            "a@b",
        ] {
            assert_eq!(HostPortBuf::parse(bad), None, "{bad:?}");
        }
    }
}
