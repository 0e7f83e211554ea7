//! What happens while Redis, the database or the endpoint is not available.

use harness::answer::Answer;

use super::device::{Device, Request, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[("without Redis nobody is confirmed", redis)];

fn later(answer: Answer) -> Result<(), String> {
    let answer = expect(answer, 503)?;
    match answer.header("Retry-After") {
        Some(_) => Ok(()),
        None => Err(format!("no Retry-After: {answer:?}")),
    }
}

fn redis(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "mary", "a.example")?;
    site.redis.pause();
    let answer = device.ask(&Request::register());
    let call = device.ask(&Request::invite());
    site.redis.resume()?;
    later(answer?)?;
    later(call?)?;
    device.register()?;
    Ok(())
}
