//! What a REGISTER asks for its contacts (RFC 3261 section 10.2).

use super::head::is_token;

/// The longest URI of a contact, in bytes: a registrar keeps it, and writes it into replies.
const MAX_URI: usize = 500;

/// Within how many seconds of the end of 32 bits a sum is taken to reach it: clocks of registrar and
/// module are read at different times.
const CLOSE: i64 = 600;

/// A contact as a parser of Contact found it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Contact {
    /// The URI; `None` if it can't be read.
    pub uri: Option<Vec<u8>>,
    /// The parameter `expires`.
    pub expires: Option<Vec<u8>>,
    /// The parameter `q`.
    pub q: Option<Vec<u8>>,
    /// The parameter `methods`, without quotes.
    pub methods: Option<Vec<u8>>,
    /// The parameter `received`, which only a registrar sets.
    pub received: Option<Vec<u8>>,
}

/// What is asked of a registrar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// The current contacts: there is no Contact.
    Query,
    /// That all contacts go: `*` for `Expires: 0`.
    RemoveAll,
    /// That one contact stays, or that all that are named go.
    Contact {
        /// The URI that is to stay, or the first of those that are to go.
        uri: Vec<u8>,
        /// For how long, in seconds; `None` if the request does not say, 0 if it is to go.
        expires: Option<u32>,
        /// How many contacts are to go, and how often the one that is to stay is repeated.
        leaving: usize,
    },
}

/// Why contacts are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// Not 0 to 2^32-1, or so much that a registrar would take it for the past; or more contacts than
    /// are read.
    #[error("Invalid expires")]
    Expires,
    /// More than one is to stay, or one for different times.
    #[error("More than one contact")]
    Several,
    /// `*` is only for removing (RFC 3261 section 10.2.2).
    #[error("Contact: * is for Expires: 0")]
    Star,
    /// A URI, `q`, `methods` or `received` that a registrar can't or must not save.
    #[error("Invalid contact")]
    Invalid,
}

/// What a request asks. `contacts` are those that its Contact headers list, without `*`; `is_star` is
/// whether there is one such header, and it is `*`; `header` is Expires; `now` is UNIX time in
/// seconds. At most one contact may be to stay; it may be there several times, for the same time. The
/// time of one is its parameter, or else Expires.
///
/// # Errors
/// Fails with [`ContactError`].
pub fn asked(
    contacts: &[Contact],
    is_star: bool,
    header: Option<&[u8]>,
    now: u64,
) -> Result<Asked, ContactError> {
    let header = header.map(<[u8]>::trim_ascii);
    let by_header = delta_seconds(header, now)?;
    if is_star {
        return match by_header {
            Some(0) => Ok(Asked::RemoveAll),
            _ => Err(ContactError::Star),
        };
    }
    let Some(first) = contacts.first() else {
        return Ok(Asked::Query);
    };
    let mut named = (first, by_header);
    let (mut staying, mut leaving) = (None, 0);
    let mut is_several = false;
    for (number, contact) in contacts.iter().enumerate() {
        let own = contact.expires.as_deref().filter(|text| !text.is_empty());
        let seconds = match own {
            Some(own) => delta_seconds(Some(own), now)?,
            None => by_header,
        };
        if seconds != Some(0) || number == 0 {
            named = (contact, seconds);
        }
        let this = (contact.uri.as_deref(), seconds);
        match staying {
            _ if seconds == Some(0) => leaving += 1,
            None => staying = Some(this),
            Some(one) if one == this => leaving += 1,
            Some(_) => is_several = true,
        }
    }
    if is_several {
        return Err(ContactError::Several);
    }
    if !contacts.iter().all(is_valid) {
        return Err(ContactError::Invalid);
    }
    let (contact, expires) = named;
    Ok(Asked::Contact {
        uri: contact.uri.clone().unwrap_or_default(),
        expires,
        leaving,
    })
}

/// Seconds (RFC 3261 section 20.19). What is 2^31 or more counts as 2^31-1. OpenSIPS's usrloc adds the
/// time to it in 32 bits: where that gives about zero, it would remove the contact at once or keep it
/// for ever.
fn delta_seconds(text: Option<&[u8]>, now: u64) -> Result<Option<u32>, ContactError> {
    let Some(text) = text else {
        return Ok(None);
    };
    if text.is_empty() || text.len() > 10 || !text.iter().all(u8::is_ascii_digit) {
        return Err(ContactError::Expires);
    }
    let number = text
        .iter()
        .fold(0, |sum: u64, digit| sum * 10 + u64::from(digit - b'0'));
    let seconds = u32::try_from(number).map_err(|_| ContactError::Expires)?;
    if i32::try_from(seconds).is_ok() {
        return Ok(Some(seconds));
    }
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let end = (i64::from(seconds) - (1 << 32)).saturating_add(now);
    match (-CLOSE..=CLOSE).contains(&end) {
        true => Err(ContactError::Expires),
        false => Ok(Some(i32::MAX.unsigned_abs())),
    }
}

