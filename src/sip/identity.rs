//! Callers without a name.

/// Whether an address is that of a caller who does not want to be named: `anonymous` of any domain, as
/// in RFC 3323 section 4.1.1.3, and whatever is under the top-level domain `invalid` (RFC 2606 section
/// 2).
pub fn is_nobodys(user: &[u8], domain: &[u8]) -> bool {
    user.eq_ignore_ascii_case(b"anonymous") || is_invalid(domain)
}

fn is_invalid(domain: &[u8]) -> bool {
    let label = domain.rsplit(|byte| *byte == b'.').next();
    label.is_some_and(|label| label.eq_ignore_ascii_case(b"invalid")) && domain.contains(&b'.')
}

/// Whether a host is an address rather than a name: of IPv6 with or without brackets, and four numbers
/// of any size, which are not a name either.
pub fn is_ip_address(host: &[u8]) -> bool {
    let parts = host.split(|byte| *byte == b'.');
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    host.starts_with(b"[")
        || host.contains(&b':')
        || (parts.clone().count() == 4 && parts.clone().all(is_number))
}

/// User and domain of a P-Preferred-Identity (RFC 3325 section 9.2) with one SIP URI. `None` for
/// any other, and for one that could be read in two ways: a list, a display name with more than
/// letters, digits and blanks unless quoted, a URI with a password or an escape in its user.
pub fn identity(value: &[u8]) -> Option<[Vec<u8>; 2]> {
    let text = str::from_utf8(value).ok()?.trim_ascii();
    let uri = match text.split_once('<') {
        None => text,
        Some((name, rest)) => {
            let name = name.trim_ascii_end();
            let quoted = name
                .strip_prefix('"')
                .and_then(|name| name.strip_suffix('"'));
            let is_word = |c: char| c == ' ' || c.is_ascii_alphanumeric() || "-._".contains(c);
            let is_name = match quoted {
                Some(text) => !text.contains(['"', '\\', '<', '>']),
                None => name.chars().all(is_word),
            };
            rest.strip_suffix('>').filter(|_| is_name)?
        }
    };
    let (scheme, rest) = uri.split_once(':')?;
    let (user, rest) = rest.split_once('@')?;
    let is_sip = ["sip", "sips"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let end = rest.find([':', ';']).unwrap_or(rest.len());
    let (host, rest) = rest.split_at_checked(end)?;
    let is_of = |text: &str, more: &[u8]| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        !text.is_empty() && text.bytes().all(allowed)
    };
    let is_clear = is_of(user, b"-_.!~*'()&=+$#")
        && is_of(host, b"-.")
        && (rest.is_empty() || is_of(rest, b"-_.!~*'()+$:;=%"));
    (is_sip && is_clear).then(|| [user, host].map(|part| part.as_bytes().to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_anonymous_or_lives_in_a_domain_that_is_invalid() {
        let is_nobodys = |user: &str, domain: &str| is_nobodys(user.as_bytes(), domain.as_bytes());
        assert!(is_nobodys("anonymous", "a.example") && is_nobodys("Anonymous", "a.example"));
        assert!(!is_nobodys("anonymous1", "a.example") && !is_nobodys("", "a.example"));
        for domain in ["anonymous.invalid", "Anonymous.INVALID", "unknown.invalid"] {
            assert!(is_nobodys("john", domain), "{domain}");
        }
        for domain in [
            "",
            "invalid",
            "a.example",
            "anonymous.invalid.example",
            "xinvalid",
        ] {
            assert!(!is_nobodys("john", domain), "{domain}");
        }
    }

    #[test]
    fn an_address_is_no_name() {
        for host in [
            "192.0.2.7",
            "999.0.2.07",
            "[2001:db8::7]",
            "2001:DB8:0:0:0:0:0:7",
            "::1",
        ] {
            assert!(is_ip_address(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            "a.example",
            "192.0.2",
            "192.0.2.7.example",
            "1.2..3",
            "192.0.2.7a",
        ] {
            assert!(!is_ip_address(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn an_identity_is_one_uri() {
        let read = |value: &str| {
            let parts = identity(value.as_bytes())?;
            let [user, domain] = parts.map(|part| String::from_utf8(part).unwrap());
            Some(format!("{user} {domain}"))
        };
        for value in [
            "<sip:john@a.example>",
            "sip:john@a.example",
            "\"John, D.\" <sip:john@a.example>",
            "John <SIPS:john@a.example:5061;transport=tls;user=phone>",
            "  <sip:john@a.example>\t",
        ] {
            assert_eq!(read(value).as_deref(), Some("john a.example"), "{value}");
        }
        for value in [
            "",
            "<tel:+15550100>",
            "<sip:a.example>",
            "<sip:@a.example>",
            "<sip:john@>",
            "<sip:john@a.example>, <tel:+15550100>",
            "<sip:john@a.example>, <sip:mary@a.example>",
            "sip:john@a.example, sip:mary@a.example",
            "\"<sip:mary@a.example>\" <sip:john@a.example>",
            "\"\\\" <sip:mary@a.example>\" <sip:john@a.example>",
            "<sip:mary@a.example> <sip:john@a.example>",
            "<sip:john:secret@a.example>",
            "<sip:john@a.example@b.example>",
            "<sip:j%6fhn@a.example>",
            "<sip:john@a.example?Route=x>",
            "<sip:john@[::1]>",
            "<sip:john@a.example",
            "<sip:john@a.ex\u{e4}mple>",
        ] {
            assert_eq!(read(value), None, "{value}");
        }
        assert_eq!(identity(b"<sip:john\0@a.example>"), None);
    }
}
