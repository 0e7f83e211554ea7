//! Where keys come from: a row or a script, a file, or a provider that publishes a JWK Set.
//!
//! [`jwt`](crate::jwt) judges tokens by the keys passed to it, and [`http`](crate::http) queries
//! web servers; this layer is above both, and knows about files, URLs and the time.
//!
//! [`KeyHolder`] is what a secret stands for: the keys themselves, or a [`KeyReference`] that names
//! where they are: a file, a URL, or the metadata of an issuer ([`Discovery`]). [`KeySources`] keeps what was read from there, querying providers through a
//! [`Fetch`], which is [`HttpFetch`] except in tests, and telling other processes by
//! [`SharedFetches`]; and [`KeyCache`] keeps the parsed keys of
//! scripts.

mod cache;
mod discovery;
mod error;
mod fetch;
mod file;
mod freshness;
mod holder;
mod limits;
mod metadata;
mod provider;
mod published;
mod reference;
mod shared;
mod sources;

pub use cache::{KeyCache, ParsedKey};
pub use discovery::{Discovery, TENANT};
pub use error::SourceError;
pub use fetch::{Fetch, FetchError, Fetched};
/// How what is published is read, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub mod published_by {
    pub use super::metadata::{get, split};
}
pub use holder::{HolderError, KeyHolder, Keys, candidate};
pub use limits::SourceConfig;
pub use provider::HttpFetch;
pub use published::{Description, shown};
pub use reference::KeyReference;
pub use shared::{Place, SharedFetches};
pub use sources::KeySources;
