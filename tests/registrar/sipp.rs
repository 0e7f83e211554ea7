//! SIPp as device and next hop: registers, calls, hangs up and signs off, over UDP and TCP.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::database::program;
use harness::instance::tail;
use harness::server::Server;
use harness::{ports, root};

use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    ("SIPp registers and calls over UDP", |group| {
        call(group, "u1")
    }),
    ("SIPp registers and calls over TCP", |group| {
        call(group, "t1")
    }),
];

/// How long one run may take.
const LIMIT: Duration = Duration::from_secs(60);

fn call(group: &Group, transport: &str) -> Result<(), String> {
    let site = group.site()?;
    let there = group.setting.folder();
    let here = group.setting.folder();
    let hop_port = site.next_hop.to_string();
    let mut hop = start(&there, "registrar_hop", &["-p", &hop_port])?;
    let port = ports::free().to_string();
    let to = format!("127.0.0.1:{}", site.udp);
    let of_device = [to.as_str(), "-p", &port, "-t", transport, "-s", "100"];
    let mut device = start(&here, "registrar_device", &of_device)?;
    for (what, sipp, folder) in [
        ("device", &mut device, &here),
        ("next hop", &mut hop, &there),
    ] {
        let ended = sipp.wait(LIMIT);
        if !ended.is_some_and(|status| status.success()) {
            return Err(format!("SIPp as {what}: {ended:?}\n{}", said(folder)));
        }
    }
    match site.redis.is_empty_of("john@a.example")? {
        true => Ok(()),
        false => Err("it signed off and is still in Redis".to_string()),
    }
}

/// Starts SIPp with one call of this scenario.
pub fn start(folder: &Path, scenario: &str, arguments: &[&str]) -> Result<Server, String> {
    let mut command = Command::new(program("sipp").ok_or("no sipp")?);
    command
        .arg("-sf")
        .arg(root().join(format!("tests/sipp/{scenario}.xml")))
        .args(["-i", "127.0.0.1", "-m", "1"])
        .args(arguments)
        .args(
            "-nostdin -recv_timeout 20000 -timeout 60 -timeout_error -default_behaviors all,-bye"
                .split_whitespace(),
        )
        .args("-trace_msg -message_file messages -trace_err -error_file errors".split_whitespace())
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Server::start(&mut command).map_err(|e| e.to_string())
}

/// What SIPp logged.
pub fn said(folder: &Path) -> String {
    let read = |name: &str| {
        let bytes = std::fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    format!(
        "{}\n{}",
        read("errors")
            .lines()
            .take(12)
            .collect::<Vec<_>>()
            .join("\n"),
        tail(&read("messages"), 60)
    )
}
