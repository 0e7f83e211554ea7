//! An endpoint: where and how to query.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use zeroize::Zeroizing;

use super::basic::Basic;
use super::signature::SignatureKey;
use super::tls::TlsFiles;
use super::url::{EndpointUrl, UrlError};

/// How a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// As JSON in the body.
    #[default]
    Post,
    /// As a query in the URL.
    Get,
}

impl FromStr for Method {
    type Err = EndpointConfigError;

    fn from_str(name: &str) -> Result<Self, EndpointConfigError> {
        if name.eq_ignore_ascii_case("POST") {
            Ok(Method::Post)
        } else if name.eq_ignore_ascii_case("GET") {
            Ok(Method::Get)
        } else {
            Err(EndpointConfigError::Method)
        }
    }
}

/// Why an endpoint is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointConfigError {
    /// No URL.
    #[error("an endpoint must have at least one URL")]
    NoUrl,
    /// More URLs than can sensibly be tried within a timeout.
    #[error("an endpoint must have at most {MAX_URLS} URLs")]
    TooManyUrls,
    /// An invalid URL.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Neither POST nor GET.
    #[error("the method of an endpoint must be POST or GET")]
    Method,
    /// RFC 7617 section 2: a user must not contain a colon, and control characters are not allowed.
    #[error("the username of an endpoint must have no colon and no control character")]
    Username,
    /// A path is not absolute.
    #[error("the paths of an endpoint's certificate, key and authorities must begin with /")]
    Path,
    /// A key without the certificate that it belongs to.
    #[error("the key of an endpoint needs a certificate of the same endpoint")]
    KeyAlone,
}

/// The most URLs of one endpoint.
const MAX_URLS: usize = 16;

/// The defaults for every endpoint, set by parameters.
#[derive(Debug, Clone, Default)]
pub struct EndpointDefaults {
    /// The method, if the endpoint sets none.
    pub method: Method,
    /// User and password for URLs without their own. They are for the URLs of the configuration and
    /// the script; endpoints in the table, which belong to customers, never get them.
    pub basic: Option<Basic>,
    /// The signing key, if the endpoint has none.
    pub signature: Option<SignatureKey>,
    /// The authorities and the client certificate, as far as the endpoint has none.
    pub tls: TlsFiles,
}

/// A row of the endpoint table. Empty strings count as NULL.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EndpointRow {
    /// One URL or several, separated by spaces.
    pub url: String,
    /// POST or GET.
    pub method: Option<String>,
    /// For Basic authentication.
    pub username: Option<String>,
    /// For Basic authentication.
    pub password: Option<Zeroizing<String>>,
    /// The secret that signs requests.
    pub signature_secret: Option<Zeroizing<String>>,
    /// Path of the client certificate, with its key if that has no path of its own.
    pub tls_cert: Option<String>,
    /// Path of its key.
    pub tls_key: Option<String>,
    /// Path of the authorities that are trusted in place of all others.
    pub tls_ca: Option<String>,
}

impl fmt::Debug for EndpointRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointRow")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// An endpoint that can be queried.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(super) urls: Vec<EndpointUrl>,
    pub(super) method: Method,
    pub(super) basic: Option<Basic>,
    pub(super) signature: Option<SignatureKey>,
    pub(super) tls: TlsFiles,
}

impl Endpoint {
    /// An endpoint of the configuration or the script: `urls` is one URL or several, separated by
    /// spaces.
    ///
    /// # Errors
    /// Fails with [`EndpointConfigError`] if there is no URL, or an invalid one.
    pub fn parse(urls: &str, defaults: &EndpointDefaults) -> Result<Self, EndpointConfigError> {
        Ok(Endpoint {
            urls: parse_urls(urls)?,
            method: defaults.method,
            basic: defaults.basic.clone().map(checked).transpose()?,
            signature: defaults.signature.clone(),
            tls: defaults.tls.clone(),
        })
    }

    /// An endpoint in the table.
    ///
    /// # Errors
    /// Fails with [`EndpointConfigError`] if the row is invalid.
    pub fn from_row(
        row: &EndpointRow,
        defaults: &EndpointDefaults,
    ) -> Result<Self, EndpointConfigError> {
        let basic = row
            .username
            .as_ref()
            .filter(|username| !username.is_empty())
            .map(|username| {
                checked(Basic {
                    username: username.clone(),
                    password: row.password.clone().unwrap_or_default(),
                })
            });
        let secret = row
            .signature_secret
            .as_ref()
            .filter(|secret| !secret.is_empty());
        Ok(Endpoint {
            urls: parse_urls(&row.url)?,
            method: match row
                .method
                .as_deref()
                .map(str::trim)
                .filter(|name| !name.is_empty())
            {
                Some(name) => name.parse()?,
                None => defaults.method,
            },
            basic: basic.transpose()?,
            signature: match secret {
                Some(secret) => Some(SignatureKey::new(secret.as_bytes())),
                None => defaults.signature.clone(),
            },
            tls: tls_of(row, &defaults.tls)?,
        })
    }

