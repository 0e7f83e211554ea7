//! What is read from a SIP request.
//!
//! - [`mod@head`]: the header fields, and whether they can only be read in one way (RFC 3261
//!   section 7.3.1).
//! - [`AddressOfRecord`], [`Party`]: whom a request is about (RFC 3261 section 10.2).
//! - [`fn@identity`]: a caller whose From is anonymous (RFC 3325 section 9.2).
//! - [`requested_expires`]: the requested expiry (RFC 3261 section 10.2.1.1).

mod address;
mod expires;
mod head;
mod identity;

pub use address::{AddressOfRecord, Party};
pub use expires::requested_expires;
pub use head::{HeadError, Header, MAX_HEADERS, head};
pub use identity::{identity, is_ip_address, is_nobodys};

/// Whether a value can be put into a header, or passed through a script's regular expression, as it
/// is: it contains no CR, LF or NUL.
pub fn is_one_line(value: &[u8]) -> bool {
    !value.iter().any(|byte| b"\r\n\0".contains(byte))
}
