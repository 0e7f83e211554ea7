//! What senders write wrongly to a registrar: each is told what it is, none of it is an error of the server's,
//! and nobody loses a registration by it.

use super::bindings::{self, Proof};
use super::device::{Device, Reply, Written};
use super::instance::Instance;

/// Lines of a REGISTER that is authorized, and the reason for which it is refused. `C` is a contact.
const REGISTRATIONS: [(&[&str], &str); 30] = [
    (&["Contact: *"], STAR),
    (&["Contact: *", "Expires: 60"], STAR),
    (&["Contact: *;expires=0", "Expires: 0"], CONTACT),
    (&["Contact: <C>", "Contact: *", "Expires: 0"], CONTACT),
    (&["Contact: <>"], CONTACT),
    (&["Contact: <"], CONTACT),
    (&["Contact: x"], CONTACT),
    (&["Contact: \"x"], CONTACT),
    (&["Contact: <sip:>"], CONTACT),
    (&["Contact: <sip:one@>"], CONTACT),
    (&["Contact: <sip:@192.0.2.7>"], CONTACT),
    (&["Contact: <sip:one@[::1>"], CONTACT),
    (&["Contact: <sip:one@host:99999>"], CONTACT),
    (&["Contact: <tel:+15550100>"], CONTACT),
    (&["Contact: <http://192.0.2.7/>"], CONTACT),
    (&["Contact: <mailto:one@a.example>"], CONTACT),
    (&["Contact: <C>,"], CONTACT),
    (&["Contact: <C>, <sip:one@>"], CONTACT),
    (&["Contact: <C>;q=2"], CONTACT),
    (&["Contact: <C>;q="], CONTACT),
    (&["Contact: <C>;x=\""], CONTACT),
    (&["Contact: <C>;received=x"], CONTACT),
    (&["Contact: <C>;expires=soon"], EXPIRES),
    (&["Contact: <C>;expires=-1"], EXPIRES),
    (&["Contact: <C>", "Expires: soon"], EXPIRES),
    (&["Contact: <C>", "Expires:"], EXPIRES),
    (&["Contact: <C>", "Expires: 1e3"], EXPIRES),
    (&["Contact: <C>", "Expires: 60;x"], EXPIRES),
    (&["Contact: <C>", "Expires: 60, 60"], EXPIRES),
    (&["Contact: <C>", "Expires: 99999999999"], EXPIRES),
];

const STAR: &str = "Contact: * is for Expires: 0";
const CONTACT: &str = "Invalid contact";
const EXPIRES: &str = "Invalid expires, or more than 16 contacts";

/// A change that makes a request wrong, and the reason for which it is then refused.
type Fault = (fn(&mut Written), &'static str);

/// What is wrong in the head of any request, whoever sends it.
const HEADS: [Fault; 14] = [
    (|w| w.uri = "sip:".to_string(), "Invalid Request-URI"),
    (|w| w.uri = "x".to_string(), "Invalid Request-URI"),
    (|w| w.uri = "*".to_string(), "Invalid Request-URI"),
    (
        |w| w.uri = "http://a.example".to_string(),
        "Invalid Request-URI",
    ),
    (
        |w| w.uri = "sip:a.example:99999".to_string(),
        "Invalid Request-URI",
    ),
    (|w| w.from = "x".to_string(), "Invalid From"),
    (
        |w| w.from = "<sip:one@a.example".to_string(),
        "Invalid From",
    ),
    (|w| w.from = "<sip:@a.example>".to_string(), "Invalid From"),
    (
        |w| w.from = "<sip:one@a.example>, <sip:two@a.example>".to_string(),
        "Invalid From",
    ),
    (
        |w| w.from = "<http://a.example>".to_string(),
        "Invalid From",
    ),
    (|w| w.to = "*".to_string(), "Invalid To"),
    (|w| w.to = "<sip:>".to_string(), "Invalid To"),
    (|w| w.to = "<sip:one@>".to_string(), "Invalid To"),
    (
        |w| w.hops = "Max-Forwards: 256\r\n".to_string(),
        "Max-Forwards is from 0 to 255",
    ),
];

/// `to` is a URI, of whom `proof` is.
pub fn told(
    instance: &Instance,
    device: &Device,
    to: &str,
    proof: Proof<'_>,
) -> Result<(), String> {
    bindings::sign_off(device, to, proof)?;
    let own = format!("sip:own@{}", device.local());
    let line = format!("Contact: <{own}>;expires=600");
    bindings::register(device, to, proof, &[&line])?;
    let since = instance.log_length();
    let still = |what: &str| {
        let held = bindings::bound(device, to, proof)?;
        match held.keys().eq([&own]) {
            true => instance.no_error_since(since),
            false => Err(format!("{held:?} are bound")),
        }
        .map_err(|e| format!("{what}: {e}"))
    };
    for (lines, reason) in REGISTRATIONS {
        let contact = format!("sip:one@{}", device.local());
        let lines: Vec<_> = lines
            .iter()
            .map(|line| line.replace("<C>", &format!("<{contact}>")))
            .collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        refused(bindings::register(device, to, proof, &lines)?, reason)
            .map_err(|e| format!("{lines:?}: {e}"))?;
        still(&format!("{lines:?}"))?;
    }
    let many: Vec<_> = (0..17).map(|n| format!("<sip:{n}@192.0.2.7>")).collect();
    let many = format!("Contact: {}", many.join(", "));
    refused(bindings::register(device, to, proof, &[&many])?, EXPIRES)?;
    for method in ["REGISTER", "INVITE"] {
        for (change, reason) in HEADS {
            let mut written = Written {
                method: method.to_string(),
                uri: "sip:a.example".to_string(),
                from: format!("<{to}>"),
                to: format!("<{to}>"),
                lines: vec![format!("Contact: <sip:one@{}>", device.local())],
                ..Written::default()
            };
            change(&mut written);
            refused(device.ask_as(&written)?, reason)?;
            still(&format!("{written:?}"))?;
        }
    }
    let call = |method: &str| Written {
        method: method.to_string(),
        uri: "sip:100@a.example".to_string(),
        from: format!("<{to}>"),
        to: "<sip:100@a.example>".to_string(),
        ..Written::default()
    };
    refused(device.ask_as(&call("invite"))?, "Unknown method")?;
    // A registration has a domain.
    let ends = ["<tel:+15550100>"; 2];
    let reply = device.ask_written("REGISTER", ends, &[])?;
    refused(reply, "There is no realm for this address")?;
    // Of no transaction.
    let reply = device.ask_as(&call("CANCEL"))?;
    if reply.status != 481 {
        return Err(format!("481 expected: {reply:?}"));
    }
    still("CANCEL")?;
    bindings::sign_off(device, to, proof)
}

/// Refused for good, for this reason.
fn refused(reply: Reply, reason: &str) -> Result<(), String> {
    match reply.status == 400 && reply.header("X-Reason") == reason {
        true => Ok(()),
        false => Err(format!("400, {reason} expected: {reply:?}")),
    }
}
