//! When a token is valid, computed once.

use super::error::ClaimError;
use crate::jwt::json::Value;
use crate::jwt::rules::Rules;
use crate::jwt::token::Token;

/// The UNIX seconds during which a token's times, and perhaps the window of its secret, admit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    from: i128,
    until: i128,
}

impl Validity {
    /// The seconds at which [`super::check_claims`] accepts the times of this token.
    ///
    /// # Errors
    /// Fails if a time is not a number, or if `iat` is missing where the age of the token counts.
    pub fn of(token: &Token, rules: &Rules) -> Result<Self, ClaimError> {
        let leeway = i128::from(rules.leeway);
        let mut validity = Self {
            from: i128::MIN,
            until: i128::MAX,
        };
        if let Some(expires) = numeric_date(token, "exp")? {
            validity = validity.within(i128::MIN, expires.saturating_add(leeway));
        }
        if let Some(not_before) = numeric_date(token, "nbf")? {
            validity = validity.within(not_before.saturating_sub(leeway), i128::MAX);
        }
        let issued = numeric_date(token, "iat")?;
        if let Some(limit) = rules.max_age {
            let issued = issued.ok_or_else(|| ClaimError::Missing("iat".to_owned()))?;
            let oldest = issued
                .saturating_add(i128::from(limit))
                .saturating_add(leeway);
            validity = validity.within(issued.saturating_sub(leeway), oldest.saturating_add(1));
        }
        Ok(validity)
    }

    /// The part of it within `start_ts <= now < end_ts`, the window of a secret.
    #[must_use]
    pub fn in_window(self, start_ts: i64, end_ts: i64) -> Self {
        self.within(i128::from(start_ts), i128::from(end_ts))
    }

    /// Whether the UNIX time `now`, in seconds, is within it.
    pub fn includes(&self, now: u64) -> bool {
        (self.from..self.until).contains(&i128::from(now))
    }

    fn within(self, from: i128, until: i128) -> Self {
        Self {
            from: self.from.max(from),
            until: self.until.min(until),
        }
    }
}

/// A NumericDate, rounded up to a whole second: for whole seconds `t`, both `t >= date` and `t <
/// date` give the same answer for it, so fractions need no floating-point arithmetic.
pub(super) fn numeric_date(token: &Token, name: &'static str) -> Result<Option<i128>, ClaimError> {
    let Some(value) = token.claim(name) else {
        return Ok(None);
    };
    let seconds = match value {
        Value::Integer(integer) => i128::from(*integer),
        // The cast saturates far beyond any time.
        #[allow(clippy::cast_possible_truncation)]
        Value::Real(real) => real.ceil() as i128,
        _ => return Err(ClaimError::NotANumber(name)),
    };
    Ok(Some(seconds))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jwt::claims::check_claims;
    use crate::jwt::testing::{NOW, claiming};

    proptest! {
        #[test]
        fn it_says_what_check_claims_says(
            exp in proptest::option::of(0_u32..200),
            nbf in proptest::option::of(0_u32..200),
            iat in 0_u32..200,
            fraction in 0_u32..10,
            leeway in 0_u64..20,
            max_age in proptest::option::of(0_u64..100),
            now in 0_u64..250,
        ) {
            let mut payload = format!(r#"{{"iat":{iat}.{fraction}"#);
            for (name, seconds) in [("exp", exp), ("nbf", nbf)] {
                if let Some(seconds) = seconds {
                    payload += &format!(r#","{name}":{seconds}.{fraction}"#);
                }
            }
            let token = claiming(&(payload + "}"));
            let rules = Rules { leeway, max_age, ..Rules::default() };
            let validity = Validity::of(&token, &rules).unwrap();
            prop_assert_eq!(validity.includes(now), check_claims(&token, &rules, now).is_ok());
        }
    }

    #[test]
    fn a_window_narrows_it() {
        let validity = Validity::of(&claiming("{}"), &Rules::default()).unwrap();
        assert!(validity.includes(0) && validity.includes(u64::MAX));
        let now = i64::try_from(NOW).unwrap();
        let window = validity.in_window(now, now + 2);
        assert!(!window.includes(NOW - 1));
        assert!(window.includes(NOW) && window.includes(NOW + 1));
        assert!(!window.includes(NOW + 2));
        assert!(!window.in_window(0, now).includes(NOW));
    }

    #[test]
    fn malformed_times_have_no_validity() {
        let strict = Rules {
            max_age: Some(1),
            ..Rules::default()
        };
        assert!(Validity::of(&claiming(r#"{"exp":"1"}"#), &Rules::default()).is_err());
        assert!(Validity::of(&claiming("{}"), &strict).is_err());
    }
}
