//! Connections out: client certificates, authorities, files that change, and the proxy.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use harness::core::Core;
use harness::device::{Device, Question};
use harness::instance::Instance;
use harness::script::Script;
use harness::server::wait_for;
use harness::web::{Asked, Authority, Manner, Proxy, Web, answer, put};
use libtest_mimic::Trial;

use super::faults::{at, register};
use super::setting::{Setting, script};

/// How long it may take until changed files are used, and what is said of them is logged.
const SOON: Duration = Duration::from_secs(20);

/// Total time-out where somebody hangs, in milliseconds.
const TIMEOUT: i64 = 2000;

const OK: &str = r#"{"status":"ok"}"#;

type Run = fn(&Setting, &Core) -> Result<(), String>;

/// The trials of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let trials: [(&str, Run); 8] = [
        ("client certificates of parameters", identity),
        ("client certificates and authorities of rows", rows),
        ("files of certificates that change", rotation),
        (
            "files of certificates that OpenSIPS does not start with",
            refused,
        ),
        ("connections through a proxy", proxied),
        ("a proxy that fails", failing_proxy),
        ("no proxy of the environment", environment),
        ("endpoints that ask to be left alone", later),
    ];
    let trials = trials.map(|(name, run)| setting.trial(core, name, run));
    trials.into_iter().collect()
}

fn base() -> Script {
    script()
        .set("nonce_check", 0)
        .set("http_timeout", 15_000)
        .set("http_connect_timeout", 15_000)
        .set("http_breaker_failures", 0)
}

fn admits(_: &Asked) -> String {
    answer(200, "", OK)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary folder")
}

fn expect_log(instance: &Instance, words: &[&str]) -> Result<(), String> {
    let says = |line: &str| words.iter().all(|word| line.contains(word));
    let found = wait_for(SOON, || instance.log().lines().any(says).then_some(()));
    found.ok_or_else(|| format!("no line with {words:?} in the log:\n{}", instance.log()))
}

fn never_says(instance: &Instance, secrets: &[&str]) -> Result<(), String> {
    let log = instance.log();
    match secrets.iter().find(|secret| log.contains(**secret)) {
        Some(secret) => Err(format!("{secret:?} is in the log")),
        None => Ok(()),
    }
}

/// An endpoint that wants a client certificate gets that of the parameters, synchronously and not.
fn identity(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let (servers, clients) = (Authority::new("Servers")?, Authority::new("Clients")?);
    let web = Web::start(Some(servers.server("127.0.0.1", Some(&clients))?), admits)?;
    let own = clients.issue("sip.example")?;
    let (certificate, key) = own.put(&folder, "own")?;
    let ca = folder.join("ca.pem");
    put(&ca, &servers.pem())?;
    let trusting = || base().set("http_tls_ca", text(&ca));
    let with = trusting()
        .set("http_tls_cert", text(&certificate))
        .set("http_tls_key", text(&key));
    let instance = setting.start(core, &with)?;
    let device = Device::new(instance.port)?;
    for service in ["plain", "async"] {
        let question = register(service).with("X-URL", web.url("/"));
        device.ask(&question)?.expect("1")?;
    }
    let asked = web.asked();
    if asked.len() != 2
        || asked
            .iter()
            .any(|it| it.certificate != Some(own.certificate_der.clone()))
    {
        return Err(format!("{} requests, or another certificate", asked.len()));
    }
    // Without one the endpoint does not answer, and nobody is admitted.
    let without = setting.start(core, &trusting())?;
    let device = Device::new(without.port)?;
    device.ask(&at(&web.url("/")))?.expect("-5")?;
    expect_log(&without, &[&web.url("/"), "TLS failed"])?;
    // With one of another authority it is the same.
    let (certificate, key) = servers.issue("sip.example")?.put(&folder, "other")?;
    let other = trusting()
        .set("http_tls_cert", text(&certificate))
        .set("http_tls_key", text(&key));
    let other = setting.start(core, &other)?;
    Device::new(other.port)?
        .ask(&at(&web.url("/")))?
        .expect("-5")?;
    // And of an endpoint with a certificate of an authority that is not trusted.
    put(&ca, &clients.pem())?;
    let stranger = setting.start(core, &trusting())?;
    Device::new(stranger.port)?
        .ask(&at(&web.url("/")))?
        .expect("-5")?;
    expect_log(&stranger, &[&web.url("/"), "TLS failed"])?;
    match web.asked().len() {
        2 => Ok(()),
        more => Err(format!("it answered {more} requests")),
    }
}

