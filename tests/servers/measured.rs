//! What is measured of a SIP server.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::core::{self, Core};
use harness::instance::{Config, Instance};
use harness::load::Load;
use harness::pulse::Pulse;

use crate::{Scenario, check, folder};

pub fn scenarios() -> Vec<Scenario> {
    let no_core = core::opensips()
        .is_empty()
        .then(|| "no OpenSIPS".to_string());
    vec![
        ("a load is counted", None, load),
        ("a load on nobody", None, nobody),
        ("the pulse of an OpenSIPS that hangs", no_core, pulse),
    ]
}

/// Answers on a socket as `status` says for each request, until the test ends.
fn serve(status: impl Fn(&str) -> Vec<u16> + Send + 'static) -> Result<u16, String> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
    let port = socket.local_addr().map_err(|e| e.to_string())?.port();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            for status in status(&request) {
                let (_, headers) = request.split_once("\r\n").unwrap_or_default();
                let answer = format!("SIP/2.0 {status} X\r\n{headers}");
                _ = socket.send_to(answer.as_bytes(), from);
            }
        }
    });
    Ok(port)
}

fn load() -> Result<(), String> {
    // Challenged; then every fourth is rejected, and every fifth request is answered only with 100.
    let seen = AtomicU64::new(0);
    let port = serve(move |request| {
        if !request.contains("Authorization: ") {
            return vec![100, 401, 401];
        }
        match seen.fetch_add(1, Ordering::Relaxed) {
            number if number % 5 == 4 => vec![100],
            number if number % 4 == 3 => vec![403],
            _ => vec![200, 200],
        }
    })?;
    let write = |ask: &harness::load::Ask| {
        let lines = match ask.challenge {
            Some(_) => "Authorization: x\r\n",
            None => "",
        };
        Some(ask.request("REGISTER", &format!("user{}@a.example", ask.number), lines))
    };
    let run = |write: &mut dyn FnMut(&harness::load::Ask) -> Option<String>| {
        let load = Load::new(port)?;
        let mut left = 201;
        let goes_on = move |_| {
            left -= 1;
            left > 0
        };
        load.run(1000, Duration::from_secs(1), goes_on, write)
    };
    let outcome = run(&mut { write })?;
    let answered = outcome.count(200) + outcome.count(403);
    let is_so = outcome.sent > 20
        && outcome.count(401) == 0
        && outcome.unanswered == outcome.sent / 5
        && answered + outcome.unanswered == outcome.sent
        && outcome.delays.len() == answered
        && outcome.median() <= outcome.percentile(99)
        && outcome.percentile(99) <= outcome.longest()
        && outcome.longest() < Duration::from_secs(1);
    check(is_so, &outcome)?;
    // A challenge that is not answered is final.
    let outcome = run(&mut |ask| ask.challenge.is_none().then(|| write(ask))?)?;
    check(outcome.count(401) == outcome.sent, &outcome)
}

fn nobody() -> Result<(), String> {
    let load = Load::new(harness::ports::free())?;
    let limit = Duration::from_millis(300);
    let outcome = load.run_for(limit, 100, limit, |ask| {
        Some(ask.request("OPTIONS", "a@a.example", ""))
    })?;
    let is_so = outcome.sent > 0 && outcome.unanswered == outcome.sent;
    check(is_so, &outcome)
}

/// Answers everything.
struct Script;

impl Config for Script {
    fn render(&self, core: &Core, port: u16) -> String {
        let modules = core.modules.clone().unwrap_or_default();
        format!(
            "log_level=2\nstderror_enabled=yes\nsyslog_enabled=no\n\
             socket=udp:127.0.0.1:{port}\nudp_workers=2\nmpath=\"{}/\"\n\
             loadmodule \"proto_udp.so\"\nloadmodule \"sl.so\"\n\
             route {{\n    sl_send_reply(200, \"OK\");\n}}\n",
            modules.display()
        )
    }
}

fn pulse() -> Result<(), String> {
    let cores = core::opensips();
    let core = cores.last().ok_or("no OpenSIPS")?;
    let folder = folder()?;
    let instance = Instance::start(core, &Script, folder.path()).map_err(|e| e.to_string())?;
    let (files, threads) = instance.held();
    check(files > 10 && threads >= 3, (files, threads))?;
    let pulse = Pulse::start(instance.port)?;
    std::thread::sleep(Duration::from_millis(500));
    let calm = pulse.stop()?;
    let is_so = calm.sent > 20 && calm.unanswered == 0 && calm.count(200) == calm.sent;
    check(is_so && calm.median() < Duration::from_millis(100), &calm)?;

    // Both workers stop for half a second.
    let workers: Vec<String> = instance
        .footprint()
        .iter()
        .map(|process| process.pid.to_string())
        .collect();
    let signal = |name: &str| {
        let mut command = std::process::Command::new("kill");
        let status = command.args(["-s", name]).args(&workers).status();
        check(
            status.as_ref().is_ok_and(|status| status.success()),
            &status,
        )
    };
    let pulse = Pulse::start(instance.port)?;
    signal("STOP")?;
    std::thread::sleep(Duration::from_millis(500));
    signal("CONT")?;
    let disturbed = pulse.stop()?;
    let is_so = disturbed.longest() >= Duration::from_millis(400) && disturbed.unanswered == 0;
    check(is_so, &disturbed)
}
