//! The syntax of the parameter `credential`:
//! `username:password[;server=...][;realm=...][;user=...]`.
//!
//! Each value may be in double or single quotes, in which `;` and `:` stand for themselves and a
//! backslash escapes the following character. Spaces around values are ignored, except within
//! quotes.

use thiserror::Error;
use zeroize::Zeroizing;

use super::entry::{Entry, Login, Scope};

/// What is wrong with a value. It contains no part of the value, as any part may belong to a
/// password.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ParameterError {
    /// No colon.
    #[error("has no ':' between username and password")]
    NoColon,
    /// Nothing before the colon.
    #[error("has an empty username")]
    NoUsername,
    /// A control character.
    #[error("has a control character in the {0}")]
    Control(&'static str),
    /// A quote that is not closed.
    #[error("has a quote in the {0} that is not closed")]
    OpenQuote(&'static str),
    /// Something after a quoted value.
    #[error("has something between the closing quote of the {0} and what follows it")]
    BehindQuote(&'static str),
    /// What follows a semicolon is not one of the three.
    #[error("has something after a ';' that is not server=, realm= or user=")]
    Unknown,
    /// One of the three occurs twice.
    #[error("has {0}= twice")]
    Twice(&'static str),
}

/// The allowed syntax, for messages.
pub const SYNTAX: &str = "username:password, followed by any of ;server=..., ;realm=... and \
    ;user=...; a value that contains ; or : must be quoted";

/// Parses a value.
///
/// # Errors
/// Fails for the reasons in [`ParameterError`].
pub fn parse(value: &str) -> Result<Entry, ParameterError> {
    let mut rest = value;
    let username = take(&mut rest, "username", &[':', ';'])?;
    rest = rest.strip_prefix(':').ok_or(ParameterError::NoColon)?;
    if username.is_empty() {
        return Err(ParameterError::NoUsername);
    }
    let password = take(&mut rest, "password", &[';'])?;
    let mut scope = Scope::default();
    let mut seen: Vec<&'static str> = Vec::new();
    while let Some(behind) = rest.strip_prefix(';') {
        rest = behind.trim_ascii_start();
        if rest.is_empty() {
            break;
        }
        let (name, behind) = rest.split_once('=').ok_or(ParameterError::Unknown)?;
        let (name, slot) = match name.trim_ascii() {
            "server" => ("server", &mut scope.server),
            "realm" => ("realm", &mut scope.realm),
            "user" => ("user", &mut scope.user),
            _ => return Err(ParameterError::Unknown),
        };
        if seen.contains(&name) {
            return Err(ParameterError::Twice(name));
        }
        seen.push(name);
        rest = behind;
        *slot = take(&mut rest, name, &[';'])?.as_bytes().to_vec();
    }
    Ok(Entry {
        scope,
        login: Login {
            username: username.as_bytes().to_vec(),
            password: Zeroizing::new(password.as_bytes().to_vec()),
        },
    })
}

/// Takes one value off the front, up to one of `ends`, which is left in place.
fn take(
    rest: &mut &str,
    what: &'static str,
    ends: &[char],
) -> Result<Zeroizing<String>, ParameterError> {
    let text = rest.trim_ascii_start();
    let value = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, behind) = quoted(text, quote).ok_or(ParameterError::OpenQuote(what))?;
            let behind = behind.trim_ascii_start();
            if !behind.is_empty() && !behind.starts_with(ends) {
                return Err(ParameterError::BehindQuote(what));
            }
            *rest = behind;
            value
        }
        _ => {
            let (value, behind) = text.split_at(text.find(ends).unwrap_or(text.len()));
            *rest = behind;
            Zeroizing::new(value.trim_ascii_end().to_owned())
        }
    };
    if value.contains(char::is_control) {
        return Err(ParameterError::Control(what));
    }
    Ok(value)
}

