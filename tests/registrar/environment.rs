//! What registrar.sh refuses: OpenSIPS then does not start, and the message says why.

use std::io::Write;
use std::process::{Command, Stdio};

use harness::root;
use libtest_mimic::{Failed, Trial};

/// Settings, and what the message must say about them.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "REGISTRAR_SECRET",
        "fifteen letters",
        "REGISTRAR_SECRET must have at least 16",
    ),
    (
        "REGISTRAR_SECRET",
        "sixteen letters\" and a quote",
        "REGISTRAR_SECRET has a quote",
    ),
    (
        "SIP_PORT",
        "0",
        "SIP_PORT must be a number from 1 to 65535, not '0'",
    ),
    ("SIP_PORT", "65536", "SIP_PORT must be"),
    ("SIP_PORT", "sip", "SIP_PORT must be"),
    ("WS_PORT", "80 90", "WS_PORT must be"),
    ("UDP_WORKERS", "-1", "UDP_WORKERS must be"),
    (
        "HTTP_TIMEOUT",
        "99999999999999999999",
        "HTTP_TIMEOUT must be",
    ),
    (
        "ACCOUNT_GRACE",
        "9",
        "ACCOUNT_GRACE must be a number from 10 to",
    ),
    (
        "DEFAULT_EXPIRES",
        "604801",
        "DEFAULT_EXPIRES must be a number from 1 to 604800",
    ),
    ("REGISTRANT_INTERVAL", "9", "REGISTRANT_INTERVAL must be"),
    ("LOG_TO_STDERR", "1", "LOG_TO_STDERR must be yes or no"),
    (
        "TRUST_UDP_SOURCE",
        "1",
        "TRUST_UDP_SOURCE must be yes or no",
    ),
    (
        "TIME_SERIES_URL",
        "influx.example:8086",
        "TIME_SERIES_URL must begin with http://",
    ),
    (
        "STATS_SERVER",
        "127.0.0.1:8125",
        "STATS_SERVER must be udp:host:port",
    ),
    ("DB_URL", "postgres://localhost/x", "DB_URL must begin with"),
    ("DB_URL", "mysql://u:p@host", "DB_URL must be mysql://"),
    ("DB_URL", "mysql://u:p@ho st/x", "DB_URL must be mysql://"),
    ("DB_URL", "mysql://u:p@host/x\"y", "DB_URL must be mysql://"),
    ("DB_URL", "mysql://u:p@host/x\ny", "DB_URL must be mysql://"),
    (
        "DB_URL",
        "mysql://u:p\nq@host/x",
        "DB_URL has a control character in user or password",
    ),
    ("DB_URL", "mysql://u:p%0a@host/x", "DB_URL has a control"),
    ("DB_URL", "mysql://u:p%00@host/x", "DB_URL has a control"),
    (
        "DB_URL",
        "mysql://u:p@host/x?ssl-mode=VERIFY_CA",
        "DB_URL may have one parameter",
    ),
    (
        "DB_URL",
        "mysql://u:p@host/x?ssl-mode=REQUIRED&ssl-ca=/ca.pem",
        "DB_URL may have one parameter",
    ),
    (
        "DB_URL",
        "mysql://u:p@host/x?ssl-mode=REQUIRED",
        "DB_URL has ssl-mode=REQUIRED, but",
    ),
    ("DB_URL", "sqlite:///x\"y", "DB_URL has a quote"),
    ("DB_URL", "sqlite:///x\\y", "DB_URL has a quote"),
    ("DB_URL", "sqlite:///x\ny", "DB_URL has a quote"),
    ("TLS_PORT", "5061", "TLS_PORT and WSS_PORT need"),
    (
        "ADVERTISED_ADDRESS",
        "192.0.2.1:5060",
        "ADVERTISED_ADDRESS must be a host without",
    ),
    (
        "ADVERTISED_ADDRESS",
        "a b",
        "ADVERTISED_ADDRESS must be a host without a port, an address of IPv6 in brackets, not 'a b'",
    ),
    ("ADVERTISED_ADDRESS", "[::1", "ADVERTISED_ADDRESS must be"),
    (
        "SIP_ADDRESS",
        "192.0.2.1:5060",
        "SIP_ADDRESS must be a host without a port",
    ),
    ("SIP_ADDRESS", "a b", "SIP_ADDRESS must be"),
    ("SIP_ADDRESS", "[a.example]", "SIP_ADDRESS must be"),
    ("DIALOG_TABLE", "dialog; x", "DIALOG_TABLE must be"),
    (
        "PEERS",
        "192.0.2.1:5060,host:5060",
        "PEERS must be IP addresses",
    ),
    ("PEERS", "192.0.2.1", "PEERS must be"),
    ("PEERS", "[2001:db8::1::2]:5060", "PEERS must be"),
    ("PEERS", "192.0.2.1:5060,", "PEERS must be"),
    (
        "NEXT_HOP",
        "192.0.2.1",
        "NEXT_HOP must be hosts with a port each",
    ),
    (
        "NEXT_HOP",
        "192.0.2.1:5060,192.0.2.2:5060",
        "NEXT_HOP must be one",
    ),
    (
        "NEXT_HOP",
        "[::1]:65536",
        "NEXT_HOP must have ports from 1 to 65535, not '[::1]:65536'",
    ),
    (
        "TRUSTED_SOURCES",
        "nobody.invalid",
        "TRUSTED_SOURCES must be IP addresses, or names that have some, not 'nobody.invalid'",
    ),
    ("TRUSTED_SOURCES", "192.0.2.256", "TRUSTED_SOURCES must be"),
    ("TRUSTED_SOURCES", "[::g]", "TRUSTED_SOURCES must be"),
    ("TRUSTED_SOURCES", "$(id)", "TRUSTED_SOURCES must be"),
    ("HTTP_HEADERS", "1", "HTTP_HEADERS must be yes or no"),
    ("CLIENTS_TABLE", "a; b", "CLIENTS_TABLE must be the name"),
    (
        "CLIENTS_TABLE",
        "jambones.clients",
        "CLIENTS_TABLE needs CLIENTS_SECRET",
    ),
    (
        "CLIENTS_CIPHER",
        "des",
        "CLIENTS_CIPHER must be aes-256-cbc or aes-256-ctr",
    ),
    ("CHECKIN_EXPIRES", "999", "CHECKIN_EXPIRES must be a number"),
    (
        "CHECKIN_INTERVAL",
        "20s",
        "CHECKIN_INTERVAL must be a number",
    ),
    ("SITE_NETWORKS", "10.0.0.0/8\"", "SITE_NETWORKS has a quote"),
    (
        "SBC_ADDRESSES_TABLE",
        "a; b",
        "SBC_ADDRESSES_TABLE must be the name",
    ),
    (
        "SBC_ADDRESSES_INTERVAL",
        "1",
        "SBC_ADDRESSES_INTERVAL must be a number",
    ),
    ("PARENT_REALM", "maybe", "PARENT_REALM must be yes or no"),
    ("REQUIRE_ORIGIN", "1", "REQUIRE_ORIGIN must be yes or no"),
    (
        "OWN_NAMES",
        "sip.example.org,sip.example.org:65536",
        "OWN_NAMES must have ports from 1 to 65535, not 'sip.example.org:65536'",
    ),
    ("OWN_NAMES", "sip.example.org:", "OWN_NAMES must have ports"),
    (
        "OWN_NAMES",
        "a.example,,b.example",
        "OWN_NAMES must be names",
    ),
    ("OWN_NAMES", "[::1]", "OWN_NAMES must be names"),
    ("OWN_NAMES", "sip:a.example", "OWN_NAMES must"),
    ("OWN_NAMES", "*", "OWN_NAMES must be names"),
    ("OWN_NAMES", "a b", "OWN_NAMES must be names"),
    ("PEERS", "192.0.2 .1:5060", "PEERS must be IP addresses"),
];

