//! Tokens that their issuer is asked for (RFC 7662): those that nobody else can read, and those of issuers that
//! want it.
//!
//! [`Introspection`] is what is said of an issuer: where it is asked, as which client, and for which tokens.
//! [`Answer`] is what it says, in JSON or signed (RFC 9701), and [`Told`] what that means for a token. What was
//! told is kept in a [`Memory`] of each process for a while, under a keyed digest of the token. [`Flood`] bounds
//! how many tokens that nobody issued are asked for.

mod answer;
mod client;
mod error;
mod flood;
mod limits;
mod memory;
mod settings;

pub use answer::{Answer, Told};
pub use client::ClientRow;
pub use error::IntrospectionError;
pub use flood::{Flood, PLACES, Place};
pub use limits::MAX_ANSWER;
pub use memory::{Memory, MemoryConfig, Question};
pub use settings::{Introspection, IntrospectionRow, Settings, Which};
