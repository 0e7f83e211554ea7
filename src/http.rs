//! Webhooks: an HTTP endpoint decides whether a SIP request is admitted.
//!
//! The properties of a request ([`Request`]) are sent to an [`Endpoint`] as JSON or as a query,
//! using the members that jambonz publishes; its [`Answer`] admits or denies. Everything else that
//! happens on the way is an [`EndpointError`], and never admits.
//!
//! [`Webhooks::ask`] is the entry point: it never blocks, and its ticket is complete by the time
//! the timeout expires, whatever the network, the name server or the endpoint do.

mod agents;
mod answer;
mod ban;
mod basic;
mod breaker;
mod challenge;
mod client;
mod client_config;
mod denial;
mod document;
mod endpoint;
mod error;
mod form;
mod hook;
mod inflight;
mod origins;
mod pace;
mod prepared;
mod proxy;
mod report;
mod request;
mod resolver;
mod retry;
mod shares;
mod signature;
#[cfg(test)]
pub(crate) mod testing;
mod tls;
mod transport;
mod url;
mod webhooks;

pub use answer::{Answer, Ban, Grant, GrantValue, Verdict, is_readable};
pub use ban::{Bans, Entry, PREFIX as BAN_PREFIX};
pub use basic::Basic;
pub use breaker::{Circuit, CircuitState, Circuits, MOST_FAILING, Ordered};
pub use client::{BasicFor, Client};
pub use client_config::{Changes, ClientConfig, MAX_IDLE_AGE, Meters};
pub use denial::denial_headers;
pub use document::Documents;
pub use endpoint::{Endpoint, EndpointDefaults, EndpointRow, Method};
pub use error::{Cause, EndpointError, FailureKind, Fault};
pub use form::{Form, FormAnswer, FormOutcome, FormQuestion, form_encoded};
pub use hook::hook_url;
pub use inflight::{Inflight, MOST_COUNTED, Place as InflightPlace};
pub use origins::Origins;
pub use pace::{MOST_TIMED, Pace, Paces, Times};
pub use proxy::Proxy;
pub use report::{Report, Reports};
pub use request::{Payload, Request};
pub use signature::{SIGNATURE_HEADER, SignatureKey};
pub use tls::{TlsFiles, TlsPart, Trust, TrustError};
pub use ureq::http::HeaderName;
pub use url::EndpointUrl;
pub use webhooks::{Answered, Gate, Outcome, Refusal, Target, Webhooks};
