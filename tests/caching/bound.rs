//! Tokens that are bound to the client certificate of a TLS connection (RFC 8705), and to keys that
//! nobody can prove in SIP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use harness::core::Core;
use harness::instance::Instance;
use harness::keys::Key;
use harness::ports;
use harness::script::Script;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::{now, with_header};
use harness::web::{Authority, Issued, put};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use super::provider::jwk;
use super::running::{LIMIT, Running, Said};

/// The routes of the trial with TLS.
const TLS: &str = include_str!("bound.cfg");

/// Which modules of OpenSIPS that needs.
pub const MODULES: [&str; 3] = ["tls_openssl.so", "tls_mgm.so", "proto_tls.so"];

/// The SHA-256 of a certificate, as `x5t#S256` has it.
pub fn thumbprint(issued: &Issued) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &issued.certificate_der);
    URL_SAFE_NO_PAD.encode(digest)
}

/// A token with this `cnf`.
fn bound_by(key: &Key, cnf: Value) -> String {
    let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "one" });
    let mut claims = json!({ "sub": "alice", "exp": now() + 600 });
    if !cnf.is_null() {
        claims["cnf"] = cnf;
    }
    with_header(key, "ES256", &header.to_string(), &claims.to_string())
}

fn to_certificate(key: &Key, issued: &Issued) -> String {
    bound_by(key, json!({ "x5t#S256": thumbprint(issued) }))
}

/// A key file of this key, as jwks_url has it.
fn file_of(setting: &Setting, key: &Key) -> Result<String, String> {
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let path = folder.join("keys.json");
    put(&path, &json!({ "keys": [jwk("one", key)] }).to_string())?;
    Ok(format!("file://{}", path.display()))
}

/// What the script hands over decides, in every form, also for a token that is remembered.
pub fn handed_over(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let url = file_of(setting, &key)?;
    let clients = Authority::new("Clients")?;
    let (own, other) = (
        clients.issue("own.example")?,
        clients.issue("other.example")?,
    );
    let mut running = Running::start(setting, core, |it| {
        it.set("jwks_url", url.as_str())
            .set("client_certificate_avp", "$avp(certificate)")
    })?;
    let ask = |running: &Running, service: &str, token: &str, certificate: Option<&str>| {
        let public = STANDARD.encode(key.verifier());
        let mut headers = vec![("X-JWT", token), ("X-Key", public.as_str())];
        headers.extend(certificate.map(|it| ("X-Certificate", it)));
        Said::of(running.exchange(service, &headers)?)
    };
    let escaped = own.certificate.replace('\n', "%0A").replace('+', "%2B");
    let hexadecimal: Vec<String> = URL_SAFE_NO_PAD
        .decode(thumbprint(&own))
        .map_err(|e| e.to_string())?
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let good = [
        thumbprint(&own),
        hexadecimal.join(":"),
        hexadecimal.concat(),
        STANDARD.encode(&own.certificate_der),
        format!(":{}:", STANDARD.encode(&own.certificate_der)),
        escaped,
    ];
    let token = to_certificate(&key, &own);
    for service in ["plain", "async", "script"] {
        let refused = |code| if service == "script" { -1 } else { code };
        // Whatever was admitted before in any worker.
        for _ in 0..4 {
            for form in &good {
                ask(&running, service, &token, Some(form))?.expect(1)?;
            }
            let without = ask(&running, service, &token, None)?.expect(refused(-5))?;
            without.because("bound to a client certificate")?;
            let with_other = ask(&running, service, &token, Some(&thumbprint(&other)))?;
            with_other
                .expect(refused(-5))?
                .because("bound to another client certificate")?;
            let garbage = ask(&running, service, &token, Some("no certificate"))?;
            garbage.expect(refused(-5))?.because("can't be read")?;
        }
        for (cnf, reason) in [
            (json!({ "jkt": thumbprint(&own) }), "DPoP"),
            (json!({ "jkt": "x", "x5t#S256": thumbprint(&own) }), "DPoP"),
            (json!({ "x5t#S256": "short" }), "\"cnf\" is malformed"),
            (json!("text"), "\"cnf\" is malformed"),
        ] {
            let said = ask(&running, service, &bound_by(&key, cnf), Some(&good[0]))?;
            said.expect(refused(-5))?.because(reason)?;
        }
        // What is bound to nothing that is known is a bearer token.
        for cnf in [Value::Null, json!({}), json!({ "kid": "x" })] {
            ask(&running, service, &bound_by(&key, cnf), None)?.expect(1)?;
        }
    }
    running.instance.check_workers()?;
    let log = running.instance.log();
    if log.contains(&thumbprint(&own)) {
        return Err("a thumbprint is in the log".to_string());
    }
    // No certificate is handed over, and none can be.
    let without = Running::start(setting, core, |it| it.set("jwks_url", url.as_str()))?;
    let said = ask(&without, "plain", &token, Some(&good[0]))?;
    said.expect(-5)?.because("and there is none")?;
    // Only bound ones.
    let strict = Running::start(setting, core, |it| {
        it.set("jwks_url", url.as_str())
            .set("client_certificate_avp", "$avp(certificate)")
            .set("bound_tokens", "required")
    })?;
    for _ in 0..2 {
        ask(&strict, "plain", &token, Some(&good[0]))?.expect(1)?;
        let said = ask(
            &strict,
            "plain",
            &bound_by(&key, Value::Null),
            Some(&good[0]),
        )?;
        said.expect(-5)?.because("not bound")?;
    }
    Ok(())
}

