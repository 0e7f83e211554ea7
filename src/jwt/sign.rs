//! Making tokens (RFC 7515 section 5.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::algorithm::{self, Algorithm, AlgorithmSet};
use super::json::print::Numbers;
use super::json::{self, JsonError, Object, Value};
use super::signing_key::SigningKey;

/// Why no token can be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// The claims are not a strict JSON object.
    #[error("the claims: the text {0}")]
    Claims(JsonError),
    /// The header is not a strict JSON object.
    #[error("the header: the text {0}")]
    Header(JsonError),
    /// The header names an algorithm other than the one asked for.
    #[error("the header has another alg than {}", algorithm::name(*.0))]
    OtherAlgorithm(Algorithm),
    /// `crit` or `b64` (RFC 7797): what they ask for is not supported.
    #[error("the header has {0}, which is not supported")]
    HeaderMember(&'static str),
    /// The key is not of the kind that the algorithm needs.
    #[error("alg {} does not fit the key, which signs {fitting}", algorithm::name(*.algorithm))]
    KeyKind {
        /// The algorithm asked for.
        algorithm: Algorithm,
        /// What the key can sign.
        fitting: AlgorithmSet,
    },
    /// The cryptographic library refused.
    #[error("the signature could not be made")]
    Failed,
}

/// Makes a token from the claims, given as the text of a JSON object.
///
/// The header consists of `alg` and `typ` (`JWT`), and the members of `header` if given, whose
/// `typ` replaces ours. Both are written compact and sorted, their numbers as they are.
///
/// # Errors
/// Fails for the reasons in [`SignError`].
pub fn sign(
    claims: &[u8],
    key: &SigningKey,
    algorithm: Algorithm,
    header: Option<&[u8]>,
) -> Result<String, SignError> {
    let fitting = key.algorithms();
    if !fitting.contains(algorithm) {
        return Err(SignError::KeyKind { algorithm, fitting });
    }
    let claims = json::parse_object(claims).map_err(SignError::Claims)?;
    let header = match header {
        Some(text) => json::parse_object(text).map_err(SignError::Header)?,
        None => Object::default(),
    };
    let header = complete(header, algorithm)?;
    let mut token = String::new();
    let mut text = String::new();
    json::print::object(&mut text, &header, Numbers::AsWritten);
    URL_SAFE_NO_PAD.encode_string(&text, &mut token);
    token.push('.');
    text.clear();
    json::print::object(&mut text, &claims, Numbers::AsWritten);
    URL_SAFE_NO_PAD.encode_string(&text, &mut token);
    let signature = key
        .sign(algorithm, token.as_bytes())
        .ok_or(SignError::Failed)?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

fn complete(mut header: Object, algorithm: Algorithm) -> Result<Object, SignError> {
    for member in ["crit", "b64"] {
        if header.contains(member) {
            return Err(SignError::HeaderMember(member));
        }
    }
    let name = Value::from(algorithm::name(algorithm));
    if header.get("alg").is_some_and(|given| *given != name) {
        return Err(SignError::OtherAlgorithm(algorithm));
    }
    header.insert("alg", name);
    if !header.contains("typ") {
        header.insert("typ", Value::from("JWT"));
    }
    Ok(header)
}

#[cfg(test)]
mod tests;
