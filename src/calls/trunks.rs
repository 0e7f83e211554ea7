//! `trunk_list`: the registrations at carriers.

use super::pages;
use super::params::{answer, offset, refused};
use crate::clock;
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::process::chores;

/// Most of them in one answer.
const PAGE: usize = 100;

/// `trunk_list [offset]`.
pub fn list(module: &'static Module, params: &Params<'_>) -> Answer {
    let list = || {
        let first = offset(params)?;
        if module.config.trunks.wanted().is_none() {
            return Err(refused(
                "there are no registrations at carriers: carriers_table is not set",
            ));
        }
        let shown = chores::list_trunks().unwrap_or_default();
        let now = clock::now().as_secs();
        let count = |status: &str| shown.trunks.iter().filter(|of| of.status == status).count();
        let numbers: Members = vec![
            (c"active", shown.is_leading.into()),
            (c"total", shown.trunks.len().into()),
            (c"registered", count("ok").into()),
        ];
        let rows = shown.trunks.into_iter().skip(first).map(|of| {
            let mut row: Members = vec![
                (c"carrier", of.carrier.into()),
                (c"gateway", of.gateway.into()),
                (c"aor", of.aor.into()),
                (c"next_hop", of.next_hop.into()),
                (c"status", of.status.into()),
                (c"reason", of.reason.into()),
                (c"expires", i64::from(of.expires).into()),
            ];
            let left = of.next.map(|next| next.saturating_sub(now));
            row.extend(left.map(|left| (c"next", Member::from(left))));
            row
        });
        let rows = pages::page(rows, PAGE);
        Ok(Answer::Object(
            numbers
                .into_iter()
                .chain([(c"trunks", Member::List(rows))])
                .collect(),
        ))
    };
    answer(list())
}
