//! In which realms a device may register, and how many devices may.

use std::time::{Duration, Instant};

use harness::database::Backend;
use harness::instance::Instance;
use harness::registrar::{ACCOUNT_GRACE, ACCOUNT_TTL};
use harness::server::wait_for;
use serde_json::json;

use super::device::{Device, Request, expect, refused};
use super::group::{Group, Scenario};

pub const SCENARIOS: &[Scenario] = &[
    ("realms that are refused", realms),
    ("an endpoint that denies", denied),
    ("the device limit", limit),
    ("devices that sidecar has registered", beside),
];

/// They change the accounts of their own registrar; they mostly wait, so one database is enough.
pub const OF_MYSQL: &[Scenario] = &[
    ("an account that changes", changed),
    ("requests look for nobody in Redis", unsought),
    (
        "what sidecar has registered, after outages of Redis",
        found_again,
    ),
];

/// How long to wait until what Redis is looked through for counts, once a second.
const LIMIT: Duration = Duration::from_secs(20);

/// More than the second to which times in a script are rounded.
const A_WHILE: Duration = Duration::from_millis(1100);

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
        // What realm the Request-URI names is irrelevant: it is that of the address of record.
        let request = Request {
            uri: "sip:a.example".to_string(),
            ..Request::register()
        };
        refused(device.ask(&request)?, 403, reason).map_err(|e| format!("{realm}: {e}"))?;
    }
    // But it may not name an address, as for sidecar.
    for host in ["192.0.2.1", "127.0.0.1:5060;transport=udp", "[2001:db8::1]"] {
        let mut device = Device::new(site, "john", "a.example")?;
        let request = Request {
            uri: format!("sip:{host}"),
            ..Request::register()
        };
        let answer = device.authorize(&request, "secret")?;
        refused(answer, 403, "Realm is an IP address").map_err(|e| format!("{host}: {e}"))?;
    }
    if !site.redis.is_empty_of("john@a.example")? {
        return Err("it is registered".to_string());
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
    // A user who proves to be john cannot register mary.
    let mut device = Device::new(site, "mary", "a.example")?;
    let challenge = device.ask(&Request::register())?;
    let challenge = challenge
        .header("WWW-Authenticate")
        .and_then(harness::digest::Challenge::parse)
        .ok_or("no challenge")?;
    let response = harness::digest::Response::to(&challenge, "john", "secret", "sip:a.example");
    let request =
        Request::register().with(format!("Authorization: {}", response.header("REGISTER")));
    refused(device.ask(&request)?, 403, "Not your address of record")?;
    // Two identities in one request: it would be unclear which one was checked.
    let twice = request.with("X-JWT: x");
    expect(device.ask(&twice)?, 400)?;
    Ok(())
}