/// Each row has files of its own, and NULL stands for those of the parameters.
fn rows(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let (servers, clients) = (Authority::new("Servers")?, Authority::new("Clients")?);
    let web = Web::start(Some(servers.server("127.0.0.1", Some(&clients))?), admits)?;
    let (default, row) = (
        clients.issue("default.example")?,
        clients.issue("row.example")?,
    );
    let (default_certificate, default_key) = default.put(&folder, "default")?;
    let (certificate, key) = row.put(&folder, "row")?;
    let both = folder.join("both.pem");
    put(&both, &format!("{}{}", row.key, row.certificate))?;
    let (ca, other_ca) = (folder.join("ca.pem"), folder.join("other-ca.pem"));
    put(&ca, &servers.pem())?;
    put(&other_ca, &clients.pem())?;
    let backend = setting.simple_backend(core);
    let url = web.url("/");
    let missing = folder.join("missing.pem");
    let rows = [
        ("default.example", "", "", ""),
        ("row.example", text(&certificate), text(&key), text(&ca)),
        ("both.example", text(&both), "", ""),
        (
            "ca.example",
            text(&certificate),
            text(&key),
            text(&other_ca),
        ),
        ("key.example", text(&certificate), text(&default_key), ""),
        ("alone.example", "", text(&key), ""),
        ("missing.example", text(&missing), "", ""),
        ("relative.example", "row.pem", "", ""),
    ];
    let plain: Vec<[&str; 6]> = rows
        .iter()
        .map(|(realm, ..)| [realm, url.as_str(), "", "", "", ""])
        .collect();
    let database = setting.database(backend, &plain)?;
    let files: Vec<[&str; 4]> = rows.iter().map(|(a, b, c, d)| [*a, *b, *c, *d]).collect();
    super::tables::set_files(&database, &files)?;
    let script = base()
        .database(&database)
        .set("http_tls_ca", text(&ca))
        .set("http_tls_cert", text(&default_certificate))
        .set("http_tls_key", text(&default_key));
    let instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    let question = |domain: &str| {
        let challenge = harness::digest::Challenge {
            realm: domain.to_string(),
            nonce: "nobody checks it".to_string(),
            algorithm: "MD5".to_string(),
            qop: None,
            opaque: None,
            stale: false,
        };
        let uri = format!("sip:{domain}");
        let response = harness::digest::Response::to(&challenge, "john", "secret", &uri);
        Question::register("async", "john", domain)
            .with("Authorization", response.header("REGISTER"))
    };
    for (domain, code, presents) in [
        ("default.example", "1", Some(&default)),
        ("row.example", "1", Some(&row)),
        ("both.example", "1", Some(&row)),
        ("ca.example", "-5", None),
        ("key.example", "-5", None),
        ("alone.example", "-5", None),
        ("missing.example", "-5", None),
        ("relative.example", "-5", None),
    ] {
        let before = web.asked().len();
        let reply = device.ask(&question(domain))?;
        reply.expect(code).map_err(|e| format!("{domain}: {e}"))?;
        let asked = web.asked();
        let now: Vec<_> = asked.iter().skip(before).collect();
        let right = match presents {
            None => now.is_empty(),
            Some(issued) => {
                now.len() == 1 && now[0].certificate.as_ref() == Some(&issued.certificate_der)
            }
        };
        if !right {
            return Err(format!(
                "{domain}: another certificate, or {} requests",
                now.len()
            ));
        }
    }
    expect_log(&instance, &["not that of the certificate in", "row.pem"])?;
    expect_log(&instance, &["alone.example", "needs a certificate"])?;
    expect_log(&instance, &[text(&missing), "No such file"])?;
    expect_log(&instance, &["relative.example", "must begin with /"])?;
    expect_log(&instance, &["TLS failed"])
}

