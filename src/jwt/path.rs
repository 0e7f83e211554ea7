//! Paths to claims, for modparams that name one: `sub`, `realm_access.roles[0]`,
//! `resource_access['my.app'].roles`.
//!
//! A path is the name of a claim, followed by any number of steps: `.name` into an object, `[3]`
//! into an array (the first element is 0), `['name']` or `["name"]` into an object by a name that
//! contains dots or brackets. A claim whose name is the whole text takes precedence over the path,
//! so that names like `https://example.com/roles` (RFC 7519 section 4.2) are written as they are.

use std::fmt;

use thiserror::Error;

use super::json::print::Numbers;
use super::json::{self, Object, Value};

/// Why a text is not a path.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{path:?} is not a path to a claim: {reason}; allowed are names, followed by .name, \
     [number] or ['name']"
)]
pub struct PathError {
    path: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
}

/// Where a claim is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPath {
    text: String,
    steps: Vec<Step>,
}

impl ClaimPath {
    /// Reads a path.
    ///
    /// # Errors
    /// Fails on empty names, and on brackets that are not closed or hold neither a number nor a
    /// quoted name.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let error = |reason| PathError {
            path: text.to_owned(),
            reason,
        };
        let mut steps = Vec::new();
        let mut rest = text;
        // Whether a name without dot or bracket may occur here.
        let mut bare_name = true;
        loop {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = bracket(inner).map_err(error)?;
                if steps.is_empty() && matches!(step, Step::Element(_)) {
                    return Err(error("it begins with a number"));
                }
                steps.push(step);
                rest = after;
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(name) if !bare_name => name,
                    _ if bare_name => rest,
                    _ => return Err(error("a dot or a bracket is missing")),
                };
                let end = name.find(['.', '[']).unwrap_or(name.len());
                if end == 0 {
                    return Err(error("a name is empty"));
                }
                steps.push(Step::Member(name[..end].to_owned()));
                rest = &name[end..];
            }
            bare_name = false;
            if rest.is_empty() {
                return Ok(Self {
                    text: text.to_owned(),
                    steps,
                });
            }
        }
    }

    /// What the path leads to, if anything.
    pub fn find<'a>(&self, claims: &'a Object) -> Option<&'a Value> {
        if let Some(claim) = claims.get(&self.text) {
            return Some(claim);
        }
        let mut steps = self.steps.iter();
        let mut found = match steps.next()? {
            Step::Member(name) => claims.get(name)?,
            Step::Element(_) => return None,
        };
        for step in steps {
            found = match step {
                Step::Member(name) => found.as_object()?.get(name)?,
                Step::Element(index) => found.as_array()?.get(*index)?,
            };
        }
        Some(found)
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Reads what follows an opening bracket, up to the closing one.
fn bracket(inner: &str) -> Result<(Step, &str), &'static str> {
    for quote in ['\'', '"'] {
        if let Some(quoted) = inner.strip_prefix(quote) {
            let (name, after) = quoted.split_once(quote).ok_or("a quote is not closed")?;
            let after = after.strip_prefix(']').ok_or("a bracket is not closed")?;
            return Ok((Step::Member(name.to_owned()), after));
        }
    }
    let (number, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("a bracket holds neither a number nor a quoted name");
    }
    let index = number.parse().map_err(|_| "a number is too large")?;
    Ok((Step::Element(index), after))
}

/// A claim as the value of a script variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimValue {
    /// A whole number in the range of an integer AVP.
    Integer(i32),
    /// Everything else: strings as they are, `true` and `false`, all other numbers as they were
    /// written, arrays and objects as compact JSON.
    Text(String),
}

impl ClaimValue {
    /// The value of a claim; `None` for null, which leaves the variable unset.
    pub fn of(claim: &Value) -> Option<Self> {
        Some(match claim {
            Value::Null => return None,
            Value::String(text) => Self::Text(text.to_string()),
            Value::Integer(number) => match i32::try_from(*number) {
                Ok(integer) => Self::Integer(integer),
                Err(_) => Self::Text(compact(claim)),
            },
            _ => Self::Text(compact(claim)),
        })
    }
}

