//! Tokens and JWK Sets as identity providers issue them, judged without a database.

use harness::core::Core;
use harness::keys::Key;
use harness::setting::Setting;
use harness::tokens::{now, with_header};
use serde_json::{Value, json};

use super::keys::edit;
use super::provider::{Provider, certified, jwk, patient};
use super::running::Running;

/// jwks_url alone, without any database: tokens and JWK Sets shaped like those of Keycloak, Auth0
/// and Entra ID.
pub fn providers(setting: &Setting, core: &Core) -> Result<(), String> {
    keycloak(setting, core)?;
    auth0(setting, core)?;
    entra(setting, core)
}

fn keycloak(setting: &Setting, core: &Core) -> Result<(), String> {
    const ISSUER: &str = "https://login.example.org/realms/sip";
    const KID: &str = "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE";
    let (key, encryption) = (Key::rsa(), Key::rsa());
    let provider = Provider::start(
        &setting.folder(),
        &[
            certified("another", &encryption, "enc", "RSA-OAEP"),
            certified(KID, &key, "sig", "RS256"),
        ],
    )?;
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("issuer", ISSUER)
            .set("audience", "sip.example.org")
            .set("username_claim", "preferred_username")
            .set(
                "required_claims",
                "resource_access['sip.phone'].roles=register",
            )
            .set("required_scope", "openid")
            .set(
                "load_claims",
                "$avp(role)=realm_access.roles[0];$avp(org)=email",
            )
    })?;
    let good = json!({
        "exp": now() + 300, "iat": now(), "auth_time": now() - 5,
        "jti": "onrtac:4a1e8a9d-7b2c-4a7e-9a55-3f4f8f0c2b1d",
        "iss": ISSUER, "aud": ["sip.example.org", "account"],
        "sub": "c0a8e1f2-6b1d-4a53-9a3e-2f1d8a4b7c66", "typ": "Bearer", "azp": "sip.phone",
        "sid": "0f3c9c0e-8f1e-4b44-8a80-5d7a2c3b1e11", "acr": "1",
        "allowed-origins": ["https://phone.example.org"],
        "realm_access": { "roles": ["default-roles-sip", "offline_access"] },
        "resource_access": {
            "sip.phone": { "roles": ["register"] },
            "account": { "roles": ["manage-account", "view-profile"] },
        },
        "scope": "openid profile email", "email_verified": true, "name": "Alice Example",
        "preferred_username": "alice", "given_name": "Alice", "email": "alice@example.org",
    });
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": KID });
    let signed = |key: &Key, claims: &Value| {
        with_header(key, "RS256", &header.to_string(), &claims.to_string())
    };
    for _ in 0..2 {
        running.everywhere(&signed(&key, &good), 1)?;
    }
    let said = running.expect(&signed(&key, &good), 1)?;
    said.expect_header("X-User", "alice")?
        .expect_header("X-Claims", "default-roles-sip|alice@example.org|0|<null>")?;
    let with = |name: &str, value: Value| edit(good.clone(), |claims| claims[name] = value);
    for (what, token, code) in [
        (
            "another issuer",
            signed(
                &key,
                &with("iss", json!("https://login.example.org/realms/other")),
            ),
            -5,
        ),
        (
            "another audience",
            signed(&key, &with("aud", json!("account"))),
            -5,
        ),
        (
            "no username",
            signed(&key, &with("preferred_username", Value::Null)),
            -5,
        ),
        (
            "an empty username",
            signed(&key, &with("preferred_username", json!(""))),
            -5,
        ),
        (
            "no role",
            signed(&key, &with("resource_access", json!({}))),
            -5,
        ),
        (
            "no scope",
            signed(&key, &with("scope", json!("profile"))),
            -5,
        ),
        ("expired", signed(&key, &with("exp", json!(now() - 1))), -3),
        ("another key", signed(&Key::rsa(), &good), -1),
        ("the key for encryption", signed(&encryption, &good), -1),
    ] {
        running
            .expect(&token, code)
            .map_err(|e| format!("Keycloak, {what}: {e}"))?;
    }
    running.instance.check_workers()
}

