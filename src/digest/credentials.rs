//! The value of an Authorization or Proxy-Authorization header.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::algorithm::{Algorithm, UnknownAlgorithm};
use super::lexer::{Escape, Lexer, trim};

/// The longest header value that is accepted, in bytes. SIP over UDP has no room for more, and
/// nothing that a device sends comes close.
pub const MAX_HEADER_LENGTH: usize = 8192;

/// The most headers with credentials in one request, of each kind. A request that passes proxies
/// has one for each of them, and one for each hash.
pub const MAX_HEADERS: usize = 8;

/// The most parameters of one header. The registry has a dozen.
const MAX_PARAMETERS: usize = 64;

/// The credentials of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// The Digest scheme.
    Digest(Box<Digest>),
    /// The Bearer scheme.
    Bearer(Bearer),
}

impl Credentials {
    /// What another has written, without what proves who somebody is: an endpoint may repeat what it was asked.
    pub fn hidden_in<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let secret = match self {
            Credentials::Digest(digest) => &digest.response,
            Credentials::Bearer(bearer) => &bearer.token,
        };
        match !secret.is_empty() && text.contains(secret.as_str()) {
            true => text.replace(secret.as_str(), MASKED).into(),
            false => text.into(),
        }
    }
}

/// What takes the place of a secret, wherever something is shown that has one.
pub const MASKED: &str = "[masked]";

/// A bearer token (RFC 6750 section 2.1). Possession is enough to use it, so it is hidden from
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
/// bytes: SIP requires UTF-8, but not all devices comply. Username and realm must.
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
    /// Hexadecimal, of the length required by the algorithm.
    pub response: String,
    /// MD5 if the header has none.
    pub algorithm: Algorithm,
    /// `auth` or `auth-int`, in the case received, as it is part of what is hashed.
    pub qop: Option<String>,
    /// Nonce count, eight hexadecimal digits as received.
    pub nc: Option<String>,
    /// The client's nonce.
    pub cnonce: Option<Vec<u8>>,
    /// The challenge's opaque.
    pub opaque: Option<Vec<u8>>,
    /// The username is a hash (RFC 7616 section 3.4.4).
    pub userhash: bool,
}

