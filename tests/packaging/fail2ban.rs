//! The filters for fail2ban: they find whom the module has refused, and nobody whom a caller wants banned.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use harness::core::Core;
use harness::instance::{Config, Instance};
use harness::keys::Key;
use harness::sip;
use harness::tokens::{now, with_header};
use libtest_mimic::{Failed, Trial};

use crate::{check, output, with_programs};

/// What is logged by syslog before a message of OpenSIPS.
const SYSLOG: &str = "sbc /usr/sbin/opensips[4711]: ";

/// Whom a caller would like to have banned.
const VICTIM: &str = "203.0.113.9";

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

const SECRET: &str = "a secret of the tests, 0123456789";

/// Lines recorded of OpenSIPS and lines that nobody but a caller has written, each after whom the filter for
/// tokens and the one for webhooks are to find in it: an address or `-`.
const LINES: &str = include_str!("fail2ban.txt");

pub fn trials() -> Vec<Trial> {
    let programs = ["fail2ban-regex"];
    let mut trials = vec![
        with_programs("fail2ban: recorded and forged lines", &programs, recorded),
        with_programs("fail2ban: the lines of the manual", &programs, manual),
    ];
    let mut cores = harness::core::opensips();
    cores.push(harness::core::stand_in());
    cores.retain(Core::is_served);
    for core in cores {
        let name = format!("{core}, fail2ban: hostile callers");
        trials.push(with_programs(&name, &programs, move || hostile(&core)));
    }
    trials
}

/// The addresses that a filter finds in a log, in its order.
fn found(filter: &str, lines: &[String]) -> Result<Vec<String>, Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let log = folder.path().join("syslog");
    std::fs::write(&log, lines.join("\n") + "\n").map_err(|e| e.to_string())?;
    let filter = harness::root().join(format!("packaging/fail2ban/auth_web-{filter}.conf"));
    let mut regex = Command::new("fail2ban-regex");
    let printed = output(regex.args(["--out", "ip"]).arg(&log).arg(filter))?;
    Ok(printed.lines().map(str::to_string).collect())
}

/// Time and host, as rsyslog writes them, before a message.
fn logged(message: &str) -> String {
    format!("2026-11-26T18:57:44.123456+00:00 {SYSLOG}{message}")
}

fn recorded() -> Result<(), Failed> {
    let mut tried = 0;
    for line in LINES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let mut parts = line.splitn(3, ' ');
        let mut next = || {
            parts
                .next()
                .ok_or_else(|| format!("not understood: {line}"))
        };
        let (token, webhook, text) = (next()?, next()?, next()?);
        for (filter, wanted) in [("tokens", token), ("webhooks", webhook)] {
            let found = found(filter, &[text.to_string()])?;
            let wanted: Vec<&str> = Some(wanted).filter(|w| *w != "-").into_iter().collect();
            check(found == wanted, format!("{filter}: {found:?} in {text}"))?;
            tried += 1;
        }
    }
    check(tried > 20, "no lines")
}

/// What the manual shows of refusals.
fn manual() -> Result<(), Failed> {
    let manual = std::fs::read_to_string(harness::root().join("docs/auth_web.md"));
    let manual = manual.map_err(|e| e.to_string())?;
    let (mut tokens, mut webhooks) = (0, 0);
    for line in manual.lines().filter(|line| line.contains(": refused (-")) {
        let is_token = line.starts_with("NOTICE:auth_web:jwt_authorize: refused (-");
        let is_webhook = ["http_authorize", "digest_authorize"]
            .iter()
            .any(|name| line.starts_with(&format!("NOTICE:auth_web:{name}: refused (-")));
        for (filter, wanted, count) in [
            ("tokens", is_token, &mut tokens),
            ("webhooks", is_webhook, &mut webhooks),
        ] {
            let found = found(filter, &[logged(line)])?;
            let wanted: &[&str] = if wanted { &["192.0.2.1"] } else { &[] };
            check(found == wanted, format!("{filter}: {found:?} in {line}"))?;
            *count += wanted.len();
        }
    }
    check(
        tokens > 0 && webhooks > 1,
        format!("{tokens} of tokens, {webhooks} of webhooks"),
    )
}