fn auth0(setting: &Setting, core: &Core) -> Result<(), String> {
    const KID: &str = "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg";
    let (key, next) = (Key::rsa(), Key::rsa());
    let publish = |kid: &str, key: &Key| edit(jwk(kid, key), |jwk| jwk["x5t"] = json!(kid));
    let provider = Provider::start(
        &setting.folder(),
        &[publish(KID, &key), publish("bmV4dA", &next)],
    )?;
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("issuer", "https://example.eu.auth0.com/")
            .set("audience", "https://sip.example.org")
            .set("token_type", "JWT")
            .set(
                "load_claims",
                "$avp(role)=https://example.org/roles;$avp(flag)=gty",
            )
    })?;
    let good = json!({
        "https://example.org/roles": "caller",
        "iss": "https://example.eu.auth0.com/",
        "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
        "aud": ["https://sip.example.org", "https://example.eu.auth0.com/userinfo"],
        "iat": now(), "exp": now() + 86_400,
        "azp": "my_client_id", "scope": "openid profile read:calls", "gty": "password",
    });
    let signed = |key: &Key, kid: &str, claims: &Value| {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
        with_header(key, "RS256", &header.to_string(), &claims.to_string())
    };
    for (key, kid) in [(&key, KID), (&next, "bmV4dA")] {
        running
            .expect(&signed(key, kid, &good), 1)?
            .expect_header("X-User", "auth0|5f7c8ec7c33c6c004bbafe82")?
            .expect_header("X-Claims", "caller|<null>|0|password")?;
    }
    let answer = running.exchange("async", &[("X-JWT", &signed(&key, KID, &good))])?;
    super::running::Said::of(answer)?.expect(1)?;
    for (what, token, code) in [
        ("the other key's name", signed(&key, "bmV4dA", &good), -1),
        (
            "without the slash",
            signed(
                &key,
                KID,
                &edit(good.clone(), |c| {
                    c["iss"] = json!("https://example.eu.auth0.com")
                }),
            ),
            -5,
        ),
        (
            "an ID token",
            signed(
                &key,
                KID,
                &edit(good.clone(), |c| c["aud"] = json!("my_client_id")),
            ),
            -5,
        ),
    ] {
        running
            .expect(&token, code)
            .map_err(|e| format!("Auth0, {what}: {e}"))?;
    }
    // One fetch of the set for all of them, not one per token.
    if provider.asked() != 1 {
        return Err(format!("the set was fetched {} times", provider.asked()));
    }
    running.instance.check_workers()
}

fn entra(setting: &Setting, core: &Core) -> Result<(), String> {
    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    const ISSUER: &str =
        "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    const CLIENT: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";
    let read = |name: &str| {
        let path = harness::root().join("tests").join(name);
        std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
    };
    // As published: no alg, and x5t, x5c and the issuer in each key.
    let published = read("jwks/entra.json")?;
    let set: Value = serde_json::from_str(&published).map_err(|e| e.to_string())?;
    let kid = |number: usize| {
        set["keys"][number]["kid"]
            .as_str()
            .unwrap_or("")
            .to_string()
    };
    let key = Key::rsa_from(&read("keys/rsa-2048-pkcs8.test-private.pem")?);
    let provider = Provider::start(&setting.folder(), &[])?;
    provider.published().body = published;
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("issuer", ISSUER)
            .set("audience", CLIENT)
            .set("username_claim", "oid")
            .set("required_scope", "access_as_user")
            .set("load_claims", "$avp(role)=roles[0];$avp(org)=tid")
    })?;
    let good = json!({
        "aud": CLIENT, "iss": ISSUER, "iat": now(), "nbf": now(), "exp": now() + 3900,
        "aio": "AXQAi/8IAAAA", "azp": CLIENT, "azpacr": "0", "name": "Alice Example",
        "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
        "preferred_username": "alice@example.com", "rh": "I", "roles": ["Phone.Register"],
        "scp": "access_as_user profile", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
        "tid": TENANT, "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
    });
    let with = |name: &str, value: Value| edit(good.clone(), |claims| claims[name] = value);
    let by = |header: Value, claims: &Value| {
        let alg = header["alg"].as_str().unwrap_or("").to_string();
        with_header(&key, &alg, &header.to_string(), &claims.to_string())
    };
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": kid(0) });
    // As in version 1.0 of its tokens.
    let with_x5t = edit(header.clone(), |header| header["x5t"] = json!(kid(0)));
    for header in [&header, &with_x5t] {
        running
            .expect(&by(header.clone(), &good), 1)?
            .expect_header("X-User", "690222be-ff1a-4d56-abd1-7e4f7d38e474")?
            .expect_header("X-Claims", &format!("Phone.Register|{TENANT}|0|<null>"))?;
    }
    running.everywhere(&by(header.clone(), &good), 1)?;
    let of_second = edit(header.clone(), |header| header["kid"] = json!(kid(1)));
    let unknown = edit(header.clone(), |header| {
        header["kid"] = json!("rolled over")
    });
    let other_tenant = ISSUER.replace("1111", "9999");
    // The key is public: if it were accepted as a secret, everybody could sign with it.
    let secret = Key::Secret(key.verifier().into_bytes());
    let hmac = json!({ "typ": "JWT", "alg": "HS256", "kid": kid(0) });
    let forged = with_header(&secret, "HS256", &hmac.to_string(), &good.to_string());
    for (what, token, code) in [
        ("the other key's name", by(of_second, &good), -1),
        ("a key that is not there", by(unknown, &good), -1),
        ("the public key as a secret", forged, -1),
        (
            "another tenant",
            by(header.clone(), &with("iss", json!(other_tenant))),
            -5,
        ),
        (
            "another application",
            by(
                header.clone(),
                &with("aud", json!("00000003-0000-0000-c000-000000000000")),
            ),
            -5,
        ),
        (
            "a daemon's token, which has no scp",
            by(header.clone(), &with("scp", Value::Null)),
            -5,
        ),
        (
            "too early",
            by(header.clone(), &with("nbf", json!(now() + 600))),
            -3,
        ),
        (
            "expired",
            by(header.clone(), &with("exp", json!(now() - 1))),
            -3,
        ),
    ] {
        running
            .expect(&token, code)
            .map_err(|e| format!("Entra ID, {what}: {e}"))?;
    }
    running.instance.check_workers()
}
