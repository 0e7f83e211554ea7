//! The keys of an issuer, found by its metadata (OpenID Connect Discovery 1.0 section 4, RFC 8414
//! section 3).
//!
//! Metadata and set are fetched one after the other, and count as one answer: whoever asks for the
//! keys of an issuer follows it when it moves them, and no other process needs to ask for either.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::discovery::{parts, places};
use super::fetch::{Fetch, FetchError, Fetched, MAX_DOCUMENT};
use crate::http::EndpointUrl;
use crate::jwt::json::{self, Value};
use crate::jwt::quote_up_to;

/// The longest metadata, in bytes. Those of the big providers stay below 8 KiB.
pub const MAX_METADATA: usize = 64 * 1024;

/// How many characters of what metadata say are shown.
const SHOWN: usize = 128;

/// What metadata say.
#[derive(Debug)]
pub struct Metadata {
    /// Where the keys are.
    pub jwks_uri: String,
    /// Where tokens are asked for (RFC 7662 section 2), if anywhere.
    pub introspection_endpoint: Option<String>,
    /// Whether this was reported.
    reported: AtomicBool,
}

/// Equal if it is the same to whoever asks.
impl PartialEq for Metadata {
    fn eq(&self, other: &Self) -> bool {
        let parts = |it: &Self| (it.jwks_uri.clone(), it.introspection_endpoint.clone());
        parts(self) == parts(other)
    }
}

/// For the log; without what may be secret in a URL.
impl fmt::Display for Metadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |url: &str| {
            url.parse::<EndpointUrl>()
                .map_or_else(|_| "a URL".to_owned(), |url| url.to_string())
        };
        write!(formatter, "jwks_uri is {}", shown(&self.jwks_uri))?;
        match &self.introspection_endpoint {
            Some(url) => write!(formatter, ", introspection_endpoint is {}", shown(url)),
            None => Ok(()),
        }
    }
}

impl Metadata {
    fn new(jwks_uri: &str, introspection_endpoint: Option<&str>) -> Self {
        Metadata {
            jwks_uri: jwks_uri.to_owned(),
            introspection_endpoint: introspection_endpoint.map(str::to_owned),
            reported: AtomicBool::new(false),
        }
    }

    /// Whether it has not been reported yet; from now on it has.
    pub fn take_report(&self) -> bool {
        !self.reported.swap(true, Ordering::Relaxed)
    }

    /// Reads metadata of `issuer` (RFC 8414 section 2). `https` is whether they came over TLS: then
    /// whatever they name must be there as well.
    fn parse(text: &[u8], issuer: &str, https: bool) -> Result<Self, String> {
        if text.len() > MAX_METADATA {
            return Err(format!("its metadata are longer than {MAX_METADATA} bytes"));
        }
        let members = json::parse_object(text).map_err(|error| format!("its metadata: {error}"))?;
        match members.get("issuer") {
            Some(Value::String(found)) if found == issuer => {}
            Some(Value::String(found)) => {
                return Err(format!(
                    "its metadata are those of issuer {}, not of {}",
                    quote_up_to(found, SHOWN),
                    quote_up_to(issuer, SHOWN)
                ));
            }
            _ => return Err("its metadata name no issuer".to_owned()),
        }
        let url = |name: &str| {
            let text = members.get(name)?.as_str()?;
            let url = text.parse::<EndpointUrl>().ok()?;
            let is_https = text
                .get(.."https:".len())
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
            (is_https || !https && url.is_protected()).then_some(text)
        };
        match url("jwks_uri") {
            Some(uri) => Ok(Metadata::new(uri, url("introspection_endpoint"))),
            None if members.get("jwks_uri").is_none() => {
                Err("its metadata have no jwks_uri".to_owned())
            }
            None => Err("the jwks_uri of its metadata is not an https URL".to_owned()),
        }
    }

    /// In front of the set, one line of the answer.
    fn line(&self) -> String {
        let endpoint = self.introspection_endpoint.as_deref().unwrap_or_default();
        format!("{} {endpoint}\n", self.jwks_uri)
    }
}

/// Gets what has this name: a JWK Set at its URL; or the metadata of an issuer, and then its set.
///
/// # Errors
/// Fails as [`Fetch::get`] does, and if metadata are not valid.
pub fn get(fetcher: &dyn Fetch, name: &str, deadline: Instant) -> Result<Fetched, FetchError> {
    let Some((issuer, url)) = parts(name) else {
        return fetcher.get(name, deadline);
    };
    let mut answer = Err(FetchError::Status(404));
    let mut https = true;
    for place in places(issuer, url) {
        // Only what is not there is looked for elsewhere.
        if answer != Err(FetchError::Status(404)) {
            break;
        }
        https = !place.starts_with("http:");
        answer = fetcher.get(&place, deadline);
    }
    let metadata = Metadata::parse(&answer?.body, issuer, https).map_err(FetchError::Failed)?;
    let set = fetcher.get(&metadata.jwks_uri, deadline);
    let Fetched { body, max_age } = set.map_err(|error| match error {
        later @ FetchError::Later { .. } => later,
        error => FetchError::Failed(format!("its keys can't be had: {error} ({metadata})")),
    })?;
    let body = [metadata.line().as_bytes(), &body].concat();
    match body.len() > MAX_DOCUMENT {
        true => Err(FetchError::TooLong),
        false => Ok(Fetched { body, max_age }),
    }
}

/// An answer of [`get`]: the metadata, if it has any, and the set.
pub fn split<'a>(name: &str, body: &'a [u8]) -> (Option<Metadata>, &'a [u8]) {
    let end = match parts(name) {
        Some(_) => body.iter().position(|byte| *byte == b'\n'),
        None => None,
    };
    let Some((line, set)) = end.and_then(|end| body.split_at_checked(end)) else {
        return (None, body);
    };
    let line = String::from_utf8_lossy(line);
    let (uri, endpoint) = line.split_once(' ').unwrap_or((&line, ""));
    let endpoint = Some(endpoint).filter(|url| !url.is_empty());
    (Some(Metadata::new(uri, endpoint)), set)
}

#[cfg(test)]
mod tests;
