//! Modparams as the script sets them, before they are interpreted.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use thiserror::Error;

use crate::digest::MASKED;

/// A parameter that is wrong: its name, its value, and what is allowed.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A value that may be shown.
    #[error("parameter {name:?}: {value} is not allowed, allowed is {allowed}")]
    Value {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: String,
    },
    /// A value that holds a secret, and is not shown.
    #[error("parameter {name:?}: its value (not shown, it may hold a password) {cause}")]
    Secret {
        /// The parameter.
        name: String,
        /// What is wrong.
        cause: String,
    },
    /// What is wrong, with the name of its parameter.
    #[error("{0}")]
    Fault(String),
    /// Two parameters that conflict, and anything else.
    #[error("parameter {name:?}: {cause}")]
    Other {
        /// The parameter.
        name: String,
        /// What is wrong.
        cause: String,
    },
}

/// A value as the script gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawValue {
    /// A string.
    Text(String),
    /// An integer.
    Int(i32),
}

impl ConfigError {
    /// The parameter that is wrong; `None` if that can't be told.
    pub fn name(&self) -> Option<&str> {
        match self {
            ConfigError::Value { name, .. }
            | ConfigError::Secret { name, .. }
            | ConfigError::Other { name, .. } => Some(name),
            ConfigError::Fault(text) => text.strip_prefix("parameter \"")?.split('"').next(),
        }
    }

    /// Whether it may follow from one of these parameters, which are wrong themselves.
    pub(super) fn follows_from(&self, wrong: &[String]) -> bool {
        match self {
            ConfigError::Value { .. } | ConfigError::Secret { .. } => false,
            ConfigError::Fault(cause) | ConfigError::Other { cause, .. } => {
                wrong.iter().any(|name| cause.contains(name.as_str()))
            }
        }
    }

    /// Whether a value is wrong whatever other parameters say, and whatever is in the files that it names. `names` are
    /// those of all parameters.
    pub(super) fn is_of_value(&self, of: &str, names: &[&str]) -> bool {
        match self {
            ConfigError::Value { name, .. } => name == of,
            ConfigError::Secret { cause, .. } | ConfigError::Other { cause, .. }
                if ["os error", "can't be read", "PEM file"]
                    .iter()
                    .any(|words| cause.contains(words)) =>
            {
                false
            }
            ConfigError::Secret { name, cause } | ConfigError::Other { name, cause } => {
                let words = cause.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let mut words = words.filter(|word| *word != of);
                name == of && !words.any(|word| names.contains(&word) && word.contains('_'))
            }
            ConfigError::Fault(_) => false,
        }
    }
}

impl RawValue {
    /// As an error shows it: a number is none of the value of a parameter with a secret either.
    fn shown(&self, name: &str) -> String {
        match self {
            RawValue::Text(text) => format!("{text:?}"),
            RawValue::Int(_) if is_secret(name) || is_url(name) => "a number".to_owned(),
            RawValue::Int(number) => number.to_string(),
        }
    }
}

/// All modparams, in script order.
#[derive(Clone, Default)]
pub struct Raw {
    set: Vec<(String, RawValue)>,
    /// The defaults of parameters that were asked for.
    defaults: RefCell<BTreeMap<String, String>>,
}

impl std::fmt::Debug for Raw {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.set.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Raw {
    /// Records one modparam.
    pub fn push(&mut self, name: &str, value: RawValue) {
        self.set.push((name.to_owned(), value));
    }

    /// Whether the script sets the parameter.
    pub fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    /// The names of the parameters that the script sets, each once, in its order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in &self.set {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.set.retain(|(other, _)| other != name);
    }

    /// The last value counts, as in the core.
    fn last(&self, name: &str) -> Option<&RawValue> {
        self.set
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    }

    /// The error for a parameter, with its last value.
    pub fn error(&self, name: &str, allowed: impl Into<String>) -> ConfigError {
        let value = self
            .last(name)
            .map_or_else(|| "no value".to_owned(), |value| value.shown(name));
        ConfigError::Value {
            name: name.to_owned(),
            value,
            allowed: allowed.into(),
        }
    }

    /// A string; `None` if it is unset or empty.
    ///
    /// # Errors
    /// Fails if it is an integer.
    pub fn text(&self, name: &str) -> Result<Option<&str>, ConfigError> {
        match self.last(name) {
            None => Ok(None),
            Some(RawValue::Text(text)) => Ok(Some(text.as_str()).filter(|t| !t.is_empty())),
            Some(RawValue::Int(_)) => Err(self.error(name, "a string")),
        }
    }

