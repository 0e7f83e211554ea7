//! What the functions read of a SIP request, all of it through pseudo-variables.

use crate::opensips::pvar::{Message, Variable};
use crate::sip;

/// The pseudo-variables, parsed once at start.
#[derive(Debug)]
pub struct RequestVariables {
    method: Variable,
    source_ip: Variable,
    source_port: Variable,
    to_domain: Variable,
    from_domain: Variable,
    buffer: Variable,
}

impl RequestVariables {
    /// Parses them.
    ///
    /// # Errors
    /// The specification that the core does not know.
    pub fn new() -> Result<Self, String> {
        let parse = |text: &str| Variable::parse(text).ok_or_else(|| text.to_owned());
        Ok(RequestVariables {
            method: parse("$rm")?,
            source_ip: parse("$si")?,
            source_port: parse("$sp")?,
            to_domain: parse("$td")?,
            from_domain: parse("$fd")?,
            buffer: parse("$mb")?,
        })
    }

    fn text(&self, message: Message, variable: Variable) -> String {
        let bytes = message.text(variable).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The method.
    pub fn method(&self, message: Message) -> String {
        self.text(message, self.method)
    }

    /// The address that the request came from.
    pub fn source(&self, message: Message) -> String {
        self.text(message, self.source_ip)
    }

    /// The port that the request came from.
    pub fn source_port(&self, message: Message) -> u16 {
        self.text(message, self.source_port).parse().unwrap_or(0)
    }

    /// The domain of whom the request is about, in lower case: that of To for a REGISTER (the
    /// address of record, RFC 3261 section 10.2), that of From for any other.
    pub fn domain(&self, message: Message, method: &str) -> String {
        let variable = if method == "REGISTER" {
            self.to_domain
        } else {
            self.from_domain
        };
        self.text(message, variable).to_ascii_lowercase()
    }

    /// All headers, name and value, as they were received.
    pub fn headers(&self, message: Message) -> Vec<(Vec<u8>, Vec<u8>)> {
        sip::headers(&message.text(self.buffer).unwrap_or_default())
    }
}
