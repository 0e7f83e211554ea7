//! Addresses of record.

use std::fmt;

use percent_encoding::percent_decode;

/// Whom a request is about: a user of a domain (RFC 3261 section 10.2).
///
/// The user is stored unescaped, and compared byte by byte: by RFC 3261 section 19.1.4 an escaped
/// character is equivalent to the one that it stands for, and case matters. The domain is in lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressOfRecord {
    user: Vec<u8>,
    domain: String,
}

/// `user@domain`, for logs, with problematic characters escaped.
impl fmt::Display for AddressOfRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let domain = self.domain.escape_debug();
        write!(f, "{}@{domain}", self.user.escape_ascii())
    }
}

/// Whom a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// This address of record, which has to be proven.
    Named(AddressOfRecord),
    /// The user of this domain, in lower case, whom the credentials prove: the request names
    /// nobody.
    Proven(String),
}

/// For logs, where a message goes on.
impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Party::Named(aor) => aor.fmt(f),
            Party::Proven(domain) => write!(f, "a user of {}", domain.escape_debug()),
        }
    }
}

impl Party {
    /// The domain in lower case.
    pub fn domain(&self) -> &str {
        match self {
            Party::Named(aor) => aor.domain(),
            Party::Proven(domain) => domain,
        }
    }
}

impl AddressOfRecord {
    /// The user that `name` stands for, with or without `domain`; a percent sign in it stands for
    /// itself. `None` if there is none.
    pub fn of_name(name: &[u8], domain: &str) -> Option<Self> {
        let user = match split(name) {
            Some((user, of)) if of.eq_ignore_ascii_case(domain.as_bytes()) => user,
            _ => name,
        };
        (!user.is_empty()).then(|| AddressOfRecord {
            user: user.to_vec(),
            domain: domain.to_ascii_lowercase(),
        })
    }

    /// From the parts of a SIP URI. `user` is as received, with its escapes.
    pub fn new(user: &[u8], domain: &str) -> Self {
        AddressOfRecord {
            user: percent_decode(user).collect(),
            domain: domain.to_ascii_lowercase(),
        }
    }