/// Files that are replaced are used from then on, by connections that are opened afterwards; those that
/// can't be used leave the ones before in use, and one line in the log.
fn rotation(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let (servers, clients) = (Authority::new("Servers")?, Authority::new("Clients")?);
    let web = Web::start(Some(servers.server("127.0.0.1", Some(&clients))?), |_| {
        answer(200, "Connection: close\r\n", OK)
    })?;
    let (first, second) = (
        clients.issue("first.example")?,
        clients.issue("second.example")?,
    );
    let (certificate, key) = first.put(&folder, "own")?;
    let ca = folder.join("ca.pem");
    put(&ca, &servers.pem())?;
    let script = base()
        .workers(3)
        .set("http_url", web.url("/").as_str())
        .set("http_tls_ca", text(&ca))
        .set("http_tls_cert", text(&certificate))
        .set("http_tls_key", text(&key));
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    // Several at once, so that all workers have something to do.
    let load = || -> Result<Vec<Asked>, String> {
        let before = web.asked().len();
        let asked: Vec<_> = (0..6)
            .map(|_| device.send(&register("async")))
            .collect::<Result<_, _>>()?;
        for _ in asked {
            let reply = device.receive(SOON).map_err(|e| e.to_string())?;
            reply.expect("1")?;
        }
        Ok(web.asked().split_off(before))
    };
    let until_all_present = |der: &[u8]| {
        let all = |asked: &Vec<Asked>| {
            let mut asked = asked.iter();
            asked.all(|it| it.certificate.as_deref() == Some(der))
        };
        wait_for(SOON, || match load() {
            Ok(asked) if all(&asked) => Some(Ok(())),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .ok_or("the other certificate is never used")?
    };
    until_all_present(&first.certificate_der)?;
    // Between the two, the key is not that of the certificate.
    put(&certificate, &second.certificate)?;
    load()?;
    put(&key, &second.key)?;
    until_all_present(&second.certificate_der)?;
    // What can't be read, or is broken, changes nothing, and is told once.
    for (broken, says) in [
        (Some("-----BEGIN CERTIFICATE-----\nMII"), "not PEM"),
        (Some(""), "there is no certificate"),
        (None, "No such file"),
    ] {
        match broken {
            Some(broken) => put(&certificate, broken)?,
            None => std::fs::remove_file(&certificate).map_err(|e| e.to_string())?,
        }
        let said = || {
            let log = instance.log();
            let lines = log.lines();
            lines
                .filter(|line| line.contains(says) && line.contains("stays in use"))
                .count()
        };
        let told = wait_for(SOON, || match load() {
            Ok(_) => (said() > 0).then_some(Ok(())),
            Err(error) => Some(Err(error)),
        });
        told.ok_or_else(|| format!("{says:?} is not in the log"))??;
        for _ in 0..5 {
            load()?;
        }
        if said() != 1 {
            return Err(format!("{says:?} is told {} times", said()));
        }
    }
    first.put(&folder, "own")?;
    until_all_present(&first.certificate_der)?;
    expect_log(&instance, &["read again", "own.pem"])?;
    // An authority that is no longer trusted is not, either.
    put(&ca, &clients.pem())?;
    let refused = wait_for(SOON, || {
        let reply = device.ask(&register("async")).ok()?;
        (reply.code() == "-5").then_some(())
    });
    refused.ok_or("its authority is still trusted")?;
    instance.check_workers()
}

/// OpenSIPS does not start with files that can't be used, and says what is wrong with which.
fn refused(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let clients = Authority::new("Clients")?;
    let (own, other) = (
        clients.issue("own.example")?,
        clients.issue("other.example")?,
    );
    let (certificate, key) = own.put(&folder, "own")?;
    let (_, other_key) = other.put(&folder, "other")?;
    let encrypted = folder.join("encrypted.key");
    put(
        &encrypted,
        &own.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
    )?;
    let nothing = folder.join("nothing.pem");
    put(&nothing, "nothing\n")?;
    let missing = folder.join("missing.pem");
    let (own_certificate, own_key) = (text(&certificate), text(&key));
    for (settings, says) in [
        (vec![("http_tls_ca", text(&missing))], "No such file"),
        (
            vec![("http_tls_ca", text(&nothing))],
            "no certificate in PEM",
        ),
        (
            vec![("jwks_tls_ca", text(&nothing))],
            "no certificate in PEM",
        ),
        (
            vec![
                ("http_tls_cert", own_certificate),
                ("http_tls_key", text(&nothing)),
            ],
            "no private key in PEM",
        ),
        (
            vec![
                ("http_tls_cert", own_certificate),
                ("http_tls_key", text(&encrypted)),
            ],
            "encrypted",
        ),
        (
            vec![
                ("jwks_tls_cert", own_certificate),
                ("jwks_tls_key", text(&other_key)),
            ],
            "not that of the certificate",
        ),
        (vec![("http_tls_key", own_key)], "without http_tls_cert"),
        (
            vec![("http_proxy", "https://u:hunter2@proxy.example")],
            "http://[user",
        ),
    ] {
        let mut script = base();
        for (name, value) in &settings {
            script = script.set(name, *value);
        }
        let name = settings.last().map_or("", |(name, _)| name);
        let Err(refusal) = Instance::start(core, &script, &setting.folder()) else {
            return Err(format!("it starts with {settings:?}"));
        };
        let right = |line: &str| line.contains(name) && line.contains(says);
        if !refusal.log.lines().any(right) || refusal.log.contains("hunter2") {
            return Err(format!("{settings:?}: {}", refusal.log));
        }
    }
    // A key that everybody may read is only worth a warning.
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).map_err(|e| e.to_string())?;
    let script = base()
        .set("http_tls_cert", own_certificate)
        .set("http_tls_key", own_key);
    let instance = setting.start(core, &script)?;
    expect_log(
        &instance,
        &["WARNING", own_key, "everybody on this machine"],
    )
}

/// Through the proxy goes what is not on this machine, with its password, which no log has.
fn proxied(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let servers = Authority::new("Servers")?;
    let ca = folder.join("ca.pem");
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    put(&ca, &servers.pem())?;
    // RFC 6761: no name server knows them, but the proxy.
    let secure = Web::start(Some(servers.server("secure.invalid", None)?), admits)?;
    let plain = Web::start(None, admits)?;
    let proxy = Proxy::start(Manner::Connect)?;
    let at_proxy = format!("http://agent:pr%40xy-pass@127.0.0.1:{}", proxy.port());
    let script = base()
        .set("http_tls_ca", text(&ca))
        .set("http_proxy", at_proxy.as_str());
    let instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    let (https, http) = (
        secure.at("secure.invalid", "/x"),
        plain.at("plain.invalid", "/x"),
    );
    for url in [&https, &http] {
        for service in ["plain", "async"] {
            device
                .ask(&register(service).with("X-URL", url.as_str()))?
                .expect("1")
                .map_err(|e| format!("{url}: {e}\n{}", instance.log()))?;
        }
    }
    let asked = proxy.asked();
    for target in [
        format!("CONNECT secure.invalid:{} HTTP/1.1", secure.port()),
        format!("CONNECT plain.invalid:{} HTTP/1.1", plain.port()),
    ] {
        // "agent:pr@xy-pass"
        let credentials = Some("Basic YWdlbnQ6cHJAeHktcGFzcw==");
        let right =
            |it: &&Asked| it.line == target && it.header("Proxy-Authorization") == credentials;
        if !asked.iter().any(|it| right(&it)) {
            return Err(format!("no {target:?} in {asked:?}"));
        }
    }
    // The password is the proxy's alone.
    let told = secure.asked().into_iter().chain(plain.asked());
    if told
        .into_iter()
        .any(|it| it.header("Proxy-Authorization").is_some())
    {
        return Err("an endpoint got the password of the proxy".to_string());
    }
    // What is on this machine is asked directly.
    let before = proxy.asked().len();
    for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
        device.ask(&at(&plain.at(host, "/x")))?.expect("1")?;
    }
    if proxy.asked().len() != before {
        return Err("it was asked for this machine".to_string());
    }
    never_says(&instance, &["xy-pass", "YWdlbnQ6"])
}

