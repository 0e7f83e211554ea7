//! The authority of a URL (RFC 3986 section 3.2), as in the URLs of databases and of Redis.

use std::net::Ipv6Addr;

use percent_encoding::percent_decode_str;

/// What is wrong with an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityError {
    /// No host, or one that is neither a name nor an address.
    Host,
    /// A port that is not a number from 1 to 65535.
    Port,
}

/// Host and port of `host[:port]`; an IPv6 address is in brackets, and returned without them.
///
/// # Errors
/// Fails with [`AuthorityError`].
pub fn host_and_port(text: &str) -> Result<(String, Option<u16>), AuthorityError> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(AuthorityError::Host)?;
            host.parse::<Ipv6Addr>().map_err(|_| AuthorityError::Host)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(AuthorityError::Host),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_host) {
        return Err(AuthorityError::Host);
    }
    let port = match port.map(str::parse) {
        None => None,
        Some(Ok(0) | Err(_)) => return Err(AuthorityError::Port),
        Some(Ok(port)) => Some(port),
    };
    Ok((host.to_owned(), port))
}

/// `%XX` as the character it stands for; anything else as it is.
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
