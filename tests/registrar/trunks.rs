//! Registrations with carriers, played by SIPp, which challenge.

use std::time::Duration;

use harness::ports;
use harness::server::wait_for;
use serde_json::Value;

use super::group::{Group, Scenario};
use super::sipp::{said, start};

pub const SCENARIOS: &[Scenario] = &[("registrations at carriers", carriers)];

/// How long a registration may take.
const LIMIT: Duration = Duration::from_secs(60);

/// The value in a row, and the time requested from the carrier.
const ROWS: [(&str, &str); 3] = [("NULL", "3600"), ("5", "30"), ("900", "900")];

fn carriers(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut carriers = Vec::new();
    for (number, (expiry, asked)) in (1..).zip(ROWS) {
        let port = ports::free();
        let folder = group.setting.folder();
        let listen = port.to_string();
        let values = ["-p", &listen, "-key", "asked", asked, "-key", "number"];
        let number: u32 = number;
        let number = number.to_string();
        let values = [&values[..], &[&number]].concat();
        carriers.push((start(&folder, "registrar_carrier", &values)?, folder));
        site.database.sql(&format!(
            "INSERT INTO registrant (registrar, aor, username, password, binding_URI, expiry) VALUES \
             ('sip:127.0.0.1:{port}', 'sip:trunk{number}@carrier.example', 'trunk{number}', \
              'secret', 'sip:trunk{number}@127.0.0.1:{}', {expiry});",
            site.udp
        ))?;
    }
    site.mi().run("reg_reload", Value::Null)?;
    for (sipp, folder) in &mut carriers {
        let ended = sipp.wait(LIMIT);
        if !ended.is_some_and(|status| status.success()) {
            return Err(format!("SIPp as carrier: {ended:?}\n{}", said(folder)));
        }
    }
    let registered = wait_for(LIMIT, || {
        let list = site.mi().run("reg_list", Value::Null).ok()?.to_string();
        (list.matches("\"REGISTERED_STATE\"").count() == ROWS.len()).then_some(())
    });
    registered.ok_or_else(|| {
        let list = site.mi().run("reg_list", Value::Null);
        format!("not all are registered: {list:?}")
    })
}
