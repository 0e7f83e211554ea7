//! Queries endpoints over HTTP.

mod form;

use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use ureq::http::{HeaderValue, Response, StatusCode};
use ureq::{Agent, Body};

use super::agents::Agents;
use super::answer::{Answer, MAX_ANSWER};
use super::basic::Basic;
use super::breaker::{BreakerConfig, Breakers, Circuits, Ordered};
use super::challenge::basic_realm;
use super::client_config::ClientConfig;
use super::endpoint::Endpoint;
use super::error::{Cause, EndpointError};
use super::request::{MAX_QUERY, Payload};
use super::retry::retry_after;
use super::tls::TrustError;
use super::transport::{Phase, Progress, distrust_connection};
use super::url::EndpointUrl;

/// An HTTP client with its connections. It belongs to one process: connections do not survive a
/// fork.
pub struct Client {
    agents: Agents,
    breakers: Breakers,
    basic_for: Option<BasicFor>,
}

/// Credentials for a host (a name or an address, without port) and the realm that it names in its
/// challenge. Called on the querying thread.
pub type BasicFor = Box<dyn Fn(&str, &str) -> Option<Basic> + Send + Sync>;

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", self.config())
            .finish_non_exhaustive()
    }
}

/// What is sent to one URL, and until when its answer counts.
#[derive(Clone, Copy)]
struct Asked<'a> {
    endpoint: &'a Endpoint,
    url: &'a EndpointUrl,
    payload: &'a Payload,
    until: Instant,
    now: SystemTime,
}

impl Client {
    /// A client without connections so far.
    ///
    /// # Errors
    /// Fails with [`TrustError`] if the files of the configuration can't be used.
    pub fn new(config: ClientConfig, circuits: Circuits) -> Result<Client, TrustError> {
        let breaker = BreakerConfig {
            failures: config.breaker_failures,
            time: config.breaker_time,
            trial: config.timeout,
        };
        let breakers = Breakers::new(breaker, circuits);
        Ok(Client {
            agents: Agents::new(config)?,
            breakers,
            basic_for: None,
        })
    }

    /// Lets an endpoint without configured credentials ask for them: its Basic challenge (RFC 7617)
    /// is answered, once, with what `basic_for` has for its host and realm.
    #[must_use]
    pub fn answering_challenges(self, basic_for: BasicFor) -> Client {
        Client {
            basic_for: Some(basic_for),
            ..self
        }
    }

    /// Closes the idle connections.
    pub fn forget_connections(&self) {
        self.agents.forget_connections();
    }

    /// The configuration.
    pub fn config(&self) -> &ClientConfig {
        self.agents.config()
    }

    /// The error with which [`ask`](Self::ask) would fail at once because all URLs are being left
    /// alone, if so.
    pub fn refuses(&self, endpoint: &Endpoint, now: Instant) -> Option<EndpointError> {
        let failures = endpoint
            .urls
            .iter()
            .map(|url| Some((url.to_string(), self.left_alone(url, now)?)))
            .collect::<Option<Vec<_>>>()?;
        Some(EndpointError { failures })
    }

    /// Why a URL is not asked now, if so.
    fn left_alone(&self, url: &EndpointUrl, now: Instant) -> Option<Cause> {
        match self.breakers.ordered(url.target()) {
            Ordered::Auto => {}
            Ordered::Up => return None,
            Ordered::Down => return Some(Cause::SetDown),
        }
        let held = self.breakers.held(url.target(), now).map(Cause::held);
        held.or_else(|| {
            let failures = self.breakers.refuses(url.target(), now)?;
            Some(Cause::LeftAlone(failures))
        })
    }

    /// Takes the turn to ask a URL, unless it is left alone: the error is why.
    fn enter(&self, url: &EndpointUrl, now: Instant) -> Result<(), Cause> {
        match self.breakers.ordered(url.target()) {
            Ordered::Auto => {}
            Ordered::Up => return Ok(()),
            Ordered::Down => return Err(Cause::SetDown),
        }
        if let Some(held) = self.breakers.held(url.target(), now) {
            return Err(Cause::held(held));
        }
        let entered = self.breakers.enter(url.target(), now);
        entered.map_err(Cause::LeftAlone)
    }

