//! When two URIs are the same (RFC 3261 section 19.1.4).

use super::route::HostPort;

/// Parameters that make a difference even where only one URI has them. RFC 3261 shows that `transport` is
/// one of them, without listing it.
const SIGNIFICANT: [&str; 5] = ["maddr", "method", "transport", "ttl", "user"];

/// Names and values of parameters, or of headers.
type Pairs = Vec<(String, Vec<u8>)>;

/// Whether two SIP URIs are equivalent. One that could be read in two ways is so only to itself.
pub fn is_same_uri(one: &str, other: &str) -> bool {
    one == other
        || Parts::of(one)
            .is_some_and(|one| Parts::of(other).is_some_and(|other| one.is_same(&other)))
}

/// What is compared of a URI.
struct Parts<'a> {
    scheme: &'a str,
    /// As [`plain`] gives it; `None` if there is none.
    user: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    place: HostPort<'a>,
    /// Sorted, and each only once.
    parameters: Pairs,
    /// Sorted.
    headers: Pairs,
}

impl<'a> Parts<'a> {
    fn of(uri: &'a str) -> Option<Self> {
        let place = HostPort::of(uri.as_bytes())?;
        let (scheme, rest) = uri.split_once(':')?;
        let (user, rest) = match rest.split_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let (user, password) = match user.and_then(|user| user.split_once(':')) {
            Some((user, password)) => (Some(user), Some(password)),
            None => (user, None),
        };
        let (rest, headers) = rest.split_once('?').unwrap_or((rest, ""));
        let (_, parameters) = rest.split_once(';').unwrap_or((rest, ""));
        let parameters = pairs(parameters, ';', |value| value.to_ascii_lowercase());
        let is_twice = parameters
            .windows(2)
            .any(|two| matches!(two, [one, other] if one.0 == other.0));
        (!is_twice).then(|| Parts {
            scheme,
            user: user.map(plain),
            password: password.map(plain),
            place: HostPort {
                has_maddr: false,
                ..place
            },
            parameters,
            headers: pairs(headers, '&', |value| value),
        })
    }

    fn is_same(&self, other: &Parts<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && (&self.user, &self.password) == (&other.user, &other.password)
            && self.place.leads_to(&other.place)
            && self.headers == other.headers
            && self.has_no_other(other)
            && other.has_no_other(self)
    }

    /// Whether no parameter makes this another URI.
    fn has_no_other(&self, other: &Parts<'_>) -> bool {
        self.parameters.iter().all(|(name, value)| {
            let mut others = other.parameters.iter();
            match others.find(|(known, _)| known == name) {
                Some((_, theirs)) => theirs == value,
                None => !SIGNIFICANT.contains(&name.as_str()),
            }
        })
    }
}

/// A text in the one form of all that are equivalent. A reserved character (RFC 3261 section 25.1) is not
/// equivalent to its escape, and stays escaped, as does the percent sign itself.
fn plain(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (byte, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                rest = &after[2..];
                let value = u8::try_from(16 * high + low).unwrap_or_default();
                match b";/?:@&=+$,%".contains(&value) {
                    true => plain.extend(format!("%{value:02X}").bytes()),
                    false => plain.push(value),
                }
            }
            _ => plain.push(byte),
        }
    }
    plain
}

/// Names in lower case and values, as [`plain`] gives them, sorted.
fn pairs(list: &str, separator: char, value: impl Fn(Vec<u8>) -> Vec<u8>) -> Pairs {
    let parts = list.split(separator).filter(|part| !part.is_empty());
    let mut pairs: Pairs = parts
        .map(|part| {
            let (name, text) = part.split_once('=').unwrap_or((part, ""));
            let name = String::from_utf8_lossy(&plain(name)).to_ascii_lowercase();
            (name, value(plain(text)))
        })
        .collect();
    pairs.sort();
    pairs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equivalent_uris_are_the_same() {
        for (one, other) in [
            // Of RFC 3261.
            (
                "sip:%61lice@atlanta.com;transport=TCP",
                "sip:alice@AtLanTa.CoM;Transport=tcp",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;newparam=5",
            ),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            // As devices write them.
            ("SIP:a@H:5062;ob", "sip:a@h:5062"),
            ("sip:a@[2001:DB8::7]", "sip:a@[2001:db8:0:0::7]"),
            ("sip:a:b%3a@h", "sip:a:b%3A@h"),
        ] {
            assert!(is_same_uri(one, other), "{one} {other}");
            assert!(is_same_uri(other, one), "{other} {one}");
        }
    }

    #[test]
    fn others_are_not() {
        for (one, other) in [
            // Of RFC 3261.
            (
                "SIP:ALICE@AtLanTa.CoM;Transport=udp",
                "sip:alice@AtLanTa.CoM;Transport=UDP",
            ),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            (
                "sip:bob@biloxi.com",
                "sip:bob@biloxi.com:6000;transport=tcp",
            ),
            (
                "sip:carol@chicago.com",
                "sip:carol@chicago.com?Subject=next%20meeting",
            ),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            (
                "sip:carol@chicago.com;security=on",
                "sip:carol@chicago.com;security=off",
            ),
            ("sip:a@h", "sips:a@h"),
            ("sip:a@h", "sip:h"),
            ("sip:a@h", "sip:a:@h"),
            ("sip:a@h", "sip:a@h;maddr=h"),
            ("sip:a@h;user=phone", "sip:a@h"),
            ("sip:a@h;x=1;x=2", "sip:a@h;x=1"),
            ("sip:a@h", "tel:1"),
            ("sip:a@b@h", "sip:a@b@H"),
            ("sip:a%3ab@h", "sip:a:b@h"),
            ("sip:a%3Bx@h", "sip:a;x@h"),
            ("sip:x%2B1@h", "sip:x+1@h"),
            ("sip:a%253B@h", "sip:a%3B@h"),
        ] {
            assert!(!is_same_uri(one, other), "{one} {other}");
            assert!(!is_same_uri(other, one), "{other} {one}");
        }
    }

    proptest! {
        #[test]
        fn any_texts_are_compared(one: String, other: String) {
            let (one, other) = (format!("sip:{one}"), format!("sip:{other}"));
            prop_assert_eq!(is_same_uri(&one, &other), is_same_uri(&other, &one));
            prop_assert!(is_same_uri(&one, &one.clone()));
        }
    }
}
