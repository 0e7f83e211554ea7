//! Which realm a device may register in, and how many devices.

use super::device::{Device, Request, expect, refused};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    ("realms that are refused", realms),
    ("an endpoint that denies", denied),
    ("the device limit", limit),
];

fn realms(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let cases = [
        ("10.1.2.3", "Realm is an IP address"),
        ("[2001:db8::1]", "Realm is an IP address"),
        ("unknown.example", "Unknown realm"),
        ("off.example", "Account has been deactivated"),
        ("a.example'--", "Invalid address of record"),
    ];
    for (realm, reason) in cases {
        let mut device = Device::new(site, "john", realm)?;
        // What the request URI names does not matter: the realm is that of the address of record.
        let request = Request {
            uri: "sip:a.example".to_string(),
            ..Request::register()
        };
        refused(device.ask(&request)?, 403, reason).map_err(|e| format!("{realm}: {e}"))?;
    }
    // Realms are compared without regard to case.
    Device::new(site, "mary", "A.Example")?.ask(&Request::register())?;
    let mut device = Device::new(site, "mary", "A.EXAMPLE")?;
    let answer = expect(device.ask(&Request::register())?, 401)?;
    match answer.header("WWW-Authenticate") {
        Some(challenge) if challenge.contains("realm=\"a.example\"") => Ok(()),
        other => Err(format!("challenged with {other:?}")),
    }
}

fn denied(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "john", "a.example")?;
    refused(
        device.authorize(&Request::register(), "wrong")?,
        403,
        "wrong password",
    )?;
    let mut device = Device::new(site, "nobody", "a.example")?;
    refused(
        device.authorize(&Request::register(), "secret")?,
        403,
        "unknown user",
    )?;
    // Who proves to be john does not register mary.
    let mut device = Device::new(site, "mary", "a.example")?;
    let challenge = device.ask(&Request::register())?;
    let challenge = challenge
        .header("WWW-Authenticate")
        .and_then(crate::digest::Challenge::parse)
        .ok_or("no challenge")?;
    let response = crate::digest::Response::to(&challenge, "john", "secret", "sip:a.example");
    let request =
        Request::register().with(format!("Authorization: {}", response.header("REGISTER")));
    refused(device.ask(&request)?, 403, "Not your address of record")?;
    // Two identities in one request: nobody would know which one was checked.
    let twice = request.with("Authorization: Bearer x");
    expect(device.ask(&twice)?, 400)?;
    Ok(())
}

fn limit(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let full = |answer: crate::harness::answer::Answer| {
        let answer = expect(answer, 503)?;
        match answer.reason.as_str() {
            "Max Devices Registered" => Ok(()),
            _ => Err(format!("{answer:?}")),
        }
    };
    let mut one = Device::new(site, "one", "limited.example")?;
    let mut two = Device::new(site, "two", "limited.example")?;
    let mut three = Device::new(site, "three", "limited.example")?;
    one.register()?;
    two.register()?;
    // Before anybody is asked.
    full(three.ask(&Request::register())?)?;
    // Who is registered already takes no more room.
    let moved = format!("<sip:one@{}>;expires=600", two.local);
    expect(
        one.authorize(&Request::register().contact(moved), "secret")?,
        200,
    )?;
    let off = format!("<{}>;expires=0", two.contact());
    expect(
        two.authorize(&Request::register().contact(off), "secret")?,
        200,
    )?;
    three.register()?;
    full(two.ask(&Request::register())?)?;
    // A limit of nobody.
    full(Device::new(site, "x", "none.example")?.ask(&Request::register())?)
}
