//! Tokens that their issuer says are bound to a client certificate (RFC 8705 section 3.2), and issuers that are
//! asked as the providers of keys are: by a client certificate and a proxy, and not while they ask to be left alone.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use harness::core::Core;
use harness::keys::Key;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::now;
use harness::web::{Asked, Authority, Manner, Proxy, Web, answer, put};
use serde_json::{Value, json};

use super::bound::thumbprint;
use super::discovery::with;
use super::introspector::Introspector;
use super::provider::{jwk, patient};
use super::running::{LIMIT, Running, Said};

/// Why a token is refused.
const NONE: &str = "there is none";
const OTHER: &str = "bound to another client certificate";
const KEY: &str = "DPoP";
const MALFORMED: &str = "\"cnf\" is malformed";
const NOT_BOUND: &str = "not bound to a client certificate";

/// What an issuer says of a token with this `cnf`; without one if it is `None`.
fn told(cnf: Option<&Value>) -> Value {
    let mut told = json!({ "active": true, "sub": "alice", "exp": now() + 600 });
    if let Some(cnf) = cnf {
        told["cnf"] = cnf.clone();
    }
    told
}

/// Asks with this certificate: admitted, or refused for this reason.
fn ask(
    running: &Running,
    service: &str,
    token: &str,
    certificate: Option<&str>,
    refusal: Option<&str>,
) -> Result<(), String> {
    let mut headers = vec![("X-JWT", token)];
    headers.extend(certificate.map(|it| ("X-Certificate", it)));
    let said = Said::of(running.exchange(service, &headers)?)?;
    match refusal {
        None => said.expect(1).map(drop),
        Some(reason) => said.expect(-5)?.because(reason).map(drop),
    }
}

/// A token that nobody else can read, asked for anew and remembered: its answer binds it each time.
pub fn opaque(setting: &Setting, core: &Core) -> Result<(), String> {
    let clients = Authority::new("Clients")?;
    let own = thumbprint(&clients.issue("own.example")?);
    let other = thumbprint(&clients.issue("other.example")?);
    let issuer = Introspector::start()?;
    let start = |required: bool| {
        Running::start_with(setting, core, 1, |it| {
            let it = patient(it)
                .set("introspection_url", issuer.url().as_str())
                .set("introspection_auth", "none")
                .set("introspection_ttl", 3600)
                .set("client_certificate_avp", "$avp(certificate)");
            match required {
                true => it.set("bound_tokens", "required"),
                false => it,
            }
        })
    };
    let to_own = json!({ "x5t#S256": own });
    let with_key = json!({ "x5t#S256": own, "jkt": own });
    let (own, other) = (own.as_str(), other.as_str());
    let running = start(false)?;
    let mut asked = 0;
    for service in ["plain", "async"] {
        for (name, cnf, certificate, refusal) in [
            ("bound", Some(&to_own), None, Some(NONE)),
            ("bound-2", Some(&to_own), Some(other), Some(OTHER)),
            ("bound-3", Some(&to_own), Some(own), None),
            ("key", Some(&json!({ "jkt": own })), Some(own), Some(KEY)),
            ("both", Some(&with_key), Some(own), Some(KEY)),
            (
                "short",
                Some(&json!({ "x5t#S256": "x" })),
                Some(own),
                Some(MALFORMED),
            ),
            ("null", Some(&Value::Null), Some(own), Some(MALFORMED)),
            ("bearer", None, None, None),
        ] {
            let token = format!("{name}-{service}");
            issuer.say(&token, &told(cnf));
            for _ in 0..2 {
                ask(&running, service, &token, certificate, refusal)
                    .map_err(|e| format!("{token}: {e}"))?;
            }
            asked += 1;
            issuer.expect(asked)?;
        }
        // Whatever was admitted or refused before.
        for _ in 0..2 {
            for name in ["bound", "bound-2", "bound-3"] {
                let token = format!("{name}-{service}");
                ask(&running, service, &token, Some(own), None)?;
                ask(&running, service, &token, Some(other), Some(OTHER))?;
                ask(&running, service, &token, None, Some(NONE))?;
            }
        }
        issuer.expect(asked)?;
    }
    let log = running.instance.log();
    if log.contains(own) || log.contains("bound-3-plain") {
        return Err("a thumbprint or a token is in the log".to_owned());
    }
    drop(running);
    let mut strict = start(true)?;
    for _ in 0..2 {
        ask(&strict, "plain", "bound-plain", Some(own), None)?;
        ask(&strict, "plain", "bound-plain", Some(other), Some(OTHER))?;
        ask(&strict, "plain", "bound-plain", None, Some(NONE))?;
        ask(&strict, "plain", "bearer-plain", Some(own), Some(NOT_BOUND))?;
        ask(&strict, "plain", "key-plain", Some(own), Some(KEY))?;
    }
    issuer.expect(asked + 3)?;
    strict.instance.check_workers()
}

