//! Parameters of jambonz's carriers.

use std::time::Duration;

use super::cache::{Cache, Driver};
use super::cluster;
use super::database::{self, Database};
use super::raw::{ConfigError, Raw};
use crate::sip::HostPortBuf;
use crate::store::carriers::CarrierTables;
use crate::trunks::{Addresses, PingSettings, Settings, Site};

const TABLE: &str = "carriers_table";

/// What the parameters say of carriers.
#[derive(Clone, Debug)]
pub struct Trunks {
    /// jambonz's tables.
    pub tables: CarrierTables,
    /// How registrations are made.
    pub registrations: Settings,
    /// What is in their requests.
    pub site: Site,
    /// How often the tables are read, and it is looked who of several makes them (`trunk_interval`).
    pub interval: Duration,
    /// How gateways are asked whether they are there; `None` with `ping_interval` 0.
    pub pings: Option<PingSettings>,
    /// The name of the cluster in Redis (`cluster_id`).
    pub cluster: String,
}

impl Trunks {
    /// What they say, if carriers are to be registered at: with `carriers_table`.
    pub fn wanted(&self) -> Option<&Self> {
        (!self.tables.carriers.is_empty()).then_some(self)
    }

    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw, database: Option<&Database>, cache: &Cache) -> Result<Self, ConfigError> {
        let table = |name, default| raw.identifier(name, default, true);
        let seconds = |name, default, most| {
            let number = raw.int(name, default, 1..=most, "seconds")?;
            Ok::<_, ConfigError>(Duration::from_secs(number.unsigned_abs()))
        };
        let number = |name, default, most, unit| {
            let number = raw.int(name, default, 1..=most, unit)?;
            Ok::<_, ConfigError>(u32::try_from(number).unwrap_or(u32::MAX))
        };
        let tables = CarrierTables {
            carriers: match raw.text(TABLE)? {
                None => String::new(),
                Some(_) => table(TABLE, "")?,
            },
            gateways: table("gateways_table", "sip_gateways")?,
            accounts: table("accounts_table", "accounts")?,
            system: table("system_table", "system_information")?,
        };
        let ping_interval = raw.int("ping_interval", 60, 0..=86_400, "seconds, 0 = none")?;
        // Timer F of RFC 3261 section 17.1.2.2.
        let timeout = seconds("trunk_timeout", 32, 300)?;
        let pings = PingSettings {
            timeout,
            interval: Duration::from_secs(ping_interval.unsigned_abs()),
            ttl: number("ping_ttl", 300, 86_400, "seconds")?,
            remove_codes: codes(raw, "ping_remove_codes")?,
        };
        let trunks = Trunks {
            tables,
            registrations: Settings {
                expires: number("trunk_expires", 3600, 604_800, "seconds")?,
                min_expires: number("trunk_min_expires", 30, 86_400, "seconds")?,
                retry: seconds("trunk_retry", 300, 86_400)?,
                timeout,
                remove_codes: codes(raw, "trunk_remove_codes")?,
                remove_after: number("trunk_remove_after", 3, 1000, "answers")?,
            },
            site: Site {
                addresses: addresses(raw)?,
                by_address: raw.flag("trunk_contact_by_address", false)?,
                domain: domain(raw)?,
            },
            interval: seconds("trunk_interval", 60, 3600)?,
            pings: (ping_interval > 0).then_some(pings),
            cluster: cluster::id(raw)?,
        };
        if trunks.tables.carriers.is_empty() {
            return Ok(trunks);
        }
        let needs = |what: &str| ConfigError::Other {
            name: TABLE.to_owned(),
            cause: format!("is set, which needs {what}"),
        };
        match database.map(|database| &database.driver) {
            Some(database::Driver::Native(_)) => {}
            _ => {
                return Err(needs(
                    "a db_url with mysql://, and not db_driver \"opensips\": the tables are written to",
                ));
            }
        }
        if !matches!(cache.driver, Driver::Native(_)) {
            return Err(needs(
                "a cachedb_url with redis:// or its kin, and not cachedb_driver \"opensips\"",
            ));
        }
        if trunks.site.by_address && trunks.site.addresses == Addresses::default() {
            return Err(ConfigError::Other {
                name: "trunk_contact_by_address".to_owned(),
                cause: "is 1 without trunk_contact_address".to_owned(),
            });
        }
        Ok(trunks)
    }
}

