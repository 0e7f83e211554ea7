//! `http_endpoints`: the endpoints of webhooks, and which of them fail.

use std::time::Instant;

use super::params::{answer, failed, offset};
use crate::http::{CircuitState, Endpoint, EndpointUrl};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::process;

/// Most rows of the table that are read.
const MAX_ROWS: usize = 10_000;

/// Most endpoints in one answer.
const PAGE: usize = 100;

/// `http_endpoints [offset]`: reads the table within `db_timeout`.
pub fn list(module: &'static Module, params: &Params<'_>) -> Answer {
    let list = || {
        let first = offset(params)?;
        let tables = &module.config.http.tables;
        let rows = match module.endpoints_database() {
            None => Vec::new(),
            Some(_) => {
                let asked = process::with(module, |process| {
                    process.ask(|source| tables.fetch_urls(source, MAX_ROWS))
                });
                asked.wait().map_err(failed)?
            }
        };
        let mut all: Vec<Members> = Vec::new();
        if let Some(endpoint) = &module.config.http.endpoint {
            all.push(endpoint_of(
                module,
                vec![(c"of", "http_url".into())],
                endpoint,
            ));
        }
        for (realm, urls) in rows {
            let mut row: Members = vec![(c"of", "http_endpoints".into()), (c"realm", realm.into())];
            match Endpoint::parse(&urls, &module.config.http.defaults) {
                Ok(endpoint) => all.push(endpoint_of(module, row, &endpoint)),
                Err(error) => {
                    row.push((c"error", error.to_string().into()));
                    all.push(row);
                }
            }
        }
        let count = all.len();
        let rows = all.into_iter().skip(first).take(PAGE).collect();
        Ok(Answer::Object(vec![
            (c"count", count.into()),
            (c"endpoints", Member::List(rows)),
        ]))
    };
    answer(list())
}

fn endpoint_of(module: &'static Module, mut row: Members, endpoint: &Endpoint) -> Members {
    let now = Instant::now();
    let urls = endpoint.urls().iter();
    let urls = urls.map(|url| state_of(url, module.circuits.state(url, now)));
    row.push((c"urls", Member::List(urls.collect())));
    row
}

fn state_of(url: &EndpointUrl, state: CircuitState) -> Members {
    let word = match state {
        _ if !state.held.is_zero() => "left alone",
        _ if !state.left.is_zero() => "left alone",
        _ if state.is_open => "on trial",
        _ if state.failures > 0 => "failing",
        _ => "up",
    };
    let mut members: Members = vec![
        (c"url", url.to_string().into()),
        (c"state", word.into()),
        (c"failures", i64::from(state.failures).into()),
    ];
    let left = state.left.max(state.held);
    if !left.is_zero() {
        members.push((c"left", left.as_secs().into()));
    }
    members
}
