//! The headers of a denial, for the reply to the request.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The most headers of one reply, and the most bytes of all: a source may be forged, and a reply that
/// is larger than its request would help whoever forges it.
const MAX_HEADERS: usize = 16;
const MAX_SIZE: usize = 1000;

/// The longest name and the longest value, in bytes.
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 200;

/// What a reply has already, or says of itself.
const OWN: [&str; 11] = [
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Route",
    "Record-Route",
    "Server",
    "Max-Forwards",
    "X-Reason",
];

/// The lines of the member `headers` of an answer, each with its line end: of those that fit on a line
/// and that no reply needs for itself, the first 16 within 1000 bytes. Of names that occur twice the
/// last value counts.
pub fn denial_headers(answer: &[u8]) -> String {
    let mut lines = String::new();
    let mut headers: Vec<(String, String)> = Vec::new();
    // An answer may have thousands of members.
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, raw) in members(answer) {
        let value = match raw.as_str() {
            "null" => String::new(),
            json if json.starts_with('"') => serde_json::from_str(json).unwrap_or_default(),
            json => json.to_owned(),
        };
        match places.get(&name).and_then(|place| headers.get_mut(*place)) {
            Some((_, known)) => *known = value,
            None => {
                places.insert(name.clone(), headers.len());
                headers.push((name, value));
            }
        }
    }
    let fit = headers
        .iter()
        .filter(|(name, value)| is_name(name) && is_value(value));
    for (name, value) in fit.take(MAX_HEADERS) {
        if lines.len() + name.len() + value.len() + 4 > MAX_SIZE {
            break;
        }
        lines.extend([name, ": ", value, "\r\n"]);
    }
    lines
}

/// Names and JSON of the members of `headers`.
fn members(answer: &[u8]) -> Vec<(String, String)> {
    let read =
        |json: &[u8]| serde_json::from_slice::<Members>(json).map_or_else(|_| Vec::new(), |m| m.0);
    let found = read(answer)
        .into_iter()
        .rev()
        .find(|(name, _)| name == "headers");
    found.map_or_else(Vec::new, |(_, headers)| read(headers.as_bytes()))
}

/// The members of an object, unparsed, in their original order.
struct Members(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((name, value.get().to_owned()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

fn is_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (2..=MAX_NAME).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !OWN.iter().any(|known| name.eq_ignore_ascii_case(known))
        && !lower.starts_with("content-")
        && !lower.ends_with("-authenticate")
}

fn is_value(value: &str) -> bool {
    (1..=MAX_VALUE).contains(&value.len())
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(json: &str) -> String {
        denial_headers(json.as_bytes())
    }

    #[test]
    fn headers_that_fit_on_a_line_are_sent() {
        let json =
            r#"{"status":"fail","headers":{"X-One":"1","Retry-After":30,"X-On":true,"X-No":null}}"#;
        assert_eq!(lines(json), "X-One: 1\r\nRetry-After: 30\r\nX-On: true\r\n");
        let json = r#"{"headers":{"X-A":"1","X-B":"2","X-A":"3"}}"#;
        assert_eq!(lines(json), "X-A: 3\r\nX-B: 2\r\n");
    }

    #[test]
    fn what_a_reply_needs_for_itself_is_not() {
        for name in [
            "via",
            "FROM",
            "To",
            "Call-ID",
            "CSeq",
            "Contact",
            "Route",
            "Record-Route",
            "Server",
            "Max-Forwards",
            "x-reason",
            "Content-Length",
            "content-type",
            "WWW-Authenticate",
            "Proxy-authenticate",
            "X",
            "",
            "1X",
            "-X",
            "X Y",
            "X:Y",
            "X\\r\\nTo",
            "X\\u0000",
        ] {
            assert_eq!(
                lines(&format!(r#"{{"headers":{{"{name}":"x"}}}}"#)),
                "",
                "{name}"
            );
        }
        for value in [
            "",
            "a\\r\\nTo: b",
            "a\\u0000",
            "\\u00e4",
            "\\ud800",
            "a\\tb",
        ] {
            assert_eq!(
                lines(&format!(r#"{{"headers":{{"X-A":"{value}"}}}}"#)),
                "",
                "{value}"
            );
        }
        for json in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"headers":1}"#,
            r#"{"headers":["X-A: 1"]}"#,
        ] {
            assert_eq!(lines(json), "", "{json}");
        }
        assert_eq!(denial_headers(b"{\"headers\":{\"X-A\":\"\xff\"}}"), "");
    }

    #[test]
    fn a_reply_does_not_grow_beyond_its_limits() {
        let of = |count: usize, name: &str, value: &str| {
            let members = (0..count).map(|n| format!("\"{name}{n}\":\"{value}\""));
            lines(&format!(
                "{{\"headers\":{{{}}}}}",
                members.collect::<Vec<_>>().join(",")
            ))
        };
        assert_eq!(of(40, "X-", "1").lines().count(), MAX_HEADERS);
        assert_eq!(of(8, "X-", &"v".repeat(MAX_VALUE)).lines().count(), 4);
        assert_eq!(of(1, "X-", &"v".repeat(MAX_VALUE + 1)), "");
        assert_eq!(of(1, &"X".repeat(MAX_NAME), "v"), "");
        assert!(of(1, &"X".repeat(MAX_NAME - 1), "v").len() > MAX_NAME);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(answer: Vec<u8>, name: String, value: String) {
            _ = denial_headers(&answer);
            let json = serde_json::json!({"headers": {name: value}}).to_string();
            let lines = denial_headers(json.as_bytes());
            prop_assert!(lines.matches("\r\n").count() <= 1 && !lines.contains('\0'));
        }
    }
}
