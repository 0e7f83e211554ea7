//! pyVoIP, a library, by pyvoip.py.
//!
//! Of RFC 3261 it knows the half. Its calls have its own address as domain of From, its requests within a call
//! have no Route, its answers no Record-Route, and its ACK has a To tag that it makes up: with all of that the
//! registrar gets along. But it can't be challenged for a call (it waits for a 401, while a proxy says 407), can't
//! give one up, and takes no notice of one that is refused with anything but 404 and 503, or given up.

use super::talk::python;
use super::{Calls, Program};

pub const PROGRAM: Program = Program {
    name: "pyVoIP",
    missing: || python::missing("pyVoIP"),
    start: |account| python::start("pyvoip.py", &account),
    calls: Calls::Simply,
};
