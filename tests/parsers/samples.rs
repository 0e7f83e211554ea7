//! What devices send can be read in only one way.

use std::path::{Path, PathBuf};

use harness;
use harness::core::Core;

use super::admission;
use super::wire::{Request, Way, Wire};

/// All that may be done to a head, in the manner of RFC 4475 section 3.1.1.1.
const ODD: &str = "INVITE sip:a.example SIP/2.0
Via: SIP/2.0/UDP here
TO :
 sip:john@a.example ;   tag    = 1918181833n
from   : \"J \\\\\\\"\"       <sip:john@a.example>
  ;
  tag = 98asjd8
MaX-fOrWaRdS: 0068
Call-ID: odd.ndaksdj
cseq: 0009 INVITE
V  : SIP/2.0/UDP 192.0.2.2;branch=390skdjuw
s :
NewFangledHeader:   newfangled value
 continued newfangled value
UnknownHeaderWithUnusualValue: ;;,,;;,;
Content-Type: application/sdp
Route:
 <sip:192.0.2.1;lr;unknownwith=value;unknown-no-value>
m:\"Quoted string \\\"\\\"\" <sip:john@192.0.2.3> ; newparam =
      newvalue ;
  secondparam ; q = 0.33
AUTHORIZATION  :
 Digest
 username = \"john\" ,realm=\"a.example\"
 , NONCE=n, uri=\"sip:a.example\",response=0123456789abcdef0123456789abcdef
l   : 0
";

/// Sends the requests of the SIPp scenarios, and those of `PARSERS_SAMPLES`: `check_headers` must
/// accept every one of them.
pub fn run(core: &Core) -> Result<(), String> {
    let mut samples = Vec::new();
    for path in files(&harness::root().join("tests/sipp"))? {
        let text = read(&path)?;
        for part in text.split("<![CDATA[").skip(1) {
            let message = part.split("]]>").next().unwrap_or_default();
            samples.push((path.clone(), message.to_string()));
        }
    }
    if let Some(folder) = std::env::var_os("PARSERS_SAMPLES") {
        for path in files(Path::new(&folder))? {
            samples.push((path.clone(), read(&path)?));
        }
    }
    samples.push((PathBuf::from("samples.rs"), ODD.to_string()));
    let mut wire = Wire::start(core)?;
    let mut passed = 0;
    for (path, text) in samples {
        let Some(request) = request(&text, wire.local_port()) else {
            continue;
        };
        let of = |error: &str| format!("{}: {error}\n\n{request}", path.display());
        for way in [Way::AtOnce, Way::Waiting] {
            let answers = wire.exchange(way, std::slice::from_ref(&request))?;
            let Some(Some(seen)) = answers.first() else {
                return Err(of(&format!("{way:?}: not answered")));
            };
            if seen.checked != "1" {
                return Err(of(&format!("{way:?}: check_headers says {}", seen.checked)));
            }
            admission::check(seen).map_err(|error| of(&format!("{way:?}: {error}")))?;
        }
        passed += 1;
    }
    match passed {
        0..30 => Err(format!("only {passed} samples were found")),
        _ => Ok(()),
    }
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

/// A request from a scenario, with a value for each keyword; `None` if it is not a request or has
/// no answer.
fn request(text: &str, port: u16) -> Option<Request> {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let begin = lines.iter().position(|line| !line.trim().is_empty())?;
    let indent = lines[begin].len() - lines[begin].trim_start().len();
    let mut first = lines[begin].trim().split(' ');
    let method = [
        "REGISTER",
        "INVITE",
        "BYE",
        "OPTIONS",
        "SUBSCRIBE",
        "PUBLISH",
        "MESSAGE",
    ]
    .into_iter()
    .find(|method| first.clone().next() == Some(*method))?;
    if first.next_back() != Some("SIP/2.0") {
        return None;
    }
    let mut head = String::new();
    for line in &lines[begin + 1..] {
        // Indented like the first line; deeper lines are folded.
        let line = line.get(indent..).unwrap_or_default();
        if line.is_empty() {
            break;
        }
        // The answer returns here, whatever address the sample has.
        match line.starts_with("Via:") && !head.contains("Via:") {
            true => head += &format!("Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-s\r\n"),
            false => head += &format!("{}\r\n", filled(line)),
        }
    }
    let rest = head.into_bytes();
    Some(Request {
        lead: Vec::new(),
        method,
        rest: [rest.as_slice(), b"\r\n"].concat(),
    })
}

/// With every `[keyword]` and `{placeholder}` replaced.
fn filled(line: &str) -> String {
    const DIGEST: &str = "Authorization: Digest username=\"john\", realm=\"a.example\", \
                          nonce=\"n\", uri=\"sip:a.example\", \
                          response=\"0123456789abcdef0123456789abcdef\"";
    let mut out = String::new();
    let mut rest = line;
    while let Some(begin) = rest.find(['[', '{']) {
        let (before, from) = rest.split_at(begin);
        let Some(end) = from.find([']', '}']) else {
            break;
        };
        let word = &from[1..end];
        out += before;
        out += match word.split([' ', '-', ':']).next().unwrap_or_default() {
            "authentication" => DIGEST,
            // Whole lines.
            _ if line.trim() == &from[..=end] => "X-Line: 1",
            "branch" => "z9hG4bK-s",
            "len" => "0",
            "peer_tag_param" => ";tag=1",
            _ => "1",
        };
        rest = &from[end + 1..];
    }
    out + rest
}
