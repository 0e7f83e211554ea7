//! Asynchronous calls where the core cannot suspend them, or does so in another way.

use harness::device::{LIMIT, Question};

use super::faults::{at, meanwhile, register};
use super::group::{Group, Scenario};

/// The trials; their group is the one with a single worker.
pub const SCENARIOS: &[Scenario] = &[
    ("launch()", launched),
    ("async() in an ACK", acknowledged),
    ("async() with a time-out of its own", limited),
    ("async() in the route of another", one_after_the_other),
    ("many async() at once", many),
];

fn launched(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let since = group.log_length();
    let reply = device.ask(&register("launch"))?;
    if reply.status != 202 {
        return Err(format!("the script did not go on: {reply:?}"));
    }
    group.expect_log(since, &["launched: 1"])?;
    // Both kinds, one directly after the other.
    let since = group.log_length();
    device.ask(&register("launch"))?;
    device.ask(&register("async"))?.expect("1")?;
    group.expect_log(since, &["launched: 1"])
}

fn acknowledged(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let since = group.log_length();
    let question = Question {
        method: "ACK",
        ..register("async")
    };
    device.send(&question)?;
    // Its credentials were made for a REGISTER: the endpoint was asked.
    group.expect_log(since, &["acknowledged: -1"])?;
    device.ask(&register("async"))?.expect("1").map(drop)
}

fn limited(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    device.ask(&register("limited"))?.expect("1")?;
    let since = group.log_length();
    let url = group.setting.slow()?.fault("hang-before");
    let question = Question {
        service: "limited".to_string(),
        ..at(&url)
    };
    meanwhile(&device, &[question], "-5")?;
    group.expect_log(since, &["the time-out of the script's async() came first"])
}

fn one_after_the_other(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let reply = device.ask(&register("twice"))?.expect("1")?;
    reply.expect_header("X-First", "1")?;
    meanwhile(&device, &[register("twice"), register("async")], "1")
}

fn many(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let mut asked = Vec::new();
    for round in 0..10 {
        for _ in 0..10 {
            asked.push(device.send(&register(["async", "twice"][round % 2]))?);
        }
    }
    while !asked.is_empty() {
        let answer = device.receive(LIMIT);
        let answer = answer.map_err(|e| format!("{} were not resumed: {e}", asked.len()))?;
        let known = asked.iter().position(|id| id == answer.header("Call-ID"));
        asked.swap_remove(known.ok_or_else(|| format!("resumed twice: {answer:?}"))?);
        answer.expect("1")?;
    }
    Ok(())
}