    /// A string, or its default if it is unset or empty.
    ///
    /// # Errors
    /// Fails if it is an integer.
    pub fn text_or<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, ConfigError> {
        self.note(name, || default.to_owned());
        Ok(self.text(name)?.unwrap_or(default))
    }

    /// Takes the defaults that another was asked for.
    pub(super) fn take_defaults(&self, other: &Raw) {
        *self.defaults.borrow_mut() = other.defaults.take();
    }

    /// Notes what a parameter is if it is not set.
    pub fn note(&self, name: &str, default: impl FnOnce() -> String) {
        let mut defaults = self.defaults.borrow_mut();
        if !defaults.contains_key(name) {
            defaults.insert(name.to_owned(), default());
        }
    }

    /// The value of a parameter that is in force, fit to be shown, and whether the script sets it; empty where there
    /// is none. Of several that count together, all of them.
    pub fn in_force(&self, name: &str) -> (String, bool) {
        let set: Vec<_> = self.set.iter().filter(|(n, _)| n == name).collect();
        let shown = |value: &RawValue| match value {
            RawValue::Text(text) => shown_text(name, text),
            RawValue::Int(number) => shown_text(name, &number.to_string()),
        };
        match set.last() {
            None => {
                let default = self.defaults.borrow().get(name).cloned();
                (default.unwrap_or_default(), false)
            }
            Some(_) if GATHERED.contains(&name) => {
                let all: Vec<_> = set.iter().map(|(_, value)| shown(value)).collect();
                (all.join(" "), true)
            }
            Some((_, value)) => (shown(value), true),
        }
    }

    /// All strings of a parameter that may be set several times, in order.
    ///
    /// # Errors
    /// Fails if one of them is an integer.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, ConfigError> {
        self.set
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| match value {
                RawValue::Text(text) => Ok(text.as_str()),
                RawValue::Int(_) => Err(ConfigError::Value {
                    name: name.to_owned(),
                    value: value.shown(name),
                    allowed: "a string".into(),
                }),
            })
            .collect()
    }

    /// The values of a parameter that takes one or several: separated by commas or blanks, or by
    /// setting it more than once.
    ///
    /// # Errors
    /// Fails if it is set, and there is none: that would turn off a check that was meant to be made.
    pub fn values(&self, name: &str) -> Result<Vec<String>, ConfigError> {
        let texts = self.texts(name)?;
        let list: Vec<String> = texts
            .iter()
            .flat_map(|text| text.split(|c: char| c == ',' || c.is_whitespace()))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect();
        if list.is_empty() && !texts.is_empty() {
            return Err(self.error(name, "one value, or several separated by commas or blanks"));
        }
        Ok(list)
    }

    /// An integer, or a string of decimal digits.
    ///
    /// # Errors
    /// Fails if it is anything else, or a number outside the range.
    pub fn int(
        &self,
        name: &str,
        default: i64,
        range: RangeInclusive<i64>,
        unit: &str,
    ) -> Result<i64, ConfigError> {
        self.note(name, || default.to_string());
        let number = match self.last(name) {
            None => return Ok(default),
            Some(RawValue::Int(number)) => Some(i64::from(*number)),
            Some(RawValue::Text(text)) => text.trim().parse().ok(),
        };
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" ({unit})")
        };
        let allowed = || format!("an integer from {} to {}{unit}", range.start(), range.end());
        number
            .filter(|n| range.contains(n))
            .ok_or_else(|| self.error(name, allowed()))
    }

    /// A switch, 0 or 1.
    ///
    /// # Errors
    /// Fails if it is anything else.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, ConfigError> {
        match self.int(name, i64::from(default), 0..=1, "") {
            Ok(number) => Ok(number == 1),
            Err(_) => Err(self.error(name, "0 or 1")),
        }
    }

    /// The name of a column, or of a table, for which `qualified` allows `schema.table`.
    ///
    /// # Errors
    /// Fails if it is not a plain identifier: it is put into queries as it is.
    pub fn identifier(
        &self,
        name: &str,
        default: &str,
        qualified: bool,
    ) -> Result<String, ConfigError> {
        self.note(name, || default.to_owned());
        let value = match self.last(name) {
            None => return Ok(default.to_owned()),
            Some(_) => self.text(name)?.unwrap_or(""),
        };
        let parts = value.split('.').count();
        if parts <= if qualified { 2 } else { 1 } && value.split('.').all(is_identifier) {
            return Ok(value.to_owned());
        }
        Err(self.error(name, IDENTIFIER))
    }
}

