//! opensips-cfg/registrar.cfg by registrar.sh: devices register and call, are called after a restart, are
//! refused and banned, and wait for nothing while Redis or MariaDB hangs. What is in Redis is read back by
//! redis-cli.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use harness::server::wait_for;
use libtest_mimic::Trial;
use serde_json::Value;

use super::containers::{Plan, copy, docker};
use super::stack::{self, Run, Scenario, Stack};

const USERS: &str = r#"
@a.example:{"call_hook":"https://a.example/call","call_status_hook":"https://a.example/status"}
a.example:john:secret
a.example:mary:secret
a.example:banned:secret:{"blacklist":600}
limited.example:one:secret
"#;

const ACCOUNTS: &str = "
INSERT INTO registrar_accounts (realm, is_active, device_limit) VALUES
    ('a.example', 1, NULL), ('limited.example', 1, 1), ('off.example', 0, NULL), ('new.example', 1, NULL);
INSERT INTO http_endpoints (realm, url) VALUES
    ('a.example', 'http://endpoint:8080/'), ('limited.example', 'http://endpoint:8080/'),
    ('off.example', 'http://endpoint:8080/'), ('new.example', 'http://endpoint:8080/');
";

/// Mary, who is registered from one trial to the next.
const MARY: [&str; 6] = ["-p", "5090", "-au", "mary", "-ap", "secret"];
const KEY: &str = "user:mary@a.example";

/// The seconds that a device over UDP is told, whatever it is granted: NAT_EXPIRES.
const TOLD: &str = "30";

/// How long an answer may take while Redis or MariaDB hangs, in milliseconds: their limits are 500 and
/// 1000, and a machine may be busy.
const IN_TIME: [&str; 2] = ["-recv_timeout", "6000"];

/// How long OpenSIPS may need until it knows that Redis or MariaDB is back.
const BACK: Duration = Duration::from_secs(30);

const SCENARIOS: &[Scenario] = &[
    ("registers, calls, hangs up, signs off over UDP", |stack| {
        calls(stack, "u1")
    }),
    ("registers, calls, hangs up, signs off over TCP", |stack| {
        calls(stack, "t1")
    }),
    ("what is registered is in Redis", is_in_redis),
    ("is called, after OpenSIPS has been restarted", is_called),
    ("who is refused is told why", refused),
    ("one device more than an account may have: 503", limited),
    (
        "while Redis hangs nobody is confirmed: 503 in time",
        without_redis,
    ),
    ("while MariaDB hangs, known accounts go on", without_mariadb),
    ("who has signed off is not in Redis", signed_off),
    (
        "who is banned gets no answer, and the ban is in Redis",
        banned,
    ),
];

/// All of them, and one that looks after them.
pub fn trials(plan: &Arc<Plan>) -> Vec<Trial> {
    let prepare = {
        let plan = Arc::clone(plan);
        Box::new(move |folder: &Path| prepare(&plan, folder))
    };
    let missing = plan.registrar.as_ref().err().cloned();
    stack::trials(Stack::new(plan, "registrar", prepare), SCENARIOS, missing)
}

/// Runs a scenario for this user of a domain: asked for so many seconds, and what to expect.
fn with(stack: &Stack, scenario: &str, row: [&str; 5], options: &[&str]) -> Result<(), String> {
    let [user, password, domain, asked, expected] = row;
    let credentials = format!("[authentication username={user} password={password}]");
    let row = [user, &credentials[..], domain, asked, expected].map(str::to_string);
    stack.ask(&Run {
        scenario,
        rows: &[row.to_vec()],
        options,
    })
}

/// Mary registers anew, or signs off with 0.
fn mary(stack: &Stack, seconds: &str) -> Result<(), String> {
    let options = [
        &MARY[..],
        &["-key", "expires", seconds, "-key", "said", "so"],
    ]
    .concat();
    stack.ask(&Run {
        scenario: "phone_registers",
        rows: &[],
        options: &options,
    })
}