/// The text between the quotes, and what follows them. `None` if they are not closed.
fn quoted(text: &str, quote: char) -> Option<(Zeroizing<String>, &str)> {
    // Never longer than the text, so that it leaves no copies behind as it grows.
    let mut value = Zeroizing::new(String::with_capacity(text.len()));
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            _ if character == quote => {
                return Some((value, text.get(at + quote.len_utf8()..).unwrap_or_default()));
            }
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parts(value: &str) -> Result<[String; 5], ParameterError> {
        let Entry { scope, login } = parse(value)?;
        let password = login.password.to_vec();
        Ok([
            login.username,
            password,
            scope.server,
            scope.realm,
            scope.user,
        ]
        .map(|bytes| String::from_utf8(bytes).expect("it was text")))
    }

    fn all(parts: [&str; 5]) -> Result<[String; 5], ParameterError> {
        Ok(parts.map(str::to_owned))
    }

    #[test]
    fn what_is_not_named_is_for_any() {
        assert_eq!(parts("alice:pw"), all(["alice", "pw", "", "", ""]));
        assert_eq!(parts("alice:pw;"), all(["alice", "pw", "", "", ""]));
        assert_eq!(
            parts("alice:pw;realm=r;server="),
            all(["alice", "pw", "", "r", ""])
        );
        assert_eq!(
            parts(" alice : p w ; user = u ; server = s ; realm = a b ;"),
            all(["alice", "p w", "s", "a b", "u"])
        );
        assert_eq!(parts("alice:"), all(["alice", "", "", "", ""]));
    }

    #[test]
    fn the_first_colon_ends_the_name_and_others_are_the_password_s() {
        assert_eq!(
            parts("a:b:c=d;realm=x:y=z"),
            all(["a", "b:c=d", "", "x:y=z", ""])
        );
        // Backslashes and quotes within a plain value stand for themselves.
        assert_eq!(
            parts(r#"a\b:c"d'\e"#),
            all([r"a\b", r#"c"d'\e"#, "", "", ""])
        );
    }

    #[test]
    fn quotes_take_the_meaning_away() {
        assert_eq!(
            parts(r#""a:;b":'p;w:"';realm="r;1";server='s;2';user="u;\"3\\""#),
            all(["a:;b", "p;w:\"", "s;2", "r;1", "u;\"3\\"])
        );
        assert_eq!(parts(r"a:'it\'s \x'"), all(["a", "it's x", "", "", ""]));
        assert_eq!(
            parts("a:' ' ; realm = ' r '"),
            all(["a", " ", "", " r ", ""])
        );
        assert_eq!(parts("a:''"), all(["a", "", "", "", ""]));
    }

    #[test]
    fn mistakes_are_named() {
        use ParameterError::*;
        for (value, error) in [
            ("", NoColon),
            ("hunter2", NoColon),
            ("hunter2;realm=a:b", NoColon),
            (":hunter2", NoUsername),
            ("'':hunter2", NoUsername),
            ("a:hunter2;hunter2", Unknown),
            ("a:hunter2;hunter2=x", Unknown),
            ("a:hunter2;Realm=x", Unknown),
            ("a:hunter2;;realm=x", Unknown),
            ("a:hunter2;realm=x;realm=y", Twice("realm")),
            ("a:'hunter2", OpenQuote("password")),
            ("a:'hunter2\\'", OpenQuote("password")),
            ("\"a:hunter2", OpenQuote("username")),
            ("a:'hunter2'x;realm=r", BehindQuote("password")),
            ("a:hunter2;user='u'x", BehindQuote("user")),
            ("a\r\nb:hunter2", Control("username")),
            ("a:hunter2\u{7f};realm=x", Control("password")),
            ("a:hunter2;realm='\n'", Control("realm")),
        ] {
            assert_eq!(parts(value), Err(error), "{value:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text: String) {
            _ = parse(&text);
        }

        #[test]
        fn whatever_is_quoted_comes_back(values in proptest::array::uniform5("[^\\p{Cc}]{0,12}")) {
            prop_assume!(!values[0].is_empty());
            let quote = |text: &String| {
                format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
            };
            let [username, password, server, realm, user] = values.each_ref().map(quote);
            let value = format!("{username}:{password};server={server};realm={realm};user={user}");
            prop_assert_eq!(parts(&value), Ok(values));
        }
    }
}