/// A proxy that refuses, hangs or is not there: not admitted, in time, and the log says it.
fn failing_proxy(setting: &Setting, core: &Core) -> Result<(), String> {
    let web = Web::start(None, admits)?;
    let url = web.at("plain.invalid", "/x");
    let nobody = format!("http://127.0.0.1:{}", harness::ports::free());
    let unknown = "http://agent:s3cret-of-proxy@proxy.invalid:3128".to_string();
    let mut kept = Vec::new();
    let mut cases = vec![
        (nobody, "no connection through the proxy"),
        (unknown, "through the proxy"),
    ];
    for (manner, says) in [
        (Manner::Status(407), "407"),
        (Manner::Status(403), "403"),
        (Manner::Close, "no connection through the proxy"),
        (Manner::Hang, "timed out connecting through the proxy"),
    ] {
        let proxy = Proxy::start(manner)?;
        let port = proxy.port();
        kept.push(proxy);
        cases.push((
            format!("http://agent:s3cret-of-proxy@127.0.0.1:{port}"),
            says,
        ));
    }
    for (proxy, says) in cases {
        let script = base()
            .workers(1)
            .set("http_timeout", TIMEOUT)
            .set("http_connect_timeout", TIMEOUT / 2)
            .set("http_proxy", proxy.as_str());
        let instance = setting.start(core, &script)?;
        let device = Device::new(instance.port)?;
        match says.contains("timed out") {
            true => super::faults::meanwhile(&device, &[at(&url)], "-5")?,
            false => device.ask(&at(&url))?.expect("-5").map(drop)?,
        }
        expect_log(&instance, &[&url, says])?;
        never_says(&instance, &["s3cret-of-proxy"])?;
        // Others are served meanwhile and afterwards.
        device.ask(&at(&web.url("/")))?.expect("1")?;
    }
    match web.asked().iter().any(|it| it.line.contains("/x")) {
        true => Err("the endpoint was asked without the proxy".to_string()),
        false => Ok(()),
    }
}

