//! Where the username of a token is: in a claim, or in a text that is made of claims.

use std::fmt;

use thiserror::Error;

use super::json::Object;
use super::path::{ClaimPath, PathError};

/// Where a username is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Username {
    /// In a claim.
    Claim(ClaimPath),
    /// In a text with claims in braces, such as `{preferred_username}@example.org`.
    Template {
        /// As it was written.
        text: String,
        /// What it is made of.
        parts: Vec<Part>,
    },
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text.
    Text(String),
    /// A claim.
    Claim(ClaimPath),
}

/// Why a text does not say where a username is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UsernameError {
    /// What should be a claim is not one.
    #[error("{0}")]
    Path(#[from] PathError),
    /// An opening brace without a closing one, or the reverse.
    #[error("{0:?} has a brace without its other half")]
    Brace(String),
}

impl Username {
    /// Reads a [`ClaimPath`], or, if there is a brace in it, a template.
    ///
    /// # Errors
    /// Fails if a path is invalid, and if a brace is unpaired.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        if !text.contains(['{', '}']) {
            return Ok(Username::Claim(ClaimPath::parse(text)?));
        }
        let alone = || UsernameError::Brace(text.to_owned());
        let mut parts = Vec::new();
        for (number, piece) in text.split('{').enumerate() {
            let after = match (number, piece.split_once('}')) {
                (0, None) => piece,
                (0, Some(_)) | (_, None) => return Err(alone()),
                (_, Some((path, after))) => {
                    parts.push(Part::Claim(ClaimPath::parse(path)?));
                    after
                }
            };
            if after.contains('}') {
                return Err(alone());
            }
            if !after.is_empty() {
                parts.push(Part::Text(after.to_owned()));
            }
        }
        Ok(Username::Template {
            text: text.to_owned(),
            parts,
        })
    }

    /// The username; `None` if a claim is missing, empty or not a string.
    pub fn find(&self, claims: &Object) -> Option<String> {
        let of = |path: &ClaimPath| {
            let text = path.find(claims)?.as_str()?;
            (!text.is_empty()).then(|| text.to_owned())
        };
        match self {
            Username::Claim(path) => of(path),
            Username::Template { parts, .. } => parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => Some(text.clone()),
                    Part::Claim(path) => of(path),
                })
                .collect(),
        }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Username::Claim(path) => path.fmt(formatter),
            Username::Template { text, .. } => formatter.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::json::parse_object;

    fn find(text: &str) -> Option<String> {
        let claims = r#"{"sub":"alice","n":7,"e":"","a":{"b":"c"},"x.y":"z","tid":"t"}"#;
        let claims = parse_object(claims.as_bytes()).unwrap();
        Username::parse(text).unwrap().find(&claims)
    }

    #[test]
    fn a_claim_or_a_text_of_claims() {
        for (text, expected) in [
            ("sub", Some("alice")),
            ("a.b", Some("c")),
            ("{sub}", Some("alice")),
            ("{sub}@example.org", Some("alice@example.org")),
            ("t-{tid}/{a.b}{x.y}", Some("t-t/cz")),
            ("{a['b']}", Some("c")),
            ("n", None),
            ("e", None),
            ("{sub}{e}", None),
            ("{sub}@{n}", None),
            ("{nothing}@example.org", None),
        ] {
            assert_eq!(find(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_says_of_no_claim_is_refused() {
        for text in [
            "", "{}", "{sub", "sub}", "{sub}}", "{{sub}}", "a}{b", "{a..b}",
        ] {
            assert!(Username::parse(text).is_err(), "{text}");
        }
        assert_eq!(Username::parse("{a}@b").unwrap().to_string(), "{a}@b");
        assert_eq!(Username::parse("a.b").unwrap().to_string(), "a.b");
    }
}
