//! How providers of keys are asked: client certificates, a proxy, user and password, and when not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use harness::core::Core;
use harness::keys::Key;
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::{now, with_header};
use harness::web::{Asked, Authority, Manner, Proxy, Web, answer, put};
use serde_json::json;

use super::discovery::{OPENID, metadata, of};
use super::provider::{jwk, patient, set};
use super::running::Running;

/// How long it may take until something changed is noticed.
const SOON: Duration = Duration::from_secs(30);

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder")
}

/// What is at which path: head lines, status and body.
type Pages = Arc<Mutex<BTreeMap<String, (u16, String, String)>>>;

fn page(pages: &Pages, path: &str, status: u16, headers: &str, body: String) {
    let mut pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
    pages.insert(path.to_string(), (status, headers.to_string(), body));
}

fn respond(pages: &Pages) -> impl Fn(&Asked) -> String + Send + Sync + 'static {
    let pages = Arc::clone(pages);
    move |asked| {
        let path = asked.line.split(' ').nth(1).unwrap_or_default();
        let pages = pages.lock().unwrap_or_else(PoisonError::into_inner);
        match pages.get(path) {
            Some((status, headers, body)) => answer(*status, headers, body),
            None => answer(404, "", ""),
        }
    }
}

/// A token of `jwks_url`.
fn token(key: &Key, kid: &str) -> String {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": kid });
    let claims = json!({ "sub": "alice", "exp": now() + 600 });
    with_header(key, "ES256", &header.to_string(), &claims.to_string())
}

/// A provider that wants a client certificate, behind a proxy; certificates of webhooks are not for it.
pub fn identity(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let (servers, clients) = (Authority::new("Servers")?, Authority::new("Clients")?);
    let (key, pages) = (Key::p256(), Pages::default());
    page(&pages, "/certs", 200, "", set(&[jwk("one", &key)]));
    let tls = servers.server("idp.invalid", Some(&clients))?;
    let web = Web::start(Some(tls), respond(&pages))?;
    let proxy = Proxy::start(Manner::Connect)?;
    let own = clients.issue("sip.example")?;
    let (certificate, file) = own.put(&folder, "own")?;
    let ca = folder.join("ca.pem");
    put(&ca, &servers.pem())?;
    let at_proxy = format!("http://agent:pr0xy-pass@127.0.0.1:{}", proxy.port());
    let url = web.at("idp.invalid", "/certs");
    let base = |script: Script| {
        patient(script)
            .set("jwks_url", url.as_str())
            .set("jwks_tls_ca", text(&ca))
    };
    let mut running = Running::start(setting, core, |it| {
        base(it)
            .set("jwks_tls_cert", text(&certificate))
            .set("jwks_tls_key", text(&file))
            .set("jwks_proxy", at_proxy.as_str())
    })?;
    running.everywhere(&token(&key, "one"), 1)?;
    let asked = web.asked();
    if asked.is_empty()
        || asked
            .iter()
            .any(|it| it.certificate != Some(own.certificate_der.clone()))
    {
        return Err(format!("{} requests, or another certificate", asked.len()));
    }
    if proxy.asked().len() != asked.len() || running.instance.log().contains("pr0xy-pass") {
        return Err("not through the proxy, or its password is in the log".to_string());
    }
    running.instance.check_workers()?;
    // The certificate of the webhooks is not shown to it, but their proxy is asked.
    let other = Running::start(setting, core, |it| {
        base(it)
            .set("http_tls_cert", text(&certificate))
            .set("http_tls_key", text(&file))
            .set("http_proxy", at_proxy.as_str())
    })?;
    other.expect(&token(&key, "one"), -6)?;
    if !other.instance.log().contains("TLS failed") || web.asked().len() != asked.len() {
        return Err("it answered without a certificate".to_string());
    }
    // Unless they go directly, where nobody knows the name.
    let before = proxy.asked().len();
    let direct = Running::start(setting, core, |it| {
        base(it)
            .set("http_proxy", at_proxy.as_str())
            .set("jwks_proxy", "direct")
    })?;
    direct.expect(&token(&key, "one"), -6)?;
    match proxy.asked().len() == before {
        true => Ok(()),
        false => Err("the proxy was asked".to_string()),
    }
}

