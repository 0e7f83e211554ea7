//! A panic never crosses into the core.

use std::{ffi::CStr, panic};

use super::fork::PerProcess;

thread_local! {
    /// Where the last panic of this thread came from.
    static PLACE: PerProcess<Option<String>> = const { PerProcess::new() };
}

/// Makes panics leave their location instead of a message on stderr: a message may quote the
/// offending input, which may be a token.
pub fn install() {
    panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map(|l| format!("{}:{}", l.file(), l.line()));
        PLACE.with(|p| p.with(|| None, |last| *last = place));
    }));
}

/// Runs an entry point. A panic becomes `failed` and one log line.
pub fn entry<T>(function: &CStr, failed: T, run: impl FnOnce() -> T) -> T {
    match panic::catch_unwind(panic::AssertUnwindSafe(run)) {
        Ok(value) => value,
        Err(_) => {
            let place = PLACE.with(|p| p.with(|| None, Option::take));
            crate::log!(
                Error,
                function,
                "internal error at {}: not admitted",
                place.as_deref().unwrap_or("an unknown place")
            );
            failed
        }
    }
}
