//! `check_headers`: whether there is only one way to read a message.

use std::ffi::CStr;

use super::codes::{DONE, FAILED};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"check_headers";

/// `check_headers([out_reason])`: 1; -1 if the head of the message can be read in two ways.
pub fn check(module: &'static Module, message: Message, reason: Option<Variable>) -> i32 {
    let error = match module.request.headers(message) {
        Ok(_) => return DONE,
        Err(error) => error.to_string(),
    };
    let source = module.request.source(message);
    log!(Notice, FUNCTION, "refused (-1) {source}: {error}");
    // It is refused in any case.
    _ = reason.is_none_or(|reason| message.set(reason, Value::Text(error.as_bytes())));
    FAILED
}
