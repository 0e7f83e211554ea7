//! The shipped script that calls out, with SIPp as a carrier that challenges.

use std::process::{Command, Stdio};

use harness::core::Core;
use harness::database;
use harness::instance::{Config, Instance, tail};
use harness::server::{Server, wait_for};
use harness::{module, ports, root, sip};
use md5::{Digest, Md5};

use super::{LIMIT, Place, SECRET, Setting};

pub const SCRIPT: &str = "opensips-cfg/outbound-auth.cfg";

/// User names of the entries, and the endings of their passwords.
const USERS: [(&str, &str); 4] = [
    ("proxy-user", "1"),
    ("user", "2"),
    ("refused", "4"),
    ("named", "5"),
];

/// A password that uac_auth() would take for a hash of one.
pub const HASH: &str = "0x00112233445566778899aabbccddeeff";

/// The scenario, what the caller gets, and who answered.
const CASES: [(&str, u16, &[&str]); 4] = [
    // One proxy challenge.
    ("carrier_407", 200, &["proxy-user"]),
    // Unknown schemes and algorithms, then two realms, only the second of which has an entry.
    ("carrier_realms", 200, &["user"]),
    // A proxy and the server behind it, one after the other.
    ("carrier_twice", 200, &["proxy-user", "user", "proxy-user"]),
    // A rejected password is not sent again and again.
    ("carrier_refuses", 401, &["refused"]),
];

pub fn run(setting: &Setting, place: &Place) -> Result<(), String> {
    for (scenario, status, answers) in CASES {
        one(setting, place, scenario, status, answers).map_err(|e| format!("{scenario}: {e}"))?;
    }
    Ok(())
}

/// Why this core can't run the script.
pub fn missing(core: &Core) -> Option<String> {
    if !core.is_opensips() {
        return Some("the stand-in has no tm and no dialog".to_string());
    }
    ["cachedb_local.so", "cfgutils.so", "dialog.so"]
        .iter()
        .find(|file| core.module(file).is_none())
        .map(|file| format!("this OpenSIPS has no {file}"))
}

