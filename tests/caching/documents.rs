//! Keys as they are published: documents of other kinds, with members that say nothing, with keys
//! that can't be used, and that change under their names.

use std::time::Instant;

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::{now, token, with_header};
use serde_json::{Value, json};

use super::keys::edit;
use super::provider::{Provider, jwk, patient};
use super::running::{LIMIT, Running};

fn read(name: &str) -> Result<String, String> {
    let path = harness::root().join("tests").join(name);
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A token of a provider, with the `kid` of its key.
fn named(key: &Key, alg: &str, kid: &str) -> String {
    let header = json!({ "alg": alg, "typ": "JWT", "kid": kid });
    let claims = json!({ "sub": "alice", "exp": now() + 600 });
    with_header(key, alg, &header.to_string(), &claims.to_string())
}

/// Starts a core that asks this provider, as often as every second.
fn start(
    setting: &Setting,
    core: &Core,
    provider: &Provider,
    more: &[(&'static str, &str)],
) -> Result<Running, String> {
    Running::start(setting, core, |script| {
        let script = patient(script)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("jwks_min_ttl", 1)
            .set("jwks_min_refresh", 1);
        more.iter()
            .fold(script, |script, (name, value)| script.set(name, *value))
    })
}

/// Members that are null and lists that are empty, as .NET publishes them; keys of RFC 9864.
pub fn shapes(setting: &Setting, core: &Core) -> Result<(), String> {
    let provider = Provider::start(&setting.folder(), &[])?;
    provider.published().body = read("jwks/nulls.json")?;
    let rsa = Key::rsa_from(&read("keys/jwks-nulls.test-private.pem")?);
    let mut running = start(setting, core, &provider, &[])?;
    for alg in ["RS256", "PS256"] {
        running.everywhere(&named(&rsa, alg, "r1"), 1)?;
    }
    running.expect(&named(&Key::rsa(), "RS256", "r1"), -1)?;
    running.instance.check_workers()?;

    provider.published().body = read("jwks/ed25519.json")?;
    let ed = Key::ed25519_from(&read("keys/jwks-ed25519.test-private.pem")?);
    for (algorithms, by_new, by_old) in [
        (None, 1, 1),
        (Some("EdDSA"), 1, 1),
        (Some("Ed25519"), 1, -1),
        (Some("RS256, Ed25519, EdDSA"), 1, 1),
        (Some("RS256"), -1, -1),
    ] {
        let more: Vec<_> = algorithms
            .map(|list| ("algorithms", list))
            .into_iter()
            .collect();
        let mut running = start(setting, core, &provider, &more)?;
        for (alg, code) in [("Ed25519", by_new), ("EdDSA", by_old), ("ed25519", -1)] {
            running
                .expect(&named(&ed, alg, "e1"), code)
                .map_err(|e| format!("{algorithms:?}, {alg}: {e}"))?;
        }
        running.expect(&named(&Key::ed25519(), "Ed25519", "e1"), -1)?;
        running.instance.check_workers()?;
    }
    Ok(())
}

/// Each key that is skipped is named in the log with its `kid` and the reason, once.
pub fn skipped(setting: &Setting, core: &Core) -> Result<(), String> {
    let (good, next) = (Key::p256(), Key::p256());
    let bad = [
        edit(jwk("for-encryption", &Key::rsa()), |k| {
            k["use"] = json!("enc")
        }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "kid": "post-quantum", "pub": "AAAA" }),
        edit(jwk("private", &Key::rsa()), |k| k["d"] = json!("AAAA")),
        edit(jwk("of-another-alg", &Key::rsa()), |k| {
            k["alg"] = json!("RSA-OAEP")
        }),
        json!({ "kty": "oct", "kid": "a-secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA" }),
        json!({ "kty": "EC", "kid": "\r\nforged line", "crv": "P-256" }),
    ];
    let set = |key: &Value| [&[key.clone()][..], &bad].concat();
    let provider = Provider::start(&setting.folder(), &set(&jwk("good", &good)))?;
    let mut content = Content::default();
    let in_row = json!({ "keys": [jwk("good", &good), { "kty": "EC", "kid": "in-a-row" }] });
    content.profile("row", "row");
    content.secret("row", &in_row.to_string());
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .database(&database)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("jwks_min_ttl", 1)
            .set("jwks_min_refresh", 1)
    })?;
    provider.published().cache = "max-age=1";
    for _ in 0..2 {
        running.everywhere(&named(&good, "ES256", "good"), 1)?;
    }
    let of_row = with_header(&good, "ES256", r#"{"alg":"ES256"}"#, r#"{"tag":"row"}"#);
    running.everywhere(&of_row, 1)?;
    // The set is another one, with the same keys that can't be used.
    provider.publish(&set(&jwk("next", &next)));
    wait_for(LIMIT, || {
        (running.all_say(&named(&next, "ES256", "next"), 1) == Ok(true)).then_some(())
    })
    .ok_or("the next key does not count")?;
    running.mi.reload()?;
    running.everywhere(&named(&next, "ES256", "next"), 1)?;
    let log = running.instance.log();
    for (kid, reason) in [
        ("for-encryption", "use is not sig"),
        ("post-quantum", "it is a key of kind AKP"),
        ("private", "it is a private key"),
        ("of-another-alg", "alg is not a known signature algorithm"),
        ("a-secret", "it is a secret, and published"),
        ("\\r\\nforged line", "a member of the key is missing"),
        ("in-a-row", "crv is missing"),
    ] {
        let name = format!("key \"{kid}\" is skipped: ");
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&name)).collect();
        let place = match kid {
            "in-a-row" => "keys from secret 1 of tag \"row\": ".to_string(),
            _ => format!("keys from {}: ", provider.url()),
        };
        match lines[..] {
            [line] if line.contains(reason) && line.contains(&place) => {}
            _ => {
                return Err(format!(
                    "{kid}: one line with {reason:?} expected, got {lines:#?}"
                ));
            }
        }
    }
    if log.contains("key \"good\" is skipped") || log.contains("c2VjcmV0") {
        return Err(log);
    }
    running.instance.check_workers()
}