/// A script that asks for a token or the endpoint, and logs what callers write by itself.
struct Script {
    endpoint: String,
}

impl Config for Script {
    fn render(&self, core: &Core, port: u16) -> String {
        let modules = core.modules.as_ref();
        let path = modules.map(|folder| format!("mpath=\"{}/\"\n", folder.display()));
        format!(
            "log_level=4\nstderror_enabled=yes\nsyslog_enabled=no\nudp_workers=1\n\
             socket=udp:127.0.0.1:{port}\n{}\
             loadmodule \"proto_udp.so\"\nloadmodule \"sl.so\"\nloadmodule \"tm.so\"\n\
             loadmodule \"signaling.so\"\nloadmodule \"sipmsgops.so\"\nloadmodule \"{}\"\n\
             modparam(\"auth_web\", \"http_url\", \"{}\")\n\
             modparam(\"auth_web\", \"nonce_check\", 0)\n\
             modparam(\"auth_web\", \"issuer\", \"https://login.example.org/\")\n{ROUTE}",
            path.unwrap_or_default(),
            harness::module().display(),
            self.endpoint
        )
    }
}

const ROUTE: &str = r#"
route {
    if ($rm == "OPTIONS") {
        send_reply(200, "OK");
        exit;
    }
    xlog("L_NOTICE", "$rm of $hdr(Subject)\n");
    if ($hdr(X-Token) != NULL) {
        jwt_script_authorize($hdr(X-Token), "a secret of the tests, 0123456789", $avp(decoded));
    } else {
        http_authorize("", $avp(grant));
    }
    send_reply(403, "Forbidden");
    exit;
}
"#;

fn hostile(core: &Core) -> Result<(), Failed> {
    core.prepare()?;
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let token = format!("NOTICE:auth_web:jwt_authorize: refused (-1) {VICTIM}: x");
    let webhook = format!("NOTICE:auth_web:http_authorize: refused (-1) {VICTIM}: x");
    let script = Script {
        endpoint: endpoint(&webhook)?,
    };
    let mut instance = Instance::start(core, &script, folder.path()).map_err(|e| e.to_string())?;
    let (mut tokens, mut webhooks) = (0, 0);
    for text in [token.as_str(), webhook.as_str()] {
        for forged in [
            text.to_string(),
            format!("{SYSLOG}{text}"),
            format!("\" {text}"),
            format!(" from {VICTIM}: {text}"),
        ] {
            let quoted = serde_json::Value::from(format!("{forged}\n{forged}")).to_string();
            let claims = format!(r#"{{"iss":{quoted},"exp":{}}}"#, now() + 60);
            let good = r#"{"alg":"HS256"}"#;
            let wrong = format!(r#"{{"alg":{quoted},"kid":{quoted},"typ":{quoted}}}"#);
            let key = Key::Secret(SECRET.as_bytes().to_vec());
            for token in [
                with_header(&key, "HS256", good, &claims),
                with_header(&key, "HS256", &wrong, &claims),
                forged.clone(),
            ] {
                send(
                    &instance,
                    "caller",
                    &[("X-Token", &token), ("Subject", &forged)],
                )?;
                tokens += 1;
            }
            // Somebody else's name, in which escapes stand for what no name has.
            let user: String = forged.bytes().map(|byte| format!("%{byte:02x}")).collect();
            send(
                &instance,
                &user,
                &[("Authorization", "Bearer known"), ("Subject", &forged)],
            )?;
            send(&instance, "caller", &[("Authorization", "Bearer denied")])?;
            let digest = format!(
                "Digest username=\"{}\", realm=\"example.org\", nonce=\"1\", response=\"2\", uri=\"sip:a\", \
                 qop=\"{}\", username=\"x\"",
                forged.replace('"', "'"),
                forged.replace('"', "'")
            );
            send(&instance, "caller", &[("Authorization", &digest)])?;
            webhooks += 3;
            broken(&instance, &forged)?;
        }
    }
    instance.check_workers()?;
    let lines = as_syslog(&instance.log());
    check(
        lines.iter().any(|line| line.contains(VICTIM)),
        "nothing of what callers wrote was logged",
    )?;
    for (filter, least) in [("tokens", tokens), ("webhooks", webhooks)] {
        let found = found(filter, &lines)?;
        let others: Vec<&String> = found.iter().filter(|ip| *ip != "127.0.0.1").collect();
        check(
            others.is_empty(),
            format!("{filter}: {others:?} would be banned"),
        )?;
        check(
            found.len() == least,
            format!(
                "{filter}: {} of {least} were found in\n{}",
                found.len(),
                lines.join("\n")
            ),
        )?;
    }
    Ok(())
}

/// An endpoint that admits the token "known" as somebody else, and denies anything else with this text in its
/// message. It ends with the test program.
fn endpoint(text: &str) -> Result<String, Failed> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    let denied = serde_json::json!({ "status": "fail", "msg": format!("x\n{text}") }).to_string();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let denied = denied.clone();
            std::thread::spawn(move || answer(connection, &denied));
        }
    });
    Ok(format!("http://127.0.0.1:{port}/"))
}

