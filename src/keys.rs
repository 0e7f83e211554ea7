//! Where keys come from: out of a row or a script, from a file, or from a provider that publishes a
//! JWK Set.
//!
//! [`jwt`](crate::jwt) judges tokens by keys that are handed to it, and [`http`](crate::http) asks
//! web servers; this layer is above both, and the one that knows files, URLs and the time.
//!
//! [`KeyHolder`] is what a secret stands for: the keys themselves, or a [`KeyReference`] that names
//! where they are. [`KeySources`] keeps what was read there, asking providers by a [`Fetch`], which
//! is [`HttpFetch`] but in tests; and [`KeyCache`] keeps what a script's keys were parsed to.

mod cache;
mod error;
mod fetch;
mod file;
mod freshness;
mod holder;
mod limits;
mod provider;
mod published;
mod reference;
mod sources;

pub use cache::{KeyCache, ParsedKey};
pub use fetch::{Fetch, FetchError, Fetched};
pub use holder::{KeyHolder, candidate};
pub use limits::SourceConfig;
pub use provider::HttpFetch;
pub use reference::KeyReference;
pub use sources::KeySources;
