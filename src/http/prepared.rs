//! What all requests have in common: credentials, and how long they may take.

use std::time::Duration;

use ureq::RequestBuilder;
use ureq::http::HeaderValue;
use ureq::http::header::AUTHORIZATION;

use super::basic::Basic;

/// A request with these credentials, which may take `left`, of which `connect` to connect.
pub(super) fn prepared<T>(
    mut request: RequestBuilder<T>,
    basic: Option<&Basic>,
    left: Duration,
    connect: Duration,
) -> RequestBuilder<T> {
    if let Some(basic) = basic
        && let Ok(mut value) = HeaderValue::from_str(&basic.header())
    {
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    let request = request.config().timeout_global(Some(left));
    let request = request.timeout_resolve(Some(connect));
    request.timeout_connect(Some(connect)).build()
}
