//! Who is bound to which contact, and for how long: attacks on a registrar over the wire, and what
//! it then stores, as a REGISTER without Contact shows it (RFC 3261 section 10.2.3).

use std::collections::BTreeMap;

use super::device::{Device, Reply, Written};
use super::digest::Response;

/// What somebody authenticates with.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// A username and its password.
    Password(&'a str, &'a str),
    /// A token.
    Token(&'a str),
}

/// A REGISTER for `to`, the URI of an address of record, with these additional lines.
pub fn register(
    device: &Device,
    to: &str,
    proof: Proof<'_>,
    lines: &[&str],
) -> Result<Reply, String> {
    let address = format!("<{to}>");
    let ends = [address.as_str(); 2];
    let with = |credentials: &str| {
        let credentials = format!("Authorization: {credentials}");
        let lines = lines.iter().map(ToString::to_string);
        device.ask_written(
            "REGISTER",
            ends,
            &lines.chain([credentials]).collect::<Vec<_>>(),
        )
    };
    let (user, password) = match proof {
        Proof::Token(token) => return with(&format!("Bearer {token}")),
        Proof::Password(user, password) => (user, password),
    };
    let mut reply = device.ask_written("REGISTER", ends, &[])?;
    for _ in 0..5 {
        let challenge = reply.challenge()?;
        let response = Response::to(&challenge, user, password, &device.registrar());
        reply = with(&response.header("REGISTER"))?;
        if !reply.challenges().iter().any(|challenge| challenge.stale) {
            break;
        }
    }
    Ok(reply)
}

/// The contacts to which `to` is bound, each with the seconds remaining.
pub fn bound(device: &Device, to: &str, proof: Proof<'_>) -> Result<BTreeMap<String, u64>, String> {
    let reply = register(device, to, proof, &[])?;
    if reply.status != 200 {
        return Err(format!("{to} asks for its contacts: {reply:?}"));
    }
    let list = reply.headers("Contact").join(",");
    list.split('<')
        .skip(1)
        .map(|contact| {
            let (uri, parameters) = contact.split_once('>').unwrap_or((contact, ""));
            let expires = parameters.split(';').find_map(|parameter| {
                let value = parameter.strip_prefix("expires=")?;
                value.trim_end_matches([',', ' ']).parse().ok()
            });
            let expires = expires.ok_or_else(|| format!("no expires: {reply:?}"))?;
            Ok((uri.to_string(), expires))
        })
        .collect()
}

/// Removes every contact of `to`.
pub fn sign_off(device: &Device, to: &str, proof: Proof<'_>) -> Result<(), String> {
    let reply = register(device, to, proof, &["Contact: *", "Expires: 0"])?;
    let left = bound(device, to, proof)?;
    match reply.status == 200 && left.is_empty() {
        true => Ok(()),
        false => Err(format!("signed off, {left:?} are left: {reply:?}")),
    }
}

/// Mixtures of contacts and times. `A` and `B` are two contacts; each entry is one request.
const MIXTURES: [&[&str]; 27] = [
    &["Contact: <A>;expires=0, <B>;expires=604800"],
    &["Contact: <A>;expires=604800, <B>;expires=0"],
    &["Contact: <A>;expires=0", "Contact: <B>;expires=604800"],
    &["Contact: <A>;expires=0", "m: <B>;EXPIRES=604800"],
    &[
        "m: <A>;expires=0",
        "Subject: x",
        "CONTACT: <B>;expires=604800",
    ],
    &["Contact: <A>;expires=0, <B>", "Expires: 604800"],
    &["Contact: <A>;expires=0, <B>"],
    &["Expires: 0", "Contact: <A>, <B>;expires=\"604800\""],
    &["Expires: 0", "Expires: 604800", "Contact: <A>, <B>"],
    &["Expires: 604800", "Expires: 0", "Contact: <A>, <B>"],
    &["Expires: soon", "Contact: <A>, <B>;expires=604800"],
    &["Contact: <A>;expires=4294967295"],
    &["Contact: <A>;expires=4294967296"],
    &["Contact: <A>;expires=4295572096"],
    &["Contact: <A>;expires=2147483647"],
    &["Contact: <A>;expires=99999999999999999999"],
    &["Contact: <A>;expires=0;expires=604800"],
    &["Contact: <A>;expires=604800;expires=0"],
    &["Contact: <A>;expires=, <B>;expires"],
    &["Contact: <A>;expires=soon, <B>;expires=-1"],
    &["Contact: <A>;expires=+604800, <B>;expires=6e5"],
    &["Contact: A;expires=604800"],
    &["Contact: \"x;expires=0\" <A;expires=0>;expires=604800"],
    &["Contact: \"x\\\" <y>;expires=0\" <A>;ExPiReS = 604800;q=0.5"],
    &["Contact: <A>\r\n ;expires=604800"],
    &["Contact: <A>, <B>"],
    &[
        "Expires: 604800",
        "Contact: <A>;x=\"expires=0\", <B>;y=<;expires=0>",
    ],
];

