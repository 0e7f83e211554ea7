//! Keys given as JSON Web Keys, in files, or published by an identity provider.

use std::thread::sleep;
use std::time::Duration;

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::tokens::with_header;
use serde_json::{Value, json};

use super::provider::{Provider, jwk, patient};
use super::running::Running;

/// How long a set is used without being checked again, in the trials where that matters.
const LONG: i64 = 3600;

fn named(key: &Key, alg: &str, kid: Option<&str>, tag: &str) -> String {
    let mut header = json!({ "alg": alg, "typ": "JWT" });
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let payload = json!({ "sub": "somebody", "tag": tag });
    with_header(key, alg, &header.to_string(), &payload.to_string())
}

/// A JSON value with a modification.
pub fn edit(mut value: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut value);
    value
}

/// A JWK and a JWK Set as a row's secret and as a script's key; a file that is rewritten.
pub fn files(setting: &Setting, core: &Core) -> Result<(), String> {
    let (rsa, ec, ed, secret) = (Key::rsa(), Key::p256(), Key::ed25519(), Key::secret());
    let (p384, p521, k256) = (Key::p384(), Key::p521(), Key::secp256k1());
    let (first, second) = (Key::p256(), Key::p256());
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let path = folder.join("key");
    let write = |text: &str| {
        let new = folder.join("new");
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &path))
            .map_err(|e| e.to_string())
    };
    write(&first.verifier())?;
    let file = format!("file://{}", path.display());
    let set = json!({ "keys": [
        jwk("one", &rsa),
        jwk("two", &ec),
        edit(jwk("encrypts", &ed), |k| k["use"] = json!("enc")),
        { "kty": "unheard of", "kid": "three" },
    ]})
    .to_string();
    let mut content = Content::default();
    for (tag, key) in [
        ("jwk-rsa", jwk("r", &rsa).to_string()),
        ("jwk-ec", jwk("e", &ec).to_string()),
        ("jwk-ed", jwk("d", &ed).to_string()),
        ("jwk-p384", jwk("4", &p384).to_string()),
        ("jwk-p521", jwk("5", &p521).to_string()),
        ("pem-p521", p521.verifier()),
        ("jwk-k256", jwk("k", &k256).to_string()),
        ("pem-k256", k256.verifier()),
        (
            "jwk-eddsa",
            edit(jwk("d", &ed), |k| k["alg"] = json!("EdDSA")).to_string(),
        ),
        (
            "jwk-ed25519",
            edit(jwk("d", &ed), |k| k["alg"] = json!("Ed25519")).to_string(),
        ),
        ("jwk-oct", jwk("o", &secret).to_string()),
        (
            "signs-only",
            edit(jwk("s", &ec), |k| k["key_ops"] = json!(["sign"])).to_string(),
        ),
        (
            "other-alg",
            edit(jwk("a", &rsa), |k| k["alg"] = json!("PS256")).to_string(),
        ),
        ("set", set.clone()),
        ("file", file.clone()),
        ("no-file", format!("file://{}/nothing", folder.display())),
    ] {
        content.profile(tag, tag);
        content.secret(tag, &key);
    }
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", LONG)
    })?;
    for (key, alg, kid, tag, code) in [
        (&rsa, "RS256", None, "jwk-rsa", 1),
        // The key states that it is for RS256.
        (&rsa, "PS256", None, "jwk-rsa", -1),
        (&rsa, "PS256", None, "other-alg", 1),
        (&rsa, "RS256", None, "other-alg", -1),
        (&ec, "ES256", None, "jwk-ec", 1),
        (&ed, "EdDSA", None, "jwk-ed", 1),
        (&ed, "Ed25519", None, "jwk-ed", 1),
        (&ed, "EdDSA", None, "jwk-ed25519", 1),
        (&ed, "Ed25519", None, "jwk-ed25519", 1),
        (&ed, "EdDSA", None, "jwk-eddsa", 1),
        (&ed, "Ed25519", None, "jwk-eddsa", 1),
        (&ed, "Ed448", None, "jwk-ed", -1),
        (&p384, "ES384", None, "jwk-p384", 1),
        (&p521, "ES512", None, "jwk-p521", 1),
        (&p521, "ES512", None, "pem-p521", 1),
        (&p521, "ES384", None, "jwk-p521", -1),
        (&k256, "ES256K", None, "jwk-k256", 1),
        (&k256, "ES256K", None, "pem-k256", 1),
        (&k256, "ES256", None, "jwk-k256", -1),
        (&ec, "ES256K", None, "jwk-ec", -1),
        (&secret, "HS256", None, "jwk-oct", 1),
        (&ec, "ES256", None, "signs-only", -1),
        (&rsa, "RS256", Some("one"), "set", 1),
        (&ec, "ES256", Some("two"), "set", 1),
        (&ec, "ES256", None, "set", 1),
        (&ec, "ES256", Some("one"), "set", -1),
        (&ed, "EdDSA", Some("encrypts"), "set", -1),
        (&ec, "ES256", None, "no-file", -1),
    ] {
        running
            .expect(&named(key, alg, kid, tag), code)
            .map_err(|e| format!("{tag}, {alg}, {kid:?}: {e}"))?;
    }
    running
        .ask_with_key(&named(&ec, "ES256", Some("two"), ""), &set)?
        .expect(1)?;

    let by = |key: &Key| named(key, "ES256", None, "file");
    let (by_first, by_second) = (by(&first), by(&second));
    for _ in 0..2 {
        running.everywhere(&by_first, 1)?;
        running.everywhere_with_key(&by_first, &file, 1)?;
    }
    running.everywhere(&by_second, -1)?;
    write(&second.verifier())?;
    // The file is checked once a second.
    running.until_asked_again();
    running.everywhere(&by_second, 1)?;
    running.everywhere(&by_first, -1)?;
    running.everywhere_with_key(&by_second, &file, 1)?;
    running.everywhere_with_key(&by_first, &file, -1)?;
    write(&json!({ "keys": [jwk("1", &first), jwk("2", &second)] }).to_string())?;
    running.mi.reload()?;
    running.everywhere(&by_first, 1)?;
    running.everywhere(&by_second, 1)?;
    std::fs::remove_file(&path).map_err(|e| e.to_string())?;
    running.until_asked_again();
    running.everywhere(&by_first, -1)?;
    // What a server said in place of a key, everybody knows.
    for page in [
        "<!DOCTYPE html><html><body>404 Not Found</body></html>",
        r#"{"error":"not found","message":"there is no such document"}"#,
    ] {
        write(page)?;
        running.until_asked_again();
        let secret = Key::Secret(page.as_bytes().to_vec());
        running.everywhere(&named(&secret, "HS256", None, "file"), -1)?;
    }
    running.instance.check_workers()
}

