//! Why OpenSIPS does not start with the module.

use thiserror::Error;

use crate::config::ConfigError;
use crate::digest::NonceError;
use crate::process::loader::LoadError;
use crate::store::StoreError;
use crate::store::version::VersionError;

/// Why the module does not start.
#[derive(Debug, Error)]
pub enum InitError {
    /// A parameter is wrong.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// No driver serves the URL.
    #[error(
        "parameter \"db_url\": no loaded module serves {shown}; load the driver first, e.g. \
         loadmodule \"db_{scheme}.so\""
    )]
    NoDriver {
        /// The URL without the password.
        shown: String,
        /// Its scheme.
        scheme: String,
    },
    /// The database can't be used.
    #[error("parameter \"db_url\": {shown}: {error}")]
    Database {
        /// The URL without the password.
        shown: String,
        /// Why.
        error: StoreError,
    },
    /// Not all of it can be held in memory.
    #[error("parameter \"cache_mode\": {shown}: {error}")]
    Preload {
        /// The URL without the password.
        shown: String,
        /// Why.
        error: LoadError,
    },
    /// The tables are not as needed.
    #[error("{shown}: {error}")]
    Version {
        /// The URL without the password.
        shown: String,
        /// Why.
        error: VersionError,
    },
    /// An AVP's name is refused by the core.
    #[error("parameter {parameter:?}: the core refuses the AVP name {name:?}")]
    Avp {
        /// The parameter.
        parameter: &'static str,
        /// The name.
        name: String,
    },
    /// The core does not know a pseudo-variable that the module reads.
    #[error("the core knows no pseudo-variable {0}")]
    Variable(String),
    /// No module serves the CacheDB's URL.
    #[error(
        "parameter \"cachedb_url\": no loaded module serves it with counters; load the engine \
         first, e.g. loadmodule \"cachedb_local.so\""
    )]
    NoEngine,
    /// The system gave no random bytes.
    #[error("{0}")]
    Nonce(#[from] NonceError),
    /// No memory.
    #[error("no shared memory: {0}")]
    Memory(#[from] std::io::Error),
}
