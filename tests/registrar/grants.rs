//! What a granted registration results in: an answer, a contact, and what other servers read.

use harness::answer::Answer;
use harness::tokens;
use serde_json::{Value, json};

use super::device::{Device, Request, expect};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    ("a registration in Redis, field by field", fields),
    ("the granted time", time),
    ("behind a NAT", nat),
    ("again, from the same place", again),
    ("signing off", off),
];

/// They have a registrar of their own.
pub const OF_MYSQL: &[Scenario] = &[("an advertised address", advertised)];

/// How far the seconds of two clocks on a busy machine may differ.
const SLACK: u64 = 20;

fn expires(answer: &Answer) -> Result<u64, String> {
    let of = |text: Option<&str>| -> Option<u64> { text?.parse().ok() };
    let contact = answer
        .header("Contact")
        .and_then(|c| Some(c.split_once(";expires=")?.1));
    match (of(contact), of(answer.header("Expires"))) {
        (Some(contact), Some(header)) if contact == header => Ok(contact),
        _ => Err(format!("no time, or two: {answer:?}")),
    }
}

fn near(what: &str, value: u64, wanted: u64) -> Result<(), String> {
    match value <= wanted && value + SLACK >= wanted {
        true => Ok(()),
        false => Err(format!("{what}: {value}, not {wanted}")),
    }
}

/// Fails unless Redis has exactly these members, for that many seconds.
fn registered(group: &Group, aor: &str, wanted: Value, seconds: u64) -> Result<(), String> {
    let redis = &group.site()?.redis;
    let (mut members, left, score) = redis.user(aor)?.ok_or_else(|| format!("no {aor}"))?;
    near("TTL", left, seconds)?;
    let end = members
        .as_object_mut()
        .and_then(|members| members.remove("expiryTime"))
        .and_then(|end| end.as_u64())
        .ok_or("no expiryTime, or it is no number")?;
    if end != score {
        return Err(format!("expiryTime {end}, among the active users {score}"));
    }
    let now = u64::try_from(tokens::now()).map_err(|e| e.to_string())?;
    near("expiryTime", end / 1000, now + seconds)?;
    match members == wanted {
        true => Ok(()),
        false => Err(format!("in Redis is\n{members:#}, not\n{wanted:#}")),
    }
}

fn fields(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "john", "a.example")?;
    device.register()?;
    let wanted = |device: &Device| {
        json!({
            "contact": device.contact(),
            "sbcAddress": format!("127.0.0.1:{}", site.udp),
            "privateSbcAddress": format!("127.0.0.1:{}", site.udp),
            "protocol": "udp",
            "proxy": format!("sip:{}", device.local),
            "source": device.local,
            "callHook": "https://a.example/call",
            "callStatusHook": "https://a.example/status",
            "call_hook": "https://a.example/call",
            "call_status_hook": "https://a.example/status",
            "allow_direct_app_calling": false,
            "allow_direct_queue_calling": false,
            "allow_direct_user_calling": false,
        })
    };
    registered(group, "john@a.example", wanted(&device), 3600)?;
    let of_realm = site
        .redis
        .cli(&["ZSCORE", "active-user:a.example", "user:john@a.example"])?;
    if of_realm.is_empty() {
        return Err("it is not counted for its realm".to_string());
    }
    // The key is the address of record with the user's case preserved and the realm in lower case.
    let mut device = Device::new(site, "direct", "A.Example")?;
    let answer = expect(device.ask(&Request::register())?, 401)?;
    let challenge = answer
        .header("WWW-Authenticate")
        .and_then(harness::digest::Challenge::parse)
        .ok_or("no challenge")?;
    let response = harness::digest::Response::to(&challenge, "direct", "secret", "sip:A.Example");
    let request =
        Request::register().with(format!("Authorization: {}", response.header("REGISTER")));
    expect(device.ask(&request)?, 200)?;
    let mut direct = wanted(&device);
    direct["allow_direct_app_calling"] = json!(true);
    registered(group, "direct@a.example", direct, 3600)?;
    // Without hooks in the grant there are none.
    let mut device = Device::new(site, "jim", "silent.example")?;
    device.register()?;
    let mut silent = wanted(&device);
    for name in [
        "callHook",
        "callStatusHook",
        "call_hook",
        "call_status_hook",
    ] {
        silent.as_object_mut().expect("an object").remove(name);
    }
    registered(group, "jim@silent.example", silent, 3600)?;
    // Whatever an endpoint says is text, and nothing else.
    let mut device = Device::new(site, "odd", "a.example")?;
    device.register()?;
    let mut odd = wanted(&device);
    let hook = "https://a.example/it's \"quoted\" X-Evil: 1";
    odd["callHook"] = json!(hook);
    odd["call_hook"] = json!(hook);
    registered(group, "odd@a.example", odd, 3600)
}

fn advertised(group: &Group) -> Result<(), String> {
    // The group's registrar has none.
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    let address = "sip.example.net";
    site.settings = vec![("ADVERTISED_ADDRESS", address.to_string())];
    let _instance = site.start(&group.core)?;
    Device::new(&site, "john", "a.example")?.register()?;
    let (members, _, _) = site.redis.user("john@a.example")?.ok_or("not in Redis")?;
    match members["sbcAddress"] == json!(format!("{address}:{}", site.udp)) {
        true => Ok(()),
        false => Err(format!("{members}")),
    }
}

