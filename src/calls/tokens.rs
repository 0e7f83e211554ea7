//! `token_get`: where a request has its token.

use std::ffi::CStr;

use super::codes::token as code;
use crate::digest::MAX_HEADERS;
use crate::jwt::token::is_like_a_token;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"token_get";

/// `token_get(out_token)`.
pub fn get(module: &'static Module, message: Message, out: Option<Variable>) -> i32 {
    let headers = module.request.authorizations(message);
    let of = [headers.authorization, headers.proxy_authorization];
    if of.iter().any(|values| values.len() > MAX_HEADERS) {
        return code::SEVERAL;
    }
    let mut tokens = of.concat();
    tokens.retain(|value| is_like_a_token(value));
    tokens.extend(module.request.x_jwt(message));
    match tokens.as_slice() {
        [] => code::NONE,
        [token] if out.is_some_and(|out| message.set(out, Value::Text(token))) => code::FOUND,
        [_] => {
            log!(Error, FUNCTION, "the output could not be set");
            code::SEVERAL
        }
        _ => code::SEVERAL,
    }
}
