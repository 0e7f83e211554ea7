//! Defaults, ranges and examples in the manual, checked with the module's own reading of modparams.

use auth_web::config::raw::RawValue;
use auth_web::config::{Config, Raw};
use harness::keys::Key;
use harness::web::Authority;
use libtest_mimic::{Failed, Trial};

use super::block::{self, Section};
use super::exports;
use super::manual;

/// Parameters that are accepted and have no effect.
const WITHOUT_EFFECT: [&str; 1] = ["db_mode"];

/// Pairs of parameters of which the first may not exceed the second.
const PAIRS: [[&str; 2]; 1] = [["jwks_min_ttl", "jwks_max_ttl"]];

pub fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = exports::parameters()
        .into_iter()
        .map(|name| {
            let title = format!("manual: default and range of {name}");
            Trial::test(title, move || {
                let chapter = manual::chapter("Exported Parameters")?;
                let section = chapter.get(&name).ok_or("it is not described")?;
                default(&name, section)?;
                range(&name, section)
            })
        })
        .collect();
    trials.push(Trial::test("documents: values of parameters", examples));
    trials
}

/// The whole configuration as text; the database in parts, because its own text shows only its URL.
fn shape(settings: &[(&str, &str)]) -> Result<String, String> {
    let mut raw = Raw::default();
    raw.push("db_url", RawValue::Text("mysql://u:p@localhost/d".into()));
    raw.push("cachedb_url", RawValue::Text("redis://localhost/".into()));
    for (name, value) in settings {
        raw.push(name, RawValue::Text((*value).to_string()));
    }
    let config = Config::new(&raw).map_err(|e| e.to_string())?;
    let database = config.database.as_ref().map(|d| {
        let driver = format!("{:?}", d.driver);
        let driver = driver.split('(').next().map(str::to_string);
        (
            &d.scheme,
            driver,
            d.timeout,
            &d.tables,
            &d.cache,
            &d.profile_avps,
            d.preload,
            d.shared,
        )
    });
    // Whether the script names the table at all is a separate setting.
    let text = format!("{config:?} {database:?}");
    Ok(text.replace("tables_named: true", "tables_named: false"))
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|t| t.strip_suffix('"'))
        .unwrap_or(text)
}

/// The documented default is what applies when nothing is set.
fn default(name: &str, section: &Section) -> Result<(), Failed> {
    let described = section.field("Default").unwrap_or_default();
    let is_value = described.starts_with('"') || described.parse::<i64>().is_ok();
    if !is_value {
        return Ok(());
    }
    if shape(&[(name, unquoted(described))])? != shape(&[])? {
        return Err(format!("{name}: {described} is not the default").into());
    }
    // If no value made a difference, any documented default would pass.
    let allowed = section.field("Allowed").unwrap_or_default();
    let mut others: Vec<&str> = allowed.split(", ").map(unquoted).collect();
    others.extend(["other", "0", "1", "2", "RS256", "500", "600", "5000"]);
    let differs = |value: &&str| shape(&[(name, value)]).is_ok_and(|s| Ok(s) != shape(&[]));
    if !WITHOUT_EFFECT.contains(&name) && !others.iter().any(differs) {
        return Err(format!("{name}: no value makes a difference").into());
    }
    Ok(())
}

/// The ends of the range are allowed, and values beyond them are not.
fn range(name: &str, section: &Section) -> Result<(), Failed> {
    let Some(range) = section.field("Range") else {
        return Ok(());
    };
    let ends: Vec<i64> = range.split(" to ").flat_map(str::parse).collect();
    let [first, last] = ends[..] else {
        return Err(format!("{name}: {range:?} is no range").into());
    };
    for inside in [first, last] {
        let value = inside.to_string();
        let mut settings = vec![(name, value.as_str())];
        let partners = PAIRS.iter().filter(|pair| pair.contains(&name)).flatten();
        settings.extend(
            partners
                .filter(|p| **p != name)
                .map(|p| (*p, value.as_str())),
        );
        shape(&settings)?;
    }
    for outside in [first - 1, last + 1] {
        match shape(&[(name, &outside.to_string())]) {
            Ok(_) => return Err(format!("{name}: {outside} is accepted").into()),
            Err(message) => {
                let unit = section.field("Unit").unwrap_or_default();
                if !message.contains(name) || !message.contains(unit) {
                    return Err(format!("{name}: another unit than in {message:?}").into());
                }
            }
        }
    }
    Ok(())
}

/// The module accepts every value that a document or a shipped script sets.
fn examples() -> Result<(), Failed> {
    let mut texts = Vec::new();
    for path in block::documents() {
        for (title, block) in block::blocks(&block::read(&path), "opensips") {
            texts.push((format!("{path}: {title}"), block.text));
        }
    }
    texts.extend(block::scripts());
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, Key::rsa().certificate()).map_err(|e| e.to_string())?;
    let ca = ca.to_string_lossy().into_owned();
    let client = Authority::new("Clients")?.issue("client.example")?;
    let (client, client_key) = client.put(folder.path(), "client")?;
    // An example without a key has it in the file of the certificate.
    let both = std::fs::read_to_string(&client_key)
        .and_then(|key| Ok(std::fs::read_to_string(&client)? + &key))
        .and_then(|both| std::fs::write(&client, both));
    both.map_err(|e| e.to_string())?;
    let [client, client_key] = [client, client_key].map(|path| path.to_string_lossy().into_owned());
    let secret = folder.path().join("assertion.pem");
    let pem = std::fs::read(harness::root().join("tests/keys/rsa-2048.test-private.pem"));
    std::fs::write(&secret, pem.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    let secret = format!("file://{}", secret.display());
    let mut tried = 0;
    for (place, text) in texts {
        let mut raw = Raw::default();
        for line in text.lines() {
            if let Some((name, value)) = modparam(line) {
                // A file that the reader has to provide.
                let value = match name {
                    "http_tls_ca" | "jwks_tls_ca" => RawValue::Text(ca.clone()),
                    "http_tls_cert" | "jwks_tls_cert" => RawValue::Text(client.clone()),
                    "http_tls_key" | "jwks_tls_key" => {
                        // It needs the certificate of another example.
                        let of = name.replace("key", "cert");
                        raw.push(&of, RawValue::Text(client.clone()));
                        RawValue::Text(client_key.clone())
                    }
                    "introspection_client_secret" => RawValue::Text(secret.clone()),
                    _ => value,
                };
                raw.push(name, value);
                tried += 1;
            }
        }
        Config::new(&raw).map_err(|e| format!("{place}: {e}"))?;
    }
    match tried {
        0 => Err("no modparam was found".into()),
        _ => Ok(()),
    }
}

/// `modparam("auth_web", "name", value)`, even where it is commented out.
fn modparam(line: &str) -> Option<(&str, RawValue)> {
    let rest = line.trim_start_matches('#').trim();
    let rest = ["auth_web", "auth_jwt"]
        .iter()
        .find_map(|module| rest.strip_prefix(&format!("modparam(\"{module}\", \"")))?;
    let (name, rest) = rest.split_once("\", ")?;
    let value = rest.trim_end().strip_suffix(')')?;
    let value = match value.parse() {
        Ok(number) => RawValue::Int(number),
        Err(_) => RawValue::Text(unquoted(value).replace("\\\"", "\"")),
    };
    Some((name, value))
}