/// Variables of the environment choose no proxy.
fn environment(setting: &Setting, core: &Core) -> Result<(), String> {
    let web = Web::start(None, admits)?;
    let proxy = Proxy::start(Manner::Connect)?;
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let wrapper = folder.join("core");
    let mut lines = String::from("#!/bin/sh\n");
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"] {
        let url = format!("http://127.0.0.1:{}", proxy.port());
        lines.push_str(&format!(
            "export {name}={url} {}={url}\n",
            name.to_lowercase()
        ));
    }
    // Nor is a proxy of the parameters left out because of them.
    lines.push_str("export NO_PROXY='*' no_proxy='*'\n");
    lines.push_str(&format!("exec {} \"$@\"\n", core.binary.display()));
    put(&wrapper, &lines)?;
    std::fs::set_permissions(&wrapper, PermissionsExt::from_mode(0o755))
        .map_err(|e| e.to_string())?;
    let core = Core {
        binary: wrapper,
        ..core.clone()
    };
    let instance = setting.start(&core, &base())?;
    let device = Device::new(instance.port)?;
    device
        .ask(&at(&web.at("plain.invalid", "/x")))?
        .expect("-5")?;
    if !proxy.asked().is_empty() {
        return Err("the environment's proxy was asked".to_string());
    }
    let own = Proxy::start(Manner::Connect)?;
    let at_own = format!("http://127.0.0.1:{}", own.port());
    let instance = setting.start(&core, &base().set("http_proxy", at_own.as_str()))?;
    let device = Device::new(instance.port)?;
    device
        .ask(&at(&web.at("plain.invalid", "/x")))?
        .expect("1")?;
    match (proxy.asked().len(), own.asked().len()) {
        (0, 1) => Ok(()),
        (other, own) => Err(format!("{other} and {own} requests to the proxies")),
    }
}

