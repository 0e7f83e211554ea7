//! Whatever a secret column contains, or a script function is given as a key.
#![no_main]

use auth_web::jwt::key::{Key, KeySet};
use auth_web::jwt::public_key::{from_certificate, from_exp_mod};
use auth_web::jwt::signing_key::SigningKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match KeySet::parse(data) {
        Ok(keys) => {
            assert!(!keys.keys().is_empty());
            for key in keys.keys() {
                assert!(!key.algorithms().is_empty());
                // What looks like a public key is either read as one, or an error.
                assert!(!key.is_secret() || !has_mark(data));
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if SigningKey::parse(data).is_ok_and(|key| key.algorithms().iter().count() == 3) {
        assert!(!has_mark(data), "a public key would sign as a secret");
    }
    if let Ok(pem) = from_certificate(data) {
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        assert!(Key::parse(pem.as_bytes()).map_or(true, |key| !key.is_secret()));
    }
    if let Some((exponent, modulus)) = data.split_at_checked(4)
        && let Ok(pem) = from_exp_mod(exponent, modulus)
    {
        assert!(Key::parse(pem.as_bytes()).map_or(true, |key| !key.is_secret()));
    }
});

fn has_mark(data: &[u8]) -> bool {
    data.starts_with(b"https://")
        || [&b"-----BEGIN"[..], b"ssh-rsa"]
            .iter()
            .any(|mark| data.windows(mark.len()).any(|window| window == *mark))
}
