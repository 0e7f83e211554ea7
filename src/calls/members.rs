//! `server_list` and related commands: feature servers of jambonz, and which of them are drained.

use std::net::IpAddr;

use super::pages::page;
use super::params::{Failure, answer, failed, refused, text};
use crate::log;
use crate::members::{Members, Set, host};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members as Row, Params};
use crate::process;
use crate::redis::CacheError;

/// Most servers in one answer, and of those that are drained beside others.
const MOST: usize = 500;
const MOST_DRAINED: usize = 100;

fn ask<T: Send + 'static>(
    module: &'static Module,
    work: impl FnOnce(&Members<'_>) -> Result<T, CacheError> + Send + 'static,
) -> Result<T, Failure> {
    let cluster = &module.config.checkins.cluster;
    let asked = process::with(module, |process| {
        process.ask_redis(move |session| work(&Members::new(session, cluster)))
    });
    asked.map_err(failed)
}

fn address(params: &Params<'_>) -> Result<IpAddr, Failure> {
    let address = text(params, c"address")?.ok_or_else(|| refused("address is missing"))?;
    let parsed: Result<IpAddr, _> = address.parse();
    parsed
        .map(|address| address.to_canonical())
        .map_err(|_| refused("address must be that of IPv4 or IPv6, without a port"))
}

/// A list with how many there are, as far as one answer has room.
fn listed(name: &'static std::ffi::CStr, rows: Vec<Row>) -> Row {
    let count = rows.len();
    let rows = page(rows, MOST);
    vec![
        (c"count", count.into()),
        (c"more", (rows.len() < count).into()),
        (name, Member::List(rows)),
    ]
}

fn servers(servers: Vec<String>) -> Vec<Row> {
    let row = |server: String| vec![(c"server", Member::from(server))];
    servers.into_iter().map(row).collect()
}

/// Feature servers, each with whether it is drained.
type Known = Vec<(String, bool)>;

fn known(module: &'static Module) -> Result<(Known, Vec<String>), Failure> {
    ask(module, |members| {
        let (servers, drained) = (members.list(Set::FeatureServers)?, members.drained()?);
        let hosts: Vec<Option<IpAddr>> = drained.iter().map(|server| host(server)).collect();
        let is_drained = |server: &String| {
            drained.contains(server) || host(server).is_some_and(|host| hosts.contains(&Some(host)))
        };
        let servers = servers.into_iter().map(|server| {
            let is_drained = is_drained(&server);
            (server, is_drained)
        });
        Ok((servers.collect(), drained))
    })
}

/// `server_list`.
pub fn list(module: &'static Module) -> Answer {
    let list = || {
        let (known, drained) = known(module)?;
        let row = |(server, is_drained): (String, bool)| {
            let status = if is_drained { "drained" } else { "active" };
            vec![
                (c"server", server.into()),
                (c"status", Member::from(status)),
            ]
        };
        let mut members = listed(c"servers", known.into_iter().map(row).collect());
        let drained = page(servers(drained), MOST_DRAINED);
        members.push((c"drained", Member::List(drained)));
        Ok(Answer::Object(members))
    };
    answer(list())
}

/// `server_available`.
pub fn available(module: &'static Module) -> Answer {
    let list = || {
        let (known, _) = known(module)?;
        let available = known.into_iter().filter(|(_, is_drained)| !is_drained);
        let available = available.map(|(server, _)| server).collect();
        Ok(Answer::Object(listed(c"available", servers(available))))
    };
    answer(list())
}

/// `server_drained`.
pub fn drained(module: &'static Module) -> Answer {
    let list = || {
        let drained = ask(module, |members| members.drained())?;
        Ok(Answer::Object(listed(c"drained", servers(drained))))
    };
    answer(list())
}

/// `server_drain address`.
pub fn drain(module: &'static Module, params: &Params<'_>) -> Answer {
    answer(order(module, params, true))
}

/// `server_undrain address`.
pub fn undrain(module: &'static Module, params: &Params<'_>) -> Answer {
    answer(order(module, params, false))
}

fn order(module: &'static Module, params: &Params<'_>, is_drain: bool) -> Result<Answer, Failure> {
    let server = address(params)?;
    let drained = ask(module, move |members| {
        match is_drain {
            true => members.drain(server)?,
            false => members.undrain(server)?,
        }
        members.drained()
    })?;
    match is_drain {
        true => log!(Notice, c"server_drain", "{server} gets no more calls"),
        false => log!(Notice, c"server_undrain", "{server} gets calls again"),
    }
    let mut members: Row = vec![(c"server", server.to_string().into())];
    members.extend(listed(c"drained", servers(drained)));
    Ok(Answer::Object(members))
}
