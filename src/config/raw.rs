//! Modparams as the script sets them, before they are interpreted.

use std::ops::RangeInclusive;

use thiserror::Error;

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

impl RawValue {
    fn shown(&self) -> String {
        match self {
            RawValue::Text(text) => format!("{text:?}"),
            RawValue::Int(number) => number.to_string(),
        }
    }
}

/// All modparams, in script order.
#[derive(Clone, Default)]
pub struct Raw(Vec<(String, RawValue)>);

impl std::fmt::Debug for Raw {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl Raw {
    /// Records one modparam.
    pub fn push(&mut self, name: &str, value: RawValue) {
        self.0.push((name.to_owned(), value));
    }

    /// Whether the script sets the parameter.
    pub fn has(&self, name: &str) -> bool {
        self.last(name).is_some()
    }

    /// The last value counts, as in the core.
    fn last(&self, name: &str) -> Option<&RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value)
    }

    /// The error for a parameter, with its last value.
    pub fn error(&self, name: &str, allowed: impl Into<String>) -> ConfigError {
        let value = self
            .last(name)
            .map_or_else(|| "no value".to_owned(), RawValue::shown);
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

    /// All strings of a parameter that may be set several times, in order.
    ///
    /// # Errors
    /// Fails if one of them is an integer.
    pub fn texts(&self, name: &str) -> Result<Vec<&str>, ConfigError> {
        self.0
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| match value {
                RawValue::Text(text) => Ok(text.as_str()),
                RawValue::Int(_) => Err(ConfigError::Value {
                    name: name.to_owned(),
                    value: value.shown(),
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
    fn the_last_value_counts_and_lists_gather() {
        let raw = raw(&[("i", text("a")), ("i", text("b"))]);
        assert_eq!(raw.text("i"), Ok(Some("b")));
        assert_eq!(raw.texts("i"), Ok(vec!["a", "b"]));
        assert_eq!(format!("{raw:?}"), "[\"i\", \"i\"]");
    }
}
