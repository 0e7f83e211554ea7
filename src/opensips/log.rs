//! Log lines through the core's `dprint()`.
//!
//! Nothing is formatted for a level that is not printed: use the macros.

use core::fmt;
use std::ffi::CStr;

use super::{ffi, lend};

/// Levels of the core's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Level {
    /// Something failed.
    Error = ffi::AW_ERR,
    /// Something is not as it should be, but works nonetheless.
    Warning = ffi::AW_WARN,
    /// Something worth knowing that is not a fault.
    Notice = ffi::AW_NOTICE,
    /// What happens, in outline.
    Info = ffi::AW_INFO,
    /// What happens, in detail.
    Debug = ffi::AW_DBG,
}

/// Whether a line of this level would be printed by this process now.
pub fn enabled(level: Level) -> bool {
    // SAFETY: reads the core's log level.
    unsafe { ffi::aw_log_enabled(level as i32) != 0 }
}

/// Prints one line. What came from a request can't break out of it: control characters (line feeds,
/// escape sequences) are replaced.
pub fn write(level: Level, function: &CStr, message: fmt::Arguments<'_>) {
    let mut text = message.to_string();
    if text.chars().any(char::is_control) {
        text = text
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect();
    }
    // SAFETY: both strings live through the call.
    unsafe { ffi::aw_log(level as i32, function.as_ptr(), lend(text.as_bytes())) }
}

/// `log!(Level, c"function", "format", ...)`: formats only if the level is printed.
#[macro_export]
macro_rules! log {
    ($level:ident, $function:expr, $($message:tt)+) => {
        if $crate::opensips::log::enabled($crate::opensips::log::Level::$level) {
            $crate::opensips::log::write(
                $crate::opensips::log::Level::$level,
                $function,
                format_args!($($message)+),
            );
        }
    };
}
