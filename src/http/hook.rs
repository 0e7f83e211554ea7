//! Hooks of a grant, which become headers.

use serde_json::Value;

use super::answer::is_deep;

/// The longest URL, in bytes.
const MAX_URL: usize = 1000;

/// The URL of a hook: the hook itself, or the member `url` of an object, as jambonz has them.
/// `None` if it is not a single word of visible ASCII, as only that may be put into a header, or is
/// nested deeper than an answer may be.
pub fn hook_url(hook: &[u8]) -> Option<Vec<u8>> {
    let url = match hook.trim_ascii_start().first() {
        Some(b'{') => match serde_json::from_slice(hook).ok()? {
            Value::Object(_) if is_deep(str::from_utf8(hook).ok()?) => return None,
            Value::Object(mut members) => match members.remove("url")? {
                Value::String(url) => url.into_bytes(),
                _ => return None,
            },
            _ => return None,
        },
        _ => hook.to_vec(),
    };
    let is_word = (1..=MAX_URL).contains(&url.len()) && url.iter().all(u8::is_ascii_graphic);
    is_word.then_some(url)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hook_is_a_word_or_has_one() {
        let read =
            |hook: &str| hook_url(hook.as_bytes()).map(|url| String::from_utf8(url).unwrap());
        let is = |url: &str| Some(url.to_owned());
        assert_eq!(read("https://a.example/call"), is("https://a.example/call"));
        assert_eq!(
            read(r#" {"method":"POST","url":"wss:\/\/a.example"}"#),
            is("wss://a.example")
        );
        assert!(read(&"a".repeat(MAX_URL)).is_some());
        for hook in [
            "",
            " ",
            "a b",
            "a\r\nX: y",
            "a\0",
            "a\u{e4}",
            " a",
            "{",
            "{}",
            r#"{"url":5}"#,
            r#"{"url":null}"#,
            r#"{"url":""}"#,
            r#"{"url":"a b"}"#,
            r#"{"url":"a\r\nX: y"}"#,
            r#"{"url":{"url":"a"}}"#,
            r#"{"url":"a"} x"#,
            r#"{"url":"\ud800"}"#,
        ] {
            assert_eq!(read(hook), None, "{hook:?}");
        }
        assert_eq!(read(&"a".repeat(MAX_URL + 1)), None);
        let nested = |depth: usize| {
            format!(
                r#"{{"url":"a","n":{}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        assert_eq!(read(&nested(30)), is("a"));
        assert_eq!(read(&nested(31)), None);
        assert_eq!(read(&nested(100_000)), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(hook: Vec<u8>, url: String) {
            _ = hook_url(&hook);
            let json = serde_json::json!({"url": url}).to_string();
            let read = hook_url(json.as_bytes());
            prop_assert!(read.is_none_or(|read| read == url.as_bytes()));
        }
    }
}
