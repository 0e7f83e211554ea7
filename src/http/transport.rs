//! The wrapper around ureq's connections.
//!
//! It adds two things. The progress of an attempt is known, which distinguishes a stale pooled
//! connection from an endpoint that hangs up, and lets an error say when it happened. And head and
//! body of a request are sent together, which saves one system call and one packet.
//!
//! An attempt runs on one thread from beginning to end, so its progress is kept per thread.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    TcpConnector, Transport,
};

use crate::meters::{Gauge, Held};

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Resolving,
    Connecting,
    /// Connecting to the proxy, and through it.
    Proxy,
    Sending,
    Waiting,
    Reading,
}

/// The progress of this thread's attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    /// A connection was made for it; otherwise a used one was taken.
    pub(super) connected: bool,
    /// A body is to be sent after the head.
    body_follows: bool,
}

thread_local! {
    static PROGRESS: Cell<Progress> = const {
        Cell::new(Progress { phase: Phase::Resolving, connected: false, body_follows: false })
    };

    /// Of the connection that this thread's attempt uses, whether it may be used again.
    static IN_USE: RefCell<Option<Arc<AtomicBool>>> = const { RefCell::new(None) };
}

/// Has the connection of this thread's attempt closed before it would be used again: what came over it was not the
/// answer to what was asked, and more of that may be on its way. In HTTP/1.1 nothing but its place tells which
/// request an answer belongs to (RFC 9112 section 9.3).
pub(super) fn distrust_connection() {
    IN_USE.with_borrow(|connection| {
        if let Some(may_be_used) = connection {
            may_be_used.store(false, Ordering::Relaxed);
        }
    });
}

impl Progress {
    /// An attempt begins on this thread.
    pub(super) fn begin(body_follows: bool) {
        let phase = Phase::Resolving;
        PROGRESS.set(Progress {
            phase,
            connected: false,
            body_follows,
        });
        IN_USE.set(None);
    }

    /// How far it has come.
    pub(super) fn now() -> Progress {
        PROGRESS.get()
    }

    fn reach(phase: Phase) {
        PROGRESS.set(Progress {
            phase,
            ..PROGRESS.get()
        });
    }

    /// The connection was in use before, and not a single byte has come back over it: the endpoint
    /// had closed it, and has not seen the request (RFC 9112 section 9.3.1).
    pub(super) fn is_stale(self) -> bool {
        !self.connected && self.phase != Phase::Reading
    }
}

impl Phase {
    /// Completes "timed out ...".
    pub(super) fn doing(self) -> &'static str {
        match self {
            Phase::Resolving => "resolving the name of its host",
            Phase::Connecting => "connecting",
            Phase::Proxy => "connecting through the proxy",
            Phase::Sending => "sending the request",
            Phase::Waiting => "waiting for its answer",
            Phase::Reading => "in the middle of its answer",
        }
    }
}

/// The chain that makes connections: the proxy or TCP, TLS for https, and our wrapper.
///
/// Of an agent with a proxy, the whole chain runs twice for each connection, once inside the other:
/// the inner run, which has no proxy in its configuration, connects to the proxy.
pub(super) fn connector(proxied: bool, gauge: Gauge) -> impl Connector {
    Begin { proxied }
        .chain(ConnectProxyConnector::default())
        .chain(TcpConnector::default())
        .chain(Tls::default())
        .chain(Wrap { proxied, gauge })
}

/// Comes first and makes no connection.
#[derive(Debug)]
struct Begin {
    proxied: bool,
}

impl Connector for Begin {
    type Out = ();

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<()>, ureq::Error> {
        let phase = match self.proxied {
            true => Phase::Proxy,
            false => Phase::Connecting,
        };
        PROGRESS.set(Progress {
            phase,
            connected: true,
            ..PROGRESS.get()
        });
        Ok(None)
    }
}

/// TLS with one session cache for all requests.
///
/// Every request has its own timeouts, and ureq makes a new TLS configuration for each connection
/// of a request with its own configuration: it would read all certificates again and never resume a
/// session. The part that matters to TLS is the same in all our configurations.
#[derive(Debug, Default)]
struct Tls(RustlsConnector);

