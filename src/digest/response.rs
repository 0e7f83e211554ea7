//! What a response is computed from (RFC 7616 sections 3.4.1 to 3.4.3), whoever computes it.

use zeroize::Zeroizing;

use super::Algorithm;

/// `H(username:realm:password)`, which is called HA1, in lower-case hexadecimal digits. Whoever knows it
/// needs no password.
pub(super) fn ha1(
    algorithm: Algorithm,
    username: &[u8],
    realm: &[u8],
    password: &[u8],
) -> Zeroizing<String> {
    Zeroizing::new(algorithm.hash(&[username, realm, password]))
}

/// All but the password.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) nonce: &'a [u8],
    /// The nonce of the client; empty if there is none.
    pub(super) cnonce: &'a [u8],
    /// The nonce count, eight hexadecimal digits.
    pub(super) count: &'a [u8],
    /// As it is sent; `None` for the form of RFC 2069.
    pub(super) qop: Option<&'a [u8]>,
    pub(super) method: &'a [u8],
    pub(super) uri: &'a [u8],
    /// Where the body is protected as well.
    pub(super) body: Option<&'a [u8]>,
}

impl Parts<'_> {
    /// The response, in lower-case hexadecimal digits, by an [`ha1`] of the same algorithm.
    pub(super) fn response(&self, ha1: &str) -> String {
        let hash = |parts: &[&[u8]]| self.algorithm.hash(parts);
        let session = self
            .algorithm
            .is_session()
            .then(|| Zeroizing::new(hash(&[ha1.as_bytes(), self.nonce, self.cnonce])));
        let secret = session.as_ref().map_or(ha1, |session| session.as_str());
        let request = match self.body {
            Some(body) => hash(&[self.method, self.uri, hash(&[body]).as_bytes()]),
            None => hash(&[self.method, self.uri]),
        };
        let (secret, request) = (secret.as_bytes(), request.as_bytes());
        match self.qop {
            Some(qop) => hash(&[secret, self.nonce, self.count, self.cnonce, qop, request]),
            None => hash(&[secret, self.nonce, request]),
        }
    }
}
