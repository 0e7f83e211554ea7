//! Devices of one address of record that register at the same time.

use harness::digest::Response;
use harness::registrar::Site;

use super::device::{Device, Request, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[("of devices that register at once, one stays", at_once)];

const ROUNDS: usize = 50;
const DEVICES: usize = 6;
const AOR: &str = "mary@a.example";

/// A request that is ready to be admitted, so that it can be sent when all others are.
fn admitted(device: &mut Device, request: Request) -> Result<Request, String> {
    let challenge = device.challenge(&request)?;
    let response = Response::to(&challenge, &device.user, "secret", "sip:a.example");
    Ok(request.with(format!("Authorization: {}", response.header("REGISTER"))))
}

/// The URI of the contact that Redis has; empty if there is none.
fn in_redis(site: &Site) -> Result<String, String> {
    let found = site.redis.user(AOR)?;
    let contact = found
        .as_ref()
        .and_then(|(members, _, _)| members["contact"].as_str());
    Ok(contact.unwrap_or_default().to_string())
}

/// Workers hear from Redis in another order than it decided in. Who was registered refreshes until another
/// one is, or signs off at the same time.
fn at_once(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut registered: Option<Device> = None;
    let mut differences = Vec::new();
    for round in 0..ROUNDS {
        let mut all = Vec::new();
        for _ in 0..DEVICES {
            let mut device = Device::new(site, "mary", "a.example")?;
            let request = admitted(&mut device, Request::register())?;
            all.push((device, request));
        }
        let signs_off = round % 2 == 1;
        if signs_off && let Some(mut device) = registered.take() {
            let contact = format!("<{}>;expires=0", device.contact());
            let off = admitted(&mut device, Request::register().contact(contact))?;
            all.insert(0, (device, off));
        }
        let refresh = |mut device: Device| {
            // Without credentials: the registered one needs none.
            while device.ask(&Request::register())?.status == 200 {}
            Ok::<(), String>(())
        };
        std::thread::scope(|scope| {
            let refreshing = registered
                .take()
                .map(|device| scope.spawn(|| refresh(device)));
            for (device, request) in &mut all {
                device.send(request)?;
            }
            for (device, _) in &mut all {
                expect(device.receive()?, 200)?;
            }
            match refreshing.map(|thread| thread.join()) {
                Some(outcome) => outcome.map_err(|_| "a panic".to_string())?,
                None => Ok(()),
            }
        })
        .map_err(|error| format!("round {round}: {error}"))?;
        let (truth, here) = (in_redis(site)?, site.contact(AOR)?);
        if truth != here {
            differences.push(format!("round {round}: Redis {truth:?}, usrloc {here:?}"));
        }
        let mut devices = all.into_iter().map(|(device, _)| device);
        registered = devices.find(|device| device.contact() == truth);
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(differences.join("\n")),
    }
}
