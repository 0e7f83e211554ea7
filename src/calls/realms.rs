//! `realm_get`: what a table says of a realm.

use std::ffi::CStr;
use std::time::{Duration, Instant};

use super::codes::realm as code;
use super::waiting::{Started, Wait, on_thread};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value};
use crate::process::{self, Asked};
use crate::realms::Found;
use crate::store::realm::RealmRow;
use crate::store::shared::{Aged, Wanted};
use crate::store::{Answer, StoreError};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"realm_get";

/// The longest realm that is looked up: a domain name (RFC 1035 section 2.3.4).
const MAX_REALM: usize = 255;

/// `realm_get(realm)`. It may return before it is done.
pub fn get(module: &'static Module, message: Message, realm: &[u8], wait: Wait) -> Started {
    let realm = match realm {
        [] => {
            let method = module.request.method(message);
            module.request.domain(message, &method)
        }
        text => String::from_utf8_lossy(text).to_ascii_lowercase(),
    };
    // No table has such a realm, and strangers' oddities are not worth a query.
    if realm.is_empty() || realm.len() > MAX_REALM || !realm.bytes().all(|b| b.is_ascii_graphic()) {
        return Started::Done(code::NONE);
    }
    let realms = process::with(module, |process| process.realms.clone());
    let Some(realms) = realms else {
        log!(Error, FUNCTION, "db_url or load_realm is not set");
        return Started::Done(code::FAILED);
    };
    if let Some(found) = realms.cached(&realm, Instant::now()) {
        return Started::Done(finish(module, &realm, Ok(found)));
    }
    let (of, table) = (realm.clone(), &module.config.realms.table);
    let database = module.config.database.as_ref();
    let wanted = Wanted {
        generation: 0,
        rows: database.map_or(Duration::ZERO, |database| database.cache.ttl),
        none: Duration::ZERO,
    };
    let asked = process::with(module, |process| {
        process.ask_once(wanted, move |source| table.fetch(source, &of))
    });
    let answered = move |row: Answer<Aged<Option<(String, RealmRow)>>>| {
        let row = row.map(|row| (row.value, row.since));
        let row = row.map_err(|error| error.to_string());
        let found = realms.lookup(&realm, Instant::now(), || row);
        // A new realm counts at once.
        if found.as_ref().is_ok_and(|found| found.value.is_none()) {
            realms.forget(&realm);
        }
        finish(module, &realm, found)
    };
    match asked {
        Asked::Answered(row) => Started::Done(answered(row)),
        Asked::Pending(query) => on_thread(
            module,
            message,
            wait,
            |wake| query.start(wake).map_err(Err),
            |cause| Err(StoreError::Busy(cause.to_owned())),
            move |_, row| Started::Done(answered(row)),
        ),
    }
}

fn finish(module: &'static Module, realm: &str, found: Result<Found<RealmRow>, String>) -> i32 {
    let Found { value, outdated } = match found {
        Ok(found) => found,
        Err(error) => {
            // Whichever realm shows it.
            if process::is_due(module, (FUNCTION, "fails", &error)) {
                log!(Error, FUNCTION, "realm {realm:?}: {error}");
            }
            return code::FAILED;
        }
    };
    if let Some(outdated) =
        outdated.filter(|error| process::is_due(module, (FUNCTION, "serves", error)))
    {
        log!(
            Warning,
            FUNCTION,
            "realm {realm:?}: {outdated}; the cache serves"
        );
    }
    let Some(row) = value else {
        return code::NONE;
    };
    // The first of a list ends up in front, as with load_credentials.
    let set = module
        .realm_avps
        .iter()
        .zip(row.iter())
        .rev()
        .all(|(avp, column)| {
            column
                .as_ref()
                .is_none_or(|text| avp.push(Value::Text(text)))
        });
    match set {
        true => code::FOUND,
        false => {
            log!(Error, FUNCTION, "realm {realm:?}: an AVP could not be set");
            code::FAILED
        }
    }
}
