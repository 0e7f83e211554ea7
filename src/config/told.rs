//! How much is logged and told.

use super::raw::{ConfigError, Raw};

/// What limits lines and events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Lines a second for each function and code (`log_rate`); 0 is no limit.
    pub log_rate: u32,
    /// Events of refusals a second (`event_rate`); 0 raises none.
    pub event_rate: u32,
}

impl Told {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let rate = |name, default, unit| {
            let number = raw.int(name, default, 0..=1_000_000, unit)?;
            Ok(u32::try_from(number).unwrap_or(u32::MAX))
        };
        Ok(Told {
            log_rate: rate("log_rate", 100, "lines, 0 = no limit")?,
            event_rate: rate("event_rate", 10, "events, 0 = none")?,
        })
    }
}
