//! Parameters of the CacheDB: `cachedb_url`, `cachedb_driver`, `cachedb_timeout`, `cachedb_required`.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::raw::{ConfigError, Raw};
use crate::redis::{RedisUrl, Settings};
use crate::store::url;

const URL: &str = "cachedb_url";

/// Milliseconds that Redis may take to answer one question, if `cachedb_timeout` is unset.
const DEFAULT_TIMEOUT_MS: i64 = 500;

/// How the CacheDB is reached.
#[derive(Clone, Debug)]
pub enum Driver {
    /// There is none.
    None,
    /// Redis, by the native driver.
    Native(Settings),
    /// An engine of OpenSIPS; its URL.
    Core(Arc<Zeroizing<String>>),
}

/// What the parameters of the CacheDB say.
#[derive(Clone, Debug)]
pub struct Cache {
    /// How it is reached.
    pub driver: Driver,
    /// The time in which Redis has to answer (`cachedb_timeout`).
    pub timeout: Duration,
    /// Whether a request is refused if it can't be asked (`cachedb_required`).
    pub required: bool,
}

impl Cache {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let timeout = raw.int(
            "cachedb_timeout",
            DEFAULT_TIMEOUT_MS,
            10..=60_000,
            "milliseconds",
        )?;
        Ok(Cache {
            driver: driver(raw)?,
            timeout: Duration::from_millis(timeout.unsigned_abs()),
            required: raw.flag("cachedb_required", true)?,
        })
    }
}

fn driver(raw: &Raw) -> Result<Driver, ConfigError> {
    const NAME: &str = "cachedb_driver";
    let wanted = raw.text_or(NAME, "auto")?;
    if !["auto", "native", "opensips"].contains(&wanted) {
        return Err(raw.error(NAME, "\"auto\", \"native\" or \"opensips\""));
    }
    let Some(text) = raw.text(URL)? else {
        return Ok(Driver::None);
    };
    // The URL may hold a password, and is not repeated.
    let refused = |cause: String| ConfigError::Secret {
        name: URL.into(),
        cause,
    };
    match (wanted, RedisUrl::is_redis(text)) {
        ("auto" | "native", true) => {
            let url = RedisUrl::parse(text).map_err(|error| refused(error.to_string()))?;
            let settings = Settings::new(url).map_err(|error| refused(error.to_string()))?;
            Ok(Driver::Native(settings))
        }
        ("native", false) => Err(ConfigError::Other {
            name: NAME.into(),
            cause: "is \"native\", which is for cachedb_url with redis:// and its kin alone".into(),
        }),
        _ => {
            // The scheme may include a group: local:bans://
            let scheme = text.split_once("://").and_then(|(scheme, _)| {
                let engine = scheme.split(':').next().unwrap_or("");
                url::scheme(&format!("{engine}://"))
            });
            match scheme {
                Some(_) => Ok(Driver::Core(Arc::new(Zeroizing::new(text.to_owned())))),
                None => Err(refused(
                    "is not the URL of a CacheDB, allowed is e.g. local:// or redis://host:6379/"
                        .into(),
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn cache(values: &[(&str, &str)]) -> Result<Cache, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Cache::new(&raw)
    }

    #[test]
    fn redis_is_asked_natively_unless_told_otherwise() {
        let driver = |values: &[(&str, &str)]| cache(values).unwrap().driver;
        assert!(matches!(driver(&[]), Driver::None));
        let redis = (URL, "redis://:p@h:6379/");
        assert!(matches!(driver(&[redis]), Driver::Native(_)));
        let core = ("cachedb_driver", "opensips");
        assert!(matches!(driver(&[redis, core]), Driver::Core(_)));
        assert!(matches!(driver(&[(URL, "local:bans://")]), Driver::Core(_)));
        let defaults = cache(&[]).unwrap();
        assert!(defaults.required && defaults.timeout == Duration::from_millis(500));
    }

    #[test]
    fn mistakes_name_the_parameter_and_no_secret() {
        for (name, values) in [
            (URL, &[(URL, "hunter2")][..]),
            (URL, &[(URL, "redis://:hunter2@a,b/")]),
            (URL, &[(URL, "rediss://:hunter2@a/?tls_ca=/nonexistent")]),
            (URL, &[(URL, "rediss://:hunter2@a/?tls_ca=/dev/null")]),
            ("cachedb_driver", &[("cachedb_driver", "redis")]),
            (
                "cachedb_driver",
                &[("cachedb_driver", "native"), (URL, "local://")],
            ),
            ("cachedb_timeout", &[("cachedb_timeout", "9")]),
            ("cachedb_required", &[("cachedb_required", "2")]),
        ] {
            let message = cache(values).unwrap_err().to_string();
            assert!(
                message.contains(name) && !message.contains("hunter2"),
                "{message}"
            );
        }
    }
}
