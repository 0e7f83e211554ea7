//! Rows for SIPp's injection files: what must not be admitted. Each row is one token.

use base64::Engine;
use harness::keys::Key;
use harness::tokens::{
    b64, sign, token, with_broken_signature, with_header, with_signature, with_signature_of,
};
use harness::world::World;

use super::rows::{Rows, tokens};

/// Signatures that match neither key nor content.
pub fn bad_signatures(w: &World) -> Rows {
    let rsa = r#"{"tag":"rsa"}"#;
    let ec = r#"{"tag":"ec"}"#;
    let ed = r#"{"tag":"ed"}"#;
    let hmac = r#"{"tag":"hmac"}"#;
    let good = token(&w.secret, "HS256", hmac);
    let other = token(&w.secret, "HS256", r#"{"tag":"hmac","admin":true}"#);
    [
        // Keys that are not the profile's.
        token(&w.other_rsa, "RS256", rsa),
        token(&w.other_rsa, "PS256", rsa),
        token(&w.other_p256, "ES256", ec),
        token(&w.other_ed25519, "EdDSA", ed),
        token(&w.other_secret, "HS256", hmac),
        // The key of another profile.
        token(&w.secret, "HS256", rsa),
        token(&w.rsa, "RS256", hmac),
        token(&w.p384, "ES384", ec),
        token(&w.rsa, "RS256", ec),
        // One bit.
        with_broken_signature(&token(&w.rsa, "RS256", rsa)),
        with_broken_signature(&token(&w.p256, "ES256", ec)),
        with_broken_signature(&token(&w.ed25519, "EdDSA", ed)),
        with_broken_signature(&good),
        // Another token's signature; a truncated one; one byte too many; an empty one.
        with_signature_of(&other, &good),
        with_signature(&good, &[0xa5; 30]),
        with_signature(&good, &[0xa5; 33]),
        with_signature(&good, &[]),
        // A signature of zeros: r and s of ECDSA must not be zero (CVE-2022-21449).
        format!(
            "{}.{}.{}",
            b64(r#"{"alg":"ES256","typ":"JWT"}"#),
            b64(ec),
            b64([0u8; 64])
        ),
        // Signed with one algorithm, labelled with another.
        with_header(&w.rsa, "RS256", r#"{"alg":"PS256"}"#, rsa),
        with_header(&w.secret, "HS256", r#"{"alg":"HS512"}"#, hmac),
        with_header(&w.secret, "HS256", r#"{"alg":"RS256"}"#, hmac),
    ]
    .map(|token| vec![token])
    .to_vec()
}

/// HMACs keyed with what is publicly known.
pub fn forged(w: &World) -> Rows {
    let base64 = base64::engine::general_purpose::STANDARD;
    let mut rows = Rows::new();
    for (tag, key) in [("rsa", &w.rsa), ("ec", &w.p256), ("ed", &w.ed25519)] {
        let pem = key.verifier();
        let body: String = pem
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        let keys: [Vec<u8>; 6] = [
            pem.clone().into_bytes(),
            pem.trim_end().as_bytes().to_vec(),
            pem.replace('\n', "\r\n").into_bytes(),
            key.public_der(),
            body.clone().into_bytes(),
            base64.decode(&body).expect("base64"),
        ];
        for secret in keys {
            for alg in ["HS256", "HS384", "HS512"] {
                let forger = Key::Secret(secret.clone());
                rows.push(vec![token(&forger, alg, &format!(r#"{{"tag":"{tag}"}}"#))]);
            }
        }
    }
    let certificate = Key::Secret(w.certificate.clone().into_bytes());
    rows.push(vec![token(
        &certificate,
        "HS256",
        r#"{"tag":"certificate"}"#,
    )]);
    // An empty key, for implementations that use one when a secret is missing.
    rows.push(vec![token(
        &Key::Secret(Vec::new()),
        "HS256",
        r#"{"tag":"hmac"}"#,
    )]);
    rows
}

/// No signature, in every spelling.
pub fn none(_: &World) -> Rows {
    let mut rows = Rows::new();
    for alg in ["none", "None", "NONE", "nOnE", "none ", " none"] {
        for tag in ["hmac", "rsa"] {
            let input = format!(
                "{}.{}",
                b64(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#)),
                b64(format!(r#"{{"tag":"{tag}"}}"#))
            );
            rows.push(vec![format!("{input}.")]);
            rows.push(vec![format!("{input}.{}", b64("signature"))]);
        }
    }
    rows
}

/// Extensions marked as critical but not understood (RFC 7515, 4.1.11).
pub fn unknown_crit(w: &World) -> Rows {
    [
        r#"{"alg":"HS256","crit":["exp"],"exp":1}"#,
        r#"{"alg":"HS256","crit":["b64"],"b64":true}"#,
        r#"{"alg":"HS256","crit":["http://example.org/x"],"http://example.org/x":1}"#,
    ]
    .map(|header| vec![with_header(&w.secret, "HS256", header, r#"{"tag":"hmac"}"#)])
    .to_vec()
}

/// Headers that carry their own key, or say where to fetch it.
pub fn header_chooses(w: &World) -> Rows {
    let (n, e) = w.other_rsa.modulus_and_exponent();
    [
        format!(r#"{{"alg":"RS256","jwk":{{"kty":"RSA","n":"{n}","e":"{e}"}}}}"#),
        r#"{"alg":"RS256","jku":"http://127.0.0.1:9/keys","kid":"x"}"#.to_string(),
        r#"{"alg":"RS256","x5u":"http://127.0.0.1:9/cert"}"#.to_string(),
        r#"{"alg":"RS256","kid":"../../../dev/null"}"#.to_string(),
    ]
    .map(|header| {
        vec![with_header(
            &w.other_rsa,
            "RS256",
            &header,
            r#"{"tag":"rsa"}"#,
        )]
    })
    .to_vec()
}

/// Properly signed, but expired.
pub fn expired(w: &World) -> Rows {
    let long_ago =
        [w.now - 1, w.now - 3600, 1, 0, -1].map(|exp| format!(r#"{{"tag":"hmac","exp":{exp}}}"#));
    let mut rows = tokens(&w.secret, &long_ago);
    rows.push(vec![token(
        &w.rsa,
        "RS256",
        &format!(r#"{{"tag":"rsa","exp":{}}}"#, w.now - 10),
    )]);
    rows
}

/// Tags that name no profile.
pub fn unknown_profile(w: &World) -> Rows {
    let mut rows = tokens(
        &w.secret,
        &["nobody", "", "*"].map(|t| format!(r#"{{"tag":"{t}"}}"#)),
    );
    let long = "x".repeat(3000);
    rows.extend(tokens(&w.secret, &[format!(r#"{{"tag":"{long}"}}"#)]));
    rows
}

/// Tags that are SQL, or anything else that might be evaluated.
pub fn injections(w: &World) -> Rows {
    let tags = [
        "' OR '1'='1",
        "' OR 1=1 -- ",
        "hmac' -- ",
        "hmac'/*",
        "x' UNION SELECT 'dave','known',1,'','' -- ",
        "x'; DROP TABLE jwt_profiles; -- ",
        r#"\" OR \"\"=\""#,
        r"\\' OR 1=1 -- ",
        r"hmac\u0000' OR 1=1",
        r"¿' OR 1=1 -- ",
        "hmac' AND sleep(10) AND '1'='1",
        "$avp(x)",
        "%s%s%n",
        "?",
        ":tag",
        "{s.escape}",
    ];
    let mut rows = tokens(&w.secret, &tags.map(|tag| format!(r#"{{"tag":"{tag}"}}"#)));
    rows.push(vec![token(
        &Key::Secret(b"known".to_vec()),
        "HS256",
        r#"{"tag":"x' UNION SELECT 'dave','known' -- "}"#,
    )]);
    rows
}

/// Not even in the form of a token.
pub fn garbage(_: &World) -> Rows {
    let nested = b64("[".repeat(4000));
    [
        "garbage",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "eyJ",
        "eyJ.eyJ.eyJ",
        "e30.e30.e30",
        "e30.e30.",
        "{}.{}.{}",
        "null",
        "<script>",
        "Bearer",
        "Basic YWxhZGRpbjpvcGVu",
        "%00%00.%00.%00",
        "W10.W10.W10",
        "ŧøken.ŧøken.ŧøken",
        "0",
        "-1",
        &format!("{nested}.{nested}.x"),
    ]
    .map(|text| vec![text.to_string()])
    .to_vec()
}

/// exp, nbf and iat that are present but not numbers (RFC 7519, 2).
pub fn times_that_are_no_numbers(w: &World) -> Rows {
    let soon = w.now + 3600;
    tokens(
        &w.secret,
        &[
            format!(r#"{{"tag":"hmac","exp":"{soon}"}}"#),
            r#"{"tag":"hmac","exp":null}"#.to_string(),
            r#"{"tag":"hmac","exp":true}"#.to_string(),
            format!(r#"{{"tag":"hmac","exp":[{soon}]}}"#),
            format!(r#"{{"tag":"hmac","exp":{{"at":{soon}}}}}"#),
            r#"{"tag":"hmac","nbf":"0"}"#.to_string(),
            r#"{"tag":"hmac","nbf":null}"#.to_string(),
            r#"{"tag":"hmac","iat":"yesterday"}"#.to_string(),
        ],
    )
}

/// Members with the same name (RFC 7519, 4).
pub fn claims_twice(w: &World) -> Rows {
    let mut rows = tokens(
        &w.secret,
        &[
            r#"{"tag":"hmac","tag":"rsa"}"#.to_string(),
            r#"{"tag":"rsa","tag":"hmac"}"#.to_string(),
            r#"{"tag":"hmac","t\u0061g":"hmac"}"#.to_string(),
            format!(r#"{{"tag":"hmac","exp":{},"exp":1}}"#, w.now + 60),
            r#"{"tag":"hmac","x":{"y":1,"y":2}}"#.to_string(),
        ],
    );
    let header = r#"{"alg":"HS256","alg":"none"}"#;
    rows.push(vec![with_header(
        &w.secret,
        "HS256",
        header,
        r#"{"tag":"hmac"}"#,
    )]);
    rows
}

/// What some decoders would let pass.
pub fn badly_encoded(w: &World) -> Rows {
    let good = token(&w.secret, "HS256", r#"{"tag":"hmac","a":"??>>"}"#);
    let header = b64(r#"{"alg":"HS256","typ":"JWT"}"#);
    let hmac = r#"{"tag":"hmac"}"#;
    let base64 = base64::engine::general_purpose::STANDARD;
    let deep = format!(
        r#"{{"tag":"hmac","a":{}{}}}"#,
        "[".repeat(1000),
        "]".repeat(1000)
    );
    [
        // More or less than three parts; a part within a part.
        format!("{good}."),
        format!("{good}.{}", b64("x")),
        good.rsplit_once('.').expect("dots").0.to_string(),
        format!(".{good}"),
        // Correctly signed, yet not base64url: padded, in the other alphabet, with blanks, with
        // leftover bits.
        sign(&w.secret, "HS256", &format!("{header}=.{}", b64(hmac))),
        sign(
            &w.secret,
            "HS256",
            &format!("{header}.{}", base64.encode(r#"{"tag":"hmac","a":1}"#)),
        ),
        sign(
            &w.secret,
            "HS256",
            &format!("{header}.{}", b64(r#"{"tag":"hmac","a":"??>>"}"#)),
        )
        .replace('_', "/")
        .replace('-', "+")
            + "=",
        sign(
            &w.secret,
            "HS256",
            &format!("{header}.{} {}", b64(hmac), b64("x")),
        ),
        format!("{good}="),
        sign(
            &w.secret,
            "HS256",
            &format!("{header}.{}", "eyJ0YWciOiJobWFjIn1"),
        ),
        // Not JSON objects.
        token(&w.secret, "HS256", r#"["tag","hmac"]"#),
        token(&w.secret, "HS256", r#""hmac""#),
        token(&w.secret, "HS256", "hmac"),
        token(&w.secret, "HS256", ""),
        token(&w.secret, "HS256", r#"{"tag":"hmac"}{"tag":"rsa"}"#),
        token(&w.secret, "HS256", r#"{"tag":"hmac",}"#),
        token(&w.secret, "HS256", "{'tag':'hmac'}"),
        with_header(&w.secret, "HS256", r#"["HS256"]"#, hmac),
        with_header(&w.secret, "HS256", r#"{"alg":256}"#, hmac),
        with_header(&w.secret, "HS256", r#"{"typ":"JWT"}"#, hmac),
        // Too deep.
        token(&w.secret, "HS256", &deep),
    ]
    .map(|token| vec![token])
    .to_vec()
}