/// Requests that change nothing: `*` must be alone, and with `Expires: 0` (RFC 3261 section
/// 10.2.2).
const STARS: [&[&str]; 6] = [
    &["Contact: *"],
    &["Contact: *", "Expires: 60"],
    &["Contact: *, <B>", "Expires: 0"],
    &["Contact: <B>, *", "Expires: 0"],
    &["Contact: *", "Contact: <B>", "Expires: 0"],
    &["Contact: <B>", "Contact: *", "Expires: 0"],
];

fn filled(device: &Device, lines: &[&str]) -> Vec<String> {
    let uri = |user: &str| format!("sip:{user}@{}", device.local());
    let lines = lines.iter().map(|line| match line.split_once(':') {
        Some((name, value)) if ["contact", "m"].contains(&&*name.to_ascii_lowercase()) => {
            let value = value.replace('A', &uri("one")).replace('B', &uri("other"));
            format!("{name}:{value}")
        }
        _ => line.to_string(),
    });
    lines.collect()
}

/// What a REGISTER for `to` is authorized with, a line.
fn credentials(device: &Device, to: &str, proof: Proof<'_>) -> Result<String, String> {
    let (user, password) = match proof {
        Proof::Token(token) => return Ok(format!("Authorization: Bearer {token}")),
        Proof::Password(user, password) => (user, password),
    };
    let address = format!("<{to}>");
    let reply = device.ask_written("REGISTER", [&address, &address], &[])?;
    let response = Response::to(&reply.challenge()?, user, password, &device.registrar());
    Ok(format!("Authorization: {}", response.header("REGISTER")))
}

/// A device that has restarted starts over with the CSeq of its Call-ID, and is bound. What is old
/// deletes nothing, and nothing of another device.
pub fn restarted(device: &Device, to: &str, proof: Proof<'_>) -> Result<(), String> {
    let uri = |user: &str| format!("sip:{user}@{}", device.local());
    let [own, new, others] = ["own", "new", "others"].map(uri);
    let ask = |cseq: u32, contacts: &str, status: u16| {
        let written = Written {
            method: "REGISTER".to_string(),
            uri: device.registrar(),
            from: format!("<{to}>"),
            to: format!("<{to}>"),
            call_id: format!("restarted-{}", device.local()),
            cseq,
            lines: vec![
                format!("Contact: {contacts}"),
                credentials(device, to, proof)?,
            ],
            ..Written::default()
        };
        let reply = device.ask_as(&written)?;
        match reply.status == status {
            true => Ok(()),
            false => Err(format!("{cseq}, {contacts}: not {status}: {reply:?}")),
        }
    };
    let holds = |wanted: &[&str]| {
        let held = bound(device, to, proof)?;
        let is_long = |uri: &&str| held.get(*uri).is_some_and(|seconds| *seconds > 300);
        match held.len() == wanted.len() && wanted.iter().all(is_long) {
            true => Ok(()),
            false => Err(format!("{wanted:?} expected, {held:?} are bound")),
        }
    };
    let contact = format!("Contact: <{others}>;expires=600");
    register(device, to, proof, &[&contact])?;
    ask(10, &format!("<{own}>;expires=60"), 200)?;
    for cseq in [5, 5, 1, 9] {
        ask(cseq, &format!("<{own}>;expires=600"), 200)?;
        holds(&[&own, &others]).map_err(|e| format!("{cseq}: {e}"))?;
    }
    ask(3, &format!("<{own}>;expires=0"), 400)?;
    holds(&[&own, &others])?;
    ask(4, &format!("<{own}>;expires=0, <{new}>;expires=600"), 200)?;
    holds(&[&new, &others])?;
    ask(50, &format!("<{new}>;expires=0"), 200)?;
    holds(&[&others])?;
    sign_off(device, to, proof)
}

