//! `credentials_get`: which user name and password answer a challenge.

use std::ffi::CStr;

use super::codes::credentials as code;
use crate::credentials::ANONYMOUS;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::process;

/// Name of the function in log lines.
const FUNCTION: &CStr = c"credentials_get";

/// `credentials_get(server, realm, user, out_username, out_password)`.
pub fn get(
    module: &'static Module,
    message: Message,
    server: &[u8],
    realm: &[u8],
    user: &[u8],
    username: Option<Variable>,
    password: Option<Variable>,
) -> i32 {
    let set = |variable: Option<Variable>, value: &[u8]| {
        variable.is_some_and(|variable| message.set(variable, Value::Text(value)))
    };
    let give = |name: &[u8], secret: &[u8], code: i32| match set(username, name)
        && set(password, secret)
    {
        true => code,
        false => {
            log!(Error, FUNCTION, "an output could not be set");
            code::FAILED
        }
    };
    match process::with(module, |process| process.credentials()) {
        Ok(credentials) => match credentials.get(server, realm, user) {
            Some(login) => give(&login.username, &login.password, code::FOUND),
            None => give(ANONYMOUS.as_bytes(), b"", code::ANONYMOUS),
        },
        Err(error) => {
            log!(Error, FUNCTION, "{error}");
            code::FAILED
        }
    }
}
