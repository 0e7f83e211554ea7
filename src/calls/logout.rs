//! Logout tokens that `jwt_revoke` is given: verified as other tokens of their issuer, with its keys and rules.
//!
//! A process of the management interface may wait: for the table of issuers, `db_timeout`, and for keys at a
//! URL, `http_timeout`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock;
use crate::jwt::authorize::{self, Outcome};
use crate::jwt::claims::unlisted_issuer;
use crate::jwt::logout;
use crate::jwt::revocations::{Identity, Revocation};
use crate::jwt::rules::Rules;
use crate::jwt::token::Token;
use crate::keys::{KeyHolder, candidate};
use crate::module::Module;
use crate::pool::NoNotify;
use crate::process::{self, Asked, IssuerLookup as Lookup};
use crate::store::cache::Ready;
use crate::store::issuers::Issuers;

/// Why a logout token revokes nothing.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is none, or not a good one.
    Refused(String),
    /// Whether it is can't be known now.
    Unknown(String),
}

impl From<Outcome> for Failure {
    fn from(outcome: Outcome) -> Self {
        Failure::Refused(outcome.to_string())
    }
}

/// What a logout token revokes. `until` tells when the tokens end that were issued by a UNIX second, if that is
/// known.
///
/// # Errors
/// Fails with [`Failure`].
pub fn revocations(
    module: &'static Module,
    token: &Token,
    until: impl Fn(i64) -> Option<i64>,
) -> Result<Vec<Revocation>, Failure> {
    let issuers = issuers(module)?;
    let iss = token.claim("iss").and_then(|iss| iss.as_str());
    let issuer = iss.and_then(|iss| issuers.get(iss));
    let tokens = &module.config.tokens;
    let (ready, rules) = match (issuer, &module.provider) {
        (Some(issuer), _) => (&issuer.ready, &issuer.rules),
        (None, Some(provider)) => (provider, &tokens.rules),
        (None, None) if issuers.is_empty() => {
            let cause = "logout tokens need jwks_url, issuer_url or issuers_table";
            return Err(Failure::Refused(cause.to_owned()));
        }
        (None, None) => return Err(Failure::Refused(unlisted_issuer(token).to_string())),
    };
    let rules = logout::rules(rules, &tokens.logout_audiences);
    verify(module, token, ready, &rules)?;
    logout::revocations(token, until).map_err(|error| Failure::Refused(error.to_string()))
}

/// The issuers that count now. The table of them is asked for if need be, for `db_timeout` at most.
///
/// # Errors
/// Fails with [`Failure::Unknown`] if it can't be read.
pub(super) fn issuers(module: &'static Module) -> Result<Arc<Issuers>, Failure> {
    let settings = &module.config.tokens.issuers;
    let lookup = process::with(module, |process| {
        process.issuers.as_mut().map(|list| list.lookup())
    });
    let known = match lookup {
        None => return Ok(Arc::new(settings.fixed.clone())),
        Some(Lookup::Fresh(issuers)) => return Ok(issuers),
        Some(Lookup::Ask(known)) => known,
    };
    let since = process::issuers_now();
    let wanted = process::issuers_wanted(module, since);
    let asked = process::with(module, |process| {
        process.ask_once(wanted, |source| settings.table.fetch_all(source))
    });
    let answer = match asked {
        Asked::Answered(answer) => answer,
        Asked::Pending(query) => query.wait(),
    };
    match (answer, known) {
        (Ok(rows), _) => Ok(process::with(module, |process| {
            let list = process.issuers.as_mut();
            list.map(|list| list.store(since, rows)).unwrap_or_default()
        })),
        (Err(_), Some(known)) => Ok(known),
        (Err(error), None) => Err(Failure::Unknown(error.to_string())),
    }
}

/// Verifies the token with these keys, which are fetched first if need be, and again if they may have been
/// replaced; and sees that its key is not revoked.
fn verify(
    module: &'static Module,
    token: &Token,
    ready: &Ready,
    rules: &Rules,
) -> Result<(), Failure> {
    let urls = |choose: &dyn Fn(&KeyHolder, &process::Process) -> Option<String>| {
        process::with(module, |process| {
            process.reload_keys_if_due();
            let holders = ready.keys.iter();
            holders.filter_map(|key| choose(key, process)).collect()
        })
    };
    let now = Instant::now();
    fetch(
        module,
        urls(&|key, process| {
            key.must_fetch(&process.sources, token, now)
                .map(str::to_owned)
        }),
    );
    let mut outcome = judge(module, token, ready, rules, clock::now())?;
    if outcome.may_be_outdated() {
        let urls = urls(&|key, process| {
            let url = key.may_have_changed(&process.sources, Instant::now());
            url.map(str::to_owned)
        });
        if !urls.is_empty() {
            fetch(module, urls);
            outcome = judge(module, token, ready, rules, clock::now())?;
        }
    }
    let Outcome::Authorized { kid, .. } = outcome else {
        return Err(outcome.into());
    };
    let of_key = Identity {
        kid: Identity::of(token, kid.as_deref()).kid,
        issuer: Identity::of(token, None).issuer,
        ..Identity::default()
    };
    match module
        .revocations
        .find(&of_key, module.config.tokens.rules.leeway, clock::now)
    {
        Some(revoked) => Err(Outcome::Revoked(revoked).into()),
        None => Ok(()),
    }
}

/// Fetches keys; what went wrong shows when they are needed.
pub(super) fn fetch(module: &'static Module, urls: Vec<String>) {
    if urls.is_empty() {
        return;
    }
    let started = process::with(module, |process| process.fetch(urls, NoNotify));
    if let Ok(ticket) = started {
        drop(ticket.wait());
    }
}

fn judge(
    module: &'static Module,
    token: &Token,
    ready: &Ready,
    rules: &Rules,
    now: Duration,
) -> Result<Outcome, Failure> {
    let sources = process::with(module, |process| process.sources.clone());
    let secrets = ready.profile.secrets.iter();
    let keys: Vec<_> = ready
        .keys
        .iter()
        .map(|key| key.keys(&sources, Instant::now))
        .collect();
    let candidates: Vec<_> = secrets
        .zip(&keys)
        .map(|(secret, keys)| candidate(keys, secret.start, secret.end))
        .collect();
    let outcome = authorize::authorize(token, &candidates, rules, &module.signatures, now);
    let outage = keys.iter().filter_map(|keys| keys.as_ref().err());
    match outage.into_iter().find(|error| error.is_outage()) {
        Some(error) if !outcome.is_authorized() => Err(Failure::Unknown(error.to_string())),
        _ => Ok(outcome),
    }
}
