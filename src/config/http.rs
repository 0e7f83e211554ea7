//! Parameters of the webhooks.

use std::{sync::Arc, time::Duration};

use zeroize::Zeroizing;

use super::avp_list::{self, AvpSource};
use super::outgoing;
use super::raw::{ConfigError, Raw};
use crate::digest::PARTS;
use crate::http::{
    Basic, ClientConfig, Endpoint, EndpointDefaults, HeaderName, MAX_IDLE_AGE, Meters, Method,
    Origins, Paces, Reports, SIGNATURE_HEADER, SignatureKey, TlsFiles, Trust,
};
use crate::store::endpoints::EndpointTables;

/// Milliseconds that a webhook may take in total, if `http_timeout` is unset.
const DEFAULT_TIMEOUT_MS: i64 = 5000;

/// Milliseconds that connecting may take, TLS included, if `http_connect_timeout` is unset.
const DEFAULT_CONNECT_TIMEOUT_MS: i64 = 1000;

/// What `load_authorization` accepts besides the parts of the credentials.
const OF_REQUEST: [&str; 5] = ["header", "aor", "aor_user", "aor_domain", "left"];

/// All names that `load_authorization` accepts.
pub fn parts() -> impl Iterator<Item = &'static str> {
    PARTS.into_iter().chain(OF_REQUEST)
}

/// The parameters of the webhooks.
#[derive(Clone, Debug)]
pub struct Http {
    /// The endpoint used if neither the call nor the table names one (`http_url`).
    pub endpoint: Option<Arc<Endpoint>>,
    /// What applies to endpoints whose row leaves it out.
    pub defaults: EndpointDefaults,
    /// Names of the endpoint table and its columns.
    pub tables: EndpointTables,
    /// Whether the script names the table itself, so that it must exist.
    pub tables_named: bool,
    /// How endpoints are asked: `http_timeout`, `http_connect_timeout`, `http_tls_ca`,
    /// `http_tls_verify`, `http_tls_cert`, `http_tls_key`, `http_proxy`, `http_user_agent`, `http_signature_header`, `http_breaker_failures`,
    /// `http_breaker_time`, `blacklist_time`.
    pub client: ClientConfig,
    /// How providers of keys are asked: the same, with `jwks_tls_ca`, `jwks_tls_cert`, `jwks_tls_key` and
    /// `jwks_proxy`.
    pub providers: ClientConfig,
    /// Most calls in progress in one process (`http_max_inflight`).
    pub max_inflight: usize,
    /// Most of these that go to one endpoint (`http_max_inflight_endpoint`).
    pub max_inflight_endpoint: usize,
    /// Most of those of all processes that go to one endpoint (`http_max_inflight_endpoint_total`); 0 for any.
    pub max_inflight_total: usize,
    /// When all SIP headers are sent along (`http_headers`).
    pub headers: SentHeaders,
    /// The key of nonces (`nonce_secret`); random at each start if it is unset.
    pub nonce_secret: Option<Zeroizing<String>>,
    /// How long a nonce is fresh (`nonce_expire`).
    pub nonce_expire: Duration,
    /// Whether http_authorize accepts only our own, fresh, unused nonces (`nonce_check`).
    pub nonce_check: bool,
    /// Members of the answer for AVPs (`load_grant`).
    pub grant: Vec<AvpSource>,
    /// Parts of the credentials for AVPs (`load_authorization`).
    pub authorization: Vec<AvpSource>,
    /// Whether the admitted user has to be the request's address of record (`aor_check`).
    pub aor_check: bool,
}

/// When all SIP headers are sent along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentHeaders {
    /// Never.
    None,
    /// With a POST and with a GET.
    Always,
    /// With a POST, as jambonz does.
    InBody,
}