/// A JSON Web Token that is asked for as well: what it says itself and what its issuer says must both fit.
pub fn all(setting: &Setting, core: &Core) -> Result<(), String> {
    let clients = Authority::new("Clients")?;
    let own = thumbprint(&clients.issue("own.example")?);
    let other = thumbprint(&clients.issue("other.example")?);
    let key = Key::p256();
    let issuer = Introspector::start()?;
    let name = issuer.publish("/a", &[jwk("one", &key)]);
    let to_own = json!({ "x5t#S256": own });
    let to_other = json!({ "x5t#S256": other });
    let to_key = json!({ "jkt": own });
    let (empty, unknown) = (json!({}), json!({ "kid": "x" }));
    // Own cnf, cnf of the answer, certificate, the refusal, and that if a bound token is required.
    let cases: [(_, _, _, Option<&str>, Option<&str>); 22] = [
        (None, None, None, None, Some(NOT_BOUND)),
        (None, None, Some(&own), None, Some(NOT_BOUND)),
        (None, Some(&to_own), Some(&own), None, None),
        (None, Some(&to_own), Some(&other), Some(OTHER), Some(OTHER)),
        (None, Some(&to_own), None, Some(NONE), Some(NONE)),
        (None, Some(&to_key), Some(&own), Some(KEY), Some(KEY)),
        (Some(&to_own), None, Some(&own), None, None),
        (Some(&to_own), None, Some(&other), Some(OTHER), Some(OTHER)),
        (Some(&to_own), None, None, Some(NONE), Some(NONE)),
        (Some(&to_own), Some(&to_own), Some(&own), None, None),
        (
            Some(&to_own),
            Some(&to_own),
            Some(&other),
            Some(OTHER),
            Some(OTHER),
        ),
        (
            Some(&to_own),
            Some(&to_other),
            Some(&own),
            Some(OTHER),
            Some(OTHER),
        ),
        (
            Some(&to_own),
            Some(&to_other),
            Some(&other),
            Some(OTHER),
            Some(OTHER),
        ),
        (Some(&to_own), Some(&to_other), None, Some(NONE), Some(NONE)),
        (
            Some(&to_own),
            Some(&to_key),
            Some(&own),
            Some(KEY),
            Some(KEY),
        ),
        (
            Some(&to_key),
            Some(&to_own),
            Some(&own),
            Some(KEY),
            Some(KEY),
        ),
        (Some(&to_key), None, Some(&own), Some(KEY), Some(KEY)),
        // An answer that takes the binding away takes nothing from what the token says.
        (
            Some(&to_own),
            Some(&empty),
            Some(&other),
            Some(OTHER),
            Some(OTHER),
        ),
        (Some(&to_own), Some(&unknown), None, Some(NONE), Some(NONE)),
        (
            Some(&to_own),
            Some(&Value::Null),
            Some(&other),
            Some(OTHER),
            Some(OTHER),
        ),
        (
            Some(&to_own),
            Some(&Value::Null),
            Some(&own),
            Some(MALFORMED),
            Some(MALFORMED),
        ),
        (
            Some(&Value::Null),
            Some(&to_own),
            Some(&own),
            Some(MALFORMED),
            Some(MALFORMED),
        ),
    ];
    for required in [false, true] {
        let mut running = Running::start_with(setting, core, 1, |it| {
            let it = patient(it)
                .set("issuer_url", name.as_str())
                .set("introspection_auth", "none")
                .set("introspection_url", issuer.at("/introspect").as_str())
                .set("introspection_tokens", "all")
                .set("client_certificate_avp", "$avp(certificate)");
            match required {
                true => it.set("bound_tokens", "required"),
                false => it,
            }
        })?;
        for (number, (itself, answer, certificate, refusal, strict)) in cases.iter().enumerate() {
            let mut claims = json!({ "jti": format!("{number}-{required}") });
            if let Some(cnf) = itself {
                claims["cnf"] = Value::clone(cnf);
            }
            let token = with(&name, &key, "one", claims);
            issuer.say(&token, &told(*answer));
            let refusal = if required { *strict } else { *refusal };
            let certificate = certificate.map(String::as_str);
            // From memory as well.
            for service in ["plain", "plain", "async"] {
                ask(&running, service, &token, certificate, refusal)
                    .map_err(|e| format!("{number}, required {required}: {e}"))?;
            }
        }
        running.instance.check_workers()?;
    }
    Ok(())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder")
}