/// What Redis has, by its own client.
fn redis(stack: &Stack, words: &[&str]) -> Result<String, String> {
    let said = stack.exec("redis", &[&["redis-cli", "--raw"], words].concat())?;
    Ok(said.trim().to_string())
}

/// It is there, or not, both by its key and in the index of all.
fn expect_in_redis(stack: &Stack, key: &str, there: bool) -> Result<(), String> {
    let exists = redis(stack, &["EXISTS", key])?;
    let score = redis(stack, &["ZSCORE", "active-user", key])?;
    match (exists == "1") == there && score.is_empty() != there {
        true => Ok(()),
        false => Err(format!("{key}: exists {exists}, score {score:?}")),
    }
}

fn calls(stack: &Stack, transport: &str) -> Result<(), String> {
    let hop = stack.sipp(
        "hop",
        &Run {
            scenario: "registrar_hop",
            rows: &[],
            options: &["-p", "5070"],
        },
    )?;
    let device = stack.ask(&Run {
        scenario: "registrar_device",
        rows: &[],
        options: &["-t", transport, "-s", "100", "-p", "5088"],
    });
    let hop = hop.wait();
    device?;
    hop?;
    expect_in_redis(stack, "user:john@a.example", false)
}

fn is_in_redis(stack: &Stack) -> Result<(), String> {
    mary(stack, "600")?;
    expect_in_redis(stack, KEY, true)?;
    let said = redis(stack, &["GET", KEY])?;
    let entry: Value = serde_json::from_str(&said).map_err(|e| format!("{said}: {e}"))?;
    let contact = entry["contact"].as_str().unwrap_or_default();
    if !contact.starts_with("sip:mary@") || !contact.ends_with(":5090") {
        return Err(format!("its contact: {said}"));
    }
    let opensips = stack.exec("opensips", &["hostname", "-i"])?;
    let here = entry["sbcAddress"].as_str().unwrap_or_default();
    if !here.starts_with(opensips.trim()) || entry["protocol"] != "udp" {
        return Err(format!("not at {opensips}: {said}"));
    }
    if entry["callHook"] != "https://a.example/call" {
        return Err(format!("its hook: {said}"));
    }
    let left = redis(stack, &["TTL", KEY])?;
    match left.parse() {
        Ok(300..=660) => Ok(()),
        _ => Err(format!("of 600 seconds {left} are left")),
    }
}

fn is_called(stack: &Stack) -> Result<(), String> {
    mary(stack, "600")?;
    stack.restart()?;
    let mut phone = stack.sipp(
        "sipp",
        &Run {
            scenario: "phone_is_called",
            rows: &[],
            options: &["-p", "5090", "-set", "ends", "next hop"],
        },
    )?;
    if !phone.goes_on()? {
        return phone.wait();
    }
    let called = stack
        .sipp(
            "hop",
            &Run {
                scenario: "registrar_calls",
                rows: &[],
                options: &["opensips:5060", "-p", "5070", "-s", "mary"],
            },
        )?
        .wait();
    called.and(phone.wait())
}

fn refused(stack: &Stack) -> Result<(), String> {
    let wrong = ["john", "wrong", "a.example", "600", "Forbidden"];
    with(stack, "webhook_denies", wrong, &[])?;
    let nobody = ["john", "secret", "nobody.example", "600", "Unknown realm"];
    with(stack, "registrar_refuses", nobody, &[])?;
    let off = "Account has been deactivated";
    with(
        stack,
        "registrar_refuses",
        ["john", "secret", "off.example", "600", off],
        &[],
    )?;
    expect_in_redis(stack, "user:john@a.example", false)
}

fn limited(stack: &Stack) -> Result<(), String> {
    let one = ["one", "secret", "limited.example", "600", TOLD];
    with(stack, "webhook_registers", one, &[])?;
    let two = ["two", "secret", "limited.example", "600", ""];
    with(stack, "registrar_is_full", two, &[])?;
    expect_in_redis(stack, "user:two@limited.example", false)
}