    /// Its URLs, in the order in which they are asked.
    pub fn urls(&self) -> &[EndpointUrl] {
        &self.urls
    }

    /// How requests are sent to it.
    pub fn method(&self) -> Method {
        self.method
    }
}

/// The URLs, fit for logging.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, url) in self.urls.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(f, "{blank}{url}")?;
        }
        Ok(())
    }
}

fn parse_urls(urls: &str) -> Result<Vec<EndpointUrl>, EndpointConfigError> {
    let urls: Vec<EndpointUrl> = urls
        .split_ascii_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    match urls.len() {
        0 => Err(EndpointConfigError::NoUrl),
        1..=MAX_URLS => Ok(urls),
        _ => Err(EndpointConfigError::TooManyUrls),
    }
}

/// The files of a row. A client certificate is taken with its own key only.
fn tls_of(row: &EndpointRow, defaults: &TlsFiles) -> Result<TlsFiles, EndpointConfigError> {
    let path = |text: &Option<String>| {
        let text = text.as_deref().filter(|text| !text.is_empty());
        match text {
            Some(text) if !text.starts_with('/') => Err(EndpointConfigError::Path),
            text => Ok(text.map(PathBuf::from)),
        }
    };
    let (certificate, key) = match (path(&row.tls_cert)?, path(&row.tls_key)?) {
        (None, Some(_)) => return Err(EndpointConfigError::KeyAlone),
        (None, None) => (defaults.certificate.clone(), defaults.key.clone()),
        own => own,
    };
    Ok(TlsFiles {
        ca: path(&row.tls_ca)?.or_else(|| defaults.ca.clone()),
        certificate,
        key,
    })
}

fn checked(basic: Basic) -> Result<Basic, EndpointConfigError> {
    match basic.is_sendable() {
        true => Ok(basic),
        false => Err(EndpointConfigError::Username),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(username: &str, password: &str) -> Basic {
        Basic {
            username: username.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        }
    }

    #[test]
    fn several_urls_are_separated_by_blanks() {
        let endpoint = Endpoint::parse(" http://a/x?k=1  https://u:p@b ", &Default::default())
            .expect("good URLs");
        assert_eq!(endpoint.to_string(), "http://a/x https://b/");
        let parse = |urls: &str| Endpoint::parse(urls, &Default::default()).map(|_| ());
        assert_eq!(parse(" "), Err(EndpointConfigError::NoUrl));
        assert_eq!(
            parse(&"http://a ".repeat(17)),
            Err(EndpointConfigError::TooManyUrls)
        );
        assert_eq!(
            parse("http://a b"),
            Err(EndpointConfigError::Url(UrlError::Scheme))
        );
    }

    #[test]
    fn a_customer_never_gets_the_password_of_the_parameters() {
        let defaults = EndpointDefaults {
            basic: Some(basic("us", "secret")),
            ..EndpointDefaults::default()
        };
        let row = EndpointRow {
            url: "http://customer/".to_owned(),
            ..EndpointRow::default()
        };
        assert_eq!(
            Endpoint::from_row(&row, &defaults)
                .expect("a good row")
                .basic,
            None
        );
        let own = Endpoint::parse("http://own/", &defaults).expect("a good URL");
        assert_eq!(own.basic, defaults.basic);
        assert!(!format!("{own:?}").contains("secret"));
    }

    #[test]
    fn a_row_overrides_the_parameters() {
        let row = EndpointRow {
            url: "http://customer/".to_owned(),
            method: Some("get".to_owned()),
            username: Some("u".to_owned()),
            password: Some(Zeroizing::new("p".to_owned())),
            signature_secret: Some(Zeroizing::new("s".to_owned())),
            ..EndpointRow::default()
        };
        let endpoint = Endpoint::from_row(&row, &Default::default()).expect("a good row");
        assert_eq!(endpoint.method(), Method::Get);
        assert_eq!(endpoint.basic, Some(basic("u", "p")));
        assert!(endpoint.signature.is_some());
        let bad = EndpointRow {
            method: Some("PUT".to_owned()),
            ..row.clone()
        };
        let error = Endpoint::from_row(&bad, &Default::default()).map(|_| ());
        assert_eq!(error, Err(EndpointConfigError::Method));
        let bad = EndpointRow {
            username: Some("a:b".to_owned()),
            ..row
        };
        let error = Endpoint::from_row(&bad, &Default::default()).map(|_| ());
        assert_eq!(error, Err(EndpointConfigError::Username));
    }
}
