//! Issuers of tokens, each with rules of its own: those of `issuer_url`, and the rows of a table.

mod askable;
mod row;

pub use askable::{Askable, Asks};
pub use row::IssuerRow;

use std::collections::HashMap;
use std::sync::Arc;

use super::cache::Ready;
use super::{Select, Source, StoreError};
use crate::introspection::Introspection;
use crate::jwt::algorithm::AlgorithmSet;
use crate::jwt::challenge::{MAX_AUTHZ_SERVER, is_https_uri};
use crate::jwt::key::KeySet;
use crate::jwt::quote_up_to;
use crate::jwt::rules::{RequiredClaim, Rules};
use crate::jwt::username::Username;
use crate::keys::{Discovery, KeyHolder, KeyReference, TENANT};

/// Most rows of the table that are read.
pub const MAX_ROWS: usize = 1000;

/// Most issuers that count at a time, with each tenant of one that has tenants.
pub const MAX_NAMES: usize = 10_000;

/// Most bytes of an issuer.
const MAX_ISSUER: usize = 255;

/// The table of issuers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerTable {
    /// Its name (`issuers_table`).
    pub table: String,
    /// Its version: 1 has no columns for introspection and challenges.
    pub version: i64,
}

/// What was read of the table.
#[derive(Debug, Default)]
pub struct Rows {
    /// The rows, each with what it is called in a log.
    pub rows: Vec<(String, IssuerRow)>,
    /// What is not a row, and why: one line each.
    pub faults: Vec<String>,
}

impl IssuerTable {
    /// All rows, at most [`MAX_ROWS`] of them.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch_all(&self, source: &mut dyn Source) -> Result<Rows, StoreError> {
        let table = &self.table;
        let select = Select {
            table,
            columns: row::columns(self.version),
            key: None,
            and: None,
            limit: MAX_ROWS + 1,
        };
        let mut rows = Rows::default();
        for (number, row) in source.select(&select)?.into_iter().enumerate() {
            if number == MAX_ROWS {
                let fault = format!("table {table}: it has more than {MAX_ROWS} rows");
                rows.faults.push(fault);
                break;
            }
            let (id, row) = row::read(row);
            // It is shown in a log.
            let id = id.as_deref().unwrap_or("?").escape_debug();
            let called = format!("table {table}, row {id}");
            match row {
                Ok(row) => rows.rows.push((called, row)),
                Err(error) => rows.faults.push(format!("{called}: {error}")),
            }
        }
        Ok(rows)
    }
}

/// What counts where a row says nothing.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// The rules of the parameters. Their issuers do not count.
    pub rules: Rules,
    /// `username_claim`.
    pub username: Username,
}

/// The domains that an issuer may speak for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpeaksFor {
    /// Any.
    Any,
    /// These, in lower case.
    Realms(Vec<String>),
}

impl SpeaksFor {
    /// Reads `*`, or domains separated by commas or blanks.
    ///
    /// # Errors
    /// Fails with what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let list: Vec<_> = list(text).map(str::to_ascii_lowercase).collect();
        let is_domain = |text: &String| {
            let mut bytes = text.bytes();
            bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte))
        };
        match &list[..] {
            [any] if any == "*" => Ok(SpeaksFor::Any),
            [_, ..] if list.iter().all(is_domain) => Ok(SpeaksFor::Realms(list)),
            _ => Err("realm must be *, or domains separated by commas or blanks".to_owned()),
        }
    }

    /// Whether a domain is among them.
    pub fn includes(&self, domain: &str) -> bool {
        match self {
            SpeaksFor::Any => true,
            SpeaksFor::Realms(realms) => realms
                .iter()
                .any(|known| known.eq_ignore_ascii_case(domain)),
        }
    }
}

