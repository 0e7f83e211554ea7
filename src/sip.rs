//! What is read out of a SIP request's own text (RFC 3261 section 7.3).

/// The header fields of a request or response, name and value as they came, in their order. A
/// folded value becomes one line (RFC 3261 section 7.3.1). `message` may have a body, which is
/// not looked at. Lines that are no headers are skipped.
pub fn headers(message: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut lines = message.split(|byte| *byte == b'\n');
    // The request or status line.
    _ = lines.next();
    for line in lines {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some((_, value)) = found.last_mut() {
                value.push(b' ');
                value.extend_from_slice(line.trim_ascii());
            }
            continue;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let (name, value) = (name.trim_ascii(), value.get(1..).unwrap_or_default());
        if !name.is_empty() {
            found.push((name.to_vec(), value.trim_ascii().to_vec()));
        }
    }
    found
}

/// The values of the header `name`, whose compact form is `compact` (empty: it has none).
pub fn values<'a>(
    headers: &'a [(Vec<u8>, Vec<u8>)],
    name: &str,
    compact: &str,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |(known, _)| {
            known.eq_ignore_ascii_case(name.as_bytes())
                || (!compact.is_empty() && known.eq_ignore_ascii_case(compact.as_bytes()))
        })
        .map(|(_, value)| value.as_slice())
}

/// The expiry in seconds that a request asks for: the `expires` parameter of its first contact,
/// else its Expires header (RFC 3261 section 10.2.1.1), else nothing. A value that is no number
/// counts as absent; one over 2^32-1 is that.
pub fn requested_expires(headers: &[(Vec<u8>, Vec<u8>)]) -> Option<u32> {
    let contact = values(headers, "Contact", "m")
        .next()
        .and_then(contact_expires);
    contact.or_else(|| {
        values(headers, "Expires", "")
            .next()
            .and_then(delta_seconds)
    })
}

fn contact_expires(contact: &[u8]) -> Option<u32> {
    let mut parameters = contact_parameters(contact).into_iter();
    parameters.find_map(|parameter| {
        let equals = parameter.iter().position(|byte| *byte == b'=')?;
        let (name, value) = parameter.split_at(equals);
        let ours = name.trim_ascii().eq_ignore_ascii_case(b"expires");
        if ours {
            value.get(1..).and_then(delta_seconds)
        } else {
            None
        }
    })
}

/// The parameters of the first contact: what is separated by semicolons after the address, up to
/// a comma. Those of the URI are inside of its angle brackets; without brackets, all are the
/// header's (RFC 3261 section 20).
fn contact_parameters(contact: &[u8]) -> Vec<&[u8]> {
    let mut parameters = Vec::new();
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let mut start = None;
    let mut end = contact.len();
    for (at, byte) in contact.iter().enumerate() {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            b';' if !bracketed => {
                parameters.extend(start.and_then(|start| contact.get(start..at)));
                start = Some(at + 1);
            }
            b',' if !bracketed => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    parameters.extend(start.and_then(|start| contact.get(start..end)));
    parameters
}

fn delta_seconds(value: &[u8]) -> Option<u32> {
    let value = value.trim_ascii();
    let quoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let digits = quoted.unwrap_or(value);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |seconds: u32, digit| {
        seconds
            .saturating_mul(10)
            .saturating_add(u32::from(digit - b'0'))
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn expires(head: &str) -> Option<u32> {
        requested_expires(&headers(
            format!("REGISTER sip:r SIP/2.0\r\n{head}\r\n\r\n").as_bytes(),
        ))
    }

    #[test]
    fn headers_are_taken_apart_and_folded_lines_joined() {
        let message = b"REGISTER sip:r SIP/2.0\r\nVia: a\r\nv:b\r\nSubject : x\r\n  y\r\n\tz\r\n\
            nonsense\r\nEmpty:\r\n\r\nBody: no\r\n";
        let text = |text: &str| text.as_bytes().to_vec();
        let expected = [
            ("Via", "a"),
            ("v", "b"),
            ("Subject", "x y z"),
            ("Empty", ""),
        ]
        .map(|(name, value)| (text(name), text(value)));
        let found = headers(message);
        assert_eq!(found, expected);
        assert_eq!(values(&found, "VIA", "v").collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(headers(b""), []);
        assert_eq!(headers(b"REGISTER sip:r SIP/2.0"), []);
    }

    #[test]
    fn the_contact_goes_before_the_header() {
        assert_eq!(expires("Expires: 60"), Some(60));
        assert_eq!(
            expires("Expires: 60\r\nContact: <sip:u@h>;q=1;Expires=30"),
            Some(30)
        );
        assert_eq!(expires("m: <sip:u@h>;expires = \"30\" ;x"), Some(30));
        assert_eq!(expires("Contact: sip:u@h;expires=30"), Some(30));
        assert_eq!(
            expires("Contact: <sip:u@h>;expires=0\r\nExpires: 60"),
            Some(0)
        );
        assert_eq!(expires("Contact: *\r\nExpires: 0"), Some(0));
        assert_eq!(
            expires("Contact: <sip:u@h>;expires=99999999999"),
            Some(u32::MAX)
        );
    }

    #[test]
    fn what_only_looks_like_an_expiry_is_none() {
        assert_eq!(
            expires("Contact: <sip:u@h;expires=30>\r\nExpires: 60"),
            Some(60)
        );
        assert_eq!(
            expires("Contact: \"a;expires=1\\\";expires=2\" <sip:u@h>"),
            None
        );
        assert_eq!(expires("Contact: <sip:u@h>, <sip:v@h>;expires=30"), None);
        assert_eq!(
            expires("Contact: <sip:u@h>;expires=soon\r\nExpires: 60"),
            Some(60)
        );
        assert_eq!(expires("Contact: <sip:u@h>;xexpires=30"), None);
        assert_eq!(expires("Expires: -1"), None);
        assert_eq!(expires("Expires: "), None);
        assert_eq!(expires("X: 1"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(message: Vec<u8>) {
            let found = headers(&message);
            _ = requested_expires(&found);
            _ = contact_expires(&message);
        }
    }
}