fn one(
    setting: &Setting,
    place: &Place,
    scenario: &str,
    status: u16,
    answers: &[&str],
) -> Result<(), String> {
    let carrier = ports::free();
    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let mut command = Command::new(database::program("sipp").ok_or("no sipp")?);
    command
        .arg("-sf")
        .arg(root().join(format!("tests/sipp/{scenario}.xml")))
        .args(["-i", "127.0.0.1", "-p", &carrier.to_string(), "-m", "1"])
        .args("-nostdin -recv_timeout 20000 -timeout 60 -timeout_error".split_whitespace())
        .args("-trace_msg -message_file messages -trace_err -error_file errors".split_whitespace())
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut sipp = Server::start(&mut command).map_err(|e| e.to_string())?;
    let script = Outbound::over("127.0.0.1", carrier);
    let mut instance =
        Instance::start(&place.core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let answer = sip::exchange(instance.port, "INVITE", "callee", &[], LIMIT);
    let said = || {
        let messages = std::fs::read(folder.join("messages")).unwrap_or_default();
        let errors = std::fs::read(folder.join("errors")).unwrap_or_default();
        format!(
            "{}\n{}",
            tail(&String::from_utf8_lossy(&errors), 10),
            tail(&String::from_utf8_lossy(&messages), 60)
        )
    };
    match answer {
        Ok(answer) if answer.status == status => {}
        other => {
            let log = tail(&instance.log(), 40);
            return Err(format!(
                "{status} expected, got {other:?}\n{}\n{log}",
                said()
            ));
        }
    }
    let ended = wait_for(LIMIT, || sipp.ended());
    if !ended.is_some_and(|status| status.success()) {
        return Err(format!("SIPp has seen something else\n{}", said()));
    }
    let messages = std::fs::read_to_string(folder.join("messages")).map_err(|e| e.to_string())?;
    check_answers(&messages, answers)?;
    instance.check_workers()?;
    match instance.log().contains(SECRET) {
        true => Err("a password is in the log".to_string()),
        false => Ok(()),
    }
}

/// Every answer that the carrier received is correct (RFC 7616 section 3.4.1, with qop auth and
/// MD5): SIPp itself checks Authorization only.
fn check_answers(messages: &str, expected: &[&str]) -> Result<(), String> {
    let mut seen = Vec::new();
    for line in messages.lines() {
        if line.contains("Authorization: Digest ") {
            seen.push(check_answer(line, "INVITE")?);
        }
    }
    match seen == expected {
        true => Ok(()),
        false => Err(format!("{expected:?} expected, answered has {seen:?}")),
    }
}

/// The user name of an answer that is correct for its nonce.
pub fn check_answer(line: &str, method: &str) -> Result<String, String> {
    let (_, answer) = line.split_once("Digest ").ok_or("no Digest")?;
    let value = |name: &str| {
        let mark = format!("{name}=");
        let field = answer
            .split(',')
            .find_map(|field| field.trim().strip_prefix(&mark))
            .unwrap_or_default();
        field.trim_matches('"').to_string()
    };
    let user = value("username");
    let (_, password) = USERS
        .iter()
        .find(|(name, _)| *name == user)
        .ok_or_else(|| format!("there is no user {user}"))?;
    let first = md5(&format!("{user}:{}:{SECRET}{password}", value("realm")));
    let second = md5(&format!("{method}:{}", value("uri")));
    let middle = ["nonce", "nc", "cnonce", "qop"].map(value).join(":");
    match md5(&format!("{first}:{middle}:{second}")) == value("response") {
        true => Ok(user),
        false => Err(format!("the wrong password: {line}")),
    }
}

fn md5(text: &str) -> String {
    let hash = Md5::digest(text.as_bytes());
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The shipped script, with the addresses of the test and its credentials.
pub struct Outbound {
    /// What replaces the line that chooses a carrier.
    pub choice: String,
}

impl Outbound {
    /// All calls go to that carrier.
    pub fn over(host: &str, port: u16) -> Outbound {
        let choice = format!("$rd = \"{host}\"; $rp = {port};");
        Outbound { choice }
    }
}

impl Config for Outbound {
    fn render(&self, core: &Core, port: u16) -> String {
        let path = root().join(SCRIPT);
        let text = std::fs::read_to_string(path).expect("it ships");
        let mut out = String::new();
        for line in text.lines() {
            let changed = if line.starts_with("socket=") {
                format!("socket=udp:127.0.0.1:{port}")
            } else if line.starts_with("stderror_enabled=") {
                "stderror_enabled=yes".to_string()
            } else if line.starts_with("syslog_enabled=") {
                "syslog_enabled=no".to_string()
            } else if line.starts_with("mpath=") {
                let folder = core.modules.as_deref().unwrap_or("/".as_ref());
                format!("mpath=\"{}/\"", folder.display())
            } else if line == "loadmodule \"auth_web.so\"" {
                format!("loadmodule \"{}\"", module().display())
            } else if line.starts_with("modparam(\"auth_web\", \"credential\"") {
                continue;
            } else if line.trim() == "#$rd = \"sip.carrier.example\";" {
                self.choice.clone()
            } else {
                line.to_string()
            };
            out.push_str(&changed);
            out.push('\n');
            if line == "loadmodule \"auth_web.so\"" {
                for entry in [
                    format!("proxy-user:'{SECRET}1';server=127.0.0.1;realm=\\\"the proxy\\\""),
                    format!("user:{SECRET}2;server=127.0.0.1;realm=inner.example;user=caller"),
                    format!("wrong:{SECRET}3;server=127.0.0.1;realm=inner.example"),
                    format!("refused:{SECRET}4;realm=refused.example"),
                    format!("named:{SECRET}5;server=localhost"),
                    // What looks like a hash is a password, too.
                    format!("hashed:{HASH};realm=hash.example"),
                    format!("quoted:'{SECRET}6';realm='a \\\"b\\\"'"),
                ] {
                    out.push_str(&format!(
                        "modparam(\"auth_web\", \"credential\", \"{entry}\")\n"
                    ));
                }
            }
        }
        out
    }
}
