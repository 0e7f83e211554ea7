//! Contacts, addresses of record and routes, as a SIP client sends them: one in each line.
#![no_main]

use auth_web::fuzzing::{
    AddressOfRecord, Asked, Contact, HostPort, Rule, asked, check_line_ends, check_mandatory,
    check_max_forwards, check_x_jwt, entries, head, identity, is_contact_uri, is_ip_address,
    is_same_uri, of_route_set, requested_expires, route_set, unsupported, usable,
};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_700_000_000;

fuzz_target!(|data: &[u8]| {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        address(line);
        route(line);
        let alone = [*line];
        assert_eq!(
            requested_expires(alone, None),
            requested_expires(alone, Some(b"nothing"))
        );
        if let Some([user, domain]) = identity(line) {
            // Whoever is named could be read in one way only.
            assert!(!user.contains(&b'%') && !user.contains(&b':') && !user.contains(&b'@'));
            assert!(domain.iter().all(|byte| byte.is_ascii_graphic()));
        }
    }
    if let [one, other, ..] = &lines[..]
        && let (Ok(one), Ok(other)) = (str::from_utf8(one), str::from_utf8(other))
    {
        assert!(is_same_uri(one, one));
        assert_eq!(is_same_uri(one, other), is_same_uri(other, one));
        // Which of two users is meant is never in doubt.
        if is_same_uri(one, other) && one != other {
            let hosts = [one, other].map(|uri| HostPort::of(uri.as_bytes()));
            if let [Some(one), Some(other)] = hosts {
                assert!(
                    one.host.eq_ignore_ascii_case(other.host),
                    "{one:?} {other:?}"
                );
            }
        }
    }
    contacts(&lines);
    let mut message = b"REGISTER sip:r SIP/2.0\r\n".to_vec();
    message.extend(data);
    message.extend(b"\r\n\r\n");
    _ = check_line_ends(&message);
    if let Ok(headers) = head(&message) {
        _ = (
            check_mandatory(&headers),
            check_max_forwards(&headers),
            check_x_jwt(&headers),
        );
        if let Ok(Some(tags)) = unsupported(&headers, b"Require", b"timer") {
            assert!(tags.split(|byte| *byte == b',').count() <= 8);
            assert!(
                tags.iter()
                    .all(|byte| byte.is_ascii_graphic() || *byte == b' ')
            );
        }
    }
    _ = Rule::named(data);
});

/// A line is the name of a parameter's value, its first byte says which.
fn contacts(lines: &[&[u8]]) {
    let mut contacts: Vec<Contact> = Vec::new();
    let (mut is_star, mut header) = (false, None);
    for line in lines {
        let (first, rest) = line
            .split_first()
            .map_or((b' ', *line), |(b, rest)| (*b, rest));
        let last = contacts.last_mut();
        let value = Some(rest.to_vec());
        match (first, last) {
            (b'*', _) => is_star = true,
            (b'h', _) => header = Some(rest),
            (b'e', Some(last)) => last.expires = value,
            (b'q', Some(last)) => last.q = value,
            (b'm', Some(last)) => last.methods = value,
            (b'r', Some(last)) => last.received = value,
            (b'0', _) => contacts.push(Contact::default()),
            _ => contacts.push(Contact {
                uri: Some(line.to_vec()),
                ..Contact::default()
            }),
        }
    }
    let Ok(asked) = asked(&contacts, is_star, header, NOW) else {
        return;
    };
    if let Asked::Contact {
        uri,
        expires,
        leaving,
    } = asked
    {
        // What a registrar keeps and writes into replies.
        assert!(is_contact_uri(&uri));
        assert!(!uri.iter().any(|byte| b"<>\" \r\n\0\\".contains(byte)));
        assert!(leaving <= contacts.len());
        assert!(expires.is_none_or(|seconds| i32::try_from(seconds).is_ok()));
        assert!(contacts.iter().all(|contact| contact.received.is_none()));
    }
}

fn address(line: &[u8]) {
    if let Ok(text) = str::from_utf8(line)
        && let Some(aor) = AddressOfRecord::parse(text)
    {
        assert!(!aor.to_string().contains(char::is_control));
        assert!(!aor.user().is_empty() && aor.is_whole(&aor.whole()));
        assert!(aor.is_named(aor.user()) || aor.user().contains(&b'@'));
    }
    let at = line
        .iter()
        .position(|byte| *byte == b'@')
        .unwrap_or(line.len());
    let (user, domain) = (&line[..at], line.get(at + 1..).unwrap_or_default());
    if let Ok(aor) = usable(user, domain) {
        assert!(!is_ip_address(domain));
        // It is the same wherever it is written, escapes and all.
        let whole = String::from_utf8(aor.whole()).expect("ASCII");
        assert_eq!(AddressOfRecord::parse(&whole), Some(aor.clone()));
        assert_eq!(usable(aor.user(), aor.domain().as_bytes()), Ok(aor.clone()));
        assert!(!whole.contains(['"', '\\', '<', '>', ' ', '%']));
        assert!(!aor.user().contains(&b'@') && !aor.user().contains(&b':'));
    }
}

fn route(line: &[u8]) {
    if let Some(host) = HostPort::of(line) {
        assert!(!host.host.is_empty() && host.leads_to(&host) | host.has_maddr);
        assert!(host.host.bytes().all(|byte| byte.is_ascii_graphic()));
    }
    if let Some(found) = entries(line) {
        let text = route_set(found.iter().copied());
        // An empty one is written as what is no URI.
        assert_eq!(of_route_set(&text), Some(found));
    }
}
