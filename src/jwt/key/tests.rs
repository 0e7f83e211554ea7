use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::jwt::algorithm::Algorithm;
use crate::jwt::testing::fixture;

fn error(material: impl AsRef<[u8]>) -> KeyError {
    match Key::parse(material.as_ref()) {
        Ok(key) => panic!("parsed as {key:?}"),
        Err(error) => error,
    }
}

fn kind(material: impl AsRef<[u8]>) -> &'static str {
    Key::parse(material.as_ref()).unwrap().kind()
}

fn text(pem: &[u8]) -> &str {
    str::from_utf8(pem).unwrap()
}

#[test]
fn keys_are_told_apart_by_their_content() {
    for (material, expected) in [
        (&b"a secret"[..], "HMAC secret"),
        (fixture!("rsa-2048.public.pem"), "RSA public key"),
        (fixture!("rsa-2048.pkcs1-public.pem"), "RSA public key"),
        (fixture!("rsa-2048.certificate.pem"), "RSA public key"),
        (fixture!("rsa-4096.public.pem"), "RSA public key"),
        (fixture!("rsa-8192.public.pem"), "RSA public key"),
        (fixture!("ec-p256.public.pem"), "EC public key on P-256"),
        (
            fixture!("ec-p256.certificate.pem"),
            "EC public key on P-256",
        ),
        (fixture!("ec-p384.public.pem"), "EC public key on P-384"),
        (
            fixture!("ec-p384.certificate.pem"),
            "EC public key on P-384",
        ),
        (fixture!("ec-p521.public.pem"), "EC public key on P-521"),
        (fixture!("ec-k256.public.pem"), "EC public key on secp256k1"),
        (fixture!("ed25519.public.pem"), "Ed25519 public key"),
        (fixture!("ed25519.certificate.pem"), "Ed25519 public key"),
    ] {
        assert_eq!(kind(material), expected);
    }
}

#[test]
fn a_public_key_is_read_in_every_wrapping() {
    for pem in [
        &fixture!("rsa-2048.public.pem")[..],
        fixture!("rsa-2048.pkcs1-public.pem"),
        fixture!("ec-p256.certificate.pem"),
        fixture!("ec-p384.public.pem"),
        fixture!("ed25519.public.pem"),
    ] {
        let expected = kind(pem);
        let der = pem::parse(pem).unwrap().into_contents();
        let pem = text(pem);
        for material in [
            pem.trim_end().to_owned(),
            pem.replace('\n', "\r\n"),
            format!("\n \t{pem}\n\n"),
            format!("\u{feff}{pem}"),
            format!("# key of the provider\n{pem}"),
            STANDARD.encode(&der),
            format!("{}\n", STANDARD.encode(&der)),
            STANDARD.encode(pem),
        ] {
            assert_eq!(kind(&material), expected, "{material}");
        }
        assert_eq!(kind(&der), expected);
    }
}

#[test]
fn damaged_keys_are_errors() {
    let pem = text(fixture!("rsa-2048.public.pem"));
    let base64 = STANDARD.encode(pem::parse(pem).unwrap().contents());
    for material in [
        "-----BEGIN PUBLIC KEY-----".to_owned(),
        "-----BEGIN ".to_owned(),
        pem.replacen("-----BEGIN", "-----BEGUN", 1),
        pem.replacen("-----END", "", 1),
        pem.replace('M', "%"),
        pem.replace("-----", ""),
        pem.replacen("PUBLIC", "PRIVATE", 1),
        pem[..200].to_owned(),
        pem[40..].to_owned(),
        base64[..100].to_owned(),
        format!("key={base64}"),
        format!("{{\"pem\":\"{base64}\"}}"),
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n".to_owned(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n".to_owned(),
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n".to_owned(),
    ] {
        let _ = error(material);
    }
}

#[test]
fn private_keys_are_refused_as_such() {
    for pem in [
        &fixture!("rsa-2048.test-private.pem")[..],
        fixture!("ec-p256.test-private.pem"),
        fixture!("ed25519.test-private.pem"),
    ] {
        assert_eq!(error(pem), KeyError::PrivateKey);
        assert_eq!(
            error(pem::parse(pem).unwrap().contents()),
            KeyError::PrivateKey
        );
        assert_eq!(
            error(STANDARD.encode(pem::parse(pem).unwrap().contents())),
            KeyError::PrivateKey
        );
        // Bundling it with the certificate does not make it acceptable.
        let certificate = text(fixture!("rsa-2048.certificate.pem"));
        assert_eq!(
            error(format!("{certificate}{}", text(pem))),
            KeyError::PrivateKey
        );
    }
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    assert_eq!(error(encrypted), KeyError::PrivateKey);
}

#[test]
fn other_kinds_of_keys_are_named() {
    for (material, part) in [
        (
            &fixture!("ec-p224.public.pem")[..],
            "EC on curve 1.3.132.0.33",
        ),
        (
            fixture!("ed448.public.pem"),
            "object identifier 1.3.101.113",
        ),
    ] {
        let message = error(material).to_string();
        assert!(
            message.contains(part) && message.contains("allowed are RSA"),
            "{message}"
        );
    }
    let label = error("-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n");
    assert_eq!(label, KeyError::PemLabel("DH PARAMETERS".into()));
}

