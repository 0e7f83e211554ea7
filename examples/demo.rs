//! The module in action, in a minute: a core, an SQLite database with two profiles, and SIP
//! requests with good and bad tokens. Prints what was sent, what was answered, and why.
//!
//! `KEEP=1` leaves the core running, and prints what to type next.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use harness::core::{self, Core};
use harness::database::{Backend, Database, Servers};
use harness::instance::Instance;
use harness::keys::Key;
use harness::profiles::Content;
use harness::shipped::Shipped;
use harness::sipp;
use harness::tokens::{b64, now, token, with_broken_signature};

/// The script used by the demo, in opensips-cfg.
const SCRIPT: &str = "jwt_authorize.cfg";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("demo: an answer is not what it should be");
            ExitCode::FAILURE
        }
        Err(message) => {
            eprintln!("demo: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A request: what it demonstrates, and the expected answer.
struct Request {
    what: &'static str,
    username: &'static str,
    header: String,
    expected: &'static str,
}

fn run() -> Result<bool, String> {
    let core = choose();
    println!("{core}");
    println!("        {}", core.binary.display());
    println!("module: {}", harness::module().display());
    println!("script: opensips-cfg/{SCRIPT}");

    let rsa = Key::rsa();
    let secret = Key::secret();
    let mut content = Content::default();
    content.profile("phones", "alice@example.org");
    content.secret("phones", &rsa.verifier());
    content.profile("browsers", "bob@example.org");
    content.secret("browsers", &secret.verifier());
    let servers = Servers::new().map_err(|e| e.to_string())?;
    let database = servers.create(Backend::Sqlite, &content)?;
    println!("tables: {}", database.url);
    println!("        profile phones:   alice@example.org, an RSA public key");
    println!("        profile browsers: bob@example.org, a shared secret");

    let folder = tempfile::Builder::new()
        .prefix("auth_web-demo-")
        .tempdir()
        .map_err(|e| e.to_string())?;
    let shipped = Shipped::read(SCRIPT, &harness::module(), &database)?;
    let instance = Instance::start(&core, &shipped, folder.path()).map_err(|e| e.to_string())?;
    println!("listening on udp:127.0.0.1:{}\n", instance.port);

    let requests = requests(&rsa, &secret);
    let width = requests
        .iter()
        .map(|request| request.what.len())
        .max()
        .unwrap_or(0);
    println!(
        "{:width$}  {:24}  why",
        "what was sent", "what was answered"
    );
    println!("{:-<width$}  {:-<24}  {:-<40}", "", "", "");
    let mut as_expected = true;
    for request in &requests {
        let before = instance.log_length();
        let answer = send(&instance, request, folder.path())?;
        let why = reason(&instance.log_since(before), request);
        println!("{:width$}  {answer:24}  {why}", request.what);
        as_expected &= answer.starts_with(request.expected);
    }
    if std::env::var_os("KEEP").is_some_and(|keep| keep == "1") {
        keep(instance, servers, &database, folder.keep(), &requests[0])?;
    } else {
        println!("\nEverything is stopped again. `make demo KEEP=1` leaves it running.");
    }
    Ok(as_expected)
}

/// The newest OpenSIPS with SQLite support, or else the stand-in.
fn choose() -> Core {
    let driver = Backend::Sqlite.opensips_module();
    let real = core::opensips()
        .into_iter()
        .rfind(|c| c.is_served() && c.module(driver).is_some());
    real.unwrap_or_else(core::stand_in)
}

fn requests(rsa: &Key, secret: &Key) -> Vec<Request> {
    let now = now();
    let claims = |tag: &str| format!(r#"{{"tag":"{tag}","exp":{}}}"#, now + 3600);
    let bearer = |token: String| format!("Authorization: Bearer {token}");
    let good = token(rsa, "RS256", &claims("phones"));
    let request = |what, username, header, expected| Request {
        what,
        username,
        header,
        expected,
    };
    vec![
        request(
            "alice, token signed RS256",
            "alice",
            bearer(good.clone()),
            "200",
        ),
        request(
            "bob, token signed HS256",
            "bob",
            bearer(token(secret, "HS256", &claims("browsers"))),
            "200",
        ),
        request("no token", "alice", "Subject: no token".to_string(), "401"),
        request(
            "an expired token",
            "alice",
            bearer(token(
                rsa,
                "RS256",
                &format!(r#"{{"tag":"phones","exp":{}}}"#, now - 3600),
            )),
            "401",
        ),
        request(
            "a token of tomorrow",
            "alice",
            bearer(token(
                rsa,
                "RS256",
                &format!(
                    r#"{{"tag":"phones","nbf":{},"exp":{}}}"#,
                    now + 86_400,
                    now + 90_000
                ),
            )),
            "401",
        ),
        request(
            "a token without an end",
            "alice",
            bearer(token(rsa, "RS256", r#"{"tag":"phones"}"#)),
            "403",
        ),
        request(
            "one bit of the signature changed",
            "alice",
            bearer(with_broken_signature(&good)),
            "403",
        ),
        request(
            "signed with somebody else's key",
            "alice",
            bearer(token(&Key::rsa(), "RS256", &claims("phones"))),
            "403",
        ),
        request(
            "forged: HS256 with the public key as secret",
            "alice",
            bearer(token(
                &Key::Secret(rsa.verifier().into_bytes()),
                "HS256",
                &claims("phones"),
            )),
            "403",
        ),
        request(
            "no signature, alg none",
            "alice",
            bearer(format!(
                "{}.{}.",
                b64(r#"{"alg":"none"}"#),
                b64(claims("phones"))
            )),
            "403",
        ),
        request(
            "a profile that does not exist",
            "alice",
            bearer(token(secret, "HS256", &claims("tablets"))),
            "403",
        ),
        request(
            "SQL in the tag",
            "alice",
            bearer(token(secret, "HS256", &claims("' OR '1'='1"))),
            "403",
        ),
        request("garbage", "alice", bearer("garbage".to_string()), "400"),
        request("alice's token, but bob in To", "bob", bearer(good), "403"),
    ]
}

/// Sends it with SIPp; returns status and reason of the answer.
fn send(instance: &Instance, request: &Request, folder: &Path) -> Result<String, String> {
    let rows = [vec![request.username.to_string(), request.header.clone()]];
    let run = sipp::Run {
        scenario: "demo",
        service: "demo",
        rows: &rows,
    };
    let log = sipp::run_and_log(&run, instance.port, &folder.join("sipp"))?;
    Ok(log.trim().to_string())
}

/// The reason for the answer: the module's message in the core's log, if it was called.
fn reason(log: &str, request: &Request) -> String {
    // refused (-3) 192.0.2.1: expired 43 s ago; call-id="a1" user="alice"
    let refused = log
        .lines()
        .filter(|line| line.contains(":auth_web:"))
        .find_map(|line| line.split_once("refused (")?.1.split_once(": "));
    let why = refused.and_then(|(_, why)| why.split("; call-id=").next());
    match (why, request.expected) {
        (Some(why), _) => why.to_string(),
        (None, "200") => "authorized".to_string(),
        (None, _) => "no Authorization header: challenged".to_string(),
    }
}

/// Leaves everything running, and prints how to go on.
fn keep(
    instance: Instance,
    servers: Servers,
    database: &Database,
    folder: PathBuf,
    good: &Request,
) -> Result<(), String> {
    let rows = folder.join("token.csv");
    std::fs::write(
        &rows,
        format!("SEQUENTIAL\n{};{}\n", good.username, good.header),
    )
    .map_err(|e| e.to_string())?;
    let file = database.url.trim_start_matches("sqlite://");
    let (port, pid) = (instance.port, instance.leave());
    servers.keep();
    println!("\nIt is still running. What to type next:\n");
    println!("  # send alice's token again; it is good for an hour");
    println!(
        "  sipp 127.0.0.1:{port} -sf {} -inf {} -m 1 -nostdin -trace_msg -message_file /dev/stdout | grep ^SIP/2.0",
        harness::root().join("tests/sipp/demo.xml").display(),
        rows.display()
    );
    println!("  # take alice's key away from her, and send it again");
    println!(
        "  sqlite3 {file} \"UPDATE jwt_secrets SET end_ts=1 WHERE corresponding_tag='phones'\""
    );
    println!("  # what is in the tables, and what the core says");
    println!("  sqlite3 -header {file} 'SELECT * FROM jwt_profiles'");
    println!("  tail -f {}/log", folder.display());
    println!("  # the script");
    println!("  less {}/opensips.cfg", folder.display());
    println!("  # the end");
    println!(
        "  kill {pid}; rm -r {} {}",
        folder.display(),
        Path::new(file)
            .parent()
            .unwrap_or(Path::new(file))
            .display()
    );
    Ok(())
}
