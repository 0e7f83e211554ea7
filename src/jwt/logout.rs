//! Logout tokens, by which an identity provider says that a user has logged out (OpenID Connect Back-Channel
//! Logout 1.0).

use thiserror::Error;

use super::claims;
use super::json::Value;
use super::revocations::{Kind, Revocation, RevocationError};
use super::rules::Rules;
use super::token::Token;

/// The member of `events` that makes a token a logout token (section 2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Why a token that is good otherwise is no logout token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LogoutError {
    /// It says that it is of another type.
    #[error("typ is another than logout+jwt")]
    Type,
    /// There is no such event in it.
    #[error("events has no {EVENT}")]
    Event,
    /// So that no ID token is taken for one (section 2.6).
    #[error("it has a nonce, which no logout token may have")]
    Nonce,
    /// A claim that section 2.4 requires.
    #[error("{0} is missing or malformed")]
    Claim(&'static str),
    /// Neither a user nor a session.
    #[error("it has neither sub nor sid")]
    Nobody,
    /// A value that can't be revoked.
    #[error("{0}")]
    Revocation(#[from] RevocationError),
}

/// The rules for logout tokens: those for other tokens of the same issuer, without what is said of access
/// tokens alone. `audiences` are in place of theirs, unless there are none.
pub fn rules(rules: &Rules, audiences: &[String]) -> Rules {
    Rules {
        audiences: match audiences {
            [] => rules.audiences.clone(),
            audiences => audiences.to_vec(),
        },
        require_exp: true,
        required_claims: Vec::new(),
        max_age: None,
        token_type: None,
        required_scope: Vec::new(),
        ..rules.clone()
    }
}

/// What a logout token revokes, once its signature, `iss`, `aud` and times are checked (section 2.6): the
/// session of `sid`, and what was issued to `sub` until then, for the tokens of a session need not say which it
/// is. `until` tells when the last of them ends, from when the logout token was issued.
///
/// # Errors
/// Fails if it is none.
pub fn revocations(
    token: &Token,
    until: impl Fn(i64) -> Option<i64>,
) -> Result<Vec<Revocation>, LogoutError> {
    check_type(token)?;
    let events = token.claim("events").and_then(Value::as_object);
    if !events.is_some_and(|events| matches!(events.get(EVENT), Some(Value::Object(_)))) {
        return Err(LogoutError::Event);
    }
    if token.claim("nonce").is_some() {
        return Err(LogoutError::Nonce);
    }
    let text = |name| match token.claim(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(LogoutError::Claim(name)),
    };
    let required = |name| text(name)?.ok_or(LogoutError::Claim(name));
    required("jti")?;
    let issuer = required("iss")?;
    let issued = claims::issued(token).ok_or(LogoutError::Claim("iat"))?;
    let until = until(issued);
    let mut revocations = Vec::new();
    for (kind, before) in [(Kind::Sid, None), (Kind::Sub, Some(issued))] {
        if let Some(value) = text(kind.name())? {
            revocations.push(Revocation::new(kind, value, Some(issuer), before, until)?);
        }
    }
    match revocations.is_empty() {
        true => Err(LogoutError::Nobody),
        false => Ok(revocations),
    }
}

/// `logout+jwt` where there is an explicit type (section 2.4); many providers have none but `JWT`.
fn check_type(token: &Token) -> Result<(), LogoutError> {
    let Some(typ) = token.header_member("typ") else {
        return Ok(());
    };
    let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
    match typ.strip_prefix("application/").unwrap_or(&typ) {
        "logout+jwt" | "jwt" => Ok(()),
        _ => Err(LogoutError::Type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::testing::{claiming, parse, with_header};

    fn said(claims: &str) -> Result<Vec<String>, LogoutError> {
        let revocations = revocations(&claiming(claims), |issued| Some(issued + 100))?;
        assert!(revocations.iter().all(|it| it.until == 1_100));
        Ok(revocations.iter().map(Revocation::to_string).collect())
    }

    /// A good one with other members.
    fn with(more: &str) -> String {
        let events = format!(r#""events":{{"{EVENT}":{{}}}}"#);
        format!(r#"{{"iss":"i","jti":"j","iat":1000,"exp":1060,{events}{more}}}"#)
    }

    #[test]
    fn a_session_or_a_user_is_logged_out() {
        let sub = r#"sub "alice" of issuer "i", issued up to 1000"#.to_owned();
        let sid = r#"sid "08a5" of issuer "i""#.to_owned();
        assert_eq!(said(&with(r#","sub":"alice""#)), Ok(vec![sub.clone()]));
        assert_eq!(said(&with(r#","sid":"08a5""#)), Ok(vec![sid.clone()]));
        let both = with(r#","sid":"08a5","sub":"alice""#);
        assert_eq!(said(&both), Ok(vec![sid, sub]));
    }

    #[test]
    fn no_other_token_is_taken_for_one() {
        for (claims, error) in [
            (with(""), LogoutError::Nobody),
            (with(r#","sub":"alice","nonce":"n""#), LogoutError::Nonce),
            (with(r#","sub":"alice","nonce":null"#), LogoutError::Nonce),
            (with(r#","sub":"""#), LogoutError::Claim("sub")),
            (with(r#","sub":"alice","sid":7"#), LogoutError::Claim("sid")),
            (
                with(r#","sub":"alice""#).replace(r#""jti":"j","#, ""),
                LogoutError::Claim("jti"),
            ),
            (
                with(r#","sub":"alice""#).replace(r#""iss":"i","#, ""),
                LogoutError::Claim("iss"),
            ),
            (
                with(r#","sub":"alice""#).replace(r#""iat":1000,"#, ""),
                LogoutError::Claim("iat"),
            ),
            (
                with(r#","sub":"alice""#).replace("events", "event"),
                LogoutError::Event,
            ),
            (
                with(r#","sub":"alice""#).replace(":{}", ":true"),
                LogoutError::Event,
            ),
            (
                with(r#","sub":"alice""#).replace("backchannel", "frontchannel"),
                LogoutError::Event,
            ),
            (
                with(&format!(r#","sub":"{}""#, "x".repeat(256))),
                RevocationError::Value.into(),
            ),
        ] {
            assert_eq!(said(&claims), Err(error), "{claims}");
        }
        for (typ, is_one) in [
            ("logout+jwt", true),
            ("application/logout+jwt", true),
            ("JWT", true),
            ("at+jwt", false),
            ("secevent+jwt", false),
            ("", false),
        ] {
            let token = parse(&with_header(&format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#)));
            assert_eq!(check_type(&token).is_ok(), is_one, "{typ}");
        }
    }

    #[test]
    fn what_is_said_of_access_tokens_is_not_asked_of_them() {
        let of = Rules {
            leeway: 7,
            issuers: vec!["i".into()],
            audiences: vec!["api".into()],
            max_age: Some(1),
            token_type: Some("at+jwt".into()),
            required_scope: vec!["sip".into()],
            ..Rules::default()
        };
        let same = Rules {
            leeway: 7,
            issuers: vec!["i".into()],
            audiences: vec!["api".into()],
            require_exp: true,
            ..Rules::default()
        };
        assert_eq!(rules(&of, &[]), same);
        assert_eq!(rules(&of, &["phone".into()]).audiences, ["phone"]);
    }
}
