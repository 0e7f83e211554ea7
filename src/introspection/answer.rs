//! What an issuer says of a token (RFC 7662 section 2.2, RFC 9701 section 5).

use super::error::{AnswerError, IntrospectionError};
use super::limits::MAX_ANSWER;
use crate::http::FormAnswer;
use crate::jwt::json::{self, Object, Value};
use crate::jwt::quote_up_to;
use crate::jwt::token::{Limits, Token};

/// How many characters of a media type, or of what a member says, are shown.
const SHOWN: usize = 64;

/// The media type of a signed answer.
pub(super) const SIGNED: &str = "application/token-introspection+jwt";

/// That of any other.
pub(super) const PLAIN: &str = "application/json";

/// An answer, as far as it can be understood without keys.
#[derive(Debug)]
pub enum Answer {
    /// In JSON.
    Plain(Object),
    /// Signed; it counts once it is verified.
    Signed(Token),
}

impl Answer {
    /// Reads what an endpoint sent, which must be signed if `signed` says so, and must not be otherwise.
    ///
    /// # Errors
    /// Fails with [`AnswerError`], as the reason why the issuer could not be asked.
    pub fn read(answer: &FormAnswer, signed: bool) -> Result<Self, IntrospectionError> {
        let found = || quote_up_to(&answer.media_type, SHOWN);
        Ok(match (signed, answer.media_type.as_str()) {
            (true, SIGNED) => {
                let limits = Limits {
                    max_token_size: MAX_ANSWER,
                };
                let token = Token::parse(&answer.body, &limits);
                Answer::Signed(token.map_err(|error| AnswerError::Signature(error.to_string()))?)
            }
            (true, _) => return Err(AnswerError::NotSigned { found: found() }.into()),
            (false, PLAIN) => {
                Answer::Plain(json::parse_object(&answer.body).map_err(AnswerError::Json)?)
            }
            (false, _) => return Err(AnswerError::NotJson { found: found() }.into()),
        })
    }

    /// What a signed answer says, once it is verified.
    ///
    /// # Errors
    /// Fails if it says nothing.
    pub fn content(signed: &Token) -> Result<Object, IntrospectionError> {
        let content = signed.claim("token_introspection");
        let content = content.and_then(Value::as_object);
        Ok(content.ok_or(AnswerError::NoContent)?.clone())
    }
}

/// What an issuer says of a token.
#[derive(Debug)]
pub struct Told(Object);

impl Told {
    /// Takes an answer that says that the token is active.
    ///
    /// # Errors
    /// Fails with [`IntrospectionError::Inactive`] if it says that it is not, and with another error if it
    /// says neither.
    pub fn new(answer: Object) -> Result<Self, IntrospectionError> {
        match answer.get("active") {
            Some(Value::Bool(true)) => Ok(Told(answer)),
            Some(Value::Bool(false)) => Err(IntrospectionError::Inactive),
            _ => Err(AnswerError::NoActive.into()),
        }
    }

    /// The claims of a token: what its issuer says of it, beside its own claims if it has any. `issuer` is
    /// whoever was asked, if it has one name.
    ///
    /// # Errors
    /// Fails if it is no bearer token, or if the issuer speaks of another one.
    pub fn claims(
        &self,
        token: &Token,
        issuer: Option<&str>,
    ) -> Result<Object, IntrospectionError> {
        let Told(told) = self;
        for (member, known) in BEARER {
            let is_known = |value: &Value| {
                let text = value.as_str().unwrap_or_default();
                known.iter().any(|known| known.eq_ignore_ascii_case(text))
            };
            match told.get(member) {
                None | Some(Value::Null) => {}
                Some(value) if is_known(value) => {}
                Some(value) => {
                    let found = value
                        .as_str()
                        .map_or("no text".to_owned(), |text| quote_up_to(text, SHOWN));
                    return Err(IntrospectionError::NotBearer { member, found });
                }
            }
        }
        for name in ["iss", "sub", "jti"] {
            let differs = |own: &Value| told.get(name).is_some_and(|told| told != own);
            if token.claim(name).is_some_and(differs) {
                return Err(IntrospectionError::Differs(name));
            }
        }
        let mut claims = token.claims().clone();
        if let Some(issuer) = issuer
            && token.not_jwt().is_some()
        {
            claims.insert("iss", Value::from(issuer));
        }
        for (name, value) in told.iter() {
            claims.insert(name, value.clone());
        }
        Ok(claims)
    }
}

