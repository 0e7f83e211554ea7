//! `digest_realm` and `digest_answer`: the challenges of others, and the answers to them.

use std::ffi::CStr;

use super::codes::answer as code;
use crate::digest::{Offer, Received, ReceivedError, Request, cnonce};
use crate::log;
use crate::opensips::pvar::{Message, Value, Variable};

/// Name of the functions in log lines.
const REALM: &CStr = c"digest_realm";
const ANSWER: &CStr = c"digest_answer";

/// The code of what can't be answered.
fn code_of(error: &ReceivedError) -> i32 {
    match error {
        ReceivedError::Nothing | ReceivedError::Scheme(_) => code::NO_DIGEST,
        ReceivedError::Algorithm(_) => code::ALGORITHM,
        ReceivedError::Qop(_) => code::QOP,
        ReceivedError::Grammar
        | ReceivedError::TooLong(_)
        | ReceivedError::Missing(_)
        | ReceivedError::Duplicate(_) => code::MALFORMED,
    }
}

fn set(message: Message, variable: Option<Variable>, value: &[u8]) -> bool {
    variable.is_some_and(|variable| message.set(variable, Value::Text(value)))
}

/// `digest_realm(challenge, out_realm [, index [, out_challenge]])`.
pub fn realm(
    message: Message,
    challenge: &[u8],
    realm: Option<Variable>,
    index: i32,
    strongest: Option<Variable>,
) -> i32 {
    let refused = |error: &ReceivedError| {
        let code = code_of(error);
        log!(Notice, REALM, "no realm ({code}): {error}");
        code
    };
    let offers = match Received::list(challenge) {
        Ok(offers) => offers,
        Err(error) => return refused(&error),
    };
    let mut realms: Vec<&[u8]> = Vec::new();
    for realm in offers.iter().filter_map(|offer| offer.realm.as_deref()) {
        if !realms.contains(&realm) {
            realms.push(realm);
        }
    }
    let Some(name) = usize::try_from(index)
        .ok()
        .and_then(|index| realms.get(index))
    else {
        // A challenge without a realm has no answer; reported once.
        let first = offers
            .iter()
            .find_map(|offer| offer.challenge.as_ref().err());
        return match first.filter(|_| realms.is_empty()) {
            Some(error) => refused(error),
            None => code::NO_REALM,
        };
    };
    let of_realm: Vec<&Offer> = offers
        .iter()
        .filter(|offer| offer.realm.as_deref() == Some(*name))
        .collect();
    // Why none can be answered is for digest_answer to say.
    let text = match Received::strongest(of_realm.iter().copied()) {
        Ok((offer, _)) => offer.text.clone(),
        Err(_) => {
            let texts: Vec<&[u8]> = of_realm.iter().map(|offer| &offer.text[..]).collect();
            texts.join(&b"\r\n"[..])
        }
    };
    let is_set =
        set(message, realm, name) && strongest.is_none_or(|out| set(message, Some(out), &text));
    if !is_set {
        log!(Error, REALM, "an output could not be set");
        return code::FAILED;
    }
    let is_stale = |offer: &&Offer| offer.challenge.as_ref().is_ok_and(|found| found.stale);
    match of_realm.iter().any(is_stale) {
        true => code::STALE,
        false => code::DONE,
    }
}

/// The credentials that answer a challenge.
#[derive(Clone, Copy, Debug)]
pub struct Login<'a> {
    /// The user name.
    pub username: &'a [u8],
    /// Its password.
    pub password: &'a [u8],
}

/// `digest_answer(challenge, method, uri, body, username, password, out_header)`.
pub fn answer(
    message: Message,
    challenge: &[u8],
    request: Request<'_>,
    login: Login<'_>,
    header: Option<Variable>,
) -> i32 {
    let refused = |code: i32, error: &dyn std::fmt::Display| {
        log!(Notice, ANSWER, "no answer ({code}): {error}");
        code
    };
    let offers = Received::list(challenge);
    let found = match offers
        .as_ref()
        .map_err(Clone::clone)
        .and_then(Received::strongest)
    {
        Ok((_, found)) => found,
        Err(error) => return refused(code_of(&error), &error),
    };
    let cnonce = match cnonce() {
        Ok(cnonce) => cnonce,
        Err(error) => {
            log!(Error, ANSWER, "{error}");
            return code::FAILED;
        }
    };
    match found.answer(request, login.username, login.password, &cnonce) {
        Ok(value) if set(message, header, &value) => code::DONE,
        Ok(_) => {
            log!(Error, ANSWER, "the output could not be set");
            code::FAILED
        }
        Err(error) => refused(code::UNSENDABLE, &error),
    }
}
