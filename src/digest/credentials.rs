//! The value of an Authorization or Proxy-Authorization header.

use percent_encoding::percent_decode;

use super::algorithm::{Algorithm, UnknownAlgorithm};
use super::lexer::Lexer;

/// Longest header value that is looked at, in bytes. SIP over UDP has no room for more, and
/// nothing that a device sends comes near.
pub const MAX_HEADER_LENGTH: usize = 8192;

/// Most parameters of one header. The registry knows a dozen.
const MAX_PARAMETERS: usize = 64;

/// What a request identifies itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Scheme Digest.
    Digest(Box<Digest>),
    /// Scheme Bearer.
    Bearer(Bearer),
}

/// A bearer token (RFC 6750 section 2.1). Whoever has it is believed, so it does not show in
/// debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token, a `b64token`: visible ASCII.
    pub token: String,
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

/// Digest credentials (RFC 7616 section 3.4). Values are without quotes and escapes. They are
/// bytes: SIP promises UTF-8, devices do not all keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// Also from the extended notation `username*` (RFC 7616 section 3.4.4).
    pub username: Vec<u8>,
    /// The protection domain, as the challenge named it.
    pub realm: Vec<u8>,
    /// The challenge's nonce.
    pub nonce: Vec<u8>,
    /// The URI that the response was computed with.
    pub uri: Vec<u8>,
    /// Hexadecimal, of the length that belongs to the algorithm.
    pub response: String,
    /// MD5 when the header has none.
    pub algorithm: Algorithm,
    /// `auth` or `auth-int`, in the case in which it came: it is part of what is hashed.
    pub qop: Option<String>,
    /// Nonce count, eight hexadecimal digits as they came.
    pub nc: Option<String>,
    /// The client's nonce.
    pub cnonce: Option<Vec<u8>>,
    /// The challenge's opaque.
    pub opaque: Option<Vec<u8>>,
    /// The username is a hash (RFC 7616 section 3.4.4).
    pub userhash: bool,
}

/// Why a header value is no credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// Another scheme than Digest and Bearer. Among them is Basic, which RFC 3261 section 22
    /// forbids: it is treated as if the header were not there.
    #[error("the scheme is neither Digest nor Bearer")]
    Scheme,
    /// Over [`MAX_HEADER_LENGTH`].
    #[error("the header is {0} bytes long, {MAX_HEADER_LENGTH} are allowed")]
    TooLong(usize),
    /// More parameters than any device sends.
    #[error("the header has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
    /// Not `scheme name=value, name=value`.
    #[error("the header does not follow the grammar of RFC 3261 section 25.1")]
    Grammar,
    /// A parameter that must be there.
    #[error("the parameter {0} is missing or empty")]
    Missing(&'static str),
    /// A parameter is there twice; which one counts would be a guess.
    #[error("the parameter {0} is there more than once")]
    Duplicate(&'static str),
    /// A parameter whose value is not of its form.
    #[error("the parameter {name} must be {allowed}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// The form.
        allowed: &'static str,
    },
    /// A hash that nobody has defined.
    #[error(transparent)]
    Algorithm(#[from] UnknownAlgorithm),
    /// Scheme Bearer with something else than one token.
    #[error("the bearer token does not follow the grammar of RFC 6750 section 2.1")]
    Token,
}

impl Credentials {
    /// Reads the value of one header.
    ///
    /// Schemes and names may be in any case, parameters in any order. Parameters that are not
    /// known are skipped, known ones may be there once. Either form of a value is taken, quoted
    /// or not.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]; every error but [`CredentialsError::Scheme`] means malformed.
    pub fn parse(value: &[u8]) -> Result<Credentials, CredentialsError> {
        if value.len() > MAX_HEADER_LENGTH {
            return Err(CredentialsError::TooLong(value.len()));
        }
        let mut lexer = Lexer::new(value.trim_ascii());
        let scheme = lexer.token();
        let separated = lexer.white_space();
        if scheme.is_empty() || !(separated || lexer.is_at_end()) {
            return Err(CredentialsError::Grammar);
        }
        if scheme.eq_ignore_ascii_case(b"Digest") {
            Ok(Credentials::Digest(Box::new(digest(lexer)?)))
        } else if scheme.eq_ignore_ascii_case(b"Bearer") {
            Ok(Credentials::Bearer(Bearer {
                token: b64token(lexer.rest())?,
            }))
        } else {
            Err(CredentialsError::Scheme)
        }
    }

    /// The realm; a bearer token has none.
    pub fn realm(&self) -> Option<&[u8]> {
        match self {
            Credentials::Digest(digest) => Some(&digest.realm),
            Credentials::Bearer(_) => None,
        }
    }
}

fn b64token(value: &[u8]) -> Result<String, CredentialsError> {
    let body = value.trim_ascii_end();
    let unpadded = body
        .iter()
        .rposition(|byte| *byte != b'=')
        .map_or(0, |last| last + 1);
    let (token, _padding) = body.split_at(unpadded);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if token.is_empty() || !token.iter().all(allowed) {
        return Err(CredentialsError::Token);
    }
    String::from_utf8(body.to_vec()).map_err(|_| CredentialsError::Token)
}

/// The parameters as they are found, each at most once.
#[derive(Default)]
struct Parameters {
    values: [Option<Vec<u8>>; NAMES.len()],
}

/// The parameters that are understood; the position is the index in [`Parameters::values`].
const NAMES: [&str; 12] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "qop",
    "nc",
    "cnonce",
    "opaque",
    "username*",
    "userhash",
];