/// An issuer.
#[derive(Debug)]
pub struct Issuer {
    row: IssuerRow,
    /// Each `iss` that its tokens may have; at least one.
    names: Vec<String>,
    /// What its tokens are checked against.
    pub rules: Rules,
    /// Where their username is.
    pub username: Username,
    /// The domains that it may speak for.
    pub speaks_for: SpeaksFor,
    /// The https URI of the authorization server that challenges name; `None` if it is not known.
    pub authz_server: Option<String>,
    /// Its keys, as a profile that all of its tokens share.
    pub ready: Arc<Ready>,
    /// Whether and where it is asked for tokens.
    pub introspection: Option<Arc<Introspection>>,
}

impl Issuer {
    /// Reads what is said of an issuer.
    ///
    /// # Errors
    /// Fails with what is wrong, in words that hold nothing secret.
    pub fn new(row: IssuerRow, defaults: &Defaults) -> Result<Self, String> {
        let names = names(&row)?;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let mut rules = Rules {
            issuers: names.clone(),
            ..defaults.rules.clone()
        };
        if let Some(text) = given(&row.audience) {
            rules.audiences = list(&text).map(str::to_owned).collect();
            // An empty list would turn off the check.
            if rules.audiences.is_empty() {
                return Err("audience has no value".to_owned());
            }
        }
        if let Some(text) = given(&row.algorithms) {
            rules.algorithms =
                AlgorithmSet::parse(&text).map_err(|error| format!("algorithms: {error}"))?;
        }
        if let Some(text) = given(&row.required_claims) {
            rules.required_claims = RequiredClaim::parse_list(&text)
                .map_err(|error| format!("required_claims: {error}"))?;
        }
        let username = match given(&row.username_claim) {
            Some(text) => {
                Username::parse(text.trim()).map_err(|error| format!("username_claim: {error}"))?
            }
            None => defaults.username.clone(),
        };
        let speaks_for = match given(&row.realm) {
            Some(text) => SpeaksFor::parse(&text)?,
            None => return Err("realm is missing".to_owned()),
        };
        let authz_server = authz_server(&row, &names)?;
        let keys = keys(&row.issuer, given(&row.discovery_url), given(&row.jwks))?;
        let ready = Arc::new(Ready::of_provider(row.issuer.as_bytes(), keys));
        let introspection = Introspection::new(row.introspection.clone(), &rules)?.map(Arc::new);
        if let Some(introspection) = &introspection
            && introspection.url().is_none()
            && row.jwks.is_some()
        {
            return Err("introspection_url is missing: with jwks there are no metadata".to_owned());
        }
        Ok(Issuer {
            row,
            names,
            rules,
            username,
            speaks_for,
            authz_server,
            ready,
            introspection,
        })
    }

    /// The domains that it may speak for; `None` for any.
    fn realms(&self) -> Option<&[String]> {
        match &self.speaks_for {
            SpeaksFor::Any => None,
            SpeaksFor::Realms(realms) => Some(realms),
        }
    }

    /// The issuer as it was given, quoted, for logs.
    pub fn shown(&self) -> String {
        shown(&self.row.issuer)
    }
}

/// An issuer, quoted, without what may be a password in it.
fn shown(issuer: &str) -> String {
    let bare = issuer.split_once("://").and_then(|(scheme, rest)| {
        let (user, host) = rest.rsplit_once('@')?;
        user.contains(':').then(|| format!("{scheme}://***@{host}"))
    });
    quote_up_to(bare.as_deref().unwrap_or(issuer), MAX_ISSUER)
}

/// The values of a list.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace())
        .filter(|value| !value.is_empty())
}

