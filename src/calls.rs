//! The script functions, in terms of a request and its variables.

pub mod challenge;
pub mod codes;
pub mod credentials;
pub mod headers;
pub mod http;
pub mod jwt;
pub mod keys;

use crate::log;
use crate::module::Module;
use crate::opensips::arguments::Arguments;
use crate::opensips::ffi::{aw_command as Command, aw_function as Function};
use crate::opensips::pvar::Message;
use crate::opensips::reactor::Waker;
use crate::opensips::resume::{self, CallWaker, Context, Suspended};
use crate::opensips::shared;
use crate::pool::{Notify, Ticket};
use std::{os::fd::RawFd, sync::Arc};

/// Does what a script function is there for. One arm for each row of AW_FUNCTIONS in
/// src/shim/exports.h, which says what its arguments are.
pub fn call(
    module: &'static Module,
    function: Function,
    message: Message,
    arguments: Arguments<'_>,
    wait: Wait,
) -> Started {
    let text = |index| arguments.text(index);
    let output = |index| arguments.output(index);
    let code = match function {
        Function::JwtAuthorize | Function::JwtDbAuthorize => {
            let outputs = jwt::Outputs {
                decoded: output(1),
                username: output(2),
                reason: output(3),
            };
            return jwt::authorize(module, message, text(0), outputs, wait);
        }
        Function::JwtScriptAuthorize => {
            let (decoded, reason) = (output(2), output(3));
            jwt::script_authorize(module, message, text(0), text(1), decoded, reason)
        }
        Function::ExtractPubKeyFromCert => {
            keys::public_key_from_certificate(message, text(0), output(1))
        }
        Function::ExtractPubKeyFromExpMod => {
            keys::public_key_from_exp_mod(message, text(0), text(1), output(2))
        }
        Function::JwtSign => keys::sign(
            module,
            message,
            text(0),
            text(1),
            text(2),
            output(3),
            text(4),
        ),
        Function::JwtChallenge => {
            let (server, scope, error) = (text(2), text(3), text(4));
            challenge::bearer(message, output(0), text(1), server, scope, error)
        }
        Function::HttpAuthorize => {
            let outputs = http::Outputs {
                grant: output(1),
                expires: output(2),
                message: output(3),
            };
            return http::authorize(module, message, text(0), outputs, wait);
        }
        Function::CheckHeaders => headers::check(module, message, output(0)),
        Function::DigestChallenge => {
            let stale = arguments.number(3) != 0;
            challenge::digest(module, message, output(0), text(1), text(2), stale)
        }
        Function::CredentialsGet => {
            let (username, password) = (output(3), output(4));
            credentials::get(
                module,
                message,
                text(0),
                text(1),
                text(2),
                username,
                password,
            )
        }
    };
    Started::Done(code)
}

/// The return code of a function that fails for a reason of its own.
pub fn failed(function: Function) -> i32 {
    match function {
        Function::JwtAuthorize | Function::JwtDbAuthorize => codes::jwt::STORE_FAILED,
        Function::HttpAuthorize => codes::http::ENDPOINT_FAILED,
        _ => codes::FAILED,
    }
}

/// Does what a command of the management interface is there for.
pub fn command(command: Command) {
    match command {
        Command::JwtReload => {
            shared::page().generation.add(1);
            log!(
                Info,
                c"jwt_reload",
                "cached profiles and tokens are forgotten"
            );
        }
        Command::CredentialsReload => {
            shared::page().credentials_generation.add(1);
            log!(
                Info,
                c"credentials_reload",
                "the table of credentials is read again before it is next used"
            );
        }
    }
}

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

/// How the core learns that a call can go on.
#[derive(Debug)]
pub enum Until {
    /// The descriptor is readable. For the core's reactor; the core closes it, or the shim where
    /// another wait follows.
    Readable(Arc<Waker>, RawFd),
    /// A [`CallWaker`] was used: the process resumes it by itself.
    Woken(Suspended),
}

/// Whether and how a script function may leave its work to be done later.
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

/// Does something on a thread, and then the rest: later, where the function may wait, else now.
///
/// `begin` starts it, or says at once how it ended; `late` is how it ends where it could not be
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
        // An ACK has no transaction that could wait. The core sees to that itself where it waits on
        // a descriptor, and only there.
        Wait::InQueue(context) => Some(context).filter(|_| module.request.method(message) != "ACK"),
    };
    match context.and_then(resume::wait) {
        Some((suspended, waker)) => match begin(Wake::Queue(waker)) {
            Err(value) => then(message, value),
            Ok(ticket) => Started::Waiting {
                until: Until::Woken(suspended),
                // Without a descriptor there is no time-out of the script's.
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
