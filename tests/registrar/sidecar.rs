//! The environment and the scenarios of jambonz's sbc-sip-sidecar: the same settings under its own names, jambonz's
//! own database, and the same exchanges as of its tests.

use harness::endpoint::Endpoint;
use harness::registrar::Site;
use harness::root;
use harness::secrecy;
use serde_json::json;

use super::device::{Device, Request, Transport, expect, number, refused};
use super::group::{Group, Scenario};
use super::jambonz::{CLIENTS, TABLES};

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[("sidecar's environment and scenarios", scenarios)];

/// Who registers in sidecar's own tests.
const USERS: &str = "jambonz.org:john:1234\njambonz.org:jane:5678\n";

/// The secret of that jambonz: short, and with characters that have a meaning in quotes.
const SECRET: &str = "k\"\\";

/// `cl13nt`, encrypted with it as jambonz does it.
const PASSWORD: &str =
    r#"{"iv":"000102030405060708090a0b0c0d0e0f","content":"afd9f835987b4ad8dbef327a846f0762"}"#;

/// Makes a database as jambonz has it, with what OpenSIPS needs in it as well: its name.
fn database(group: &Group, site: &Site, url: &str) -> Result<String, String> {
    let (_, schema) = site.database.url.rsplit_once('/').ok_or("no database")?;
    let name = format!("{schema}_jambonz");
    let shipped = root().join("opensips-cfg/schema/mysql");
    let of_core = |file: &str| {
        let path = group.core.sql_file("mysql", file);
        path.ok_or_else(|| format!("this OpenSIPS has no {file}"))
    };
    let files = [
        shipped.join("jambonz-view.sql"),
        shipped.join("jambonz-registrar-view.sql"),
        shipped.join("jambonz-clients-view.sql"),
        of_core("registrant-create.sql")?,
        of_core("dialog-create.sql")?,
        // Again at any time.
        shipped.join("jambonz-view.sql"),
    ];
    let mut statements = TABLES.replace("URL", url) + &CLIENTS.replace("PASSWORD", PASSWORD);
    statements += "
        CREATE TABLE IF NOT EXISTS jambones.sbc_addresses (
            sbc_address_sid CHAR(36) NOT NULL PRIMARY KEY,
            ipv4 VARCHAR(255) NOT NULL,
            port INTEGER NOT NULL DEFAULT 5060,
            tls_port INTEGER,
            wss_port INTEGER,
            last_updated DATETIME,
            service_provider_sid CHAR(36)
        );
        REPLACE INTO jambones.accounts VALUES
            ('a7', 'sidecar', 'jambonz.org', 'w1', 1, 'secret', 5),
            ('a8', 'off', 'deactivated.jambonz.org', 'w1', 0, 'secret', 5);
        USE jambones;";
    for file in files {
        let text = std::fs::read_to_string(&file);
        statements += &text.map_err(|e| format!("{}: {e}", file.display()))?;
    }
    let statements = statements
        .replace("jambones.", &format!("{name}."))
        .replace("EXISTS jambones;", &format!("EXISTS {name};"))
        .replace("USE jambones;", &format!("USE {name};"));
    let (user, _) = login(site)?;
    site.database.sql(&format!(
        "{statements}\nGRANT ALL ON {name}.* TO '{user}'@'127.0.0.1';"
    ))?;
    Ok(name)
}

/// The user of the database, and the password.
fn login(site: &Site) -> Result<(String, String), String> {
    let url = site.database.url.strip_prefix("mysql://");
    let login = url.and_then(|url| url.rsplit_once('@'));
    let pair = login.and_then(|(login, _)| login.split_once(':'));
    let (user, password) = pair.ok_or("no login")?;
    Ok((user.to_string(), password.to_string()))
}

/// Sidecar's own settings, and none of ours that these stand for.
fn environment(site: &Site, database: &str) -> Result<Vec<(&'static str, String)>, String> {
    let (user, password) = login(site)?;
    let (_, place) = site.database.url.rsplit_once('@').ok_or("no host")?;
    let place = place.split('/').next().unwrap_or_default();
    let (host, port) = place.rsplit_once(':').ok_or("no port")?;
    let ours = [
        "DB_URL",
        "REDIS_PORT",
        "REGISTRAR_SECRET",
        "LOG_LEVEL",
        "NAT_DEVICES",
    ];
    let theirs = [
        // Carriers have trials of their own.
        ("CARRIERS_TABLE", ""),
        ("JAMBONES_MYSQL_HOST", host),
        ("JAMBONES_MYSQL_PORT", port),
        ("JAMBONES_MYSQL_USER", &user),
        ("JAMBONES_MYSQL_PASSWORD", &password),
        ("JAMBONES_MYSQL_DATABASE", database),
        ("JAMBONES_REDIS_HOST", "127.0.0.1"),
        ("JAMBONES_REDIS_PORT", &site.redis.port.to_string()),
        ("JWT_SECRET", SECRET),
        ("JAMBONES_HOSTING", "1"),
        ("JAMBONES_LOGLEVEL", "info"),
        ("JAMBONES_NETWORK_CIDR", "127.0.0.0/8"),
        ("DRACHTIO_HOST", "127.0.0.1"),
        ("DRACHTIO_PORT", "9022"),
        ("DRACHTIO_SECRET", "cymru"),
        ("NODE_ENV", "test"),
    ]
    .map(|(name, value)| (name, value.to_string()));
    Ok(ours
        .map(|name| (name, String::new()))
        .into_iter()
        .chain(theirs)
        .collect())
}

