//! The arguments of a script function, as the core passes them.
//!
//! This is the only place that dereferences them. The row of their function in src/shim/exports.h,
//! from which the core's table is made as well, says what each of them is.

use core::ffi::{CStr, c_int, c_void};

use super::ffi::{self, aw_argument, aw_function};
use super::pvar::Variable;

/// The name of a function, for log lines.
pub fn name(function: aw_function) -> &'static CStr {
    // SAFETY: the shim returns a string literal of its table, which has a row for each value.
    unsafe { CStr::from_ptr(ffi::aw_function_name(function)) }
}

/// The arguments of one call.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    kinds: &'static [u8],
    raw: &'a [*mut c_void],
}

impl<'a> Arguments<'a> {
    /// The arguments of a call of this function.
    ///
    /// # Safety
    /// `raw` must be the arguments that the core gave to this very function, and live as long as
    /// the call.
    pub unsafe fn of(function: aw_function, raw: *const *mut c_void) -> Self {
        const COUNT: usize = ffi::AW_MAX_ARGUMENTS as usize;
        let rows = &raw const ffi::aw_arguments;
        // SAFETY: the table has a row for each value of the enum.
        let kinds = unsafe { &*rows.cast::<[u8; COUNT]>().add(function as usize) };
        // SAFETY: the caller's promise; the shim's array has as many elements.
        let raw = unsafe { core::slice::from_raw_parts(raw, COUNT) };
        Arguments { kinds, raw }
    }

    /// An argument that is present and of this kind.
    fn get(&self, index: usize, kind: aw_argument) -> Option<*mut c_void> {
        let is_of_kind = self.kinds.get(index) == Some(&(kind as u8));
        assert!(is_of_kind, "argument {index} is not {kind:?}");
        let argument = self.raw.get(index).copied();
        argument.filter(|argument| !argument.is_null())
    }

    /// A string; empty if the script gives none.
    pub fn text(&self, index: usize) -> &'a [u8] {
        let Some(text) = self.get(index, aw_argument::Text) else {
            return &[];
        };
        // SAFETY: the core's table says that it is a string, which lives through the call.
        let text = unsafe { &*text.cast::<ffi::osips_str>() };
        match usize::try_from(text.len) {
            // SAFETY: as above; the core's strings have as many bytes as they say.
            Ok(len) if !text.s.is_null() => unsafe {
                core::slice::from_raw_parts(text.s.cast(), len)
            },
            _ => &[],
        }
    }

    /// An integer; 0 if the script gives none.
    pub fn number(&self, index: usize) -> c_int {
        let number = self.get(index, aw_argument::Number);
        // SAFETY: the core's table says that it is an integer, which lives through the call.
        number.map_or(0, |number| unsafe { *number.cast() })
    }

    /// A variable to set; `None` if the script names none.
    pub fn output(&self, index: usize) -> Option<Variable> {
        Variable::from_raw(self.get(index, aw_argument::Output)?)
    }
}
