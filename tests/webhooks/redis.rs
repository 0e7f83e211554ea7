//! Bans and nonce counts that two OpenSIPS instances share in a Redis.

use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use harness::core::Core;
use harness::database::program;
use harness::device::{Device, Question};
use harness::ports;
use harness::server::{Server, wait_for};
use harness::setting::ignored;
use libtest_mimic::Trial;

use super::decisions::BOTH;
use super::setting::{Setting, script};

/// How long a Redis may take to start.
const START: Duration = Duration::from_secs(30);

/// The trial of one core.
pub fn trials(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let name = "two that share a Redis";
    let missing = match (core.module("cachedb_redis.so"), program("redis-server")) {
        (None, _) => Some("no cachedb_redis.so"),
        (_, None) => Some("no redis-server"),
        _ => None,
    };
    vec![match missing {
        None => setting.trial(core, name, shared),
        Some(reason) => ignored(format!("{core}: {name}"), reason.to_string()),
    }]
}

/// A Redis of our own, initially empty.
fn redis(setting: &Setting) -> Result<(Server, u16), String> {
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let port = ports::free();
    let output = File::create(folder.join("log")).map_err(|e| e.to_string())?;
    let mut command = Command::new(program("redis-server").ok_or("no redis-server")?);
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
        .current_dir(&folder)
        .stdout(output);
    let server = Server::start(&mut command).map_err(|e| e.to_string())?;
    let up = || TcpStream::connect(("127.0.0.1", port)).ok();
    wait_for(START, up).ok_or("redis-server does not answer")?;
    Ok((server, port))
}

fn shared(setting: &Setting, core: &Core) -> Result<(), String> {
    let (mut server, port) = redis(setting)?;
    let script = script()
        .load("cachedb_redis.so")
        .set("cachedb_url", format!("redis://127.0.0.1:{port}/").as_str())
        .set("http_url", setting.endpoint()?.url().as_str());
    let mut one = setting.start(core, &script)?;
    let mut two = setting.start(core, &script)?;
    for service in BOTH {
        // A nonce from one is known to the other, and a count is used up on both.
        let (here, there) = (Device::new(one.port)?, Device::new(two.port)?);
        let question = Question::register(service, "john", "a.example");
        let challenge = here.challenge(&question)?;
        let mut response = here.respond(&question, &challenge, "secret");
        there.ask_with(&question, &response)?.expect("1")?;
        here.ask_with(&question, &response)?.expect("-3")?;
        there.ask_with(&question, &response)?.expect("-3")?;
        response.nc = 2;
        here.ask_with(&question, &response)?.expect("1")?;

        // A source banned here is banned there.
        let address = setting.address();
        let (here, there) = (
            Device::at(&address, one.port)?,
            Device::at(&address, two.port)?,
        );
        let banned = Question::register(service, "ban2", "a.example");
        here.authorize(&banned, "wrong")?.expect("-1")?;
        there.ask(&question)?.expect("-2")?;
        here.ask(&question)?.expect("-2")?;
        let over = wait_for(START, || match there.ask(&question) {
            Ok(reply) if reply.code() == "-2" => None,
            other => Some(other),
        });
        over.ok_or("the ban does not end")??.expect("-4")?;
        let address = setting.address();
        let (here, there) = (
            Device::at(&address, one.port)?,
            Device::at(&address, two.port)?,
        );
        let banned = Question::register(service, "forever", "a.example");
        here.authorize(&banned, "wrong")?.expect("-1")?;
        there.ask(&question)?.expect("-2")?;
    }
    // Then nothing is known, so nobody is admitted.
    server.stop();
    let device = Device::new(one.port)?;
    let question = Question::register("async", "john", "a.example");
    device.ask(&question)?.expect("-5")?;
    one.check_workers()?;
    two.check_workers()
}