fn is_valid(contact: &Contact) -> bool {
    let is = |text: &Option<Vec<u8>>, valid: fn(&[u8]) -> bool| text.as_deref().is_none_or(valid);
    contact.uri.as_deref().is_some_and(is_contact_uri)
        && contact.received.is_none()
        && is(&contact.q, is_qvalue)
        && is(&contact.methods, is_methods)
}

/// Whether this is a SIP or SIPS URI of at most 500 bytes that RFC 3261 section 25.1 allows, with valid
/// escapes: one that can be written into a header, in brackets.
pub fn is_contact_uri(uri: &[u8]) -> bool {
    let starts = |scheme: &[u8]| {
        let start = uri.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme)) && uri.len() > scheme.len()
    };
    let allowed =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"]_.!~*'()%&=+$,;?/:@|^`{}#[-".contains(byte);
    let is_escape = |(at, byte): (usize, &u8)| {
        let digits = uri.get(at + 1..at + 3);
        *byte != b'%' || digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    uri.len() <= MAX_URI
        && (starts(b"sip:") || starts(b"sips:"))
        && uri.iter().all(allowed)
        && uri.iter().enumerate().all(is_escape)
}

/// RFC 3261 section 25.1; also without the zero before the dot.
fn is_qvalue(text: &[u8]) -> bool {
    let Some(dot) = text.iter().position(|byte| *byte == b'.') else {
        return text == b"0" || text == b"1";
    };
    let (whole, rest) = text.split_at(dot);
    let digits = rest.get(1..).unwrap_or_default();
    let is_of =
        |allowed: fn(&u8) -> bool| (1..=3).contains(&digits.len()) && digits.iter().all(allowed);
    match whole {
        b"" | b"0" => is_of(u8::is_ascii_digit),
        b"1" => is_of(|byte| *byte == b'0'),
        _ => false,
    }
}

