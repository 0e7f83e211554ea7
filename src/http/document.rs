//! Fetches documents, such as the JWK Sets of identity providers.

use std::time::{Instant, SystemTime};

use ureq::Body;
use ureq::http::HeaderMap;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};

use super::agents::Agents;
use super::client::cause;
use super::client_config::ClientConfig;
use super::error::Cause;
use super::prepared::prepared;
use super::retry::retry_after;
use super::tls::TrustError;
use super::transport::Progress;
use super::url::EndpointUrl;

/// Fetches documents with the trust, user agent and connect timeout of the webhooks, with a
/// separate connection for each request: no server is queried more often than every few minutes.
///
/// It belongs to one process.
#[derive(Debug)]
pub struct Documents {
    agents: Agents,
}

/// A document, and what its server says about it.
#[derive(Debug)]
pub struct Document {
    /// The content.
    pub body: Vec<u8>,
    /// The headers of the answer.
    pub headers: HeaderMap,
}

impl Documents {
    /// Makes a client that has not connected anywhere yet.
    ///
    /// # Errors
    /// Fails with [`TrustError`] if the files of the configuration can't be used.
    pub fn new(config: &ClientConfig) -> Result<Documents, TrustError> {
        let config = ClientConfig {
            max_idle: 0,
            ..config.clone()
        };
        Ok(Documents {
            agents: Agents::new(config)?,
        })
    }

    /// Fetches a document of at most `most` bytes, as one of the media types in `accept`, until
    /// `deadline` at the latest.
    ///
    /// # Errors
    /// Fails with [`Cause`] on anything but a complete answer with status 200.
    pub fn get(
        &self,
        url: &EndpointUrl,
        accept: &str,
        most: usize,
        deadline: Instant,
    ) -> Result<Document, Cause> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Cause::TimedOut("before it could be asked"));
        }
        let config = self.agents.config();
        let connect = config.connect_timeout.min(left);
        let agent = self.agents.get(&config.files, url);
        let agent = agent.map_err(|error| Cause::Files(error.to_string()))?;
        let of_origin = config.origins.basic(url, &config.reports);
        let request = agent.get(url.uri().clone()).header(ACCEPT, accept);
        let request = prepared(request, url.basic().or(of_origin.as_ref()), left, connect);
        Progress::begin(false);
        let response = request.call().map_err(|error| cause(&error))?;
        match response.status().as_u16() {
            200 => {}
            status @ 300..=399 => return Err(Cause::Redirect(status)),
            status => {
                let (now, most) = (SystemTime::now(), config.retry_after_max);
                return Err(match retry_after(status, response.headers(), now, most) {
                    Some(time) => Cause::Later(status, time),
                    None => Cause::Status(status),
                });
            }
        }
        let (head, body) = response.into_parts();
        Ok(Document {
            body: read(body, most)?,
            headers: head.headers,
        })
    }

    /// Sends `body`, of this media type, with POST, and waits for the answer until `deadline` at the latest: its
    /// status, whichever it is, and its content of at most `most` bytes.
    ///
    /// # Errors
    /// Fails with [`Cause`] if there is no complete answer.
    pub fn post(
        &self,
        url: &EndpointUrl,
        media_type: &str,
        body: &[u8],
        most: usize,
        deadline: Instant,
    ) -> Result<(u16, Vec<u8>), Cause> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Cause::TimedOut("before it could be asked"));
        }
        let config = self.agents.config();
        let connect = config.connect_timeout.min(left);
        let agent = self.agents.get(&config.files, url);
        let agent = agent.map_err(|error| Cause::Files(error.to_string()))?;
        let request = agent
            .post(url.uri().clone())
            .header(CONTENT_TYPE, media_type);
        let request = prepared(request, url.basic(), left, connect);
        Progress::begin(true);
        let response = request.send(body).map_err(|error| cause(&error))?;
        let status = response.status().as_u16();
        let (_, body) = response.into_parts();
        Ok((status, read(body, most)?))
    }
}

/// The content of an answer, of at most `most` bytes.
fn read(mut body: Body, most: usize) -> Result<Vec<u8>, Cause> {
    // ureq rejects one of exactly the limit too.
    let limit = most as u64 + 1;
    let body = body.with_config().limit(limit).read_to_vec();
    let body = body.map_err(|error| cause(&error))?;
    match body.len() <= most {
        true => Ok(body),
        false => Err(Cause::TooLong),
    }
}
