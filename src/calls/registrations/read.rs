//! The functions that only read.

use super::super::codes::registration as code;
use super::super::waiting::{Started, Wait};
use super::call::{Call, now};
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::registrations::{MemberValue, Registration};
use crate::sip::{self, AddressOfRecord};

/// A name that is not that of a member: the seconds that are left.
const LEFT: &str = "left";

/// The member that is a URI.
const CONTACT: &str = "contact";

/// `registration_get(aor, out_entry)`.
pub fn get(
    module: &'static Module,
    message: Message,
    aor: &[u8],
    out: Option<Variable>,
    wait: Wait,
) -> Started {
    let call = Call {
        function: c"registration_get",
        module,
        message,
    };
    let aor = match aor {
        b"" => call.aor(&module.request.method(message)),
        text => named(text).ok_or_else(|| call.malformed(&"aor is not user@realm")),
    };
    let aor = match aor {
        Ok(aor) => aor,
        Err(code) => return Started::Done(code),
    };
    call.ask(
        wait,
        move |registrations| registrations.get(&aor, now()),
        move |call, found| match found {
            None => code::NO,
            Some(found) => give(&call, &found, out),
        },
    )
}

/// An address of record as scripts have it, with its user unescaped, or as a URI.
fn named(text: &[u8]) -> Option<AddressOfRecord> {
    let text = str::from_utf8(text).ok()?;
    match text.split_once(':') {
        Some((scheme, _)) if ["sip", "sips"].contains(&&*scheme.to_ascii_lowercase()) => {
            AddressOfRecord::parse(text)
        }
        _ => AddressOfRecord::parse(&text.replace('%', "%25")),
    }
}

fn give(call: &Call, found: &Registration, out: Option<Variable>) -> i32 {
    let module = call.module;
    if !call.set(out, Value::Text(found.json().as_bytes())) {
        return code::UNAVAILABLE;
    }
    // The first of a list ends up in front, as with load_credentials.
    let avps = module.registration_avps.iter();
    let mut wanted = avps.zip(&module.config.registrations.members).rev();
    let are_set = wanted.all(|(avp, wanted)| match wanted.source.as_str() {
        LEFT => avp.push(Value::Int(i32::try_from(found.left()).unwrap_or(i32::MAX))),
        name => match found.member(name) {
            Some(MemberValue::Integer(number)) => avp.push(Value::Int(number)),
            // Anybody may have written it, and scripts put it into headers.
            Some(MemberValue::Text(text)) if is_safe(name, text.as_bytes()) => {
                avp.push(Value::Text(text.as_bytes()))
            }
            _ => true,
        },
    });
    match are_set {
        true => code::DONE,
        false => call.failed(&"an AVP of load_registration could not be set"),
    }
}

/// Whether a member can be handed to a script. A contact can only if a registrar could have saved it.
fn is_safe(name: &str, text: &[u8]) -> bool {
    sip::is_one_line(text) && (name != CONTACT || sip::is_contact_uri(text))
}

/// `registration_count(realm, out_count [, limit])`.
pub fn count(
    module: &'static Module,
    message: Message,
    [realm, limit]: [&[u8]; 2],
    out: Option<Variable>,
    wait: Wait,
) -> Started {
    let call = Call {
        function: c"registration_count",
        module,
        message,
    };
    let realm = match str::from_utf8(realm) {
        Ok(realm) if !realm.is_empty() => realm.trim_ascii().to_ascii_lowercase(),
        _ => return Started::Done(call.malformed(&"realm is empty or not UTF-8")),
    };
    let limit = match call.limit(limit) {
        Ok(limit) => limit.map(u64::from),
        Err(code) => return Started::Done(code),
    };
    call.ask(
        wait,
        move |registrations| registrations.count(&realm, now()),
        move |call, number| {
            let is_full = limit.is_some_and(|limit| number >= limit);
            let number = i32::try_from(number).unwrap_or(i32::MAX);
            match call.set(out, Value::Int(number)) {
                true if is_full => code::NO,
                true => code::DONE,
                false => code::UNAVAILABLE,
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_not_unescaped_but_a_uri_is() {
        let whole = |text: &[u8]| named(text).map(|aor| String::from_utf8(aor.whole()).unwrap());
        let is = |text: &str| Some(text.to_owned());
        assert_eq!(whole(b"%61l@A.example"), is("%61l@a.example"));
        assert_eq!(whole(b"sip:%61l@A.example"), is("al@a.example"));
        assert_eq!(whole(b"SIPS:al@a.example"), is("al@a.example"));
        assert_eq!(whole(b"sips@a.example"), is("sips@a.example"));
        assert_eq!(whole(b"a@b@c.example"), is("a@b@c.example"));
        for text in [b"al".as_slice(), b"@a.example", b"al@", b"\xff@a.example"] {
            assert_eq!(whole(text), None);
        }
    }
}
