//! Forms (`application/x-www-form-urlencoded`), as the endpoints of OAuth 2.0 want to be asked with.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use super::basic::Basic;
use super::error::Cause;
use super::url::EndpointUrl;

/// What is not escaped in a form: the unreserved characters of RFC 3986 section 2.3.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A form to be sent. It is overwritten when it is dropped.
#[derive(Default)]
pub struct Form {
    body: Zeroizing<String>,
    /// The media type that is asked for.
    pub(super) accept: &'static str,
    /// Credentials for the header Authorization.
    pub basic: Option<Basic>,
}

/// One name or value, escaped for a form (RFC 6749 appendix B).
pub fn form_encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

impl Form {
    /// An empty one, which asks for this media type.
    pub fn new(accept: &'static str) -> Self {
        Form {
            accept,
            ..Form::default()
        }
    }

    /// Adds a field.
    pub fn add(&mut self, name: &str, value: &str) {
        // Room for all of it at once: a text that has to move leaves a copy behind.
        let more = 2 + 3 * (name.len() + value.len());
        let mut body = Zeroizing::new(String::with_capacity(self.body.len() + more));
        body.push_str(&self.body);
        if !body.is_empty() {
            body.push('&');
        }
        body.extend(utf8_percent_encode(name, PLAIN));
        body.push('=');
        body.extend(utf8_percent_encode(value, PLAIN));
        self.body = body;
    }

    /// What is sent.
    pub fn body(&self) -> &str {
        &self.body
    }
}

/// What an endpoint answered to a form.
#[derive(Debug)]
pub struct FormAnswer {
    /// The media type in lower case, without parameters; empty if there is none.
    pub media_type: String,
    /// The content.
    pub body: Vec<u8>,
}

impl FormAnswer {
    /// Whether it can be the answer to this form.
    pub(super) fn is_of(&self, form: &Form) -> bool {
        self.media_type == form.accept && !self.body.is_empty()
    }
}

/// Why an endpoint gave no answer to a form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// As with any endpoint.
    #[error("{0}")]
    Cause(Cause),
    /// 401 or 403: the request was not ours to make, or what we sent does not prove that it was.
    #[error("it refuses the credentials of this client (status {0})")]
    Credentials(u16),
    /// Any other status than 200.
    #[error("it answered with status {0}, which must be 200")]
    Status(u16),
    /// The answer is too long.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
}

impl FormError {
    /// Whether this indicates an endpoint that is out of order. A token that someone makes up must not
    /// be able to disable it.
    pub(super) fn is_outage(&self) -> bool {
        match self {
            FormError::Cause(cause) => cause.is_outage(),
            FormError::Status(status) => *status >= 500,
            FormError::Credentials(_) | FormError::TooLong(_) => false,
        }
    }
}

/// What is asked with a form.
pub struct FormQuestion {
    /// Who is asked.
    pub url: EndpointUrl,
    /// Makes the form, on the thread that sends it; the error is a message for the log.
    pub form: Box<dyn FnOnce() -> Result<Form, String> + Send>,
    /// The most bytes of an answer.
    pub most: usize,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// The answer, or why there is none: a line for the log that names the endpoint.
pub type FormOutcome = Result<FormAnswer, String>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_escaped() {
        let mut form = Form::default();
        form.add("token", "a+b/c=~-._");
        form.add("x y", "&=%ü");
        assert_eq!(form.body(), "token=a%2Bb%2Fc%3D~-._&x%20y=%26%3D%25%C3%BC");
        assert_eq!(form_encoded("a:b"), "a%3Ab");
    }
}