/// A device with a TLS connection of its own.
struct Device(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Device {
    fn new(port: u16, servers: &Authority, own: Option<&Issued>) -> Result<Device, String> {
        let text = |e: rustls::Error| e.to_string();
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(servers.pem().as_bytes());
        roots
            .add(authority.map_err(|e| e.to_string())?)
            .map_err(text)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(text)?
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => builder
                .with_client_auth_cert(
                    vec![CertificateDer::from(own.certificate_der.clone())],
                    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.key_der.clone())),
                )
                .map_err(text)?,
        };
        let name = ServerName::try_from("127.0.0.1").map_err(|e| e.to_string())?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(text)?;
        let stream = TcpStream::connect(("127.0.0.1", port)).map_err(|e| e.to_string())?;
        stream
            .set_read_timeout(Some(LIMIT))
            .map_err(|e| e.to_string())?;
        Ok(Device(BufReader::new(StreamOwned::new(connection, stream))))
    }

    /// The code and the reason of an answer.
    fn ask(&mut self, token: &str, number: usize) -> Result<(i32, String), String> {
        let failed = |e: std::io::Error| e.to_string();
        let request = format!(
            "REGISTER sip:a.example SIP/2.0\r\n\
             Via: SIP/2.0/TLS 127.0.0.1:9;branch=z9hG4bK{number}x\r\n\
             From: <sip:alice@a.example>;tag=t{number}\r\nTo: <sip:alice@a.example>\r\n\
             Call-ID: bound-{number}-{}\r\nCSeq: 1 REGISTER\r\nMax-Forwards: 70\r\n\
             X-JWT: {token}\r\nContent-Length: 0\r\n\r\n",
            std::process::id()
        );
        let stream = self.0.get_mut();
        stream.write_all(request.as_bytes()).map_err(failed)?;
        stream.flush().map_err(failed)?;
        let (mut code, mut reason, mut length) = (None, String::new(), 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).map_err(failed)? == 0 {
                return Err("the connection was closed".to_string());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some(("X-RC", value)) => code = value.parse().ok(),
                Some(("X-Reason", value)) => reason = value.to_string(),
                Some(("Content-Length", value)) => length = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).map_err(failed)?;
        Ok((code.ok_or("an answer without X-RC")?, reason))
    }
}

/// A token that was stolen is worth nothing on a connection of the thief, whatever certificate that has.
pub fn over_tls(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let url = file_of(setting, &key)?;
    let (servers, clients) = (Authority::new("Servers")?, Authority::new("Clients")?);
    let strangers = Authority::new("Clients")?;
    let folder = setting.folder();
    let (certificate, private) = servers.issue("127.0.0.1")?.put(&folder, "server")?;
    let ca = folder.join("clients.pem");
    put(&ca, &clients.pem())?;
    let (alice, mallory) = (clients.issue("alice")?, clients.issue("mallory")?);
    // The name of alice, by an authority that nobody trusts.
    let forged = strangers.issue("alice")?;
    let port = ports::free();
    let routes = TLS
        .replace("@PORT@", &port.to_string())
        .replace("@CERTIFICATE@", &certificate.display().to_string())
        .replace("@KEY@", &private.display().to_string())
        .replace("@CA@", &ca.display().to_string())
        .replace("@ALICE@", &thumbprint(&alice))
        .replace("@MALLORY@", &thumbprint(&mallory));
    let script = Script::new(&harness::module(), &routes)
        .workers(2)
        .set("jwks_url", url.as_str())
        .set("client_certificate_avp", "$avp(certificate)");
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let token = to_certificate(&key, &alice);
    let unbound = bound_by(&key, Value::Null);
    let connect = |own: Option<&Issued>| Device::new(port, &servers, own);
    let mut number = 0;
    let mut ask = |device: &mut Device, token: &str| {
        number += 1;
        device.ask(token, number)
    };
    // The socket may open a moment later than that for UDP.
    let up = wait_for(Duration::from_secs(20), || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    up.ok_or("no TLS socket")?;
    for _ in 0..3 {
        let mut device = connect(Some(&alice))?;
        for _ in 0..3 {
            match ask(&mut device, &token)? {
                (1, _) => {}
                other => return Err(format!("alice: {other:?}\n{}", instance.log())),
            }
        }
        let mut thief = connect(Some(&mallory))?;
        match ask(&mut thief, &token)? {
            (-5, reason) if reason.contains("another client certificate") => {}
            other => return Err(format!("mallory: {other:?}")),
        }
        match ask(&mut thief, &to_certificate(&key, &mallory))? {
            (1, _) => {}
            other => return Err(format!("mallory, with his own token: {other:?}")),
        }
        let mut nobody = connect(None)?;
        match ask(&mut nobody, &token)? {
            (-5, reason) if reason.contains("there is none") => {}
            other => return Err(format!("without a certificate: {other:?}")),
        }
        match ask(&mut nobody, &unbound)? {
            (1, _) => {}
            other => return Err(format!("a bearer token: {other:?}")),
        }
        // OpenSIPS refuses the connection, or the script the certificate.
        if let Ok(mut forger) = connect(Some(&forged))
            && let Ok((code, reason)) = ask(&mut forger, &token)
            && code != -5
        {
            return Err(format!(
                "a certificate of another authority: {code} {reason}"
            ));
        }
    }
    // Without TLS there is no certificate.
    let said = harness::sip::exchange(
        instance.port,
        "REGISTER",
        "plain",
        &[("X-JWT", token.as_str())],
        LIMIT,
    );
    Said::of(said.map_err(|e| e.to_string())?)?
        .expect(-5)?
        .because("there is none")?;
    instance.check_workers()
}
