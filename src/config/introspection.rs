//! Parameters for tokens that their issuer is asked for (RFC 7662): `introspection_*`.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::raw::{ConfigError, Raw};
use crate::introspection::{ClientRow, Introspection, IntrospectionRow, MemoryConfig, Settings};
use crate::jwt::rules::Rules;

/// What the parameters say of asking issuers.
#[derive(Clone, Debug)]
pub struct IntrospectionSettings {
    /// What is the same for all issuers.
    pub settings: Settings,
    /// What is remembered of their answers.
    pub memory: MemoryConfig,
    /// Whether answers have to be signed, if anybody is asked (`introspection_signed`).
    pub signed: bool,
    /// Whoever is asked where no issuer has a name: the only one, beside `jwks_url` or without keys.
    pub own: Option<Arc<Introspection>>,
}

/// What the parameters say of the one issuer that they are about.
///
/// # Errors
/// Fails with the first parameter that is wrong.
pub fn row(raw: &Raw) -> Result<IntrospectionRow, ConfigError> {
    let text = |name: &str| Ok::<_, ConfigError>(raw.text(name)?.map(str::to_owned));
    let signed = raw.flag("introspection_signed", false)?;
    Ok(IntrospectionRow {
        url: text("introspection_url")?,
        client: ClientRow {
            id: text("introspection_client_id")?,
            secret: text("introspection_client_secret")?.map(Zeroizing::new),
            method: text("introspection_auth")?,
            key_id: text("introspection_key_id")?,
            algorithm: text("introspection_algorithm")?,
        },
        tokens: text("introspection_tokens")?,
        signed: signed.then(|| "1".to_owned()),
    })
}

impl IntrospectionSettings {
    /// Reads the parameters. `own` is what they say of an issuer without a name, and `has_keys` whether
    /// there are keys of it; `cache_size` is how many tokens are remembered.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong.
    pub fn new(
        raw: &Raw,
        own: IntrospectionRow,
        rules: &Rules,
        has_keys: bool,
        cache_size: usize,
    ) -> Result<Self, ConfigError> {
        let seconds = |name, default, most| {
            let allowed = "seconds, 0 = not remembered";
            let value = raw.int(name, default, 0..=most, allowed)?;
            Ok::<_, ConfigError>(Duration::from_secs(value.unsigned_abs()))
        };
        let limit = |name, default| {
            let value = raw.int(name, default, 1..=1_000_000, "tokens in 10 seconds")?;
            Ok::<_, ConfigError>(u32::try_from(value).unwrap_or(u32::MAX))
        };
        let timeout = match raw.has("introspection_timeout") {
            true => raw.int("introspection_timeout", 0, 10..=60_000, "milliseconds")?,
            false => super::http::timeout(raw)?,
        };
        Ok(IntrospectionSettings {
            settings: Settings {
                timeout: Duration::from_millis(timeout.unsigned_abs()),
                source_limit: limit("introspection_source_limit", 50)?,
                limit: limit("introspection_limit", 1000)?,
            },
            memory: MemoryConfig {
                size: cache_size,
                ttl: seconds("introspection_ttl", 30, 86_400)?,
                inactive_ttl: seconds("introspection_inactive_ttl", 5, 3600)?,
            },
            signed: raw.flag("introspection_signed", false)?,
            own: self::own(own, rules, has_keys)?,
        })
    }
}

fn own(
    row: IntrospectionRow,
    rules: &Rules,
    has_keys: bool,
) -> Result<Option<Arc<Introspection>>, ConfigError> {
    let other = |name: &str, cause: &str| ConfigError::Other {
        name: name.to_owned(),
        cause: cause.to_owned(),
    };
    let made = Introspection::new(row, rules).map_err(ConfigError::Fault)?;
    let Some(own) = made else {
        return Ok(None);
    };
    if own.url().is_none() {
        let cause = "is not set, and without issuer_url there are no metadata that have it";
        return Err(other("introspection_url", cause));
    }
    if own.signed && !has_keys {
        let cause = "is 1, and there are no keys that verify an answer (issuer_url, jwks_url)";
        return Err(other("introspection_signed", cause));
    }
    check(&own)?;
    Ok(Some(Arc::new(own)))
}

