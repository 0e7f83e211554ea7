//! `aor_get`: whom a request is about.

use super::codes::aor as code;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::request::NamedBy;
use crate::sip::{AddressOfRecord, AorError, usable};

/// Where the function stores its results.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    /// `user@realm`.
    pub aor: Option<Variable>,
    /// The realm.
    pub realm: Option<Variable>,
    /// Why there is none.
    pub reason: Option<Variable>,
}

/// The user of an address of record that the request does not name.
const UNNAMED: &[u8] = b"anonymous";

/// `aor_get(aor, out_aor, out_realm [, out_reason])`.
pub fn get(module: &'static Module, message: Message, aor: &[u8], outputs: Outputs) -> i32 {
    let found = match aor {
        b"" => of_request(module, message),
        text => of_text(text).map(|aor| (aor, code::NAMED)),
    };
    let set = |variable: Option<Variable>, value: &[u8]| {
        variable.is_none_or(|variable| message.set(variable, Value::Text(value)))
    };
    match found {
        Ok((aor, code)) => {
            let is_set = set(outputs.aor, &aor.whole());
            if is_set && set(outputs.realm, aor.domain().as_bytes()) {
                return code;
            }
            log!(Error, c"aor_get", "an output could not be set");
            code::NONE
        }
        Err(error) => {
            set(outputs.reason, error.to_string().as_bytes());
            code::NONE
        }
    }
}

fn of_request(
    module: &'static Module,
    message: Message,
) -> Result<(AddressOfRecord, i32), AorError> {
    let variables = &module.request;
    let method = variables.method(message);
    let named = variables.named(message, &method);
    let code = match named.by {
        NamedBy::Address => code::NAMED,
        NamedBy::Identity => code::BY_IDENTITY,
        // If From has an address for a domain, its user may be a device registered in the domain
        // called.
        NamedBy::Credentials(user) => {
            let aor = usable(&user, &named.domain);
            let aor = aor.or_else(|_| usable(UNNAMED, &named.domain))?;
            return Ok((aor, code::BY_CREDENTIALS));
        }
    };
    Ok((usable(&named.user, &named.domain)?, code))
}

/// Of a URI, whose user has escapes, or of `user@realm`, whose user has none.
fn of_text(text: &[u8]) -> Result<AddressOfRecord, AorError> {
    let prefix = |scheme: &[u8]| {
        let (start, rest) = text.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    let uri = prefix(b"sip:").or_else(|| prefix(b"sips:"));
    let text = uri.unwrap_or(text);
    let at = text.iter().rposition(|byte| *byte == b'@');
    let (user, domain) = text.split_at(at.ok_or(AorError::Invalid)?);
    if uri.is_none() && user.contains(&b'%') {
        return Err(AorError::Invalid);
    }
    usable(user, domain.get(1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_escapes_and_a_uri_has() {
        let of = |text: &str| {
            let aor = of_text(text.as_bytes()).ok()?;
            Some(String::from_utf8(aor.whole()).unwrap())
        };
        let is = Some("al@a.example".to_owned());
        assert_eq!(of("al@A.example"), is);
        assert_eq!(of("sip:%61l@a.example"), is);
        assert_eq!(of("SIPS:al@a.example"), is);
        for text in [
            "",
            "al",
            "%61l@a.example",
            "al@b@a.example",
            "sip:al",
            "<null>@<null>",
            "@a.example",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
