//! What threads have to log of the files that connections out are made with.

use std::ffi::CStr;

use crate::clock;
use crate::http::{Report, Reports};
use crate::log;
use crate::opensips::shared;

/// Logs it: the same once an hour for all processes.
pub fn report(function: &CStr, reports: &Reports) {
    const HOUR: u64 = 3600;
    for Report { line, is_failure } in reports.take() {
        let now = clock::now().as_secs();
        if !shared::page().told.is_new((&line, now / HOUR)) {
            continue;
        }
        match is_failure {
            true => log!(Warning, function, "{line}"),
            false => log!(Info, function, "{line}"),
        }
    }
}
