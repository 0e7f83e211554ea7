//! Parameters of the database: those of auth_jwt, `db_driver` and `db_timeout`.

use std::{num::NonZeroUsize, time::Duration};

use zeroize::Zeroizing;

use super::avp_list::{self, AvpSource};
use super::raw::{ConfigError, IDENTIFIER, Raw, is_identifier};
use crate::store::{cache::CacheConfig, mysql::MySql, profiles::ProfileTables, url};

/// Milliseconds that a request waits for the database at most, if `db_timeout` is unset.
const DEFAULT_TIMEOUT_MS: i64 = 2000;

/// How the database is reached.
#[derive(Clone, Debug)]
pub enum Driver {
    /// The native driver.
    Native(MySql),
    /// The core's DB API.
    Core,
}

/// The database of profiles.
#[derive(Clone)]
pub struct Database {
    /// `db_url`, as the script gives it.
    pub url: Zeroizing<String>,
    /// The URL's scheme, in lower case.
    pub scheme: String,
    /// The database's URL without the password, for messages.
    pub shown: String,
    /// How it is reached.
    pub driver: Driver,
    /// `db_timeout`.
    pub timeout: Duration,
    /// Names of tables and columns.
    pub tables: ProfileTables,
    /// Whether the script names the tables itself, so that they must exist.
    pub tables_named: bool,
    /// How profiles are cached.
    pub cache: CacheConfig,
    /// How many answers all processes share (`shared_cache_size`); 0 for none.
    pub shared: usize,
    /// Whether all profiles are cached (`cache_mode` "preload").
    pub preload: bool,
    /// `load_credentials`, parallel to [`ProfileTables::columns`].
    pub profile_avps: Vec<AvpSource>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("url", &self.shown)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Reads the parameters; `None` without a `db_url`, as with auth_jwt's db_mode 0. The other
    /// parameters are checked regardless.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong.
    pub fn new(raw: &Raw) -> Result<Option<Self>, ConfigError> {
        // auth_jwt connects if, and only if, db_url is set, whatever db_mode says.
        raw.flag("db_mode", false)?;
        let profile_avps = profile_avps(raw)?;
        let columns = profile_avps.iter().map(|avp| avp.source.clone()).collect();
        let tables = tables(raw, columns)?;
        let timeout = raw.int(
            "db_timeout",
            DEFAULT_TIMEOUT_MS,
            10..=60_000,
            "milliseconds",
        )?;
        let timeout = Duration::from_millis(timeout.unsigned_abs());
        let driver = driver_name(raw)?;
        let cache = cache(raw)?;
        let shared = shared_cache_size(raw)?;
        raw.note("cache_mode", || "demand".to_owned());
        let preload = match raw.text("cache_mode")? {
            None | Some("demand") => false,
            Some("preload") => true,
            Some(_) => return Err(raw.error("cache_mode", "\"demand\" or \"preload\"")),
        };
        if preload && cache.ttl.is_zero() {
            return Err(ConfigError::Other {
                name: "cache_mode".into(),
                cause: "\"preload\" is not allowed with cache_ttl 0".into(),
            });
        }
        let Some(text) = raw.text("db_url")? else {
            return Ok(None);
        };
        let secret = |cause: String| ConfigError::Secret {
            name: "db_url".to_owned(),
            cause,
        };
        let scheme = url::scheme(text)
            .ok_or_else(|| secret("has no scheme; allowed is e.g. mysql://user:password@host/database, sqlite:///path or text:///directory".into()))?;
        let native = match (driver, scheme.as_str()) {
            ("opensips", _) => false,
            ("native", "mysql") | ("auto", "mysql") => true,
            ("native", other) => {
                return Err(ConfigError::Other {
                    name: "db_driver".into(),
                    cause: format!(
                        "\"native\" is not allowed with a db_url of scheme {other}, only with mysql"
                    ),
                });
            }
            _ => false,
        };
        let (driver, shown) = if native {
            let parsed = url::DbUrl::parse(text).map_err(|e| {
                secret(format!(
                    "{e}; allowed is mysql://user:password@host[:port]/database[?ssl-mode=...]"
                ))
            })?;
            let native = MySql::new(&parsed, timeout).map_err(|e| secret(e.to_string()))?;
            (Driver::Native(native), format!("mysql://{parsed}"))
        } else {
            let shown = url::DbUrl::parse(text)
                .map(|u| u.to_string())
                .unwrap_or_default();
            (Driver::Core, format!("{scheme}://{shown}"))
        };
        Ok(Some(Database {
            url: Zeroizing::new(text.to_owned()),
            scheme,
            shown,
            driver,
            timeout,
            tables,
            tables_named: raw.has("profiles_table") || raw.has("secrets_table"),
            cache,
            shared,
            preload,
            profile_avps,
        }))
    }
}

/// How what is read is cached: `cache_ttl`, `cache_grace`, `cache_size`.
///
/// # Errors
/// Fails with the first one that is wrong.
pub fn cache(raw: &Raw) -> Result<CacheConfig, ConfigError> {
    let seconds = |name, default, max| {
        raw.int(name, default, 0..=max, "seconds")
            .map(|s| Duration::from_secs(s.unsigned_abs()))
    };
    let size = raw.int("cache_size", 10_000, 1..=10_000_000, "profiles")?;
    Ok(CacheConfig {
        ttl: seconds("cache_ttl", 30, 86_400)?,
        grace: seconds("cache_grace", 600, 604_800)?,
        size: usize::try_from(size)
            .ok()
            .and_then(NonZeroUsize::new)
            .unwrap_or(NonZeroUsize::MIN),
    })
}