/// Each `iss` of an issuer: one, or one for each tenant.
fn names(row: &IssuerRow) -> Result<Vec<String>, String> {
    let issuer = &row.issuer;
    if issuer.is_empty() || issuer.len() > MAX_ISSUER {
        return Err(format!("issuer must have 1 to {MAX_ISSUER} bytes"));
    }
    if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("issuer has a blank or a control character in it".to_owned());
    }
    let tenants: Vec<_> = row
        .tenants
        .as_deref()
        .map(list)
        .into_iter()
        .flatten()
        .collect();
    let is_tenant = |text: &&str| {
        text.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    match (issuer.contains(TENANT), tenants.is_empty()) {
        (false, true) => Ok(vec![issuer.clone()]),
        (false, false) => Err(format!("there are tenants, and no {TENANT} in the issuer")),
        (true, true) => Err(format!(
            "there is {TENANT} in the issuer, and there are no tenants"
        )),
        (true, false) if !tenants.iter().all(is_tenant) => {
            Err("a tenant must be of letters, digits, -, . and _".to_owned())
        }
        (true, false) => {
            let name = |tenant: &str| issuer.replace(TENANT, tenant);
            let mut names: Vec<_> = tenants.into_iter().map(name).collect();
            names.sort();
            names.dedup();
            Ok(names)
        }
    }
}

/// Where a client gets a token of an issuer (RFC 8898 section 4): where the row says, else at the issuer, from
/// which everything else follows. Of several tenants none is the one to go to.
fn authz_server(row: &IssuerRow, names: &[String]) -> Result<Option<String>, String> {
    let is_uri = |uri: &String| uri.len() <= MAX_AUTHZ_SERVER && is_https_uri(uri);
    match row.authz_server.clone().filter(|uri| !uri.is_empty()) {
        Some(uri) if is_uri(&uri) => Ok(Some(uri)),
        Some(_) => Err(format!(
            "authz_server must be an https URI of at most {MAX_AUTHZ_SERVER} bytes"
        )),
        None => Ok(match names {
            [name] if is_uri(name) => Some(name.clone()),
            _ => None,
        }),
    }
}

fn keys(
    issuer: &str,
    discovery_url: Option<String>,
    jwks: Option<String>,
) -> Result<KeyHolder, String> {
    let Some(jwks) = jwks else {
        let url = discovery_url.as_deref().map(str::trim);
        let discovery = Discovery::new(issuer, url).map_err(|error| error.to_string())?;
        return Ok(KeyHolder::Reference(KeyReference::Issuer(discovery)));
    };
    if discovery_url.is_some() {
        return Err("there are both jwks and discovery_url".to_owned());
    }
    match KeyReference::of(jwks.as_bytes()) {
        Some(Ok(reference @ KeyReference::Url(_))) => Ok(KeyHolder::Reference(reference)),
        Some(Ok(_)) => Err("jwks must be a JWK Set, or its https URL".to_owned()),
        Some(Err(error)) => Err(format!("jwks: {error}")),
        // Never a secret: whoever may read the table could sign with it.
        None => KeySet::parse_published(jwks.as_bytes())
            .map(KeyHolder::Keys)
            .map_err(|error| format!("jwks: {error}")),
    }
}

/// All issuers that count.
#[derive(Clone, Debug, Default)]
pub struct Issuers {
    by_name: HashMap<String, Arc<Issuer>>,
    /// Those that speak for a domain that they name, which is in lower case.
    by_realm: HashMap<String, Vec<Arc<Issuer>>>,
    /// Those that speak for any.
    of_any: Vec<Arc<Issuer>>,
    /// Those that can be asked for tokens that do not say whose they are.
    pub askable: Arc<Askable<Issuer>>,
    /// What was left out, and why: one line each.
    pub faults: Vec<String>,
}

