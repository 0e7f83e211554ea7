//! What is read out of a SIP request.
//!
//! - [`mod@head`]: the header fields, and whether there is only one way to read them
//!   (RFC 3261 section 7.3.1).
//! - [`AddressOfRecord`]: whom a request is about (RFC 3261 section 10.2).
//! - [`requested_expires`]: for how long it asks (RFC 3261 section 10.2.1.1).

mod address;
mod expires;
mod head;

pub use address::AddressOfRecord;
pub use expires::requested_expires;
pub use head::{HeadError, Header, MAX_HEADERS, head};

/// Whether a value can go into a header, or through a script's regular expression, as it is: there is
/// no CR, LF or NUL in it.
pub fn is_one_line(value: &[u8]) -> bool {
    !value.iter().any(|byte| b"\r\n\0".contains(byte))
}