/// What is in From beside a proven name that is another.
pub const OWN_ADDRESSES: [&str; 4] = [
    "<tel:+15550100>",
    "\"CEO\" <sip:alice@192.0.2.7>",
    "<sip:192.0.2.7>",
    "<sip:alice@x7f.invalid>",
];

/// An INVITE with this From, and a lie about who calls.
pub fn with_own_address(uri: &str, from: &str, lines: &[String]) -> Written {
    let lie = "P-Asserted-Identity: <sip:alice@a.example>".to_string();
    Written {
        method: "INVITE".to_string(),
        uri: uri.to_string(),
        from: from.to_string(),
        to: format!("<{uri}>"),
        lines: lines.iter().cloned().chain([lie]).collect(),
        ..Written::default()
    }
}

/// A caller whose From names nobody, or has the device's own address, is whom the credentials name
/// in `domain`, the domain called.
pub fn named_by_credentials(
    device: &Device,
    (user, password): (&str, &str),
    domain: &str,
) -> Result<(), String> {
    for from in [
        format!("<sip:mary@{}>", device.local()),
        format!("<sip:{user}@192.0.2.7>"),
        "<sip:192.0.2.7>".to_string(),
        // A number has no domain.
        "<tel:+15550100>".to_string(),
        "<sip:100@[2001:db8::7]:5070>".to_string(),
        "<sip:anonymous@anonymous.invalid>".to_string(),
    ] {
        let invite = Written {
            method: "INVITE".to_string(),
            uri: format!("sip:100@{domain}"),
            from: from.clone(),
            to: format!("<sip:100@{domain}>"),
            ..Written::default()
        };
        for (password, status) in [(password, 200), ("wrong", 403)] {
            let challenge = device.ask_as(&invite)?.challenge()?;
            let response = Response::to(&challenge, user, password, &invite.uri);
            let line = format!("Proxy-Authorization: {}", response.header("INVITE"));
            let reply = device.ask_as(&Written {
                lines: vec![line],
                ..invite.clone()
            })?;
            if challenge.realm != domain || reply.status != status {
                return Err(format!("{from}: {challenge:?}, {status}, {reply:?}"));
            }
        }
    }
    Ok(())
}

/// However a time is asked for, nothing is bound to `to` for longer than was granted.
pub fn no_longer_than(
    device: &Device,
    to: &str,
    proof: Proof<'_>,
    granted: u64,
) -> Result<(), String> {
    let mut kept = 0;
    for lines in MIXTURES {
        let written = filled(device, lines);
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        register(device, to, proof, &written)?;
        let held = bound(device, to, proof)?;
        if let Some((contact, seconds)) = held.iter().find(|(_, seconds)| **seconds > granted) {
            return Err(format!(
                "{lines:?}: {contact} is bound for {seconds} s, granted are {granted}"
            ));
        }
        kept += usize::from(!held.is_empty());
        sign_off(device, to, proof).map_err(|e| format!("{lines:?}: {e}"))?;
    }
    // If nothing is ever bound, nothing is proven.
    if kept < MIXTURES.len() / 2 {
        return Err(format!("only {kept} of {} are kept", MIXTURES.len()));
    }
    Ok(())
}