/// Parameters whose values all count, if they are set more than once.
const GATHERED: [&str; 9] = [
    "audience",
    "credential",
    "issuer",
    "issuer_tenants",
    "issuer_url",
    "jwks_basic",
    "logout_audience",
    "required_claims",
    "required_scope",
];

/// Whether the value of a parameter is nothing but secret, or has secrets that can't be told from the rest.
fn is_secret(name: &str) -> bool {
    ["_secret", "_password"]
        .iter()
        .any(|end| name.ends_with(end))
        || ["credential", "jwks_basic"].contains(&name)
}

/// Whether there may be a password in a value.
fn is_url(name: &str) -> bool {
    name.ends_with("_url") || name.ends_with("_proxy")
}

/// A value without its secrets.
fn shown_text(name: &str, text: &str) -> String {
    if is_secret(name) && !text.is_empty() {
        return MASKED.to_owned();
    }
    if !is_url(name) {
        return text.to_owned();
    }
    // A password of db_url may have blanks.
    match name {
        // It ends at the last `@`, and may have others in it.
        "db_url" | "cachedb_url" => masked_url(text, text.len()),
        _ => {
            let masked = |url: &str| {
                let begin = url.find("://").map_or(0, |at| at + 3);
                let host = url[begin..].find(['/', '?', '#']);
                masked_url(url, host.map_or(url.len(), |end| begin + end))
            };
            let urls = text.split_ascii_whitespace().map(masked);
            urls.collect::<Vec<_>>().join(" ")
        }
    }
}

/// A URL without what may be secret: the password, which ends at the last `@` before `end`, and the query.
fn masked_url(url: &str, end: usize) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let (user, rest) = match url[begin..end].rfind('@') {
        Some(at) => (&url[begin..begin + at], &url[begin + at + 1..]),
        None => ("", &url[begin..]),
    };
    let user = match user.split(':').next() {
        Some("") | None => String::new(),
        Some(name) => format!("{name}:{MASKED}@"),
    };
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, format!("?{MASKED}")),
        None => (rest, String::new()),
    };
    format!("{}{user}{rest}{query}", &url[..begin])
}

/// What [`is_identifier`] allows, for messages.
pub const IDENTIFIER: &str =
    "a name of letters, digits and _ that does not start with a digit, of at most 64 characters";

