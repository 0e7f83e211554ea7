//! Asking an endpoint with a form.

use std::time::{Duration, Instant, SystemTime};

use ureq::http::Response;
use ureq::http::header::{ACCEPT, CONTENT_TYPE};
use ureq::{Agent, Body, Error};

use super::{Client, cause};
use crate::http::error::Cause;
use crate::http::form::{Form, FormAnswer, FormError};
use crate::http::prepared::prepared;
use crate::http::retry::retry_after;
use crate::http::transport::{Progress, distrust_connection};
use crate::http::url::EndpointUrl;

impl Client {
    /// The error with which [`post_form`](Self::post_form) would fail at once because the URL is being
    /// left alone, if so.
    pub(in crate::http) fn leaves_alone(
        &self,
        url: &EndpointUrl,
        now: Instant,
    ) -> Option<FormError> {
        self.left_alone(url, now).map(FormError::Cause)
    }

    /// Sends a form with POST, and reads an answer of at most `most` bytes until `until`.
    ///
    /// # Errors
    /// Fails with [`FormError`] on anything but a complete answer with status 200.
    pub(in crate::http) fn post_form(
        &self,
        url: &EndpointUrl,
        form: &Form,
        most: usize,
        until: Instant,
    ) -> Result<FormAnswer, FormError> {
        let entered = self.enter(url, Instant::now());
        entered.map_err(FormError::Cause)?;
        let answer = self.attempt_form(url, form, most, until);
        if !answer.as_ref().is_ok_and(|answer| answer.is_of(form)) {
            distrust_connection();
        }
        match &answer {
            Err(error) if error.is_outage() => self.failed(url),
            _ => self.answered(url),
        }
        if let Err(FormError::Cause(Cause::Later(_, time))) = &answer {
            self.breakers.hold(url.target(), Instant::now(), *time);
        }
        answer
    }

    fn attempt_form(
        &self,
        url: &EndpointUrl,
        form: &Form,
        most: usize,
        until: Instant,
    ) -> Result<FormAnswer, FormError> {
        let failed = |error: Error| FormError::Cause(cause(&error));
        let agent = self.agents.get(&self.config().files, url);
        let agent = agent.map_err(|error| FormError::Cause(Cause::Files(error.to_string())))?;
        // Asking twice about the same token changes nothing.
        let response = match self.exchange_form(&agent, url, form, until, true) {
            Err(Error::Io(_)) if Progress::now().is_stale() => {
                self.exchange_form(&agent, url, form, until, false)
            }
            other => other,
        };
        let response = response.map_err(failed)?;
        match response.status().as_u16() {
            200 => {}
            status @ 300..=399 => return Err(FormError::Cause(Cause::Redirect(status))),
            status @ (401 | 403) => return Err(FormError::Credentials(status)),
            status => {
                let (now, most) = (SystemTime::now(), self.config().retry_after_max);
                return Err(match retry_after(status, response.headers(), now, most) {
                    Some(time) => FormError::Cause(Cause::Later(status, time)),
                    None => FormError::Status(status),
                });
            }
        }
        let media_type = response.headers().get(CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok());
        let media_type = media_type.unwrap_or_default().split(';').next();
        let media_type = media_type.unwrap_or_default().trim().to_ascii_lowercase();
        let (_, mut body) = response.into_parts();
        // ureq rejects a body of exactly the limit too.
        let body = body.with_config().limit(most as u64 + 1).read_to_vec();
        match body {
            Ok(body) if body.len() <= most => Ok(FormAnswer { media_type, body }),
            Ok(_) | Err(Error::BodyExceedsLimit(_)) => Err(FormError::TooLong(most)),
            Err(error) => Err(failed(error)),
        }
    }

    fn exchange_form(
        &self,
        agent: &Agent,
        url: &EndpointUrl,
        form: &Form,
        until: Instant,
        reuse: bool,
    ) -> Result<Response<Body>, Error> {
        let left = until.saturating_duration_since(Instant::now());
        let connect = self.config().connect_timeout.min(left);
        let max_age = match reuse {
            true => self.config().max_idle_age,
            false => Duration::ZERO,
        };
        let request = agent
            .post(url.uri().clone())
            .header(ACCEPT, form.accept)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = prepared(request, form.basic.as_ref(), left, connect);
        let request = request.config().max_idle_age(max_age).build();
        Progress::begin(true);
        request.send(form.body())
    }
}
