//! The module's configuration: modparams are collected ([`raw`]) and, in `mod_init`, turned once
//! into one validated, immutable [`Config`].

pub(crate) mod addresses;
pub(crate) mod avp_list;
pub(crate) mod cache;
mod checkins;
mod cluster;
pub(crate) mod database;
pub(crate) mod digest;
pub(crate) mod http;
pub(crate) mod introspection;
pub(crate) mod issuers;
pub(crate) mod outbound;
pub(crate) mod outgoing;
pub mod raw;
pub(crate) mod realms;
pub(crate) mod registrations;
pub(crate) mod series;
pub(crate) mod tokens;
pub(crate) mod told;
pub(crate) mod trunks;

pub use raw::{ConfigError, Raw};

use raw::RawValue;

/// Everything that modparams set.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database of profiles, `None` without `db_url`.
    pub database: Option<database::Database>,
    /// The requirements on tokens.
    pub tokens: tokens::Tokens,
    /// The CacheDB.
    pub cache: cache::Cache,
    /// The webhooks.
    pub http: http::Http,
    /// The passwords that are known here.
    pub digest: digest::DigestSettings,
    /// The table of realms.
    pub realms: realms::RealmSettings,
    /// The outbound credentials.
    pub outbound: outbound::Outbound,
    /// The registrations in Redis.
    pub registrations: registrations::Registrations,
    /// The own addresses of this server.
    pub addresses: addresses::Addresses,
    /// The servers that check in.
    pub checkins: checkins::Checkins,
    /// jambonz's carriers.
    pub trunks: trunks::Trunks,
    /// How much is logged and told.
    pub told: told::Told,
    /// The alerts and metrics for others.
    pub series: series::Series,
    /// Whether a caller whose From names nobody is the user whom the credentials name, in the
    /// domain of the Request-URI (`caller_by_credentials`).
    pub caller_by_credentials: bool,
    /// The AVP with the realm in which a caller is whom the credentials name (`caller_realm_avp`).
    pub caller_realm_avp: Option<String>,
}

impl Config {
    /// Validates what the script set.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong, its value and what is allowed.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let tokens = tokens::Tokens::new(raw)?;
        let cache = cache::Cache::new(raw)?;
        if tokens.revocations_cachedb && !matches!(cache.driver, cache::Driver::Native(_)) {
            return Err(ConfigError::Other {
                name: "revocations_cachedb".to_owned(),
                cause: "is 1, which needs a cachedb_url with redis:// or its kin, and not \
                        cachedb_driver \"opensips\""
                    .to_owned(),
            });
        }
        let database = database::Database::new(raw)?;
        let addresses = addresses::Addresses::new(raw)?;
        let is_written = database
            .as_ref()
            .is_some_and(|database| matches!(database.driver, database::Driver::Native(_)));
        if addresses.table.is_some() && !is_written {
            return Err(ConfigError::Other {
                name: "sbc_addresses_table".to_owned(),
                cause: "is set, which needs a db_url with mysql://, and not db_driver \"opensips\""
                    .to_owned(),
            });
        }
        let checkins = checkins::Checkins::new(raw)?;
        if !checkins.networks.is_empty() && !matches!(cache.driver, cache::Driver::Native(_)) {
            return Err(ConfigError::Other {
                name: "checkin_networks".to_owned(),
                cause: "is set, which needs a cachedb_url with redis:// or its kin, and not \
                        cachedb_driver \"opensips\""
                    .to_owned(),
            });
        }
        let registrations = registrations::Registrations::new(raw)?;
        let is_one = matches!(&cache.driver, cache::Driver::Native(redis) if !redis.is_cluster());
        if registrations.adopt_interval.is_some() && !is_one {
            return Err(ConfigError::Other {
                name: "registration_adopt_interval".to_owned(),
                cause: "is not 0, which needs a cachedb_url with redis:// or redis+sentinel://, or the same \
                        with TLS: no Redis Cluster, and not cachedb_driver \"opensips\""
                    .to_owned(),
            });
        }
        Ok(Config {
            trunks: trunks::Trunks::new(raw, database.as_ref(), &cache)?,
            database,
            tokens,
            cache,
            http: http::Http::new(raw)?,
            digest: digest::DigestSettings::new(raw)?,
            realms: realms::RealmSettings::new(raw)?,
            outbound: outbound::Outbound::new(raw)?,
            registrations,
            addresses,
            checkins,
            told: told::Told::new(raw)?,
            series: series::Series::new(raw)?,
            caller_by_credentials: raw.flag("caller_by_credentials", false)?,
            caller_realm_avp: avp_list::one(raw, "caller_realm_avp")?,
        })
    }
}

/// What is wrong with the value of a parameter, whatever others say. `names` are those of all parameters.
pub fn fault_of_value(name: &str, value: &RawValue, names: &[&str]) -> Option<ConfigError> {
    let mut raw = Raw::default();
    raw.push(name, value.clone());
    let error = Config::new(&raw).err()?;
    error.is_of_value(name, names).then_some(error)
}

/// The configuration as far as it can be read, and all that is wrong: a parameter that is wrong has its default
/// there. It is `None` if what is wrong can't be passed over.
pub fn all_faults(raw: &Raw) -> (Option<Config>, Vec<ConfigError>) {
    let asked = raw;
    let mut raw = raw.clone();
    let (mut wrong, mut faults) = (Vec::<String>::new(), Vec::new());
    loop {
        let error = match Config::new(&raw) {
            Ok(config) => {
                // Those that were asked for of the copy.
                asked.take_defaults(&raw);
                return (Some(config), faults);
            }
            Err(error) => error,
        };
        let name = error.name().filter(|name| raw.has(name));
        let name = name.map(str::to_owned);
        if !error.follows_from(&wrong) || name.is_none() {
            faults.push(error);
        }
        match name {
            Some(name) => {
                raw.remove(&name);
                wrong.push(name);
            }
            None => return (None, faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_needs_a_driver_that_writes() {
        let fault = |values: &[(&str, &str)]| {
            let mut raw = Raw::default();
            for (name, value) in values {
                raw.push(name, RawValue::Text((*value).to_owned()));
            }
            Config::new(&raw).err().map(|error| error.to_string())
        };
        let networks = ("checkin_networks", "10.0.0.0/8");
        let redis = ("cachedb_url", "redis://h/");
        let table = ("sbc_addresses_table", "sbc_addresses");
        let mysql = ("db_url", "mysql://u:p@h/d");
        assert_eq!(fault(&[networks, redis]), None);
        assert_eq!(fault(&[table, mysql]), None);
        for (values, name, needed) in [
            (&[networks][..], "checkin_networks", "cachedb_url"),
            (
                &[networks, ("cachedb_url", "local://")],
                "checkin_networks",
                "cachedb_url",
            ),
            (
                &[networks, redis, ("cachedb_driver", "opensips")],
                "checkin_networks",
                "cachedb_driver",
            ),
            (&[table], "sbc_addresses_table", "db_url"),
            (
                &[table, ("db_url", "sqlite:///x")],
                "sbc_addresses_table",
                "mysql://",
            ),
            (
                &[table, mysql, ("db_driver", "opensips")],
                "sbc_addresses_table",
                "db_driver",
            ),
        ] {
            let fault = fault(values).unwrap();
            assert!(fault.contains(name) && fault.contains(needed), "{fault}");
        }
    }
}