impl<In: Transport> Connector<In> for Tls {
    type Out = <RustlsConnector as Connector<In>>::Out;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if details.config.proxy().is_some() {
            // There is a way through the proxy now.
            Progress::reach(Phase::Connecting);
        }
        let details = ConnectionDetails {
            uri: details.uri,
            addrs: details.addrs.clone(),
            config: details.config,
            request_level: false,
            resolver: details.resolver,
            now: details.now,
            timeout: details.timeout,
            current_time: Arc::clone(&details.current_time),
            run_connector: Arc::clone(&details.run_connector),
            register_shutdown: Arc::clone(&details.register_shutdown),
        };
        self.0.connect(&details, chained)
    }
}

/// Comes last.
#[derive(Debug)]
struct Wrap {
    proxied: bool,
    /// Counts the connections.
    gauge: Gauge,
}

impl<In: Transport> Connector<In> for Wrap {
    type Out = Wrapped<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Wrapped<In>>, ureq::Error> {
        let to_proxy = self.proxied && details.config.proxy().is_none();
        Ok(chained.map(|inner| Wrapped {
            inner,
            to_proxy,
            _counted: (!to_proxy).then(|| self.gauge.hold()),
            held: Vec::new(),
            may_be_used: Arc::new(AtomicBool::new(true)),
        }))
    }
}

#[derive(Debug)]
struct Wrapped<In> {
    inner: In,
    /// It is the connection to the proxy, inside of another: what passes here is not the request's
    /// progress.
    to_proxy: bool,
    /// A head waiting for its body.
    held: Vec<u8>,
    /// See [`distrust_connection`].
    may_be_used: Arc<AtomicBool>,
    _counted: Option<Held>,
}

impl<In: Transport> Wrapped<In> {
    /// Sends what is held back, and then `amount` bytes of the output buffer, together if they fit
    /// into it.
    fn flush(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.held.is_empty() {
            return self.inner.transmit_output(amount, timeout);
        }
        let output = self.inner.buffers().output();
        let together = self.held.len().saturating_add(amount);
        if together <= output.len() {
            output.copy_within(..amount, self.held.len());
            for (to, from) in output.iter_mut().zip(&self.held) {
                *to = *from;
            }
            self.held.clear();
            return self.inner.transmit_output(together, timeout);
        }
        let body = output.get(..amount).unwrap_or_default().to_vec();
        for part in [std::mem::take(&mut self.held), body] {
            for chunk in part.chunks(self.inner.buffers().output().len().max(1)) {
                let output = self.inner.buffers().output();
                for (to, from) in output.iter_mut().zip(chunk) {
                    *to = *from;
                }
                self.inner.transmit_output(chunk.len(), timeout)?;
            }
        }
        Ok(())
    }
}

impl<In: Transport> Transport for Wrapped<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if self.to_proxy {
            return self.inner.transmit_output(amount, timeout);
        }
        IN_USE.set(Some(Arc::clone(&self.may_be_used)));
        let progress = PROGRESS.get();
        PROGRESS.set(Progress {
            phase: Phase::Sending,
            body_follows: false,
            ..progress
        });
        if progress.body_follows {
            self.held.clear();
            let head = self
                .inner
                .buffers()
                .output()
                .get(..amount)
                .unwrap_or_default();
            self.held.extend_from_slice(head);
            return Ok(());
        }
        self.flush(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        if self.to_proxy {
            return self.inner.await_input(timeout);
        }
        if !self.held.is_empty() {
            self.flush(0, timeout)?;
        }
        if Progress::now().phase != Phase::Reading {
            Progress::reach(Phase::Waiting);
        }
        let progress = self.inner.await_input(timeout)?;
        if progress {
            Progress::reach(Phase::Reading);
        }
        Ok(progress)
    }

    fn is_open(&mut self) -> bool {
        self.may_be_used.load(Ordering::Relaxed) && self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
