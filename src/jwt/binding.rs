//! Tokens that are bound to a key of whoever may present them: the claim `cnf` (RFC 7800).
//!
//! Of the methods of confirmation, `x5t#S256` is checked (RFC 8705 section 3.1): the token counts only on
//! a TLS connection whose client certificate has this SHA-256. A token with `jkt` (RFC 9449 section 6.1)
//! would need a proof that SIP has no place for, and is no bearer token: it is refused.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

use super::json::Value;
use super::token::Token;

/// The longest certificate that a script may hand over, in bytes of its text.
pub const MAX_CERTIFICATE: usize = 64 * 1024;

/// The SHA-256 of a certificate in DER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thumbprint([u8; 32]);

/// What a token is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: whoever has it may present it.
    None,
    /// The client certificate of the connection.
    Certificate(Thumbprint),
    /// A key that DPoP would prove.
    Key,
    /// Its `cnf` can't be read.
    Malformed,
}

/// Which tokens are admitted, as to what they are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BoundTokens {
    /// Those that are bound, on the right connection; and those that are not.
    #[default]
    Checked,
    /// Only those that are bound.
    Required,
}

/// Why a token is not for this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BindingError {
    /// The script hands over no certificate.
    #[error("it is bound to a client certificate (cnf, x5t#S256), and there is none")]
    NoCertificate,
    /// What the script hands over is no certificate.
    #[error(
        "it is bound to a client certificate (cnf, x5t#S256), and that of the script can't be read"
    )]
    BadCertificate,
    /// The certificate is another.
    #[error("it is bound to another client certificate (cnf, x5t#S256)")]
    OtherCertificate,
    /// Nobody can prove in SIP that he has the key.
    #[error("it is bound to a key by DPoP (cnf, jkt), which is not supported, and no bearer token")]
    Key,
    /// A `cnf` that is not one.
    #[error("claim \"cnf\" is malformed")]
    Malformed,
    /// A bound token is required.
    #[error("it is not bound to a client certificate (cnf, x5t#S256), which is required")]
    NotBound,
}

impl Binding {
    /// That of a token. Methods of confirmation that are not known are ignored (RFC 7800 section 3.1).
    pub fn of(token: &Token) -> Self {
        let members = match token.claim("cnf") {
            None => return Binding::None,
            Some(Value::Object(members)) => members,
            Some(_) => return Binding::Malformed,
        };
        // Whatever else there is: nobody can fulfil it.
        if members.get("jkt").is_some() {
            return Binding::Key;
        }
        match members.get("x5t#S256") {
            None => Binding::None,
            Some(Value::String(text)) => match base64url(text.as_bytes()) {
                Some(thumbprint) => Binding::Certificate(thumbprint),
                None => Binding::Malformed,
            },
            Some(_) => Binding::Malformed,
        }
    }

    /// Whether a token that is bound like this counts on the connection of whoever presents it.
    /// `certificate` is what the script hands over, and is only asked for if it matters.
    ///
    /// # Errors
    /// Fails with [`BindingError`] if it does not.
    pub fn check(
        self,
        mode: BoundTokens,
        certificate: impl FnOnce() -> Option<Vec<u8>>,
    ) -> Result<(), BindingError> {
        let wanted = match self {
            Binding::None if mode == BoundTokens::Checked => return Ok(()),
            Binding::None => return Err(BindingError::NotBound),
            Binding::Key => return Err(BindingError::Key),
            Binding::Malformed => return Err(BindingError::Malformed),
            Binding::Certificate(wanted) => wanted,
        };
        let certificate = certificate().ok_or(BindingError::NoCertificate)?;
        let found = Thumbprint::parse(&certificate).ok_or(BindingError::BadCertificate)?;
        match verify_slices_are_equal(&wanted.0, &found.0) {
            Ok(()) => Ok(()),
            Err(_) => Err(BindingError::OtherCertificate),
        }
    }
}

impl Thumbprint {
    /// That of a certificate in DER.
    fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(digest(&SHA256, der).as_ref()) {
            *to = *from;
        }
        Thumbprint(bytes)
    }

    /// Reads what a script has of a certificate: itself in PEM (also percent-encoded, as proxies pass it
    /// on), its DER in base64 (also between colons, RFC 9440), or its SHA-256 in base64url, or in
    /// hexadecimal digits with or without colons.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        if text.len() > MAX_CERTIFICATE {
            return None;
        }
        if let Some(thumbprint) = base64url(text).or_else(|| hexadecimal(text)) {
            return Some(thumbprint);
        }
        // There is no percent sign in PEM, of which only some characters may be encoded.
        if text.contains(&b'%') {
            let decoded: Vec<u8> = percent_encoding::percent_decode(text).collect();
            return in_pem(decoded.trim_ascii());
        }
        if text.starts_with(b"-----BEGIN") {
            return in_pem(text);
        }
        let inner = text.strip_prefix(b":").and_then(|it| it.strip_suffix(b":"));
        let der = STANDARD.decode(inner.unwrap_or(text)).ok()?;
        certificate(&der)
    }
}

/// The first certificate of a PEM text: that of the client itself, where others follow.
fn in_pem(text: &[u8]) -> Option<Thumbprint> {
    let der = CertificateDer::from_pem_slice(text).ok()?;
    certificate(&der)
}

/// A text that is no certificate has no thumbprint.
fn certificate(der: &[u8]) -> Option<Thumbprint> {
    use x509_cert::der::Decode as _;
    x509_cert::Certificate::from_der(der).ok()?;
    Some(Thumbprint::of(der))
}

fn base64url(text: &[u8]) -> Option<Thumbprint> {
    // 32 bytes, without padding (RFC 7515 section 2).
    if text.len() != 43 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.try_into().ok().map(Thumbprint)
}

fn hexadecimal(text: &[u8]) -> Option<Thumbprint> {
    let digits: Vec<u8> = match text.len() {
        64 => text.to_vec(),
        95 if text.iter().skip(2).step_by(3).all(|byte| *byte == b':') => {
            text.iter().copied().filter(|byte| *byte != b':').collect()
        }
        _ => return None,
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (to, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [digit(pair.first()?)?, digit(pair.last()?)?];
        *to = u8::try_from(high << 4 | low).ok()?;
    }
    Some(Thumbprint(bytes))
}

#[cfg(test)]
mod tests;
