//! Many issuers at once: what one of them does is nothing to the others.

use std::net::UdpSocket;

use harness::blackhole::Blackhole;
use harness::core::Core;
use harness::keys::Key;
use harness::setting::Setting;
use harness::sip;

use super::discovery::{of, publish};
use super::provider::{Provider, jwk, patient, set};
use super::running::{LIMIT, Running, Said};

/// How many issuers there are: more than one OpenSIPS used to share the keys of.
const ISSUERS: usize = 70;

/// How many tokens of each hanging issuer wait at once: more than all threads that fetch keys.
const WAITING: usize = 160;

/// Tokens that are sent before the worker is asked whether it is there: the socket's queue is short.
const AT_ONCE: usize = 10;

/// Publishes that many issuers with one key, and their list for `issuer_url`.
fn many(provider: &Provider, count: usize, key: &Key) -> (Vec<String>, String) {
    let issuers: Vec<_> = (0..count)
        .map(|n| publish(provider, &format!("/{n}"), &[jwk("one", key)]))
        .collect();
    let list = issuers.join(" ");
    (issuers, list)
}

/// The keys of all issuers are fetched once for all processes.
pub fn shared(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[])?;
    let (issuers, list) = many(&provider, ISSUERS, &key);
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("http_tls_ca", provider.authority())
            .set("issuer_url", list.as_str())
    })?;
    for issuer in &issuers {
        running.everywhere(&of(issuer, &key, "one"), 1)?;
    }
    // Metadata and set of each.
    let asked = provider.asked();
    if asked != 2 * ISSUERS {
        return Err(format!("{asked} requests for {ISSUERS} issuers"));
    }
    if running.instance.log().contains("jwks_cache_size") {
        return Err("there was place for all, and the log says otherwise".to_owned());
    }
    running.instance.check_workers()
}

/// With place for fewer, each process asks for the others, and the log says so once.
pub fn unshared(setting: &Setting, core: &Core) -> Result<(), String> {
    const PLACES: usize = 3;
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[])?;
    let (issuers, list) = many(&provider, PLACES + 2, &key);
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("http_tls_ca", provider.authority())
            .set("jwks_cache_size", PLACES as i64)
            .set("issuer_url", list.as_str())
    })?;
    for issuer in &issuers {
        running.everywhere(&of(issuer, &key, "one"), 1)?;
    }
    let once = (0..issuers.len())
        .filter(|n| provider.asked_for(&format!("/{n}/keys")) == 1)
        .count();
    if once != PLACES {
        return Err(format!("{once} sets were fetched once, not {PLACES}"));
    }
    let log = running.instance.log();
    match log.matches("(jwks_cache_size)").count() {
        1 => running.instance.check_workers(),
        lines => Err(format!("{lines} lines: {log}")),
    }
}

/// An issuer whose keys change does not have the tokens of another verified again; and after `jwt_reload` each
/// token counts by the keys that its own issuer has then.
pub fn rotation(setting: &Setting, core: &Core) -> Result<(), String> {
    let (a, b, b2) = (Key::p256(), Key::p256(), Key::p256());
    let provider = Provider::start(&setting.folder(), &[])?;
    let first = publish(&provider, "/a", &[jwk("one", &a)]);
    let second = publish(&provider, "/b", &[jwk("one", &b)]);
    // One worker, whose memory of tokens is all that there is.
    let mut running = Running::start_with(setting, core, 1, |script| {
        patient(script)
            .set("http_tls_ca", provider.authority())
            .set("jwks_min_refresh", 1)
            .set("signature_cache_size", 0)
            .set("issuer_url", format!("{first} {second}").as_str())
    })?;
    let (of_a, of_b) = (of(&first, &a, "one"), of(&second, &b, "one"));
    for token in [&of_a, &of_b] {
        running.expect(token, 1)?;
    }
    let verified = running.mi.statistic("jwt_signatures")?;
    running.expect(&of_a, 1)?;
    provider.page("/b/keys", set(&[jwk("two", &b2)]));
    running.until_asked_again();
    running.expect(&of(&second, &b2, "two"), 1)?;
    running.expect(&of_b, -1)?;
    let after = running.mi.statistic("jwt_signatures")?;
    running.expect(&of_a, 1)?;
    let again = running.mi.statistic("jwt_signatures")? - after;
    if verified != 2 || again != 0 {
        return Err(format!(
            "{verified} signatures at first, {again} of the issuer that did not change"
        ));
    }
    // Both change, and the token of the first is what the reload is noticed by.
    let a2 = Key::p256();
    provider.page("/a/keys", set(&[jwk("two", &a2)]));
    provider.page("/b/keys", set(&[jwk("three", &b)]));
    running.mi.reload()?;
    running.expect(&of_a, -1)?;
    running.expect(&of(&second, &b2, "two"), -1)?;
    running.expect(&of(&second, &b, "three"), 1)?;
    running.instance.check_workers()
}

/// Two issuers hang, and more tokens of theirs wait than there are threads: those of a third are served at once.
pub fn hanging(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[])?;
    let good = publish(&provider, "/good", &[jwk("one", &key)]);
    let holes = [Blackhole::silent()?, Blackhole::silent()?];
    let hanging = holes
        .each_ref()
        .map(|hole| format!("https://127.0.0.1:{}", hole.port));
    let mut running = Running::start_with(setting, core, 1, |script| {
        patient(script)
            .set("http_tls_ca", provider.authority())
            .set(
                "issuer_url",
                format!("{good} {}", hanging.join(" ")).as_str(),
            )
    })?;
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = running.instance.port;
    socket
        .connect(("127.0.0.1", port))
        .map_err(|e| e.to_string())?;
    for number in 0..WAITING {
        for (nth, issuer) in hanging.iter().enumerate() {
            let request = register(
                &socket,
                &format!("{nth}-{number}"),
                &of(issuer, &key, "one"),
            );
            socket
                .send(request?.as_bytes())
                .map_err(|e| e.to_string())?;
        }
        if number % AT_ONCE == 0 && !sip::ping("127.0.0.1", port, LIMIT) {
            return Err(format!("no answer after {number} tokens"));
        }
    }
    let said = running.exchange("async", &[("X-JWT", &of(&good, &key, "one"))])?;
    Said::of(said)?.expect(1)?;
    running.expect(&of(&good, &key, "one"), 1)?;
    running.instance.check_workers()
}

/// A request whose answer nobody waits for.
fn register(socket: &UdpSocket, id: &str, token: &str) -> Result<String, String> {
    let local = socket.local_addr().map_err(|e| e.to_string())?;
    Ok(format!(
        "REGISTER sip:async@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bK-hanging-{id}\r\n\
         From: <sip:caller@example.org>;tag={id}\r\n\
         To: <sip:caller@example.org>\r\n\
         Call-ID: hanging-{id}@127.0.0.1\r\n\
         CSeq: 1 REGISTER\r\n\
         Max-Forwards: 70\r\n\
         X-JWT: {token}\r\n\
         Content-Length: 0\r\n\r\n"
    ))
}
