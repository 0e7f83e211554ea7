//! The functions that change registrations.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::codes::registration as code;
use super::super::waiting::{Started, Wait};
use super::call::{Call, now};
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::registration::{Arrival, bracketed};
use crate::opensips::shared;
use crate::opensips::stats::{self, Statistic};
use crate::pool::NoNotify;
use crate::process::{self, Cache, no_redis};
use crate::redis::Session;
use crate::registrations::{Change, Entry, Grant, Left, Registrations, Removed, Saved, Undo};
use crate::sip::{AddressOfRecord, HostPortBuf};

/// How many registrations that have ended are removed at a time.
const MOST_EXPIRED: usize = 1000;

/// Why an argument is refused.
const NOT_A_CHANGE: &str = "before is not what registration_save or registration_remove gave";

/// What a thread needs in order to save a registration.
struct Saving {
    aor: AddressOfRecord,
    account: Option<String>,
    expires: u32,
    contact: String,
    address: String,
    private_address: String,
    protocol: String,
    source: String,
    grant: Grant,
}

impl Saving {
    fn entry(&self) -> Entry<'_> {
        Entry {
            aor: &self.aor,
            expires: self.expires,
            contact: &self.contact,
            sbc_address: &self.address,
            private_sbc_address: &self.private_address,
            protocol: &self.protocol,
            source: &self.source,
            grant: &self.grant,
        }
    }
}

/// An integer of the script, or a string of its digits.
fn integer(text: &[u8]) -> Option<i32> {
    str::from_utf8(text).ok()?.trim().parse().ok()
}

/// Where this server is reached.
fn address(parameter: Option<&HostPortBuf>, arrival: &Arrival) -> String {
    match parameter {
        None => format!("{}:{}", arrival.address, arrival.port),
        Some(HostPortBuf { host, port }) => match port {
            Some(port) => format!("{host}:{port}"),
            None => format!("{host}:{}", arrival.port),
        },
    }
}

/// A change that was made, for the script.
fn undo(saved_until: Option<u64>, change: Change) -> String {
    let undo = Undo {
        order: change.order,
        saved_until,
        before: change.before,
    };
    undo.text()
}

/// The realm of an account, as `load_realm` has it; `None` if the script names none.
fn account(call: &Call, text: &[u8]) -> Result<Option<String>, i32> {
    match str::from_utf8(text).map(str::trim_ascii) {
        Ok("") => Ok(None),
        Ok(realm) => Ok(Some(realm.to_ascii_lowercase())),
        Err(_) => Err(call.malformed(&"the account is not UTF-8")),
    }
}

/// `registration_save(expires, grant [, limit [, out_before [, account]]])`.
pub fn save(
    module: &'static Module,
    message: Message,
    [expires, grant, limit, account]: [&[u8]; 4],
    out: Option<Variable>,
    wait: Wait,
) -> Started {
    let call = Call {
        function: c"registration_save",
        module,
        message,
    };
    let (saving, limit) = match saving(&call, [expires, grant, limit, account]) {
        Ok(prepared) => prepared,
        Err(code) => return Started::Done(code),
    };
    let now = now();
    let end = saving.entry().end(now);
    call.ask(
        wait,
        move |registrations| {
            let registrations = registrations.of_account(saving.account.as_deref());
            registrations.save(&saving.entry(), limit, now)
        },
        move |call, saved| match saved {
            Saved::Full => {
                stats::count(Statistic::RegistrationsFull);
                code::NO
            }
            Saved::Done(change) => {
                stats::count(Statistic::RegistrationsSaved);
                let undo = undo(Some(end), change);
                match call.set(out, Value::Text(undo.as_bytes())) {
                    true => code::DONE,
                    false => code::UNAVAILABLE,
                }
            }
        },
    )
}

fn saving(
    call: &Call,
    [expires, grant, limit, of_account]: [&[u8]; 4],
) -> Result<(Saving, Option<u32>), i32> {
    let (module, message) = (call.module, call.message);
    let seconds = integer(expires).and_then(|seconds| u32::try_from(seconds).ok());
    let Some(expires) = seconds.filter(|seconds| *seconds > 0) else {
        return Err(call.malformed(&"expires is not a number of seconds above 0"));
    };
    let limit = call.limit(limit)?;
    let (aor, account) = registered(call, of_account)?;
    // That is no fault of the device.
    let granted = |error| call.failed(&format_args!("{}: {error}", aor.domain().escape_debug()));
    let grant = Grant::parse(grant).map_err(granted)?;
    let Some(contact) = module.registration.contact(message) else {
        return Err(call.malformed(&"the request has no single contact that can be read"));
    };
    let Some(arrival) = module.registration.arrival(message) else {
        return Err(call.malformed(&"it is not known where the request arrived"));
    };
    let address = address(module.config.registrations.address.as_ref(), &arrival);
    // jambonz's sbc-outbound fails without it.
    let private_address = match &module.config.registrations.private_address {
        Some(address) => address.clone(),
        None => format!("{}:{}", arrival.address, arrival.port),
    };
    let source = bracketed(&module.request.source(message));
    let saving = Saving {
        aor,
        account,
        expires,
        contact,
        address,
        private_address,
        protocol: arrival.protocol,
        source: format!("{source}:{}", module.request.source_port(message)),
        grant,
    };
    Ok((saving, limit))
}

