//! `check_headers`: whether there is only one way to read a message.

use std::ffi::CStr;

use super::codes::{DONE, FAILED};
use super::outcome;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::sip::Rule;

/// Name of the function in log lines.
const FUNCTION: &CStr = c"check_headers";

/// `check_headers([out_reason [, rules]])`: 1; -1 if the head of the message can be read in two ways, or
/// breaks one of these rules.
pub fn check(
    module: &'static Module,
    message: Message,
    reason: Option<Variable>,
    rules: &[u8],
) -> i32 {
    let names = rules.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    let mut unknown = None;
    let rules: Vec<Rule> = names
        .filter(|name| !name.is_empty())
        .filter_map(|name| {
            let rule = Rule::named(name);
            if rule.is_none() {
                unknown = Some(name);
            }
            rule
        })
        .collect();
    if let Some(name) = unknown {
        log!(
            Error,
            FUNCTION,
            "there is no rule \"{}\"",
            name.escape_ascii()
        );
        return FAILED;
    }
    let has_target = || module.registration.target(message).is_some();
    let error = match module.request.headers(message) {
        Ok(headers) => match module.request.check(message, &headers, &rules, has_target) {
            Ok(()) => return DONE,
            Err(error) => error.to_string(),
        },
        Err(error) => error.to_string(),
    };
    outcome::refused(module, message, FUNCTION, FAILED, &error);
    // It is refused in any case.
    _ = reason.is_none_or(|reason| message.set(reason, Value::Text(error.as_bytes())));
    FAILED
}