/// Whether a name may be put into a query as it is.
pub fn is_identifier(name: &str) -> bool {
    name.len() <= 64
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(values: &[(&str, RawValue)]) -> Raw {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, value.clone());
        }
        raw
    }

    fn text(s: &str) -> RawValue {
        RawValue::Text(s.into())
    }

    #[test]
    fn integers_are_taken_in_both_forms_and_kept_in_their_range() {
        let raw = raw(&[
            ("a", RawValue::Int(5)),
            ("b", text(" 7 ")),
            ("c", text("x")),
        ]);
        assert_eq!(raw.int("a", 1, 0..=10, "s"), Ok(5));
        assert_eq!(raw.int("b", 1, 0..=10, "s"), Ok(7));
        assert_eq!(raw.int("unset", 1, 0..=10, "s"), Ok(1));
        assert_eq!(
            raw.int("a", 1, 6..=10, "seconds").unwrap_err().to_string(),
            "parameter \"a\": 5 is not allowed, allowed is an integer from 6 to 10 (seconds)"
        );
        assert!(
            raw.int("c", 1, 0..=10, "")
                .unwrap_err()
                .to_string()
                .contains("\"x\"")
        );
    }

    #[test]
    fn switches_are_0_or_1() {
        let raw = raw(&[("on", RawValue::Int(1)), ("bad", RawValue::Int(2))]);
        assert_eq!(raw.flag("on", false), Ok(true));
        assert_eq!(raw.flag("unset", false), Ok(false));
        let message = raw.flag("bad", false).unwrap_err().to_string();
        assert_eq!(
            message,
            "parameter \"bad\": 2 is not allowed, allowed is 0 or 1"
        );
    }

    #[test]
    fn names_of_tables_and_columns_can_t_carry_sql() {
        for bad in [
            "", "a b", "a;b", "a`b", "1a", "a-b", "a.b.c", "a.", ".a", "ä", "a'",
        ] {
            assert!(
                raw(&[("t", text(bad))]).identifier("t", "d", true).is_err(),
                "{bad}"
            );
        }
        assert_eq!(
            raw(&[("t", text("s.t"))]).identifier("t", "d", true),
            Ok("s.t".into())
        );
        assert!(
            raw(&[("t", text("s.t"))])
                .identifier("t", "d", false)
                .is_err()
        );
        assert_eq!(raw(&[]).identifier("t", "d", true), Ok("d".into()));
        assert!(
            raw(&[("t", RawValue::Int(3))])
                .identifier("t", "d", true)
                .is_err()
        );
    }

    #[test]
    fn all_that_is_wrong_is_told_and_nothing_that_follows_from_it() {
        let raw = raw(&[
            ("leeway", RawValue::Int(90_000)),
            ("algorithms", text("ES257")),
            ("http_username", RawValue::Int(1)),
            ("http_password", text("hunter2")),
            ("cache_ttl", RawValue::Int(-1)),
        ]);
        let (config, faults) = super::super::all_faults(&raw);
        let mut names: Vec<_> = faults.iter().filter_map(ConfigError::name).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["algorithms", "cache_ttl", "http_username", "leeway"]
        );
        assert_eq!(config.unwrap().tokens.rules.leeway, 0);
    }

    #[test]
    fn what_is_in_force_is_shown_without_secrets() {
        let raw = raw(&[
            (
                "db_url",
                text("mysql://me:p@ss/w?rd@db.example/opensips?ssl-ca=/x"),
            ),
            (
                "http_url",
                text("https://u:hunter2@a.example/x?key=hunter2 https://b.example/y"),
            ),
            ("jwks_url", text("https://login.example/jwk/a@b.example")),
            ("http_password", text("hunter2")),
            ("credential", text("hunter2:hunter2")),
            ("credential", text("hunter2:hunter2")),
            ("issuer", text("https://a")),
            ("issuer", text("https://b")),
            ("leeway", RawValue::Int(5)),
        ]);
        let _ = super::super::Config::new(&raw);
        let shown = |name| raw.in_force(name).0;
        assert_eq!(
            shown("db_url"),
            "mysql://me:[masked]@db.example/opensips?[masked]"
        );
        assert_eq!(
            shown("http_url"),
            "https://u:[masked]@a.example/x?[masked] https://b.example/y"
        );
        assert_eq!(shown("jwks_url"), "https://login.example/jwk/a@b.example");
        assert_eq!(shown("http_password"), "[masked]");
        for name in [
            "clients_secret",
            "http_signature_secret",
            "introspection_client_secret",
            "jwks_basic",
            "nonce_secret",
        ] {
            for value in [RawValue::Text("x".to_owned()), RawValue::Int(7)] {
                let mut raw = Raw::default();
                raw.push(name, value);
                assert_eq!(raw.in_force(name).0, "[masked]", "{name}");
            }
        }
        assert_eq!(shown("credential"), "[masked] [masked]");
        assert_eq!(shown("issuer"), "https://a https://b");
        assert_eq!(raw.in_force("leeway"), ("5".to_owned(), true));
        assert_eq!(raw.in_force("max_token_size"), ("8192".to_owned(), false));
        assert_eq!(raw.in_force("tag_column"), ("tag".to_owned(), false));
        assert_eq!(raw.in_force("nonce_secret"), (String::new(), false));
    }

    #[test]
    fn a_value_is_wrong_by_itself_or_by_others() {
        const NAMES: [&str; 4] = ["leeway", "http_password", "http_username", "username_claim"];
        let fault = |name, value: RawValue| {
            super::super::fault_of_value(name, &value, &NAMES).map(|error| error.to_string())
        };
        assert!(fault("leeway", RawValue::Int(90_000)).is_some());
        assert!(fault("leeway", RawValue::Int(5)).is_none());
        assert!(fault("username_claim", text("a..b")).is_some());
        // It needs another, which may follow.
        assert!(fault("http_password", text("hunter2")).is_none());
    }

    #[test]
    fn the_last_value_counts_and_lists_gather() {
        let raw = raw(&[("i", text("a")), ("i", text("b"))]);
        assert_eq!(raw.text("i"), Ok(Some("b")));
        assert_eq!(raw.texts("i"), Ok(vec!["a", "b"]));
        assert_eq!(format!("{raw:?}"), "[\"i\", \"i\"]");
    }
}
