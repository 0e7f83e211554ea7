//! Whatever a SIP client sends as credentials: as the value of a header, and as the lines of a
//! head.
//!
//! Next to the module's parser there are two others here, as simple as possible: that of OpenSIPS,
//! written from its known behaviour, and that of a next hop that reads line by line. Whatever the
//! module accepts, all must read alike. tests/parsers.rs checks the same against the real parser,
//! more slowly, and on machines that have OpenSIPS.
#![no_main]

use std::collections::HashMap;

use auth_web::fuzzing::{Authorizations, Credentials, Digest, Freshness, choose, head};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    one_value(data);
    let mut message = b"REGISTER sip:r SIP/2.0\r\n".to_vec();
    message.extend(data);
    message.extend(b"\r\n\r\n");
    one_head(&message);
    // Several headers, without the fuzzer having to learn their names.
    let values = data.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
    let (proxy_authorization, authorization) =
        values.partition(|value: &Vec<u8>| value.first() == Some(&b'\t'));
    choice(Authorizations {
        authorization,
        proxy_authorization,
    });
});

fn one_value(value: &[u8]) {
    match Credentials::parse(value) {
        Ok(Credentials::Digest(digest)) => {
            assert_eq!(
                Credentials::username_of(value),
                Ok(Some(digest.username.clone()))
            );
            assert!(digest.username.iter().chain(&digest.realm).all(is_harmless));
            let core = core(value).expect("the core reads what we read");
            if let Some(name) = core.get(&b"username"[..]) {
                assert_eq!(*name, digest.username);
            }
            let parts = Credentials::Digest(digest);
            for name in [
                "realm", "nonce", "uri", "response", "qop", "nc", "cnonce", "opaque",
            ] {
                let theirs = core.get(name.as_bytes()).copied();
                // Only our parser removes escapes, where they are allowed.
                let escaped = name != "realm" && theirs.is_some_and(|text| text.contains(&b'\\'));
                let ours = parts.part(name).filter(|text| !text.is_empty());
                assert!(escaped || ours == theirs, "{name}");
            }
        }
        Ok(Credentials::Bearer(bearer)) => {
            assert!(bearer.token.bytes().all(|byte| byte.is_ascii_graphic()));
            assert_eq!(core(value), None);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = Credentials::username_of(value);
}

fn one_head(message: &[u8]) {
    let Ok(headers) = head(message) else { return };
    assert_eq!(plain(&headers), lines(message));
    let of = |name: &str| {
        let is = |known: &&(Vec<u8>, Vec<u8>)| known.0.eq_ignore_ascii_case(name.as_bytes());
        let found = headers.iter().filter(is);
        found.map(|(_, value)| value.clone()).collect()
    };
    choice(Authorizations {
        authorization: of("Authorization"),
        proxy_authorization: of("Proxy-Authorization"),
    });
}

/// The chosen user must be the only one that the core names, whichever header it looks at.
fn choice(values: Authorizations) {
    let all = values
        .authorization
        .iter()
        .chain(&values.proxy_authorization);
    let named: Vec<Vec<u8>> = all.filter_map(|value| core_username(value)).collect();
    let looked_at = values.proxy_authorization.first();
    let looked_at = looked_at.or(values.authorization.first());
    let of_core = looked_at.and_then(|value| core_username(value));
    let freshness = |digest: &Digest| match digest.nonce.first() {
        Some(b'o') => Freshness::Stale,
        _ => Freshness::NotOurs,
    };
    let Ok(Some(chosen)) = choose(&values, "a.example", freshness, || of_core) else {
        return;
    };
    let user = chosen.credentials.part("username");
    assert!(named.iter().all(|name| Some(name.as_slice()) == user));
}

fn core_username(value: &[u8]) -> Option<Vec<u8>> {
    Some(core(value)?.get(&b"username"[..])?.to_vec())
}

/// What OpenSIPS's parser reads from a Digest header: the value of each parameter, by its name in
/// lower case. A string ends at the next quote, whatever precedes it. What follows a value is
/// skipped up to the next comma. The last of duplicates counts; an empty one counts as absent.
fn core(value: &[u8]) -> Option<HashMap<Vec<u8>, &[u8]>> {
    let value = after_blanks(value);
    let (scheme, rest) = value.split_at_checked(6)?;
    let (separator, rest) = rest.split_first()?;
    if !scheme.eq_ignore_ascii_case(b"digest") || !(is_blank(separator) || *separator == b',') {
        return None;
    }
    let mut rest = after_blanks(rest);
    let mut found = HashMap::new();
    loop {
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let name = rest[..equals].to_ascii_lowercase();
        let blanks = name.iter().rev().take_while(|byte| is_blank(byte)).count();
        let name = name[..name.len() - blanks].to_vec();
        rest = after_blanks(&rest[equals + 1..]);
        let quoted = rest.first()? == &b'"';
        let from = &rest[usize::from(quoted)..];
        let length = match quoted {
            true => from.iter().position(|byte| *byte == b'"')?,
            false => {
                let end = from.iter().position(|byte| is_blank(byte) || *byte == b',');
                end.unwrap_or(from.len())
            }
        };
        if length == 0 && !quoted {
            return None;
        }
        found.insert(name, &from[..length]);
        rest = &from[length + usize::from(quoted)..];
        let Some(comma) = rest.iter().position(|byte| *byte == b',') else {
            found.retain(|_, value| !value.is_empty());
            return Some(found);
        };
        rest = after_blanks(&rest[comma + 1..]);
    }
}

/// The headers read line by line, in the form of [`plain`].
fn lines(message: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let text: Vec<u8> = message
        .iter()
        .copied()
        .filter(|byte| *byte != b'\r')
        .collect();
    let mut headers: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in text.split(|byte| *byte == b'\n').skip(1) {
        match line {
            [] => break,
            [b' ' | b'\t', ..] => {
                let (_, value) = headers.last_mut().expect("something to continue");
                value.push(b' ');
                value.extend(line);
            }
            _ => {
                let mut parts = line.splitn(2, |byte| *byte == b':');
                let (name, value) = (parts.next(), parts.next());
                let name = name.expect("a name").trim_ascii_end();
                headers.push((name.to_vec(), value.expect("a value").to_vec()));
            }
        }
    }
    plain(&headers)
}

/// With all white space in a value replaced by one space.
fn plain(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let words = |value: &[u8]| {
        let words = value.split(u8::is_ascii_whitespace);
        let words: Vec<&[u8]> = words.filter(|word| !word.is_empty()).collect();
        words.join(&b' ')
    };
    let of = headers.iter();
    of.map(|(name, value)| (name.clone(), words(value)))
        .collect()
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|byte| !is_blank(byte));
    &text[begin.unwrap_or(text.len())..]
}

fn is_blank(byte: &u8) -> bool {
    b" \t\r\n".contains(byte)
}

fn is_harmless(byte: &u8) -> bool {
    !b"\0\r\n".contains(byte)
}
