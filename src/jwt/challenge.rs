//! Challenges of the Bearer scheme for SIP (RFC 8898 section 4).

use thiserror::Error;

/// The codes that a challenge may carry as its `error` (RFC 6750 section 3.1, RFC 8898 section 4).
pub const ERRORS: [&str; 4] = [
    "invalid_request",
    "invalid_token",
    "insufficient_scope",
    "invalid_scope",
];

/// The longest realm in bytes; a domain name has 253 at most.
pub const MAX_REALM: usize = 256;

/// The longest URI of an authorization server, in bytes.
pub const MAX_AUTHZ_SERVER: usize = 255;

/// The longest list of scopes, in bytes: with all else, a challenge has to fit into a datagram.
pub const MAX_SCOPE: usize = 512;

/// Why no challenge can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ChallengeError {
    /// RFC 3261 section 22.1: a realm tells a user which credentials to give.
    #[error("the realm is empty")]
    EmptyRealm,
    /// Line breaks and the like would let a value escape from its place in the header field.
    #[error("the {0} has a control character")]
    ControlCharacter(&'static str),
    /// More than [`MAX_REALM`], [`MAX_AUTHZ_SERVER`] or [`MAX_SCOPE`].
    #[error("the {0} is longer than {1} bytes")]
    TooLong(&'static str, usize),
    /// RFC 8898 section 4: the authorization server is given by an https URI.
    #[error("the authorization server is not an https URI")]
    AuthorizationServer,
    /// RFC 6749 section 3.3.
    #[error("the scope has a character that is not allowed in a scope")]
    Scope,
    /// Not one of [`ERRORS`].
    #[error("unknown error code, allowed are {}", ERRORS.join(", "))]
    ErrorCode,
}

/// What a challenge says. Empty members are left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The protection domain.
    pub realm: &'a str,
    /// The https URI of the authorization server that issues tokens.
    pub authz_server: &'a str,
    /// The required scopes, separated by single spaces.
    pub scope: &'a str,
    /// What was wrong with the token received, one of [`ERRORS`].
    pub error: &'a str,
    /// The same in words (RFC 6750 section 3), for whoever reads the client's log.
    pub description: &'a str,
}

impl Challenge<'_> {
    /// The value of a `WWW-Authenticate` or `Proxy-Authenticate` header field.
    ///
    /// # Errors
    /// Fails for the reasons in [`ChallengeError`]: whatever the input, the value stays a single
    /// line of this grammar.
    pub fn header_value(&self) -> Result<String, ChallengeError> {
        if self.realm.is_empty() {
            return Err(ChallengeError::EmptyRealm);
        }
        for (name, text, most) in [
            ("realm", self.realm, MAX_REALM),
            ("authz_server", self.authz_server, MAX_AUTHZ_SERVER),
            ("scope", self.scope, MAX_SCOPE),
        ] {
            if text.len() > most {
                return Err(ChallengeError::TooLong(name, most));
            }
        }
        let mut value = String::from("Bearer ");
        parameter(&mut value, "realm", self.realm)?;
        if !self.authz_server.is_empty() {
            if !is_https_uri(self.authz_server) {
                return Err(ChallengeError::AuthorizationServer);
            }
            value.push_str(", ");
            parameter(&mut value, "authz_server", self.authz_server)?;
        }
        if !self.scope.is_empty() {
            if !is_scope(self.scope) {
                return Err(ChallengeError::Scope);
            }
            value.push_str(", ");
            parameter(&mut value, "scope", self.scope)?;
        }
        if !self.error.is_empty() {
            if !ERRORS.contains(&self.error) {
                return Err(ChallengeError::ErrorCode);
            }
            value.push_str(", ");
            parameter(&mut value, "error", self.error)?;
        }
        if !self.description.is_empty() {
            value.push_str(", ");
            parameter(&mut value, "error_description", self.description)?;
        }
        Ok(value)
    }
}

/// Appends `name="value"`, the value as a quoted-string (RFC 3261 section 25.1).
fn parameter(out: &mut String, name: &'static str, value: &str) -> Result<(), ChallengeError> {
    if value.chars().any(char::is_control) {
        return Err(ChallengeError::ControlCharacter(name));
    }
    out.push_str(name);
    out.push_str("=\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    Ok(())
}

/// Whether a text is the URI of an authorization server: `https`, an authority, and after them the characters
/// of RFC 3986.
pub fn is_https_uri(uri: &str) -> bool {
    const SCHEME: &str = "https://";
    let Some((scheme, rest)) = uri.split_at_checked(SCHEME.len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(SCHEME)
        && rest
            .bytes()
            .next()
            .is_some_and(|first| !b"/?#".contains(&first))
        && rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte))
}