    /// Sends the query, and waits for the answer until `deadline`. `requested` is the requested
    /// expiry in seconds; `now` is the time that a signature carries.
    ///
    /// The URLs are tried in order. The remaining time is divided evenly among the remaining URLs,
    /// so that one that hangs does not use it all.
    ///
    /// # Errors
    /// Fails with [`EndpointError`] if no URL gives a usable answer.
    pub fn ask(
        &self,
        endpoint: &Endpoint,
        payload: &Payload,
        requested: Option<u32>,
        deadline: Instant,
        now: SystemTime,
    ) -> Result<Answer, EndpointError> {
        let mut failures = Vec::new();
        for (at, url) in endpoint.urls.iter().enumerate() {
            let started = Instant::now();
            let left = deadline.saturating_duration_since(started);
            if left.is_zero() {
                failures.push((url.to_string(), Cause::TimedOut("before it could be asked")));
                break;
            }
            let others = endpoint.urls.iter().skip(at + 1);
            let candidates = others
                .filter(|url| self.left_alone(url, started).is_none())
                .count();
            let share = left / u32::try_from(candidates + 1).unwrap_or(1);
            if let Err(cause) = self.enter(url, started) {
                failures.push((url.to_string(), cause));
                continue;
            }
            let timer = self.config().meters.answers;
            let answer = timer
                .time(|| self.attempt(endpoint, url, payload, started + share, now))
                .inspect(|_| self.config().paces.note(url, started.elapsed()))
                .and_then(|(status, body)| {
                    let blacklist_time = self.config().blacklist_time;
                    match status {
                        200 => Ok(Answer::parse(&body, requested, blacklist_time)?),
                        denial => Ok(Answer::denial(denial, &body, blacklist_time)),
                    }
                });
            match answer {
                Ok(answer) => {
                    self.answered(url);
                    let of_status = answer.status.map(|_| url.to_string().into());
                    return Ok(Answer {
                        url: of_status,
                        ..answer
                    });
                }
                Err(cause) => {
                    distrust_connection();
                    if cause.is_outage() {
                        self.failed(url);
                    } else {
                        self.answered(url);
                    }
                    if let Cause::Later(_, time) = cause {
                        self.breakers.hold(url.target(), Instant::now(), time);
                    }
                    let passes_on = cause.passes_on();
                    failures.push((url.to_string(), cause));
                    if !passes_on {
                        break;
                    }
                }
            }
        }
        Err(EndpointError { failures })
    }

    /// A URL has failed.
    fn failed(&self, url: &EndpointUrl) {
        let failures = self.breakers.failure(url.target(), Instant::now());
        if failures.is_some() {
            (self.config().meters.changes.0)(&url.to_string(), failures);
        }
    }

    /// A URL has answered.
    fn answered(&self, url: &EndpointUrl) {
        if self.breakers.success(url.target()) {
            (self.config().meters.changes.0)(&url.to_string(), None);
        }
    }

    /// Queries one URL, and once more if it sends a challenge that can be answered. Status and body of
    /// an answer: 200, or 401 and 403, which deny.
    fn attempt(
        &self,
        endpoint: &Endpoint,
        url: &EndpointUrl,
        payload: &Payload,
        until: Instant,
        now: SystemTime,
    ) -> Result<(u16, Vec<u8>), Cause> {
        if let Payload::Query(query) = payload
            && query.len() > MAX_QUERY
        {
            return Err(Cause::QueryTooLong(query.len()));
        }
        let basic = url.basic().or(endpoint.basic.as_ref());
        let asked = Asked {
            endpoint,
            url,
            payload,
            until,
            now,
        };
        let mut response = self.send(asked, basic)?;
        if response.status() == StatusCode::UNAUTHORIZED
            && basic.is_none()
            && let Some(basic) = self.challenged(url, &response)
        {
            // Read to its end, so that the connection can be reused.
            let rest = response.body_mut().with_config().limit(MAX_ANSWER as u64);
            let _ = rest.read_to_vec();
            response = self.send(asked, Some(&basic))?;
        }
        let status = response.status().as_u16();
        match status {
            200 | 403 => {}
            // It is about the device, unless the password is wanted from us.
            401 if basic_challenge(&response).is_none() => {}
            300..=399 => return Err(Cause::Redirect(status)),
            _ => {
                let most = self.config().retry_after_max;
                let time = retry_after(status, response.headers(), SystemTime::now(), most);
                return Err(match time {
                    Some(time) => Cause::Later(status, time),
                    None => Cause::Status(status),
                });
            }
        }
        // ureq rejects an answer of exactly the limit too.
        let limit = MAX_ANSWER as u64 + 1;
        let body = response.body_mut().with_config().limit(limit).read_to_vec();
        match body.map_err(|error| cause(&error)) {
            Ok(body) if body.len() <= MAX_ANSWER => Ok((status, body)),
            // A denial needs no body.
            _ if status != 200 => Ok((status, Vec::new())),
            Ok(_) => Err(Cause::TooLong),
            Err(cause) => Err(cause),
        }
    }