/// An endpoint that answers 429 or 503 with Retry-After is left alone by all workers; the others are not.
fn later(setting: &Setting, core: &Core) -> Result<(), String> {
    let busy = Arc::new(AtomicBool::new(true));
    let is_busy = Arc::clone(&busy);
    let web = Web::start(None, move |asked| {
        let header = match asked.line.split(' ').nth(1).unwrap_or_default() {
            "/seconds" | "/short" => "Retry-After: 3600\r\n",
            "/date" => "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n",
            "/garbage" => "Retry-After: soon\r\n",
            "/past" => "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            "/none" => "",
            _ => return admits(asked),
        };
        let status = if asked.line.contains("/date") {
            503
        } else {
            429
        };
        match is_busy.load(Ordering::Relaxed) {
            true => answer(status, header, ""),
            false => admits(asked),
        }
    })?;
    let asked = |path: &str| {
        let target = format!(" {path} ");
        let asked = web.asked();
        asked.iter().filter(|it| it.line.contains(&target)).count()
    };
    let script = base().workers(3).set("http_retry_after_max", 3600);
    let mut instance = setting.start(core, &script)?;
    let device = Device::new(instance.port)?;
    for path in ["/seconds", "/date"] {
        device.ask(&at(&web.url(path)))?.expect("-5")?;
        // Several at once, so that all workers are asked.
        for _ in 0..3 {
            for _ in 0..6 {
                device.send(&at(&web.url(path)))?;
            }
            for _ in 0..6 {
                let reply = device.receive(SOON).map_err(|e| e.to_string())?;
                reply.expect("-5")?;
            }
        }
        if asked(path) != 1 {
            return Err(format!("{path}: asked {} times", asked(path)));
        }
        expect_log(&instance, &[path, "asks to be left alone for 3600 s"])?;
        expect_log(&instance, &[path, "it asked to be left alone, for"])?;
    }
    for path in ["/garbage", "/past", "/none"] {
        for _ in 0..4 {
            device.ask(&at(&web.url(path)))?.expect("-5")?;
        }
        if asked(path) != 4 {
            return Err(format!("{path}: asked {} times", asked(path)));
        }
    }
    // Another URL of the endpoint answers in its place, whether it has just asked for it or before.
    let both = format!("{} {}", web.url("/seconds"), web.url("/other"));
    device.ask(&at(&both))?.expect("1")?;
    let both = format!("{} {}", web.url("/short"), web.url("/other"));
    device.ask(&at(&both))?.expect("1")?;
    instance.check_workers()?;
    // At most as long as that, and not at all.
    let script = base().set("http_retry_after_max", 1);
    let short = setting.start(core, &script)?;
    let script = base().set("http_retry_after_max", 0);
    let never = setting.start(core, &script)?;
    let (short, never) = (
        Device::new(short.port).map(|it| (it, short))?,
        Device::new(never.port).map(|it| (it, never))?,
    );
    let before = asked("/seconds");
    short.0.ask(&at(&web.url("/seconds")))?.expect("-5")?;
    for _ in 0..3 {
        never.0.ask(&at(&web.url("/seconds")))?.expect("-5")?;
    }
    if asked("/seconds") != before + 4 {
        return Err("http_retry_after_max 0 leaves it alone".to_string());
    }
    busy.store(false, Ordering::Relaxed);
    never.0.ask(&at(&web.url("/seconds")))?.expect("1")?;
    let back = wait_for(SOON, || {
        let reply = short.0.ask(&at(&web.url("/seconds"))).ok()?;
        (reply.code() == "1").then_some(())
    });
    back.ok_or_else(|| "it is left alone for longer than http_retry_after_max".to_string())
}