/// Contacts are removed only as they should be.
pub fn stars(device: &Device, to: &str, proof: Proof<'_>) -> Result<(), String> {
    let own = filled(device, &["Contact: <A>;expires=60"]);
    register(device, to, proof, &[&own[0]])?;
    let held = |device| -> Result<Vec<String>, String> {
        Ok(bound(device, to, proof)?.into_keys().collect())
    };
    let before = held(device)?;
    if before.len() != 1 {
        return Err(format!("one contact was saved, there are {before:?}"));
    }
    for lines in STARS {
        let written = filled(device, lines);
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        let reply = register(device, to, proof, &written)?;
        let after = held(device)?;
        if after != before || reply.status == 200 {
            return Err(format!("{lines:?} left {after:?} of {before:?}: {reply:?}"));
        }
    }
    sign_off(device, to, proof)
}

/// A user has one list of contacts, however the URI is written, and shares it with no other user.
/// `user` is the user's name, with at least one letter, and `domain` the domain; `other` is a user
/// of the same name in another domain.
pub fn one_list(
    device: &Device,
    (user, domain): (&str, &str),
    proof: Proof<'_>,
    other: (&str, Proof<'_>),
) -> Result<(), String> {
    let escaped: String = user.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let (first, rest) = user.split_at(1);
    let half = format!("%{:02X}{rest}", first.as_bytes()[0]);
    let plain = format!("sip:{user}@{domain}");
    let ways = [
        plain.clone(),
        format!("sip:{escaped}@{domain}"),
        format!("sip:{half}@{}", domain.to_ascii_uppercase()),
        format!("sip:{user}@{domain}:5070;transport=tcp"),
        format!("sip:{user}:password@{domain}"),
    ];
    for (number, to) in ways.iter().enumerate() {
        let contact = format!("Contact: <sip:{number}@{}>;expires=60", device.local());
        let reply = register(device, to, proof, &[&contact])?;
        if reply.status != 200 {
            return Err(format!("{to}: {reply:?}"));
        }
    }
    let all = bound(device, &plain, proof)?;
    if all.len() != ways.len() {
        return Err(format!("{ways:?} have {all:?}"));
    }
    let (to, others) = other;
    let of_other = bound(device, to, others)?;
    if !of_other.is_empty() {
        return Err(format!("{to} has the contacts of {plain}: {of_other:?}"));
    }
    // Nor does that user remove them.
    sign_off(device, to, others)?;
    if bound(device, &plain, proof)?.len() != ways.len() {
        return Err(format!("{to} took contacts of {plain} away"));
    }
    sign_off(device, &plain, proof)
}

/// An attacker with a valid account, and the victim: the URIs of their addresses.
pub struct Attack<'a> {
    pub mallory: &'a str,
    pub victim: &'a str,
    /// What the victim authenticates with.
    pub proof: Proof<'a>,
    /// What admits mallory with this method: the whole value of an Authorization header, made for
    /// each request.
    pub own: &'a dyn Fn(&str) -> Result<String, String>,
    /// What else he writes there to pass for the victim.
    pub disguised: &'a dyn Fn() -> Result<Vec<String>, String>,
}

