//! jambonz's own tables, with views on them in place of ours.

use harness::registrar::Site;
use harness::root;
use harness::secrecy;

use super::device::{Device, Request, Transport, expect, refused};
use super::group::{Group, Scenario};
use super::hop::{Hop, headers};

pub const SCENARIOS: &[Scenario] = &[
    ("views over jambonz's tables", views),
    ("jambonz's clients", clients),
];

/// As much of jambonz's tables as the views read, with columns of the same names and types.
pub const TABLES: &str = "
CREATE DATABASE IF NOT EXISTS jambones;
CREATE TABLE IF NOT EXISTS jambones.webhooks (
    webhook_sid CHAR(36) NOT NULL PRIMARY KEY,
    url VARCHAR(1024) NOT NULL,
    method ENUM('GET','POST') NOT NULL DEFAULT 'POST',
    username VARCHAR(255),
    password VARCHAR(255)
);
CREATE TABLE IF NOT EXISTS jambones.accounts (
    account_sid CHAR(36) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    sip_realm VARCHAR(132) UNIQUE,
    registration_hook_sid CHAR(36),
    is_active BOOLEAN NOT NULL DEFAULT true,
    webhook_secret VARCHAR(36) NOT NULL,
    device_to_call_ratio INTEGER NOT NULL DEFAULT 5
);
CREATE TABLE IF NOT EXISTS jambones.account_limits (
    account_limits_sid CHAR(36) NOT NULL PRIMARY KEY,
    account_sid CHAR(36) NOT NULL,
    category ENUM('api_rate','voice_call_session','device') NOT NULL,
    quantity INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS jambones.account_subscriptions (
    account_subscription_sid CHAR(36) NOT NULL PRIMARY KEY,
    account_sid CHAR(36) NOT NULL,
    pending BOOLEAN NOT NULL DEFAULT false,
    effective_end_date DATETIME
);
CREATE TABLE IF NOT EXISTS jambones.products (
    product_sid CHAR(36) NOT NULL PRIMARY KEY,
    category ENUM('api_rate','voice_call_session','device') NOT NULL
);
CREATE TABLE IF NOT EXISTS jambones.account_products (
    account_product_sid CHAR(36) NOT NULL PRIMARY KEY,
    account_subscription_sid CHAR(36) NOT NULL,
    product_sid CHAR(36) NOT NULL,
    quantity INTEGER NOT NULL
);
REPLACE INTO jambones.webhooks VALUES ('w1', 'URL', 'POST', NULL, NULL);
REPLACE INTO jambones.accounts VALUES
    ('a1', 'booked', 'booked.example', 'w1', 1, 'secret', 2),
    ('a2', 'off', 'off.example', 'w1', 0, 'secret', 5),
    ('a3', 'none', 'token.example', NULL, 1, 'secret', 5),
    ('a4', 'free', 'a.example', 'w1', 1, 'secret', 5),
    ('a5', 'limited', 'limited.example', 'w1', 1, 'secret', 5),
    ('a6', 'no realm', NULL, 'w1', 1, 'secret', 5);
REPLACE INTO jambones.account_limits VALUES ('l1', 'a5', 'device', 1), ('l2', 'a4', 'api_rate', 1);
REPLACE INTO jambones.account_subscriptions VALUES
    ('s1', 'a1', 0, NULL), ('s2', 'a1', 1, NULL), ('s3', 'a1', 0, '2020-01-01');
REPLACE INTO jambones.products VALUES ('p1', 'voice_call_session'), ('p2', 'device'), ('p3', 'api_rate');
REPLACE INTO jambones.account_products VALUES
    ('b1', 's1', 'p1', 3), ('b2', 's1', 'p2', 4), ('b3', 's1', 'p3', 9), ('b4', 's2', 'p2', 50),
    ('b5', 's3', 'p2', 50);
";

/// jambonz's table of clients. The passwords are `cl13nt`, encrypted as jambonz does it.
pub const CLIENTS: &str = r#"
CREATE TABLE IF NOT EXISTS jambones.clients (
    client_sid CHAR(36) NOT NULL UNIQUE,
    account_sid CHAR(36) NOT NULL,
    is_active BOOLEAN NOT NULL DEFAULT 1,
    username VARCHAR(64),
    password VARCHAR(1024),
    allow_direct_app_calling BOOLEAN NOT NULL DEFAULT 1,
    allow_direct_queue_calling BOOLEAN NOT NULL DEFAULT 1,
    allow_direct_user_calling BOOLEAN NOT NULL DEFAULT 1,
    PRIMARY KEY (client_sid)
);
REPLACE INTO jambones.clients VALUES
    ('c1', 'a3', 1, 'john', 'PASSWORD', 1, 0, 1),
    ('c2', 'a3', 0, 'idle', 'PASSWORD', 1, 1, 1),
    ('c3', 'a3', 1, 'nothing', NULL, 1, 1, 1),
    ('c4', 'a4', 1, 'jane', 'PASSWORD', 1, 1, 1);
"#;

/// The secret of that jambonz, and the password with it.
const CLIENTS_SECRET: &str = "a secret of jambonz";
const PASSWORD: &str =
    r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":"6277d1088e36fa8c4196bfd55dbda260"}"#;

/// Puts jambonz's tables, and these views over them, in the place of ours.
pub fn install(group: &Group, site: &Site, tables: &str, views: &[&str]) -> Result<(), String> {
    let url = group.setting.endpoint()?.url();
    let read = |file: &&str| {
        let path = root().join("opensips-cfg/schema/mysql").join(file);
        std::fs::read_to_string(path).map_err(|e| format!("{file}: {e}"))
    };
    let views = views.iter().map(read).collect::<Result<String, _>>()?;
    let tables = TABLES.replace("URL", &url) + tables;
    site.database
        .sql(&format!(
            "DROP VIEW registrar_realms; DROP TABLE http_endpoints;\n{tables}\n{views}\n{views}"
        ))
        .map(drop)
}

/// Accounts without a webhook are admitted by the passwords of their clients.
fn clients(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let views = [
        "jambonz-view.sql",
        "jambonz-registrar-view.sql",
        "jambonz-clients-view.sql",
    ];
    let tables = CLIENTS.replace("PASSWORD", PASSWORD);
    install(group, &site, &tables, &views)?;
    site.settings = vec![
        ("CLIENTS_TABLE", "registrar_clients".to_string()),
        ("CLIENTS_SECRET", CLIENTS_SECRET.to_string()),
    ];
    let mut instance = site.start(&group.core)?;
    let mut john = Device::new(&site, "john", "token.example")?;
    let admitted = john.authorize(&Request::register(), "cl13nt")?;
    expect(admitted, 200)?;
    let entry = site.redis.user("john@token.example")?;
    let (members, ..) = entry.ok_or("john is not in Redis")?;
    for (name, is) in [("app", "true"), ("queue", "false"), ("user", "true")] {
        let name = format!("allow_direct_{name}_calling");
        let kept = members[name.as_str()].to_string();
        if kept.trim_matches('"') != is {
            return Err(format!("{name}: {is} expected, got {members:?}"));
        }
    }
    for (user, password) in [
        ("john", "secret"),
        ("idle", "cl13nt"),
        ("nothing", "cl13nt"),
        ("nobody", "cl13nt"),
        ("jane", "cl13nt"),
    ] {
        let mut device = Device::new(&site, user, "token.example")?;
        let answer = device.authorize(&Request::register(), password)?;
        refused(answer, 403, "Invalid credentials").map_err(|e| format!("{user}: {e}"))?;
    }
    // Whose account has a webhook is asked for by that.
    let mut jane = Device::new(&site, "john", "a.example")?;
    jane.register()?;
    // Who is no client, or no longer, does not get to know before giving a password, as from sidecar.
    for user in ["john", "idle", "nobody"] {
        for (request, status) in [(Request::register(), 401), (Request::invite(), 407)] {
            let mut device = Device::new(&site, user, "token.example")?;
            expect(device.ask(&request)?, status).map_err(|e| format!("{user}: {e}"))?;
        }
    }
    calls(&site)?;
    secrecy::check(&instance.log(), ["cl13nt", CLIENTS_SECRET])?;
    instance.check_workers()
}

/// Clients call with the same passwords. jambonz knows what the devices of an account call: there is no hook.
fn calls(site: &Site) -> Result<(), String> {
    let hop = Hop::new(site)?;
    for (user, password) in [("john", "secret"), ("idle", "cl13nt"), ("nobody", "cl13nt")] {
        let mut caller = Device::new(site, user, "token.example")?;
        let answer = caller.authorize(&Request::invite(), password)?;
        refused(answer, 403, "Invalid credentials").map_err(|e| format!("{user}: {e}"))?;
    }
    // An account with a webhook is that one's affair, whatever clients it has.
    let mut jane = Device::new(site, "jane", "a.example")?;
    let answer = jane.authorize(&Request::invite(), "cl13nt")?;
    refused(answer, 403, "unknown user")?;
    hop.silent()?;
    hop.patient()?;
    // From anywhere; and from where he is registered, which proves him, but not that he may call.
    let elsewhere = Device::new(site, "john", "token.example")?;
    let mut registered = Device::over(Transport::Tcp, site, "john", "token.example")?;
    let answer = registered.authorize(&Request::register(), "cl13nt")?;
    expect(answer, 200)?;
    registered.new_call();
    for mut caller in [elsewhere, registered] {
        let request = Request::invite().with("X-Call-Hook: https://evil.example/");
        let called = std::thread::scope(|scope| {
            let hop = scope.spawn(|| hop.answer("INVITE", "486 Busy Here"));
            expect(caller.authorize(&request, "cl13nt")?, 486)?;
            hop.join().map_err(|_| "a panic".to_string())?
        })?;
        let hooks = ["X-Call-Hook", "X-Call-Status-Hook", "Proxy-Authorization"];
        if headers(&called, "X-Registered-User") != ["john@token.example"]
            || hooks.iter().any(|name| !headers(&called, name).is_empty())
        {
            return Err(format!("the next hop gets\n{called}"));
        }
    }
    Ok(())
}

fn views(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let views = ["jambonz-view.sql", "jambonz-registrar-view.sql"];
    install(group, site, "", &views)?;
    let rows = site.database.sql(
        "SELECT CONCAT(realm, ' ', is_active, ' ', COALESCE(endpoint, '-'), ' ', \
                COALESCE(device_limit, '-')) FROM registrar_realms ORDER BY realm;",
    )?;
    for row in [
        "a.example 1 w1 -",
        // Three calls at a time with two devices each, and four devices.
        "booked.example 1 w1 10",
        "limited.example 1 w1 1",
        "off.example 0 w1 -",
        "token.example 1 - -",
    ] {
        if !rows.lines().any(|line| line == row) {
            return Err(format!("{row:?} is not in\n{rows}"));
        }
    }
    Device::new(site, "john", "a.example")?.register()?;
    let mut off = Device::new(site, "john", "off.example")?;
    refused(
        off.ask(&Request::register())?,
        403,
        "Account has been deactivated",
    )?;
    Device::new(site, "one", "limited.example")?.register()?;
    let mut two = Device::new(site, "two", "limited.example")?;
    expect(two.ask(&Request::register())?, 503)?;
    let answer = Device::new(site, "jane", "token.example")?.ask(&Request::register())?;
    match expect(answer, 401)?.header("WWW-Authenticate") {
        Some(challenge) if challenge.starts_with("Bearer") => Ok(()),
        other => Err(format!("challenged with {other:?}")),
    }
}
