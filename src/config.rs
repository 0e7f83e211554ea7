//! The module's configuration: modparams are collected ([`raw`]) and, in `mod_init`, turned once
//! into one validated, immutable [`Config`].

pub(crate) mod avp_list;
pub(crate) mod database;
pub(crate) mod http;
pub(crate) mod outbound;
pub mod raw;
pub(crate) mod tokens;

pub use raw::{ConfigError, Raw};

/// Everything that modparams set.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database of profiles, `None` without `db_url`.
    pub database: Option<database::Database>,
    /// The requirements on tokens.
    pub tokens: tokens::Tokens,
    /// The webhooks.
    pub http: http::Http,
    /// The outbound credentials.
    pub outbound: outbound::Outbound,
}

impl Config {
    /// Validates what the script set.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong, its value and what is allowed.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        Ok(Config {
            database: database::Database::new(raw)?,
            tokens: tokens::Tokens::new(raw)?,
            http: http::Http::new(raw)?,
            outbound: outbound::Outbound::new(raw)?,
        })
    }
}