/// A REGISTER as SIPp sends it there: a display name, Expires in a header, a contact without parameters.
fn register(device: &Device, seconds: u32) -> Request {
    let Device { user, realm, .. } = device;
    Request {
        from: format!("\"sipp\" <sip:{user}@{realm}>;tag={}", number()),
        to: format!("\"sipp\" <sip:{user}@{realm}>"),
        ..Request::register()
            .contact(format!("<sip:sipp@{}>", device.local))
            .with(format!("Expires: {seconds}"))
    }
}

fn scenarios(group: &Group) -> Result<(), String> {
    group.stop();
    let endpoint = Endpoint::start(&group.setting.folder(), USERS, &[])?;
    let mut site = group.setting.site(&group.core, group.backend)?;
    let database = database(group, &site, &endpoint.url())?;
    site.settings = environment(&site, &database)?;
    let mut instance = site.start(&group.core)?;
    let device = |user: &str| Device::new(&site, user, "jambonz.org");
    // An account that is not active, before anybody is asked.
    let mut off = Device::new(&site, "john", "deactivated.jambonz.org")?;
    let request = register(&off, 3600);
    refused(off.ask(&request)?, 403, "Account has been deactivated")?;
    // An address of IPv4 in the Request-URI.
    let mut address = Device::new(&site, "john", "fail.com")?;
    let request = Request {
        uri: "sip:192.169.1.1".to_string(),
        ..register(&address, 3600)
    };
    expect(address.ask(&request)?, 403)?;
    // A wrong password.
    let mut wrong = device("jane")?;
    let request = register(&wrong, 3600);
    expect(wrong.ask(&request)?, 401)?;
    expect(wrong.authorize(&request, "8765")?, 403)?;
    // The right one; over UDP for half a minute, and in Redis for what was asked for.
    let mut john = device("john")?;
    let request = register(&john, 3600);
    expect(john.ask(&request)?, 401)?;
    short(expect(john.authorize(&request, "1234")?, 200)?, 30)?;
    let (members, left, _) = site.redis.user("john@jambonz.org")?.ok_or("not in Redis")?;
    let place = format!("127.0.0.1:{}", site.udp);
    for (name, value) in [
        ("contact", format!("sip:sipp@{}", john.local)),
        ("proxy", format!("sip:{}", john.local)),
        ("protocol", "udp".to_string()),
        ("sbcAddress", place.clone()),
        ("privateSbcAddress", place),
    ] {
        if members[name] != json!(value) {
            return Err(format!("{name} is not {value}: {members}"));
        }
    }
    if !(3500..=3600).contains(&left) {
        return Err(format!("it lasts {left} seconds"));
    }
    // Again from there, in another call: without a password.
    john.new_call();
    short(expect(john.ask(&register(&john, 3600))?, 200)?, 30)?;
    // Over a connection it has the whole time.
    let mut connected = Device::over(Transport::Tcp, &site, "john", "jambonz.org")?;
    let request = register(&connected, 3600);
    short(expect(connected.authorize(&request, "1234")?, 200)?, 3600)?;
    // For less time than a cached registration may have left: asked for the password each time.
    let mut jane = device("jane")?;
    for _ in 0..2 {
        jane.new_call();
        let request = register(&jane, 20);
        expect(jane.ask(&request)?, 401)?;
        short(expect(jane.authorize(&request, "5678")?, 200)?, 20)?;
    }
    // Two @ in From and To.
    let request = Request {
        from: "\"sipp\" <sip:jane@jambonz.org@jambonz.org>;tag=1".to_string(),
        to: "\"sipp\" <sip:jane@jambonz.org@jambonz.org>".to_string(),
        ..register(&jane, 3600)
    };
    jane.new_call();
    expect(jane.ask(&request)?, 403)?;
    // Signing off.
    let request = register(&jane, 0);
    jane.new_call();
    expect(jane.ask(&request)?, 401)?;
    expect(jane.authorize(&request, "5678")?, 200)?;
    if !site.redis.is_empty_of("jane@jambonz.org")? {
        return Err("jane has signed off, and is in Redis".to_string());
    }
    // The limit, and a client.
    let mut client = Device::new(&site, "john", "token.example")?;
    let request = register(&client, 3600);
    expect(client.authorize(&request, "cl13nt")?, 200)?;
    limited(&site, 503)?;
    secrecy::check(&instance.log(), ["cl13nt", "cymru"])?;
    instance.check_workers()?;
    drop(instance);
    // Elsewhere than on jambonz's hosted platform there are no limits.
    site.settings.push(("JAMBONES_HOSTING", String::new()));
    let _instance = site.start(&group.core)?;
    limited(&site, 401)
}

/// The second device of an account that may have one.
fn limited(site: &Site, status: u16) -> Result<(), String> {
    site.redis
        .cli(&["SET", "user:one@limited.example", "{}", "EX", "600"])?;
    let wait = std::time::Duration::from_secs(20);
    let counted = harness::server::wait_for(wait, || {
        let score = [
            "ZSCORE",
            "active-user:limited.example",
            "user:one@limited.example",
        ];
        site.redis
            .cli(&score)
            .ok()
            .filter(|score| !score.is_empty())
    });
    counted.ok_or("nobody counts what sidecar has registered")?;
    let mut two = Device::new(site, "two", "limited.example")?;
    let request = register(&two, 3600);
    expect(two.ask(&request)?, status).map(drop)
}

/// For how long the device is told that it is registered, in both places.
fn short(answer: harness::answer::Answer, seconds: u64) -> Result<(), String> {
    let contact = answer.header("Contact").unwrap_or_default();
    let told = contact.split_once(";expires=").map(|(_, told)| told);
    let is = |told: Option<&str>| {
        let told = told.and_then(|told| told.parse::<u64>().ok());
        told.is_some_and(|told| told <= seconds && told + 20 > seconds)
    };
    match is(told) && is(answer.header("Expires")) {
        true => Ok(()),
        false => Err(format!("not {seconds} seconds: {answer:?}")),
    }
}
