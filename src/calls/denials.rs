//! `denial_headers`: what an endpoint wants in the reply to a request that it denies.

use super::codes::{DONE, FAILED};
use crate::http;
use crate::opensips::pvar::{Message, Value, Variable};

/// `denial_headers(grant, out_headers)`: 1; -1 if there are none.
pub fn headers(message: Message, grant: Option<Variable>, out: Option<Variable>) -> i32 {
    let grant = grant.and_then(|grant| message.text(grant));
    let lines = http::denial_headers(&grant.unwrap_or_default());
    let is_set = || out.is_some_and(|out| message.set(out, Value::Text(lines.as_bytes())));
    match !lines.is_empty() && is_set() {
        true => DONE,
        false => FAILED,
    }
}
