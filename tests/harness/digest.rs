//! The client side of Digest (RFC 7616), written independently of the module.

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};

/// A challenge, as far as a response needs it.
#[derive(Debug, Clone)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub algorithm: String,
    pub qop: Option<String>,
    pub opaque: Option<String>,
    pub stale: bool,
}

impl Challenge {
    /// Reads the value of a WWW-Authenticate or Proxy-Authenticate header.
    pub fn parse(value: &str) -> Option<Challenge> {
        let parameters = value.strip_prefix("Digest ")?;
        let get = |name: &str| {
            parameters.split(',').find_map(|part| {
                let (known, value) = part.trim().split_once('=')?;
                (known == name).then(|| value.trim_matches('"').to_string())
            })
        };
        Some(Challenge {
            realm: get("realm")?,
            nonce: get("nonce")?,
            algorithm: get("algorithm").unwrap_or_else(|| "MD5".to_string()),
            qop: get("qop"),
            opaque: get("opaque"),
            stale: get("stale").is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

/// Credentials under construction. Every part can be changed before they are written.
#[derive(Debug, Clone)]
pub struct Response {
    pub username: String,
    pub password: String,
    pub realm: String,
    pub nonce: String,
    pub uri: String,
    pub algorithm: String,
    pub qop: Option<String>,
    pub nc: u32,
    pub cnonce: String,
    pub opaque: Option<String>,
}

impl Response {
    /// The first response to a challenge.
    pub fn to(challenge: &Challenge, username: &str, password: &str, uri: &str) -> Response {
        Response {
            username: username.to_string(),
            password: password.to_string(),
            realm: challenge.realm.clone(),
            nonce: challenge.nonce.clone(),
            uri: uri.to_string(),
            algorithm: challenge.algorithm.clone(),
            qop: challenge.qop.is_some().then(|| "auth".to_string()),
            nc: 1,
            cnonce: "6b8b4567".to_string(),
            opaque: challenge.opaque.clone(),
        }
    }

    /// The header value for a request with this method.
    pub fn header(&self, method: &str) -> String {
        let quoted =
            |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{}\", algorithm={}",
            quoted(&self.username),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(&self.uri),
            self.hash(method),
            self.algorithm
        );
        if let Some(qop) = &self.qop {
            let cnonce = quoted(&self.cnonce);
            value.push_str(&format!(", qop={qop}, nc={:08x}, cnonce={cnonce}", self.nc));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        value
    }

    /// Section 3.4.1.
    fn hash(&self, method: &str) -> String {
        let session = self.algorithm.ends_with("-sess");
        let hash = |text: String| hash(&self.algorithm, &text);
        let Response {
            username,
            realm,
            password,
            nonce,
            cnonce,
            ..
        } = self;
        let mut secret = hash(format!("{username}:{realm}:{password}"));
        if session {
            secret = hash(format!("{secret}:{nonce}:{cnonce}"));
        }
        let request = hash(format!("{method}:{}", self.uri));
        match &self.qop {
            None => hash(format!("{secret}:{nonce}:{request}")),
            Some(qop) => {
                let nc = format!("{:08x}", self.nc);
                hash(format!("{secret}:{nonce}:{nc}:{cnonce}:{qop}:{request}"))
            }
        }
    }
}

/// The hash of an algorithm, which is named as in a challenge, in hexadecimal digits.
pub fn hash(algorithm: &str, text: &str) -> String {
    match algorithm.trim_end_matches("-sess") {
        "MD5" => hex(&Md5::digest(text.as_bytes())),
        "SHA-256" => hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
        "SHA-512-256" => hex(digest::digest(&digest::SHA512_256, text.as_bytes()).as_ref()),
        other => panic!("no algorithm {other}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
