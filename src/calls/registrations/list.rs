//! `registration_list`: the registrations in Redis, by the management interface.

use super::super::pages::page;
use super::super::params::{answer, failed, offset, text};
use super::call::now;
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Params};
use crate::process;
use crate::redis::Session;
use crate::registrations::Registrations;

/// Most registrations in one answer.
const PAGE: usize = 100;

/// `registration_list [realm] [offset]`.
pub fn list(module: &'static Module, params: &Params<'_>) -> Answer {
    let list = || {
        let realm = text(params, c"realm")?.map(|realm| realm.trim().to_ascii_lowercase());
        let (first, now) = (offset(params)?, now());
        let work = move |session: &Session<'_>| {
            Registrations::new(session).page(realm.as_deref(), now, (first, PAGE))
        };
        let asked = process::with(module, |process| process.ask_redis(work));
        let (count, registrations) = asked.map_err(failed)?;
        let rows = registrations.into_iter().map(|(aor, end)| {
            let left = end.saturating_sub(now).div_ceil(1000);
            vec![(c"aor", Member::from(aor)), (c"left", left.into())]
        });
        Ok(Answer::List {
            numbers: vec![(c"count", i64::try_from(count).unwrap_or(i64::MAX))],
            name: c"registrations",
            rows: page(rows, PAGE),
        })
    };
    answer(list())
}
