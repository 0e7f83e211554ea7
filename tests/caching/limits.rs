//! Sizes of keys, sets and files: the last accepted one and the first refused one.

use std::path::Path;
use std::process::Command;

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::memory;
use harness::profiles::Content;
use harness::setting::Setting;
use harness::tokens::{b64, now, token, with_header};
use serde_json::{Value, json};

use super::keys::edit;
use super::provider::{Provider, jwk, patient};
use super::running::Running;

/// Seconds during which nothing is fetched again by itself.
const LONG: i64 = 3600;

/// How many keys a JWK Set may have.
const MAX_KEYS: usize = 100;

/// Maximum length of a fetched JWK Set, bytes.
const MAX_FETCHED: usize = 512 * 1024;

/// Maximum length of a key file, bytes.
const MAX_FILE: usize = 1024 * 1024;

/// Maximum length of a tag, bytes.
const MAX_TAG: usize = 512;

/// Keys and sets that are too small or too large, and tags that are too long.
pub fn keys(setting: &Setting, core: &Core) -> Result<(), String> {
    let (secret, ec) = (Key::secret(), Key::p256());
    let set = |keys: usize| {
        let keys: Vec<Value> = (1..=keys).map(|n| jwk(&n.to_string(), &ec)).collect();
        json!({ "keys": keys }).to_string()
    };
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let file = |name: &str, size: usize| {
        let path = folder.join(name);
        let text = padded(ec.verifier(), size);
        std::fs::write(&path, text)
            .map(|()| format!("file://{}", path.display()))
            .map_err(|e| e.to_string())
    };
    let (longest, too_long) = ("t".repeat(MAX_TAG), "t".repeat(MAX_TAG + 1));
    let mut content = Content::default();
    for (tag, key) in [
        ("full-set", set(MAX_KEYS)),
        ("overfull-set", set(MAX_KEYS + 1)),
        ("full-file", file("full", MAX_FILE)?),
        ("overfull-file", file("overfull", MAX_FILE + 1)?),
        (&longest, secret.verifier()),
        (&too_long, secret.verifier()),
    ] {
        content.profile(tag, "somebody");
        content.secret(tag, &key);
    }
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| script.database(&database))?;
    let claims = |tag: &str| format!(r#"{{"tag":"{tag}"}}"#);
    let last = json!({ "alg": "ES256", "kid": MAX_KEYS.to_string() }).to_string();
    for (tag, code) in [("full-set", 1), ("overfull-set", -1)] {
        running.expect(&with_header(&ec, "ES256", &last, &claims(tag)), code)?;
    }
    for (tag, code) in [("full-file", 1), ("overfull-file", -1)] {
        running.expect(&token(&ec, "ES256", &claims(tag)), code)?;
    }
    for (tag, code) in [(&longest, 1), (&too_long, -4)] {
        running.expect(&token(&secret, "HS256", &claims(tag)), code)?;
    }
    running.instance.check_workers()
}

