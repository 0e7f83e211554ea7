//! Parameters of the registrations in Redis.

use std::net::Ipv6Addr;
use std::time::Duration;

use super::avp_list::{self, AvpSource};
use super::raw::{ConfigError, Raw};

/// What the parameters of the registrations say.
#[derive(Clone, Debug)]
pub struct Registrations {
    /// Where other servers reach this one (`registration_address`); `None` for the socket that the
    /// request arrived at.
    pub address: Option<Address>,
    /// The same in a private network (`registration_private_address`), as it is set.
    pub private_address: Option<String>,
    /// Members for AVPs (`load_registration`).
    pub members: Vec<AvpSource>,
    /// How often registrations of others are taken up into the indexes (`registration_adopt_interval`); `None` for
    /// never.
    pub adopt_interval: Option<Duration>,
}

/// A host, and a port if one is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address; one of IPv6 in brackets.
    pub host: String,
    /// `None` for the port that the request arrived at.
    pub port: Option<u16>,
}

impl Address {
    fn parse(text: &str) -> Option<Self> {
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
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let is_name = !host.is_empty() && host.bytes().all(is_of_name);
        if !is_name && !host.starts_with('[') {
            return None;
        }
        let port = match port {
            None => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
        };
        Some(Address { host, port })
    }
}

impl Registrations {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        const ALLOWED: &str = "host or host:port, an address of IPv6 in brackets";
        let address = |name| match raw.text(name)? {
            None => Ok(None),
            Some(text) => match Address::parse(text) {
                Some(address) => Ok(Some((address, text.to_owned()))),
                None => Err(raw.error(name, ALLOWED)),
            },
        };
        let members = raw.text("load_registration")?.unwrap_or("");
        let members = avp_list::parse(members).ok_or_else(|| {
            let allowed = "a list of members of a registration, each by itself or as \
                           $avp(name)=member, separated by ;";
            raw.error("load_registration", allowed)
        })?;
        Ok(Registrations {
            address: address("registration_address")?.map(|(address, _)| address),
            private_address: address("registration_private_address")?.map(|(_, text)| text),
            members,
            adopt_interval: adopt_interval(raw)?,
        })
    }
}

fn adopt_interval(raw: &Raw) -> Result<Option<Duration>, ConfigError> {
    let seconds = raw.int("registration_adopt_interval", 0, 0..=86_400, "seconds")?;
    Ok((seconds > 0).then(|| Duration::from_secs(seconds.unsigned_abs())))
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn read(name: &str, value: &str) -> Result<Registrations, ConfigError> {
        let mut raw = Raw::default();
        raw.push(name, RawValue::Text(value.to_owned()));
        Registrations::new(&raw)
    }

    #[test]
    fn an_address_has_a_port_or_not() {
        for (text, host, port) in [
            ("sip.example.org", "sip.example.org", None),
            ("192.0.2.1:5080", "192.0.2.1", Some(5080)),
            ("[2001:db8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:5060", "[2001:db8::1]", Some(5060)),
        ] {
            let host = host.to_owned();
            let address = read("registration_address", text).unwrap().address;
            assert_eq!(address, Some(Address { host, port }), "{text}");
            let private = read("registration_private_address", text).unwrap();
            assert_eq!(private.private_address.as_deref(), Some(text));
        }
        let nothing = Registrations::new(&Raw::default()).unwrap();
        assert!(nothing.address.is_none() && nothing.private_address.is_none());
        assert!(nothing.members.is_empty());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            ":5060",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "2001:db8::1",
            "[a]",
            "[::1",
            "[::1]5060",
            "a b",
            "sip:a",
            "a\"b",
            "a,b",
        ] {
            for name in ["registration_address", "registration_private_address"] {
                let message = read(name, text).unwrap_err().to_string();
                assert!(message.contains(name), "{message}");
            }
        }
        assert!(read("load_registration", "$var(x)=contact").is_err());
        assert_eq!(
            read("load_registration", "left;$avp(c)=contact")
                .unwrap()
                .members
                .len(),
            2
        );
    }
}
