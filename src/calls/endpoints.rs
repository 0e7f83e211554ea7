//! `http_endpoints` and `http_endpoint_set`: the endpoints of webhooks, which of them fail, and which are asked.

use std::time::{Duration, Instant};

use super::pages;
use super::params::{Failure, answer, failed, offset, refused, text};
use crate::http::{CircuitState, Endpoint, EndpointUrl, Ordered, Times};
use crate::log;
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::process;

/// Most rows of the table that are read.
const MAX_ROWS: usize = 10_000;

/// Most endpoints in one answer.
const PAGE: usize = 100;

/// An endpoint, or what is wrong with its row; and where it is from.
type Listed = (Members, Result<Endpoint, String>);

/// All of them. The table is read within `db_timeout`.
fn all(module: &'static Module) -> Result<Vec<Listed>, Failure> {
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
    let own = module.config.http.endpoint.as_deref();
    let own = own.map(|endpoint| (vec![(c"of", "http_url".into())], Ok(endpoint.clone())));
    let of_row = |(realm, urls): (String, String)| -> Listed {
        let row = vec![(c"of", "http_endpoints".into()), (c"realm", realm.into())];
        let endpoint = Endpoint::parse(&urls, &module.config.http.defaults);
        (row, endpoint.map_err(|error| error.to_string()))
    };
    Ok(own
        .into_iter()
        .chain(rows.into_iter().map(of_row))
        .collect())
}

/// `http_endpoints [offset]`.
pub fn list(module: &'static Module, params: &Params<'_>) -> Answer {
    let list = || {
        let first = offset(params)?;
        let all = all(module)?;
        let count = all.len();
        let row = |(mut row, endpoint): Listed| match endpoint {
            Ok(endpoint) => endpoint_of(module, row, &endpoint),
            Err(error) => {
                row.push((c"error", error.into()));
                row
            }
        };
        let rows = all.into_iter().skip(first).map(row);
        Ok(Answer::Object(vec![
            (c"count", count.into()),
            (c"endpoints", Member::List(pages::page(rows, PAGE))),
        ]))
    };
    answer(list())
}

/// `http_endpoint_set url state`: whether a URL is asked, in all processes.
pub fn set(module: &'static Module, params: &Params<'_>) -> Answer {
    let set = || {
        let wanted = text(params, c"url")?.ok_or_else(|| refused("url is missing"))?;
        let ordered = match text(params, c"state")?.as_deref() {
            Some("up") => Ordered::Up,
            Some("down") => Ordered::Down,
            Some("auto") => Ordered::Auto,
            _ => return Err(refused("state must be up, down or auto")),
        };
        let all = all(module)?;
        let endpoints = all
            .iter()
            .filter_map(|(_, endpoint)| endpoint.as_ref().ok());
        let urls = endpoints.flat_map(|endpoint| endpoint.urls());
        let mut urls = urls.filter(|url| url.to_string() == wanted).peekable();
        if urls.peek().is_none() {
            return Err(refused("http_endpoints lists no such URL"));
        }
        if !urls.all(|url| module.circuits.order(url, ordered)) {
            return Err(failed("there is no room to remember it"));
        }
        log!(Notice, c"http_endpoint_set", "{wanted}: {ordered:?}");
        Ok(Answer::Ok)
    };
    answer(set())
}

fn endpoint_of(module: &'static Module, mut row: Members, endpoint: &Endpoint) -> Members {
    let now = Instant::now();
    let urls = endpoint.urls().iter();
    let urls = urls.map(|url| {
        let mut members = state_of(url, module.circuits.state(url, now));
        members.extend(module.paces.of(url).into_iter().flat_map(shown));
        members
    });
    row.push((c"urls", Member::List(urls.collect())));
    row
}

fn shown(times: Times) -> Members {
    let milliseconds = |time: Duration| {
        let milliseconds = time.as_millis();
        u64::try_from(milliseconds).unwrap_or(u64::MAX).into()
    };
    vec![
        (c"answers", times.answers.into()),
        (c"last", milliseconds(times.last)),
        (c"average", milliseconds(times.average)),
        (c"slowest", milliseconds(times.slowest)),
    ]
}

fn state_of(url: &EndpointUrl, state: CircuitState) -> Members {
    let word = match state {
        _ if state.ordered == Ordered::Up => "set up",
        _ if state.ordered == Ordered::Down => "set down",
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
