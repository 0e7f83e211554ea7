//! What a REGISTER says about the device, and where it arrived: through pseudo-variables.

use super::pvar::{Message, Variable};

/// The pseudo-variables, parsed once at start.
#[derive(Debug)]
pub struct RegistrationVariables {
    contact: Variable,
    /// A second contact, in the same header or in one of its own.
    others: [Variable; 2],
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
        Ok(RegistrationVariables {
            contact: parse("$ct.fields(uri)")?,
            others: [parse("$(ct[1])")?, parse("$(hdr(Contact)[1])")?],
            protocol: parse("$socket_in(proto)")?,
            address: parse("$socket_in(ip)")?,
            port: parse("$socket_in(port)")?,
        })
    }

    /// The URI of the contact. `None` if there is none or `*`, if there are several, and if it can't be
    /// read or is not UTF-8.
    pub fn contact(&self, message: Message) -> Option<String> {
        let is_only = |other: &Variable| message.text(*other).is_none();
        if !self.others.iter().all(is_only) {
            return None;
        }
        let contact = message.text(self.contact)?;
        let contact = String::from_utf8(contact).ok()?;
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

/// An address as it is written before a port.
pub fn bracketed(address: &str) -> String {
    match address.contains(':') && !address.starts_with('[') {
        true => format!("[{address}]"),
        false => address.to_owned(),
    }
}