fn limit(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let full = |answer: harness::answer::Answer| {
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
    // Before anyone is asked.
    full(three.ask(&Request::register())?)?;
    // A device that is already registered takes up no further place.
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
    // A limit of zero devices.
    full(Device::new(site, "x", "none.example")?.ask(&Request::register())?)
}

/// jambonz's registrar library writes and removes one key, and counts as many as there are.
fn beside(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    let theirs = "user:sidecar@limited.example";
    let entry =
        r#"{"contact":"sip:sidecar@192.0.2.1","sbcAddress":"192.0.2.9:5060","protocol":"udp"}"#;
    let off = |user: &str| {
        let mut device = Device::new(site, user, "limited.example")?;
        let request = Request::register().contact("*").with("Expires: 0");
        expect(device.authorize(&request, "secret")?, 200).map(drop)
    };
    let clear = || ["one", "two", "three"].into_iter().try_for_each(off);
    clear()?;
    site.redis.cli(&["SET", theirs, entry, "EX", "600"])?;
    // Its other members are of other realms.
    for other in ["user:x@notlimited.example", "user:x@limited.example.org"] {
        site.redis.cli(&["SET", other, entry, "EX", "600"])?;
    }
    let entered = |is: bool| {
        let wanted = wait_for(LIMIT, || {
            let score = site
                .redis
                .cli(&["ZSCORE", "active-user:limited.example", theirs]);
            (score.ok()?.is_empty() != is).then_some(())
        });
        wanted.ok_or_else(|| format!("in the index of the realm: not {is}"))
    };
    entered(true)?;
    let score = site
        .redis
        .cli(&["ZSCORE", "active-user:limited.example", theirs])?;
    let end: i64 = score.parse().map_err(|e| format!("{score}: {e}"))?;
    if (harness::tokens::now() * 1000 + 600_000 - end).abs() > 60_000 {
        return Err(format!("{theirs} has ten minutes, and ends at {end}"));
    }
    Device::new(site, "one", "limited.example")?.register()?;
    let mut two = Device::new(site, "two", "limited.example")?;
    refused(
        two.ask(&Request::register())?,
        503,
        "Max Devices Registered",
    )?;
    // It has signed off there.
    site.redis.cli(&["DEL", theirs])?;
    entered(false)?;
    two.register()?;
    let number = || {
        let shown = site.mi().run(
            "get_statistics",
            json!({"statistics": ["registrations_active"]}),
        );
        shown.ok()?.as_object()?.values().next()?.as_u64()
    };
    let all = || -> Option<u64> { site.redis.cli(&["ZCARD", "active-user"]).ok()?.parse().ok() };
    let is_counted = wait_for(LIMIT, || (number()? == all()?).then_some(()));
    is_counted.ok_or_else(|| format!("{:?} are counted, of {:?}", number(), all()))?;
    clear()?;
    let others = ["user:x@notlimited.example", "user:x@limited.example.org"];
    others
        .iter()
        .try_for_each(|key| site.redis.cli(&["DEL", key]).map(drop))
}

/// Limits are checked by an index, and Redis is looked through at intervals alone: here, never.
fn unsought(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    site.settings = vec![("ADOPT_INTERVAL", "0".to_string())];
    let _instance = site.start(&group.core)?;
    site.redis
        .cli(&["SET", "user:sidecar@limited.example", "{}", "EX", "600"])?;
    site.redis.cli(&["CONFIG", "RESETSTAT"])?;
    for user in ["one", "two"] {
        Device::new(&site, user, "limited.example")?.register()?;
    }
    let mut three = Device::new(&site, "three", "limited.example")?;
    refused(
        three.ask(&Request::register())?,
        503,
        "Max Devices Registered",
    )?;
    let commands = site.redis.cli(&["INFO", "commandstats"])?;
    match commands.contains("cmdstat_evalsha") && !commands.contains("cmdstat_scan") {
        true => Ok(()),
        false => Err(format!("Redis was asked\n{commands}")),
    }
}

/// Redis hangs, and ends: what it is looked through for is found again when it is back.
fn found_again(group: &Group) -> Result<(), String> {
    group.stop();
    let mut site = group.setting.site(&group.core, group.backend)?;
    site.settings = vec![("REDIS_TIMEOUT", "300".to_string())];
    let mut instance = site.start(&group.core)?;
    let index = "active-user:limited.example";
    let found = |user: &str| {
        let key = format!("user:{user}@limited.example");
        site.redis.cli(&["SET", &key, "{}", "EX", "600"])?;
        let score = || site.redis.cli(&["ZSCORE", index, &key]).ok();
        let found = wait_for(LIMIT, || score().filter(|score| !score.is_empty()));
        found
            .map(drop)
            .ok_or_else(|| format!("{user} is not found"))
    };
    let failed = |instance: &Instance, times: usize| {
        let lines = || {
            instance
                .log()
                .matches("those of others are not taken up: ")
                .count()
        };
        let said = wait_for(LIMIT, || (lines() >= times).then_some(()));
        said.ok_or_else(|| format!("{} lines of {times} say that Redis fails", lines()))
    };
    found("one")?;
    site.redis.hang()?;
    failed(&instance, 1)?;
    site.redis.go_on()?;
    found("two")?;
    let mut device = Device::new(&site, "three", "limited.example")?;
    let answer = device.ask(&Request::register())?;
    refused(answer, 503, "Max Devices Registered")?;
    site.redis.kill();
    failed(&instance, 2)?;
    site.redis.resume()?;
    found("three")?;
    // It has forgotten the others.
    Device::new(&site, "one", "limited.example")?.register()?;
    instance.check_workers()
}

fn changed(group: &Group) -> Result<(), String> {
    let site = group.site()?;
    // Each from a different address, so that Redis does not answer for the account.
    let register = |realm: &str, user: &str| {
        let mut device = Device::new(site, user, realm)?;
        device.authorize(&Request::register(), "secret")
    };
    let active = |realm: &str, is: u8| {
        site.database.sql(&format!(
            "UPDATE registrar_accounts SET is_active = {is} WHERE realm = '{realm}';"
        ))
    };
    expect(register("a.example", "mary")?, 200)?;
    active("a.example", 0)?;
    std::thread::sleep(ACCOUNT_TTL + A_WHILE);
    let is_off = |answer| refused(answer, 403, "Account has been deactivated");
    soon(&|| is_off(register("a.example", "mary")?))?;
    active("a.example", 1)?;
    std::thread::sleep(ACCOUNT_TTL + A_WHILE);
    soon(&|| expect(register("a.example", "mary")?, 200).map(drop))?;
    // A new one takes effect at once, and so does a removal.
    refused(register("new.example", "john")?, 403, "Unknown realm")?;
    site.database
        .sql("INSERT INTO registrar_accounts (realm) VALUES ('new.example');")?;
    let answer = Device::new(site, "john", "new.example")?.ask(&Request::register())?;
    expect(answer, 401)?;
    site.database
        .sql("DELETE FROM registrar_accounts WHERE realm = 'new.example';")?;
    std::thread::sleep(ACCOUNT_TTL + A_WHILE);
    let is_gone = |answer| refused(answer, 403, "Unknown realm");
    soon(&|| is_gone(register("new.example", "john")?))?;
    unanswered(group, &register)
}

/// On a busy machine the database may not answer in time, and what was known serves a little longer.
fn soon(check: &dyn Fn() -> Result<(), String>) -> Result<(), String> {
    let mut checked = check();
    for _ in 0..3 {
        if checked.is_err() {
            std::thread::sleep(ACCOUNT_TTL + A_WHILE);
            checked = check();
        }
    }
    checked
}

/// The database no longer answers: known accounts remain so for a while, no others are admitted.
fn unanswered(
    group: &Group,
    register: &(dyn Fn(&str, &str) -> Result<harness::answer::Answer, String> + Sync),
) -> Result<(), String> {
    // Each worker remembers for itself: so many at once that both have been asked.
    let all_admit = || {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| register("a.example", "mary")))
                .collect();
            let admitted = all.into_iter().map(|thread| {
                let answer = thread.join().map_err(|_| "a panic".to_string())?;
                expect(answer?, 200).map(drop)
            });
            // All of them are waited for.
            admitted.collect::<Vec<_>>().into_iter().collect()
        })
    };
    for _ in 0..3 {
        soon(&all_admit)?;
    }
    // It was last asked now at the latest.
    let known = Instant::now();
    let gone = match group.backend {
        Backend::Sqlite => "DROP TABLE registrar_directory;",
        _ => "DROP VIEW registrar_realms;",
    };
    group.site()?.database.sql(gone)?;
    std::thread::sleep(ACCOUNT_TTL + A_WHILE);
    for _ in 0..3 {
        expect(register("a.example", "mary")?, 200)?;
    }
    expect(register("silent.example", "jim")?, 503)?;
    let log = group.with(|instance| instance.log())?;
    if !log.contains("realm \"a.example\": ") {
        return Err("the log does not say that the account is an old one".to_string());
    }
    let left = ACCOUNT_GRACE + 2 * A_WHILE;
    std::thread::sleep(left.saturating_sub(known.elapsed()));
    expect(register("a.example", "mary")?, 503).map(drop)
}