/// User and password go to the server that they are for, and not to another that its metadata name.
pub fn basic(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let (first, second) = (Key::p256(), Key::p256());
    let (pages, elsewhere) = (Pages::default(), Pages::default());
    let web = Web::start(None, respond(&pages))?;
    let other = Web::start(None, respond(&elsewhere))?;
    let (here, away) = (web.url("/here"), web.url("/away"));
    let meta = |issuer: &str, keys: &str| metadata(issuer, keys).to_string();
    page(
        &pages,
        &format!("/here{OPENID}"),
        200,
        "",
        meta(&here, &web.url("/keys")),
    );
    page(
        &pages,
        &format!("/away{OPENID}"),
        200,
        "",
        meta(&away, &other.url("/keys")),
    );
    page(
        &pages,
        "/keys",
        200,
        "Cache-Control: max-age=1\r\n",
        set(&[jwk("one", &first)]),
    );
    page(&elsewhere, "/keys", 200, "", set(&[jwk("one", &second)]));
    let file = folder.join("password");
    put(&file, "opensips:idp-s3cret\n")?;
    let basic = format!("http://127.0.0.1:{} file://{}", web.port(), text(&file));
    let mut running = Running::start(setting, core, |it| {
        patient(it)
            .set("issuer_url", format!("{here} {away}").as_str())
            .set("jwks_basic", basic.as_str())
            .set("jwks_min_ttl", 1)
            .set("jwks_max_ttl", 1)
            .set("jwks_min_refresh", 1)
    })?;
    running.expect(&of(&here, &first, "one"), 1)?;
    running.expect(&of(&away, &second, "one"), 1)?;
    // "opensips:idp-s3cret"
    const SENT: &str = "Basic b3BlbnNpcHM6aWRwLXMzY3JldA==";
    let told = web.asked();
    if told.is_empty()
        || told
            .iter()
            .any(|it| it.header("Authorization") != Some(SENT))
    {
        return Err(format!("not with user and password: {told:?}"));
    }
    let told = other.asked();
    if told.is_empty() || told.iter().any(|it| it.header("Authorization").is_some()) {
        return Err(format!("with user and password, or not at all: {told:?}"));
    }
    // The file changes; then it can't be read, and what it had stays in use.
    put(&file, "opensips:other\n")?;
    let changed = "Basic b3BlbnNpcHM6b3RoZXI=";
    let last = || {
        let said = running.ask(&of(&here, &first, "one")).ok()?;
        let asked = web.asked();
        let last = asked.last()?.header("Authorization").map(str::to_string);
        (said.code == 1 && last.as_deref() == Some(changed)).then_some(())
    };
    wait_for(SOON, last).ok_or("the other password is never used")?;
    std::fs::remove_file(&file).map_err(|e| e.to_string())?;
    let told = || {
        let said = running.ask(&of(&here, &first, "one")).ok()?;
        let log = running.instance.log();
        (said.code == 1 && log.contains("what was read before stays in use")).then_some(())
    };
    wait_for(SOON, told).ok_or("the log does not say that the file is gone")?;
    wait_for(SOON, last).ok_or("the password is not used any more")?;
    let log = running.instance.log();
    if log.contains("s3cret") || log.contains("b3BlbnNpcHM6") {
        return Err("the password is in the log".to_string());
    }
    running.instance.check_workers()
}

/// A provider that asks to be left alone is, by all processes; what it said before stays in use.
pub fn later(setting: &Setting, core: &Core) -> Result<(), String> {
    let (first, second) = (Key::p256(), Key::p256());
    let pages = Pages::default();
    let web = Web::start(None, respond(&pages))?;
    let short = "Cache-Control: max-age=1\r\n";
    page(&pages, "/certs", 200, short, set(&[jwk("one", &first)]));
    let start = |most: i64| {
        Running::start(setting, core, |it| {
            patient(it)
                .set("jwks_url", web.url("/certs").as_str())
                .set("jwks_min_ttl", 1)
                .set("jwks_max_ttl", 1)
                .set("jwks_min_refresh", 1)
                .set("jwks_retry_after_max", most)
        })
    };
    for (status, header) in [
        (429, "Retry-After: 3600\r\n"),
        (503, "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n"),
    ] {
        page(&pages, "/certs", 200, short, set(&[jwk("one", &first)]));
        let mut running = start(3600)?;
        running.everywhere(&token(&first, "one"), 1)?;
        page(&pages, "/certs", status, header, String::new());
        // An unknown key: somebody asks, and is told.
        let told = || {
            let said = running.ask(&token(&second, "two")).ok()?;
            (said.code != 1 && running.instance.log().contains("asks to be left alone"))
                .then_some(())
        };
        wait_for(SOON, told).ok_or(format!("status {status} is never met"))?;
        let asked = web.asked().len();
        page(&pages, "/certs", 200, short, set(&[jwk("two", &second)]));
        // Long enough that it would have been asked again several times.
        for _ in 0..4 {
            running.until_asked_again();
            running.everywhere(&token(&first, "one"), 1)?;
            if running.all_say(&token(&second, "two"), 1)? {
                return Err("it was asked".to_string());
            }
        }
        if web.asked().len() != asked {
            return Err(format!("it was asked {} times", web.asked().len() - asked));
        }
        // Whoever administers it may.
        running.mi.reload()?;
        let back = || (running.ask(&token(&second, "two")).ok()?.code == 1).then_some(());
        wait_for(SOON, back).ok_or("jwt_reload does not ask")?;
        running.instance.check_workers()?;
    }
    // Garbage is none, and neither is anything where it is switched off, or after it is over.
    for (header, most) in [
        ("Retry-After: soon\r\n", 3600),
        ("Retry-After: -5\r\n", 3600),
        ("Retry-After: 3600\r\n", 0),
        ("Retry-After: 3600\r\n", 1),
    ] {
        page(&pages, "/certs", 429, header, String::new());
        let running = start(most)?;
        running.expect(&token(&first, "one"), -6)?;
        page(&pages, "/certs", 200, short, set(&[jwk("one", &first)]));
        let back = || (running.ask(&token(&first, "one")).ok()?.code == 1).then_some(());
        wait_for(SOON, back).ok_or(format!("after {header:?} it is not asked again"))?;
    }
    Ok(())
}
