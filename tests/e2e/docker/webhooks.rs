//! opensips-cfg/http_authorize.cfg: phones register and call with passwords that the endpoint of their realm
//! knows, and an endpoint denies, bans, is slow, hangs, is gone.

use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use harness::database::{Backend, Database};
use harness::digest::{Challenge, Response};
use harness::server::wait_for;
use harness::shipped::Shipped;
use libtest_mimic::Trial;

use super::containers::{PASSWORD, Plan, database_url};
use super::stack::{self, Run, Scenario, Stack};
use super::tokens;

const FILE: &str = "http_authorize.cfg";

/// The commented line of the script that has endpoints by realm.
const BY_REALM: &str = "#modparam(\"auth_web\", \"db_url\"";

const USERS: &str = "
a.example:john:secret
a.example:short:secret:{\"expires\":60}
a.example:suspended:secret:{\"status\":\"fail\",\"msg\":\"suspended\"}
a.example:renamed:secret:{\"aor\":\"john@a.example\"}
a.example:banned:secret:{\"blacklist\":2}
slow.example:john:secret
silent.example:john:secret
dead.example:john:secret
failover.example:john:secret
";

/// How long the ban lasts: `blacklist` above.
const BAN: Duration = Duration::from_secs(2);

/// The endpoint of each realm; that of all others is the one of the script. On port 9 nobody listens.
const ENDPOINTS: &str = "
INSERT INTO http_endpoints (realm, url) VALUES
    ('slow.example', 'http://slow:8080/'),
    ('silent.example', 'http://silent:8080/'),
    ('dead.example', 'http://endpoint:9/'),
    ('failover.example', 'http://endpoint:9/ http://endpoint:8080/');
";

/// How long an answer may take where the endpoint gives none: http_timeout of the script, 3000 ms, and what
/// a busy machine needs; in milliseconds.
const IN_TIME: &str = "6000";

/// As many at once as would keep the script's four workers busy for a minute and a half, if a worker waited.
const MANY: usize = 120;

/// How long all of them may take.
const TOGETHER: Duration = Duration::from_secs(20);

/// How long an endpoint that has been started again may be passed over.
const BACK: Duration = Duration::from_secs(60);

const SCENARIOS: &[Scenario] = &[
    ("registers, for as long as it asks or is granted", |stack| {
        registers(stack, "john", "a.example", ["600", "600"])?;
        registers(stack, "short", "a.example", ["600", "60"])?;
        with(
            stack,
            "webhook_signs_off",
            &[["john", "secret", "a.example", "", ""]],
        )
    }),
    ("calls", |stack| {
        with(
            stack,
            "webhook_calls",
            &[["john", "secret", "a.example", "", ""]],
        )
    }),
    ("who is denied gets 403, and not why", |stack| {
        with(
            stack,
            "webhook_denies",
            &[
                ["john", "wrong", "a.example", "600", "Forbidden"],
                ["nobody", "secret", "a.example", "600", "Forbidden"],
                ["suspended", "secret", "a.example", "600", "Forbidden"],
                ["renamed", "secret", "a.example", "600", "Not Your Name"],
            ],
        )
    }),
    ("an answer to a challenge counts once", replayed),
    (
        "who is banned gets no answer, until the ban is over",
        |stack| {
            let banned = ["banned", "wrong", "a.example", "600", "Forbidden"];
            with(stack, "webhook_bans", &[banned])?;
            sleep(BAN);
            registers(stack, "john", "a.example", ["600", "600"])
        },
    ),
    ("a slow endpoint is waited for", |stack| {
        registers(stack, "john", "slow.example", ["600", "600"])
    }),
    (
        "a silent endpoint: 503 in time, and others need not wait",
        silent,
    ),
    ("where nobody listens: 503", |stack| {
        fails(stack, "dead.example")
    }),
    (
        "the second endpoint, where nobody listens at the first",
        |stack| registers(stack, "john", "failover.example", ["600", "600"]),
    ),
    ("an endpoint that is killed: 503, until it is back", killed),
];

/// All of them, and one that looks after them.
pub fn trials(plan: &Arc<Plan>) -> Vec<Trial> {
    let prepare = {
        let plan = Arc::clone(plan);
        Box::new(move |folder: &Path| prepare(&plan, folder))
    };
    stack::trials(Stack::new(plan, "webhooks", prepare), SCENARIOS, None)
}

/// Runs a scenario with these rows: user, password, domain, seconds asked for, and what to expect.
fn with(stack: &Stack, scenario: &str, rows: &[[&str; 5]]) -> Result<(), String> {
    stack.ask(&Run {
        scenario,
        rows: &fields(rows),
        options: &[],
    })
}

fn fields(rows: &[[&str; 5]]) -> Vec<Vec<String>> {
    let field = |[user, password, domain, asked, expected]: &[&str; 5]| {
        let credentials = format!("[authentication username={user} password={password}]");
        [user, &credentials[..], domain, asked, expected].map(str::to_string)
    };
    rows.iter().map(|row| field(row).to_vec()).collect()
}

/// It is admitted, for the granted one of the two times.
fn registers(
    stack: &Stack,
    user: &str,
    domain: &str,
    [asked, granted]: [&str; 2],
) -> Result<(), String> {
    let row = [user, "secret", domain, asked, granted];
    with(stack, "webhook_registers", &[row])
}

/// 503, within the limit for an endpoint.
fn fails(stack: &Stack, domain: &str) -> Result<(), String> {
    stack.ask(&Run {
        scenario: "webhook_fails",
        rows: &fields(&[["john", "secret", domain, "600", ""]]),
        options: &["-recv_timeout", IN_TIME],
    })
}

fn replayed(stack: &Stack) -> Result<(), String> {
    let run = |scenario, header: &str| {
        let row = ["john", header, "a.example", "600"].map(str::to_string);
        let rows = [row.to_vec()];
        let options = &["opensips:5060"];
        stack.sipp(
            "sipp",
            &Run {
                scenario,
                rows: &rows,
                options,
            },
        )
    };
    let said = run("webhook_challenge", "")?.log()?;
    let challenge = Challenge::parse(said.trim()).ok_or(said)?;
    let response = Response::to(&challenge, "john", "secret", "sip:a.example");
    let header = format!("Authorization: {}", response.header("REGISTER"));
    run("webhook_replays", &header)?.wait()
}

fn silent(stack: &Stack) -> Result<(), String> {
    fails(stack, "silent.example")?;
    let begun = Instant::now();
    let rows = fields(&[["john", "secret", "silent.example", "600", ""]; MANY]);
    let mut waiting = stack.sipp(
        "sipp",
        &Run {
            scenario: "webhook_fails",
            rows: &rows,
            options: &["opensips:5060", "-l", "1000"],
        },
    )?;
    let outcome = registers(stack, "john", "a.example", ["600", "600"]);
    let meanwhile = waiting.goes_on()?;
    waiting.wait()?;
    let took = begun.elapsed();
    outcome?;
    if !meanwhile {
        return Err("the others were answered first".to_string());
    }
    match took < TOGETHER {
        true => Ok(()),
        false => Err(format!("{MANY} requests took {took:?}")),
    }
}

fn killed(stack: &Stack) -> Result<(), String> {
    stack.have("kill", "endpoint")?;
    let gone = fails(stack, "a.example");
    stack.have("start", "endpoint")?;
    gone?;
    let mut outcome = Ok(());
    wait_for(BACK, || {
        outcome = registers(stack, "john", "a.example", ["600", "600"]);
        outcome.is_ok().then_some(())
    });
    outcome
}

fn prepare(plan: &Plan, folder: &Path) -> Result<(), String> {
    let tables = stack::schema("http.sql")?;
    stack::mariadb(folder, &[tables, ENDPOINTS.to_string()])?;
    stack::endpoint(folder, USERS)?;
    let database = Database::elsewhere(Backend::Mysql, &database_url(), PASSWORD);
    let script = Shipped::read(FILE, &harness::module(), &database)?
        .asking("http://endpoint:8080/")
        .enabling(BY_REALM);
    let config = tokens::rendered(plan, &script);
    stack::opensips(folder, &[("opensips.cfg", config.as_bytes())])
}