fn time(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    // Who, what is asked for, and what is granted.
    for (user, asked, granted) in [
        ("mary", ";expires=600", 600),
        ("mary", "", 3600),
        ("short", ";expires=3600", 120),
        ("short", ";expires=20", 20),
        ("mary", ";expires=999999999", 604_800),
    ] {
        let mut device = Device::new(site, user, "a.example")?;
        let contact = format!("<{}>{asked}", device.contact());
        let request = Request::register().contact(contact);
        let answer = expect(device.authorize(&request, "secret")?, 200)?;
        let told = expires(&answer)?;
        if told != granted {
            return Err(format!("{user} asks {asked}: {told}, not {granted}"));
        }
        let aor = format!("{user}@a.example");
        let (_, left, _) = site.redis.user(&aor)?.ok_or("not in Redis")?;
        near("TTL", left, granted)?;
        let seconds = contact_seconds(group, user)?;
        near("usrloc", seconds, granted)?;
    }
    Ok(())
}

/// The seconds for which usrloc keeps a user's only contact.
fn contact_seconds(group: &Group, user: &str) -> Result<u64, String> {
    let contacts = group.site()?.located(&format!("{user}@a.example"))?;
    match &contacts[..] {
        [one] => one["Expires"]
            .as_u64()
            .ok_or(format!("contact of {user}: {one}")),
        _ => Err(format!("contacts of {user}: {contacts:?}")),
    }
}

fn nat(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "mary", "a.example")?;
    let request = Request {
        via: "192.168.1.5:5060".to_string(),
        ..Request::register().contact("<sip:mary@192.168.1.5:5060>;expires=900")
    };
    let answer = expect(device.authorize(&request, "secret")?, 200)?;
    let told = expires(&answer)?;
    if told > 30 {
        return Err(format!("it was told {told}"));
    }
    let (members, left, _) = site.redis.user("mary@a.example")?.ok_or("not in Redis")?;
    near("TTL", left, 900)?;
    near("usrloc", contact_seconds(group, "mary")?, 900)?;
    if members["proxy"] != json!(format!("sip:{}", device.local)) {
        return Err(format!("it came from {}: {members}", device.local));
    }
    // A call has to be sent to its real address.
    let received = site.located("mary@a.example")?;
    let received = received.first().and_then(|one| one["Received"].as_str());
    let received = received.unwrap_or_default();
    if !received.contains(&format!("sip:{}", device.local)) {
        return Err(format!("received is {received}"));
    }
    // It registers again within its 30 seconds, without a password.
    let answer = expect(device.ask(&request)?, 200)?;
    match expires(&answer)? {
        1..=30 => Ok(()),
        told => Err(format!("it was told {told}")),
    }
}

fn again(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    let answer = expect(device.ask(&Request::register())?, 200)?;
    near("the time that is left", expires(&answer)?, 3600)?;
    // It is never told more than it asks for.
    let contact = format!("<{}>;expires=60", device.contact());
    let answer = device.authorize(&Request::register().contact(contact), "secret")?;
    match expires(&expect(answer, 200)?)? {
        1..=60 => {}
        told => return Err(format!("it asked for 60, and was told {told}")),
    }
    // From elsewhere, or with another contact, it is challenged.
    let mut other = Device::new(site, "mary", "a.example")?;
    expect(other.ask(&Request::register())?, 401)?;
    let moved = Request::register().contact("<sip:mary@127.0.0.1:9>;expires=3600");
    expect(device.ask(&moved)?, 401)?;
    // It is also challenged when no more than 30 seconds are left.
    let contact = format!("<{}>;expires=25", device.contact());
    let short = Request::register().contact(contact);
    let mut device = other;
    let contact = format!("<{}>;expires=25", device.contact());
    expect(
        device.authorize(&short.contact(contact.clone()), "secret")?,
        200,
    )?;
    expect(device.ask(&Request::register().contact(contact))?, 401)?;
    Ok(())
}

fn off(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let mut device = Device::new(site, "mary", "a.example")?;
    device.register()?;
    let old = format!("<{}>;expires=0", device.contact());
    // Only a device that may register may sign off.
    let request = Request::register().contact(old.clone());
    expect(device.ask(&request)?, 401)?;
    if site.redis.user("mary@a.example")?.is_none() {
        return Err("it was removed without a password".to_string());
    }
    // A contact that has moved meanwhile stays where it is.
    let mut other = Device::new(site, "mary", "a.example")?;
    other.register()?;
    expect(device.authorize(&request, "secret")?, 200)?;
    if site.redis.user("mary@a.example")?.is_none() {
        return Err("another's registration was removed".to_string());
    }
    let request = Request::register().contact(format!("<{}>;expires=0", other.contact()));
    let answer = expect(other.authorize(&request, "secret")?, 200)?;
    if expires(&answer)? != 0 {
        return Err(format!("{answer:?}"));
    }
    gone(group)?;
    // All contacts at once.
    other.register()?;
    let request = Request::register().contact("*").with("Expires: 0");
    expect(other.authorize(&request, "secret")?, 200)?;
    gone(group)
}

fn gone(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let rows = site.contact("mary@a.example")?;
    match site.redis.is_empty_of("mary@a.example")? && !rows.contains("sip:") {
        true => Ok(()),
        false => Err(format!("something of it is left: {rows}")),
    }
}
