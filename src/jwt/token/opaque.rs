//! Tokens that only their issuer can read, and what it says of them (RFC 7662).

use super::{Limits, Part, Token, TokenError, bare_token};
use crate::jwt::json::Object;

impl TokenError {
    /// Whether what is refused for this reason may be a token that its issuer can be asked for. What has
    /// the header of a JSON Web Token, and is none, is not.
    pub fn may_be_opaque(&self) -> bool {
        match self {
            Self::Segments | Self::Encrypted | Self::Opaque | Self::NoAlgorithm => true,
            Self::Base64(part) | Self::Json(part, _) => *part == Part::Header,
            Self::Missing
            | Self::Scheme
            | Self::TooLong { .. }
            | Self::NotAscii
            | Self::NotBearer => false,
        }
    }
}

impl Token {
    /// Takes a token that is no JSON Web Token, which is what `error` says of it, bare or after its
    /// scheme. It has no header and no claims, and no key verifies it.
    ///
    /// # Errors
    /// Fails with `error` if it can't be opaque either, and with [`TokenError::NotBearer`] if it has
    /// characters that no Bearer token has.
    pub fn opaque(raw: &[u8], error: TokenError, limits: &Limits) -> Result<Self, TokenError> {
        if !error.may_be_opaque() {
            return Err(error);
        }
        let bare = bare_token(raw)?;
        if bare.len() > limits.max_token_size {
            return Err(error);
        }
        let text = str::from_utf8(bare).map_err(|_| TokenError::NotBearer)?;
        match is_b64token(text) {
            true => Ok(Self {
                text: text.to_owned(),
                signed_length: 0,
                signature: Vec::new(),
                header: Object::default(),
                claims: Object::default(),
                algorithm: None,
                not_jwt: Some(error),
                is_introspected: false,
            }),
            false => Err(TokenError::NotBearer),
        }
    }

    /// The same token, of which nothing is believed: it has no header and no claims.
    #[must_use]
    pub fn unread(self) -> Self {
        Self {
            signed_length: 0,
            signature: Vec::new(),
            header: Object::default(),
            claims: Object::default(),
            algorithm: None,
            not_jwt: Some(TokenError::Opaque),
            ..self
        }
    }

    /// Why it is no JSON Web Token, if it is none.
    pub fn not_jwt(&self) -> Option<TokenError> {
        self.not_jwt
    }

    /// Whether its claims are, at least in part, what its issuer was asked for.
    pub fn is_introspected(&self) -> bool {
        self.is_introspected
    }

    /// The same token with the claims that its issuer tells of it.
    #[must_use]
    pub fn introspected(self, claims: Object) -> Self {
        Self {
            claims,
            is_introspected: true,
            ..self
        }
    }
}

/// Whether a text is a `b64token` (RFC 6750 section 2.1).
fn is_b64token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !token.is_empty() && token.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opaque(raw: &str) -> Result<Token, TokenError> {
        let limits = Limits::default();
        let error = Token::parse(raw.as_bytes(), &limits).expect_err("no JSON Web Token");
        Token::opaque(raw.as_bytes(), error, &limits)
    }

    #[test]
    fn whatever_a_bearer_token_may_be() {
        for raw in [
            "x",
            "ya29.a0AfB_byC-1",
            "ory_at_1.2",
            "a.b.c",
            "a.b.c.d",
            "a.b.c.d.e",
            "a~b+c/d==",
            "Bearer  abc ",
        ] {
            let token = opaque(raw).unwrap();
            assert!(
                token.not_jwt().is_some() && token.claims().is_empty(),
                "{raw}"
            );
        }
        assert_eq!(opaque("Bearer abc=").unwrap().as_str(), "abc=");
    }

    #[test]
    fn nothing_else() {
        for raw in [
            "a\"b",
            "a=b",
            "=",
            "a,b",
            "a%20",
            "ä",
            "a\u{7f}",
            "a&token=b",
        ] {
            assert_eq!(opaque(raw).map(drop), Err(TokenError::NotBearer), "{raw}");
        }
        for raw in ["", "Bearer", "Basic abc", "a b"] {
            assert_ne!(opaque(raw).map(drop), Ok(()), "{raw}");
        }
        let long = "a".repeat(Limits::default().max_token_size + 1);
        assert!(matches!(opaque(&long), Err(TokenError::TooLong { .. })));
        // With the header of a JSON Web Token, and not one.
        for raw in ["eyJhbGciOiJFUzI1NiJ9.e30.!", "eyJhbGciOiJFUzI1NiJ9.e.AA"] {
            let error = opaque(raw).map(drop).unwrap_err();
            assert!(!error.may_be_opaque(), "{raw}: {error}");
        }
    }

    #[test]
    fn no_key_verifies_it() {
        let token = opaque("a.b.c").unwrap();
        assert_eq!((token.algorithm(), token.signature()), (None, &[][..]));
        assert_eq!(&*token.decoded(), "{}.{}");
    }
}
