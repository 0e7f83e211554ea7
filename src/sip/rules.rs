//! What a script may demand of the head of a message before it acts on it or relays it.

use super::head::Header;

/// Headers that every message has exactly once (RFC 3261 section 8.1.1), with their compact forms.
const MANDATORY: [(&str, &str); 4] = [
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("CSeq", "CSeq"),
];

/// One demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The method is in capitals.
    Method,
    /// What every message has is there.
    Mandatory,
    /// Max-Forwards is a number of hops.
    MaxForwards,
    /// Lines end with CR LF.
    LineEnds,
    /// The Request-URI can be read.
    RequestUri,
    /// From has a tag.
    FromTag,
    /// X-JWT is alone.
    XJwt,
    /// There is one contact.
    Contact,
    /// The URIs of request line, From and To can be read.
    Uris,
}

impl Rule {
    /// The rule of this name.
    pub fn named(name: &[u8]) -> Option<Self> {
        match name {
            b"method" => Some(Rule::Method),
            b"mandatory" => Some(Rule::Mandatory),
            b"max_forwards" => Some(Rule::MaxForwards),
            b"crlf" => Some(Rule::LineEnds),
            b"request_uri" => Some(Rule::RequestUri),
            b"from_tag" => Some(Rule::FromTag),
            b"x_jwt" => Some(Rule::XJwt),
            b"contact" => Some(Rule::Contact),
            b"uris" => Some(Rule::Uris),
            _ => None,
        }
    }
}

/// The rule that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Methods are case-sensitive (RFC 3261 section 7.1), but not in a script: none has small letters.
    #[error("Unknown method")]
    Method,
    /// A header is missing.
    #[error("From, To, Call-ID and CSeq must occur exactly once")]
    Mandatory,
    /// RFC 3261 section 20.22.
    #[error("Max-Forwards is from 0 to 255")]
    MaxForwards,
    /// A line that ends with LF alone is a line of its own to some, and part of the next to others.
    #[error("Lines of the head must end with CR LF")]
    LineEnds,
    /// The core can't read it, or finds no host in it, which only a number (RFC 3966) lacks.
    #[error("Invalid Request-URI")]
    RequestUri,
    /// The core can't read the URI of From, or there is none.
    #[error("Invalid From")]
    FromUri,
    /// The core can't read the URI of To, or there is none.
    #[error("Invalid To")]
    ToUri,
    /// RFC 3261 section 8.1.1.3.
    #[error("From has no tag")]
    FromTag,
    /// Whose a request is with X-JWT and other credentials, or another X-JWT, can't be told.
    #[error("X-JWT is not the only Authorization")]
    XJwt,
    /// RFC 3261 section 8.1.1.8: requests that begin a dialog have exactly one.
    #[error("A call has one contact")]
    Contact,
}

/// Fails for a method with small letters.
pub fn check_method(method: &[u8]) -> Result<(), RuleError> {
    match method.iter().any(u8::is_ascii_lowercase) {
        true => Err(RuleError::Method),
        false => Ok(()),
    }
}

/// Fails unless each header that every message has occurs once.
pub fn check_mandatory(headers: &[Header]) -> Result<(), RuleError> {
    let is = |name: &[u8], known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let occurs_once = |(long, short): &(&str, &str)| {
        let named = headers.iter();
        let named = named.filter(|(name, _)| is(name, long) || is(name, short));
        named.count() == 1
    };
    match MANDATORY.iter().all(occurs_once) {
        true => Ok(()),
        false => Err(RuleError::Mandatory),
    }
}

/// Fails for a Max-Forwards that is not a number up to 255, with at most two leading zeros.
/// OpenSIPS's module maxfwd takes some of them for an error of its own.
pub fn check_max_forwards(headers: &[Header]) -> Result<(), RuleError> {
    let mut values = headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"Max-Forwards"));
    let is_hops = |value: &[u8]| {
        let number = str::from_utf8(value)
            .ok()
            .and_then(|text| text.parse::<u8>().ok());
        let most = match number {
            Some(100..) => 5,
            Some(_) => 4,
            None => 0,
        };
        (1..=most).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
    };
    match values.all(|(_, value)| is_hops(value)) {
        true => Ok(()),
        false => Err(RuleError::MaxForwards),
    }
}

/// Fails for an X-JWT beside another one, or beside other credentials.
pub fn check_x_jwt(headers: &[Header]) -> Result<(), RuleError> {
    let number = |names: &[&str]| {
        let is_one = |name: &[u8]| {
            let mut names = names.iter();
            names.any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        };
        headers.iter().filter(|(name, _)| is_one(name)).count()
    };
    match number(&["X-JWT"]) {
        0 => Ok(()),
        1 if number(&["Authorization", "Proxy-Authorization"]) == 0 => Ok(()),
        _ => Err(RuleError::XJwt),
    }
}