/// A row whose secret is the URL of a JWK Set: its keys change, its provider goes away.
pub fn published(setting: &Setting, core: &Core) -> Result<(), String> {
    let (first, second, third) = (Key::p256(), Key::rsa(), Key::ed25519());
    let mut provider = Provider::start(&setting.folder(), &[jwk("first", &first)])?;
    let mut content = Content::default();
    content.profile("url", "url");
    content.secret("url", &provider.url());
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let start = |authority: &str| {
        Running::start(setting, core, |script| {
            patient(script)
                .database(&database)
                .set("cache_ttl", LONG)
                .set("http_tls_ca", authority)
                .set("jwks_min_ttl", 1)
                .set("jwks_min_refresh", 1)
        })
    };
    {
        let running = start(provider.other_authority())?;
        running.expect(&named(&first, "ES256", Some("first"), "url"), -6)?;
    }
    let mut running = start(provider.authority())?;
    let by_first = named(&first, "ES256", Some("first"), "url");
    let by_second = named(&second, "RS256", Some("second"), "url");
    let by_third = named(&third, "EdDSA", Some("third"), "url");
    for _ in 0..2 {
        running.everywhere(&by_first, 1)?;
    }
    running.everywhere(&by_second, -1)?;
    // Also as the script's key.
    running.everywhere_with_key(&by_first, &provider.url(), 1)?;
    running.everywhere_with_key(&by_second, &provider.url(), -1)?;
    // A key is added: nobody is notified, but a token names it.
    provider.publish(&[jwk("first", &first), jwk("second", &second)]);
    running.until_asked_again();
    running.everywhere(&by_second, 1)?;
    running.everywhere(&by_first, 1)?;
    // A row added beside it takes effect as soon as anywhere else.
    let secret = Key::secret();
    let by_secret = named(&secret, "HS256", None, "url");
    running.everywhere(&by_secret, -1)?;
    super::demand::add_secret(&database, "url", &secret)?;
    running.until_asked_again();
    running.everywhere(&by_secret, 1)?;
    running.everywhere(&by_first, 1)?;
    // The old one is removed: at once with jwt_reload.
    provider.publish(&[jwk("second", &second)]);
    running.everywhere(&by_first, 1)?;
    running.mi.reload()?;
    running.everywhere(&by_first, -1)?;
    running.everywhere(&by_second, 1)?;
    // Or when its time is over, which the provider sets within the bounds of jwks_min_ttl.
    provider.published().cache = "max-age=1";
    running.mi.reload()?;
    running.everywhere(&by_second, 1)?;
    provider.publish(&[jwk("third", &third)]);
    wait_for(super::running::LIMIT, || {
        (running.all_say(&by_second, -1) == Ok(true)).then_some(())
    })
    .ok_or("max-age is over, and the key counts")?;
    running.everywhere(&by_third, 1)?;
    // First it answers with something that is not a JWK Set, then not at all: the known keys stay
    // in use.
    provider.published().body = "<html>".to_string();
    sleep(Duration::from_millis(2200));
    running.everywhere(&by_third, 1)?;
    provider.published().status = 500;
    sleep(Duration::from_millis(1100));
    running.everywhere(&by_third, 1)?;
    provider.pause();
    sleep(Duration::from_millis(2200));
    for _ in 0..2 {
        running.everywhere(&by_third, 1)?;
    }
    running.mi.reload()?;
    running.everywhere(&by_third, 1)?;
    // Where nothing is known yet, nobody is admitted, and it is not the caller's fault.
    let mut fresh = start(provider.authority())?;
    fresh.everywhere(&by_third, -6)?;
    if fresh.mi.statistic("jwks_failures")? == 0 {
        return Err("jwks_failures does not count".to_string());
    }
    provider.published().status = 200;
    provider.publish(&[jwk("first", &first)]);
    provider.resume()?;
    for running in [&running, &fresh] {
        wait_for(super::running::LIMIT, || {
            (running.all_say(&by_first, 1) == Ok(true)).then_some(())
        })
        .ok_or("the provider is back, and not asked")?;
    }
    running.everywhere(&by_third, -1)?;
    // A flood of made-up key names: one fetch a second for all workers.
    let before = provider.asked();
    let began = std::time::Instant::now();
    for number in 0..200 {
        let kid = format!("made-up-{number}");
        running.expect(&named(&third, "EdDSA", Some(&kid), "url"), -1)?;
    }
    let most = began.elapsed().as_secs() as usize + 2;
    if provider.asked() - before > most {
        return Err(format!("asked {} times", provider.asked() - before));
    }
    let log = running.instance.log();
    if log.contains("internal error") {
        return Err(log);
    }
    fresh.instance.check_workers()?;
    running.instance.check_workers()
}
