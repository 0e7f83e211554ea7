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
        "CARRIERS_TABLE",
        "voip;carriers",
        "CARRIERS_TABLE must be the name of a table",
    ),
    ("TRUNK_INTERVAL", "0", "TRUNK_INTERVAL must be"),
    ("TRUNK_RETRY", "x", "TRUNK_RETRY must be"),
    (
        "TRUNK_BY_ADDRESS",
        "1",
        "TRUNK_BY_ADDRESS must be yes or no",
    ),
    (
        "TRUNK_TLS_CA",
        "/ca.pem",
        "TRUNK_TLS_CA needs CARRIERS_TABLE",
    ),
    ("PING_TTL", "0", "PING_TTL must be"),
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
    (
        "ADOPT_INTERVAL",
        "86401",
        "ADOPT_INTERVAL must be a number from 0 to 86400",
    ),
    ("DEVICE_LIMITS", "1", "DEVICE_LIMITS must be yes or no"),
    (
        "NAT_DEVICES",
        "all",
        "NAT_DEVICES must be udp or named, not 'all'",
    ),
    ("HTTP_USER_AGENT", "a\"b", "HTTP_USER_AGENT has a quote"),
    // Under sidecar's names.
    (
        "JAMBONES_MYSQL_HOST",
        "db",
        "JAMBONES_MYSQL_HOST needs JAMBONES_MYSQL_USER",
    ),
    (
        "JAMBONES_REDIS_SENTINELS",
        "a:26379",
        "JAMBONES_REDIS_SENTINELS needs JAMBONES_REDIS_SENTINEL_MASTER_NAME",
    ),
    (
        "JAMBONES_REDIS_PORT",
        "x",
        "REDIS_PORT must be a number from 1 to 65535, not 'x' (JAMBONES_REDIS_PORT)",
    ),
    (
        "JAMBONES_LOGLEVEL",
        "loud",
        "JAMBONES_LOGLEVEL must be trace, debug, info, warn, error, fatal or silent, not 'loud'",
    ),
    (
        "JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL",
        "7200",
        "REGISTRANT_MIN_EXPIRES must be a number from 1 to 3600, not '7200' \
         (JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL)",
    ),
];

/// A database of jambonz's, under sidecar's names.
const DATABASE: [(&str, &str); 4] = [
    ("JAMBONES_MYSQL_HOST", "db.example"),
    ("JAMBONES_MYSQL_USER", "jam bones"),
    ("JAMBONES_MYSQL_PASSWORD", "p@ss:w/%41\"#"),
    ("JAMBONES_MYSQL_DATABASE", "jambones"),
];

/// A written database, with this place.
const DATABASE_URL: &str = "mysql://jam%20bones:p%40ss%3aw%2f%2541%22%23@db.example:3306/jambones";

/// Settings, and lines of the script; what they begin with "!" is not there.
type Meaning<'a> = (Vec<(&'a str, &'a str)>, Vec<String>);

