//! `unsupported_get`: which extensions a request demands that the script does not have.

use std::ffi::CStr;

use super::codes::unsupported as code;
use super::outcome;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::sip::unsupported;

/// Name of the function in log lines.
const FUNCTION: &CStr = c"unsupported_get";

/// `unsupported_get(header, supported, out_unsupported)`.
pub fn get(
    module: &'static Module,
    message: Message,
    header: &[u8],
    supported: &[u8],
    out: Option<Variable>,
) -> i32 {
    let headers = module.request.headers(message);
    let found = match headers.map(|headers| unsupported(&headers, header, supported)) {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => return refused(module, message, &error.to_string()),
        Err(error) => return refused(module, message, &error.to_string()),
    };
    match found {
        None => code::NONE,
        Some(tags) if out.is_some_and(|out| message.set(out, Value::Text(&tags))) => code::FOUND,
        Some(_) => {
            log!(Error, FUNCTION, "the output could not be set");
            code::MALFORMED
        }
    }
}

fn refused(module: &'static Module, message: Message, error: &str) -> i32 {
    outcome::refused(module, message, FUNCTION, code::MALFORMED, &error);
    code::MALFORMED
}
