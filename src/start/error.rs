//! Why OpenSIPS does not start with the module.

use thiserror::Error;

use crate::config::ConfigError;
use crate::digest::NonceError;
use crate::opensips::uac::NoTm;
use crate::process::loader::LoadError;
use crate::store::version::VersionError;
use crate::store::{Refusal, StoreError};

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
    /// It would judge besides another.
    #[error(
        "{other} is loaded as well, and has the same functions: which of the two judges a token would depend on \
         the order of loadmodule; load one of them"
    )]
    Beside {
        /// The path of the other one.
        other: String,
    },
    /// A table is not as needed.
    #[error("{shown}: {error}: {remedy}")]
    Table {
        /// The URL without the password.
        shown: String,
        /// Why.
        error: StoreError,
        /// What to do.
        remedy: String,
    },
    /// The database can't be used.
    #[error("parameter \"db_url\": {shown}: {error}: {}", remedy(.error))]
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
    /// The core takes no events, or no reports.
    #[error("the core does not take the module's events and reports: see its message above")]
    Events,
    /// Nothing can be sent.
    #[error("parameter \"carriers_table\": {0}")]
    NoTm(#[from] NoTm),
    /// No memory.
    #[error("no shared memory: {0}")]
    Memory(#[from] std::io::Error),
}

/// What to do about a database that gives no answer.
fn remedy(error: &StoreError) -> &'static str {
    match error {
        StoreError::Unreachable(_) => {
            "see that it runs, and accepts connections from this machine at that host and port; where the driver \
             says more above, see to that"
        }
        StoreError::TimedOut(_) => {
            "see that it runs at that host and port, and that no firewall drops what is sent there"
        }
        StoreError::Login(_) => {
            "correct the user and the password (in a URL they are percent-encoded), or create the user, for \
             connections from this machine"
        }
        StoreError::NoDatabase(_) => "create it, or correct its name",
        StoreError::Refused {
            why: Refusal::Right,
            ..
        } => {
            "run GRANT SELECT ON the tables of this module, and on the table version, TO that user"
        }
        StoreError::Refused { .. } | StoreError::BadRow { .. } => "correct the table",
        StoreError::Busy(_) => "try again",
    }
}
