//! `jwt_keys` and `jwt_keys_fetch`: the files and URLs that keys come from.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::logout;
use super::pages;
use super::params::{Failure, answer, failed, refused, text};
use super::profile::key;
use crate::keys::Description;
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::process;
use crate::store::cache::Ready;

/// Most sources in one answer, and most keys of each.
const MAX_SOURCES: usize = 100;
const MAX_KEYS: usize = 32;

/// A source, and what it is called.
type Source = (&'static str, String, Arc<Ready>);

/// The keys of `jwks_url` and of all issuers, each place once.
fn sources(module: &'static Module) -> Result<Vec<Source>, Failure> {
    let mut sources = Vec::new();
    if let Some(provider) = &module.provider {
        sources.push(("jwks_url", String::new(), provider.clone()));
    }
    let issuers = logout::issuers(module).map_err(|error| match error {
        logout::Failure::Refused(cause) | logout::Failure::Unknown(cause) => failed(cause),
    })?;
    let mut seen = HashSet::new();
    let mut found: Vec<_> = issuers
        .iter()
        .filter(|issuer| seen.insert(Arc::as_ptr(issuer)))
        .map(|issuer| {
            let name = issuer.shown().trim_matches('"').to_owned();
            ("issuer", name, issuer.ready.clone())
        })
        .collect();
    found.sort_by(|one, other| one.1.cmp(&other.1));
    sources.extend(found);
    Ok(sources)
}

/// `jwt_keys`: reads files, and the table of issuers if that is due (`db_timeout`); no URL is asked for.
pub fn list(module: &'static Module) -> Answer {
    let list = || {
        let all = sources(module)?;
        let known = process::with(module, |process| process.sources.clone());
        let now = Instant::now();
        let mut rows = Vec::new();
        for (by, issuer, ready) in &all {
            for holder in &ready.keys {
                let Some(place) = holder.place() else {
                    continue;
                };
                let mut row: Members = vec![(c"place", place.into()), (c"of", (*by).into())];
                if !issuer.is_empty() {
                    row.push((c"issuer", issuer.as_str().into()));
                }
                if let Some(description) = holder.describe(&known, now) {
                    row.extend(described(&description));
                }
                rows.push(row);
            }
        }
        let count = rows.len();
        Ok(Answer::Object(vec![
            (c"count", count.into()),
            (c"sources", Member::List(pages::page(rows, MAX_SOURCES))),
        ]))
    };
    answer(list())
}

fn described(description: &Description) -> Members {
    let seconds = |time: Duration| Member::from(time.as_secs());
    let mut row: Members = Vec::new();
    let times = [
        (c"age", description.age),
        (c"next", description.fresh),
        (c"asked", description.asked),
        (c"left_alone", description.held),
    ];
    for (name, time) in times {
        row.extend(time.map(|time| (name, seconds(time))));
    }
    if let Some(error) = &description.error {
        row.push((c"error", error.as_str().into()));
    }
    let Some(keys) = &description.keys else {
        row.push((c"known", false.into()));
        return row;
    };
    row.push((c"known", true.into()));
    row.push((c"skipped", keys.skipped().len().into()));
    let keys = keys.keys().iter().take(MAX_KEYS).map(key).collect();
    row.push((c"keys", Member::List(keys)));
    row
}

/// `jwt_keys_fetch url`: asks for a URL that `jwt_keys` lists, or the metadata of an issuer, within `http_timeout`,
/// however soon after the last request.
pub fn fetch(module: &'static Module, params: &Params<'_>) -> Answer {
    let fetch = || {
        let wanted = text(params, c"url")?.ok_or_else(|| refused("url is missing"))?;
        let all = sources(module)?;
        let holders = all.iter().flat_map(|(_, issuer, ready)| {
            let holders = ready.keys.iter();
            holders.map(move |holder| (issuer, holder))
        });
        let is_wanted = |issuer: &str, place: Option<String>| {
            place.as_deref() == Some(wanted.as_str()) || issuer == wanted
        };
        let mut found = holders.filter(|(issuer, holder)| is_wanted(issuer, holder.place()));
        let name = found.find_map(|(_, holder)| Some((holder, holder.published()?)));
        let Some((holder, name)) = name else {
            return Err(refused(
                "jwt_keys lists no such URL, nor an issuer of that name",
            ));
        };
        let known = process::with(module, |process| process.sources.clone());
        let deadline = Instant::now() + module.config.http.providers.timeout;
        known.fetch_now(name, deadline).map_err(failed)?;
        let description = holder.describe(&known, Instant::now()).unwrap_or_default();
        let mut members: Members = vec![(c"place", holder.place().unwrap_or_default().into())];
        members.extend(described(&description));
        Ok(Answer::Object(members))
    };
    answer(fetch())
}
