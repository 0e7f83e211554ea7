//! The Basic scheme (RFC 7617).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A user and a password for the Basic scheme (RFC 7617).
#[derive(Clone, PartialEq, Eq)]
pub struct Basic {
    /// The user.
    pub username: String,
    /// The password; overwritten on drop.
    pub password: Zeroizing<String>,
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl Basic {
    /// Whether it can be sent: RFC 7617 section 2 allows neither a colon in the user nor control
    /// characters.
    pub fn is_sendable(&self) -> bool {
        let texts = [self.username.as_str(), &self.password];
        !self.username.contains(':') && !texts.iter().any(|text| text.contains(char::is_control))
    }

    /// The value of the Authorization header.
    pub(super) fn header(&self) -> Zeroizing<String> {
        let pair = Zeroizing::new(format!("{}:{}", self.username, *self.password));
        let encoded = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
        Zeroizing::new(format!("Basic {}", *encoded))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_that_of_the_rfc() {
        // The example of RFC 7617 section 2.
        let basic = Basic {
            username: "Aladdin".to_owned(),
            password: Zeroizing::new("open sesame".to_owned()),
        };
        let header = basic.header();
        assert_eq!(*header, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
