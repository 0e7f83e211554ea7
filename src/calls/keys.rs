//! `jwt_sign` and the functions that make keys.

use std::ffi::CStr;

use super::codes::{DONE, FAILED};
use crate::jwt::algorithm::{self, AlgorithmSet};
use crate::jwt::{public_key, sign};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::process;

/// `jwt_sign(claims_json, key, algorithm, out_token [, header_json])`: 1, or -1 with a log line.
pub fn sign(
    module: &'static Module,
    message: Message,
    claims: &[u8],
    key: &[u8],
    algorithm: &[u8],
    token: Option<Variable>,
    header: &[u8],
) -> i32 {
    const FUNCTION: &CStr = c"jwt_sign";
    let header = Some(header).filter(|header| !header.is_empty());
    let made = || {
        let name = std::str::from_utf8(algorithm).unwrap_or("");
        let algorithm = algorithm::by_name(name).ok_or_else(|| {
            format!(
                "algorithm {name:?} is not allowed, allowed are {}",
                AlgorithmSet::ALL
            )
        })?;
        let key =
            process::with(module, |process| process.signing_key(key)).map_err(|e| e.to_string())?;
        sign::sign(claims, &key, algorithm, header).map_err(|e| e.to_string())
    };
    match made() {
        Ok(made) if token.is_some_and(|t| message.set(t, Value::Text(made.as_bytes()))) => DONE,
        Ok(_) => {
            log!(Error, FUNCTION, "the output could not be set");
            FAILED
        }
        Err(error) => {
            log!(Error, FUNCTION, "{error}");
            FAILED
        }
    }
}

/// `extract_pub_key_from_cert(certificate, out_key)`.
pub fn public_key_from_certificate(
    message: Message,
    certificate: &[u8],
    key: Option<Variable>,
) -> i32 {
    give_key(
        c"extract_pub_key_from_cert",
        message,
        public_key::from_certificate(certificate),
        key,
    )
}

/// `extract_pub_key_from_exp_mod(e, n, out_key)`.
pub fn public_key_from_exp_mod(message: Message, e: &[u8], n: &[u8], key: Option<Variable>) -> i32 {
    give_key(
        c"extract_pub_key_from_exp_mod",
        message,
        public_key::from_exp_mod(e, n),
        key,
    )
}

fn give_key<E: std::fmt::Display>(
    function: &CStr,
    message: Message,
    pem: Result<String, E>,
    key: Option<Variable>,
) -> i32 {
    match pem {
        Ok(pem) if key.is_some_and(|key| message.set(key, Value::Text(pem.as_bytes()))) => DONE,
        Ok(_) => {
            log!(Error, function, "the output could not be set");
            FAILED
        }
        Err(error) => {
            log!(Notice, function, "no key: {error}");
            FAILED
        }
    }
}
