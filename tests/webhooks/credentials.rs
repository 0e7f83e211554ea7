//! Headers sent by devices: hashes, several headers, malformed ones, none.

use harness::device::Question;

use super::decisions::BOTH;
use super::group::{Group, Scenario};

/// The trials.
pub const SCENARIOS: &[Scenario] = &[
    ("every algorithm", algorithms),
    ("several credentials", several),
    ("malformed credentials", malformed),
    ("no credentials", none),
    ("quoted values", quoted),
];

const ALGORITHMS: [&str; 6] = [
    "MD5",
    "MD5-sess",
    "SHA-256",
    "SHA-256-sess",
    "SHA-512-256",
    "SHA-512-256-sess",
];

fn algorithms(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        for algorithm in ALGORITHMS {
            let question =
                Question::register(service, "john", "a.example").with("X-Algorithms", algorithm);
            let challenge = device.challenge(&question)?;
            if challenge.algorithm != algorithm {
                return Err(format!("{algorithm} asked for, {challenge:?}"));
            }
            for (password, code) in [("secret", "1"), ("wrong", "-1")] {
                let question = question.clone();
                device
                    .authorize(&question, password)?
                    .expect(code)
                    .map_err(|e| format!("{algorithm}: {e}"))?;
            }
        }
    }
    let question = Question::register("plain", "john", "a.example")
        .with("X-Algorithms", "MD5,SHA-512-256,SHA-256");
    for method in ["REGISTER", "INVITE"] {
        let question = Question {
            method,
            ..question.clone()
        };
        let reply = device.ask(&question)?;
        let offered: Vec<String> = reply
            .challenges()
            .into_iter()
            .map(|c| c.algorithm)
            .collect();
        if offered != ["SHA-512-256", "SHA-256", "MD5"] {
            return Err(format!("strongest first: {reply:?}"));
        }
        for challenge in reply.challenges() {
            // The same nonce for all, each count used once.
            let mut response = device.respond(&question, &challenge, "secret");
            response.nc = 1 + offered
                .iter()
                .position(|a| *a == challenge.algorithm)
                .map_or(9, |n| n as u32);
            device.ask_with(&question, &response)?.expect("1")?;
        }
    }
    Ok(())
}

fn several(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        let good = || {
            let challenge = device.challenge(&question)?;
            Ok::<_, String>(
                device
                    .respond(&question, &challenge, "secret")
                    .header("REGISTER"),
            )
        };
        let of_b = || {
            let question = Question::register(service, "customer", "b.example");
            let challenge = device.challenge(&question)?;
            Ok::<_, String>(
                device
                    .respond(&question, &challenge, "known")
                    .header("REGISTER"),
            )
        };
        let foreign = "Digest username=\"john\", realm=\"c.example\", nonce=\"n\", uri=\"sip:c\", \
                       response=\"00000000000000000000000000000000\"";
        let unknown = "Digest username=\"john\", realm=\"a.example\", algorithm=AKAv1-MD5";
        for others in [
            vec![foreign.to_string()],
            vec!["Basic am9objpzZWNyZXQ=".to_string()],
            vec!["Bearer abc".to_string(), unknown.to_string()],
            vec!["Bearer a b".to_string(), foreign.to_string()],
        ] {
            let mut question = question.clone();
            for other in others {
                question = question.with("Authorization", other);
            }
            let question = question
                .with("Authorization", good()?)
                .with("Authorization", foreign);
            let asked = device.ask(&question)?;
            asked
                .expect("1")
                .map_err(|e| format!("{question:?}: {e}"))?;
        }
        let beside = question
            .clone()
            .with("Proxy-Authorization", foreign)
            .with("Authorization", good()?);
        device.ask(&beside)?.expect("1")?;
        // If the headers differ in it, nobody can say whose request it is.
        let open = "Digest username=\"john".to_string();
        let nobody = "Digest realm=\"a.example\"".to_string();
        let mary = foreign.replace("john", "mary");
        for other in [of_b()?, open, nobody, mary] {
            for name in ["Authorization", "Proxy-Authorization"] {
                let ours = good()?;
                let before = question.clone().with(name, other.as_str());
                device
                    .ask(&before.with("Authorization", ours.as_str()))?
                    .expect("-6")
                    .map_err(|e| format!("{name}: {other} before: {e}"))?;
                let behind = question.clone().with("Authorization", ours);
                device
                    .ask(&behind.with(name, other.as_str()))?
                    .expect("-6")
                    .map_err(|e| format!("{name}: {other} behind: {e}"))?;
            }
        }
        // Credentials of b do not admit a customer to a.
        device
            .ask(&question.clone().with("Authorization", of_b()?))?
            .expect("-3")?;
    }
    Ok(())
}

