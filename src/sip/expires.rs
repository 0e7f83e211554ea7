//! The expiry that a request asks for.

/// The expiry in seconds that a request asks for: the longest of its contacts. A contact's expiry
/// is its `expires` parameter, or else the Expires header (RFC 3261 section 10.2.1.1). `None` if a
/// contact has neither, or if there is neither a contact nor the header. A value that is not a
/// number counts as absent; one over 2^32-1 counts as that.
///
/// `contacts` are the values of all Contact headers, `expires` is that of the Expires header.
pub fn requested_expires<'a>(
    contacts: impl IntoIterator<Item = &'a [u8]>,
    expires: Option<&[u8]>,
) -> Option<u32> {
    let header = expires.and_then(delta_seconds);
    let contacts = contacts.into_iter().flat_map(contacts_of);
    let asked = contacts.map(|parameters| contact_expires(&parameters).or(header));
    asked
        .reduce(|one, other| Some(one?.max(other?)))
        .unwrap_or(header)
}

fn contact_expires(parameters: &[&[u8]]) -> Option<u32> {
    parameters.iter().find_map(|parameter| {
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

/// The parameters of each contact in a value: the semicolon-separated parts after the address, up
/// to a comma. Those of the URI are inside its angle brackets; without brackets, all belong to the
/// header (RFC 3261 section 20).
fn contacts_of(value: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut contacts = Vec::new();
    let mut parameters = Vec::new();
    let (mut quoted, mut escaped, mut bracketed) = (false, false, false);
    let mut start = None;
    for (at, byte) in value.iter().enumerate() {
        if quoted {
            quoted = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'<' => bracketed = true,
            b'>' => bracketed = false,
            b';' | b',' if !bracketed => {
                parameters.extend(start.and_then(|start| value.get(start..at)));
                start = (*byte == b';').then_some(at + 1);
                if *byte == b',' {
                    contacts.push(std::mem::take(&mut parameters));
                }
            }
            _ => {}
        }
    }
    parameters.extend(start.and_then(|start| value.get(start..)));
    contacts.push(parameters);
    contacts
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

    /// The result for these values of Contact, and this one of Expires.
    fn expires(contacts: &[&str], header: &str) -> Option<u32> {
        let header = Some(header.as_bytes()).filter(|header| !header.is_empty());
        requested_expires(contacts.iter().map(|value| value.as_bytes()), header)
    }

    #[test]
    fn the_contact_goes_before_the_header() {
        assert_eq!(expires(&[], "60"), Some(60));
        assert_eq!(expires(&["<sip:u@h>;q=1;Expires=30"], "60"), Some(30));
        assert_eq!(expires(&["<sip:u@h>;expires = \"30\" ;x"], ""), Some(30));
        assert_eq!(expires(&["sip:u@h;expires=30"], ""), Some(30));
        assert_eq!(expires(&["<sip:u@h>;expires=0"], "60"), Some(0));
        assert_eq!(expires(&["*"], "0"), Some(0));
        let most = Some(u32::MAX);
        assert_eq!(expires(&["<sip:u@h>;expires=99999999999"], ""), most);
    }

    #[test]
    fn what_only_looks_like_an_expiry_is_none() {
        assert_eq!(expires(&["<sip:u@h;expires=30>"], "60"), Some(60));
        let name = r#""a;expires=1\";expires=2" <sip:u@h>"#;
        assert_eq!(expires(&[name], ""), None);
        assert_eq!(expires(&["<sip:u@h>;expires=soon"], "60"), Some(60));
        assert_eq!(expires(&["<sip:u@h>;xexpires=30"], ""), None);
        assert_eq!(expires(&[], "-1"), None);
        assert_eq!(expires(&[], " "), None);
        assert_eq!(expires(&[], ""), None);
    }

    #[test]
    fn of_several_contacts_the_longest_counts() {
        let (gone, week) = ("<sip:a@h>;expires=0", "<sip:b@h>;expires=604800");
        assert_eq!(expires(&[&format!("{gone}, {week}")], ""), Some(604_800));
        assert_eq!(expires(&[&format!("{week} ,{gone}")], ""), Some(604_800));
        assert_eq!(expires(&[gone, week], "60"), Some(604_800));
        assert_eq!(expires(&[gone, "<sip:b@h>"], "60"), Some(60));
        assert_eq!(expires(&[gone, "<sip:b@h>"], ""), None);
        assert_eq!(expires(&["<sip:u@h>, <sip:v@h>;expires=30"], ""), None);
        assert_eq!(expires(&[gone, gone], ""), Some(0));
        let comma = "\"a, b\" <sip:u,v@h>;x=\"1,2\";expires=5";
        assert_eq!(expires(&[comma], ""), Some(5));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(contact: Vec<u8>, header: Vec<u8>) {
            _ = requested_expires([contact.as_slice()], Some(&header));
        }
    }
}