/// One for all of them, and one for the defaults.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("registrar.sh: settings that are refused", || {
            REFUSED.iter().try_for_each(refused).map_err(Failed::from)
        }),
        Trial::test("registrar.sh: an address of IPv6 to listen on", || {
            listens().map_err(Failed::from)
        }),
        Trial::test("registrar.sh: says which modules are not there", || {
            hints().map_err(Failed::from)
        }),
        Trial::test("registrar.sh: addresses in every spelling", || {
            SPELLED.iter().try_for_each(spelled).map_err(Failed::from)
        }),
        Trial::test(
            "registrar.sh: the defaults and every edge are taken",
            || {
                accepted(&[])
                    .and_then(|()| accepted(&[("SIP_PORT", "1"), ("HTTP_TIMEOUT", "60000")]))
                    .and_then(|()| accepted(&[("ACCOUNT_TTL", "0"), ("ACCOUNT_GRACE", "0")]))
                    .and_then(|()| accepted(&[("DEFAULT_EXPIRES", "604800")]))
                    .and_then(|()| {
                        accepted(&[("PEERS", "192.0.2.1:5060,[2001:db8:0:0:0:0:0:1]:5060")])
                    })
                    .and_then(|()| {
                        accepted(&[("PEERS", "[2001:db8::1]:5060"), ("NEXT_HOP", "[::1]:5070")])
                    })
                    .and_then(|()| accepted(&[("NEXT_HOP", "localhost:5070")]))
                    .and_then(|()| accepted(&[("ADVERTISED_ADDRESS", "[2001:db8::1]")]))
                    .map_err(Failed::from)
            },
        ),
    ]
}

