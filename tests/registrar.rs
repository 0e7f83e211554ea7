//! opensips-cfg/registrar.cfg at work: devices that register and call over all transports, the
//! example endpoint that decides, a database, a Redis, and SIPp as device, next hop and carrier.
//!
//! What is tested is determined at start: every OpenSIPS on this machine. What cannot be tested
//! here is listed as ignored, with the reason. `cargo test --test registrar -- --list` shows all.

mod registrar {
    pub mod accounts;
    pub mod addresses;
    pub mod callers;
    pub mod calls;
    pub mod carriers;
    pub mod checkins;
    pub mod clients;
    pub mod device;
    pub mod dialogs;
    pub mod environment;
    pub mod field;
    pub mod grants;
    pub mod group;
    pub mod hop;
    pub mod hops;
    pub mod hostile;
    pub mod identity;
    pub mod jambonz;
    pub mod kept;
    pub mod lasting;
    pub mod programs;
    pub mod restart;
    pub mod series;
    pub mod several;
    pub mod sidecar;
    pub mod sipp;
    pub mod together;
    pub mod tokens;
    pub mod transports;
    pub mod trunks;
    pub mod websocket;
}

use std::sync::Arc;

use harness::registrar::Setting;
use libtest_mimic::{Arguments, Trial};

use registrar::{
    accounts, addresses, callers, calls, carriers, checkins, clients, dialogs, environment, field,
    grants, group, hops, hostile, identity, jambonz, kept, lasting, programs, restart, series,
    several, sidecar, sipp, together, tokens, transports, trunks,
};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let setting = Arc::new(Setting::open());
    let scenarios = [
        accounts::SCENARIOS,
        callers::SCENARIOS,
        calls::SCENARIOS,
        checkins::SCENARIOS,
        clients::SCENARIOS,
        dialogs::SCENARIOS,
        field::SCENARIOS,
        grants::SCENARIOS,
        hops::SCENARIOS,
        hostile::SCENARIOS,
        identity::SCENARIOS,
        kept::SCENARIOS,
        lasting::SCENARIOS,
        together::SCENARIOS,
        tokens::SCENARIOS,
        transports::SCENARIOS,
    ]
    .concat();
    // As next hop, SIPp takes whatever arrives for its own call: nothing may be left over from
    // others.
    let alone = [
        dialogs::ALONE,
        restart::SCENARIOS,
        sipp::SCENARIOS,
        trunks::SCENARIOS,
    ]
    .concat();
    let of_mysql = [
        accounts::OF_MYSQL,
        addresses::OF_MYSQL,
        calls::OF_MYSQL,
        carriers::OF_MYSQL,
        checkins::OF_MYSQL,
        clients::OF_MYSQL,
        field::OF_MYSQL,
        grants::OF_MYSQL,
        jambonz::SCENARIOS,
        restart::OF_MYSQL,
        series::OF_MYSQL,
        series::of_influx(),
        sidecar::OF_MYSQL,
    ]
    .concat();
    setting
        .cores()
        .iter()
        .flat_map(|core| group::trials(&setting, core, &scenarios, &alone, &of_mysql))
        .chain(several::trials(&setting))
        .chain(programs::trials(&setting))
        .chain(environment::trials())
        .chain(series::ignored())
        .collect()
}
