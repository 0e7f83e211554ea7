//! `contact_get`: what a REGISTER asks for its contacts; `target_get`: where the sender of a message is.

use std::ffi::CStr;

use super::codes::{DONE, FAILED, contact as code};
use super::outcome;
use crate::clock;
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::request::MAX_CONTACTS;
use crate::sip::{Asked, Contact, ContactError, asked};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"contact_get";

/// `contact_get(out_contact, out_expires [, out_removed [, out_reason]])`.
pub fn get(
    module: &'static Module,
    message: Message,
    [contact, expires, removed, reason]: [Option<Variable>; 4],
) -> i32 {
    let read = module.registration.contacts(message);
    let asked = match read.contacts.len() {
        0..=MAX_CONTACTS => {
            let now = clock::now().as_secs();
            let of = |contacts: &[Contact]| {
                let expires = read.expires.as_deref();
                asked(contacts, read.is_star, expires, now)
            };
            match of(&read.contacts) {
                // A script that lets several stay has to know that each can be saved.
                Err(ContactError::Several) => {
                    let mut each = read.contacts.iter().map(std::slice::from_ref);
                    let wrong = each.find_map(|contact| of(contact).err());
                    Err(wrong.unwrap_or(ContactError::Several))
                }
                asked => asked,
            }
        }
        _ => Err(ContactError::Expires),
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(error) => {
            let code = code::of(error);
            outcome::refused(module, message, FUNCTION, code, &error);
            // It is refused in any case.
            let text = error.to_string();
            _ = reason.is_none_or(|reason| message.set(reason, Value::Text(text.as_bytes())));
            return code;
        }
    };
    let (uri, seconds, leaving, code) = match &asked {
        Asked::Query => (Value::Null, None, 0, code::QUERY),
        Asked::RemoveAll => (Value::Text(b"*"), Some(0), 0, code::ASKED),
        Asked::Contact {
            uri,
            expires,
            leaving,
        } => (Value::Text(uri), *expires, *leaving, code::ASKED),
    };
    let number = |number: Option<i32>| Value::Int(number.unwrap_or(i32::MAX));
    let seconds = seconds.map_or(Value::Int(-1), |seconds| number(seconds.try_into().ok()));
    let outputs = [
        (contact, uri),
        (expires, seconds),
        (removed, number(leaving.try_into().ok())),
    ];
    let mut set = outputs
        .into_iter()
        .filter_map(|(variable, value)| Some((variable?, value)));
    match set.all(|(variable, value)| message.set(variable, value)) {
        true => code,
        false => {
            log!(Error, FUNCTION, "an output could not be set");
            code::INVALID
        }
    }
}

/// `target_get(out_target)`: 1; -1 unless the message gives one remote target.
pub fn target(module: &'static Module, message: Message, out: Option<Variable>) -> i32 {
    let target = module.registration.target(message);
    let value = target.as_deref().map_or(Value::Null, Value::Text);
    let is_set = out.is_some_and(|out| message.set(out, value));
    match is_set && target.is_some() {
        true => DONE,
        false => FAILED,
    }
}
