//! How many keys from files and URLs are kept, and for how long.

use std::time::Duration;

/// The longest key file, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;

/// The shortest interval between checks of a file.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long the previous keys of a file stay in use while its content can't be understood: long
/// enough for programs that write a file without renaming it into place.
pub const GRACE: Duration = Duration::from_secs(10);

/// How long fetched sets are kept, and how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceConfig {
    /// The shortest time that a JWK Set counts as fresh, whatever its provider says; also how long,
    /// if the provider says nothing. Default one minute.
    pub min_ttl: Duration,
    /// The longest such time. It overrides a longer [`min_ttl`](Self::min_ttl). Default one day.
    pub max_ttl: Duration,
    /// The shortest time between two requests to one URL, whatever their reason. Default 30
    /// seconds.
    pub min_refresh: Duration,
    /// How many files, and how many URLs, are remembered; the least recently used is forgotten. At
    /// least 1, default 1024.
    pub max_sources: usize,
    /// For how many URLs what was fetched is shared by all processes; each fetches any others for itself.
    /// Default 256.
    pub places: usize,
    /// The URL of a parameter, which may be logged.
    pub named: Option<String>,
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            min_ttl: Duration::from_secs(60),
            max_ttl: Duration::from_secs(86_400),
            min_refresh: Duration::from_secs(30),
            max_sources: 1024,
            places: 256,
            named: None,
        }
    }
}