/// `scope = scope-token *( SP scope-token )` (RFC 6749 section 3.3).
fn is_scope(scope: &str) -> bool {
    scope.split(' ').all(|token| {
        !token.is_empty()
            && token
                .bytes()
                .all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FULL: Challenge<'_> = Challenge {
        realm: "example.com",
        authz_server: "https://as.example.com/token?x=1",
        scope: "sip voice:call",
        error: "invalid_token",
        description: "",
    };

    #[test]
    fn all_parameters_stand_in_their_order() {
        assert_eq!(
            FULL.header_value().unwrap(),
            "Bearer realm=\"example.com\", authz_server=\"https://as.example.com/token?x=1\", \
             scope=\"sip voice:call\", error=\"invalid_token\""
        );
        let realm_alone = Challenge {
            realm: "example.com",
            ..Challenge::default()
        };
        assert_eq!(
            realm_alone.header_value().unwrap(),
            "Bearer realm=\"example.com\""
        );
        let with_error = Challenge {
            error: "insufficient_scope",
            ..realm_alone
        };
        assert_eq!(
            with_error.header_value().unwrap(),
            "Bearer realm=\"example.com\", error=\"insufficient_scope\""
        );
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let long = "a".repeat(1000);
        let server = format!("https://{long}");
        for (challenge, name) in [
            (
                Challenge {
                    realm: &long,
                    ..FULL
                },
                "realm",
            ),
            (
                Challenge {
                    authz_server: &server,
                    ..FULL
                },
                "authz_server",
            ),
            (
                Challenge {
                    scope: &long,
                    ..FULL
                },
                "scope",
            ),
        ] {
            let error = challenge.header_value().unwrap_err();
            assert!(matches!(error, ChallengeError::TooLong(found, _) if found == name));
        }
        let longest = "a".repeat(MAX_REALM);
        let challenge = Challenge {
            realm: &longest,
            ..FULL
        };
        assert!(challenge.header_value().is_ok());
    }

    #[test]
    fn quotes_and_backslashes_are_escaped() {
        let realm = Challenge {
            realm: r#"a"b\c é"#,
            ..Challenge::default()
        };
        assert_eq!(realm.header_value().unwrap(), r#"Bearer realm="a\"b\\c é""#);
    }

    #[test]
    fn nothing_leaves_its_place() {
        for realm in [
            "a\r\nVia: x",
            "a\nb",
            "a\rb",
            "a\0b",
            "a\u{7f}",
            "a\tb",
            "a\u{85}b",
        ] {
            let challenge = Challenge { realm, ..FULL };
            let error = Err(ChallengeError::ControlCharacter("realm"));
            assert_eq!(challenge.header_value(), error, "{realm:?}");
        }
        for authz_server in [
            "http://as.example.com",
            "https://",
            "https:///path",
            "as.example.com",
            "https://a b",
            "https://a\"b",
            "https://a\\b",
            "https://a\r\nb",
            "https://é",
            "javascript:x",
            "https",
        ] {
            let challenge = Challenge {
                authz_server,
                ..FULL
            };
            let error = Err(ChallengeError::AuthorizationServer);
            assert_eq!(challenge.header_value(), error, "{authz_server:?}");
        }
        for scope in [" a", "a ", "a  b", "a\"b", "a\\b", "a\tb", "a\r\nb", "é"] {
            let challenge = Challenge { scope, ..FULL };
            assert_eq!(
                challenge.header_value(),
                Err(ChallengeError::Scope),
                "{scope:?}"
            );
        }
        for error in [
            "Invalid_token",
            "expired",
            "invalid_token\"",
            "invalid_token ",
        ] {
            let challenge = Challenge { error, ..FULL };
            assert_eq!(
                challenge.header_value(),
                Err(ChallengeError::ErrorCode),
                "{error:?}"
            );
        }
        let empty = Challenge { realm: "", ..FULL };
        assert_eq!(empty.header_value(), Err(ChallengeError::EmptyRealm));
    }

    proptest! {
        #[test]
        fn whatever_comes_the_value_is_one_line_with_balanced_quotes(
            realm in any::<String>(), authz_server in any::<String>(), scope in any::<String>(),
        ) {
            let challenge = Challenge { realm: &realm, authz_server: &authz_server, scope: &scope, ..Challenge::default() };
            if let Ok(value) = challenge.header_value() {
                prop_assert!(!value.contains(char::is_control));
                let mut open = false;
                let mut characters = value.chars();
                while let Some(character) = characters.next() {
                    match character {
                        '\\' if open => { characters.next(); }
                        '"' => open = !open,
                        _ => {}
                    }
                }
                prop_assert!(!open);
            }
        }
    }
}
