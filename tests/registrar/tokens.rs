//! Accounts without an endpoint: tokens.

use harness::registrar::token;

use super::device::{Device, Request, expect, refused};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[("tokens", tokens)];

fn tokens(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let register = |line: String| Request::register().with(line);
    let mut jane = Device::new(site, "jane", "token.example")?;
    let answer = expect(jane.ask(&Request::register())?, 401)?;
    match answer.header("WWW-Authenticate") {
        Some(challenge) if challenge.starts_with("Bearer realm=\"token.example\"") => {}
        other => return Err(format!("challenged with {other:?}")),
    }
    let answer = jane.ask(&register("Authorization: Bearer x.y.z".to_string()))?;
    expect(answer, 401)?;

    let hook = r#""call_hook":"https://token.example/call","#;
    let bearer = format!("Authorization: Bearer {}", token(hook));
    expect(jane.ask(&register(bearer.clone()))?, 200)?;
    let (members, left, _) = site
        .redis
        .user("jane@token.example")?
        .ok_or("not in Redis")?;
    if members["callHook"] != "https://token.example/call" || left > 600 {
        return Err(format!("for {left} s, longer than the token: {members}"));
    }
    // From elsewhere, in the other header.
    let mut jane = Device::new(site, "jane", "token.example")?;
    expect(jane.ask(&register(format!("X-JWT: {}", token(hook))))?, 200)?;

    // It is not valid for another address of record, nor for another realm of the same user.
    let mut joan = Device::new(site, "joan", "token.example")?;
    refused(
        joan.ask(&register(bearer.clone()))?,
        403,
        "Not your address of record",
    )?;
    // It does not admit to an account with an endpoint: there the endpoint is asked.
    let mut jane = Device::new(site, "jane", "a.example")?;
    refused(jane.ask(&register(bearer))?, 403, "unknown token")
}