    /// The credentials that a challenge requires.
    fn challenged(&self, url: &EndpointUrl, response: &Response<Body>) -> Option<Basic> {
        let basic_for = self.basic_for.as_ref()?;
        let realm = basic_challenge(response)?;
        basic_for(url.uri().host()?, &realm)
    }

    /// If no answer comes because the connection was stale, the query is repeated once over a new
    /// one.
    fn send(&self, asked: Asked<'_>, basic: Option<&Basic>) -> Result<Response<Body>, Cause> {
        let agent = self.agents.get(&asked.endpoint.tls, asked.url);
        let agent = agent.map_err(|error| Cause::Files(error.to_string()))?;
        let result = match self.exchange(&agent, asked, basic, true) {
            Err(ureq::Error::Io(_)) if Progress::now().is_stale() => {
                self.exchange(&agent, asked, basic, false)
            }
            other => other,
        };
        result.map_err(|error| cause(&error))
    }

    fn exchange(
        &self,
        agent: &Agent,
        asked: Asked<'_>,
        basic: Option<&Basic>,
        reuse: bool,
    ) -> Result<Response<Body>, ureq::Error> {
        let Asked {
            endpoint,
            url,
            payload,
            until,
            now,
        } = asked;
        let left = until.saturating_duration_since(Instant::now());
        let connect = self.config().connect_timeout.min(left);
        // Zero means that no connection is young enough to be reused.
        let max_age = if reuse {
            self.config().max_idle_age
        } else {
            Duration::ZERO
        };
        let basic = basic.and_then(|basic| {
            let mut value = HeaderValue::from_str(&basic.header()).ok()?;
            value.set_sensitive(true);
            Some(value)
        });
        let signature = endpoint
            .signature
            .as_ref()
            .map(|key| key.sign(payload.body(), now));
        // Requests with and without a body have different types: hence a macro.
        macro_rules! prepare {
            ($request:expr) => {{
                let mut request = $request.header(ACCEPT, "application/json");
                if let Some(basic) = basic {
                    request = request.header(AUTHORIZATION, basic);
                }
                if let Some(signature) = signature {
                    request = request.header(&self.config().signature_header, signature);
                }
                request
                    .config()
                    .timeout_global(Some(left))
                    .timeout_resolve(Some(connect))
                    .timeout_connect(Some(connect))
                    .max_idle_age(max_age)
                    .build()
            }};
        }
        Progress::begin(matches!(payload, Payload::Json(_)));
        match payload {
            Payload::Json(json) => prepare!(agent.post(url.uri().clone()))
                .header(CONTENT_TYPE, "application/json")
                .send(json.as_str()),
            Payload::Query(query) => prepare!(agent.get(url.with_query(query))).call(),
        }
    }
}

/// The realm of a response's Basic challenge.
fn basic_challenge(response: &Response<Body>) -> Option<String> {
    let values = response.headers().get_all(WWW_AUTHENTICATE);
    basic_realm(values.iter().map(HeaderValue::as_bytes))
}

/// What a ureq error means to an operator.
pub(super) fn cause(error: &ureq::Error) -> Cause {
    let phase = Progress::now().phase;
    match error {
        ureq::Error::Timeout(reason) => Cause::TimedOut(match reason {
            ureq::Timeout::Resolve => Phase::Resolving.doing(),
            ureq::Timeout::Connect if phase == Phase::Proxy => phase.doing(),
            ureq::Timeout::Connect => Phase::Connecting.doing(),
            _ => phase.doing(),
        }),
        ureq::Error::ConnectProxyFailed(error) => Cause::Proxy(error.clone()),
        ureq::Error::BodyExceedsLimit(_) => Cause::TooLong,
        ureq::Error::HostNotFound => Cause::Resolve("no address".to_owned()),
        ureq::Error::Rustls(error) => Cause::Tls(error.to_string()),
        ureq::Error::Tls(error) => Cause::Tls((*error).to_owned()),
        ureq::Error::Io(error) => {
            let tls = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match (tls, phase) {
                (Some(error), _) => Cause::Tls(error.to_string()),
                (None, Phase::Resolving) => Cause::Resolve(error.to_string()),
                (None, Phase::Connecting) => Cause::Connect(error.to_string()),
                (None, Phase::Proxy) => Cause::Proxy(error.to_string()),
                (None, Phase::Sending | Phase::Waiting) => {
                    Cause::Broken(format!("{error}, before its answer"))
                }
                (None, Phase::Reading) => {
                    Cause::Broken(format!("{error}, in the middle of its answer"))
                }
            }
        }
        other => Cause::Protocol(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
