//! How a script function waits for a thread, and continues.

use std::{os::fd::RawFd, sync::Arc};

use crate::module::Module;
use crate::opensips::pvar::Message;
use crate::opensips::reactor::Waker;
use crate::opensips::resume::{self, CallWaker, Context, Suspended};
use crate::pool::{Notify, Ticket};

/// The second half of a script function: what is left to do once its thread is done. Gets the
/// message of the resume route, and whether the script's own time-out came first.
pub type Resume = Box<dyn FnOnce(Message, bool) -> Started>;

/// How a script function went.
pub enum Started {
    /// It is done: the script's return code.
    Done(i32),
    /// It waits for a thread.
    Waiting {
        /// How the core learns that the thread is done.
        until: Until,
        /// What to do then.
        resume: Resume,
    },
}

/// How the core learns that a call can continue.
#[derive(Debug)]
pub enum Until {
    /// The descriptor is readable. For the core's reactor; the core closes it, or the shim if
    /// another wait follows.
    Readable(Arc<Waker>, RawFd),
    /// A [`CallWaker`] was used: the process itself resumes the call.
    Woken(Suspended),
}

/// Whether and how a script function may defer its work.
#[derive(Clone, Copy, Debug)]
pub enum Wait {
    /// It has to be done on return.
    Never,
    /// The core waits on a descriptor of its own.
    OnDescriptor,
    /// The process resumes it.
    InQueue(Context),
}

/// How a pool reports that a job is done.
#[derive(Clone, Debug)]
pub enum Wake {
    /// The core's reactor.
    Reactor(Arc<Waker>),
    /// The process's queue.
    Queue(CallWaker),
    /// Nobody: the worker waits for the ticket.
    Nobody,
}

impl Notify for Wake {
    fn notify(&self) {
        match self {
            Wake::Reactor(waker) => waker.wake(),
            Wake::Queue(waker) => waker.wake(),
            Wake::Nobody => {}
        }
    }
}

/// Does something on a thread, and then the rest: later if the function may wait, else now.
///
/// `begin` starts it, or gives its outcome at once; `late` gives the outcome if it could not be
/// waited for; `then` is the rest.
pub fn on_thread<T: 'static>(
    module: &Module,
    message: Message,
    wait: Wait,
    begin: impl FnOnce(Wake) -> Result<Ticket<T>, T>,
    late: impl FnOnce(&str) -> T + 'static,
    then: impl FnOnce(Message, T) -> Started + 'static,
) -> Started {
    let context = match wait {
        Wait::Never => {
            let value = match begin(Wake::Nobody) {
                Ok(ticket) => ticket.wait(),
                Err(value) => value,
            };
            return then(message, value);
        }
        Wait::OnDescriptor => None,
        // An ACK has no transaction that could wait. The core handles that itself, but only if it
        // waits on a descriptor.
        Wait::InQueue(context) => Some(context).filter(|_| module.request.method(message) != "ACK"),
    };
    match context.and_then(resume::wait) {
        Some((suspended, waker)) => match begin(Wake::Queue(waker)) {
            Err(value) => then(message, value),
            Ok(ticket) => Started::Waiting {
                until: Until::Woken(suspended),
                // Without a descriptor there is no script time-out.
                resume: Box::new(move |message, _| then(message, ticket.wait())),
            },
        },
        None => on_descriptor(message, begin, late, then),
    }
}

fn on_descriptor<T: 'static>(
    message: Message,
    begin: impl FnOnce(Wake) -> Result<Ticket<T>, T>,
    late: impl FnOnce(&str) -> T + 'static,
    then: impl FnOnce(Message, T) -> Started + 'static,
) -> Started {
    let (waker, fd) = match Waker::new() {
        Ok((waker, fd)) => (Arc::new(waker), fd),
        Err(error) => return then(message, late(&format!("no descriptor to wait on: {error}"))),
    };
    match begin(Wake::Reactor(waker.clone())) {
        Err(value) => {
            waker.close();
            then(message, value)
        }
        Ok(ticket) => {
            let until = Until::Readable(waker.clone(), fd);
            let resume: Resume = Box::new(move |message, timed_out| {
                waker.disarm();
                let value = if timed_out {
                    let late = || late("the time-out of the script's async() came first");
                    ticket.try_take().unwrap_or_else(|_| late())
                } else {
                    ticket.wait()
                };
                then(message, value)
            });
            Started::Waiting { until, resume }
        }
    }
}
