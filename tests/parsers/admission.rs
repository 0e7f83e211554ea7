//! What must hold for an answer.

use super::reading;
use super::wire::Seen;

/// Values that both report, by the end of their field's name.
const SHARED: [&str; 8] = [
    "username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce",
];

/// The compact forms that every release knows.
const COMPACT: [(&str, &str); 10] = [
    ("Via", "v"),
    ("From", "f"),
    ("To", "t"),
    ("Call-ID", "i"),
    ("Contact", "m"),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
    ("Supported", "k"),
    ("Event", "o"),
    ("Session-Expires", "x"),
];

/// Fails if the module admitted somebody whom the core names differently, or accepted a message
/// that can be read in two ways.
pub fn check(seen: &Seen) -> Result<(), String> {
    let headers = reading::head(&seen.request);
    match (seen.checked.as_str(), seen.code.as_str()) {
        ("1", _) => one_head(&headers, seen)?,
        // -1: the core could not even create a transaction for it, in which it would wait.
        ("-1", "-6" | "-1") => return Ok(()),
        ("-1", code) => return Err(format!("check_headers says -1, http_authorize {code}")),
        (checked, _) => return Err(format!("check_headers says {checked}")),
    }
    match seen.code.as_str() {
        "1" => admitted(&headers, seen),
        // A request that is not admitted has no user.
        "-1" | "-4" | "-6" => match seen.bytes("our-username") {
            None => Ok(()),
            Some(name) => Err(format!("not admitted, and named: {}", name.escape_ascii())),
        },
        code => Err(format!("http_authorize says {code}")),
    }
}

/// The core sees the same headers as any other reader.
fn one_head(headers: &[(Vec<u8>, Vec<u8>)], seen: &Seen) -> Result<(), String> {
    if reading::is_split_otherwise(&seen.request) {
        return Err("there is a NUL in it, or a CR that ends no line".to_string());
    }
    let names = headers
        .iter()
        .map(|(name, _)| [name, b"\0".as_slice()].concat());
    let names = names.collect::<Vec<_>>().concat();
    same("names", Some(names), seen.bytes("core-names"))?;
    for (name, field) in [
        ("Authorization", "core-authorization"),
        ("Proxy-Authorization", "core-proxy-authorization"),
    ] {
        let values = reading::values(headers, name);
        let count = seen.number(&format!("{field}s"));
        if count != Some(values.len()) {
            return Err(format!(
                "{name}: the core counts {count:?}, others {}",
                values.len()
            ));
        }
        let plain = |value: &[u8]| reading::plain(value);
        let first = values.first().map(|value| plain(value));
        same(name, first, seen.bytes(field).map(|value| plain(&value)))?;
    }
    for (name, count) in seen.counts() {
        let compact = COMPACT.iter().find(|(long, _)| *long == name);
        let is = |known: &[u8], name: &str| known.eq_ignore_ascii_case(name.as_bytes());
        let of =
            |known: &[u8]| is(known, name) || compact.is_some_and(|(_, short)| is(known, short));
        let others = headers.iter().filter(|(known, _)| of(known)).count();
        if count != others {
            return Err(format!("{name}: the core counts {count}, others {others}"));
        }
        if ["From", "To", "Call-ID", "CSeq"].contains(&name) && count > 1 {
            return Err(format!("{name} is there {count} times"));
        }
    }
    Ok(())
}

/// There is one user, whichever reader is asked.
fn admitted(headers: &[(Vec<u8>, Vec<u8>)], seen: &Seen) -> Result<(), String> {
    let header = seen.bytes("our-header").unwrap_or_default();
    let header = String::from_utf8_lossy(&header).into_owned();
    if reading::values(headers, &header).is_empty() {
        return Err(format!(
            "admitted by the header {header:?}, which is not there"
        ));
    }
    let ours = seen.bytes("our-username");
    if let Some(core) = seen.bytes("core-username") {
        same("username", ours.clone(), Some(core))?;
    }
    // What the endpoint was asked about.
    let asked = seen.bytes("grant").unwrap_or_default();
    let asked: serde_json::Value = serde_json::from_slice(&asked)
        .map_err(|e| format!("the grant is no JSON: {e}: {}", asked.escape_ascii()))?;
    for name in ["username", "realm"] {
        let asked = asked["asked"][name].as_str();
        let asked = asked.map(|text| text.as_bytes().to_vec());
        same(
            &format!("{name} that the endpoint was asked about"),
            seen.bytes(&format!("our-{name}")),
            asked,
        )?;
    }
    let alone = ["Authorization", "Proxy-Authorization"]
        .iter()
        .map(|name| reading::values(headers, name).len())
        .sum::<usize>()
        == 1;
    let scheme = seen.bytes("our-scheme");
    if alone && scheme.as_deref() == Some(b"digest") && seen.bytes("core-response").is_some() {
        for name in SHARED {
            let ours = seen.bytes(&format!("our-{name}"));
            let core = seen.bytes(&format!("core-{name}"));
            // Only the module removes escapes; it accepts none in names.
            let escaped = core.iter().flatten().any(|byte| *byte == b'\\');
            // The core does not know `username*`.
            let unknown = name == "username" && core.is_none();
            if !unknown && (!escaped || name == "username" || name == "realm") {
                same(name, ours, core)?;
            }
        }
    }
    about(seen)
}

/// The address of record is that of the core's To or From.
fn about(seen: &Seen) -> Result<(), String> {
    let whose = match seen.bytes("core-method").as_deref() {
        Some(b"REGISTER") => "to",
        _ => "from",
    };
    let of = |part: &str| {
        let bytes = seen.bytes(&format!("core-{whose}-{part}"));
        bytes.unwrap_or_default()
    };
    let user: Vec<u8> = percent_encoding::percent_decode(&of("user")).collect();
    let domain = of("domain").to_ascii_lowercase();
    let ours = |part: &str| Some(seen.bytes(part).unwrap_or_default());
    same("user of the address", ours("our-aor-user"), Some(user))?;
    same(
        "domain of the address",
        ours("our-aor-domain"),
        Some(domain),
    )
}

fn same(what: &str, ours: Option<Vec<u8>>, theirs: Option<Vec<u8>>) -> Result<(), String> {
    let shown = |value: &Option<Vec<u8>>| match value {
        Some(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        None => "nothing".to_string(),
    };
    match ours == theirs {
        true => Ok(()),
        false => Err(format!(
            "{what}: {} here, {} there",
            shown(&ours),
            shown(&theirs)
        )),
    }
}
