//! What one worker has verified, all of them know; and what counts is judged each time.

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::Setting;
use harness::tokens::token;

use super::demand;
use super::running::{Running, WORKERS};

type Make = fn() -> Key;

const KINDS: [(Make, &str); 3] = [
    (Key::rsa, "RS256"),
    (Key::p256, "ES256"),
    (Key::ed25519, "EdDSA"),
];

fn verified(running: &Running) -> Result<u64, String> {
    running.mi.statistic("jwt_signatures")
}

fn expect(what: &str, is: u64, expected: impl std::ops::RangeBounds<u64>) -> Result<(), String> {
    match expected.contains(&is) {
        true => Ok(()),
        false => Err(format!("{what}: {is} signatures were verified")),
    }
}

/// However many workers see a token, its signature is verified once, and none of them takes a
/// forged one or one whose key is gone.
pub fn once(setting: &Setting, core: &Core) -> Result<(), String> {
    let keys = KINDS.map(|(make, _)| make());
    let mut content = Content::default();
    for ((_, algorithm), key) in KINDS.iter().zip(&keys) {
        content.profile(algorithm, algorithm);
        content.secret(algorithm, &key.verifier());
    }
    let database = setting.servers.create(Backend::Mysql, &content)?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("cache_ttl", 3600)
    })?;
    for ((make, algorithm), key) in KINDS.iter().zip(&keys) {
        let claims = format!(r#"{{"tag":"{algorithm}"}}"#);
        let good = token(key, algorithm, &claims);
        let forged = token(&make(), algorithm, &claims);
        let before = verified(&running)?;
        running.expect(&good, 1)?;
        running.everywhere(&good, 1)?;
        expect(algorithm, verified(&running)? - before, 1..=1)?;
        let before = verified(&running)?;
        running.everywhere(&forged, -1)?;
        let workers = u64::from(WORKERS);
        expect("forged", verified(&running)? - before, workers..)?;
        demand::remove_secret(&database, key)?;
        running.mi.reload()?;
        running.everywhere(&good, -1)?;
    }
    running.instance.check_workers()
}

/// Without the memory each worker verifies for itself.
pub fn off(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::rsa();
    let content = demand::profile("alone", &key);
    let database = setting.servers.create(Backend::Mysql, &content)?;
    let mut running = Running::start(setting, core, |script| {
        script.database(&database).set("signature_cache_size", 0)
    })?;
    let good = token(&key, "RS256", r#"{"tag":"alone"}"#);
    running.everywhere(&good, 1)?;
    let workers = u64::from(WORKERS);
    expect("off", verified(&running)?, workers..=workers)?;
    running.instance.check_workers()
}
