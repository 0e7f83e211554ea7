//! Recognizes key material by its content.
//!
//! The question that matters is not "is this a well-formed key?" but "could this be public?": a
//! public key taken for an HMAC secret lets anyone sign. So the search for the marks of keys is
//! generous, even where the text around them is damaged, wrapped or encoded once more.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// What key material looks like.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::jwt) enum Shape<'a> {
    /// Nothing at all.
    Empty,
    /// Text with a PEM boundary.
    Pem(Cow<'a, [u8]>),
    /// ASN.1 of a key or a certificate.
    Der(Cow<'a, [u8]>),
    /// JSON of a key or a set of keys.
    Jwk(Cow<'a, [u8]>),
    /// A key in the named format, which is not supported.
    Foreign(&'static str),
    /// An address.
    Url,
    /// Has the marks of a public key somewhere, but no known form.
    Damaged,
    /// None of these.
    Secret,
}

/// Inspects the material, even through one layer of base64 or hexadecimal digits.
pub(in crate::jwt) fn shape(material: &[u8]) -> Shape<'_> {
    if material.is_empty() {
        return Shape::Empty;
    }
    let bare = bare_shape(material);
    if !matches!(bare, Shape::Secret | Shape::Damaged) {
        return bare;
    }
    for decoded in [decode_base64(material), decode_hex(material)]
        .into_iter()
        .flatten()
    {
        let decoded = Zeroizing::new(decoded);
        match bare_shape(&decoded) {
            Shape::Secret | Shape::Empty => {}
            Shape::Pem(text) => return Shape::Pem(Cow::Owned(text.into_owned())),
            Shape::Der(der) => return Shape::Der(Cow::Owned(der.into_owned())),
            Shape::Jwk(json) => return Shape::Jwk(Cow::Owned(json.into_owned())),
            Shape::Foreign(format) => return Shape::Foreign(format),
            Shape::Url | Shape::Damaged => return Shape::Damaged,
        }
    }
    bare
}

fn bare_shape(material: &[u8]) -> Shape<'_> {
    if is_der(material) {
        return Shape::Der(Cow::Borrowed(material));
    }
    // UTF-16 text is text with NULs in between.
    let text = if material.contains(&0) {
        Cow::Owned(material.iter().copied().filter(|byte| *byte != 0).collect())
    } else {
        Cow::Borrowed(material)
    };
    if PEM_MARKS.iter().any(|mark| contains(&text, mark)) {
        return Shape::Pem(text);
    }
    if let Some((_, format)) = FOREIGN_MARKS.iter().find(|(mark, _)| contains(&text, mark)) {
        return Shape::Foreign(format);
    }
    if is_json_of_key(&text) {
        return Shape::Jwk(text);
    }
    let start = trim(&text);
    if URL_SCHEMES.iter().any(|scheme| {
        start
            .get(..scheme.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(scheme.as_bytes()))
    }) {
        return Shape::Url;
    }
    let marked = KEY_OIDS.iter().any(|oid| contains_exactly(material, oid))
        || KEY_OIDS_IN_BASE64
            .iter()
            .any(|mark| contains_exactly(&text, mark.as_bytes()))
        || begins_as_der_in_base64(start);
    if marked {
        Shape::Damaged
    } else {
        Shape::Secret
    }
}

/// Boundaries of PEM and its look-alikes (RFC 4716 has four dashes and a space), and their labels,
/// in case the dashes are lost.
const PEM_MARKS: &[&str] = &[
    "-----BEGIN",
    "-----END",
    "---- BEGIN",
    "PUBLIC KEY-",
    "PRIVATE KEY-",
    "CERTIFICATE-",
];

/// What identifies JSON as that of a key where the name `kty` itself is damaged.
const JWK_MARKS: &[&str] = &[
    "kty", "\"keys\"", "\"crv\"", "\"x5c\"", "\"RSA\"", "\"EC\"", "\"OKP\"",
];

const FOREIGN_MARKS: &[(&str, &str)] = &[
    ("ssh-rsa", "SSH"),
    ("ssh-ed25519", "SSH"),
    ("ssh-dss", "SSH"),
    ("ecdsa-sha2-", "SSH"),
    ("ssh-ed448", "SSH"),
    ("sk-ssh-", "SSH"),
    ("PuTTY-User-Key-File", "PuTTY"),
    ("RSAKeyValue", "XML"),
    ("ECKeyValue", "XML"),
];

/// URLs of keys, however they are fetched.
const URL_SCHEMES: &[&str] = &["http://", "https://", "file://"];

/// DER of the object identifiers that name a kind of key: rsaEncryption and its relatives,
/// id-ecPublicKey, id-Ed25519.
const KEY_OIDS: &[&[u8]] = &[
    &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01],
    &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01],
    &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
];