/// What sidecar's settings mean.
fn meanings() -> Vec<Meaning<'static>> {
    let parameter =
        |name: &str, value: &str| format!("modparam(\"auth_web\", \"{name}\", {value})");
    let text = |name: &str, value: &str| parameter(name, &format!("\"{value}\""));
    let database = |more: &[(&'static str, &'static str)]| [&DATABASE[..], more].concat();
    let no_limits = "    $avp(limit) := \"-1\";".to_string();
    vec![
        (
            database(&[]),
            vec![text("db_url", DATABASE_URL), no_limits.clone()],
        ),
        (
            database(&[("JAMBONES_HOSTING", "1"), ("JAMBONES_MYSQL_PORT", "3307")]),
            vec![
                text("db_url", &DATABASE_URL.replace("3306", "3307")),
                format!("!{no_limits}"),
                "!modparam(\"auth_web\", \"clients_table\"".to_string(),
            ],
        ),
        // Whoever writes elsewhere reads there as well.
        (
            database(&[
                ("JAMBONES_MYSQL_WRITE_HOST", "2001:db8::1"),
                ("JAMBONES_MYSQL_WRITE_USER", "w"),
                ("JAMBONES_MYSQL_WRITE_PASSWORD", "x"),
                ("JAMBONES_MYSQL_WRITE_DATABASE", "j"),
            ]),
            vec![text("db_url", "mysql://w:x@[2001:db8::1]:3306/j")],
        ),
        // Half of it is none.
        (
            database(&[("JAMBONES_MYSQL_WRITE_HOST", "other.example")]),
            vec![text("db_url", DATABASE_URL)],
        ),
        // Ours wins.
        (
            database(&[
                ("DB_URL", "mysql://a:b@c/d"),
                ("JAMBONES_MYSQL_REFRESH_TTL", "60"),
                ("ACCOUNT_TTL", "7"),
            ]),
            vec![
                text("db_url", "mysql://a:b@c/d"),
                parameter("cache_ttl", "7"),
                format!("!{no_limits}"),
            ],
        ),
        (
            database(&[
                ("JAMBONES_TIME_SERIES_HOST", "influx.example"),
                ("ENABLE_METRICS", "1"),
                ("STATS_HOST", "statsd.example"),
                ("STATS_PROTOCOL", "tcp"),
                ("STATS_PREFIX", "jb."),
            ]),
            vec![
                text("alerts_url", "http://influx.example:8086"),
                text("stats_server", "tcp:statsd.example:8125"),
                text("stats_prefix", "jb."),
            ],
        ),
        (
            database(&[("STATS_HOST", "statsd.example"), ("STATS_PREFIX", "jb.")]),
            vec![
                "!modparam(\"auth_web\", \"stats_".to_string(),
                "!modparam(\"auth_web\", \"alerts_url\"".to_string(),
            ],
        ),
        // The shortest secret, from which another is made that is as long as ours have to be.
        (
            database(&[("REGISTRAR_SECRET", ""), ("JWT_SECRET", "k")]),
            vec![
                text(
                    "nonce_secret",
                    "5ca111d80613f0bbf625d28c74611db74e64a9482b058b1b3a0edec46b411bc6",
                ),
                text("clients_table", "registrar_clients"),
                text("clients_secret", "k"),
                text("clients_cipher", "aes-256-cbc"),
            ],
        ),
        (
            database(&[
                ("JWT_SECRET", "k"),
                ("ENCRYPTION_SECRET", "a \"quoted\" \\ secret"),
                ("LEGACY_CRYPTO", "true"),
            ]),
            vec![
                text("nonce_secret", "0123456789abcdef"),
                text("clients_secret", r#"a \"quoted\" \\ secret"#),
                text("clients_cipher", "aes-256-ctr"),
            ],
        ),
        // Without clients.
        (
            database(&[("JWT_SECRET", "k"), ("CLIENTS_TABLE", "")]),
            vec!["!modparam(\"auth_web\", \"clients_table\"".to_string()],
        ),
        (
            vec![
                ("JAMBONES_REDIS_HOST", "r.example"),
                ("JAMBONES_REDIS_PORT", "6380"),
                ("JAMBONES_REDIS_USERNAME", "u@"),
                ("JAMBONES_REDIS_PASSWORD", "p:\""),
            ],
            vec![
                text("cachedb_url", "redis://u%40:p%3a%22@r.example:6380/0"),
                parameter("registration_adopt_interval", "30"),
            ],
        ),
        (
            vec![
                ("JAMBONES_REDIS_SENTINELS", "a,b:1, [2001:db8::1]:2"),
                ("JAMBONES_REDIS_SENTINEL_MASTER_NAME", "my master"),
                ("JAMBONES_REDIS_SENTINEL_PASSWORD", "p&"),
                ("JAMBONES_REDIS_SENTINEL_USERNAME", "u"),
                ("JAMBONES_REDIS_SENTINEL_SERVER_PASSWORD", "s&"),
                ("ENABLE_JAMBONES_REDIS_TLS", "1"),
                ("JAMBONES_REDIS_TLS_CA_FILE", "/a b.pem"),
            ],
            vec![text(
                "cachedb_url",
                "rediss+sentinel://u:p%26@a,b:1,[2001:db8::1]:2/my%20master?tls_ca=%2fa%20b.pem\
                 &sentinel_password=s%26",
            )],
        ),
        (
            vec![
                ("JAMBONES_REDIS_HOST", "r.example"),
                ("ENABLE_JAMBONES_REDIS_TLS", "1"),
                ("JAMBONES_REDIS_TLS_CERT_FILE", "/c"),
                ("JAMBONES_REDIS_TLS_KEY_FILE", "/k"),
            ],
            vec![text(
                "cachedb_url",
                "rediss://r.example:6379/0?tls_cert=%2fc&tls_key=%2fk",
            )],
        ),
        (
            vec![("REDIS_URL", "redis+cluster://a,b/")],
            vec![parameter("registration_adopt_interval", "0")],
        ),
        (
            vec![
                ("JAMBONES_LOGLEVEL", "debug"),
                ("JAMBONES_HTTP_USER_AGENT_HEADER", "jambonz 1"),
                ("JAMBONES_REGBOT_DEFAULT_EXPIRES_INTERVAL", "0"),
            ],
            vec![
                "log_level=4".to_string(),
                text("http_user_agent", "jambonz 1"),
            ],
        ),
        (
            vec![("JAMBONES_LOGLEVEL", "info")],
            vec![
                "log_level=3".to_string(),
                "!modparam(\"auth_web\", \"http_user_agent\"".to_string(),
            ],
        ),
        // Where it listens, and where others of the site reach it.
        (
            vec![
                ("SIP_ADDRESS", "10.1.2.3"),
                ("JAMBONES_NETWORK_CIDR", "192.0.2.0/24, 10.1.0.0/16"),
            ],
            vec![text("registration_private_address", "10.1.2.3:5060")],
        ),
    ]
}

