//! `ban_list`, `ban_add`, `ban_remove`: sources that are banned, in the CacheDB. Redis is asked within
//! `cachedb_timeout`, an engine of OpenSIPS for as long as it takes.

use std::net::IpAddr;

use super::params::{Failure, answer, failed, refused, text};
use crate::http::Ban;
use crate::log;
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::process;

/// Most bans in one answer.
const MOST: usize = 500;

/// The longest ban that is not for ever, in seconds: ten years.
const LONGEST: u32 = 315_360_000;

/// The address as it is given: OpenSIPS writes those of IPv6 in a form of its own.
fn address(params: &Params<'_>) -> Result<String, Failure> {
    let address = text(params, c"address")?.ok_or_else(|| refused("address is missing"))?;
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(address.to_string()),
        // As OpenSIPS writes source addresses.
        Ok(IpAddr::V6(address)) => {
            let groups = address.segments().map(|group| format!("{group:x}"));
            Ok(groups.join(":"))
        }
        Err(_) => Err(refused(
            "address must be that of IPv4 or IPv6, as $si has it",
        )),
    }
}

fn order(module: &'static Module, address: &str, ban: Option<Ban>) -> Result<Answer, Failure> {
    let done = process::with(module, |process| process.order_ban(address, ban));
    let done = done.ok_or_else(|| refused("there are no bans: cachedb_url is not set"))?;
    done.map_err(failed)?;
    Ok(Answer::Ok)
}

/// `ban_add address [seconds]`.
pub fn add(module: &'static Module, params: &Params<'_>) -> Answer {
    let add = || {
        let address = address(params)?;
        let seconds = text(params, c"seconds")?.map(|text| text.trim().parse());
        let ban = match seconds {
            None => Ban::Seconds(module.config.http.client.blacklist_time),
            Some(Ok(0)) => Ban::Forever,
            Some(Ok(seconds @ 1..=LONGEST)) => Ban::Seconds(seconds),
            Some(_) => {
                return Err(refused(format_args!(
                    "seconds must be a number up to {LONGEST}, 0 for ever"
                )));
            }
        };
        let done = order(module, &address, Some(ban))?;
        match ban {
            Ban::Seconds(seconds) => {
                log!(Notice, c"ban_add", "{address} is banned for {seconds} s");
            }
            Ban::Forever => log!(Notice, c"ban_add", "{address} is banned for ever"),
        }
        Ok(done)
    };
    answer(add())
}

/// `ban_remove address`.
pub fn remove(module: &'static Module, params: &Params<'_>) -> Answer {
    let remove = || {
        let address = address(params)?;
        let done = order(module, &address, None)?;
        log!(Notice, c"ban_remove", "{address} is not banned any more");
        Ok(done)
    };
    answer(remove())
}

/// `ban_list`.
pub fn list(module: &'static Module) -> Answer {
    let list = || {
        let listed = process::with(module, |process| process.list_bans(MOST + 1));
        let listed = listed.ok_or_else(|| {
            refused("bans can be listed only where cachedb_url is that of one Redis, asked by the native driver")
        })?;
        let mut bans = listed.map_err(failed)?;
        let is_cut = bans.len() > MOST;
        bans.sort();
        bans.truncate(MOST);
        let row = |(address, left): (String, Option<u64>)| {
            let mut row: Members = vec![(c"address", address.into())];
            row.extend(left.map(|left| (c"left", Member::from(left))));
            row
        };
        let rows: Vec<Members> = bans.into_iter().map(row).collect();
        Ok(Answer::Object(vec![
            (c"count", rows.len().into()),
            (c"more", is_cut.into()),
            (c"bans", Member::List(rows)),
        ]))
    };
    answer(list())
}