impl Http {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let milliseconds = |name, default, least| {
            let value = raw.int(name, default, least..=60_000, "milliseconds")?;
            Ok::<_, ConfigError>(Duration::from_millis(value.unsigned_abs()))
        };
        let seconds = |name, default| {
            let value = raw.int(name, default, 1..=31_536_000, "seconds")?;
            Ok::<_, ConfigError>(u32::try_from(value).unwrap_or(u32::MAX))
        };
        let timeout = Duration::from_millis(timeout(raw)?.unsigned_abs());
        let connect_timeout =
            milliseconds("http_connect_timeout", DEFAULT_CONNECT_TIMEOUT_MS, 10)?.min(timeout);
        let max_inflight = raw.int("http_max_inflight", 256, 1..=4096, "calls")?;
        let max_inflight = usize::try_from(max_inflight).unwrap_or(256);
        // Leaves a share for other endpoints, if there can be any.
        let half = match raw.has("endpoints_table") || raw.has("db_url") {
            true => max_inflight.div_ceil(2),
            false => max_inflight,
        };
        let default = i64::try_from(half).unwrap_or(i64::MAX);
        let most = raw.int("http_max_inflight_endpoint", default, 1..=4096, "calls")?;
        let total = raw.int(
            "http_max_inflight_endpoint_total",
            0,
            0..=1_000_000,
            "calls",
        )?;
        let failures = raw.int(
            "http_breaker_failures",
            10,
            0..=1_000_000,
            "failures, 0 = never",
        )?;
        let client = ClientConfig {
            timeout,
            connect_timeout,
            trust: Trust::System,
            files: TlsFiles::default(),
            loaded: None,
            proxy: None,
            origins: Origins::default(),
            retry_after_max: Duration::ZERO,
            reports: Arc::new(Reports::default()),
            user_agent: user_agent(raw)?,
            signature_header: header_name(raw)?,
            max_idle: max_inflight,
            breaker_failures: u32::try_from(failures).unwrap_or(u32::MAX),
            breaker_time: Duration::from_secs(seconds("http_breaker_time", 10)?.into()),
            blacklist_time: seconds("blacklist_time", 3600)?,
            max_idle_age: MAX_IDLE_AGE,
            meters: Meters::default(),
            paces: Paces::default(),
        };
        let client = outgoing::endpoints(raw, client)?;
        let providers = outgoing::providers(raw, &client)?;
        let defaults = EndpointDefaults {
            tls: client.files.clone(),
            ..defaults(raw)?
        };
        Ok(Http {
            endpoint: endpoint(raw, &defaults)?,
            defaults,
            tables: tables(raw)?,
            tables_named: raw.has("endpoints_table"),
            client,
            providers,
            max_inflight,
            max_inflight_total: usize::try_from(total).unwrap_or(0),
            max_inflight_endpoint: usize::try_from(most).unwrap_or(half).min(max_inflight),
            headers: match raw.int("http_headers", 0, 0..=2, "")? {
                0 => SentHeaders::None,
                1 => SentHeaders::Always,
                _ => SentHeaders::InBody,
            },
            nonce_secret: nonce_secret(raw)?,
            nonce_expire: Duration::from_secs(seconds("nonce_expire", 30)?.into()),
            nonce_check: raw.flag("nonce_check", true)?,
            grant: grant(raw)?,
            authorization: authorization(raw)?,
            aor_check: raw.flag("aor_check", true)?,
        })
    }
}

/// `http_timeout`, in milliseconds.
pub(super) fn timeout(raw: &Raw) -> Result<i64, ConfigError> {
    raw.int(
        "http_timeout",
        DEFAULT_TIMEOUT_MS,
        10..=60_000,
        "milliseconds",
    )
}

fn defaults(raw: &Raw) -> Result<EndpointDefaults, ConfigError> {
    raw.note("http_method", || "POST".to_owned());
    let method = match raw.text("http_method")? {
        None => Method::Post,
        Some(name) => name
            .parse()
            .map_err(|_| raw.error("http_method", "\"POST\" or \"GET\""))?,
    };
    let username = raw.text("http_username")?;
    let password = raw.text("http_password")?;
    let basic = match (username, password) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(ConfigError::Other {
                name: "http_password".into(),
                cause: "is set without http_username".into(),
            });
        }
        (Some(username), password) => Some(Basic {
            username: username.to_owned(),
            password: Zeroizing::new(password.unwrap_or("").to_owned()),
        }),
    };
    let signature = raw
        .text("http_signature_secret")?
        .map(|secret| SignatureKey::new(secret.as_bytes()));
    Ok(EndpointDefaults {
        method,
        basic,
        signature,
        tls: TlsFiles::default(),
    })
}

fn endpoint(raw: &Raw, defaults: &EndpointDefaults) -> Result<Option<Arc<Endpoint>>, ConfigError> {
    raw.text("http_url")?
        .map(|urls| Endpoint::parse(urls, defaults))
        .transpose()
        .map(|endpoint| endpoint.map(Arc::new))
        .map_err(|error| ConfigError::Secret {
            name: "http_url".into(),
            cause: error.to_string(),
        })
}

fn tables(raw: &Raw) -> Result<EndpointTables, ConfigError> {
    let column = |name, default| raw.identifier(name, default, false);
    Ok(EndpointTables {
        table: raw.identifier("endpoints_table", "http_endpoints", true)?,
        realm: column("endpoint_realm_column", "realm")?,
        url: column("endpoint_url_column", "url")?,
        method: column("endpoint_method_column", "method")?,
        username: column("endpoint_username_column", "username")?,
        password: column("endpoint_password_column", "password")?,
        signature_secret: column("endpoint_secret_column", "signature_secret")?,
        tls_cert: column("endpoint_tls_cert_column", "tls_cert")?,
        tls_key: column("endpoint_tls_key_column", "tls_key")?,
        tls_ca: column("endpoint_tls_ca_column", "tls_ca")?,
        has_files: true,
        parent: raw.flag("realm_parent", false)?,
    })
}

fn user_agent(raw: &Raw) -> Result<String, ConfigError> {
    const NAME: &str = "http_user_agent";
    let agent = raw.text_or(NAME, concat!("auth_web/", env!("CARGO_PKG_VERSION")))?;
    match agent.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) && agent.len() <= 256 {
        true => Ok(agent.to_owned()),
        false => Err(raw.error(NAME, "1 to 256 printable ASCII characters")),
    }
}

