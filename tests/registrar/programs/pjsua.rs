//! PJSUA2, the library under pjsua, by pjsua.py: pjsua itself is not packaged.

use super::talk::python;
use super::{Calls, Program};

pub const PROGRAM: Program = Program {
    name: "pjsua",
    missing: || python::missing("pjsua2"),
    start: |account| python::start("pjsua.py", &account),
    calls: Calls::Yes,
};
