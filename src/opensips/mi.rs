//! Commands of the management interface: their parameters, and what they answer.

use core::ffi::{CStr, c_void};
use std::marker::PhantomData;

use super::ffi::{self, aw_str};
use super::lend;

/// The parameters of a command.
#[derive(Debug)]
pub struct Params<'a> {
    raw: *const c_void,
    call: PhantomData<&'a ()>,
}

impl Params<'_> {
    /// Those of a call.
    ///
    /// # Safety
    /// They must be what the core gave for this very call, and outlive the result.
    pub unsafe fn from_raw(raw: *const c_void) -> Self {
        let call = PhantomData;
        Params { raw, call }
    }

    /// A parameter as text; `None` if it is not given. Copied, because the core writes each number into the
    /// same place.
    ///
    /// # Errors
    /// Fails if it is neither text nor a number.
    pub fn text(&self, name: &CStr) -> Result<Option<Vec<u8>>, NotText> {
        let mut text = aw_str::default();
        // SAFETY: the promise of `from_raw`; the name lives through the call.
        let found = unsafe { ffi::aw_mi_param(self.raw, name.as_ptr(), &mut text) };
        match found {
            0 => Ok(None),
            // SAFETY: valid until the next one is read, and copied here.
            1 => Ok(Some(unsafe { text.as_bytes() }.to_vec())),
            _ => Err(NotText),
        }
    }
}

/// A parameter is an object, a list, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotText;

/// What a command answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It is done.
    Ok,
    /// It is not.
    Error {
        /// As in HTTP: 400 for what is wrong with the parameters, 500 for anything else.
        code: i32,
        /// Why not.
        message: String,
    },
    /// An object.
    Object(Members),
    /// Numbers, and a list.
    List {
        /// The numbers.
        numbers: Vec<(&'static CStr, i64)>,
        /// The name of the list.
        name: &'static CStr,
        /// The members of each of its objects.
        rows: Vec<Vec<(&'static CStr, Member)>>,
    },
}

/// The members of an object.
pub type Members = Vec<(&'static CStr, Member)>;

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Member {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
    /// An object.
    Object(Members),
    /// A list of objects.
    List(Vec<Members>),
}

impl From<&str> for Member {
    fn from(text: &str) -> Self {
        Member::Text(text.to_owned())
    }
}

impl From<String> for Member {
    fn from(text: String) -> Self {
        Member::Text(text)
    }
}

impl From<i64> for Member {
    fn from(number: i64) -> Self {
        Member::Number(number)
    }
}

impl From<u64> for Member {
    fn from(number: u64) -> Self {
        Member::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Member {
    fn from(number: usize) -> Self {
        Member::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// 1 or 0: not all transports print truth values alike.
impl From<bool> for Member {
    fn from(is_true: bool) -> Self {
        Member::Number(i64::from(is_true))
    }
}

impl Answer {
    /// That it is not done.
    pub fn error(code: i32, message: impl Into<String>) -> Self {
        let message = message.into();
        Answer::Error { code, message }
    }

    /// As the core takes it; NULL if there is no memory.
    pub fn into_raw(self) -> *mut c_void {
        match self {
            // SAFETY: takes nothing.
            Answer::Ok => unsafe { ffi::aw_mi_ok() },
            Answer::Error { code, message } => {
                // SAFETY: the text lives through the call, and is copied.
                unsafe { ffi::aw_mi_error(code, lend(message.as_bytes())) }
            }
            Answer::Object(members) => object(&members),
            Answer::List {
                numbers,
                name,
                rows,
            } => list(&numbers, name, &rows),
        }
    }
}

fn list(numbers: &[(&CStr, i64)], name: &CStr, rows: &[Vec<(&CStr, Member)>]) -> *mut c_void {
    let mut object = std::ptr::null_mut();
    // SAFETY: room for one pointer.
    let response = unsafe { ffi::aw_mi_object(&mut object) };
    if response.is_null() {
        return response;
    }
    let filled = || {
        for (name, value) in numbers {
            number(object, name, *value)?;
        }
        // SAFETY: the object is part of the response, the name lives through the call.
        let list = unsafe { ffi::aw_mi_list(object, name.as_ptr()) };
        for row in rows {
            // SAFETY: as above, where it is not NULL.
            let element = (!list.is_null()).then(|| unsafe { ffi::aw_mi_element(list) })?;
            fill(element, row)?;
        }
        (!list.is_null()).then_some(())
    };
    complete(response, filled())
}

fn object(members: &[(&CStr, Member)]) -> *mut c_void {
    let mut object = std::ptr::null_mut();
    // SAFETY: room for one pointer.
    let response = unsafe { ffi::aw_mi_object(&mut object) };
    if response.is_null() {
        return response;
    }
    complete(response, fill(object, members))
}

/// A response, unless there was no memory for all of it.
fn complete(response: *mut c_void, filled: Option<()>) -> *mut c_void {
    if filled.is_some() {
        return response;
    }
    // SAFETY: not given to anybody.
    unsafe { ffi::aw_mi_free(response) };
    std::ptr::null_mut()
}

/// `None` if there is no memory.
fn fill(object: *mut c_void, members: &[(&CStr, Member)]) -> Option<()> {
    if object.is_null() {
        return None;
    }
    for (name, member) in members {
        match member {
            Member::Text(value) => text(object, name, value)?,
            Member::Number(value) => number(object, name, *value)?,
            Member::Object(members) => {
                // SAFETY: part of a response; the name lives through the call.
                let child = unsafe { ffi::aw_mi_child(object, name.as_ptr()) };
                fill(child, members)?;
            }
            Member::List(rows) => {
                // SAFETY: as above.
                let list = unsafe { ffi::aw_mi_list(object, name.as_ptr()) };
                if list.is_null() {
                    return None;
                }
                for row in rows {
                    // SAFETY: part of the response, and not NULL.
                    fill(unsafe { ffi::aw_mi_element(list) }, row)?;
                }
            }
        }
    }
    Some(())
}

/// `None` if there is no memory.
fn text(object: *mut c_void, name: &CStr, value: &str) -> Option<()> {
    if object.is_null() {
        return None;
    }
    // SAFETY: part of a response; name and text live through the call, and are copied.
    let code = unsafe { ffi::aw_mi_text(object, name.as_ptr(), lend(value.as_bytes())) };
    (code == 0).then_some(())
}

/// `None` if there is no memory.
fn number(object: *mut c_void, name: &CStr, value: i64) -> Option<()> {
    if object.is_null() {
        return None;
    }
    // SAFETY: as for a text.
    let code = unsafe { ffi::aw_mi_number(object, name.as_ptr(), value as f64) };
    (code == 0).then_some(())
}
