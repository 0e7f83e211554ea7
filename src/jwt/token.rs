//! A token in JWS compact serialization (RFC 7515 section 7.1), read but not yet trusted; or one that only its
//! issuer can read.

mod opaque;

use std::fmt;
use std::sync::LazyLock;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use super::algorithm::{self, Algorithm};
use super::json::print::Numbers;
use super::json::{self, JsonError, Object, Value};

/// Limits on what is read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest token that is accepted, in bytes, without its scheme. Default 8192: tokens of
    /// large identity providers stay below half of that, and a SIP request over UDP can't carry
    /// more than a few times as much.
    pub max_token_size: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_token_size: 8192,
        }
    }
}

/// Which part of a token an error refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The JOSE header.
    Header,
    /// The claims.
    Payload,
    /// The signature.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// Why something is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Nothing, or only a scheme.
    #[error("no token")]
    Missing,
    /// A scheme other than Bearer (RFC 6750 section 2.1), or spaces within the token.
    #[error("not a token of scheme Bearer")]
    Scheme,
    /// Longer than [`Limits::max_token_size`].
    #[error("{size} bytes, at most {limit} are allowed")]
    TooLong {
        /// Bytes of the token.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not exactly three segments (RFC 7515 section 7.1).
    #[error("not made of three segments")]
    Segments,
    /// Five segments (RFC 7516 section 7.1).
    #[error(
        "not made of three segments: it has five, as an encrypted token (JWE), which can't be read \
         here; have the issuer sign tokens without encrypting them"
    )]
    Encrypted,
    /// One segment, or two: a reference to what the issuer knows.
    #[error(
        "not made of three segments: it is no JSON Web Token but opaque, and can be checked by its \
         issuer alone"
    )]
    Opaque,
    /// Bytes that are not even text.
    #[error("has bytes that are not base64url")]
    NotAscii,
    /// A segment is not base64url without padding (RFC 7515 section 2), to the last bit.
    #[error("{0} is not base64url without padding")]
    Base64(Part),
    /// A segment is not an acceptable JSON object.
    #[error("{0} {1}")]
    Json(Part, JsonError),
    /// The header has no `alg`, or it is not a string (RFC 7515 section 4.1.1).
    #[error("header has no alg")]
    NoAlgorithm,
    /// No token of any kind, so that no issuer is asked for it.
    #[error("has characters that no token of scheme Bearer has (RFC 6750 section 2.1)")]
    NotBearer,
}

/// Bytes that printing a token may add to its header: `"typ":"JWT",`, or fewer.
const ADDED_TO_HEADER: usize = 16;

/// A token whose parts are well formed. Nothing in it can be trusted until its signature is
/// verified.
pub struct Token {
    text: String,
    signed_length: usize,
    signature: Vec<u8>,
    header: Object,
    claims: Object,
    algorithm: Option<Algorithm>,
    /// Why it is no JSON Web Token.
    not_jwt: Option<TokenError>,
    is_introspected: bool,
}

impl Token {
    /// Reads a token, bare or after the scheme `Bearer` (RFC 6750 section 2.1; in any case),
    /// tolerating surrounding white space.
    ///
    /// # Errors
    /// Fails on anything that is not strictly a token, see [`TokenError`]. The length is checked
    /// before anything is decoded.
    pub fn parse(raw: &[u8], limits: &Limits) -> Result<Self, TokenError> {
        let bare = bare_token(raw)?;
        if bare.len() > limits.max_token_size {
            return Err(TokenError::TooLong {
                size: bare.len(),
                limit: limits.max_token_size,
            });
        }
        Self::parse_bare(bare).map_err(|error| {
            // No token contains a space: these are credentials of another kind.
            if bare.iter().any(u8::is_ascii_whitespace) {
                TokenError::Scheme
            } else {
                error
            }
        })
    }

