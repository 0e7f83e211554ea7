//! What is read from a SIP request.
//!
//! - [`mod@head`]: the header fields, and whether they can only be read in one way (RFC 3261
//!   section 7.3.1).
//! - [`Rule`]: what a proxy may demand of a head beyond that.
//! - [`AddressOfRecord`], [`Party`]: whom a request is about (RFC 3261 section 10.2).
//! - [`fn@asked`]: what is asked of a registrar (RFC 3261 section 10.2).
//! - [`fn@unsupported`]: the extensions that a request demands (RFC 3261 section 19.2).
//! - [`fn@entries`], [`HostPort`]: routes (RFC 3261 section 12.1).
//! - [`fn@is_same_uri`]: when two URIs are equivalent (RFC 3261 section 19.1.4).
//! - [`fn@identity`]: a caller whose From is anonymous (RFC 3325 section 9.2).
//! - [`requested_expires`]: the requested expiry (RFC 3261 section 10.2.1.1).

mod address;
mod contact;
mod expires;
mod head;
mod host;
mod identity;
mod options;
mod route;
mod rules;
mod uri;

pub use address::{AddressOfRecord, AorError, Party, usable};
pub use contact::{Asked, Contact, ContactError, asked, is_contact_uri};
pub use expires::requested_expires;
pub use head::{HeadError, Header, MAX_HEADERS, head};
pub use host::HostPortBuf;
pub use identity::{identity, is_ip_address, is_nobodys};
pub use options::unsupported;
pub use route::{HostPort, entries, is_double, of_route_set, route_set};
pub use rules::{
    Rule, RuleError, check_line_ends, check_mandatory, check_max_forwards, check_method,
    check_request_uri, check_x_jwt,
};
pub use uri::is_same_uri;

/// Whether a value can be put into a header, or passed through a script's regular expression, as it
/// is: it contains no CR, LF or NUL.
pub fn is_one_line(value: &[u8]) -> bool {
    !value.iter().any(|byte| b"\r\n\0".contains(byte))
}
