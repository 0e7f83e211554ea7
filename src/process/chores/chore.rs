//! One thing that is done at intervals.

use std::time::Duration;

use crate::module::Module;

/// Something that is done at intervals.
pub trait Chore {
    /// Does it, and says in what time to do so again.
    fn run(&mut self, module: &'static Module) -> Duration;
}