/// What says which kind of token it is, and the kinds that are sent as bearer tokens: `token_type` (RFC 6749
/// section 7.1), and `token_use`, with which some providers tell access tokens from others.
const BEARER: [(&str, &[&str]); 2] = [
    ("token_type", &["Bearer"]),
    ("token_use", &["access_token", "access"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::testing::claiming;
    use crate::jwt::token::TokenError;

    fn object(text: &str) -> Object {
        json::parse_object(text.as_bytes()).unwrap()
    }

    fn read(media_type: &str, body: &str, signed: bool) -> Result<Answer, IntrospectionError> {
        let answer = FormAnswer {
            media_type: media_type.to_owned(),
            body: body.as_bytes().to_vec(),
        };
        Answer::read(&answer, signed)
    }

    fn opaque() -> Token {
        Token::opaque(b"x", TokenError::Opaque, &Limits::default()).unwrap()
    }

    #[test]
    fn only_what_was_asked_for_is_an_answer() {
        assert!(read(PLAIN, r#"{"active":true}"#, false).is_ok());
        for (media_type, body, signed) in [
            (PLAIN, r#"{"active":true,"active":false}"#, false),
            (PLAIN, r#"{"active":true} x"#, false),
            (PLAIN, "[]", false),
            (PLAIN, "", false),
            ("", r#"{"active":true}"#, false),
            ("text/html", r#"{"active":true}"#, false),
            (SIGNED, r#"{"active":true}"#, false),
            (PLAIN, r#"{"active":true}"#, true),
            (SIGNED, r#"{"active":true}"#, true),
        ] {
            let read = read(media_type, body, signed);
            assert!(read.is_err(), "{media_type} {body} {signed}");
        }
    }

    #[test]
    fn active_is_true() {
        assert!(Told::new(object(r#"{"active":true}"#)).is_ok());
        let told = |text| Told::new(object(text)).map(drop).unwrap_err();
        assert_eq!(told(r#"{"active":false}"#), IntrospectionError::Inactive);
        for text in [
            "{}",
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"Active":true}"#,
        ] {
            assert_eq!(told(text), AnswerError::NoActive.into(), "{text}");
        }
    }

    #[test]
    fn what_is_told_counts_unless_the_token_says_another() {
        let told = |text: &str| Told::new(object(text)).unwrap();
        let both = told(r#"{"active":true,"sub":"alice","aud":"sip","exp":7}"#);
        let token = claiming(r#"{"sub":"alice","tag":"x","exp":9}"#);
        let claims = both.claims(&token, Some("i")).unwrap();
        assert!(!claims.contains("iss"));
        assert_eq!(claims.get("exp"), Some(&Value::Integer(7)));
        assert_eq!(claims.get("tag"), Some(&Value::from("x")));
        assert_eq!(
            both.claims(&claiming(r#"{"sub":"bob"}"#), None),
            Err(IntrospectionError::Differs("sub"))
        );
        let iss = |told: &Told| {
            let claims = told.claims(&opaque(), Some("i")).unwrap();
            claims.get("iss").cloned()
        };
        assert_eq!(iss(&both), Some(Value::from("i")));
        assert_eq!(
            iss(&told(r#"{"active":true,"iss":"j"}"#)),
            Some(Value::from("j"))
        );
    }

    #[test]
    fn only_bearer_tokens() {
        let of = |more: &str| {
            let told = Told::new(object(&format!(r#"{{"active":true{more}}}"#))).unwrap();
            told.claims(&opaque(), None).is_ok()
        };
        for good in [
            "",
            r#","token_type":"Bearer""#,
            r#","token_type":"bearer","token_use":"access_token""#,
            r#","token_type":null"#,
        ] {
            assert!(of(good), "{good}");
        }
        for bad in [
            r#","token_type":"refresh_token""#,
            r#","token_type":"DPoP""#,
            r#","token_type":["Bearer"]"#,
            r#","token_type":"""#,
            r#","token_use":"refresh_token""#,
            r#","token_use":"id""#,
        ] {
            assert!(!of(bad), "{bad}");
        }
    }
}