impl Issuers {
    /// `fixed`, and the issuers of these rows, each with what it is called in a log. What is the same as
    /// `before` stays the same object. Two rows that name one issuer are both left out: which of them counts
    /// would be up to the database.
    pub fn new(
        rows: impl IntoIterator<Item = (String, IssuerRow)>,
        defaults: &Defaults,
        fixed: &Issuers,
        before: &Issuers,
    ) -> Self {
        let mut faults = Vec::new();
        let mut found = Vec::new();
        let mut names = fixed.by_name.len();
        for (called, row) in rows {
            let issuer = shown(&row.issuer);
            // Counted before anything is made of them.
            let tenants = list(row.tenants.as_deref().unwrap_or_default());
            let more = tenants.take(MAX_NAMES + 1).count().max(1);
            if names.saturating_add(more) > MAX_NAMES {
                faults.push(format!("{called}: there are more than {MAX_NAMES} issuers"));
                continue;
            }
            let read = match before.same(&row) {
                Some(same) => Ok(same),
                None => Issuer::new(row, defaults).map(Arc::new),
            };
            match read {
                Ok(issuer) => {
                    names += more;
                    found.push((called, issuer));
                }
                Err(error) => faults.push(format!("{called}, issuer {issuer}: {error}")),
            }
        }
        let mut counts: HashMap<String, usize> = HashMap::new();
        for (_, issuer) in &found {
            for name in &issuer.names {
                *counts.entry(name.clone()).or_default() += 1;
            }
        }
        let mut by_name = fixed.by_name.clone();
        for (called, issuer) in found {
            let twice = |name: &&String| counts.get(*name).is_some_and(|count| *count > 1);
            if let Some(name) = issuer.names.iter().find(|name| fixed.get(name).is_some()) {
                let name = shown(name);
                faults.push(format!("{called}: issuer {name} is that of a parameter"));
            } else if let Some(name) = issuer.names.iter().find(twice) {
                faults.push(format!(
                    "{called}: issuer {} is there more than once",
                    shown(name)
                ));
            } else if by_name.len() + issuer.names.len() > MAX_NAMES {
                faults.push(format!("{called}: there are more than {MAX_NAMES} issuers"));
            } else {
                let names = issuer
                    .names
                    .iter()
                    .map(|name| (name.clone(), issuer.clone()));
                by_name.extend(names);
            }
        }
        let mut all: Vec<_> = by_name.values().cloned().collect();
        all.sort_by(|a, b| a.names.cmp(&b.names));
        // One with tenants is there once for each of them.
        all.dedup_by(|a, b| Arc::ptr_eq(a, b));
        let mut by_realm: HashMap<String, Vec<Arc<Issuer>>> = HashMap::new();
        let mut of_any = Vec::new();
        for issuer in all {
            match &issuer.speaks_for {
                SpeaksFor::Any => of_any.push(issuer.clone()),
                SpeaksFor::Realms(realms) => {
                    for realm in realms {
                        let issuers = by_realm.entry(realm.clone()).or_default();
                        issuers.push(issuer.clone());
                    }
                }
            }
        }
        let asked = by_name.values().filter(|it| it.introspection.is_some());
        let askable = Askable::new(asked.map(|issuer| (issuer.realms(), issuer)));
        Issuers {
            by_name,
            by_realm,
            of_any,
            askable: Arc::new(askable),
            faults,
        }
    }

    /// The issuer whose tokens have this `iss`, byte by byte.
    pub fn get(&self, iss: &str) -> Option<&Arc<Issuer>> {
        self.by_name.get(iss)
    }

    /// Those that may speak for a domain, those that name it first; in an order that does not change.
    pub fn of_realm(&self, domain: &str) -> impl Iterator<Item = &Arc<Issuer>> {
        let named = self.by_realm.get(&domain.to_ascii_lowercase());
        named.into_iter().flatten().chain(&self.of_any)
    }

    /// Whether this very issuer is among them.
    pub fn has(&self, issuer: &Arc<Issuer>) -> bool {
        let name = issuer.names.first();
        let same = name.and_then(|name| self.get(name));
        same.is_some_and(|same| Arc::ptr_eq(same, issuer))
    }

    /// How many names of issuers there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Each issuer, once for each of its names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.by_name.values()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The issuer of a row that says the same.
    fn same(&self, row: &IssuerRow) -> Option<Arc<Issuer>> {
        let name = names(row).ok()?.into_iter().next()?;
        let issuer = self.get(&name).filter(|issuer| issuer.row == *row)?;
        Some(issuer.clone())
    }
}

#[cfg(test)]
mod tests;