/// Fails at start where the secret or private key of a parameter can't be used.
///
/// # Errors
/// Fails with what is wrong with it.
pub fn check(introspection: &Introspection) -> Result<(), ConfigError> {
    let checked = introspection.client().check();
    checked.map_err(|cause| ConfigError::Other {
        name: "introspection_client_secret".to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::super::tokens::Tokens;
    use super::*;

    fn tokens(values: &[(&str, &str)]) -> Result<Tokens, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Tokens::new(&raw)
    }

    const URL: (&str, &str) = ("introspection_url", "https://i.example/introspect");
    const CLIENT: (&str, &str) = ("introspection_client_id", "proxy");
    const SECRET: (&str, &str) = ("introspection_client_secret", "hunter2");
    const ISSUER: (&str, &str) = ("issuer_url", "https://i.example");

    #[test]
    fn nobody_is_asked_by_default() {
        let tokens = tokens(&[ISSUER]).unwrap();
        assert!(tokens.introspection.own.is_none());
        assert!(tokens.issuers.fixed.askable.is_empty());
        let Settings {
            timeout,
            source_limit,
            limit,
        } = tokens.introspection.settings;
        assert_eq!((timeout.as_millis(), source_limit, limit), (5000, 50, 1000));
        let MemoryConfig {
            ttl, inactive_ttl, ..
        } = tokens.introspection.memory;
        assert_eq!((ttl.as_secs(), inactive_ttl.as_secs()), (30, 5));
    }

    #[test]
    fn the_parameters_are_about_one_issuer() {
        let of_url = tokens(&[ISSUER, CLIENT, SECRET]).unwrap();
        assert!(
            of_url.introspection.own.is_none() && of_url.issuers.fixed.askable.only().is_some()
        );
        let own = tokens(&[URL, CLIENT, SECRET]).unwrap();
        assert!(own.introspection.own.is_some() && own.issuers.fixed.askable.is_empty());
        let open = tokens(&[URL, ("introspection_auth", "none")]).unwrap();
        assert!(open.introspection.own.is_some());
        let none = tokens(&[("http_timeout", "700"), ISSUER]).unwrap();
        assert_eq!(none.introspection.settings.timeout.as_millis(), 700);
    }

    #[test]
    fn mistakes_name_the_parameter_and_no_secret() {
        let other = ("issuer_url", "https://j.example");
        let signed = ("introspection_signed", "1");
        for (values, name) in [
            (&[CLIENT, SECRET][..], "introspection_url"),
            (&[URL], "introspection_client_id"),
            (&[URL, CLIENT], "introspection_client_secret"),
            (&[SECRET], "introspection_url"),
            (&[URL, CLIENT, SECRET, ISSUER, other], "issuer_url"),
            (&[URL, CLIENT, SECRET, signed], "introspection_signed"),
            (
                &[URL, CLIENT, SECRET, ("introspection_auth", "x")],
                "introspection_auth",
            ),
            (
                &[URL, CLIENT, SECRET, ("introspection_tokens", "x")],
                "introspection_tokens",
            ),
            (
                &[URL, CLIENT, SECRET, ("introspection_ttl", "-1")],
                "introspection_ttl",
            ),
            (
                &[URL, CLIENT, SECRET, ("introspection_limit", "0")],
                "introspection_limit",
            ),
            (
                &[URL, CLIENT, SECRET, ("introspection_timeout", "1")],
                "introspection_timeout",
            ),
            (
                &[
                    ("introspection_url", "http://i.example/hunter2"),
                    CLIENT,
                    SECRET,
                ],
                "introspection_url",
            ),
            (
                &[
                    URL,
                    CLIENT,
                    ("introspection_client_secret", "file:///nonexistent"),
                ],
                "introspection_client_secret",
            ),
            (
                &[
                    URL,
                    CLIENT,
                    SECRET,
                    ("introspection_auth", "private_key_jwt"),
                ],
                "introspection_client_secret",
            ),
        ] {
            let message = tokens(values).map(drop).unwrap_err().to_string();
            assert!(
                message.contains(name) && !message.contains("hunter2"),
                "{message}"
            );
        }
    }
}
