//! The credentials of a SIP request and the challenges that ask for them.
//!
//! - [`Credentials`]: the grammar of Authorization and Proxy-Authorization (RFC 3261 section 25.1,
//!   RFC 7616 section 3.4, RFC 8760) and of the Bearer scheme (RFC 6750 section 2.1, RFC 8898).
//! - [`Nonces`]: nonces that are recognized without being remembered, and the challenges that carry
//!   them (RFC 7616 section 3.3).
//! - [`nonce_claim`]: a nonce count is accepted once (RFC 7616 section 3.4.3).
//! - [`Received`]: the challenges of others, and the answers to them (RFC 7616 sections 3.3 and 3.4).
//!
//! - [`Known`]: what is known of a user, by which a response that was received is verified.
//!
//! Where an endpoint decides whether a response is correct, no password is known here.

mod algorithm;
mod answer;
mod challenge;
mod credentials;
mod lexer;
mod nonce;
mod received;
mod replay;
mod response;
mod verify;

pub(crate) use lexer::Lexer;

pub use algorithm::Algorithm;
pub use answer::{Request, cnonce};
pub use challenge::challenge;
pub use credentials::{Credentials, CredentialsError, Digest, MASKED, MAX_HEADERS, PARTS};
pub use nonce::{Freshness, NonceError, Nonces};
pub use received::{Offer, Received, ReceivedError};
pub use replay::nonce_claim;
pub use verify::{Ha1, Known};