fn codes(raw: &Raw, name: &str) -> Result<Vec<u16>, ConfigError> {
    let values = match raw.text(name) {
        // One number may be given as such.
        Err(_) => vec![raw.int(name, 0, 300..=699, "")?.to_string()],
        Ok(None) => Vec::new(),
        Ok(Some(_)) => raw.values(name)?,
    };
    let code = |text: &String| {
        let code = text.parse().ok().filter(|code| (300..=699).contains(code));
        code.ok_or_else(|| {
            raw.error(
                name,
                "codes of answers from 300 to 699, separated by commas",
            )
        })
    };
    values.iter().map(code).collect()
}

fn domain(raw: &Raw) -> Result<Option<String>, ConfigError> {
    const NAME: &str = "trunk_domain";
    let Some(text) = raw.text(NAME)? else {
        return Ok(None);
    };
    match HostPortBuf::parse(text) {
        Some(domain) => Ok(Some(domain.to_string())),
        None => Err(raw.error(NAME, "host or host:port")),
    }
}

fn addresses(raw: &Raw) -> Result<Addresses, ConfigError> {
    const NAME: &str = "trunk_contact_address";
    let wrong = || {
        let allowed = "host or host:port, or one for each transport, as udp:host:port tcp:host:port tls:host:port";
        raw.error(NAME, allowed)
    };
    let mut addresses = Addresses::default();
    if raw.text(NAME)?.is_none() {
        return Ok(addresses);
    }
    for value in raw.values(NAME)? {
        let (place, text) = match value.split_once(':') {
            Some(("udp", rest)) => (&mut addresses.udp, rest),
            Some(("tcp", rest)) => (&mut addresses.tcp, rest),
            Some(("tls", rest)) => (&mut addresses.tls, rest),
            _ => (&mut addresses.any, &value[..]),
        };
        let address = HostPortBuf::parse(text).ok_or_else(wrong)?;
        if place.replace(address).is_some() {
            return Err(wrong());
        }
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn trunks(values: &[(&str, &str)]) -> Result<Trunks, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        let database = Database::new(&raw)?;
        Trunks::new(&raw, database.as_ref(), &Cache::new(&raw)?)
    }

    const NEEDED: [(&str, &str); 3] = [
        (TABLE, "jambones.voip_carriers"),
        ("db_url", "mysql://u:p@h/d"),
        ("cachedb_url", "redis://h/"),
    ];

    fn with(more: &[(&'static str, &'static str)]) -> Result<Trunks, ConfigError> {
        trunks(&[&NEEDED, more].concat())
    }

    #[test]
    fn without_a_table_there_is_nothing() {
        assert!(trunks(&[]).unwrap().wanted().is_none());
        assert!(trunks(&NEEDED[1..]).unwrap().wanted().is_none());
        let all = with(&[]).unwrap();
        assert_eq!(all.tables.gateways, "sip_gateways");
        assert_eq!(all.registrations.remove_after, 3);
        assert_eq!(all.pings.unwrap().ttl, 300);
        assert!(with(&[("ping_interval", "0")]).unwrap().pings.is_none());
        assert!(trunks(&NEEDED[..2]).is_err());
        assert!(trunks(&[NEEDED[0], NEEDED[2]]).is_err());
        assert!(with(&[("db_driver", "opensips")]).is_err());
        assert!(with(&[("cachedb_driver", "opensips")]).is_err());
    }

    #[test]
    fn addresses_and_codes_are_lists() {
        let all = with(&[
            ("trunk_contact_address", "192.0.2.1, tls:192.0.2.2:5061"),
            ("trunk_remove_codes", "403, 404"),
        ]);
        let all = all.unwrap();
        assert_eq!(all.registrations.remove_codes, [403, 404]);
        assert_eq!(all.site.addresses.any, HostPortBuf::parse("192.0.2.1"));
        assert_eq!(all.site.addresses.tls, HostPortBuf::parse("192.0.2.2:5061"));
        for (name, value) in [
            ("trunk_contact_address", "udp:"),
            ("trunk_contact_address", "a b"),
            ("trunk_contact_address", "a>"),
            ("trunk_contact_by_address", "1"),
            ("trunk_domain", "a b"),
            ("trunk_remove_codes", "200"),
            ("ping_remove_codes", "x"),
            ("trunk_interval", "0"),
            ("gateways_table", "a;b"),
        ] {
            let message = with(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
    }
}
