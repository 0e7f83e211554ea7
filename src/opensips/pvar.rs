//! Requests and pseudo-variables (`pv_parse_spec`, `pv_get_spec_value`, `pv_set_value`).

use core::ffi::c_void;

use super::{ffi, lend};

/// The SIP message that the script works on. Opaque: what is needed is read through
/// pseudo-variables.
#[derive(Clone, Copy, Debug)]
pub struct Message(*mut c_void);

/// A pseudo-variable's specification, parsed once. The core keeps those of the script, we keep
/// our own, both for as long as the process lives.
#[derive(Clone, Copy, Debug)]
pub struct Variable(*mut c_void);

// SAFETY: only a pointer; it is dereferenced only in the worker's own thread (see the module's
// docs), and what it points to is not changed after it was parsed.
unsafe impl Send for Variable {}
// SAFETY: as above.
unsafe impl Sync for Variable {}

/// The value of a variable or of an AVP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// An integer.
    Int(i32),
    /// Bytes; not necessarily UTF-8.
    Text(&'a [u8]),
}

impl Value<'_> {
    pub(super) fn to_ffi(self) -> ffi::aw_value {
        match self {
            Value::Null => ffi::aw_value {
                kind: ffi::AW_NULL,
                ..Default::default()
            },
            Value::Int(number) => ffi::aw_value {
                kind: ffi::AW_INT,
                number,
                ..Default::default()
            },
            Value::Text(text) => ffi::aw_value {
                kind: ffi::AW_TEXT,
                text: lend(text),
                ..Default::default()
            },
        }
    }
}

impl Message {
    /// Wraps the message that the core gave to an entry point.
    pub fn new(raw: *mut c_void) -> Self {
        Message(raw)
    }

    /// Has the module tm take the CSeq of its own ACK and CANCEL from what it has sent, instead of from
    /// the request as it was received (`FL_USE_UAC_CSEQ`).
    pub fn use_sent_cseq(&self) {
        // SAFETY: the core's message, whose layout the shim knows for each release that it serves.
        unsafe { ffi::aw_use_sent_cseq(self.0) }
    }

    /// Sets a variable. False if the core refuses; it has logged why.
    pub fn set(&self, variable: Variable, value: Value<'_>) -> bool {
        let value = value.to_ffi();
        // SAFETY: message and specification come from the core, the value lives through the call.
        unsafe { ffi::aw_pv_set(self.0, variable.0, &value) == 0 }
    }

    /// Reads a variable as text; an integer as its decimal digits. `None` if it has no value.
    pub fn text(&self, variable: Variable) -> Option<Vec<u8>> {
        let mut out = ffi::aw_value::default();
        // SAFETY: message and specification come from the core.
        if unsafe { ffi::aw_pv_get(self.0, variable.0, &mut out) } != 0 {
            return None;
        }
        match out.kind {
            // SAFETY: valid until the next call into the core, and copied here.
            ffi::AW_TEXT => Some(unsafe { out.text.as_bytes() }.to_vec()),
            ffi::AW_INT => Some(out.number.to_string().into_bytes()),
            _ => None,
        }
    }
}

/// The level of the core's log, in this process.
#[derive(Clone, Copy, Debug)]
pub struct LogLevel(Variable);

/// A level at which the core says nothing of what it can't parse.
const QUIET: i32 = -2;

impl LogLevel {
    /// Parses `$log_level`.
    ///
    /// # Errors
    /// Fails with the specification if the core does not know it.
    pub fn new() -> Result<Self, String> {
        let name = "$log_level";
        Variable::parse(name)
            .map(LogLevel)
            .ok_or_else(|| name.to_owned())
    }

    /// Reads what the sender may have written wrongly: that is no error of ours, so the core says nothing
    /// of it. It logs at its usual level afterwards.
    pub fn quietly<T>(self, message: Message, read: impl FnOnce() -> T) -> T {
        message.set(self.0, Value::Int(QUIET));
        let value = read();
        message.set(self.0, Value::Null);
        value
    }
}

/// Whether a host is this machine: at this port, or at any if it is 0 (`is_myself` of scripts).
pub fn is_myself(host: &str, port: u16) -> bool {
    // SAFETY: the host lives through the call, which only compares it.
    unsafe { ffi::aw_is_myself(lend(host.as_bytes()), port) != 0 }
}

impl Variable {
    /// Wraps an output parameter of a script function; `None` if the script gave none.
    pub fn from_raw(raw: *mut c_void) -> Option<Self> {
        (!raw.is_null()).then_some(Variable(raw))
    }

    /// Parses a specification such as `$hdr(X-Token)`. `None` if it is not exactly one.
    pub fn parse(text: &str) -> Option<Self> {
        // SAFETY: the text lives through the call; the shim copies what it keeps.
        Self::from_raw(unsafe { ffi::aw_pv_parse(lend(text.as_bytes())) })
    }
}