/// Why a header value is not valid credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A scheme other than Digest and Bearer, such as Basic, which RFC 3261 section 22 forbids: it
    /// is treated as if the header were absent.
    #[error("the scheme is neither Digest nor Bearer")]
    Scheme,
    /// Over [`MAX_HEADER_LENGTH`].
    #[error("the header is {0} bytes long, {MAX_HEADER_LENGTH} are allowed")]
    TooLong(usize),
    /// More parameters than any device sends.
    #[error("the header has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
    /// No nonce or no response, or empty ones: a first request of a device that names its user at
    /// once (RFC 3261 section 22.2, 3GPP TS 24.229 section 5.1.1.2), or what remained of a lost
    /// challenge. Also nothing at all, or only a scheme, as written by a device that has nothing to
    /// say.
    #[error("the header answers no challenge")]
    Unanswered,
    /// Several credentials in one header, which RFC 3261 section 7.3.1 forbids, as commas also
    /// separate their parameters.
    #[error("the header has more than one set of credentials")]
    List,
    /// Not `scheme name=value, name=value`.
    #[error("the header does not follow the grammar of RFC 3261 section 25.1")]
    Grammar,
    /// Another required parameter is missing.
    #[error("the parameter {0} is missing or empty")]
    Missing(&'static str),
    /// A parameter occurs twice; choosing one would be a guess.
    #[error("the parameter {0} occurs more than once")]
    Duplicate(&'static str),
    /// The same for an unknown parameter.
    #[error("an unknown parameter occurs more than once")]
    DuplicateExtension,
    /// A backslash where OpenSIPS would read a different value: before a quote, or in a username or
    /// realm.
    #[error("the parameter {0} has a backslash, so that it can be read in two ways")]
    Escape(&'static str),
    /// Several headers that do not name the same user.
    #[error("the headers name different users")]
    SeveralUsers,
    /// More headers than any device sends.
    #[error("there are more than {MAX_HEADERS} headers with credentials")]
    TooManyHeaders,
    /// OpenSIPS's own parser reads another user's name from the header.
    #[error("the username can be read in two ways")]
    Ambiguous,
    /// A parameter whose value is malformed.
    #[error("the parameter {name} must be {allowed}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// The form.
        allowed: &'static str,
    },
    /// An undefined hash.
    #[error(transparent)]
    Algorithm(#[from] UnknownAlgorithm),
    /// The Bearer scheme with anything other than one token.
    #[error("the bearer token does not follow the grammar of RFC 6750 section 2.1")]
    Token,
}

impl CredentialsError {
    /// Whether the device is to be told what to do next: the header is not wrong, but no decision
    /// can be based on it.
    pub fn wants_challenge(&self) -> bool {
        use CredentialsError::{Algorithm, List, Unanswered};
        matches!(self, Unanswered | List | Algorithm(_))
    }
}

impl Credentials {
    /// Reads the value of one header.
    ///
    /// Schemes and names may be in any case, parameters in any order. Unknown parameters are
    /// skipped, known ones may occur once. Each value is accepted quoted or unquoted. A token may
    /// come without its scheme, as JsSIP sends it: a JWT can't be mistaken for anything else.
    ///
    /// # Errors
    /// Fails with [`CredentialsError`]; every error but [`CredentialsError::Scheme`] means
    /// malformed.
    pub fn parse(value: &[u8]) -> Result<Credentials, CredentialsError> {
        let (scheme, lexer) = scheme(value)?;
        if lexer.is_at_end() && is_jwt(scheme) {
            Ok(Credentials::Bearer(Bearer {
                token: b64token(scheme)?,
            }))
        } else if scheme.eq_ignore_ascii_case(b"Digest") {
            let found = Parameters::read(lexer)?;
            Ok(Credentials::Digest(Box::new(digest(found)?)))
        } else if scheme.eq_ignore_ascii_case(b"Bearer") {
            Ok(Credentials::Bearer(Bearer {
                token: b64token(lexer.rest())?,
            }))
        } else {
            Err(CredentialsError::Scheme)
        }
    }

    /// The user named by a header, whatever else it contains; `None` if the scheme is not Digest.
    ///
    /// # Errors
    /// Fails with [`CredentialsError`] if the header is not a list of parameters.
    pub fn username_of(value: &[u8]) -> Result<Option<Vec<u8>>, CredentialsError> {
        if trim(value).is_empty() {
            return Ok(None);
        }
        let (scheme, lexer) = scheme(value)?;
        // The core takes the bare word for another scheme, too.
        if !scheme.eq_ignore_ascii_case(b"Digest") || lexer.is_at_end() {
            return Ok(None);
        }
        username(&mut Parameters::read(lexer)?).map(Some)
    }

    /// A part of the credentials, by the name of its parameter; `scheme` is the scheme in lower
    /// case. `None` if it was not sent. The names are those of [`PARTS`].
    pub fn part(&self, name: &str) -> Option<&[u8]> {
        match (self, name) {
            (Credentials::Digest(_), "scheme") => Some(b"digest"),
            (Credentials::Bearer(_), "scheme") => Some(b"bearer"),
            (Credentials::Bearer(_), _) => None,
            (Credentials::Digest(digest), name) => digest.part(name),
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

/// The parts known to [`Credentials::part`].
pub const PARTS: [&str; 12] = [
    "scheme",
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
    "userhash",
];

impl Digest {
    fn part(&self, name: &str) -> Option<&[u8]> {
        match name {
            "username" => Some(&self.username),
            "realm" => Some(&self.realm),
            "nonce" => Some(&self.nonce),
            "uri" => Some(&self.uri),
            "response" => Some(self.response.as_bytes()),
            "algorithm" => Some(self.algorithm.name().as_bytes()),
            "qop" => self.qop.as_deref().map(str::as_bytes),
            "nc" => self.nc.as_deref().map(str::as_bytes),
            "cnonce" => self.cnonce.as_deref(),
            "opaque" => self.opaque.as_deref(),
            "userhash" => self.userhash.then_some(b"true".as_slice()),
            _ => None,
        }
    }
}

/// The scheme, and what follows it.
fn scheme(value: &[u8]) -> Result<(&[u8], Lexer<'_>), CredentialsError> {
    if value.len() > MAX_HEADER_LENGTH {
        return Err(CredentialsError::TooLong(value.len()));
    }
    let value = trim(value);
    if value.is_empty() {
        return Err(CredentialsError::Unanswered);
    }
    let mut lexer = Lexer::new(value);
    let scheme = lexer.token();
    let separated = lexer.white_space();
    if scheme.is_empty() || !(separated || lexer.is_at_end()) {
        return Err(CredentialsError::Grammar);
    }
    Ok((scheme, lexer))
}

/// Whether this is the compact form of a signed or encrypted JWT (RFC 7515 section 3.1, RFC 7516
/// section 3.1), whose header is a JSON object.
fn is_jwt(value: &[u8]) -> bool {
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let mut parts = value.split(|byte| *byte == b'.');
    let is_encoded = parts.all(|part| part.iter().all(is_base64url));
    let dots = value.iter().filter(|byte| **byte == b'.').count();
    value.starts_with(b"eyJ") && is_encoded && matches!(dots, 2 | 4)
}

/// Whether credentials begin here: a known scheme, and something after it.
fn is_begin(value: &[u8]) -> bool {
    let mut lexer = Lexer::new(value);
    let scheme = lexer.token();
    let known = [b"Digest".as_slice(), b"Bearer", b"Basic"];
    known.iter().any(|name| scheme.eq_ignore_ascii_case(name))
        && lexer.white_space()
        && !lexer.token().is_empty()
}

fn b64token(value: &[u8]) -> Result<String, CredentialsError> {
    let body = trim(value);
    if body.is_empty() {
        return Err(CredentialsError::Unanswered);
    }
    let mut parts = body.splitn(2, |byte| *byte == b',');
    if parts.nth(1).is_some_and(|rest| is_begin(trim(rest))) {
        return Err(CredentialsError::List);
    }
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

/// The parameters found, each at most once.
#[derive(Default)]
struct Parameters {
    values: [Option<Vec<u8>>; NAMES.len()],
}

/// The supported parameters; the position is the index in [`Parameters::values`].
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
        if lexer.is_at_end() {
            return Err(CredentialsError::Unanswered);
        }
        let mut parameters = Parameters::default();
        let mut extensions: Vec<&[u8]> = Vec::new();
        for number in 0..MAX_PARAMETERS {
            if number > 0 && is_begin(lexer.rest()) {
                return Err(CredentialsError::List);
            }
            let name = lexer.token();
            if name.is_empty() || !lexer.separator(b'=') {
                return Err(CredentialsError::Grammar);
            }
            let value = lexer.value().map_err(|_| match lexer.rest().first() {
                None | Some(b',') if is_answer(name) => CredentialsError::Unanswered,
                _ => CredentialsError::Grammar,
            })?;
            let known = NAMES
                .iter()
                .zip(&mut parameters.values)
                .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
            let escape = lexer.escape();
            match known {
                Some((name, Some(_))) => return Err(CredentialsError::Duplicate(name)),
                Some((name, _)) if escape > allowed_escape(name) => {
                    return Err(CredentialsError::Escape(name));
                }
                Some((_, slot)) => *slot = Some(value),
                None if escape == Escape::Quote => {
                    return Err(CredentialsError::Escape("that is not known"));
                }
                None if extensions.iter().any(|n| n.eq_ignore_ascii_case(name)) => {
                    return Err(CredentialsError::DuplicateExtension);
                }
                None => extensions.push(name),
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

/// Whether a parameter answers a challenge. Without quotes and a value it answers none, and the core can't
/// read the header.
fn is_answer(name: &[u8]) -> bool {
    [b"nonce".as_slice(), b"response"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known))
}

/// What may be escaped in the value of a parameter: nothing in a name that decisions may depend on.
fn allowed_escape(name: &str) -> Escape {
    match name {
        "username" | "username*" | "realm" => Escape::None,
        _ => Escape::Other,
    }
}

/// The user; empty if none is named.
fn username(found: &mut Parameters) -> Result<Vec<u8>, CredentialsError> {
    match (found.take("username*"), found.take("username")) {
        (Some(_), Some(_)) => Err(CredentialsError::Duplicate("username")),
        (None, plain) => utf8("username", plain.unwrap_or_default()),
        (Some(extended), None) => extended_value(&extended).ok_or(CredentialsError::Invalid {
            name: "username*",
            allowed: "UTF-8'language'percent-encoded",
        }),
    }
}

fn digest(mut found: Parameters) -> Result<Digest, CredentialsError> {
    let username = username(&mut found)?;
    let [nonce, response] =
        ["nonce", "response"].map(|name| found.take(name).filter(|value| !value.is_empty()));
    let (Some(nonce), Some(response)) = (nonce, response) else {
        return Err(CredentialsError::Unanswered);
    };
    if username.is_empty() {
        return Err(CredentialsError::Missing("username"));
    }
    let realm = utf8("realm", found.required("realm")?)?;
    let uri = found.required("uri")?;
    // Empty quotes say nothing.
    let mut said = |name| found.take(name).filter(|value: &Vec<u8>| !value.is_empty());
    let algorithm = match said("algorithm") {
        None => Algorithm::Md5,
        Some(name) => str::from_utf8(&name)
            .map_err(|_| UnknownAlgorithm)?
            .parse()?,
    };
    let response =
        hex(&response, algorithm.response_length()).ok_or(CredentialsError::Invalid {
            name: "response",
            allowed: "32 hexadecimal digits for MD5, 64 for the others",
        })?;
    let qop = said("qop").map(qop_value).transpose()?;
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

/// Names are passed on in JSON, which is UTF-8: other bytes would be replaced, and the result might
/// be another user's name.
fn utf8(name: &'static str, value: Vec<u8>) -> Result<Vec<u8>, CredentialsError> {
    let error = CredentialsError::Invalid {
        name,
        allowed: "UTF-8",
    };
    str::from_utf8(&value).is_ok().then_some(value).ok_or(error)
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

/// `ext-value` of RFC 5987 section 3.2.1, in UTF-8, the only charset that RFC 7616 allows.
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
