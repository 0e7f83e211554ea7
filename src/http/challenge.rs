//! What an endpoint requires with status 401 (RFC 9110 section 11.6.1).

use crate::digest::Lexer;

/// The realm of the first Basic challenge (RFC 7617 section 2) in the values of WWW-Authenticate,
/// each of which may contain several challenges.
pub(super) fn basic_realm<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    values.find_map(realm_in)
}

fn realm_in(value: &[u8]) -> Option<String> {
    let mut lexer = Lexer::new(value);
    let mut is_basic = false;
    loop {
        // Commas separate both parameters and challenges; a name without an equals sign is the
        // scheme of the next challenge.
        while lexer.separator(b',') {}
        let mut name = lexer.token();
        if name.is_empty() {
            return None;
        }
        if !lexer.separator(b'=') {
            is_basic = name.eq_ignore_ascii_case(b"Basic");
            name = lexer.token();
            if name.is_empty() || !lexer.separator(b'=') {
                continue;
            }
        }
        let value = lexer.value().ok()?;
        if is_basic && name.eq_ignore_ascii_case(b"realm") {
            return String::from_utf8(value).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn realm(values: &[&str]) -> Option<String> {
        basic_realm(values.iter().map(|value| value.as_bytes()))
    }

    #[test]
    fn the_realm_of_basic_is_found_among_other_challenges() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(realm(&["Basic realm=\"a b\""]), some("a b"));
        assert_eq!(
            realm(&["bAsIc charset=\"UTF-8\", REALM = \"x, y\""]),
            some("x, y")
        );
        assert_eq!(
            realm(&["Digest realm=\"d\", nonce=\"n\", Basic realm=\"b\""]),
            some("b")
        );
        assert_eq!(realm(&["Bearer", "Negotiate , Basic realm=b"]), some("b"));
        assert_eq!(realm(&["Digest realm=\"Basic realm=x\""]), None);
        assert_eq!(realm(&["Basic", "Basic charset=\"UTF-8\""]), None);
        assert_eq!(realm(&["Basic realm=\"open"]), None);
        assert_eq!(realm(&[]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            _ = realm(&[&text]);
            _ = realm(&[&format!("Basic {text}")]);
        }
    }
}
