//! `credentials_get`: which user name and password answer a challenge. The commands that list and try them give no
//! passwords.

use std::ffi::CStr;
use std::fmt::Display;
use std::sync::Arc;

use super::codes::credentials as code;
use super::outcome;
use super::pages;
use super::params::{Failure, answer, failed, offset, text};
use crate::credentials::{ANONYMOUS, Credentials};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
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
    let failure = |cause: &dyn Display| {
        outcome::failed(module, message, FUNCTION, code::FAILED, cause);
        code::FAILED
    };
    let set = |variable: Option<Variable>, value: &[u8]| {
        variable.is_some_and(|variable| message.set(variable, Value::Text(value)))
    };
    let give = |name: &[u8], secret: &[u8], code: i32| match set(username, name)
        && set(password, secret)
    {
        true => code,
        false => failure(&"an output could not be set"),
    };
    match process::with(module, |process| process.credentials()) {
        Ok(credentials) => match credentials.get(server, realm, user) {
            Some(login) => give(&login.username, &login.password, code::FOUND),
            None => give(ANONYMOUS.as_bytes(), b"", code::ANONYMOUS),
        },
        Err(error) => failure(&error),
    }
}

/// Most entries in one answer.
const PAGE: usize = 200;

/// The entries that count now; the table is read if that is due, within `db_timeout`.
fn known(module: &'static Module) -> Result<Arc<Credentials>, Failure> {
    process::with(module, |process| process.credentials()).map_err(failed)
}

/// `credentials_list [offset]`.
pub fn list(module: &'static Module, params: &Params<'_>) -> Answer {
    let list = || {
        let first = offset(params)?;
        let credentials = known(module)?;
        let entries = credentials.entries();
        let count = entries.len();
        let shown = |text: &[u8]| Member::Text(String::from_utf8_lossy(text).into_owned());
        let row = |[server, realm, user, username]: [&[u8]; 4]| -> Members {
            vec![
                (c"server", shown(server)),
                (c"realm", shown(realm)),
                (c"user", shown(user)),
                (c"username", shown(username)),
            ]
        };
        let rows = entries.into_iter().skip(first).map(row);
        Ok(Answer::Object(vec![
            (c"count", count.into()),
            (c"credentials", Member::List(pages::page(rows, PAGE))),
        ]))
    };
    answer(list())
}

/// `credentials_check server [realm] [user]`.
pub fn check(module: &'static Module, params: &Params<'_>) -> Answer {
    let check = || {
        let given = |name| Ok::<_, Failure>(text(params, name)?.unwrap_or_default());
        let (server, realm, user) = (given(c"server")?, given(c"realm")?, given(c"user")?);
        let credentials = known(module)?;
        let found = credentials.get(server.as_bytes(), realm.as_bytes(), user.as_bytes());
        let (code, username) = match found {
            Some(login) => (code::FOUND, String::from_utf8_lossy(&login.username)),
            None => (code::ANONYMOUS, ANONYMOUS.into()),
        };
        Ok(Answer::Object(vec![
            (c"code", i64::from(code).into()),
            (c"username", username.into_owned().into()),
        ]))
    };
    answer(check())
}
