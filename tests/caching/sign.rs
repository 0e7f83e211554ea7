//! Tokens signed by a script.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::core::Core;
use harness::keys::Key;
use harness::setting::Setting;
use harness::tokens::now;

use super::running::{Running, Said};

fn read(name: &str) -> Result<String, String> {
    let path = harness::root().join("tests/keys").join(name);
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// `jwt_sign`, and `jwt_script_authorize` with the other half of the key.
pub fn signed(setting: &Setting, core: &Core) -> Result<(), String> {
    let mut running = Running::start(setting, core, |script| script)?;
    let secret = Key::secret().verifier();
    let rsa = (
        read("rsa-2048.test-private.pem")?,
        read("rsa-2048.public.pem")?,
    );
    let p256 = (
        read("ec-p256.test-private.pem")?,
        read("ec-p256.public.pem")?,
    );
    let p384 = (
        read("ec-p384.test-private.pem")?,
        read("ec-p384.public.pem")?,
    );
    let ed = (
        read("ed25519.test-private.pem")?,
        read("ed25519.public.pem")?,
    );
    let p521 = (
        read("ec-p521.test-private.pem")?,
        read("ec-p521.public.pem")?,
    );
    let k256 = (
        read("ec-k256.test-private.pem")?,
        read("ec-k256.public.pem")?,
    );
    let hmac = (secret.clone(), secret);
    let claims = format!(r#"{{"sub":"alice","exp":{},"n":[1,2]}}"#, now() + 3600);
    let ask = |claims: &str, key: &str, algorithm: &str, verifier: &str, header: Option<&str>| {
        let (key, verifier) = (STANDARD.encode(key), STANDARD.encode(verifier));
        let mut headers = vec![
            ("X-Claims", claims),
            ("X-Key", key.as_str()),
            ("X-Algorithm", algorithm),
            ("X-Verifier", verifier.as_str()),
        ];
        headers.extend(header.map(|header| ("X-Header", header)));
        Said::of(running.exchange("sign", &headers)?)
    };
    for (algorithm, (private, public)) in [
        ("RS256", &rsa),
        ("RS384", &rsa),
        ("RS512", &rsa),
        ("PS256", &rsa),
        ("PS384", &rsa),
        ("PS512", &rsa),
        ("ES256", &p256),
        ("ES384", &p384),
        ("ES512", &p521),
        ("ES256K", &k256),
        ("EdDSA", &ed),
        ("Ed25519", &ed),
        ("HS256", &hmac),
        ("HS384", &hmac),
        ("HS512", &hmac),
    ] {
        for header in [None, Some(r#"{"kid":"one","typ":"at+jwt"}"#)] {
            let said = ask(&claims, private, algorithm, public, header)?.expect(1)?;
            let said = said.expect_header("X-Verified", "1")?;
            let decoded = said.answer.header("X-Decoded").unwrap_or("").to_string();
            let wanted = header.map_or(r#""typ":"JWT""#, |_| r#""kid":"one","typ":"at+jwt""#);
            if !decoded.contains(wanted) || !decoded.contains(r#""n":[1,2]"#) {
                return Err(format!("{algorithm}: {decoded}"));
            }
            // Another key does not accept it.
            let other = if public == &rsa.1 { &p256.1 } else { &rsa.1 };
            ask(&claims, private, algorithm, other, header)?
                .expect(1)?
                .expect_header("X-Verified", "-1")?;
        }
    }
    for (what, claims, key, algorithm, header) in [
        ("no claims", "", &rsa.0, "RS256", None),
        ("no JSON", "sub=alice", &rsa.0, "RS256", None),
        ("no object", "[1]", &rsa.0, "RS256", None),
        (
            "a name twice",
            r#"{"sub":"a","sub":"b"}"#,
            &rsa.0,
            "RS256",
            None,
        ),
        ("no algorithm", &claims, &hmac.0, "none", None),
        ("an unknown algorithm", &claims, &hmac.0, "HS1", None),
        ("another kind of key", &claims, &p256.0, "RS256", None),
        ("another curve", &claims, &p256.0, "ES384", None),
        ("a longer curve", &claims, &p256.0, "ES512", None),
        ("a curve as long", &claims, &p256.0, "ES256K", None),
        ("a private key as a secret", &claims, &rsa.0, "HS256", None),
        ("a secret as a private key", &claims, &hmac.0, "RS256", None),
        ("a public key", &claims, &rsa.1, "RS256", None),
        ("a public key as a secret", &claims, &rsa.1, "HS256", None),
        (
            "half a key",
            &claims,
            &rsa.0[..400].to_string(),
            "RS256",
            None,
        ),
        (
            "a header that is none",
            &claims,
            &rsa.0,
            "RS256",
            Some("kid"),
        ),
        (
            "another algorithm in the header",
            &claims,
            &rsa.0,
            "RS256",
            Some(r#"{"alg":"RS512"}"#),
        ),
        (
            "an extension in the header",
            &claims,
            &rsa.0,
            "RS256",
            Some(r#"{"crit":["b64"],"b64":false}"#),
        ),
    ] {
        ask(claims, key, algorithm, &rsa.1, header)?
            .expect(-1)
            .and_then(|said| said.expect_header("X-Token", "<null>"))
            .map_err(|e| format!("{what}: {e}"))?;
    }
    let log = running.instance.log();
    for (private, _) in [&rsa, &p256, &p384, &p521, &k256, &ed, &hmac] {
        let line = private.lines().nth(1).unwrap_or(private);
        if log.contains(line) {
            return Err("a key is in the log".to_string());
        }
    }
    running.instance.check_workers()
}