/// Every way to make the registrar check one user and save another: none of them binds the victim
/// to mallory's contact.
pub fn try_all(device: &Device, attack: &Attack<'_>) -> Result<(), String> {
    let Attack {
        mallory,
        victim,
        proof,
        ..
    } = *attack;
    let contact = format!("Contact: <sip:evil@{}>;expires=60", device.local());
    let (me, them) = (format!("<{mallory}>"), format!("<{victim}>"));
    let ask = |method: &str, ends: [&str; 2], lines: &[String]| {
        let lines: Vec<String> = std::iter::once(&contact).chain(lines).cloned().collect();
        let reply = device.ask_written(method, ends, &lines)?;
        let held = bound(device, victim, proof)?;
        match held.is_empty() {
            true => Ok(reply),
            false => Err(format!(
                "{victim} is bound to {held:?}: {method} {ends:?} {lines:?}: {reply:?}"
            )),
        }
    };
    let refused = |method: &str, ends: [&str; 2], lines: &[String]| {
        let reply = ask(method, ends, lines)?;
        match reply.status {
            400.. => Ok(()),
            _ => Err(format!("{method} {ends:?} {lines:?}: {reply:?}")),
        }
    };
    let line = |value: String| format!("Authorization: {value}");
    let own = |method: &str| (attack.own)(method).map(line);

    let reply = ask("REGISTER", [&me, &me], &[own("REGISTER")?])?;
    if reply.status != 200 {
        return Err(format!("mallory is not let in as himself: {reply:?}"));
    }
    let (user, domain) = victim
        .strip_prefix("sip:")
        .and_then(|rest| rest.split_once('@'))
        .ok_or("no address")?;
    let escaped: String = user.bytes().map(|byte| format!("%{byte:02x}")).collect();
    for to in [
        them.clone(),
        format!("<sip:{escaped}@{domain}>"),
        format!("<sip:{}@{domain}>", user.to_ascii_uppercase()),
        format!("<sip:{user}%00@{domain}>"),
        format!("<sip:{user}:password@{domain}>"),
        format!("<sip:{user};user=phone@{domain}>"),
    ] {
        // From has no influence on a registration.
        for from in [&me, &to] {
            refused("REGISTER", [from, &to], &[own("REGISTER")?])?;
        }
    }
    // A script that ignores case takes each of these for a REGISTER, which saves To.
    for method in ["register", "Register", "REGISTEr"] {
        for ends in [[&*me, &*them], [&*them, &*me]] {
            refused(method, ends, &[own(method)?])?;
        }
    }
    for value in (attack.disguised)()? {
        refused("REGISTER", [&me, &them], &[line(value)])?;
    }
    // Two of a kind: whose To is it? And headers that resemble one.
    for more in ["To", "t", "To ", "TO"] {
        let lines = [format!("{more}: {them}"), own("REGISTER")?];
        ask("REGISTER", [&me, &me], &lines)?;
        let lines = [format!("{more}: {me}"), own("REGISTER")?];
        ask("REGISTER", [&me, &them], &lines)?;
    }
    for to in [
        format!("\"{them}\" {me}"),
        format!("\"\\\"{them}\" {me}"),
        format!("{me};x={them}"),
        format!("{me};x=\"{them}\""),
        format!("{victim} {me}"),
        format!("{mallory};x={them}"),
    ] {
        ask("REGISTER", [&me, &to], &[own("REGISTER")?])?;
    }
    Ok(())
}

/// Whoever starts over with the CSeq takes no contact from a user whose name is a prefix of their
/// own.
///
/// # Errors
/// Fails if they do, or are refused.
pub fn namesake(
    device: &Device,
    (to, proof): (&str, Proof<'_>),
    (other, others): (&str, Proof<'_>),
) -> Result<(), String> {
    let contact = format!("<sip:one@{}>;expires=600", device.local());
    let line = format!("Contact: {contact}");
    register(device, to, proof, &[&line])?;
    for cseq in [10, 5] {
        let written = Written {
            method: "REGISTER".to_string(),
            uri: device.registrar(),
            from: format!("<{other}>"),
            to: format!("<{other}>"),
            call_id: format!("namesake-{}", device.local()),
            cseq,
            lines: vec![line.clone(), credentials(device, other, others)?],
            ..Written::default()
        };
        let reply = device.ask_as(&written)?;
        if reply.status != 200 {
            return Err(format!("{other}, {cseq}: {reply:?}"));
        }
        let held = bound(device, to, proof)?;
        if held.len() != 1 {
            return Err(format!("{to} has {held:?}, by {other}"));
        }
    }
    sign_off(device, other, others)?;
    sign_off(device, to, proof)
}
