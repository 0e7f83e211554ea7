//! What is done on a thread of its own for as long as the process lives.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::chore::Chore;
use crate::module::Module;
use crate::opensips::reactor;

/// How often it is looked whether the thread of an [`Aside`] is still there.
const LOOK: Duration = Duration::from_secs(1);

/// Something that may have to wait for long. As the threads of a pool, it never calls the core.
#[derive(Debug)]
pub struct Aside {
    name: &'static str,
    work: fn(&'static Module),
    thread: Option<JoinHandle<()>>,
}

impl Aside {
    /// What `work` does, which is not to return. It is done anew if it does.
    pub fn new(name: &'static str, work: fn(&'static Module)) -> Self {
        Aside {
            name,
            work,
            thread: None,
        }
    }
}

impl Chore for Aside {
    fn run(&mut self, module: &'static Module) -> Duration {
        if self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let work = self.work;
            let thread = thread::Builder::new().name(self.name.to_owned());
            let started = thread.spawn(move || {
                reactor::block_signals();
                work(module);
            });
            // Without memory for it, it is tried again.
            self.thread = started.ok();
        }
        LOOK
    }
}
