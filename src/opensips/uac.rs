//! Requests of our own, by the module tm (`t_request_within`), and their answers.
//!
//! A request is sent by one process, and its answer is received by another, or given up by one for timers. That one
//! reads what is needed of it, and hands it over through a pair of sockets that was made before the fork. It never
//! waits: where there is no room, the answer is lost, as if there had been none.

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::pvar::{LogLevel, Message, Variable};
use super::{ffi, lend};
use crate::trunks::{MAX_REPLY, Outgoing, Reply};

/// Most headers of one name that are read of an answer.
const MAX_HEADERS: usize = 8;

/// Bytes of answers that may wait to be taken; the system may allow fewer.
const ROOM: libc::c_int = 4 << 20;

/// The module tm is not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the module tm is not loaded, load it first: loadmodule \"tm.so\"")]
pub struct NoTm;

/// The core did not send a request; it has logged why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it could not be sent")]
pub struct NotSent;

/// Where answers are left and taken.
#[derive(Debug)]
pub struct Answers {
    taking: OwnedFd,
    leaving: OwnedFd,
    reason: Variable,
    source: Variable,
    expires: Variable,
    min_expires: Variable,
    contacts: Vec<Variable>,
    www: Vec<Variable>,
    proxy: Vec<Variable>,
    log_level: LogLevel,
}

impl Answers {
    /// Made before the fork.
    ///
    /// # Errors
    /// Fails with the system's error, and if the core does not know a pseudo-variable.
    pub fn new() -> io::Result<Self> {
        let parse = |text: &str| {
            Variable::parse(text).ok_or_else(|| {
                io::Error::other(format!("the core knows no pseudo-variable {text}"))
            })
        };
        let list = |name: &str| {
            (0..MAX_HEADERS)
                .map(|index| parse(&format!("$(hdr({name})[{index}])")))
                .collect::<io::Result<Vec<_>>>()
        };
        let mut fds = [-1; 2];
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: room for two descriptors.
        if unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: two new descriptors that nobody else has.
        let [taking, leaving] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        let room = ROOM;
        let size = libc::socklen_t::try_from(size_of_val(&room)).map_err(io::Error::other)?;
        // SAFETY: the value lives through the call, which reads as many bytes. What the system does not allow, it
        // cuts down.
        unsafe {
            libc::setsockopt(
                leaving.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_SNDBUF,
                (&raw const room).cast(),
                size,
            )
        };
        Ok(Answers {
            taking,
            leaving,
            reason: parse("$rr")?,
            source: parse("$si")?,
            expires: parse("$hdr(Expires)")?,
            min_expires: parse("$hdr(Min-Expires)")?,
            contacts: list("Contact")?,
            www: list("WWW-Authenticate")?,
            proxy: list("Proxy-Authenticate")?,
            log_level: LogLevel::new().map_err(io::Error::other)?,
        })
    }

    /// Reads an answer, `None` if there was none in time, and leaves it for the process that has sent the request.
    /// False if there was no room.
    pub fn leave(&self, number: u64, code: u16, message: Option<Message>) -> bool {
        let reply = match message {
            None => Reply {
                code,
                ..Reply::none(number)
            },
            Some(message) => {
                let read = || self.read(number, code, message);
                self.log_level.quietly(message, read)
            }
        };
        let bytes = reply.encode();
        // SAFETY: the bytes live through the call.
        let sent = unsafe {
            libc::send(
                self.leaving.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent) == Ok(bytes.len())
    }

    fn read(&self, number: u64, code: u16, message: Message) -> Reply {
        let text = |variable| message.text(variable).unwrap_or_default();
        let all = |variables: &[Variable]| -> Vec<Vec<u8>> {
            let values = variables
                .iter()
                .map_while(|variable| message.text(*variable));
            values.collect()
        };
        let challenges = match code {
            401 => all(&self.www),
            407 => all(&self.proxy),
            _ => Vec::new(),
        };
        Reply {
            number,
            code,
            is_real: true,
            reason: text(self.reason),
            source: text(self.source),
            expires: text(self.expires),
            min_expires: text(self.min_expires),
            contacts: match code {
                200..300 => all(&self.contacts),
                _ => Vec::new(),
            },
            challenges: challenges.join(&b"\r\n"[..]),
        }
    }

    /// Takes an answer, if there is one.
    pub fn take(&self) -> Option<Reply> {
        let mut bytes = vec![0; MAX_REPLY];
        loop {
            // SAFETY: as much room as is said.
            let length = unsafe {
                libc::recv(
                    self.taking.as_raw_fd(),
                    bytes.as_mut_ptr().cast(),
                    bytes.len(),
                    libc::MSG_DONTWAIT,
                )
            };
            match usize::try_from(length) {
                Ok(0) => return None,
                Ok(length) => {
                    if let Some(reply) = Reply::decode(&bytes[..length]) {
                        return Some(reply);
                    }
                }
                Err(_) if io::Error::last_os_error().kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
    }
}

/// Looks for the module tm. Only in `mod_init`.
///
/// # Errors
/// Fails with [`NoTm`] if it is not loaded.
pub fn load() -> Result<(), NoTm> {
    // SAFETY: asks the core for a function by its name, and calls that with memory of the shim's.
    match unsafe { ffi::aw_uac_load() } {
        0 => Ok(()),
        _ => Err(NoTm),
    }
}

/// Sends a request. Only in the process for what is done at intervals, which has what tm needs.
///
/// # Errors
/// Fails with [`NotSent`]; there is no answer then.
pub fn send(request: &Outgoing) -> Result<(), NotSent> {
    let outgoing = ffi::aw_outgoing {
        method: lend(request.method.as_bytes()),
        request_uri: lend(request.request_uri.as_bytes()),
        next_hop: lend(request.next_hop.as_bytes()),
        from: lend(request.from.as_bytes()),
        to: lend(request.to.as_bytes()),
        call_id: lend(request.call_id.as_bytes()),
        from_tag: lend(request.from_tag.as_bytes()),
        headers: lend(request.headers.as_bytes()),
        cseq: request.cseq,
    };
    // SAFETY: all texts live through the call, which copies what it keeps.
    match unsafe { ffi::aw_uac_send(&outgoing, request.number) } {
        0 => Ok(()),
        _ => Err(NotSent),
    }
}
