//! The signature of a webhook, in jambonz's format: `t=<unix time>,v1=<HMAC-SHA256 in hex>` over
//! the time, a full stop and the body.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;

/// The header's name, unless another is configured.
pub const SIGNATURE_HEADER: &str = "Jambonz-Signature";

/// A secret shared with an endpoint.
#[derive(Clone)]
pub struct SignatureKey(hmac::Key);

impl std::fmt::Debug for SignatureKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignatureKey(..)")
    }
}

impl SignatureKey {
    /// The key for `secret`.
    pub fn new(secret: &[u8]) -> SignatureKey {
        SignatureKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The header's value for `body`. The body of a GET is empty.
    pub fn sign(&self, body: &[u8], now: SystemTime) -> String {
        let time = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut context = hmac::Context::with_key(&self.0);
        context.update(time.to_string().as_bytes());
        context.update(b".");
        context.update(body);
        let mut value = format!("t={time},v1=");
        for byte in context.sign().as_ref() {
            _ = write!(value, "{byte:02x}");
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_signature_is_the_one_that_openssl_makes() {
        // printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
        let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(
            SignatureKey::new(b"secret").sign(br#"{"a":1}"#, now),
            "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
        );
    }
}
