//! Parameters of connections out: certificates, keys and authorities in files, and the proxy.

use std::path::PathBuf;
use std::time::Duration;

use super::raw::{ConfigError, Raw};
use crate::http::{ClientConfig, Origins, Proxy, TlsFiles, TlsPart, Trust, TrustError};

/// Names of the parameters that say how one kind of servers is reached.
struct Names {
    ca: &'static str,
    certificate: &'static str,
    key: &'static str,
    proxy: &'static str,
}

const ENDPOINTS: Names = Names {
    ca: "http_tls_ca",
    certificate: "http_tls_cert",
    key: "http_tls_key",
    proxy: "http_proxy",
};

const PROVIDERS: Names = Names {
    ca: "jwks_tls_ca",
    certificate: "jwks_tls_cert",
    key: "jwks_tls_key",
    proxy: "jwks_proxy",
};

/// The value of `jwks_proxy` for providers that are reached without the proxy of the webhooks.
const DIRECT: &str = "direct";

/// Completes the client of the webhooks, and reads its files.
///
/// # Errors
/// Fails with the first parameter that is wrong.
pub fn endpoints(raw: &Raw, client: ClientConfig) -> Result<ClientConfig, ConfigError> {
    let verify = raw.flag("http_tls_verify", true)?;
    let client = ClientConfig {
        trust: match verify {
            true => Trust::System,
            false => Trust::Anybody,
        },
        files: TlsFiles {
            ca: ENDPOINTS.path(raw, ENDPOINTS.ca)?.filter(|_| verify),
            ..ENDPOINTS.identity(raw)?
        },
        proxy: proxy(raw, ENDPOINTS.proxy)?,
        retry_after_max: retry_after_max(raw, "http_retry_after_max", 60)?,
        ..client
    };
    load(client, &ENDPOINTS)
}

/// The client of providers of keys, which is that of the webhooks as far as nothing else is said.
///
/// # Errors
/// Fails with the first parameter that is wrong.
pub fn providers(raw: &Raw, endpoints: &ClientConfig) -> Result<ClientConfig, ConfigError> {
    let own_ca = PROVIDERS.path(raw, PROVIDERS.ca)?;
    // What is wrong with the default is the fault of the other parameter, which is read first.
    let client = ClientConfig {
        files: TlsFiles {
            ca: own_ca.or_else(|| endpoints.files.ca.clone()),
            ..PROVIDERS.identity(raw)?
        },
        origins: origins(raw)?,
        retry_after_max: retry_after_max(raw, "jwks_retry_after_max", 3600)?,
        proxy: match raw.text(PROVIDERS.proxy)? {
            None => endpoints.proxy.clone(),
            Some(DIRECT) => None,
            Some(_) => proxy(raw, PROVIDERS.proxy)?,
        },
        ..endpoints.clone()
    };
    load(client, &PROVIDERS)
}

fn load(client: ClientConfig, names: &Names) -> Result<ClientConfig, ConfigError> {
    client
        .load()
        .map_err(|error: TrustError| ConfigError::Other {
            name: match error.part {
                TlsPart::Authorities => names.ca,
                TlsPart::Certificate => names.certificate,
                TlsPart::Key => names.key,
            }
            .to_owned(),
            cause: format!(
                "{error}; allowed is a PEM file ({})",
                match error.part {
                    TlsPart::Authorities => "certificates of authorities",
                    TlsPart::Certificate => "a certificate and, after it, those of its authorities",
                    TlsPart::Key => "the private key of the certificate, without a passphrase",
                }
            ),
        })
}

/// Credentials for providers, each for one server.
fn origins(raw: &Raw) -> Result<Origins, ConfigError> {
    const NAME: &str = "jwks_basic";
    let mut origins = Origins::default();
    for text in raw.texts(NAME)? {
        let added = origins.add(text);
        added.map_err(|error| ConfigError::Secret {
            name: NAME.to_owned(),
            cause: error.to_string(),
        })?;
    }
    Ok(origins)
}

fn retry_after_max(raw: &Raw, name: &str, default: i64) -> Result<Duration, ConfigError> {
    let seconds = raw.int(name, default, 0..=86_400, "seconds, 0 = never")?;
    Ok(Duration::from_secs(seconds.unsigned_abs()))
}

fn proxy(raw: &Raw, name: &str) -> Result<Option<Proxy>, ConfigError> {
    let parsed = raw.text(name)?.map(Proxy::parse).transpose();
    parsed.map_err(|error| ConfigError::Secret {
        name: name.to_owned(),
        cause: error.to_string(),
    })
}

impl Names {
    fn path(&self, raw: &Raw, name: &str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(raw.text(name)?.map(PathBuf::from))
    }

    fn identity(&self, raw: &Raw) -> Result<TlsFiles, ConfigError> {
        let files = TlsFiles {
            ca: None,
            certificate: self.path(raw, self.certificate)?,
            key: self.path(raw, self.key)?,
        };
        match files.key.is_some() && files.certificate.is_none() {
            true => Err(ConfigError::Other {
                name: self.key.to_owned(),
                cause: format!("is set without {}", self.certificate),
            }),
            false => Ok(files),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::http::Http;
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
    fn mistakes_name_the_parameter_and_the_file_and_no_secret() {
        for (name, value, says) in [
            ("http_tls_ca", "/nonexistent", "/nonexistent"),
            ("http_tls_ca", "/dev/null", "not a regular file"),
            ("http_tls_cert", "/nonexistent", "/nonexistent"),
            ("jwks_tls_ca", "/etc/passwd", "no certificate"),
            ("jwks_tls_cert", "/etc/passwd", "no certificate"),
            ("http_tls_key", "/etc/passwd", "without http_tls_cert"),
            ("jwks_tls_key", "/etc/passwd", "without jwks_tls_cert"),
            ("http_proxy", "ftp://u:hunter2@x/", "http://[user"),
            ("jwks_proxy", "http://u:hunter2@x/path", "http://[user"),
            ("jwks_basic", "http://idp.example u:hunter2", "is for http"),
            (
                "jwks_basic",
                "u:hunter2",
                "https://host[:port] user:password",
            ),
            ("http_retry_after_max", "86401", "seconds"),
            ("jwks_retry_after_max", "-1", "seconds"),
        ] {
            let message = http(&[(name, value)]).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains(says) && !message.contains("hunter2"),
                "{message}"
            );
        }
    }

    #[test]
    fn providers_are_reached_like_endpoints_unless_said_otherwise() {
        let proxy = ("http_proxy", "http://u:p@proxy.example:3128");
        let shown = |http: &Http| http.providers.proxy.as_ref().map(ToString::to_string);
        let other = |proxy: &str| Some(format!("http://{proxy}/"));
        assert_eq!(shown(&http(&[]).unwrap()), None);
        assert_eq!(shown(&http(&[proxy]).unwrap()), other("proxy.example:3128"));
        assert_eq!(
            shown(&http(&[proxy, ("jwks_proxy", "direct")]).unwrap()),
            None
        );
        let own = http(&[proxy, ("jwks_proxy", "http://other.example")]).unwrap();
        assert_eq!(shown(&own), other("other.example"));
    }
}
