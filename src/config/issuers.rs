//! Parameters for issuers that have rules of their own: `issuer_url`, `issuer_tenants`,
//! `issuers_table`.

use super::raw::{ConfigError, Raw};
use crate::introspection::IntrospectionRow;
use crate::jwt::challenge::{MAX_AUTHZ_SERVER, is_https_uri};
use crate::keys::TENANT;
use crate::store::issuers::{Defaults, IssuerRow, IssuerTable, Issuers, Rows};

/// What the parameters say of issuers.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// The issuers of `issuer_url`.
    pub fixed: Issuers,
    /// What counts where a row says nothing.
    pub defaults: Defaults,
    /// The table of further ones.
    pub table: IssuerTable,
    /// Whether the script names the table itself, so that it must exist.
    pub tables_named: bool,
    /// The authorization server that challenges name for all tokens but those of the table's issuers
    /// (`authz_server`).
    pub authz_server: Option<String>,
}

impl IssuerSettings {
    /// Reads the parameters. `introspection` is what they say of asking the issuer of `issuer_url`.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(
        raw: &Raw,
        defaults: Defaults,
        introspection: &IntrospectionRow,
    ) -> Result<Self, ConfigError> {
        let authz_server = authz_server(raw)?;
        Ok(IssuerSettings {
            fixed: fixed(raw, &defaults, authz_server.as_ref(), introspection)?,
            authz_server,
            defaults,
            table: IssuerTable {
                table: raw.identifier("issuers_table", "jwt_issuers", true)?,
                version: 2,
            },
            tables_named: raw.has("issuers_table"),
        })
    }

    /// All issuers: those of the parameter, and of the table. `before` is what was read last.
    pub fn with_rows(&self, rows: Rows, before: &Issuers) -> Issuers {
        let Rows { rows, faults } = rows;
        let mut issuers = Issuers::new(rows, &self.defaults, &self.fixed, before);
        issuers.faults.extend(faults);
        issuers
    }
}

fn authz_server(raw: &Raw) -> Result<Option<String>, ConfigError> {
    const NAME: &str = "authz_server";
    match raw.text(NAME)? {
        Some(uri) if uri.len() > MAX_AUTHZ_SERVER || !is_https_uri(uri) => {
            let allowed = format!("an https URI of at most {MAX_AUTHZ_SERVER} bytes");
            Err(raw.error(NAME, allowed))
        }
        uri => Ok(uri.map(str::to_owned)),
    }
}

/// The issuers of `issuer_url`: any realm is theirs, since they are no tenants' own.
fn fixed(
    raw: &Raw,
    defaults: &Defaults,
    authz_server: Option<&String>,
    introspection: &IntrospectionRow,
) -> Result<Issuers, ConfigError> {
    const NAME: &str = "issuer_url";
    const TENANTS: &str = "issuer_tenants";
    let tenants = raw.values(TENANTS)?.join(" ");
    let mut rows = Vec::new();
    for issuer in raw.values(NAME)? {
        let is_template = issuer.contains(TENANT);
        let row = IssuerRow {
            tenants: Some(tenants.clone()).filter(|_| is_template),
            realm: Some("*".to_owned()),
            authz_server: authz_server.cloned(),
            issuer,
            introspection: introspection.clone(),
            ..IssuerRow::default()
        };
        rows.push((format!("parameter \"{NAME}\""), row));
    }
    let is_template = |row: &IssuerRow| row.tenants.is_some();
    if !tenants.is_empty() && !rows.iter().any(|(_, row)| is_template(row)) {
        return Err(ConfigError::Other {
            name: TENANTS.to_owned(),
            cause: format!("is set, and no issuer_url has {TENANT} in it"),
        });
    }
    if rows.len() > 1 && !introspection.is_empty() {
        // No issuer gets the tokens, or the secret, of another.
        return Err(ConfigError::Other {
            name: NAME.to_owned(),
            cause: "names several issuers, and introspection_* is about one: use issuers_table"
                .to_owned(),
        });
    }
    // The first fault says which.
    let issuers = Issuers::new(rows, defaults, &Issuers::default(), &Issuers::default());
    if let Some(fault) = issuers.faults.first() {
        return Err(ConfigError::Fault(fault.clone()));
    }
    let asked = issuers.askable.only();
    let asked = asked.and_then(|issuer| issuer.introspection.as_deref());
    asked.map_or(Ok(()), super::introspection::check)?;
    Ok(issuers)
}
