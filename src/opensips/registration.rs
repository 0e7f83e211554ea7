//! What a REGISTER says about the device, and where it arrived: through pseudo-variables.

use super::pvar::{Message, Variable};
use super::request::MAX_CONTACTS;

/// The pseudo-variables, parsed once at start.
#[derive(Debug)]
pub struct RegistrationVariables {
    /// URI and expiry of each contact, in the order of the message.
    contacts: Vec<[Variable; 2]>,
    expires: Variable,
    protocol: Variable,
    address: Variable,
    port: Variable,
}

/// Where a request arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The transport, in lower case.
    pub protocol: String,
    /// The address of our socket; one of IPv6 in brackets.
    pub address: String,
    /// The port of our socket.
    pub port: String,
}

impl RegistrationVariables {
    /// Parses them.
    ///
    /// # Errors
    /// Fails with the specification that the core does not know.
    pub fn new() -> Result<Self, String> {
        let parse = |text: &str| Variable::parse(text).ok_or_else(|| text.to_owned());
        let contact = |index: usize| {
            let field = |name: &str| parse(&format!("$(ct.fields({name})[{index}])"));
            Ok::<_, String>([field("uri")?, field("expires")?])
        };
        Ok(RegistrationVariables {
            // One more than allowed, to notice that there are too many.
            contacts: (0..=MAX_CONTACTS).map(contact).collect::<Result<_, _>>()?,
            expires: parse("$hdr(Expires)")?,
            protocol: parse("$socket_in(proto)")?,
            address: parse("$socket_in(ip)")?,
            port: parse("$socket_in(port)")?,
        })
    }

    /// The URI of the contact: of several, the only one that is not being removed, as when a device
    /// whose address has changed replaces its old one (RFC 3261 section 10.2.2). `None` if there is none
    /// or `*`, if several are to stay or all of several to go, and if one can't be read or is not UTF-8.
    pub fn contact(&self, message: Message) -> Option<String> {
        let header = message.text(self.expires);
        let all: Vec<(Vec<u8>, bool)> = self
            .contacts
            .iter()
            .map_while(|[uri, expires]| {
                let uri = message.text(*uri)?;
                let expires = message.text(*expires).filter(|text| !text.is_empty());
                Some((uri, is_zero(expires.as_deref().or(header.as_deref()))))
            })
            .collect();
        let mut staying = all.iter().filter(|(_, is_leaving)| !is_leaving);
        let (contact, _) = match (staying.next(), staying.next(), all.as_slice()) {
            (_, _, all) if all.len() > MAX_CONTACTS => return None,
            (Some(only), None, _) | (None, _, [only]) => only,
            _ => return None,
        };
        let contact = String::from_utf8(contact.clone()).ok()?;
        (!contact.is_empty()).then_some(contact)
    }

    /// Where the request arrived; `None` if the core does not know.
    pub fn arrival(&self, message: Message) -> Option<Arrival> {
        let text = |variable| String::from_utf8(message.text(variable)?).ok();
        Some(Arrival {
            protocol: text(self.protocol)?.to_ascii_lowercase(),
            address: bracketed(&text(self.address)?),
            port: text(self.port)?,
        })
    }
}

/// Whether these seconds are zero.
fn is_zero(seconds: Option<&[u8]>) -> bool {
    let digits = seconds.map(<[u8]>::trim_ascii).unwrap_or_default();
    !digits.is_empty() && digits.iter().all(|byte| *byte == b'0')
}

/// An address as it is written before a port.
pub fn bracketed(address: &str) -> String {
    match address.contains(':') && !address.starts_with('[') {
        true => format!("[{address}]"),
        false => address.to_owned(),
    }
}