impl Parameters {
    fn read(mut lexer: Lexer<'_>) -> Result<Parameters, CredentialsError> {
        let mut parameters = Parameters::default();
        for _ in 0..MAX_PARAMETERS {
            let name = lexer.token();
            if name.is_empty() || !lexer.separator(b'=') {
                return Err(CredentialsError::Grammar);
            }
            let value = lexer.value().map_err(|_| CredentialsError::Grammar)?;
            let known = NAMES
                .iter()
                .zip(&mut parameters.values)
                .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
            if let Some((name, slot)) = known {
                if slot.is_some() {
                    return Err(CredentialsError::Duplicate(name));
                }
                *slot = Some(value);
            }
            if !lexer.separator(b',') {
                return if lexer.is_at_end() {
                    Ok(parameters)
                } else {
                    Err(CredentialsError::Grammar)
                };
            }
        }
        Err(CredentialsError::TooManyParameters)
    }

    fn take(&mut self, name: &'static str) -> Option<Vec<u8>> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.values.get_mut(at)?.take()
    }

    fn required(&mut self, name: &'static str) -> Result<Vec<u8>, CredentialsError> {
        self.take(name)
            .filter(|value| !value.is_empty())
            .ok_or(CredentialsError::Missing(name))
    }
}

fn digest(lexer: Lexer<'_>) -> Result<Digest, CredentialsError> {
    let mut found = Parameters::read(lexer)?;
    let username = match found.take("username*") {
        None => found.required("username")?,
        Some(_) if found.take("username").is_some() => {
            return Err(CredentialsError::Duplicate("username"));
        }
        Some(extended) => extended_value(&extended).ok_or(CredentialsError::Invalid {
            name: "username*",
            allowed: "UTF-8'language'percent-encoded",
        })?,
    };
    let realm = found.required("realm")?;
    let nonce = found.required("nonce")?;
    let uri = found.required("uri")?;
    let algorithm = match found.take("algorithm") {
        None => Algorithm::Md5,
        Some(name) => str::from_utf8(&name)
            .map_err(|_| UnknownAlgorithm)?
            .parse()?,
    };
    let response = hex(&found.required("response")?, algorithm.response_length()).ok_or(
        CredentialsError::Invalid {
            name: "response",
            allowed: "32 hexadecimal digits for MD5, 64 for the others",
        },
    )?;
    let qop = found.take("qop").map(qop_value).transpose()?;
    let nc = match found.take("nc") {
        None if qop.is_some() => return Err(CredentialsError::Missing("nc")),
        None => None,
        Some(count) => Some(hex(&count, 8).ok_or(CredentialsError::Invalid {
            name: "nc",
            allowed: "8 hexadecimal digits",
        })?),
    };
    let cnonce = found.take("cnonce").filter(|cnonce| !cnonce.is_empty());
    if cnonce.is_none() && (qop.is_some() || algorithm.is_session()) {
        return Err(CredentialsError::Missing("cnonce"));
    }
    let userhash = match found.take("userhash") {
        None => false,
        Some(value) if value.eq_ignore_ascii_case(b"true") => true,
        Some(value) if value.eq_ignore_ascii_case(b"false") => false,
        Some(_) => {
            return Err(CredentialsError::Invalid {
                name: "userhash",
                allowed: "true or false",
            });
        }
    };
    Ok(Digest {
        username,
        realm,
        nonce,
        uri,
        response,
        algorithm,
        qop,
        nc,
        cnonce,
        opaque: found.take("opaque"),
        userhash,
    })
}

fn qop_value(value: Vec<u8>) -> Result<String, CredentialsError> {
    let known = [b"auth".as_slice(), b"auth-int"];
    if known.iter().any(|known| value.eq_ignore_ascii_case(known)) {
        Ok(value.into_iter().map(char::from).collect())
    } else {
        Err(CredentialsError::Invalid {
            name: "qop",
            allowed: "auth or auth-int",
        })
    }
}

fn hex(value: &[u8], length: usize) -> Option<String> {
    (value.len() == length && value.iter().all(u8::is_ascii_hexdigit))
        .then(|| value.iter().copied().map(char::from).collect())
}

/// `ext-value` of RFC 5987 section 3.2.1, in UTF-8, which is the only charset that RFC 7616 has.
fn extended_value(value: &[u8]) -> Option<Vec<u8>> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    if !charset.eq_ignore_ascii_case(b"UTF-8") {
        return None;
    }
    let decoded: Vec<u8> = percent_decode(encoded).collect();
    let printable = str::from_utf8(&decoded).is_ok_and(|text| !text.contains(char::is_control));
    (printable && !decoded.is_empty()).then_some(decoded)
}

#[cfg(test)]
mod tests;
