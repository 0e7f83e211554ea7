//! Carriers that one of two registrars registers at.

use std::time::Duration;

use harness::registrar::Site;
use harness::server::wait_for;
use serde_json::Value;

use super::super::carriers::{Carrier, Manner, expect, header, settings, tables};
use super::Scenario;
use super::pair::Pair;

pub const SCENARIOS: &[Scenario] = &[(
    "a registrar dies, another one registers at carriers",
    takes_over,
)];

/// A look each second, and ten more, after which nobody has the token any more.
const LIMIT: Duration = Duration::from_secs(20);

const ROWS: &str = "
INSERT INTO voip_carriers (voip_carrier_sid, name, requires_register, register_username, register_password)
    VALUES ('c-one', 'one', 1, 'one', 'PASSWORD');
INSERT INTO sip_gateways (sip_gateway_sid, ipv4, port, voip_carrier_sid) VALUES ('g-one', '127.0.0.1', PORT, 'c-one');
";

/// Whether a registrar comes to do it, or not to do it.
fn becomes(site: &Site, active: u64) -> Result<(), String> {
    let list = || site.mi().run("trunk_list", Value::Null);
    let is = || {
        list()
            .ok()
            .filter(|list| list["active"] == active)
            .map(drop)
    };
    wait_for(LIMIT, is)
        .ok_or_else(|| format!("{} must have active {active}: {:?}", site.place(), list()))
}

fn number(request: &str) -> Option<u32> {
    header(request, "CSeq").split(' ').next()?.parse().ok()
}

fn takes_over(pair: &mut Pair) -> Result<(), String> {
    pair.stop();
    let carrier = Carrier::new(&[("g-one", Manner::Grants(401, "MD5", 4))])?;
    let database = tables(&pair.a, &carrier, ROWS)?;
    for site in [&mut pair.a, &mut pair.b] {
        site.settings = settings(&database);
    }
    pair.start_a()?;
    carrier.wait("g-one", 2)?;
    pair.start_b()?;
    becomes(&pair.b, 0)?;
    becomes(&pair.a, 1)?;
    let sent = carrier.wait("g-one", 4)?;
    let of = |site: &Site| format!("SIP/2.0/UDP {}", site.place());
    for request in &sent {
        expect(request, "Via", &of(&pair.a))?;
    }

    pair.kill_a()?;
    let before = carrier.requests("g-one");
    becomes(&pair.b, 1)?;
    let after = carrier.wait("g-one", before.len() + 2)?;
    let next = &after[before.len()];
    expect(next, "Via", &of(&pair.b))?;
    // To the carrier it is the same registration, refreshed.
    let last = before.last().ok_or("nothing was sent")?;
    match number(next) > number(last) && header(next, "Call-ID") == header(last, "Call-ID") {
        true => Ok(()),
        false => Err(format!("it is not the same registration:\n{last}\n{next}")),
    }
}