/// Its standard output and error, and whether it succeeded.
fn run(settings: &[(&str, &str)]) -> Result<(String, String, bool), String> {
    let failed = |e: std::io::Error| format!("registrar.sh: {e}");
    let mut child = Command::new("/bin/sh")
        .arg(root().join("opensips-cfg/registrar.sh"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("REGISTRAR_SECRET", "0123456789abcdef")
        .env("OPENSIPS_MODULES", "/nonexistent/")
        .envs(settings.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut script = std::fs::read(root().join("opensips-cfg/registrar.cfg")).map_err(failed)?;
    // More than a pipe holds: who writes it is killed if it is not read to its end.
    script.extend_from_slice(&b"# and so on\n".repeat(10_000));
    script.extend_from_slice(b"# }\n");
    let input = child.stdin.take();
    let writer =
        std::thread::spawn(move || input.map_or(Ok(()), |mut input| input.write_all(&script)));
    let output = child.wait_with_output().map_err(failed)?;
    let written = writer.join().map_err(|_| "a panic".to_string())?;
    written.map_err(failed)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let success = output.status.success();
    Ok((text(&output.stdout), text(&output.stderr), success))
}

fn refused((name, value, words): &(&str, &str, &str)) -> Result<(), String> {
    let (script, said, success) = run(&[(name, value)])?;
    if success || !said.contains(words) {
        return Err(format!("{name}={value}: {said:?}, not {words:?}"));
    }
    // A caller that ignores its status does not get a script either.
    match script.contains("\nroute {") && script.ends_with("}\n") {
        true => Err(format!("{name}={value}: a whole script")),
        false => Ok(()),
    }
}

fn listens() -> Result<(), String> {
    for (address, socket) in [
        ("::1", "socket=udp:[::1]:5060"),
        ("[::1]", "socket=udp:[::1]:5060"),
        ("192.0.2.1", "socket=udp:192.0.2.1:5060"),
    ] {
        let (script, said, success) = run(&[("SIP_ADDRESS", address)])?;
        if !success || !script.lines().any(|line| line == socket) {
            return Err(format!("{address}: no {socket}: {said}"));
        }
    }
    Ok(())
}

/// What OpenSIPS would say to syslog alone.
fn hints() -> Result<(), String> {
    let (_, said, success) = run(&[("AUTH_WEB", "/nowhere/auth_web.so")])?;
    for hint in [
        "there is no tm.so in '/nonexistent/'",
        "there is no '/nowhere/auth_web.so'",
    ] {
        if !success || !said.contains(hint) {
            return Err(format!("no {hint:?}: {said}"));
        }
    }
    Ok(())
}

/// Hosts, and how they are written where source addresses are compared with them.
fn spelled((hosts, written): &(&str, &str)) -> Result<(), String> {
    let (script, said, _) = run(&[("TRUSTED_SOURCES", hosts)])?;
    let call = format!("if (is_from(\"{written}\") ||");
    match script.lines().any(|known| known.trim().starts_with(&call)) {
        true => Ok(()),
        false => Err(format!("{hosts} is not {written}: {said}")),
    }
}

const SPELLED: &[(&str, &str)] = &[
    ("", ""),
    ("192.0.2.1", "192.0.2.1:*"),
    ("192.0.2.1:5070", "192.0.2.1:5070"),
    (
        "[::1]:5070, 192.0.2.1",
        "[0:0:0:0:0:0:0:1]:5070,192.0.2.1:*",
    ),
    ("::1", "[0:0:0:0:0:0:0:1]:*"),
    ("[2001:DB8:0::0001]", "[2001:db8:0:0:0:0:0:1]:*"),
    (
        "2001:0db8:0000:0000:0000:0000:0000:0001",
        "[2001:db8:0:0:0:0:0:1]:*",
    ),
    ("[::ffff:192.0.2.1]:5060", "[0:0:0:0:0:ffff:c000:201]:5060"),
    ("[fe80::]:1", "[fe80:0:0:0:0:0:0:0]:1"),
];

fn accepted(settings: &[(&str, &str)]) -> Result<(), String> {
    let (script, said, success) = run(settings)?;
    let left = script.lines().filter(|line| !line.starts_with('#'));
    let left = left.filter(|line| line.contains("${")).count();
    // The folder of the modules is made up.
    let hints = said.lines().all(|line| line.contains(": there is no "));
    match success && hints && left == 0 && script.contains("\nroute {") {
        true => Ok(()),
        false => Err(format!("{settings:?}: {said}, {left} settings left")),
    }
}
