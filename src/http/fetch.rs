//! Gets the JWK Sets of identity providers.

use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::http::HeaderValue;
use ureq::http::header::{ACCEPT, AUTHORIZATION};

use super::client::{ClientConfig, ClientError, agent, cause};
use super::error::Cause;
use super::freshness;
use super::transport::Progress;
use super::url::EndpointUrl;
use crate::jwt::source::{Fetch, FetchError, Fetched, KeyReferenceError, MAX_DOCUMENT};

/// What a JWK Set is published as (RFC 7517 section 8.5), and what it is published as in fact.
const TYPES: &str = "application/jwk-set+json, application/json";

/// Asks over HTTPS, with the trust, user agent and connect time-out of the webhooks, and a
/// connection of its own for each request: a provider is asked every few minutes at the most.
///
/// It belongs to one process.
#[derive(Debug)]
pub struct HttpFetch {
    agent: Agent,
    connect_timeout: Duration,
}

impl HttpFetch {
    /// Has not asked anybody yet.
    ///
    /// # Errors
    ///
    /// [`ClientError`]: the configuration makes no sense.
    pub fn new(config: &ClientConfig) -> Result<HttpFetch, ClientError> {
        let config = ClientConfig {
            max_idle: 0,
            ..config.clone()
        };
        Ok(HttpFetch {
            agent: agent(&config)?,
            connect_timeout: config.connect_timeout,
        })
    }
}

impl Fetch for HttpFetch {
    fn get(&self, url: &str, deadline: Instant) -> Result<Fetched, FetchError> {
        let url: EndpointUrl = url.parse().map_err(|_| KeyReferenceError::Url)?;
        if !url.is_protected() {
            return Err(KeyReferenceError::Unprotected.into());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(failed(&Cause::TimedOut("before it could be asked")));
        }
        let connect = self.connect_timeout.min(left);
        let mut request = self.agent.get(url.uri().clone()).header(ACCEPT, TYPES);
        if let Some(basic) = url.basic()
            && let Ok(mut value) = HeaderValue::from_str(&basic.header())
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let request = request
            .config()
            .timeout_global(Some(left))
            .timeout_resolve(Some(connect))
            .timeout_connect(Some(connect))
            .build();
        Progress::begin(false);
        let mut response = request.call().map_err(|error| failed(&cause(&error)))?;
        match response.status().as_u16() {
            200 => {}
            status @ 300..=399 => return Err(FetchError::Redirect(status)),
            status => return Err(FetchError::Status(status)),
        }
        let max_age = freshness::lifetime(response.headers());
        // ureq also takes the limit itself for too much.
        let limit = MAX_DOCUMENT as u64 + 1;
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        let body = body.map_err(|error| failed(&cause(&error)))?;
        if body.len() > MAX_DOCUMENT {
            return Err(FetchError::TooLong);
        }
        Ok(Fetched { body, max_age })
    }
}

fn failed(cause: &Cause) -> FetchError {
    match cause {
        Cause::TooLong => FetchError::TooLong,
        other => FetchError::Failed(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