fn without_redis(stack: &Stack) -> Result<(), String> {
    let john = ["john", "secret", "a.example", "600", ""];
    stack.have("pause", "redis")?;
    let outcome = with(stack, "registrar_fails", john, &IN_TIME);
    stack.have("unpause", "redis")?;
    outcome?;
    back(|| mary(stack, "600"))?;
    // What was asked for in the meantime was not done, neither then nor later.
    expect_in_redis(stack, "user:john@a.example", false)
}

fn without_mariadb(stack: &Stack) -> Result<(), String> {
    let new = ["john", "secret", "new.example", "600", ""];
    let known = ["john", "wrong", "a.example", "600", "Forbidden"];
    stack.have("pause", "mariadb")?;
    let outcome = with(stack, "webhook_denies", known, &IN_TIME)
        .and_then(|()| with(stack, "registrar_fails", new, &IN_TIME));
    stack.have("unpause", "mariadb")?;
    outcome?;
    let new = ["john", "wrong", "new.example", "600", "Forbidden"];
    back(|| with(stack, "webhook_denies", new, &[]))
}

/// Waits until this goes well.
fn back(attempt: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let mut outcome = Ok(());
    wait_for(BACK, || {
        outcome = attempt();
        outcome.is_ok().then_some(())
    });
    outcome
}

fn signed_off(stack: &Stack) -> Result<(), String> {
    expect_in_redis(stack, KEY, true)?;
    mary(stack, "0")?;
    expect_in_redis(stack, KEY, false)
}

/// The next hop's machine, which nobody else sends REGISTER from.
fn banned(stack: &Stack) -> Result<(), String> {
    let hop = |scenario, [user, password, expected]: [&str; 3]| {
        let credentials = format!("[authentication username={user} password={password}]");
        let row = [user, &credentials[..], "a.example", "600", expected].map(str::to_string);
        let run = Run {
            scenario,
            rows: &[row.to_vec()],
            options: &["opensips:5060"],
        };
        stack.sipp("hop", &run)?.wait()
    };
    hop("webhook_bans", ["banned", "wrong", "Forbidden"])?;
    let keys = redis(stack, &["KEYS", "auth_web_ban_*"])?;
    let address = stack.exec("hop", &["hostname", "-i"])?;
    if !keys.ends_with(address.trim()) || keys.lines().count() != 1 {
        return Err(format!("{address} is banned, and in Redis is {keys:?}"));
    }
    let left = redis(stack, &["TTL", &keys])?;
    if !left
        .parse()
        .is_ok_and(|left: u32| (300..=600).contains(&left))
    {
        return Err(format!("of 600 seconds {left} are left"));
    }
    redis(stack, &["DEL", &keys])?;
    back(|| hop("webhook_registers", ["john", "secret", TOLD]))?;
    expect_in_redis(stack, "user:john@a.example", true)
}

fn prepare(plan: &Plan, folder: &Path) -> Result<(), String> {
    let image = plan.registrar.as_ref()?;
    // OpenSIPS's own tables are those of its release.
    let of_opensips = |table: &str| {
        let file = format!("/usr/share/opensips/mysql/{table}-create.sql");
        docker(&["run", "--rm", "--entrypoint", "cat", image, &file])
    };
    stack::mariadb(
        folder,
        &[
            stack::schema("jwt.sql")?,
            stack::schema("http.sql")?,
            stack::schema("registrar.sql")?,
            of_opensips("registrant")?,
            of_opensips("dialog")?,
            ACCOUNTS.to_string(),
        ],
    )?;
    stack::endpoint(folder, USERS)?;
    stack::opensips(folder, &[])?;
    for file in ["registrar.cfg", "registrar.sh"] {
        let shipped = harness::root().join("opensips-cfg").join(file);
        copy(&shipped, &folder.join("opensips/etc").join(file))?;
    }
    Ok(())
}
