//! SQL databases through the core's DB API, using only `query`.

use std::{ffi::CStr, ffi::c_void, ptr::NonNull};

use super::{ffi, lend};
use crate::store::{Cell, Refusal, Select, Source, StoreError};

/// A driver that the core bound to a URL's scheme. Made at start, inherited by all processes.
#[derive(Clone, Copy, Debug)]
pub struct Driver(NonNull<ffi::aw_db>);

// SAFETY: a table of function pointers that nobody changes; used only in the worker's own thread.
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}

/// A connection of this process.
#[derive(Debug)]
pub struct Connection {
    driver: Driver,
    raw: NonNull<c_void>,
    has_failed: bool,
}

impl Driver {
    /// Binds the driver of a URL (`db_bind_mod`). `None` if no loaded module serves it.
    pub fn bind(url: &str) -> Option<Self> {
        // SAFETY: the URL lives through the call.
        NonNull::new(unsafe { ffi::aw_db_bind(lend(url.as_bytes())) }).map(Driver)
    }

    /// Opens a connection. `None` if that fails; the driver has logged why.
    pub fn open(self, url: &str) -> Option<Connection> {
        // SAFETY: the driver is never freed, the URL lives through the call (drivers copy it).
        let raw = unsafe { ffi::aw_db_open(self.0.as_ptr(), lend(url.as_bytes())) };
        NonNull::new(raw).map(|raw| Connection {
            driver: self,
            raw,
            has_failed: false,
        })
    }
}

impl Connection {
    /// Whether the driver has failed on it, which may be the only sign that it is broken.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// `None` if the driver fails; it has logged why.
    fn query(&self, select: &Select<'_>) -> Option<Vec<Vec<Cell>>> {
        let columns = select.columns;
        let names: Vec<_> = columns.iter().map(|c| lend(c.as_bytes())).collect();
        let [keys, values]: [Vec<_>; 2] = [
            select.keys().map(|(key, _)| lend(key.as_bytes())).collect(),
            select.keys().map(|(_, of)| lend(of.as_bytes())).collect(),
        ];
        let db = self.driver.0.as_ptr();
        let mut result = std::ptr::null_mut();
        // SAFETY: driver and connection are open, all strings live through the call.
        let code = unsafe {
            ffi::aw_db_query(
                db,
                self.raw.as_ptr(),
                lend(select.table.as_bytes()),
                names.as_ptr(),
                i32::try_from(names.len()).ok()?,
                keys.as_ptr(),
                values.as_ptr(),
                i32::try_from(keys.len()).ok()?,
                &mut result,
            )
        };
        if code < 0 {
            return None;
        }
        // SAFETY: the query's result, not freed yet; the shim takes NULL for no rows.
        let rows = usize::try_from(unsafe { ffi::aw_db_rows(result) }).unwrap_or(0);
        let out = (0..rows.min(select.limit))
            .map(|row| {
                (0..columns.len())
                    .map(|column| cell(result, row, column))
                    .collect()
            })
            .collect();
        // SAFETY: freed once, and not used after.
        unsafe { ffi::aw_db_free(db, self.raw.as_ptr(), result) };
        Some(out)
    }
}

impl Source for Connection {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let rows = self.query(select);
        self.has_failed |= rows.is_none();
        rows.ok_or_else(|| StoreError::Refused {
            table: select.table.to_owned(),
            cause: "see the driver's message above".into(),
            why: Refusal::Other,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: opened by this driver, closed once.
        unsafe { ffi::aw_db_close(self.driver.0.as_ptr(), self.raw.as_ptr()) }
    }
}

fn cell(result: *const c_void, row: usize, column: usize) -> Cell {
    let mut out = ffi::aw_cell::default();
    // SAFETY: the shim checks row and column against the result.
    let code = unsafe { ffi::aw_db_cell(result, row as i32, column as i32, &mut out) };
    if code != 0 {
        return Cell::Null;
    }
    match out.kind {
        ffi::AW_CELL_INT => Cell::Int(out.number),
        ffi::AW_CELL_DOUBLE => Cell::Text(out.real.to_string().into_bytes()),
        ffi::AW_CELL_TIME => Cell::Text(local_time(out.number).into_bytes()),
        // SAFETY: valid until the result is freed, and copied here.
        ffi::AW_CELL_TEXT => Cell::Text(unsafe { out.text.as_bytes() }.to_vec()),
        _ => Cell::Null,
    }
}

/// A date and time as SQL writes it, in the local time zone: drivers give UNIX seconds.
fn local_time(seconds: i64) -> String {
    // SAFETY: an all-zero tm is a valid one, and localtime_r only writes to it.
    let tm = unsafe {
        let mut tm: libc::tm = std::mem::zeroed();
        libc::localtime_r(&seconds, &mut tm);
        tm
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec
    )
}

/// Name of the table that holds the table versions (the core's `db_version_table`).
pub fn version_table() -> String {
    // SAFETY: a string of the core that lives as long as the process.
    unsafe { CStr::from_ptr(ffi::aw_db_version_table()) }
        .to_string_lossy()
        .into_owned()
}
