//! `digest_challenge` and `jwt_challenge`: values for WWW-Authenticate and Proxy-Authenticate.

use std::{ffi::CStr, time::SystemTime};

use super::codes::{DONE, FAILED};
use super::entrance::binding;
use crate::digest::{self, Algorithm};
use crate::jwt::challenge::Challenge;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};

/// The algorithm that every device supports, used if the script names none.
const DEFAULT_ALGORITHMS: &str = "MD5";

/// `digest_challenge(out_header, realm [, algorithms [, stale]])`: 1, or -1 with a log line.
///
/// SIP requires one header per algorithm (RFC 3261 section 7.3.1, RFC 8760 section 2.4). The value
/// of the first is followed by the further headers as whole lines, named WWW-Authenticate for a
/// REGISTER and Proxy-Authenticate for other methods, so that one append_to_reply sends them all.
pub fn digest(
    module: &'static Module,
    message: Message,
    header: Option<Variable>,
    realm: &[u8],
    algorithms: &[u8],
    stale: bool,
) -> i32 {
    let method = module.request.method(message);
    let domain = module.request.domain(message, &method);
    let value = text("realm", or_domain(realm, &domain)).and_then(|realm| {
        let names = text("algorithms", algorithms)?;
        let names = if names.is_empty() {
            DEFAULT_ALGORITHMS
        } else {
            names
        };
        let algorithms = Algorithm::parse_list(names).map_err(|e| e.to_string())?;
        let bound = binding(realm.as_bytes(), &domain);
        let now = SystemTime::now();
        digest::challenge(&module.nonces, realm, &bound, &algorithms, stale, now)
            .map_err(|e| e.to_string())
    });
    let name = if method == "REGISTER" {
        "WWW-Authenticate"
    } else {
        "Proxy-Authenticate"
    };
    give(
        c"digest_challenge",
        message,
        header,
        realm.is_empty(),
        value.map(|values| values.join(&format!("\r\n{name}: "))),
    )
}

/// `jwt_challenge(out_header, realm [, authz_server [, scope [, error]]])`: 1, or -1 with a log
/// line.
pub fn bearer(
    module: &'static Module,
    message: Message,
    header: Option<Variable>,
    realm: &[u8],
    authz_server: &[u8],
    scope: &[u8],
    error: &[u8],
) -> i32 {
    let method = module.request.method(message);
    let domain = module.request.domain(message, &method);
    let value = || {
        let challenge = Challenge {
            realm: text("realm", or_domain(realm, &domain))?,
            authz_server: text("authz_server", authz_server)?,
            scope: text("scope", scope)?,
            error: text("error", error)?,
            description: "",
        };
        challenge.header_value().map_err(|e| e.to_string())
    };
    give(c"jwt_challenge", message, header, realm.is_empty(), value())
}

/// The realm of a challenge: the script's, else the domain of the user that the request is about.
fn or_domain<'a>(realm: &'a [u8], domain: &'a str) -> &'a [u8] {
    match realm {
        [] => domain.as_bytes(),
        realm => realm,
    }
}

fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))
}

/// `of_request` is whether the realm is what the sender wrote: then it is no error of ours.
fn give(
    function: &CStr,
    message: Message,
    header: Option<Variable>,
    of_request: bool,
    value: Result<String, String>,
) -> i32 {
    match value {
        Ok(value) if header.is_some_and(|h| message.set(h, Value::Text(value.as_bytes()))) => DONE,
        Ok(_) => {
            log!(Error, function, "the output could not be set");
            FAILED
        }
        Err(error) if of_request => {
            let reason = "the request can't be challenged";
            log!(Notice, function, "{reason}: {error}");
            FAILED
        }
        Err(error) => {
            log!(Error, function, "{error}");
            FAILED
        }
    }
}
