//! Fetches the JWK Sets of identity providers over HTTPS.

use std::time::Instant;

use super::fetch::{Fetch, FetchError, Fetched, MAX_DOCUMENT};
use super::freshness;
use super::reference::KeyReferenceError;
use crate::http::{Cause, ClientConfig, Documents, EndpointUrl, TrustError};

/// The media type of a JWK Set (RFC 7517 section 8.5), and the one used in practice.
const TYPES: &str = "application/jwk-set+json, application/json";

/// Fetches over HTTPS, as the webhooks do. It belongs to one process.
#[derive(Debug)]
pub struct HttpFetch(Documents);

impl HttpFetch {
    /// Makes a client that has not connected anywhere yet.
    ///
    /// # Errors
    /// Fails with [`TrustError`] if the files of the configuration can't be used.
    pub fn new(config: &ClientConfig) -> Result<HttpFetch, TrustError> {
        Documents::new(config).map(HttpFetch)
    }
}

impl Fetch for HttpFetch {
    fn get(&self, url: &str, deadline: Instant) -> Result<Fetched, FetchError> {
        let url: EndpointUrl = url.parse().map_err(|_| KeyReferenceError::Url)?;
        if !url.is_protected() {
            return Err(KeyReferenceError::Unprotected.into());
        }
        let document = self.0.get(&url, TYPES, MAX_DOCUMENT, deadline);
        let document = document.map_err(|cause| match cause {
            Cause::Redirect(status) => FetchError::Redirect(status),
            Cause::Status(status) => FetchError::Status(status),
            Cause::Later(status, time) => FetchError::Later { status, time },
            Cause::TooLong => FetchError::TooLong,
            other => FetchError::Failed(other.to_string()),
        })?;
        Ok(Fetched {
            max_age: freshness::lifetime(&document.headers),
            body: document.body,
        })
    }
}

#[cfg(test)]
mod tests;