fn compact(claim: &Value) -> String {
    let mut text = String::new();
    json::print::value(&mut text, claim, Numbers::AsWritten);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::json::parse_object;

    const CLAIMS: &str = r#"{
        "sub": "john", "https://example.com/roles": ["x"], "a.b": "whole", "a": {"b": "nested"},
        "realm_access": {"roles": ["offline", "sip"]}, "resource_access": {"my.app": {"roles": [7]}},
        "m": [[1, 2], [3]], "": "empty", "list[0]": "odd", "o": {"": 1, "0": 2}
    }"#;

    fn find(path: &str) -> Option<Value> {
        let claims = parse_object(CLAIMS.as_bytes()).unwrap();
        ClaimPath::parse(path).unwrap().find(&claims).cloned()
    }

    fn value(json: &str) -> Value {
        let object = parse_object(format!("{{\"v\":{json}}}").as_bytes()).unwrap();
        object.get("v").unwrap().clone()
    }

    #[test]
    fn paths_lead_to_claims() {
        for (path, expected) in [
            ("sub", "\"john\""),
            ("realm_access.roles[1]", "\"sip\""),
            ("realm_access.roles", "[\"offline\",\"sip\"]"),
            ("resource_access['my.app'].roles[0]", "7"),
            ("resource_access[\"my.app\"]", "{\"roles\":[7]}"),
            ("['realm_access']['roles'][0]", "\"offline\""),
            ("m[0][1]", "2"),
            ("m[1][0]", "3"),
            ("o['']", "1"),
            ("o.0", "2"),
        ] {
            assert_eq!(find(path), Some(value(expected)), "{path}");
        }
    }

    #[test]
    fn a_whole_name_wins_over_a_path() {
        assert_eq!(find("https://example.com/roles"), Some(value("[\"x\"]")));
        assert_eq!(find("a.b"), Some("whole".into()));
        assert_eq!(find("a['b']"), Some("nested".into()));
        assert_eq!(find("list[0]"), Some("odd".into()));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in [
            "x",
            "sub.x",
            "sub[0]",
            "realm_access.roles[2]",
            "realm_access[0]",
            "m.0",
            "m[0].x",
        ] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn malformed_paths_say_what_is_allowed() {
        for path in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "a[",
            "a[]",
            "a[x]",
            "a[-1]",
            "a[+1]",
            "a[0",
            "a['b]",
            "a['b'",
            "a[0]b",
            "[0]",
            "a[99999999999999999999]",
            "a.[0]",
        ] {
            let message = ClaimPath::parse(path).unwrap_err().to_string();
            assert!(message.contains("allowed are names"), "{message}");
        }
    }

    #[test]
    fn values_become_integers_or_text() {
        let text = |text: &str| Some(ClaimValue::Text(text.to_owned()));
        for (json, expected) in [
            ("7", Some(ClaimValue::Integer(7))),
            ("-2147483648", Some(ClaimValue::Integer(i32::MIN))),
            ("2147483648", text("2147483648")),
            ("1.5", text("1.5")),
            ("0.10", text("0.10")),
            ("1729185718.641225", text("1729185718.641225")),
            ("12345678901234567890", text("12345678901234567890")),
            ("-1E+400", text("-1E+400")),
            (
                "[0.1,12345678901234567890]",
                text("[0.1,12345678901234567890]"),
            ),
            ("\"7\"", text("7")),
            ("\"a\\nb\"", text("a\nb")),
            ("true", text("true")),
            (
                "[1,{\"b\":null,\"a\":\"x\"}]",
                text("[1,{\"a\":\"x\",\"b\":null}]"),
            ),
            ("null", None),
        ] {
            assert_eq!(ClaimValue::of(&value(json)), expected, "{json}");
        }
    }
}