/// What is no JWK Set is said to be what it is; a map of certificates by `kid` is read.
pub fn others(setting: &Setting, core: &Core) -> Result<(), String> {
    let (rsa, ec) = (Key::rsa(), Key::p256());
    let provider = Provider::start(&setting.folder(), &[])?;
    for (body, what) in [
        (
            "<!DOCTYPE html><html><body>Sign in</body></html>",
            "an HTML page",
        ),
        ("<?xml version=\"1.0\"?><Error/>", "an XML document"),
        (
            r#"{"error":"invalid_request","error_description":"x"}"#,
            "an error object",
        ),
        (
            r#"{"error":{"code":404,"message":"Not Found"}}"#,
            "an error object",
        ),
        (r#"{"message":"Forbidden"}"#, "an error object"),
        (
            r#"{"issuer":"https://a","jwks_uri":"https://a/keys"}"#,
            "jwks_uri",
        ),
        (r#"{"keys":[]}"#, "a JWK Set without a usable key"),
        ("[]", "a JSON array"),
        ("", "empty"),
    ] {
        provider.published().body = body.to_string();
        let mut running = start(setting, core, &provider, &[])?;
        running.expect(&named(&rsa, "RS256", "r"), -6)?;
        let log = running.instance.log();
        let line = format!("keys from {}: it is ", provider.url());
        let said = log.lines().any(|l| l.contains(&line) && l.contains(what));
        if !said || log.contains("internal error") {
            return Err(format!("{body}: {log}"));
        }
        // What is published a moment later is found by asking again.
        provider.publish(&[jwk("r", &rsa)]);
        let good = named(&rsa, "RS256", "r");
        wait_for(LIMIT, || {
            (running.all_say(&good, 1) == Ok(true)).then_some(())
        })
        .ok_or(format!("{body}: the set is not fetched"))?;
        running.instance.check_workers()?;
    }
    provider.published().body = json!({
        "d98f49bc6ca4581eae8dfadd494fce10ea23aab0": rsa.certificate(),
        "iap": ec.verifier(),
        "damaged": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    })
    .to_string();
    provider.published().cache = "max-age=1";
    let mut running = start(setting, core, &provider, &[])?;
    let by_certificate = named(&rsa, "RS256", "d98f49bc6ca4581eae8dfadd494fce10ea23aab0");
    running.everywhere(&by_certificate, 1)?;
    running.everywhere(&named(&ec, "ES256", "iap"), 1)?;
    running.expect(
        &named(
            &Key::rsa(),
            "RS256",
            "d98f49bc6ca4581eae8dfadd494fce10ea23aab0",
        ),
        -1,
    )?;
    // A good set stays in use while there is something else, which is said once.
    provider.published().body = "<html>Maintenance</html>".to_string();
    let fails = format!(
        "keys from {}: it is an HTML page, not a JWK Set; the last",
        provider.url()
    );
    let said = || running.instance.log().matches(&fails).count();
    let mut number = 0;
    wait_for(LIMIT, || {
        // Each token is new, so that it is not remembered.
        number += 1;
        let claims = json!({ "sub": "alice", "n": number }).to_string();
        let header = r#"{"alg":"ES256","kid":"iap"}"#;
        let admitted = running.expect(&with_header(&ec, "ES256", header, &claims), 1);
        (admitted.is_err() || said() > 0).then_some(admitted)
    })
    .ok_or("nobody says that the set can't be fetched")??;
    running.everywhere(&by_certificate, 1)?;
    if said() != 1 {
        return Err(format!("said {} times: {}", said(), running.instance.log()));
    }
    // The certificate is public: it is not a secret.
    let secret = Key::Secret(rsa.certificate().into_bytes());
    running.expect(&named(&secret, "HS256", "iap"), -1)?;
    running
        .expect(&named(&rsa, "RS256", "unknown"), -1)?
        .because("no key of kid \"unknown\"")?;
    if !running
        .instance
        .log()
        .contains("key \"damaged\" is skipped")
    {
        return Err(running.instance.log());
    }
    running.instance.check_workers()
}

/// A key that replaces another under its `kid` is found when no known key verifies a token: not more
/// often than an unknown `kid` is asked for.
pub fn replaced(setting: &Setting, core: &Core) -> Result<(), String> {
    let (first, second, third) = (Key::p256(), Key::p256(), Key::rsa());
    let provider = Provider::start(&setting.folder(), &[jwk("same", &first)])?;
    let mut content = Content::default();
    content.profile("url", "url");
    content.secret("url", &provider.url());
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .database(&database)
            .set("cache_ttl", 3600)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("jwks_min_ttl", 3600)
            .set("jwks_min_refresh", 1)
    })?;
    let of_row = |key: &Key| {
        let header = r#"{"alg":"ES256","kid":"same"}"#;
        with_header(key, "ES256", header, r#"{"tag":"url"}"#)
    };
    let by_first = named(&first, "ES256", "same");
    running.everywhere(&by_first, 1)?;
    running.everywhere(&of_row(&first), 1)?;
    running.everywhere_with_key(&by_first, &provider.url(), 1)?;
    // For a row, for jwks_url, and for the key of a script.
    provider.publish(&[jwk("same", &second)]);
    running.until_asked_again();
    running.everywhere(&of_row(&second), 1)?;
    running.everywhere(&named(&second, "ES256", "same"), 1)?;
    running.everywhere(&by_first, -1)?;
    provider.publish(&[jwk("same", &first)]);
    running.until_asked_again();
    running.everywhere_with_key(&by_first, &provider.url(), 1)?;
    running.everywhere(&by_first, 1)?;
    // A key of another kind.
    provider.publish(&[jwk("same", &third)]);
    running.until_asked_again();
    running.everywhere(&named(&third, "RS256", "same"), 1)?;
    // Tokens without kid, and a set without any.
    let nameless = edit(jwk("", &second), |k| k["kid"] = Value::Null);
    provider.publish(&[nameless]);
    running.until_asked_again();
    let bare = token(&second, "ES256", &json!({ "sub": "a", "n": 1 }).to_string());
    running.everywhere(&bare, 1)?;
    // A flood of forged tokens: one request a second for all workers.
    let (before, began) = (provider.asked(), Instant::now());
    let forger = Key::p256();
    for _ in 0..100 {
        running.expect(&named(&forger, "ES256", "same"), -1)?;
    }
    let most = began.elapsed().as_secs() as usize + 2;
    if provider.asked() - before > most {
        return Err(format!("asked {} times", provider.asked() - before));
    }
    running.expect(&bare, 1)?;
    // Nobody waits for what is refused in any case.
    let before = provider.asked();
    running.until_asked_again();
    running.expect(&token(&second, "none", "{}"), -1).ok();
    let expired = json!({ "sub": "a", "exp": 1 }).to_string();
    running.expect(&token(&second, "ES256", &expired), -3)?;
    if provider.asked() != before {
        return Err("asked for a token whose signature is good".to_string());
    }
    running.instance.check_workers()
}

/// Frequent mistakes are named: a token of another kind, or of another issuer.
pub fn mistakes(setting: &Setting, core: &Core) -> Result<(), String> {
    const ISSUER: &str = "https://login.example.org/realms/sip";
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[jwk("k", &key)])?;
    let more = [("issuer", ISSUER), ("audience", "sip.example.org")];
    let mut running = start(setting, core, &provider, &more)?;
    // RFC 7516 appendix A.1.7, shortened.
    let encrypted = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.OKOawDo13gRp2ojaHV7LFpZcgV7T6D\
                     VZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGe.48V1_ALb6US04U3b.5eym8TW_c8SuK0ltJ3rpYIz\
                     OeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6ji.XFBoMYUZodetZdvTiFvSkQ";
    for (token, reason) in [
        (encrypted, "encrypted token (JWE)"),
        ("gho_16C7e42F292c6912E7710c838347Ae178B4a", "opaque"),
        ("ya29.a0AfB_byC-1234567890abcdef", "opaque"),
        ("00000000-1111-2222-3333-444444444444", "opaque"),
        ("e30.e30.e30.e30", "not made of three segments"),
    ] {
        running
            .expect(token, -2)?
            .because("not made of three segments")?
            .because(reason)?;
    }
    let signed = |key: &Key, kid: &str, claims: Value| {
        let header = json!({ "alg": "ES256", "kid": kid });
        with_header(key, "ES256", &header.to_string(), &claims.to_string())
    };
    let of = |issuer: &str, audience: Value| json!({ "iss": issuer, "aud": audience, "sub": "alice", "exp": now() + 600 });
    let good = of(ISSUER, json!("sip.example.org"));
    running.expect(&signed(&key, "k", good.clone()), 1)?;
    let elsewhere = "https://login.example.net/realms/other";
    let other = of(elsewhere, json!("sip.example.org"));
    let (found, allowed) = (
        format!("it is \"{elsewhere}\""),
        format!("allowed are \"{ISSUER}\""),
    );
    for (token, code) in [
        (signed(&key, "k", other.clone()), -5),
        (signed(&Key::p256(), "k", other.clone()), -1),
        (signed(&Key::p256(), "of the other", other), -1),
    ] {
        running
            .expect(&token, code)?
            .because("iss differs from what is required")?
            .because(&found)?
            .because(&allowed)?;
    }
    running
        .expect(&signed(&key, "k", of(ISSUER, json!(["account", "web"]))), -5)?
        .because("aud differs from what is required: it is \"account\", \"web\", allowed are \"sip.example.org\"")?;
    running
        .expect(&signed(&Key::p256(), "k", good), -1)?
        .because("signature does not match")?;
    let forged = of("x\r\nNOTICE: admitted", json!("sip.example.org"));
    let said = running.expect(&signed(&key, "k", forged), -5)?;
    said.because("x\\r\\nNOTICE")?;
    running.instance.check_workers()
}

