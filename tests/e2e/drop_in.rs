//! The module in place of auth_jwt: a file called auth_jwt.so, and a script written for the C
//! module.

use std::path::Path;
use std::sync::Arc;

use harness::core::Core;
use harness::database::Database;
use harness::keys::Key;
use harness::script::Script;
use harness::setting::{Place, Setting};
use harness::tokens::token;
use harness::world::World;
use libtest_mimic::Trial;

use super::cases::Case;
use super::group::{Group, trials_of};
use super::rows::{every_algorithm, rotation_good, tokens};

/// The routes, without the keys.
pub const ROUTES: &str = include_str!("drop_in.cfg");

const CASES: &[Case] = &[
    Case {
        name: "good tokens",
        scenario: "good_token",
        service: "plain",
        rows: every_algorithm,
    },
    Case {
        name: "rotation",
        scenario: "good_token",
        service: "plain",
        rows: rotation_good,
    },
    Case {
        name: "what must not get in",
        scenario: "not_admitted",
        service: "plain",
        rows: |w| {
            let pem = Key::Secret(w.rsa.verifier().into_bytes());
            let mut rows = tokens(
                &w.secret,
                &[
                    r#"{"tag":"nobody"}"#.to_string(),
                    r#"{"tag":"hmac","exp":1}"#.to_string(),
                    r#"{"tag":"' OR '1'='1"}"#.to_string(),
                    "{}".to_string(),
                ],
            );
            rows.push(vec![token(&w.other_secret, "HS256", r#"{"tag":"hmac"}"#)]);
            rows.push(vec![token(&pem, "HS256", r#"{"tag":"rsa"}"#)]);
            rows.push(vec!["garbage".to_string()]);
            rows
        },
    },
    Case {
        name: "key in the script, PEM",
        scenario: "key_in_script",
        service: "script-pem",
        rows: |w| {
            [
                with_key(&w.rsa, "RS256", "1"),
                with_key(&w.rsa, "PS256", "1"),
                with_key(&w.other_rsa, "RS256", "-1"),
                with_key(&w.secret, "HS256", "-1"),
                with_key(&Key::Secret(w.rsa.verifier().into_bytes()), "HS256", "-1"),
                with_key(&w.p256, "ES256", "-1"),
                no_token("garbage"),
            ]
            .concat()
        },
    },
    Case {
        name: "key in the script, secret",
        scenario: "key_in_script",
        service: "script-secret",
        rows: |w| {
            [
                with_key(&w.secret, "HS256", "1"),
                with_key(&w.secret, "HS512", "1"),
                with_key(&w.other_secret, "HS256", "-1"),
                with_key(&w.rsa, "RS256", "-1"),
                no_token("a.b.c"),
            ]
            .concat()
        },
    },
    Case {
        name: "key in the script, out of a certificate",
        scenario: "key_in_script",
        service: "script-certificate",
        rows: |w| {
            [
                with_key(&w.rsa, "RS256", "1"),
                with_key(&w.other_rsa, "RS256", "-1"),
            ]
            .concat()
        },
    },
];

/// A row of key_in_script.
pub fn with_key(key: &Key, alg: &str, code: &str) -> Vec<Vec<String>> {
    let payload = r#"{"sub":"somebody"}"#;
    // Decoded without a key: the C module reports alg none for it, whatever the header says.
    let decoded = format!(r#"{{"alg":"none","typ":"JWT"}}.{payload}"#);
    vec![vec![token(key, alg, payload), code.to_string(), decoded]]
}

fn no_token(text: &str) -> Vec<Vec<String>> {
    vec![vec![
        text.to_string(),
        "-2".to_string(),
        "<null>".to_string(),
    ]]
}

/// The routes with the keys in them.
pub fn routes(text: &str, world: &World) -> String {
    text.replace("@RSA@", &quoted(&world.rsa.verifier()))
        .replace("@SECRET@", &quoted(&world.secret.verifier()))
        .replace("@CERTIFICATE@", &quoted(&world.certificate))
}

/// Line ends as written in a script's string.
fn quoted(text: &str) -> String {
    text.replace('\n', "\\n")
}

/// A script for auth_jwt, loaded from `module`.
pub fn script(routes: &str, module: &Path, core: &Core, database: &Database) -> Script {
    let script = Script::new(module, routes).database(database).set(
        "load_credentials",
        "$avp(priority)=priority;note;$avp(home)=realm",
    );
    // Existing scripts load the driver for MySQL, which must not interfere.
    match database.backend.opensips_module() {
        file if database.backend.needed_module().is_none() && core.module(file).is_some() => {
            script.load(file)
        }
        _ => script,
    }
}

/// Every case on one core with one database.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    let group = Group::made_by(setting, place, |setting, place| {
        let database = setting.database(place.backend)?;
        let module = setting.module_named("auth_jwt.so")?;
        let routes = routes(ROUTES, setting.world());
        let script = script(&routes, &module, &place.core, &database);
        Ok((database, script))
    });
    trials_of(&group, &format!("{place}, as auth_jwt.so"), CASES)
}