fn malformed(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let whole = "username=\"john\", realm=\"a.example\", nonce=\"n\", uri=\"sip:a\", \
                 response=\"00000000000000000000000000000000\"";
    let values = [
        "Digest username=\"john, realm=\"a.example\"".to_string(),
        format!("Digest {whole}, username=\"mary\""),
        format!("Digest {whole}, algorithm=SHA-256"),
        format!("Digest {whole}, qop=auth"),
        format!("Digest {whole}, qop=auth, nc=1, cnonce=\"c\""),
        format!("Digest {whole}, qop=other, nc=00000001, cnonce=\"c\""),
        format!("Digest {whole} trailing"),
        format!("Digest {}", whole.replace("000\"", "00g\"")),
        "Bearer a b".to_string(),
    ];
    for service in BOTH {
        for value in &values {
            let question =
                Question::register(service, "john", "a.example").with("Authorization", value);
            let reply = device.ask(&question)?;
            reply.expect("-6").map_err(|e| format!("{value}: {e}"))?;
        }
    }
    Ok(())
}

fn none(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let empty = "username=\"john\", realm=\"a.example\", nonce=\"\", uri=\"sip:a\", response=\"\"";
    let other = "Digest username=\"john\", realm=\"c.example\", nonce=\"n\", uri=\"sip:c\", \
                 response=\"00000000000000000000000000000000\"";
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        device.ask(&question)?.expect("-4")?;
        // What can only be answered by a challenge.
        for value in [
            "Digest".to_string(),
            "Bearer".to_string(),
            format!("Digest {empty}"),
            format!("Digest {empty}, algorithm=AKAv1-MD5"),
            "Digest username=\"john\", realm=\"a.example\", uri=\"sip:a\"".to_string(),
            "Digest username=\"john\"".to_string(),
            format!("{other}, algorithm=SHA-1"),
            format!("{other}, {other}"),
            format!("{other}, {}", other.replace("john", "mary")),
            format!("Bearer abc, {other}"),
        ] {
            for name in ["Authorization", "Proxy-Authorization"] {
                let first = question.clone().with(name, value.as_str());
                let reply = device.ask(&first)?.expect("-4");
                let challenge = reply.map_err(|e| format!("{value}: {e}"))?.challenge()?;
                let response = device.respond(&question, &challenge, "secret");
                device.ask_with(&question, &response)?.expect("1")?;
            }
        }
        // Another algorithm than the one that was offered.
        let challenge = device.challenge(&question)?;
        for algorithm in ["SHA-256", "SHA-512-256", "MD5-sess"] {
            let mut response = device.respond(&question, &challenge, "secret");
            response.algorithm = algorithm.to_string();
            device.ask_with(&question, &response)?.expect("-4")?;
        }
        let response = device.respond(&question, &challenge, "secret");
        device.ask_with(&question, &response)?.expect("1")?;
        // RFC 3261 section 22: Basic must not be used.
        let basic = question.with("Authorization", "Basic am9objpzZWNyZXQ=");
        device.ask(&basic)?.expect("-4")?;
    }
    Ok(())
}

fn quoted(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let question = Question::register("async", "john", "a.example");
    let challenge = device.challenge(&question)?;
    let mut response = device.respond(&question, &challenge, "secret");
    response.opaque = Some("a \\ b".to_string());
    device.ask_with(&question, &response)?.expect("1")?;
    let comma = Question::register("async", "com%2Cma%20=%20x", "a.example");
    let challenge = device.challenge(&comma)?;
    let mut response = device.respond(&comma, &challenge, "secret");
    response.username = "com,ma = x".to_string();
    device.ask_with(&comma, &response)?.expect("1")?;
    // Any order, any case of names, white space and folds, unquoted where RFC 2617 had quotes.
    let challenge = device.challenge(&question)?;
    let usual = device
        .respond(&question, &challenge, "secret")
        .header("REGISTER");
    let mut parts: Vec<&str> = usual.trim_start_matches("Digest ").split(", ").collect();
    parts.reverse();
    let unusual: Vec<String> = parts
        .iter()
        .map(|part| match part.split_once('=') {
            Some(("nc", value)) => format!("NC=\"{value}\""),
            Some(("qop", value)) => format!("Qop = \"{value}\""),
            Some(("algorithm", value)) => format!("ALGORITHM=\"{value}\""),
            Some((name, value)) => format!("{} = {value}", name.to_uppercase()),
            None => (*part).to_string(),
        })
        .collect();
    let value = format!("dIGEST\r\n  {}", unusual.join(" ,\r\n\t"));
    device
        .ask(&question.with("authorization", value))?
        .expect("1")?;
    Ok(())
}
