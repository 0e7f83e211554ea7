//! `hook_url`: where a hook of a grant leads.

use super::codes::{DONE, FAILED};
use crate::http;
use crate::opensips::pvar::{Message, Value, Variable};

/// `hook_url(hook, out_url)`: 1; -1 if the hook is not one that may be put into a header.
pub fn url(message: Message, hook: Option<Variable>, out: Option<Variable>) -> i32 {
    let hook = hook.and_then(|hook| message.text(hook));
    let url = hook.and_then(|hook| http::hook_url(&hook));
    match url.zip(out) {
        Some((url, out)) if message.set(out, Value::Text(&url)) => DONE,
        _ => FAILED,
    }
}
