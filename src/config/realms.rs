//! Parameters of the table of realms: `realms_table`, `realm_column`, `realm_parent`,
//! `load_realm`.

use super::avp_list::{self, AvpSource};
use super::raw::{ConfigError, IDENTIFIER, Raw, is_identifier};
use crate::store::realm::RealmTable;

/// What the parameters say of the table of realms.
#[derive(Clone, Debug)]
pub struct RealmSettings {
    /// Names of the table and its columns.
    pub table: RealmTable,
    /// `load_realm`, parallel to [`RealmTable::columns`].
    pub avps: Vec<AvpSource>,
}

impl RealmSettings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let avps = avps(raw)?;
        Ok(RealmSettings {
            table: RealmTable {
                table: raw.identifier("realms_table", "realms", true)?,
                realm: raw.identifier("realm_column", "realm", false)?,
                parent: raw.flag("realm_parent", false)?,
                columns: avps.iter().map(|wanted| wanted.source.clone()).collect(),
            },
            avps,
        })
    }
}

fn avps(raw: &Raw) -> Result<Vec<AvpSource>, ConfigError> {
    const NAME: &str = "load_realm";
    let Some(list) = raw.text(NAME)? else {
        return Ok(Vec::new());
    };
    let parsed = avp_list::parse(list).ok_or_else(|| raw.error(NAME, avp_list::SYNTAX))?;
    // One more column is asked for, and the shim takes 64.
    if parsed.len() > 60 {
        return Err(raw.error(NAME, "a list of at most 60 columns"));
    }
    match parsed.iter().find(|wanted| !is_identifier(&wanted.source)) {
        Some(_) => Err(raw.error(NAME, format!("for a column {IDENTIFIER}"))),
        None => Ok(parsed),
    }
}
