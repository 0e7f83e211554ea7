//! References to keys.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use percent_encoding::percent_decode;
use thiserror::Error;

use super::discovery::Discovery;
use crate::http::EndpointUrl;

/// Where keys are, instead of the keys themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyReference {
    /// An absolute path.
    File(PathBuf),
    /// The URL of a JWK Set.
    Url(String),
    /// The metadata of an issuer. No text of a row or a script names them.
    Issuer(Discovery),
}

/// Why a reference to a key can't be used. It is not repeated here, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyReferenceError {
    /// A file URL with a host, a relative path or none, a percent sign without two hexadecimal
    /// digits, or a NUL (RFC 8089).
    #[error("a key file must be named file:///absolute/path")]
    File,
    /// Not a URL.
    #[error("the URL of a JWK Set must be https://host[:port]/path")]
    Url,
    /// Keys fetched without protection could be anyone's.
    #[error("the URL of a JWK Set must be https; http only to 127.0.0.0/8, [::1] and localhost")]
    Unprotected,
}

impl fmt::Display for KeyReference {
    /// As it may be logged: a URL without the parts that may be secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().to_string().escape_debug().fmt(formatter),
            Self::Url(url) => match url.parse::<EndpointUrl>() {
                Ok(url) => url.fmt(formatter),
                Err(_) => formatter.write_str("a URL"),
            },
            Self::Issuer(discovery) => discovery.fmt(formatter),
        }
    }
}

impl KeyReference {
    /// What [`KeySources`](super::KeySources) knows it by; `None` for a file.
    pub fn published(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::Url(url) => Some(url),
            Self::Issuer(discovery) => Some(discovery.name()),
        }
    }

    /// Whether key material is only a reference to a key, and which. `None`: it is the key itself.
    ///
    /// - `file:///absolute/path`, percent-encoded where necessary (RFC 8089 section 2);
    /// - `https://...`, or `http://...` to an address in 127.0.0.0/8, to `[::1]` or to `localhost`.
    ///
    /// Schemes are case-insensitive, and white space around the reference is ignored.
    ///
    /// # Errors
    /// Fails on a reference that can't be used; it is not a secret either.
    pub fn of(material: &[u8]) -> Option<Result<Self, KeyReferenceError>> {
        let name = material
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(material)
            .trim_ascii();
        if let Some(rest) = after_scheme(name, b"file://") {
            return Some(path(rest).map(Self::File));
        }
        let is_url = [&b"https://"[..], b"http://"]
            .iter()
            .any(|scheme| after_scheme(name, scheme).is_some());
        is_url.then(|| url(name).map(Self::Url))
    }
}

fn after_scheme<'a>(name: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (head, rest) = name.split_at_checked(scheme.len())?;
    head.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn path(encoded: &[u8]) -> Result<PathBuf, KeyReferenceError> {
    let mut after_percent = encoded.split(|byte| *byte == b'%');
    _ = after_percent.next();
    let well_encoded =
        |rest: &[u8]| rest.len() >= 2 && rest.iter().take(2).all(u8::is_ascii_hexdigit);
    if !after_percent.all(well_encoded) {
        return Err(KeyReferenceError::File);
    }
    let path: Vec<u8> = percent_decode(encoded).collect();
    if !path.starts_with(b"/") || path.ends_with(b"/") || path.contains(&0) {
        return Err(KeyReferenceError::File);
    }
    Ok(PathBuf::from(OsString::from_vec(path)))
}

fn url(name: &[u8]) -> Result<String, KeyReferenceError> {
    let name = str::from_utf8(name).map_err(|_| KeyReferenceError::Url)?;
    let url: EndpointUrl = name.parse().map_err(|_| KeyReferenceError::Url)?;
    if url.is_protected() {
        Ok(name.to_owned())
    } else {
        Err(KeyReferenceError::Unprotected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(material: &str) -> Option<Result<KeyReference, KeyReferenceError>> {
        KeyReference::of(material.as_bytes())
    }

    #[test]
    fn a_key_is_no_name() {
        for key in [
            "",
            "secret",
            "file:/etc/key",
            "file",
            "https:/x",
            "https",
            "ftp://host/",
            "-----BEGIN PUBLIC KEY-----\nhttps://x/\n",
            r#"{"kty":"oct","k":"https://x/"}"#,
        ] {
            assert_eq!(of(key), None, "{key}");
        }
        assert_eq!(KeyReference::of(b"\xff\xfe\x00"), None);
    }

    #[test]
    fn files() {
        for (name, path) in [
            ("file:///etc/key.pem", "/etc/key.pem"),
            (" FILE:///etc/key.pem\r\n", "/etc/key.pem"),
            ("file:///etc/a%20b%25", "/etc/a b%"),
            ("file:///etc/a b?c#d", "/etc/a b?c#d"),
            ("\u{feff}file:///k", "/k"),
        ] {
            assert_eq!(
                of(name),
                Some(Ok(KeyReference::File(path.into()))),
                "{name}"
            );
        }
        for bad in [
            "file://",
            "file:///",
            "file:///etc/",
            "file://etc/key",
            "file://host/etc/key",
            "file://./key",
            "file:///etc/%4",
            "file:///etc/%zz",
            "file:///etc/%00",
        ] {
            assert_eq!(of(bad), Some(Err(KeyReferenceError::File)), "{bad}");
        }
    }

    #[test]
    fn urls() {
        for good in [
            "https://idp.example/realms/x/protocol/openid-connect/certs",
            "HTTPS://idp.example:8443",
            "https://user:password@idp.example/?key=1",
            "http://127.0.0.1:8080/certs",
            "http://127.8.9.10/certs",
            "http://[::1]:80/certs",
            "http://localhost/certs",
            "http://LocalHost:1/certs",
        ] {
            assert_eq!(of(good), Some(Ok(KeyReference::Url(good.to_owned()))));
            let padded = format!("\n {good}\t");
            assert_eq!(of(&padded), Some(Ok(KeyReference::Url(good.to_owned()))));
        }
        for bad in [
            "http://idp.example/certs",
            "http://128.0.0.1/",
            "http://127.0.0.1.example/",
            "http://localhost.example/",
            "http://localhost@idp.example/",
            "http://localhost:80@idp.example/",
            "http://[::2]/",
            "http://0.0.0.0/",
            "http://127.1/",
        ] {
            assert_eq!(of(bad), Some(Err(KeyReferenceError::Unprotected)), "{bad}");
        }
        for bad in [
            "https://",
            "https:///certs",
            "https://a b/",
            "https://h:0/",
            "https://h/\r\nX: y",
        ] {
            assert_eq!(of(bad), Some(Err(KeyReferenceError::Url)), "{bad:?}");
        }
        assert_eq!(
            KeyReference::of(b"https://\xff/"),
            Some(Err(KeyReferenceError::Url))
        );
    }
}
