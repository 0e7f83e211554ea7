//! Keys, newly generated in every run.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING,
    ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// A signing key, with what verifies its signatures.
pub enum Key {
    /// For RS256 to RS512 and PS256 to PS512.
    Rsa(RsaKeyPair),
    /// P-256 for ES256, P-384 for ES384, P-521 for ES512, secp256k1 for ES256K.
    Ec(EcdsaKeyPair),
    /// For EdDSA and Ed25519.
    Ed(Ed25519KeyPair),
    /// For HS256 to HS512: the bytes themselves.
    Secret(Vec<u8>),
}

impl Key {
    /// A new RSA key of 2048 bits.
    pub fn rsa() -> Key {
        Key::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA key"))
    }

    /// An RSA key from a file: PKCS#8 in PEM.
    pub fn rsa_from(text: &str) -> Key {
        Key::Rsa(RsaKeyPair::from_pkcs8(&der(text)).expect("RSA key"))
    }

    /// An Ed25519 key from a file: PKCS#8 in PEM.
    pub fn ed25519_from(text: &str) -> Key {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der(text));
        Key::Ed(pair.expect("Ed25519 key"))
    }

    /// A new key on P-256.
    pub fn p256() -> Key {
        Key::ec(&ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    /// A new key on P-384.
    pub fn p384() -> Key {
        Key::ec(&ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    /// A new key on P-521.
    pub fn p521() -> Key {
        Key::ec(&ECDSA_P521_SHA512_FIXED_SIGNING)
    }

    /// A new key on secp256k1.
    pub fn secp256k1() -> Key {
        Key::ec(&ECDSA_P256K1_SHA256_FIXED_SIGNING)
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Key {
        Key::Ec(EcdsaKeyPair::generate(algorithm).expect("EC key"))
    }

    /// A new Ed25519 key.
    pub fn ed25519() -> Key {
        Key::Ed(Ed25519KeyPair::generate().expect("Ed25519 key"))
    }

    /// A new secret of 48 printable characters, so that any database stores it unchanged.
    pub fn secret() -> Key {
        let mut bytes = [0u8; 36];
        aws_lc_rs::rand::fill(&mut bytes).expect("random bytes");
        Key::Secret(URL_SAFE_NO_PAD.encode(bytes).into_bytes())
    }

    /// What goes into the secret column: the public key as PEM (RFC 7468), or the secret.
    pub fn verifier(&self) -> String {
        match self {
            Key::Secret(bytes) => String::from_utf8(bytes.clone()).expect("printable secret"),
            _ => pem("PUBLIC KEY", &self.public_der()),
        }
    }

    /// SubjectPublicKeyInfo; for a secret, its bytes.
    pub fn public_der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der = match self {
            Key::Rsa(key) => key.public_key().as_der().expect("DER"),
            Key::Ec(key) => key.public_key().as_der().expect("DER"),
            Key::Ed(key) => key.public_key().as_der().expect("DER"),
            Key::Secret(bytes) => return bytes.clone(),
        };
        der.as_ref().to_vec()
    }

    /// A self-signed X.509 certificate for this key, as PEM. RSA keys only.
    pub fn certificate(&self) -> String {
        let Key::Rsa(key) = self else {
            panic!("certificates are made of RSA keys only");
        };
        let private: Pkcs8V1Der = key.as_der().expect("DER");
        let pair = rcgen::KeyPair::try_from(private.as_ref()).expect("key for rcgen");
        rcgen::CertificateParams::new(vec!["issuer.example".to_string()])
            .and_then(|params| params.self_signed(&pair))
            .expect("certificate")
            .pem()
            // rcgen writes CRLF; a database row is usually pasted with LF.
            .replace("\r\n", "\n")
    }

    /// Modulus and exponent in base64url, as in a JWK (RFC 7518, 6.3.1). RSA keys only.
    pub fn modulus_and_exponent(&self) -> (String, String) {
        let Key::Rsa(key) = self else {
            panic!("only an RSA key has a modulus");
        };
        let public = key.public_key();
        (
            URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        )
    }
}

/// What is in a PEM text.
fn der(text: &str) -> Vec<u8> {
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(base64).expect("base64")
}

/// PEM with lines of 64 characters.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The random source for RSA-PSS and ECDSA signatures.
pub fn random() -> SystemRandom {
    SystemRandom::new()
}