    /// Parses `user@domain`, with or without a `sip:` or `sips:` prefix. `None` if a part is
    /// missing.
    pub fn parse(text: &str) -> Option<Self> {
        let scheme = ["sip:", "sips:"].into_iter().find(|scheme| {
            let start = text.get(..scheme.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let text = text.get(scheme.map_or(0, str::len)..)?;
        let (user, domain) = text.rsplit_once('@')?;
        let parts = !user.is_empty() && !domain.is_empty();
        parts.then(|| AddressOfRecord::new(user.as_bytes(), domain))
    }

    /// The user, unescaped.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The domain in lower case.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// `user@domain`.
    pub fn whole(&self) -> Vec<u8> {
        [&self.user, b"@".as_slice(), self.domain.as_bytes()].concat()
    }

    /// Whether `name` is the user, or the whole address, of this domain.
    ///
    /// A name is not a URI: a percent sign in it stands for itself.
    pub fn is_named(&self, name: &[u8]) -> bool {
        !self.user.is_empty() && (name == self.user || self.is_whole(name))
    }

    /// Whether `name` is the whole address.
    pub fn is_whole(&self, name: &[u8]) -> bool {
        split(name).is_some_and(|(user, domain)| {
            !user.is_empty()
                && user == self.user
                && domain.eq_ignore_ascii_case(self.domain.as_bytes())
        })
    }

    /// Whether this is an address of one of `domains`, and `name` is the whole address or, without
    /// a domain, its user.
    pub fn is_of(&self, name: &[u8], domains: &[String]) -> bool {
        let domain = &self.domain;
        let ours = domains
            .iter()
            .any(|known| known.eq_ignore_ascii_case(domain));
        let named = match split(name) {
            Some(_) => self.is_whole(name),
            None => !name.is_empty() && name == self.user,
        };
        ours && named
    }
}

/// The longest user as it is received, with its escapes, the longest one without, and the longest domain, in
/// bytes.
const MAX_ESCAPED_USER: usize = 192;
const MAX_USER: usize = 64;
const MAX_DOMAIN: usize = 190;

/// Why an address of record can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AorError {
    /// The domain of an address of record is a name.
    #[error("Realm is an IP address")]
    Address,
    /// A user or a domain that can't be written everywhere as it is, or none.
    #[error("Invalid address of record")]
    Invalid,
}

/// The address of record of a user, as received with its escapes, and a domain, if both can be used as they
/// are in SQL, in keys, in headers, and in a URI: the domain is a DNS name, the user as in RFC 3261 section
/// 25.1, and unescaped still of the same bytes, so that nothing takes it for another escape.
///
/// # Errors
/// Fails with [`AorError`].
pub fn usable(user: &[u8], domain: &[u8]) -> Result<AddressOfRecord, AorError> {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let parts = domain.split(|byte| *byte == b'.');
    if domain.starts_with(b"[") || (parts.clone().count() == 4 && parts.clone().all(is_number)) {
        return Err(AorError::Address);
    }
    let is_domain = domain.len() <= MAX_DOMAIN
        && domain.first().is_some_and(u8::is_ascii_alphanumeric)
        && domain
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte));
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.!~*'()&=+$,;?/#-".contains(byte);
    let is_escape = |(at, byte): (usize, &u8)| {
        let digits = user.get(at + 1..at + 3);
        *byte != b'%' || digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let is_user = (1..=MAX_ESCAPED_USER).contains(&user.len())
        && user.iter().all(|byte| is_plain(byte) || *byte == b'%')
        && user.iter().enumerate().all(is_escape);
    let domain = str::from_utf8(domain).ok().filter(|_| is_domain && is_user);
    let aor = domain.map(|domain| AddressOfRecord::new(user, domain));
    aor.filter(|aor| aor.user.len() <= MAX_USER && aor.user.iter().all(is_plain))
        .ok_or(AorError::Invalid)
}

/// User and domain of a name that has both.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = name.iter().rposition(|byte| *byte == b'@')?;
    let (user, domain) = name.split_at(at);
    Some((user, domain.get(1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aor(user: &str, domain: &str) -> AddressOfRecord {
        AddressOfRecord::new(user.as_bytes(), domain)
    }

    #[test]
    fn a_name_is_compared_byte_by_byte_after_unescaping_the_uri() {
        let alice = aor("%61lice", "A.Example");
        assert!(alice.is_named(b"alice") && alice.is_named(b"alice@a.EXAMPLE"));
        for other in [
            "Alice",
            "ALICE@a.example",
            "%61lice",
            "alice@",
            "alice@b.example",
            "alice@evil@a.example",
            "alice\0",
            "alic",
            "",
            "@a.example",
        ] {
            assert!(!alice.is_named(other.as_bytes()), "{other:?}");
        }
        // The account with that strange name, and no other.
        assert!(aor("%2561lice", "a.example").is_named(b"%61lice"));
        assert!(aor("alice%40evil.example", "a.example").is_named(b"alice@evil.example"));
        assert!(!aor("alice", "a.example").is_named(b"alice@evil.example"));
        assert!(!aor("", "a.example").is_named(b""));
        assert!(!aor("", "a.example").is_named(b"@a.example"));
    }

    #[test]
    fn a_bare_name_is_of_the_domains_that_are_named() {
        let domains = ["a.example".to_owned(), "B.example".to_owned()];
        assert!(aor("al", "b.example").is_of(b"al", &domains));
        assert!(aor("al", "b.example").is_of(b"al@B.example", &domains));
        // The domain in a name does not admit it to another domain.
        assert!(!aor("al", "c.example").is_of(b"al@C.example", &domains));
        assert!(!aor("al", "c.example").is_of(b"al", &domains));
        assert!(!aor("al", "a.example").is_of(b"al@b.example", &domains));
        assert!(!aor("al", "a.example").is_of(b"al", &[]));
        assert!(!aor("al%40b.example", "a.example").is_of(b"al@b.example", &domains));
        assert!(!aor("", "a.example").is_of(b"", &domains));
    }

    #[test]
    fn a_name_that_was_proven_is_of_the_domain_that_was_asked() {
        let of = |name: &str| AddressOfRecord::of_name(name.as_bytes(), "A.example");
        assert_eq!(of("john"), Some(aor("john", "a.example")));
        assert_eq!(of("john@A.EXAMPLE"), Some(aor("john", "a.example")));
        // A name that looks like somebody else's is a name here.
        assert_eq!(of("john@b.example").unwrap().user(), b"john@b.example");
        assert_eq!(of("%6aohn").unwrap().user(), b"%6aohn");
        assert_eq!(of("a@a.example@a.example").unwrap().user(), b"a@a.example");
        assert_eq!((of(""), of("@a.example")), (None, None));
    }

    #[test]
    fn what_is_usable_can_be_written_everywhere() {
        let of = |user: &str, domain: &str| usable(user.as_bytes(), domain.as_bytes());
        assert_eq!(of("%61l.1*+", "A.Example"), Ok(aor("al.1*+", "a.example")));
        assert!(of(&"a".repeat(64), &"d".repeat(190)).is_ok());
        assert!(of(&"%61".repeat(64), "localhost").is_ok());
        for domain in ["192.0.2.1", "999.1.2.3", "[::1]", "[x"] {
            assert_eq!(of("al", domain), Err(AorError::Address), "{domain}");
        }
        for domain in [
            "", ".a", "-a", "a_b", "a b", "::1", "a\0", "<null>", "a\u{e4}", "a\r\n",
        ] {
            assert_eq!(of("al", domain), Err(AorError::Invalid), "{domain:?}");
        }
        assert_eq!(of("al", &"d".repeat(191)), Err(AorError::Invalid));
        for user in [
            "", "a b", "a@b", "a%", "a%4", "a%zz", "%00", "%0d%0a", "%20", "%40", "%25", "%2541",
            "a\"", "a\\", "a:b", "<null>", "\u{e4}", "%e4", "a\0",
        ] {
            assert_eq!(of(user, "a.example"), Err(AorError::Invalid), "{user:?}");
        }
        for user in ["a".repeat(65), "%61".repeat(65)] {
            assert_eq!(of(&user, "a.example"), Err(AorError::Invalid));
        }
    }

    #[test]
    fn an_address_is_read_with_or_without_its_scheme() {
        let expected = Some(aor("18005550100*102", "a.example"));
        for text in [
            "18005550100*102@a.example",
            "sip:18005550100*102@a.example",
            "SIPS:18005550100%2A102@A.example",
        ] {
            assert_eq!(AddressOfRecord::parse(text), expected, "{text}");
        }
        for text in ["", "alice", "sip:alice", "@a.example", "alice@", "sip:@a"] {
            assert_eq!(AddressOfRecord::parse(text), None, "{text}");
        }
        assert_eq!(aor("a\r\n", "x\n").to_string(), "a\\r\\n@x\\n");
        assert_eq!(aor("a", "X").whole(), b"a@x");
    }
}