/// `registration_remove(contact [, out_before [, account]])`.
pub fn remove(
    module: &'static Module,
    message: Message,
    [contact, of_account]: [&[u8]; 2],
    out: Option<Variable>,
    wait: Wait,
) -> Started {
    let call = Call {
        function: c"registration_remove",
        module,
        message,
    };
    let Ok(contact) = String::from_utf8(contact.to_vec()) else {
        return Started::Done(call.malformed(&"the contact is not UTF-8"));
    };
    let (aor, account) = match registered(&call, of_account) {
        Ok(whom) => whom,
        Err(code) => return Started::Done(code),
    };
    let is_any = ["", "*"].contains(&contact.as_str());
    let mut contacts = vec![contact];
    contacts.extend(module.registration.leaving(message));
    call.ask(
        wait,
        move |registrations| {
            let contacts = (!is_any).then_some(contacts.as_slice());
            registrations
                .of_account(account.as_deref())
                .remove(&aor, contacts, now())
        },
        move |call, removed| match removed {
            Removed::Other => code::NO,
            Removed::Done(change) => {
                if change.before.is_some() {
                    stats::count(Statistic::RegistrationsRemoved);
                }
                match call.set(out, Value::Text(undo(None, change).as_bytes())) {
                    true => code::DONE,
                    false => code::UNAVAILABLE,
                }
            }
        },
    )
}

/// Whom a REGISTER is about, and the account that counts the registration, if not the user's own.
fn registered(call: &Call, of_account: &[u8]) -> Result<(AddressOfRecord, Option<String>), i32> {
    Ok((call.registered()?, account(call, of_account)?))
}

/// `registration_restore(before [, account])`.
pub fn restore(
    module: &'static Module,
    message: Message,
    [before, of_account]: [&[u8]; 2],
    wait: Wait,
) -> Started {
    let call = Call {
        function: c"registration_restore",
        module,
        message,
    };
    let (aor, account) = match registered(&call, of_account) {
        Ok(whom) => whom,
        Err(code) => return Started::Done(code),
    };
    let undo = match before {
        b"" => None,
        text => match Undo::parse(text) {
            Some(undo) => Some(undo),
            None => return Started::Done(call.malformed(&NOT_A_CHANGE)),
        },
    };
    let contact = module.registration.contact(message);
    let saved_until = undo.as_ref().and_then(|undo| undo.saved_until);
    if saved_until.is_some() && contact.is_none() {
        let cause = "the request has no single contact that can be read";
        return Started::Done(call.malformed(&cause));
    }
    call.ask(
        wait,
        move |registrations| {
            let before = undo.as_ref().and_then(|undo| undo.before.as_ref());
            // Where something was removed, there is nothing now.
            let left = match contact.as_deref() {
                Some(contact) if undo.is_none() || saved_until.is_some() => Left::Entry {
                    contact,
                    end: saved_until,
                },
                _ => Left::Nothing,
            };
            registrations
                .of_account(account.as_deref())
                .restore(&aor, left, before, now())
        },
        |_, is_restored| match is_restored {
            true => code::DONE,
            false => code::NO,
        },
    )
}

/// `registration_is_newest(before)`. Waits for nothing.
pub fn is_newest(module: &'static Module, message: Message, before: &[u8]) -> i32 {
    let call = Call {
        function: c"registration_is_newest",
        module,
        message,
    };
    let aor = match call.registered() {
        Ok(aor) => aor,
        Err(code) => return code,
    };
    let Some(change) = Undo::parse(before) else {
        return call.malformed(&NOT_A_CHANGE);
    };
    match shared::page().newest.is_newest(&aor, change.order) {
        true => code::DONE,
        false => code::NO,
    }
}

/// Whether a process is taking out registrations; it is not when this is dropped.
struct Expiring(Arc<AtomicBool>);

impl Expiring {
    /// `None` if it is already.
    fn begin(flag: &Arc<AtomicBool>) -> Option<Self> {
        let is_free = !flag.swap(true, Ordering::AcqRel);
        is_free.then(|| Expiring(flag.clone()))
    }
}

impl Drop for Expiring {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// `registration_expire()`. Waits for nothing.
pub fn expire(module: &'static Module, message: Message) -> i32 {
    let call = Call {
        function: c"registration_expire",
        module,
        message,
    };
    let started = process::with(module, |process| {
        let native = process.cache().and_then(Cache::native);
        let native = native.ok_or_else(no_redis)?;
        let Some(expiring) = Expiring::begin(&process.expiring) else {
            return Ok(());
        };
        let threads = process.cache_threads();
        native.admit(threads)?;
        let expire = move |session: &Session<'_>| {
            let _until_done = expiring;
            Registrations::new(session).expire(now(), MOST_EXPIRED)
        };
        native.submit(threads, NoNotify, expire).map(drop)
    });
    match started {
        Ok(()) => code::DONE,
        Err(error) => call.failed(&error),
    }
}
