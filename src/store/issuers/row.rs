//! A row of the table of issuers.

use zeroize::Zeroizing;

use crate::introspection::{ClientRow, IntrospectionRow};
use crate::store::Cell;

/// What is said of one issuer. What is not said is as the parameters have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerRow {
    /// `iss` of its tokens, perhaps with [`TENANT`](crate::keys::TENANT) in it.
    pub issuer: String,
    /// The tenants that [`TENANT`](crate::keys::TENANT) may stand for, separated by commas or blanks.
    pub tenants: Option<String>,
    /// The domains that it may speak for, separated by commas or blanks, or `*` for any.
    pub realm: Option<String>,
    /// Audiences of which a token has to have one, separated by commas or blanks.
    pub audience: Option<String>,
    /// The claim, or the template, of the username.
    pub username_claim: Option<String>,
    /// Algorithms, separated by commas or blanks.
    pub algorithms: Option<String>,
    /// `name` or `name=value`, separated by `;`.
    pub required_claims: Option<String>,
    /// The URL of its metadata, if it is not the well-known one.
    pub discovery_url: Option<String>,
    /// Its JWK Set, or the URL of that, in place of its metadata.
    pub jwks: Option<String>,
    /// Whether and where it is asked for tokens.
    pub introspection: IntrospectionRow,
    /// The https URI of the authorization server that challenges name, if that is not the issuer.
    pub authz_server: Option<String>,
}

/// How many of them a table of version 1 has.
const FIRST: usize = 10;

/// What a row is called, and what is in an [`IssuerRow`].
pub(super) const COLUMNS: [&str; 19] = [
    "id",
    "issuer",
    "tenants",
    "realm",
    "audience",
    "username_claim",
    "algorithms",
    "required_claims",
    "discovery_url",
    "jwks",
    "introspection_url",
    "introspection_auth",
    "introspection_client_id",
    "introspection_client_secret",
    "introspection_key_id",
    "introspection_algorithm",
    "introspection_tokens",
    "introspection_signed",
    "authz_server",
];

/// The columns that a table of this version has.
pub(super) fn columns(version: i64) -> &'static [&'static str] {
    match version {
        ..=1 => &COLUMNS[..FIRST],
        _ => &COLUMNS,
    }
}

/// What a row is called, if that can be told, and what it says.
pub(super) fn read(row: Vec<Cell>) -> (Option<String>, Result<IssuerRow, &'static str>) {
    let mut cells = row.into_iter().map(text);
    let id = cells.next().and_then(Result::ok).flatten();
    (id, cells.collect::<Result<Vec<_>, _>>().and_then(issuer))
}

/// A value as text, without the blanks that a column may append; `None` for none.
fn text(cell: Cell) -> Result<Option<String>, &'static str> {
    let Some(bytes) = cell.into_bytes() else {
        return Ok(None);
    };
    let text = str::from_utf8(&bytes).map_err(|_| "it is not UTF-8")?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

fn issuer(mut cells: Vec<Option<String>>) -> Result<IssuerRow, &'static str> {
    if cells.len() == FIRST - 1 {
        cells.resize(COLUMNS.len() - 1, None);
    }
    let Ok(
        [
            issuer,
            tenants,
            realm,
            audience,
            username_claim,
            algorithms,
            required_claims,
            discovery_url,
            jwks,
            url,
            method,
            id,
            secret,
            key_id,
            algorithm,
            tokens,
            signed,
            authz_server,
        ],
    ) = <[_; COLUMNS.len() - 1]>::try_from(cells)
    else {
        return Err("it does not have the columns that were asked for");
    };
    Ok(IssuerRow {
        issuer: issuer.unwrap_or_default(),
        tenants,
        realm,
        audience,
        username_claim,
        algorithms,
        required_claims,
        discovery_url,
        jwks,
        introspection: IntrospectionRow {
            url,
            client: ClientRow {
                id,
                secret: secret.map(Zeroizing::new),
                method,
                key_id,
                algorithm,
            },
            tokens,
            signed,
        },
        authz_server,
    })
}