/// RSA keys of less than 2048 bits are refused in any form, although the signature is good.
pub fn rsa(setting: &Setting, core: &Core) -> Result<(), String> {
    let mut content = Content::default();
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let mut tokens = Vec::new();
    for (bits, code) in [(1024, -1), (2047, -1), (2048, 1)] {
        let private = folder.join(format!("{bits}.pem"));
        let path = |path: &Path| path.display().to_string();
        let bits = bits.to_string();
        openssl(&["genrsa", "-out", &path(&private), &bits], &folder)?;
        let public = text(openssl(
            &["rsa", "-pubout", "-in", &path(&private)],
            &folder,
        )?)?;
        let certificate = text(openssl(
            &["req", "-x509", "-subj", "/CN=a", "-key", &path(&private)],
            &folder,
        )?)?;
        let modulus = text(openssl(
            &["rsa", "-modulus", "-noout", "-in", &path(&private)],
            &folder,
        )?)?;
        let modulus = bytes(modulus.trim().trim_start_matches("Modulus="))?;
        let jwk = json!({ "kty": "RSA", "n": b64(modulus), "e": "AQAB" }).to_string();
        for (form, key) in [
            ("pem", &public),
            ("certificate", &certificate),
            ("jwk", &jwk),
        ] {
            let tag = format!("{form}-{bits}");
            content.profile(&tag, &tag);
            content.secret(&tag, key);
            let claims = format!(r#"{{"exp":{},"tag":"{tag}"}}"#, now() + LONG);
            let input = format!("{}.{}", b64(r#"{"alg":"RS256"}"#), b64(claims));
            std::fs::write(folder.join("input"), &input).map_err(|e| e.to_string())?;
            let sign = ["dgst", "-sha256", "-sign", &path(&private), "input"];
            let signature = openssl(&sign, &folder)?;
            tokens.push((format!("{input}.{}", b64(signature)), key.clone(), code));
        }
    }
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| script.database(&database))?;
    for (token, key, code) in &tokens {
        let said = running.expect(token, *code)?;
        let by_script = running.ask_with_key(token, key)?.expect(*code)?;
        if *code != 1 {
            said.because("1 unusable")?;
            by_script.because("2048")?;
        }
    }
    running.instance.check_workers()
}

/// The size of a fetched set, and how long it is kept whatever its provider says.
pub fn fetched(setting: &Setting, core: &Core) -> Result<(), String> {
    let (first, second) = (Key::p256(), Key::ed25519());
    let provider = Provider::start(&setting.folder(), &[])?;
    let publish = |size: usize| {
        let set = json!({ "keys": [jwk("first", &first)] }).to_string();
        provider.published().body = padded(set, size);
    };
    let claims = json!({ "sub": "alice" }).to_string();
    let by_first = token(&first, "ES256", &claims);
    let by_second = token(&second, "EdDSA", &claims);
    let start = |min_ttl: i64, max_ttl: i64| {
        Running::start(setting, core, |script| {
            patient(script)
                .set("jwks_url", provider.url().as_str())
                .set("http_tls_ca", provider.authority())
                .set("jwks_min_ttl", min_ttl)
                .set("jwks_max_ttl", max_ttl)
                .set("jwks_min_refresh", 1)
        })
    };
    for (size, code) in [(MAX_FETCHED, 1), (MAX_FETCHED + 1, -6)] {
        publish(size);
        let mut running = start(1, LONG)?;
        running
            .expect(&by_first, code)
            .map_err(|e| format!("{size} bytes: {e}\n{}", running.instance.log()))?;
        running.instance.check_workers()?;
    }
    // jwks_max_ttl is less than what the provider asks for.
    publish(0);
    provider.published().cache = "max-age=86400";
    let mut running = start(1, 1)?;
    running.everywhere(&by_first, 1)?;
    provider.publish(&[edit(jwk("second", &second), |jwk| {
        jwk["alg"] = json!("EdDSA")
    })]);
    harness::server::wait_for(super::running::LIMIT, || {
        (running.all_say(&by_first, -1) == Ok(true)).then_some(())
    })
    .ok_or("jwks_max_ttl is over, and the key counts")?;
    running.everywhere(&by_second, 1)?;
    running.instance.check_workers()?;
    drop(running);
    // jwks_min_ttl is more.
    provider.published().cache = "no-store, max-age=0";
    let before = provider.asked();
    let mut running = start(LONG, LONG)?;
    for _ in 0..6 {
        running.everywhere(&by_second, 1)?;
        running.until_asked_again();
    }
    let asked = provider.asked() - before;
    if asked != 1 {
        return Err(format!(
            "jwks_min_ttl is not over, and the provider was asked {asked} times"
        ));
    }
    running.instance.check_workers()
}

/// `token_cache_size` bounds what a process remembers: its memory shows how much that is.
pub fn remembered(setting: &Setting, core: &Core) -> Result<(), String> {
    const TOKENS: usize = 600;
    // Long tokens, each of which takes up its own length and most of it again.
    const PADDING: usize = 4000;
    let key = Key::secret();
    let database = setting
        .servers
        .create(Backend::Sqlite, &Content::default())?;
    let grown = |size: i64| {
        let mut running = Running::start_with(setting, core, 1, |script| {
            script.database(&database).set("token_cache_size", size)
        })?;
        let ask = |number: usize| {
            let padding = "x".repeat(PADDING);
            let claims = format!(r#"{{"jti":"{number}","padding":"{padding}"}}"#);
            let token = token(&key, "HS256", &claims);
            running.ask_with_key(&token, &key.verifier())?.expect(1)
        };
        for number in 1..100 {
            ask(number)?;
        }
        let warm = ask(0)?;
        let before = memory::own(&warm.worker)?;
        for number in 100..100 + TOKENS {
            ask(number)?;
        }
        let after = memory::own(&warm.worker)?;
        running.instance.check_workers()?;
        Ok::<usize, String>(after.saturating_sub(before))
    };
    let all = TOKENS * PADDING * 2 / 1024;
    for (size, least, most) in [(0, 0, all / 4), (20, 0, all / 4), (4096, all / 2, 4 * all)] {
        let kib = grown(size)?;
        if !(least..=most).contains(&kib) {
            return Err(format!(
                "token_cache_size {size}: {TOKENS} tokens take {kib} KiB, not {least} to {most}"
            ));
        }
    }
    Ok(())
}

/// The text, padded with blanks to that size if it is shorter.
fn padded(mut text: String, size: usize) -> String {
    let missing = size.saturating_sub(text.len());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

fn openssl(arguments: &[&str], folder: &Path) -> Result<Vec<u8>, String> {
    let out = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .map_err(|e| format!("openssl: {e}"))?;
    match out.status.success() {
        true => Ok(out.stdout),
        false => Err(format!(
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        )),
    }
}

fn text(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

/// The bytes given as hexadecimal digits.
fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    (0..digits.len() / 2)
        .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).map_err(|e| e.to_string()))
        .collect()
}