/// How many answers are shared: `shared_cache_size`.
///
/// # Errors
/// Fails if it is wrong.
pub fn shared_cache_size(raw: &Raw) -> Result<usize, ConfigError> {
    let size = raw.int("shared_cache_size", 20_000, 0..=1_000_000, "answers")?;
    Ok(usize::try_from(size).unwrap_or(0))
}

fn driver_name(raw: &Raw) -> Result<&str, ConfigError> {
    raw.note("db_driver", || "auto".to_owned());
    match raw.text("db_driver")? {
        None => Ok("auto"),
        Some(name) if ["auto", "native", "opensips"].contains(&name) => Ok(name),
        Some(_) => Err(raw.error("db_driver", "\"auto\", \"native\" or \"opensips\"")),
    }
}

fn profile_avps(raw: &Raw) -> Result<Vec<AvpSource>, ConfigError> {
    const NAME: &str = "load_credentials";
    let Some(list) = raw.text(NAME)? else {
        return Ok(Vec::new());
    };
    let parsed = avp_list::parse(list).ok_or_else(|| raw.error(NAME, avp_list::SYNTAX))?;
    // Two more columns are asked for, and the shim takes 64.
    if parsed.len() > 60 {
        return Err(raw.error(NAME, "a list of at most 60 columns"));
    }
    match parsed.iter().find(|c| !is_identifier(&c.source)) {
        Some(_) => Err(raw.error(NAME, format!("for a column {IDENTIFIER}"))),
        None => Ok(parsed),
    }
}

fn tables(raw: &Raw, columns: Vec<String>) -> Result<ProfileTables, ConfigError> {
    // The published examples of auth_jwt use start_ts and end_ts, its code start_ts_column and
    // end_ts_column.
    let either = |name: &str, short: &str| {
        let name = if raw.has(name) { name } else { short };
        raw.identifier(name, short, false)
    };
    Ok(ProfileTables {
        profiles: raw.identifier("profiles_table", "jwt_profiles", true)?,
        secrets: raw.identifier("secrets_table", "jwt_secrets", true)?,
        tag: raw.identifier("tag_column", "tag", false)?,
        username: raw.identifier("username_column", "sip_username", false)?,
        columns,
        secret_tag: raw.identifier("secret_tag_column", "corresponding_tag", false)?,
        secret: raw.identifier("secret_column", "secret", false)?,
        start: either("start_ts_column", "start_ts")?,
        end: either("end_ts_column", "end_ts")?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn database(values: &[(&str, &str)]) -> Result<Option<Database>, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Database::new(&raw)
    }

    #[test]
    fn defaults_are_those_of_auth_jwt() {
        let database = database(&[("db_url", "mysql://u:p@h/d")]).unwrap().unwrap();
        let names = &database.tables;
        assert_eq!(names.profiles, "jwt_profiles");
        assert_eq!(names.secrets, "jwt_secrets");
        assert_eq!(
            (names.tag.as_str(), names.username.as_str()),
            ("tag", "sip_username")
        );
        assert_eq!(names.secret_tag, "corresponding_tag");
        assert_eq!(
            (names.start.as_str(), names.end.as_str()),
            ("start_ts", "end_ts")
        );
        assert!(matches!(database.driver, Driver::Native(_)));
        assert_eq!(database.shown, "mysql://u@h/d");
    }

    #[test]
    fn time_stamp_columns_go_by_both_names() {
        let short = database(&[
            ("db_url", "sqlite:///x"),
            ("start_ts", "a"),
            ("end_ts", "b"),
        ]);
        let long = database(&[
            ("db_url", "sqlite:///x"),
            ("start_ts_column", "a"),
            ("end_ts_column", "b"),
        ]);
        for d in [short.unwrap().unwrap(), long.unwrap().unwrap()] {
            assert_eq!((d.tables.start.as_str(), d.tables.end.as_str()), ("a", "b"));
            assert!(matches!(d.driver, Driver::Core));
        }
    }

    #[test]
    fn without_a_url_there_is_no_database_and_mistakes_still_count() {
        assert!(database(&[]).unwrap().is_none());
        assert!(database(&[("tag_column", "a;b")]).is_err());
        assert!(database(&[("db_mode", "7")]).is_err());
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_shown() {
        for url in [
            "opensips",
            "mysql://u:hunter2@h",
            "mysql://u:hunter2@h/d?tls_domain=x",
        ] {
            let message = database(&[("db_url", url)]).unwrap_err().to_string();
            assert!(
                message.contains("db_url") && !message.contains("hunter2"),
                "{message}"
            );
        }
    }

    #[test]
    fn drivers() {
        let url = ("db_url", "postgres://u:p@h/d");
        assert!(database(&[url, ("db_driver", "native")]).is_err());
        assert!(database(&[url, ("db_driver", "odbc")]).is_err());
        let forced = database(&[("db_url", "mysql://u:p@h/d"), ("db_driver", "opensips")]);
        assert!(matches!(forced.unwrap().unwrap().driver, Driver::Core));
    }

    #[test]
    fn credentials_name_columns() {
        let d = database(&[
            ("db_url", "sqlite:///x"),
            ("load_credentials", "$avp(e)=extra;level"),
        ]);
        assert_eq!(d.unwrap().unwrap().tables.columns, ["extra", "level"]);
        for bad in ["$avp(e)=a b", "$avp(e", "a;;b"] {
            let message = database(&[("load_credentials", bad)])
                .unwrap_err()
                .to_string();
            assert!(
                message.contains("load_credentials") && message.contains(bad),
                "{message}"
            );
        }
    }
}
