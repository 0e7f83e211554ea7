//! The parameters of commands of the management interface, and what is wrong with them.

use std::ffi::CStr;

use crate::opensips::mi::{Answer, Params};

/// What is wrong with a command, with its code: as in HTTP.
pub type Failure = (i32, String);

/// That the parameters are wrong.
pub fn refused(cause: impl ToString) -> Failure {
    (400, cause.to_string())
}

/// That it can't be done now.
pub fn failed(cause: impl ToString) -> Failure {
    (500, cause.to_string())
}

/// The answer of a command.
pub fn answer(done: Result<Answer, Failure>) -> Answer {
    done.unwrap_or_else(|(code, message)| Answer::error(code, message))
}

/// What the core makes of numbers that do not fit into 32 bits (cJSON).
const CUT: [&str; 2] = ["2147483647", "-2147483648"];

/// A parameter; `None` if it is not given.
///
/// # Errors
/// Fails if it is neither text nor a number, or a number that was cut.
pub fn text(params: &Params<'_>, name: &CStr) -> Result<Option<String>, Failure> {
    let shown = name.to_str().unwrap_or_default();
    let is_none = |_| refused(format_args!("{shown} must be text, or a number"));
    let utf8 =
        |bytes| String::from_utf8(bytes).map_err(|_| refused(format_args!("{shown} is not UTF-8")));
    match params.text(name).map_err(is_none)?.map(utf8).transpose()? {
        Some(text) if CUT.contains(&text.as_str()) => Err(refused(format_args!(
            "{shown} is a number of more than 31 bits: give it as a string"
        ))),
        text => Ok(text),
    }
}

/// A switch, 0 or 1; 0 if it is not given.
///
/// # Errors
/// Fails if it is anything else.
pub fn flag(params: &Params<'_>, name: &CStr) -> Result<bool, Failure> {
    match text(params, name)?.as_deref() {
        None | Some("0") => Ok(false),
        Some("1") => Ok(true),
        Some(_) => {
            let shown = name.to_str().unwrap_or_default();
            Err(refused(format_args!("{shown} must be 0 or 1")))
        }
    }
}

/// Where a list begins; 0 if it is not given.
///
/// # Errors
/// Fails if it is no number.
pub fn offset(params: &Params<'_>) -> Result<usize, Failure> {
    let number = |text: String| {
        text.trim()
            .parse()
            .map_err(|_| refused("offset must be a number"))
    };
    text(params, c"offset")?.map_or(Ok(0), number)
}
