//! Whatever a webhook answers. The first byte chooses what the request has asked for.
#![no_main]

use auth_web::fuzzing::{Answer, Grant, GrantValue, Verdict, denial_headers, hook_url};
use libfuzzer_sys::fuzz_target;

const REQUESTED: [Option<u32>; 4] = [None, Some(0), Some(60), Some(u32::MAX)];

/// What a reply needs for itself.
const OWN: [&str; 7] = [
    "via", "from", "to", "call-id", "cseq", "contact", "x-reason",
];

fuzz_target!(|data: &[u8]| {
    let Some((choice, body)) = data.split_first() else {
        return;
    };
    let requested = REQUESTED[usize::from(*choice) % REQUESTED.len()];
    match Answer::parse(body, requested, 600) {
        Ok(answer) => {
            if let Verdict::Admitted { expires } = answer.verdict {
                admitted(body);
                assert!(requested.is_none_or(|most| expires.is_some_and(|it| it <= most)));
                assert!(expires.is_none_or(|it| i32::try_from(it).is_ok()) || requested.is_some());
                // Scripts can read all of it.
                let json = answer.grant.json();
                assert!(serde_json::from_str::<serde_json::Value>(json).is_ok() || !is_plain(json));
            } else {
                assert_eq!(answer.aor, None);
            }
            shown(&answer);
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
    // A status that denies can't be overruled.
    let denial = Answer::denial(403, body, 600);
    assert!(matches!(denial.verdict, Verdict::Denied { .. }));
    assert_eq!((&denial.aor, denial.status), (&None, Some(403)));
    shown(&denial);

    let lines = denial_headers(body);
    assert!(lines.len() <= 1000 && lines.matches('\n').count() <= 16);
    assert!(lines.is_empty() || lines.ends_with("\r\n"));
    for line in lines.split_terminator("\r\n") {
        let (name, value) = line.split_once(": ").expect("a header");
        let lower = name.to_ascii_lowercase();
        assert!(!OWN.contains(&lower.as_str()) && !lower.starts_with("content-"));
        assert!(value.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    }
    if let Ok(grant) = Grant::parse(body) {
        // It becomes part of a registration, which other programs read.
        assert!(!format!("{grant:?}").is_empty());
    }
});

/// An admission is one to any reader: an object whose only `status`, in whatever case, is `ok`.
fn admitted(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let Ok(other) = serde_json::from_str::<serde_json::Value>(text) else {
        // Half a surrogate pair, a number that is too large, or too deep for that reader.
        return;
    };
    let members = other.as_object().expect("an object");
    let is_status = |name: &str| name.eq_ignore_ascii_case("status");
    let mut found = members.iter().filter(|(name, _)| is_status(name));
    let (_, status) = found.next().expect("a status");
    assert!(
        status
            .as_str()
            .is_some_and(|status| status.eq_ignore_ascii_case("ok"))
    );
    assert!(found.next().is_none());
}

/// Whether any reader reads all of it.
fn is_plain(json: &str) -> bool {
    !json.contains('\\') && !json.contains(|c: char| "eE".contains(c))
}

fn shown(answer: &Answer) {
    let message = answer.message.as_deref().unwrap_or_default();
    assert!(!message.contains(char::is_control));
    if let Some(remark) = &answer.remark {
        assert!(!remark.to_string().contains(char::is_control));
    }
    for name in ["call_hook", "call_status_hook", "status", "expires", "x"] {
        let value = answer.grant.member(name);
        if let (Some(GrantValue::Text(text)), true) = (&value, answer.grant.is_readable(name))
            && let Some(url) = hook_url(text.as_bytes())
        {
            assert!(url.iter().all(u8::is_ascii_graphic));
        }
    }
}