/// However many workers there are, the provider is asked once: at the start, for a new key, after a
/// reload, and when it fails.
pub fn together(setting: &Setting, core: &Core) -> Result<(), String> {
    const MANY: u32 = 16;
    let (first, second) = (Key::p256(), Key::p256());
    let provider = Provider::start(&setting.folder(), &[jwk("first", &first)])?;
    provider.published().cache = "max-age=86400";
    let mut running = Running::start_with(setting, core, MANY, |script| {
        patient(script)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("jwks_min_refresh", 1)
    })?;
    let (by_first, by_second) = (
        named(&first, "ES256", "first"),
        named(&second, "ES256", "second"),
    );
    let asked = |what: &str, expected: usize| match provider.asked() {
        asked if asked == expected => Ok(()),
        asked => Err(format!("{what}: asked {asked} times, not {expected}")),
    };
    running.everywhere(&by_first, 1)?;
    asked("the first tokens", 1)?;
    running.until_asked_again();
    provider.publish(&[jwk("first", &first), jwk("second", &second)]);
    running.everywhere(&by_second, 1)?;
    asked("a new key", 2)?;
    running.until_asked_again();
    running.everywhere(&by_first, 1)?;
    asked("a key that is known", 2)?;
    // The key that is withdrawn is gone everywhere once one has heard.
    provider.publish(&[jwk("second", &second)]);
    running.mi.reload()?;
    running.everywhere(&by_second, 1)?;
    asked("a reload", 3)?;
    running.everywhere(&by_first, -1)?;
    provider.published().status = 500;
    let (before, failures) = (provider.asked(), running.mi.statistic("jwks_failures")?);
    running.mi.reload()?;
    running.everywhere(&by_second, 1)?;
    let asked = (provider.asked() - before) as u64;
    let counted = running.mi.statistic("jwks_failures")? - failures;
    if asked != counted || !(1..=2).contains(&asked) {
        return Err(format!(
            "it failed {asked} times, and {counted} are counted"
        ));
    }
    running.instance.check_workers()
}
