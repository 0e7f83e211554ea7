//! A registrar that dies, and one that starts again.

use std::time::Instant;

use harness::server::wait_for;

use super::super::device::{Device, Request, Transport, expect};
use super::super::dialogs::{called, hop_acknowledges};
use super::super::hop::Hop;
use super::Scenario;
use super::calls::{answer_of, reaches};
use super::pair::{PROMPT, Pair};

pub const SCENARIOS: &[Scenario] = &[
    ("one dies, and its devices go to the other", dies),
    ("one starts again, and calls at once", starts_again),
    ("calls go on after both have been restarted", both),
];

fn dies(pair: &mut Pair) -> Result<(), String> {
    let transports = [Transport::Udp, Transport::Tcp];
    for transport in transports {
        let mut device = Device::over(transport, &pair.a, "mary", "a.example")?;
        device.register()?;
        pair.kill_a()?;
        let (a, b) = (&pair.a, &pair.b);
        let hop = Hop::new(b)?;
        let begin = Instant::now();
        let id = format!("dead-{transport:?}");
        let status = answer_of(&hop, b, "mary@a.example", &id)?;
        if ![408, 480].contains(&status) || begin.elapsed() > PROMPT {
            return Err(format!("{status} after {:?}", begin.elapsed()));
        }
        // Nothing has to expire before that. Where there is no connection, it merely sends what it
        // always sends.
        if transport == Transport::Udp {
            device.turn_to(b)?;
        } else {
            device = Device::over(transport, b, "mary", "a.example")?;
        }
        device.register()?;
        let (members, _, _) = b.redis.user("mary@a.example")?.ok_or("not in Redis")?;
        if members["sbcAddress"] != b.place() {
            return Err(format!("it is still at {}: {members}", a.place()));
        }
        reaches(&hop, b, &mut device, &format!("moved-{transport:?}"))?;
        pair.start_a()?;
        // Who starts again learns from Redis that it is elsewhere now.
        let hop = {
            drop(hop);
            Hop::new(&pair.a)?
        };
        reaches(&hop, &pair.a, &mut device, &format!("back-{transport:?}"))?;
    }
    Ok(())
}

fn starts_again(pair: &mut Pair) -> Result<(), String> {
    let mut udp = Device::new(&pair.a, "mary", "a.example")?;
    udp.register()?;
    let mut tcp = Device::over(Transport::Tcp, &pair.a, "john", "a.example")?;
    tcp.register()?;
    pair.kill_a()?;
    pair.start_a()?;
    let (a, b) = (&pair.a, &pair.b);
    for site in [a, b] {
        let hop = Hop::new(site)?;
        reaches(&hop, site, &mut udp, &format!("again-{}", site.address))?;
        // A connection is gone: it takes a new one.
        let begin = Instant::now();
        let id = format!("gone-{}", site.address);
        let status = answer_of(&hop, site, "john@a.example", &id)?;
        if ![408, 480].contains(&status) || begin.elapsed() > PROMPT {
            return Err(format!("{status} after {:?}", begin.elapsed()));
        }
    }
    let mut tcp = Device::over(Transport::Tcp, a, "john", "a.example")?;
    tcp.register()?;
    for site in [a, b] {
        let hop = Hop::new(site)?;
        reaches(&hop, site, &mut tcp, &format!("new-{}", site.address))?;
    }
    // Refreshed without being asked for a password.
    expect(udp.ask(&Request::register())?, 200)?;
    let known = || (a.contact("mary@a.example").ok()? == udp.contact()).then_some(());
    wait_for(PROMPT, known).ok_or("usrloc does not know it".to_string())
}

/// Each keeps its calls in a table of its own.
fn both(pair: &mut Pair) -> Result<(), String> {
    pair.stop();
    for table in ["dialog_a", "dialog_b"] {
        pair.a.database.sql(&format!(
            "CREATE TABLE {table} LIKE dialog;
             INSERT INTO version (table_name, table_version)
                 SELECT '{table}', table_version FROM version WHERE table_name = 'dialog';"
        ))?;
    }
    pair.a.settings = vec![("DIALOG_TABLE", "dialog_a".to_string())];
    pair.b.settings = vec![("DIALOG_TABLE", "dialog_b".to_string())];
    pair.start_a()?;
    pair.start_b()?;
    let mut device = Device::new(&pair.a, "mary", "a.example")?;
    device.register()?;
    let hop = Hop::new(&pair.b)?;
    let mut call = called(&pair.b, &hop, device, |answer| answer)?;
    let ack = call.hop_request(&pair.b, "ACK");
    let ack = ack.replace("CSeq: 2", "CSeq: 1");
    hop_acknowledges(&hop, &mut call.device, &ack)?;
    // Both are down at the same time.
    pair.stop();
    pair.start_b()?;
    pair.start_a()?;
    call.reaches_device(&pair.b, &hop, "INFO")?;
    let mut request = call.request("INVITE");
    request.from = call.from.clone();
    call.reaches_hop_as(&hop, &request)?;
    call.reaches_device(&pair.b, &hop, "BYE").map(drop)
}
