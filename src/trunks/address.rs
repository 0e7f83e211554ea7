//! What is put into URIs (RFC 3261 section 25.1). Whatever comes from a table is checked, or escaped.

use std::fmt::Write as _;

/// The user part of a URI: what can't stand there is escaped. An escape that is there already stays.
pub fn user(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    for (at, byte) in bytes.iter().enumerate() {
        let is_escape = || {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        };
        match byte {
            b'%' if is_escape() => out.push('%'),
            // unreserved and user-unreserved
            byte if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(byte) => {
                out.push(char::from(*byte));
            }
            byte => _ = write!(out, "%{byte:02X}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_escaped() {
        assert_eq!(user("+4930123"), "+4930123");
        assert_eq!(
            user("a b@c\r\n<>\"%41%x:"),
            "a%20b%40c%0D%0A%3C%3E%22%41%25x%3A"
        );
    }
}
