//! The addresses of this server in jambonz's table, read back by mariadb.

use std::time::Duration;

use harness::registrar::Site;
use harness::server::wait_for;

use super::group::{Group, Scenario};

pub const OF_MYSQL: &[Scenario] = &[("own addresses are noted for jambonz", noted)];

/// Within this, what is done every second is done.
const PROMPT: Duration = Duration::from_secs(10);

/// jambonz's table, with its names and types; with one row that somebody else keeps, one that nobody does, and one
/// without a time.
const TABLE: &str = "
CREATE TABLE sbc_addresses (
    sbc_address_sid CHAR(36) PRIMARY KEY NOT NULL,
    ipv4 VARCHAR(255) NOT NULL,
    port INTEGER DEFAULT 5060 NOT NULL,
    tls_port INTEGER NULL,
    wss_port INTEGER NULL,
    service_provider_sid CHAR(36) NULL,
    last_updated DATETIME NULL
);
INSERT INTO sbc_addresses (sbc_address_sid, ipv4, port, last_updated) VALUES
    ('other', '198.51.100.1', 5060, NOW()),
    ('old', '198.51.100.2', 5060, NOW() - INTERVAL 1 DAY),
    ('never', '198.51.100.3', 5060, NULL);
";

fn rows(site: &Site) -> Result<Vec<String>, String> {
    let rows = site.database.sql(
        "SELECT CONCAT_WS(' ', ipv4, port, IFNULL(tls_port, '-'), IFNULL(wss_port, '-'), \
                          LENGTH(sbc_address_sid)) FROM sbc_addresses ORDER BY ipv4;",
    )?;
    Ok(rows
        .lines()
        .filter(|row| row.contains('.'))
        .map(str::to_owned)
        .collect())
}

fn will_be(site: &Site, expected: &[String]) -> Result<(), String> {
    let mut last = Err("not looked".to_string());
    wait_for(PROMPT, || {
        last = rows(site);
        (last.as_deref() == Ok(expected)).then_some(())
    });
    match last {
        Ok(rows) if rows == expected => Ok(()),
        other => Err(format!("{expected:?} expected, got {other:?}")),
    }
}

/// The seconds since the row of an address was written.
fn age(site: &Site, ipv4: &str) -> Result<String, String> {
    let age = site.database.sql(&format!(
        "SELECT CONCAT('age ', TIMESTAMPDIFF(SECOND, last_updated, NOW())) FROM sbc_addresses WHERE ipv4 = '{ipv4}';"
    ))?;
    let age = age.lines().find_map(|line| line.strip_prefix("age "));
    age.map(str::to_owned)
        .ok_or_else(|| format!("no row of {ipv4}"))
}

fn noted(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let settings = |address: &str| {
        vec![
            ("SBC_ADDRESSES_TABLE", "sbc_addresses".to_string()),
            ("SBC_ADDRESSES_INTERVAL", "1000".to_string()),
            ("ADVERTISED_ADDRESS", address.to_string()),
        ]
    };
    site.settings = settings("203.0.113.7");
    // Without the table it does not start, and says why.
    match site.start(&group.core) {
        Err(error) if error.contains("see sbc_addresses_table") => {}
        Err(error) => return Err(format!("it does not say what is missing: {error}")),
        Ok(_) => return Err("it starts without its table".to_string()),
    }
    site.database.sql(TABLE)?;
    let mut instance = site.start(&group.core)?;
    let port = |port: Option<u16>| port.map_or("-".to_string(), |port| port.to_string());
    let own = format!(
        "203.0.113.7 {} {} {} 36",
        site.udp,
        port(site.tls),
        port(site.wss)
    );
    let others = "198.51.100.1 5060 - - 5".to_string();
    will_be(&site, &[others.clone(), own.clone()])?;
    // It is kept alive in the same row, whatever somebody else has written there.
    site.database.sql(
        "UPDATE sbc_addresses SET port = 1, tls_port = NULL, last_updated = NOW() - INTERVAL 30 MINUTE;",
    )?;
    let kept = wait_for(PROMPT, || {
        (age(&site, "203.0.113.7").ok()?.len() == 1).then_some(())
    });
    kept.ok_or_else(|| format!("not kept alive: {:?}", age(&site, "203.0.113.7")))?;
    will_be(&site, &["198.51.100.1 1 - - 5".to_string(), own.clone()])?;
    // What others do not keep alive any more is taken out.
    site.database.sql(
        "UPDATE sbc_addresses SET last_updated = NOW() - INTERVAL 3700 SECOND WHERE sbc_address_sid = 'other';",
    )?;
    will_be(&site, std::slice::from_ref(&own))?;
    // A table that is gone for a while.
    let offset = instance.log_length();
    site.database.sql("RENAME TABLE sbc_addresses TO gone;")?;
    let is_said = || {
        instance
            .log_since(offset)
            .contains("could not be noted")
            .then_some(())
    };
    wait_for(PROMPT, is_said).ok_or("the log does not say that the table is gone")?;
    site.database
        .sql("RENAME TABLE gone TO sbc_addresses; DELETE FROM sbc_addresses;")?;
    will_be(&site, std::slice::from_ref(&own))?;
    instance.check_workers()?;
    drop(instance);
    // A private address is of no use to carriers.
    site.settings = settings("10.1.2.3");
    site.database.sql(
        "INSERT INTO sbc_addresses (sbc_address_sid, ipv4) VALUES ('never', '198.51.100.3');",
    )?;
    let mut instance = site.start(&group.core)?;
    will_be(&site, std::slice::from_ref(&own))?;
    instance.check_workers()
}