/// RFC 3840 section 9: names of methods, which are tokens, separated by commas. An empty list is none.
fn is_methods(text: &[u8]) -> bool {
    let blank = |byte: &u8| *byte == b' ';
    let mut names = text.split(|byte| *byte == b',').map(|name| {
        let start = name.iter().position(|byte| !blank(byte));
        let end = name.iter().rposition(|byte| !blank(byte));
        start
            .zip(end)
            .and_then(|(start, end)| name.get(start..=end))
    });
    text.iter().all(blank) || names.all(|name| name.is_some_and(is_token))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn contact(uri: &str, expires: &str) -> Contact {
        let text = |text: &str| Some(text.as_bytes().to_vec()).filter(|text| !text.is_empty());
        Contact {
            uri: text(uri),
            expires: text(expires),
            ..Contact::default()
        }
    }

    fn ask(contacts: &[(&str, &str)], header: Option<&str>) -> Result<Asked, ContactError> {
        let contacts: Vec<_> = contacts.iter().map(|(u, e)| contact(u, e)).collect();
        asked(&contacts, false, header.map(str::as_bytes), NOW)
    }

    fn one(uri: &str, expires: Option<u32>, leaving: usize) -> Result<Asked, ContactError> {
        Ok(Asked::Contact {
            uri: uri.as_bytes().to_vec(),
            expires,
            leaving,
        })
    }

    #[test]
    fn one_contact_stays_or_all_go() {
        let (a, b) = ("sip:a@h", "sip:b@h");
        assert_eq!(ask(&[], None), Ok(Asked::Query));
        assert_eq!(ask(&[], Some("0")), Ok(Asked::Query));
        assert_eq!(ask(&[(a, "")], None), one(a, None, 0));
        assert_eq!(ask(&[(a, "")], Some(" 60 ")), one(a, Some(60), 0));
        assert_eq!(ask(&[(a, "30")], Some("60")), one(a, Some(30), 0));
        assert_eq!(ask(&[(a, "0"), (b, "30")], None), one(b, Some(30), 1));
        assert_eq!(ask(&[(b, ""), (a, "0")], None), one(b, None, 1));
        assert_eq!(ask(&[(a, "0"), (b, "0")], Some("9")), one(a, Some(0), 2));
        assert_eq!(ask(&[(a, ""), (b, "")], None), Err(ContactError::Several));
        // One that is there twice is one, if both agree.
        assert_eq!(ask(&[(a, ""), (a, "")], None), one(a, None, 1));
        assert_eq!(ask(&[(a, "30"), (a, "030")], None), one(a, Some(30), 1));
        assert_eq!(ask(&[(a, ""), (a, "60")], Some("60")), one(a, Some(60), 1));
        assert_eq!(
            ask(&[(a, "0"), (b, "9"), (a, "0"), (b, "9"), (b, "9")], None),
            one(b, Some(9), 4)
        );
        for two in [
            [(a, "30"), (a, "60")],
            [(a, ""), (a, "60")],
            [(a, ""), ("sip:A@h", "")],
        ] {
            assert_eq!(ask(&two, None), Err(ContactError::Several), "{two:?}");
        }
        // That there are several is said before what is wrong with one.
        assert_eq!(ask(&[("x", ""), (b, "")], None), Err(ContactError::Several));
        assert_eq!(
            ask(&[("x", ""), (b, "0")], None),
            Err(ContactError::Invalid)
        );
        assert_eq!(ask(&[("", "")], None), Err(ContactError::Invalid));
    }

    #[test]
    fn a_star_is_for_no_seconds() {
        let star = |header: Option<&str>| asked(&[], true, header.map(str::as_bytes), NOW);
        assert_eq!(star(Some("0")), Ok(Asked::RemoveAll));
        assert_eq!(star(Some("000")), Ok(Asked::RemoveAll));
        assert_eq!(star(Some("1")), Err(ContactError::Star));
        assert_eq!(star(None), Err(ContactError::Star));
        assert_eq!(star(Some("soon")), Err(ContactError::Expires));
    }

    #[test]
    fn seconds_fit_what_a_registrar_counts_in() {
        let of = |text: &str| delta_seconds(Some(text.as_bytes()), NOW);
        assert_eq!(delta_seconds(None, NOW), Ok(None));
        assert_eq!(of("0000000001"), Ok(Some(1)));
        assert_eq!(of("2147483647"), Ok(Some(2_147_483_647)));
        assert_eq!(of("2147483648"), Ok(Some(2_147_483_647)));
        assert_eq!(of("4294967295"), Ok(Some(2_147_483_647)));
        let zero = (1_u64 << 32) - NOW;
        for near in [zero - CLOSE as u64, zero, zero + CLOSE as u64] {
            assert_eq!(of(&near.to_string()), Err(ContactError::Expires), "{near}");
        }
        for far in [zero - CLOSE as u64 - 1, zero + CLOSE as u64 + 1] {
            assert_eq!(of(&far.to_string()), Ok(Some(2_147_483_647)), "{far}");
        }
        for bad in [
            "",
            "-1",
            "+1",
            "1.0",
            "1 ",
            "4294967296",
            "00000000001",
            "x",
            "1\0",
        ] {
            assert_eq!(of(bad), Err(ContactError::Expires), "{bad:?}");
        }
    }

    #[test]
    fn what_a_registrar_saves_is_valid() {
        for uri in [
            "sip:h",
            "SIPS:a%20b@[::1]:5061;transport=tls?x=y",
            "sip:a|b@h",
        ] {
            assert!(is_contact_uri(uri.as_bytes()), "{uri}");
        }
        let long = format!("sip:{}", "a".repeat(MAX_URI - 4));
        assert!(is_contact_uri(long.as_bytes()));
        assert!(!is_contact_uri(format!("{long}a").as_bytes()));
        for uri in [
            "",
            "sip:",
            "sips:",
            "tel:1",
            "*",
            "sip:a b",
            "sip:a%2@h",
            "sip:a%",
            "sip:a%g0@h",
            "sip:a\"b@h",
            "sip:<h>",
            "sip:a\\b@h",
            "sip:a\r\nb",
            "sip:a\0",
            "sip:\u{e4}@h",
        ] {
            assert!(!is_contact_uri(uri.as_bytes()), "{uri:?}");
        }
        for q in ["0", "1", "0.5", ".5", "1.000", "0.999"] {
            assert!(is_qvalue(q.as_bytes()), "{q}");
        }
        for q in [
            "", "2", "1.1", "0.", "0.1234", "00.1", "-0.1", "0.5 ", "1.0000",
        ] {
            assert!(!is_qvalue(q.as_bytes()), "{q:?}");
        }
        for methods in [
            "",
            "  ",
            "INVITE",
            " INVITE , bye,ACK ",
            "INVITE, X-FOO",
            "1!%*_+`'~.",
        ] {
            assert!(is_methods(methods.as_bytes()), "{methods:?}");
        }
        for methods in [
            ",",
            "INVITE,",
            "INVITE BYE",
            "INVITE;",
            "INVITE, X/FOO",
            "IN\0VITE",
            "\tINVITE",
        ] {
            assert!(!is_methods(methods.as_bytes()), "{methods:?}");
        }
        let set = |change: fn(&mut Contact)| {
            let mut contact = contact("sip:a@h", "");
            change(&mut contact);
            is_valid(&contact)
        };
        assert!(set(|c| c.q = Some(b"0.5".to_vec())));
        assert!(!set(|c| c.q = Some(b"5".to_vec())));
        assert!(!set(|c| c.methods = Some(b"/".to_vec())));
        assert!(!set(|c| c.received = Some(b"sip:x".to_vec())));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(uri: Vec<u8>, expires: Vec<u8>, q: Vec<u8>, header: Vec<u8>, now: u64) {
            let contact = Contact {
                uri: Some(uri),
                expires: Some(expires),
                methods: Some(q.clone()),
                q: Some(q),
                received: None,
            };
            _ = asked(&[contact], false, Some(&header), now);
        }
    }
}