fn header_name(raw: &Raw) -> Result<HeaderName, ConfigError> {
    const NAME: &str = "http_signature_header";
    let name = raw.text_or(NAME, SIGNATURE_HEADER)?;
    let parsed = name.parse().ok().filter(|_| name.len() <= 64);
    parsed.ok_or_else(|| raw.error(NAME, "the name of a header, at most 64 characters"))
}

fn nonce_secret(raw: &Raw) -> Result<Option<Zeroizing<String>>, ConfigError> {
    const NAME: &str = "nonce_secret";
    match raw.text(NAME)? {
        None => Ok(None),
        Some(secret) if secret.len() >= 16 => Ok(Some(Zeroizing::new(secret.to_owned()))),
        Some(_) => Err(ConfigError::Secret {
            name: NAME.into(),
            cause: "is shorter than 16 characters".into(),
        }),
    }
}

fn grant(raw: &Raw) -> Result<Vec<AvpSource>, ConfigError> {
    const NAME: &str = "load_grant";
    let list = raw.text(NAME)?.unwrap_or("");
    avp_list::parse(list).ok_or_else(|| {
        let allowed =
            "a list of members of the answer, each by itself or as $avp(name)=member, separated by ;";
        raw.error(NAME, allowed)
    })
}

fn authorization(raw: &Raw) -> Result<Vec<AvpSource>, ConfigError> {
    const NAME: &str = "load_authorization";
    let list = raw.text(NAME)?.unwrap_or("");
    let known = |list: &Vec<AvpSource>| {
        let mut sources = list.iter().map(|one| one.source.as_str());
        sources.all(|source| parts().any(|part| part == source))
    };
    avp_list::parse(list).filter(known).ok_or_else(|| {
        let parts: Vec<&str> = parts().collect();
        let parts = parts.join(", ");
        let allowed =
            format!("a list of {parts}, each by itself or as $avp(name)=part, separated by ;");
        raw.error(NAME, allowed)
    })
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn http(values: &[(&str, &str)]) -> Result<Http, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Http::new(&raw)
    }

    #[test]
    fn defaults_are_safe() {
        let http = http(&[]).unwrap();
        assert!(http.endpoint.is_none());
        assert!(http.nonce_check && http.aor_check && http.headers == SentHeaders::None);
        assert_eq!(http.max_inflight_endpoint, 256);
        assert_eq!(http.client.trust, Trust::System);
        assert_eq!(http.nonce_expire, Duration::from_secs(30));
        assert_eq!(http.max_inflight, 256);
        assert_eq!(http.tables.table, "http_endpoints");
        assert_eq!(http.client.signature_header, "Jambonz-Signature");
    }

    #[test]
    fn connecting_never_takes_longer_than_the_whole() {
        let http = http(&[("http_timeout", "500"), ("http_connect_timeout", "2000")]).unwrap();
        assert_eq!(http.client.connect_timeout, Duration::from_millis(500));
    }

    #[test]
    fn mistakes_name_the_parameter_and_no_secret() {
        for (name, value) in [
            ("http_url", "ftp://u:hunter2@x/"),
            ("http_method", "PUT"),
            ("http_timeout", "0"),
            ("http_tls_ca", "/nonexistent"),
            ("http_tls_ca", "/dev/null"),
            ("http_user_agent", "a\r\nb"),
            ("http_signature_header", "a b"),
            ("http_max_inflight", "0"),
            ("nonce_secret", "hunter2"),
            ("nonce_expire", "0"),
            ("load_grant", "$var(x)=y"),
            ("load_authorization", "username;password"),
            ("load_authorization", "$avp(x)"),
            ("aor_check", "2"),
            ("http_max_inflight_endpoint", "0"),
            ("endpoints_table", "a;b"),
            ("blacklist_time", "-1"),
        ] {
            let message = http(&[(name, value)]).unwrap_err().to_string();
            assert!(
                message.contains(name) && !message.contains("hunter2"),
                "{message}"
            );
        }
        assert!(http(&[("http_password", "hunter2")]).is_err());
        assert!(http(&[("load_authorization", "$avp(who)=aor;username")]).is_ok());
    }

    #[test]
    fn one_of_many_endpoints_gets_half() {
        let share = |values: &[(&str, &str)]| http(values).unwrap().max_inflight_endpoint;
        let table = ("db_url", "mysql://localhost/opensips");
        assert_eq!(share(&[table]), 128);
        assert_eq!(share(&[table, ("http_max_inflight", "1")]), 1);
        assert_eq!(share(&[("http_max_inflight", "9")]), 9);
        let own = ("http_max_inflight_endpoint", "5");
        assert_eq!(share(&[table, own]), 5);
        assert_eq!(share(&[table, own, ("http_max_inflight", "2")]), 2);
    }
}
