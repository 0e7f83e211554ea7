//! AVPs (`parse_avp_spec`, `add_avp`).

use super::{ffi, lend, pvar::Value};

/// An AVP's name, resolved to the core's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avp(i32);

impl Avp {
    /// Resolves a name as in `$avp(name)`. Must happen before the fork, so that all processes agree
    /// on the number. `None` if the core refuses the name.
    pub fn named(name: &str) -> Option<Self> {
        let mut id = -1;
        // SAFETY: the name lives through the call, id is written by it.
        let code = unsafe { ffi::aw_avp_id(lend(name.as_bytes()), &mut id) };
        (code == 0 && id >= 0).then_some(Avp(id))
    }

    /// Adds a value before those that the AVP has. `Value::Null` adds nothing.
    pub fn push(self, value: Value<'_>) -> bool {
        if value == Value::Null {
            return true;
        }
        let value = value.to_ffi();
        // SAFETY: the value lives through the call; the core copies it.
        unsafe { ffi::aw_avp_add(self.0, &value) >= 0 }
    }
}
