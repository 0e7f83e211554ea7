//! Parameters of the registrations in Redis.

use std::time::Duration;

use super::avp_list::{self, AvpSource};
use super::raw::{ConfigError, Raw};
use crate::sip::HostPortBuf;

/// What the parameters of the registrations say.
#[derive(Clone, Debug)]
pub struct Registrations {
    /// Where other servers reach this one (`registration_address`); `None` for the socket that the
    /// request arrived at.
    pub address: Option<HostPortBuf>,
    /// The same in a private network (`registration_private_address`), as it is set.
    pub private_address: Option<String>,
    /// Members for AVPs (`load_registration`).
    pub members: Vec<AvpSource>,
    /// How often registrations of others are taken up into the indexes (`registration_adopt_interval`); `None` for
    /// never.
    pub adopt_interval: Option<Duration>,
}

impl Registrations {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        const ALLOWED: &str = "host or host:port, an address of IPv6 in brackets";
        let address = |name| match raw.text(name)?.map(HostPortBuf::parse) {
            None => Ok(None),
            Some(Some(address)) => Ok(Some(address)),
            Some(None) => Err(raw.error(name, ALLOWED)),
        };
        let members = raw.text("load_registration")?.unwrap_or("");
        let members = avp_list::parse(members).ok_or_else(|| {
            let allowed = "a list of members of a registration, each by itself or as \
                           $avp(name)=member, separated by ;";
            raw.error("load_registration", allowed)
        })?;
        Ok(Registrations {
            address: address("registration_address")?,
            private_address: address("registration_private_address")?
                .map(|address| address.to_string()),
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
            ("2001:db8::1", "[2001:db8::1]", None),
        ] {
            let host = host.to_owned();
            let address = read("registration_address", text).unwrap().address;
            assert_eq!(address, Some(HostPortBuf { host, port }), "{text}");
            let private = read("registration_private_address", text).unwrap();
            // One of IPv6 is in brackets there in any case.
            let shown = private.private_address.unwrap();
            assert_eq!(HostPortBuf::parse(&shown), address, "{text}");
            assert!(!shown.starts_with("2001"), "{shown}");
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
            "2001:db8::1:x",
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