/// The same in base64, at each of the three possible byte alignments.
const KEY_OIDS_IN_BASE64: &[&str] = &[
    "BgkqhkiG9w0BA",
    "YJKoZIhvcNAQ",
    "GCSqGSIb3DQEB",
    "BgcqhkjOPQIB",
    "YHKoZIzj0CA",
    "GByqGSM49Ag",
    "MAUGAytlc",
    "wBQYDK2Vw",
    "AFBgMrZX",
];

/// Base64 of a long SEQUENCE that begins with a PKCS#1 modulus, the to-be-signed part of a
/// certificate, or the algorithm of a SubjectPublicKeyInfo.
fn begins_as_der_in_base64(text: &[u8]) -> bool {
    text.starts_with(b"MII")
        && text.get(6..8).is_some_and(|next| {
            [b"KC", b"CC", b"CB", b"AN"]
                .iter()
                .any(|mark| next == *mark)
        })
}

fn contains(text: &[u8], mark: &str) -> bool {
    let mark = mark.as_bytes();
    let Some(first) = mark.first() else {
        return true;
    };
    text.windows(mark.len()).any(|window| {
        // The first byte nearly always decides, and comparing it is cheap.
        window[0].eq_ignore_ascii_case(first) && window.eq_ignore_ascii_case(mark)
    })
}

fn contains_exactly(bytes: &[u8], mark: &[u8]) -> bool {
    bytes
        .windows(mark.len())
        .any(|window| window[0] == mark[0] && window == mark)
}

fn trim(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(text)
        .trim_ascii()
}

/// Whether this is one ASN.1 SEQUENCE, as all keys and certificates are, that begins with a
/// SEQUENCE or an INTEGER; or the beginning of a long one. A random secret has this form once in
/// millions.
fn is_der(bytes: &[u8]) -> bool {
    let Some((0x30, rest)) = bytes.split_first().map(|(tag, rest)| (*tag, rest)) else {
        return false;
    };
    let (length, content) = match rest {
        [short @ 0..=0x7f, content @ ..] => (usize::from(*short), content),
        [0x81, length, content @ ..] => (usize::from(*length), content),
        [0x82, high, low, content @ ..] => {
            (usize::from(u16::from_be_bytes([*high, *low])), content)
        }
        _ => return false,
    };
    // Up to two extra bytes may be a line ending.
    let complete = content.len() >= length && content.len() <= length + 2;
    match content {
        [0x30 | 0x02, ..] if complete => true,
        // A long SEQUENCE that is truncated or has trailing bytes.
        [0x30 | 0x02, 0x82, ..] => true,
        _ => false,
    }
}

/// Whether this is, or was before it was damaged, the JSON of a key or a set of keys (RFC 7517).
fn is_json_of_key(text: &[u8]) -> bool {
    if contains(text, "\"kty\"") {
        return true;
    }
    let start = trim(text);
    if !matches!(start.first(), Some(b'{' | b'[')) {
        return false;
    }
    if JWK_MARKS.iter().any(|mark| contains(start, mark)) {
        return true;
    }
    // The names may be escaped.
    match serde_json::from_slice(start) {
        Ok(serde_json::Value::Object(members)) => ["kty", "keys"]
            .iter()
            .any(|name| members.contains_key(*name)),
        Ok(serde_json::Value::Array(elements)) => {
            elements.iter().any(|element| element.get("kty").is_some())
        }
        _ => false,
    }
}

/// Decodes either alphabet of base64, with or without padding, white space or quotes.
fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::RequireNone),
    );
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    for byte in trim(text) {
        digits.push(match byte {
            b'-' => b'+',
            b'_' => b'/',
            b'=' | b'"' | b'\'' => continue,
            blank if blank.is_ascii_whitespace() => continue,
            other => *other,
        });
    }
    // A single remaining digit does not make a byte: the text was truncated.
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    LENIENT
        .decode(&*digits)
        .ok()
        .filter(|decoded| !decoded.is_empty())
}

fn decode_hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut nibbles = Zeroizing::new(Vec::with_capacity(text.len()));
    for byte in trim(text) {
        match char::from(*byte).to_digit(16) {
            Some(nibble) => nibbles.push(u8::try_from(nibble).ok()?),
            None if matches!(byte, b':' | b' ' | b'\n' | b'\r' | b'\t') => {}
            None => return None,
        }
    }
    (!nibbles.is_empty()).then(|| {
        nibbles
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect()
    })
}