fn answer(connection: TcpStream, denied: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection.try_clone()?);
    let mut writer = connection;
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let known = String::from_utf8_lossy(&body).contains(r#""token":"known""#);
        let json = match known {
            true => r#"{"status":"ok","aor":"mallory@example.org"}"#,
            false => denied,
        };
        let size = json.len();
        write!(
            writer,
            "HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{json}"
        )?;
    }
}

fn send(instance: &Instance, user: &str, headers: &[(&str, &str)]) -> Result<(), Failed> {
    sip::exchange(instance.port, "MESSAGE", user, headers, LIMIT)
        .map(drop)
        .map_err(|e| format!("{user} {headers:?}: {e}\n{}", instance.log()).into())
}

/// Sends what the core can't parse, and logs.
fn broken(instance: &Instance, text: &str) -> Result<(), Failed> {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let to = ("127.0.0.1", instance.port);
    for message in [
        format!("{text}\r\n\r\n"),
        format!("MESSAGE sip:a@b SIP/2.0\r\n{text}\r\n{text}\r\n\r\n"),
        format!(
            "MESSAGE {text} SIP/2.0\r\nVia: {text}\r\nFrom: {text}\r\nTo: {text}\r\nCSeq: {text}\r\n\r\n"
        ),
    ] {
        socket
            .send_to(message.as_bytes(), to)
            .map_err(|e| e.to_string())?;
    }
    // What is answered after them was read after them.
    match sip::ping("127.0.0.1", instance.port, LIMIT) {
        true => Ok(()),
        false => Err("OPTIONS is not answered".into()),
    }
}

/// What OpenSIPS printed, as it is when syslog has received it: one message is one line, in which the daemon has
/// replaced line ends.
fn as_syslog(log: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in log.lines() {
        // Nov 26 18:57:44 [4711] NOTICE:...
        let message = line.split_once("] ").filter(|(head, _)| {
            let (time, pid) = head.split_once(" [").unwrap_or(("", ""));
            time.len() == 15 && !pid.is_empty() && pid.bytes().all(|b| b.is_ascii_digit())
        });
        match (message, lines.last_mut()) {
            (Some((_, message)), _) => lines.push(logged(message)),
            (None, Some(last)) => last.push_str(&format!("#012{line}")),
            (None, None) => {}
        }
    }
    lines
}
