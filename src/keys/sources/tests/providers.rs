//! Sets as identity providers publish them, and tokens as they issue them. The texts have the
//! members and the order that each provider uses; keys, certificates and names are ours.

use super::*;
use crate::jwt::signatures::Signatures;
use crate::jwt::verify::SignatureError;

const KEYCLOAK: &str = include_str!("../../../../tests/jwks/keycloak.json");
const AUTH0: &str = include_str!("../../../../tests/jwks/auth0.json");
const ENTRA: &str = include_str!("../../../../tests/jwks/entra.json");

/// The set, parsed the way it is when fetched from the provider.
fn published(text: &str) -> Arc<KeySet> {
    let scene = Scene::with(Ok(Fetched {
        body: text.as_bytes().to_vec(),
        max_age: Some(seconds(300)),
    }));
    scene.fetch(0).expect("a set")
}

fn kid(text: &str, number: usize) -> String {
    let set: Value = serde_json::from_str(text).unwrap();
    set["keys"][number]["kid"].as_str().unwrap().to_owned()
}

fn issued(header: &str, claims: &str, key: &jsonwebtoken::EncodingKey) -> Token {
    parse(&testing::signed(header, claims, Algorithm::RS256, key))
}

fn verified(keys: &KeySet, token: &Token) -> Result<(), SignatureError> {
    verify_with_set(token, keys, AlgorithmSet::ALL, &Signatures::none()).map(drop)
}

#[test]
fn keycloak() {
    let keys = published(KEYCLOAK);
    let skipped: Vec<_> = keys.skipped().iter().map(|key| &key.error).collect();
    assert_eq!(
        skipped,
        [&KeyError::JwkUse("use is not sig")],
        "the key for encryption"
    );
    let (encryption, signing) = (kid(KEYCLOAK, 0), kid(KEYCLOAK, 1));
    assert!(keys.has_kid(&signing) && !keys.has_kid(&encryption));
    let claims = r#"{
        "exp":1700000300,"iat":1700000000,"auth_time":1699999990,
        "jti":"onrtac:5f0c2d3e-0f5e-4b5a-9f43-1f2f3e4d5c6b",
        "iss":"https://sso.example/realms/voice","aud":"account",
        "sub":"7e4bdf9c-3a54-4f0e-8f11-c0ffee000001","typ":"Bearer","azp":"softphone",
        "sid":"d1a5c8e2-6a77-4f5e-a1b1-000000000002","acr":"1",
        "allowed-origins":["https://phone.example"],
        "realm_access":{"roles":["offline_access","uma_authorization"]},
        "resource_access":{"account":{"roles":["manage-account","view-profile"]}},
        "scope":"openid profile email","email_verified":true,"name":"Alice Example",
        "preferred_username":"alice","given_name":"Alice","family_name":"Example"}"#;
    let header = |kid: &str| format!(r#"{{"alg":"RS256","typ" : "JWT","kid" : "{kid}"}}"#);
    let token = issued(&header(&signing), claims, &signing_key(Algorithm::RS256));
    assert_eq!(verified(&keys, &token), Ok(()));
    // The key for encryption verifies nothing, named or not.
    for header in [header(&encryption), r#"{"alg":"RS256"}"#.to_owned()] {
        let token = issued(&header, claims, &other_rsa_key());
        assert!(verified(&keys, &token).is_err(), "{header}");
    }
}

#[test]
fn auth0() {
    let keys = published(AUTH0);
    assert_eq!((keys.keys().len(), keys.skipped().len()), (2, 0));
    let claims = r#"{"iss":"https://tenant.eu.auth0.example/","sub":"auth0|0123456789abcdef01234567",
        "aud":["https://sip.example","https://tenant.eu.auth0.example/userinfo"],
        "iat":1700000000,"exp":1700086400,"scope":"openid profile","azp":"AbCdEfGhIjKlMnOpQrStUvWxYz012345"}"#;
    let header = |kid: &str| format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#);
    let (current, next) = (kid(AUTH0, 0), kid(AUTH0, 1));
    let (current_key, next_key) = (signing_key(Algorithm::RS256), other_rsa_key());
    for (kid, key, good) in [
        (&current, &current_key, true),
        (&next, &next_key, true),
        (&current, &next_key, false),
        (&next, &current_key, false),
    ] {
        let token = issued(&header(kid), claims, key);
        assert_eq!(verified(&keys, &token).is_ok(), good, "{kid}");
    }
    // Its alg binds the key.
    let token = parse(&testing::signed(
        &header(&current).replace("RS256", "RS512"),
        claims,
        Algorithm::RS512,
        &current_key,
    ));
    assert!(matches!(
        verified(&keys, &token),
        Err(SignatureError::KeyKind { .. })
    ));
}

#[test]
fn entra_id() {
    let keys = published(ENTRA);
    assert_eq!((keys.keys().len(), keys.skipped().len()), (2, 0));
    let claims = r#"{"aud":"6e74172b-be56-4843-9ff4-e66a39bb12e3",
        "iss":"https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
        "iat":1700000000,"nbf":1700000000,"exp":1700003900,"aio":"AXQAi/8IAAAA",
        "azp":"6e74172b-be56-4843-9ff4-e66a39bb12e3","azpacr":"0","name":"Alice Example",
        "oid":"690222be-ff1a-4d56-abd1-7e4f7d38e474","preferred_username":"alice@example.com",
        "rh":"I","scp":"access_as_user","sub":"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid":"11111111-2222-3333-4444-555555555555","uti":"fqiBqXLPj0eQa82S-IYFAA","ver":"2.0"}"#;
    let (first, second) = (kid(ENTRA, 0), kid(ENTRA, 1));
    for header in [
        format!(r#"{{"typ":"JWT","alg":"RS256","kid":"{first}"}}"#),
        // As version 1.0 of its tokens has it.
        format!(r#"{{"typ":"JWT","alg":"RS256","x5t":"{first}","kid":"{first}"}}"#),
    ] {
        let token = issued(&header, claims, &signing_key(Algorithm::RS256));
        assert_eq!(verified(&keys, &token), Ok(()));
        let token = issued(&header, claims, &other_rsa_key());
        assert_eq!(verified(&keys, &token), Err(SignatureError::Mismatch));
    }
    // Without alg, the key is still an RSA key: never the secret of an HMAC.
    let header = format!(r#"{{"typ":"JWT","alg":"HS256","kid":"{second}"}}"#);
    let public = fixture!("rsa-2048-other.public.pem");
    let forged = parse(&testing::signed(
        &header,
        claims,
        Algorithm::HS256,
        &jsonwebtoken::EncodingKey::from_secret(public),
    ));
    assert!(matches!(
        verified(&keys, &forged),
        Err(SignatureError::KeyKind { .. })
    ));
}