/// An issuer that knows its clients by their certificates, behind a proxy; those of webhooks are not for it.
pub fn certificate(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let (servers, clients) = (Authority::new("Servers")?, Authority::new("Clients")?);
    let tls = servers.server("idp.invalid", Some(&clients))?;
    let web = Web::start(Some(tls), |_| answer(200, "", &told(None).to_string()))?;
    let proxy = Proxy::start(Manner::Connect)?;
    let own = clients.issue("sip.example")?;
    let (certificate, file) = own.put(&folder, "own")?;
    let ca = folder.join("ca.pem");
    put(&ca, &servers.pem())?;
    let at_proxy = format!("http://agent:pr0xy-pass@127.0.0.1:{}", proxy.port());
    let url = web.at("idp.invalid", "/introspect");
    let start = |names: [&str; 4]| {
        Running::start_with(setting, core, 1, |it| {
            let [authorities, client, key, through] = names;
            patient(it)
                .set("introspection_url", url.as_str())
                .set("introspection_auth", "none")
                .set("introspection_client_id", "sip:proxy")
                .set("http_breaker_failures", 0)
                .set(authorities, text(&ca))
                .set(client, text(&certificate))
                .set(key, text(&file))
                .set(through, at_proxy.as_str())
        })
    };
    let mut running = start(["jwks_tls_ca", "jwks_tls_cert", "jwks_tls_key", "jwks_proxy"])?;
    running
        .expect("opaque", 1)?
        .expect_header("X-User", "alice")?;
    let all = web.asked();
    let [asked] = all.as_slice() else {
        return Err(format!("asked {} times", all.len()));
    };
    if asked.certificate != Some(own.certificate_der.clone())
        || asked.header("authorization").is_some()
        || !asked
            .body
            .split('&')
            .any(|it| it == "client_id=sip%3Aproxy")
    {
        return Err(format!("another certificate, or client: {asked:?}"));
    }
    if proxy.asked().len() != 1 || running.instance.log().contains("pr0xy-pass") {
        return Err("not through the proxy, or its password is in the log".to_owned());
    }
    running.instance.check_workers()?;
    drop(running);
    // The authorities and the proxy of webhooks serve where there are no others; their certificate does not.
    let mut other = start(["http_tls_ca", "http_tls_cert", "http_tls_key", "http_proxy"])?;
    other
        .expect("opaque", -6)?
        .because("its issuer could not be asked")?;
    if !other.instance.log().contains("TLS failed") || web.asked().len() != 1 {
        return Err(format!(
            "it answered without a certificate: {}",
            other.instance.log()
        ));
    }
    if proxy.asked().len() < 2 {
        return Err("not through the proxy of webhooks".to_owned());
    }
    other.instance.check_workers()
}

/// An issuer that asks to be left alone is, by all processes; what it said before counts on.
pub fn later(setting: &Setting, core: &Core) -> Result<(), String> {
    let good = || answer(200, "", &told(None).to_string());
    let page = Arc::new(Mutex::new(good()));
    let current = Arc::clone(&page);
    let web = Web::start(None, move |_: &Asked| {
        current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    })?;
    let say = |text: String| *page.lock().unwrap_or_else(PoisonError::into_inner) = text;
    let start = |most: i64| {
        Running::start_with(setting, core, 3, |it| {
            patient(it)
                .set("introspection_url", web.url("/introspect").as_str())
                .set("introspection_auth", "none")
                .set("introspection_ttl", 3600)
                .set("http_breaker_failures", 0)
                .set("jwks_retry_after_max", most)
        })
    };
    for (status, header) in [
        (429, "Retry-After: 3600\r\n"),
        (503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
    ] {
        say(good());
        let mut running = start(3600)?;
        running.everywhere("known", 1)?;
        say(answer(status, header, ""));
        let asked = web.asked().len();
        running
            .expect("new", -6)?
            .because("its issuer could not be asked")?;
        if !running.instance.log().contains("asks to be left alone") {
            return Err(format!("no line on {status}: {}", running.instance.log()));
        }
        say(good());
        running.everywhere("new", -6)?;
        running.everywhere("known", 1)?;
        // That forgets what is remembered, and not that it wants to be left alone.
        running.mi.reload()?;
        running.everywhere("known", -6)?;
        let since = web.asked().len() - asked;
        if since != 1 {
            return Err(format!("{status}: it was asked {since} times"));
        }
        running.instance.check_workers()?;
    }
    // Garbage is none, and neither is anything where it is switched off.
    for (header, most) in [
        ("Retry-After: soon\r\n", 3600),
        ("Retry-After: -5\r\n", 3600),
        ("Retry-After: 3600\r\n", 0),
    ] {
        say(answer(429, header, ""));
        let running = start(most)?;
        running.expect("new", -6)?;
        say(good());
        running
            .expect("new", 1)
            .map_err(|e| format!("{header:?}, at most {most}: {e}"))?;
    }
    // It is over some time.
    say(answer(429, "Retry-After: 3600\r\n", ""));
    let running = start(1)?;
    running.expect("new", -6)?;
    say(good());
    let back = || (running.ask("new").ok()?.code == 1).then_some(());
    wait_for(LIMIT, back).ok_or("it is left alone for ever".to_owned())
}