/// Fails unless a Request-URI could be read. One of scheme `tel` has no host, but a number, its user.
pub fn check_request_uri(uri: &[u8], user: bool, host: bool) -> Result<(), RuleError> {
    let scheme = uri.get(..4).unwrap_or_default();
    match host || (user && scheme.eq_ignore_ascii_case(b"tel:")) {
        true => Ok(()),
        false => Err(RuleError::RequestUri),
    }
}

/// Fails for a head with an LF that does not follow a CR. Empty lines in front count as nothing (RFC 3261
/// section 7.5).
pub fn check_line_ends(message: &[u8]) -> Result<(), RuleError> {
    let mut rest = message;
    let mut lines = 0;
    while let Some(end) = rest.iter().position(|byte| b"\r\n".contains(byte)) {
        let (line, after) = rest.split_at(end);
        rest = after.strip_prefix(b"\r\n").ok_or(RuleError::LineEnds)?;
        match line.is_empty() {
            true if lines > 0 => return Ok(()),
            true => {}
            false => lines += 1,
        }
    }
    Err(RuleError::LineEnds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[(&str, &str)]) -> Vec<Header> {
        let of =
            |(name, value): &(&str, &str)| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
        lines.iter().map(of).collect()
    }

    #[test]
    fn methods_are_in_capitals() {
        assert_eq!(check_method(b"REGISTER"), Ok(()));
        for method in [b"register".as_slice(), b"REGISTEr", b"Invite"] {
            assert_eq!(check_method(method), Err(RuleError::Method));
        }
    }

    #[test]
    fn what_every_message_has_occurs_once() {
        let all = [
            ("From", "a"),
            ("t", "b"),
            ("CALL-ID", "c"),
            ("CSeq", "1 A"),
            ("Via", ""),
        ];
        assert_eq!(check_mandatory(&headers(&all)), Ok(()));
        for missing in 0..4 {
            let mut some = all.to_vec();
            some.remove(missing);
            assert_eq!(check_mandatory(&headers(&some)), Err(RuleError::Mandatory));
            let twice = [all.as_slice(), &all[missing..=missing]].concat();
            assert_eq!(check_mandatory(&headers(&twice)), Err(RuleError::Mandatory));
        }
    }

    #[test]
    fn max_forwards_is_a_number_of_hops() {
        let check = |value: &str| check_max_forwards(&headers(&[("max-forwards", value)]));
        assert_eq!(check_max_forwards(&headers(&[("Via", "x")])), Ok(()));
        for value in ["0", "70", "255", "00255", "0007"] {
            assert_eq!(check(value), Ok(()), "{value}");
        }
        for value in [
            "", "256", "-1", "+1", "7 0", "x", "000255", "00007", "1.0", "99999",
        ] {
            assert_eq!(check(value), Err(RuleError::MaxForwards), "{value}");
        }
    }

    #[test]
    fn an_x_jwt_is_alone() {
        let check = |lines: &[(&str, &str)]| check_x_jwt(&headers(lines));
        let [jwt, one, other] = [
            ("x-jwt", "a"),
            ("Authorization", "b"),
            ("proxy-authorization", "c"),
        ];
        for lines in [&[][..], &[jwt], &[one], &[one, other, one]] {
            assert_eq!(check(lines), Ok(()), "{lines:?}");
        }
        for lines in [[jwt, jwt], [jwt, one], [other, jwt]] {
            assert_eq!(check(&lines), Err(RuleError::XJwt), "{lines:?}");
        }
    }

    #[test]
    fn a_request_uri_has_a_host_or_a_number() {
        assert_eq!(check_request_uri(b"sip:a", false, true), Ok(()));
        assert_eq!(check_request_uri(b"TEL:1", true, false), Ok(()));
        for (uri, user) in [("tel:", false), ("sip:a@", true), ("", false), ("t", true)] {
            let outcome = check_request_uri(uri.as_bytes(), user, false);
            assert_eq!(outcome, Err(RuleError::RequestUri), "{uri}");
        }
    }

    #[test]
    fn lines_end_with_cr_lf() {
        for message in [
            b"R s SIP/2.0\r\nTo: a\r\n b\r\n\r\nbody\n\n".as_slice(),
            b"\r\n\r\nR s SIP/2.0\r\n\r\n",
        ] {
            assert_eq!(check_line_ends(message), Ok(()), "{message:?}");
        }
        for message in [
            b"".as_slice(),
            b"R s SIP/2.0\r\nTo: a\r\n",
            b"R s SIP/2.0\nTo: a\r\n\r\n",
            b"R s SIP/2.0\r\nTo: a\n\r\n",
            b"R s SIP/2.0\r\nTo: a\r\n\n",
            b"R s SIP/2.0\r\nTo: a\rb\r\n\r\n",
            b"\r\n\r\n",
            b"\nR s SIP/2.0\r\n\r\n",
        ] {
            assert_eq!(
                check_line_ends(message),
                Err(RuleError::LineEnds),
                "{message:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(message: Vec<u8>, value: Vec<u8>) {
            _ = check_line_ends(&message);
            _ = check_max_forwards(&[(b"Max-Forwards".to_vec(), value)]);
        }
    }
}