fn meant((settings, lines): &Meaning<'_>) -> Result<(), String> {
    let (script, said, success) = run(settings)?;
    for line in lines {
        let found = match line.strip_prefix('!') {
            Some(begin) => !script.lines().any(|known| known.starts_with(begin)),
            None => script.lines().any(|known| known == line),
        };
        if !success || !found {
            return Err(format!("{settings:?}: not as in {line:?}: {said}"));
        }
    }
    Ok(())
}

/// What is said of them on standard error.
fn told() -> Result<(), String> {
    for (settings, words) in [
        (
            &[("DRACHTIO_HOST", "127.0.0.1"), ("DRACHTIO_SECRET", "cymru")][..],
            "of sidecar's settings these mean nothing here: DRACHTIO_HOST DRACHTIO_SECRET\n",
        ),
        (
            &[("REDIS_HOST", "a"), ("JAMBONES_REDIS_HOST", "b")],
            "settings of sidecar that ours, in brackets, overrule: JAMBONES_REDIS_HOST (REDIS_HOST)\n",
        ),
        (
            &[
                ("SIP_ADDRESS", "203.0.113.1"),
                ("JAMBONES_NETWORK_CIDR", "10.0.0.0/8"),
            ],
            "SIP_ADDRESS is not in 10.0.0.0/8: jambonz's servers must reach 203.0.113.1, or PRIVATE_ADDRESS\n",
        ),
        (
            &[("JAMBONES_NETWORK_CIDR", "203.0.113.0/30")],
            "this machine has no address in 203.0.113.0/30: it listens on 127.0.0.1 alone (SIP_ADDRESS)\n",
        ),
    ] {
        let (_, said, success) = run(settings)?;
        if !success || !said.contains(words) || said.contains("cymru") {
            return Err(format!("{settings:?}: {said}"));
        }
    }
    Ok(())
}

/// A certificate that sidecar would check.
fn unchecked() -> Result<(), String> {
    let with = |value: &'static str| {
        let more = [("JAMBONES_MYSQL_REJECT_UNAUTHORIZED", value)];
        run(&[&DATABASE[..], &more].concat())
    };
    let (_, said, success) = with("1")?;
    if success || !said.contains("JAMBONES_MYSQL_REJECT_UNAUTHORIZED must be 0, or DB_URL be given")
    {
        return Err(format!("1: {said}"));
    }
    // The modules of OpenSIPS that this needs are not there.
    match with("0")? {
        (_, said, false) if said.contains("DB_URL has ssl-mode=REQUIRED, but") => Ok(()),
        (_, said, _) => Err(format!("0: {said}")),
    }
}

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
        Trial::test("registrar.sh: sidecar's settings", || {
            let meant = meanings().iter().try_for_each(meant);
            meant
                .and_then(|()| told())
                .and_then(|()| unchecked())
                .map_err(Failed::from)
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