#[test]
fn rsa_sizes_are_bounded() {
    assert_eq!(
        error(fixture!("rsa-1024.public.pem")),
        KeyError::RsaSize(1024)
    );
    assert_eq!(
        error(fixture!("rsa-2047.public.pem")),
        KeyError::RsaSize(2047)
    );
    let huge = crate::jwt::public_key::from_exp_mod(
        b"AQAB",
        crate::jwt::testing::base64url([0xff; 1025]).as_bytes(),
    );
    assert_eq!(error(huge.unwrap()), KeyError::RsaSize(8200));
    for exponent in ["AQ", "Ag", "AQAA"] {
        let modulus = crate::jwt::testing::base64url([0xff; 256]);
        let odd = crate::jwt::public_key::from_exp_mod(exponent.as_bytes(), modulus.as_bytes());
        assert_eq!(error(odd.unwrap()), KeyError::Malformed, "{exponent}");
    }
}

#[test]
fn foreign_formats_and_addresses_are_refused() {
    let ssh_blob = |name: &str| {
        let mut blob = vec![0, 0, 0, u8::try_from(name.len()).unwrap()];
        blob.extend(name.as_bytes());
        blob.extend([0; 40]);
        STANDARD.encode(blob)
    };
    for material in [
        format!("ssh-rsa {} me@host", ssh_blob("ssh-rsa")),
        format!("ssh-ed25519 {}", ssh_blob("ssh-ed25519")),
        format!("ecdsa-sha2-nistp256 {}", ssh_blob("ecdsa-sha2-nistp256")),
        format!("restrict,pty ssh-rsa {}", ssh_blob("ssh-rsa")),
        ssh_blob("ssh-rsa"),
        "<RSAKeyValue><Modulus>AA==</Modulus></RSAKeyValue>".into(),
        "PuTTY-User-Key-File-3: ssh-rsa".into(),
    ] {
        assert!(
            matches!(error(&material), KeyError::ForeignFormat(_)),
            "{material}"
        );
    }
    let rfc4716 = "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----\n";
    assert!(matches!(error(rfc4716), KeyError::Pem(_)));
    for url in [
        "https://idp.example/jwks",
        "HTTP://x",
        " https://x",
        "file:///etc/key.pem",
    ] {
        assert_eq!(error(url), KeyError::Url, "{url}");
    }
}

#[test]
fn an_empty_secret_is_refused_and_short_ones_are_flagged() {
    assert_eq!(error(b""), KeyError::Empty);
    let secret = |length: usize| Key::parse(&vec![b'x'; length]).unwrap();
    for (algorithm, length) in [
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
    ] {
        assert!(secret(length - 1).weak_for(algorithm));
        assert!(!secret(length).weak_for(algorithm));
    }
    assert!(
        !Key::parse(fixture!("ec-p256.public.pem"))
            .unwrap()
            .weak_for(Algorithm::HS256)
    );
    assert!(!secret(1).weak_for(Algorithm::RS256));
}

#[test]
fn secrets_of_all_looks_stay_secrets() {
    for secret in [
        "a",
        "secret",
        " leading and trailing ",
        "\n",
        "{",
        "{}",
        "{\"secret\":\"x\"}",
        "[1]",
        "0123456789abcdef0123456789abcdef",
        "MDEyMzQ1Njc4OWFiY2RlZg==",
        "http",
        "BEGIN",
        "-----",
        "Pässwörd",
        "3082",
        "MII",
        "0\u{0}1",
    ] {
        assert_eq!(kind(secret), "HMAC secret", "{secret:?}");
    }
    assert_eq!(kind([0xff, 0xfe, 0, 1]), "HMAC secret");
    assert_eq!(kind([0x30]), "HMAC secret");
    assert_eq!(kind([0x30, 0x1e, 0x99]), "HMAC secret");
}

#[test]
fn debug_shows_the_kind_alone() {
    assert_eq!(
        format!("{:?}", Key::parse(b"hunter2").unwrap()),
        "Key(\"HMAC secret\")"
    );
    assert_eq!(
        format!("{:?}", KeySet::parse(b"hunter2").unwrap()),
        "KeySet { keys: [Key(\"HMAC secret\")], skipped: [], reported: false }"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Key::parse(&bytes);
    }

    #[test]
    fn random_secrets_are_hmac_secrets(bytes in proptest::array::uniform32(any::<u8>())) {
        for material in [bytes.to_vec(), STANDARD.encode(bytes).into_bytes()] {
            prop_assert_eq!(Key::parse(&material).unwrap().kind(), "HMAC secret");
        }
    }

    /// Whichever character of it is damaged, a public key never becomes a secret.
    #[test]
    fn a_damaged_public_key_never_becomes_a_secret(
        position in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        pem in proptest::sample::select(vec![
            &fixture!("rsa-2048.public.pem")[..],
            fixture!("ec-p256.public.pem"),
            fixture!("ed25519.public.pem"),
            fixture!("rsa-2048.pkcs1-public.pem"),
            fixture!("ec-p384.certificate.pem"),
        ]),
        armour in any::<bool>(),
    ) {
        let mut material = pem.to_vec();
        if !armour {
            material = STANDARD.encode(pem::parse(pem).unwrap().contents()).into_bytes();
        }
        let position = position.index(material.len());
        // Without armour, only the first characters reveal a key.
        prop_assume!(armour || position >= 24);
        material[position] = byte;
        if let Ok(key) = Key::parse(&material) {
            prop_assert_ne!(key.kind(), "HMAC secret");
        }
    }
}