    fn parse_bare(bare: &[u8]) -> Result<Self, TokenError> {
        let text = str::from_utf8(bare).map_err(|_| TokenError::NotAscii)?;
        let mut segments = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) = (
            segments.next(),
            segments.next(),
            segments.next(),
            segments.next(),
        ) else {
            return Err(match text.bytes().filter(|byte| *byte == b'.').count() {
                0 | 1 => TokenError::Opaque,
                4 => TokenError::Encrypted,
                _ => TokenError::Segments,
            });
        };
        let mut buffer = Vec::with_capacity(header.len().max(payload.len()));
        let mut object = |part, segment| {
            buffer.clear();
            URL_SAFE_NO_PAD
                .decode_vec(segment, &mut buffer)
                .map_err(|_| TokenError::Base64(part))?;
            json::parse_object(&buffer).map_err(|error| TokenError::Json(part, error))
        };
        let header_members = object(Part::Header, header)?;
        let Some(Value::String(name)) = header_members.get("alg") else {
            return Err(TokenError::NoAlgorithm);
        };
        let algorithm = algorithm::by_name(name);
        let claims = object(Part::Payload, payload)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| TokenError::Base64(Part::Signature))?;
        let signed_length = header.len() + 1 + payload.len();
        Ok(Self {
            text: text.to_owned(),
            signed_length,
            signature,
            header: header_members,
            claims,
            algorithm,
            not_jwt: None,
            is_introspected: false,
        })
    }

    /// The token itself, without scheme: for comparison in a cache, never for a log.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, where the rest is no longer needed.
    pub fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }

    /// What the signature covers (RFC 7515 section 5.2 step 8).
    pub fn signing_input(&self) -> &[u8] {
        &self.text.as_bytes()[..self.signed_length]
    }

    /// The signature, decoded. Empty in an unsecured token.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// The algorithm that the header names, if it is one that can verify.
    pub fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The name in the header's `alg`, known or not.
    pub fn algorithm_name(&self) -> &str {
        self.header
            .get("alg")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The header's `kid` (RFC 7515 section 4.1.4), if it is a string.
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// A member of the header.
    pub fn header_member(&self, name: &str) -> Option<&Value> {
        self.header.get(name)
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// All claims.
    pub fn claims(&self) -> &Object {
        &self.claims
    }

    /// The first 12 hexadecimal digits of the SHA-256 of the token, to identify it in logs.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.text.as_bytes())
    }

    /// `header_json.payload_json` as returned by the C module's `jwt_db_authorize` for a verified
    /// token (libjwt 1.10.2, `jwt_dump_str`): compact, sorted, with `"typ":"JWT"` added to the
    /// header if there is no other type.
    ///
    /// The C module accepts no other type, so such a type is printed as it is. What is no JSON Web Token has an
    /// empty header.
    pub fn decoded(&self) -> Box<str> {
        if self.not_jwt.is_some() {
            return self.print(None, None);
        }
        let foreign_type = match self.header.get("typ") {
            Some(Value::String(typ)) => !typ.eq_ignore_ascii_case("JWT"),
            _ => false,
        };
        let jwt = Value::from("JWT");
        let typ = (!foreign_type).then_some(&jwt);
        self.print(None, typ)
    }

    /// `header_json.payload_json` as returned by the C module's `jwt_script_authorize`.
    ///
    /// That function prints what it read before it looked at the key, when libjwt still knows the
    /// algorithm as `none`: so the header says `"alg":"none"` whatever the token says, and `typ` is
    /// left as it is.
    pub fn decoded_without_key(&self) -> Box<str> {
        static NONE: LazyLock<Value> = LazyLock::new(|| Value::from("none"));
        self.print(Some(&NONE), None)
    }

    fn print(&self, algorithm: Option<&Value>, typ: Option<&Value>) -> Box<str> {
        // Base64 makes four bytes of three. The output is mostly what was read, apart from what may
        // be added to the header; and as it may be kept, it has no spare capacity.
        let mut out = String::with_capacity(self.signed_length / 4 * 3 + ADDED_TO_HEADER);
        // The header always has alg, so only typ may have to be added.
        let has_type = self.header.contains("typ");
        let added = typ.filter(|_| !has_type).map(|typ| ("typ", typ));
        let mut added = added.into_iter().peekable();
        let mut members = self.header.iter().peekable();
        let merged = std::iter::from_fn(|| {
            let before = match (added.peek(), members.peek()) {
                (Some((name, _)), Some((next, _))) => name < next,
                (first, _) => first.is_some(),
            };
            if before {
                return added.next();
            }
            members.next().map(|(name, member)| {
                let member = match name {
                    "alg" => algorithm.unwrap_or(member),
                    "typ" => typ.unwrap_or(member),
                    _ => member,
                };
                (name, member)
            })
        });
        json::print::members(&mut out, merged, Numbers::AsJansson);
        out.push('.');
        json::print::object(&mut out, &self.claims, Numbers::AsJansson);
        out.into_boxed_str()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("Token")
            .field(&self.fingerprint())
            .finish()
    }
}

/// The name of a bare token in a log: the first twelve digits of its SHA-256.
pub fn fingerprint(text: &[u8]) -> String {
    digest::digest(&digest::SHA256, text).as_ref()[..6]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The token alone, without scheme and surrounding white space, as [`Token::parse`] takes it: the
/// lookup key of a cache.
///
/// # Errors
/// Fails if there is nothing, or nothing after the scheme.
pub fn bare_token(raw: &[u8]) -> Result<&[u8], TokenError> {
    const SCHEME: &[u8] = b"Bearer";
    let trimmed = raw.trim_ascii();
    let bare = match trimmed.split_at_checked(SCHEME.len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(SCHEME) => match rest.first() {
            None => rest,
            Some(blank) if blank.is_ascii_whitespace() => rest.trim_ascii_start(),
            // A token that happens to begin like this.
            Some(_) => trimmed,
        },
        _ => trimmed,
    };
    if bare.is_empty() {
        return Err(TokenError::Missing);
    }
    Ok(bare)
}

/// Whether the value of a header is a token, if only by its beginning: of scheme Bearer, or the header
/// of a JSON Web Token, in any case, since a device that sends one means a token.
pub fn is_like_a_token(value: &[u8]) -> bool {
    let value = value.trim_ascii_start();
    let starts = |prefix: &[u8]| {
        let start = value.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_encoded = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let end = value.iter().position(|byte| !is_encoded(byte));
    starts(b"Bearer ")
        || starts(b"Bearer\t")
        || (starts(b"eyJ") && end.and_then(|end| value.get(end)) == Some(&b'.'))
}

#[cfg(test)]
mod tests;
