//! Issuers whose keys are found by their metadata (OpenID Connect Discovery 1.0, RFC 8414).

use harness::core::Core;
use harness::keys::Key;
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::{now, with_header};
use serde_json::{Value, json};

use super::provider::{Provider, jwk, patient, set};
use super::running::{LIMIT, Running, Said};

/// Where OpenID Connect has metadata, behind the issuer.
pub const OPENID: &str = "/.well-known/openid-configuration";

/// A token of an issuer.
pub fn of(issuer: &str, key: &Key, kid: &str) -> String {
    with(issuer, key, kid, json!({}))
}

/// The same with more claims.
pub fn with(issuer: &str, key: &Key, kid: &str, more: Value) -> String {
    let alg = match key {
        Key::Rsa(_) => "RS256",
        _ => "ES256",
    };
    let header = json!({ "alg": alg, "typ": "JWT", "kid": kid });
    let mut claims = json!({ "iss": issuer, "sub": "alice", "exp": now() + 600 });
    if let (Some(claims), Value::Object(more)) = (claims.as_object_mut(), more) {
        claims.extend(more);
    }
    with_header(key, alg, &header.to_string(), &claims.to_string())
}

/// Metadata as providers publish them.
pub fn metadata(issuer: &str, jwks_uri: &str) -> Value {
    json!({
        "issuer": issuer, "jwks_uri": jwks_uri,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "introspection_endpoint": format!("{issuer}/introspect"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
        "claims_parameter_supported": false,
    })
}

/// Puts the metadata and the keys of an issuer at its path.
pub fn publish(provider: &Provider, path: &str, keys: &[Value]) -> String {
    let issuer = provider.at(path);
    let at = path.trim_end_matches('/');
    let set_at = format!("{at}/keys");
    let page = metadata(&issuer, &provider.at(&set_at));
    provider.page(&format!("{at}{OPENID}"), page);
    provider.page(&set_at, set(keys));
    issuer
}

fn script(script: Script, provider: &Provider) -> Script {
    patient(script)
        .set("http_tls_ca", provider.authority())
        .set("jwks_min_refresh", 1)
}

/// Several issuers at once, whose keys and places of keys change.
pub fn found(setting: &Setting, core: &Core) -> Result<(), String> {
    let (a, b, d) = (Key::rsa(), Key::p256(), Key::p256());
    let provider = Provider::start(&setting.folder(), &[])?;
    let first = publish(&provider, "/a", &[jwk("one", &a)]);
    // Where RFC 8414 has them.
    let second = provider.at("/b/c");
    let page = metadata(&second, &provider.at("/keys-of-b"));
    provider.page("/.well-known/oauth-authorization-server/b/c", page);
    provider.page("/keys-of-b", set(&[jwk("one", &b)]));
    let third = publish(&provider, "/d/", &[jwk("one", &d)]);
    let mut running = Running::start(setting, core, |it| {
        script(it, &provider)
            .set("issuer_url", format!("{first} {second}").as_str())
            .set("issuer_url", third.as_str())
            // Of the tokens of profiles and of jwks_url.
            .set("issuer", "https://elsewhere.example")
    })?;
    for _ in 0..2 {
        running.everywhere(&of(&first, &a, "one"), 1)?;
        running.everywhere(&of(&second, &b, "one"), 1)?;
        running.everywhere(&of(&third, &d, "one"), 1)?;
    }
    let said = running.exchange("async", &[("X-JWT", &of(&third, &d, "one"))])?;
    Said::of(said)?.expect(1)?;
    // One process asks for all.
    for path in [
        format!("/a{OPENID}"),
        "/a/keys".to_owned(),
        "/keys-of-b".to_owned(),
    ] {
        if provider.asked_for(&path) != 1 {
            return Err(format!("{path}: {} times", provider.asked_for(&path)));
        }
    }
    // Each by its own keys alone, although they have one name.
    for (issuer, key) in [(&first, &d), (&second, &d), (&third, &b)] {
        running.expect(&of(issuer, key, "one"), -1)?;
    }
    // Nobody is asked for one that is not listed.
    let asked = provider.asked();
    for issuer in [
        format!("{first}/"),
        third.trim_end_matches('/').to_owned(),
        first.replace("https", "HTTPS"),
        provider.at("/e"),
        provider.at(""),
        "https://elsewhere.example".to_owned(),
        String::new(),
    ] {
        let said = running.expect(&of(&issuer, &a, "one"), -5)?;
        said.because("which is not listed")?;
    }
    for iss in [json!(7), json!([first]), Value::Null] {
        let claims = json!({ "iss": iss });
        running.expect(&with("", &a, "one", claims), -5)?;
    }
    if provider.asked() != asked {
        return Err("somebody was asked for an issuer that is not listed".to_owned());
    }
    // All change their keys at once; one moves them.
    let (a2, b2, d2) = (Key::rsa(), Key::p256(), Key::p256());
    provider.page("/a/keys", set(&[jwk("two", &a2)]));
    provider.page("/keys-of-b", "<html>");
    let page = metadata(&second, &provider.at("/moved"));
    provider.page("/.well-known/oauth-authorization-server/b/c", page);
    provider.page("/moved", set(&[jwk("two", &b2)]));
    // Under the same name.
    provider.page("/d/keys", set(&[jwk("one", &d2)]));
    running.until_asked_again();
    for (issuer, key, kid) in [
        (&first, &a2, "two"),
        (&second, &b2, "two"),
        (&third, &d2, "one"),
    ] {
        running.everywhere(&of(issuer, key, kid), 1)?;
    }
    for (issuer, key) in [(&first, &a), (&second, &b), (&third, &d)] {
        running.everywhere(&of(issuer, key, "one"), -1)?;
    }
    let log = running.instance.log();
    let says = format!(
        "jwks_uri is {}, introspection_endpoint is {second}/introspect",
        provider.at("/moved")
    );
    if !log.contains(&says) {
        return Err(format!("no line {says}: {log}"));
    }
    running.instance.check_workers()
}

/// Metadata of another issuer, and none: nobody is admitted, the reason is in the log, and once they are
/// there, they count.
pub fn lost(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let mut provider = Provider::start(&setting.folder(), &[])?;
    let wrong = publish(&provider, "/wrong", &[jwk("one", &key)]);
    let other = publish(&provider, "/other", &[jwk("one", &key)]);
    let page = metadata(&other, &provider.at("/wrong/keys"));
    provider.page(&format!("/wrong{OPENID}"), page);
    let none = provider.at("/none");
    // What runs on this machine is not asked because somebody's metadata say so.
    let local = provider.at("/local");
    let keys = provider.at("/other/keys").replace("https:", "http:");
    provider.page(&format!("/local{OPENID}"), metadata(&local, &keys));
    provider.pause();
    let mut running = Running::start(setting, core, |it| {
        script(it, &provider).set("jwks_min_ttl", 1).set(
            "issuer_url",
            format!("{wrong} {other} {none} {local}").as_str(),
        )
    })?;
    let (by_wrong, by_other) = (of(&wrong, &key, "one"), of(&other, &key, "one"));
    running.everywhere(&by_other, -6)?;
    provider.resume()?;
    wait_for(LIMIT, || {
        (running.all_say(&by_other, 1) == Ok(true)).then_some(())
    })
    .ok_or("the metadata are there, and do not count")?;
    running.until_asked_again();
    running.everywhere(&by_wrong, -6)?;
    running.everywhere(&of(&none, &key, "one"), -6)?;
    running.everywhere(&of(&local, &key, "one"), -6)?;
    if provider.asked_for("/wrong/keys") != 0 {
        return Err("keys of another issuer are asked for".to_owned());
    }
    // It goes away, says nonsense, and names another: what is known stays.
    provider.published().cache = "max-age=1";
    running.mi.reload()?;
    running.everywhere(&by_other, 1)?;
    for page in [
        metadata(&wrong, &provider.at("/other/keys")).to_string(),
        "<html>".to_owned(),
        "{}".to_owned(),
    ] {
        provider.page(&format!("/other{OPENID}"), page);
        running.until_asked_again();
        running.everywhere(&by_other, 1)?;
        running.mi.reload()?;
        running.everywhere(&by_other, 1)?;
    }
    provider.pause();
    running.mi.reload()?;
    running.everywhere(&by_other, 1)?;
    provider.resume()?;
    let page = metadata(&wrong, &provider.at("/wrong/keys"));
    provider.page(&format!("/wrong{OPENID}"), page);
    wait_for(LIMIT, || {
        (running.all_say(&by_wrong, 1) == Ok(true)).then_some(())
    })
    .ok_or("the metadata are right, and do not count")?;
    let log = running.instance.log();
    for line in [
        format!(
            "keys from {wrong}{OPENID}: its metadata are those of issuer \"{other}\", not of \"{wrong}\""
        ),
        "answered with status 404".to_owned(),
        format!(
            "keys from {other}{OPENID}: its metadata: is not a JSON object; the last good ones stay in use"
        ),
        "its metadata name no issuer".to_owned(),
        "the jwks_uri of its metadata is not an https URL".to_owned(),
    ] {
        if !log.contains(&line) {
            return Err(format!("no line {line}: {log}"));
        }
    }
    running.instance.check_workers()
}

/// One issuer with tenants, as Entra ID publishes it: those that are listed count.
pub fn tenants(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::rsa();
    let provider = Provider::start(&setting.folder(), &[])?;
    let template = provider.at("/{tenantid}/v2.0");
    let page = metadata(&template, &provider.at("/common/keys"));
    provider.page(&format!("/common/v2.0{OPENID}"), page);
    provider.page("/common/keys", set(&[jwk("one", &key)]));
    let mut running = Running::start(setting, core, |it| {
        script(it, &provider)
            .set("issuer_url", template.as_str())
            .set("issuer_tenants", "11111111-2222, 99999999-8888")
    })?;
    let token = |tenant: &str| of(&template.replace("{tenantid}", tenant), &key, "one");
    for _ in 0..2 {
        running.everywhere(&token("11111111-2222"), 1)?;
        running.everywhere(&token("99999999-8888"), 1)?;
    }
    let asked = provider.asked();
    for other in ["{tenantid}", "common", "33333333-2222", "11111111-222", ""] {
        running.expect(&token(other), -5)?;
    }
    match (asked, provider.asked()) {
        (2, 2) => running.instance.check_workers(),
        asked => Err(format!("{asked:?} requests, not 2")),
    }
}
