//! What a REGISTER says about the device, and where it arrived: through pseudo-variables.

use super::pvar::{LogLevel, Message, Variable};
use super::request::MAX_CONTACTS;
use crate::sip::Contact;

/// The pseudo-variables, parsed once at start.
#[derive(Debug)]
pub struct RegistrationVariables {
    /// Each contact, in the order of the message.
    contacts: Vec<ContactVariables>,
    /// Each Contact header, and one more than allowed.
    headers: Vec<Variable>,
    expires: Variable,
    protocol: Variable,
    address: Variable,
    port: Variable,
    log_level: LogLevel,
}

#[derive(Debug)]
struct ContactVariables {
    uri: Variable,
    /// The host of the URI: whether the core's parser can read that.
    host: Variable,
    expires: Variable,
    q: Variable,
    methods: Variable,
    received: Variable,
}

/// The contacts of a request, as the core finds them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contacts {
    /// All but `*`; one more than [`MAX_CONTACTS`] if there are too many.
    pub contacts: Vec<Contact>,
    /// Whether there is one Contact header, and it is `*`.
    pub is_star: bool,
    /// The value of Expires.
    pub expires: Option<Vec<u8>>,
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
            Ok::<_, String>(ContactVariables {
                uri: field("uri")?,
                host: parse(&format!("$(ct.fields(uri)[{index}]{{uri.host}})"))?,
                expires: field("expires")?,
                q: field("q")?,
                methods: field("methods")?,
                received: field("received")?,
            })
        };
        Ok(RegistrationVariables {
            // One more than allowed, to notice that there are too many.
            contacts: (0..=MAX_CONTACTS).map(contact).collect::<Result<_, _>>()?,
            headers: (0..=MAX_CONTACTS)
                .map(|index| parse(&format!("$(hdr(Contact)[{index}])")))
                .collect::<Result<_, _>>()?,
            expires: parse("$hdr(Expires)")?,
            protocol: parse("$socket_in(proto)")?,
            address: parse("$socket_in(ip)")?,
            port: parse("$socket_in(port)")?,
            log_level: LogLevel::new()?,
        })
    }

    /// The URI of the contact: of several, the only one that is not being removed, as when a device
    /// whose address has changed replaces its old one (RFC 3261 section 10.2.2); it may be repeated. `None`
    /// if there is none or `*`, if several are to stay or all of several to go, and if one can't be read or
    /// is not UTF-8.
    pub fn contact(&self, message: Message) -> Option<String> {
        let header = message.text(self.expires);
        let all: Vec<(Vec<u8>, bool)> = self
            .contacts
            .iter()
            .map_while(|contact| {
                let uri = message.text(contact.uri)?;
                let expires = message.text(contact.expires);
                let expires = expires.filter(|text| !text.is_empty());
                Some((uri, is_zero(expires.as_deref().or(header.as_deref()))))
            })
            .collect();
        let mut staying = all.iter().filter(|(_, is_leaving)| !is_leaving);
        let first = staying.next();
        let (contact, _) = match (first, all.as_slice()) {
            (_, all) if all.len() > MAX_CONTACTS => return None,
            (Some(only), _) if staying.all(|other| other == only) => only,
            (None, [only]) => only,
            _ => return None,
        };
        let contact = String::from_utf8(contact.clone()).ok()?;
        (!contact.is_empty()).then_some(contact)
    }

    /// All contacts. One that can't be read ends the list, unless it is the first; one with a URI that the
    /// core can't parse has none: usrloc would notice that only when it has removed the existing contact.
    pub fn contacts(&self, message: Message) -> Contacts {
        let read = || self.read_contacts(message);
        self.log_level.quietly(message, read)
    }

    /// The remote target that a message gives for its sender (RFC 3261 section 12.1): the URI of its contact.
    /// `None` unless there is one Contact header with one contact whose host can be read.
    pub fn target(&self, message: Message) -> Option<Vec<u8>> {
        let [first, second] = self.contacts.get(..2)? else {
            return None;
        };
        self.log_level.quietly(message, || {
            let mut headers = self.headers.iter().map(|header| message.text(*header));
            let header = headers.next().flatten();
            let other = headers.next().flatten();
            let uri = message.text(first.uri)?;
            let is_one = header.is_some() && other.is_none() && message.text(second.uri).is_none();
            (is_one && message.text(first.host).is_some()).then_some(uri)
        })
    }

    fn read_contacts(&self, message: Message) -> Contacts {
        let expires = message.text(self.expires);
        let headers = self.headers.iter();
        let headers: Vec<_> = headers.map_while(|header| message.text(*header)).collect();
        if headers.is_empty() {
            return Contacts {
                expires,
                ..Contacts::default()
            };
        }
        if headers.iter().any(|header| header.trim_ascii() == b"*") {
            // Beside others it is no contact (RFC 3261 section 10.2.2).
            let beside = (headers.len() > 1).then(Contact::default);
            return Contacts {
                is_star: beside.is_none(),
                contacts: beside.into_iter().collect(),
                expires,
            };
        }
        let mut contacts = Vec::new();
        for variables in &self.contacts {
            let uri = message.text(variables.uri);
            if uri.is_none() && !contacts.is_empty() {
                break;
            }
            let is_read = uri.is_some();
            contacts.push(Contact {
                uri: uri.filter(|_| message.text(variables.host).is_some()),
                expires: message.text(variables.expires),
                q: message.text(variables.q),
                methods: message.text(variables.methods),
                received: message.text(variables.received),
            });
            if !is_read {
                break;
            }
        }
        Contacts {
            contacts,
            is_star: false,
            expires,
        }
    }

    /// The URIs of the contacts that a request asks to remove, without those that are not UTF-8.
    pub fn leaving(&self, message: Message) -> Vec<String> {
        let Contacts {
            contacts, expires, ..
        } = self.contacts(message);
        let is_leaving = |contact: &Contact| {
            let own = contact.expires.as_deref().filter(|text| !text.is_empty());
            is_zero(own.or(expires.as_deref()))
        };
        let leaving = contacts.into_iter().filter(is_leaving);
        let uri = |contact: Contact| String::from_utf8(contact.uri?).ok();
        leaving.filter_map(uri).collect()
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
