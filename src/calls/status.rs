//! `auth_web_status` and `auth_web_config`: what is in force, and what is at work.

use std::time::Instant;

use super::params::{Failure, answer, refused, text};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::opensips::{self, shared};
use crate::process;

/// `auth_web_status`: asks the database whether it answers, for `db_timeout` at most.
pub fn status(module: &'static Module) -> Answer {
    let release = opensips::core_release();
    let page = shared::page();
    let (count, capacity) = (
        module
            .revocations
            .page(None, 0, 0, crate::clock::now())
            .count,
        module.config.tokens.revocations_max,
    );
    let mut members: Members = vec![
        (c"version", env!("CARGO_PKG_VERSION").into()),
        (
            c"opensips",
            format!("{}.{}", release / 100, release % 100).into(),
        ),
        (c"uptime", module.start.elapsed().as_secs().into()),
        (c"reloads", page.generation.get().into()),
        (
            c"credentials_reloads",
            page.credentials_generation.get().into(),
        ),
        (c"database", Member::Object(database(module))),
        (
            c"revocations",
            Member::Object(vec![(c"count", count.into()), (c"max", capacity.into())]),
        ),
        (c"issuers", issuers(module).into()),
        (c"jwks_url", module.provider.is_some().into()),
        (c"http_url", module.config.http.endpoint.is_some().into()),
        (
            c"endpoints_failing",
            module.circuits.failing(Instant::now()).into(),
        ),
        (
            c"cachedb",
            match (&module.config.cache.driver, &module.cache_engine) {
                (crate::config::cache::Driver::Native(_), _) => "redis",
                (_, Some(_)) => "opensips",
                (_, None) => "none",
            }
            .into(),
        ),
    ];
    if module.first_snapshot.is_some() {
        let snapshot = &page.snapshot;
        members.push((
            c"preload",
            Member::Object(vec![
                (c"number", snapshot.number.get().into()),
                (c"age", process::loader::age().as_secs().into()),
                (c"failing", snapshot.failing.get().into()),
            ]),
        ));
    }
    Answer::Object(members)
}

fn issuers(module: &'static Module) -> usize {
    let listed = process::with(module, |process| {
        process.issuers.as_ref().map(|list| list.newest().len())
    });
    listed.unwrap_or_else(|| module.config.tokens.issuers.fixed.len())
}

/// Which tables there are, and whether they can be read now.
fn database(module: &'static Module) -> Members {
    let Some(database) = &module.config.database else {
        return vec![(c"url", "".into()), (c"answers", false.into())];
    };
    let begun = Instant::now();
    let answer = process::with(module, process::Process::try_tables);
    let took = begun.elapsed().as_millis();
    let tables = &module.tables;
    let digest = &module.config.digest;
    let mut members: Members = vec![
        (c"url", database.shown.as_str().into()),
        (
            c"driver",
            match module.core_driver {
                None => "native",
                Some(_) => "opensips",
            }
            .into(),
        ),
        (c"answers", answer.is_ok().into()),
        (
            c"milliseconds",
            u64::try_from(took).unwrap_or(u64::MAX).into(),
        ),
    ];
    if let Err(error) = answer {
        members.push((c"error", error.to_string().into()));
    }
    let found = [
        (c"profiles", tables.profiles),
        (c"issuers", tables.issuers.is_some()),
        (c"revocations", tables.revocations),
        (c"endpoints", tables.endpoints.is_some()),
        (c"credentials", tables.credentials),
        (c"subscribers", digest.subscribers().is_some()),
        (c"clients", digest.clients.is_some()),
    ];
    let found = found.map(|(name, is_there)| (name, Member::from(is_there)));
    members.push((c"tables", Member::Object(found.to_vec())));
    members
}

/// `auth_web_config [name]`: all parameters in force, or one.
pub fn config(module: &'static Module, params: &Params<'_>) -> Answer {
    let config = || -> Result<Answer, Failure> {
        let wanted = text(params, c"name")?;
        let is_wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let chosen = module.parameters.iter().filter(|it| is_wanted(it.name));
        let rows: Vec<Members> = chosen
            .map(|parameter| {
                vec![
                    (c"name", parameter.name.into()),
                    (c"value", parameter.value.as_str().into()),
                    (c"set", parameter.is_set.into()),
                ]
            })
            .collect();
        if rows.is_empty() {
            return Err(refused("there is no parameter of that name"));
        }
        Ok(Answer::Object(vec![(c"parameters", Member::List(rows))]))
    };
    answer(config())
}
