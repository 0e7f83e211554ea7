//! When a token is valid, computed once.

use std::time::Duration;

use super::error::ClaimError;
use crate::jwt::json::Value;
use crate::jwt::json::number::Decimal;
use crate::jwt::rules::Rules;
use crate::jwt::token::Token;

/// The digits of a second's fraction that count: times are compared in nanoseconds, which is what
/// the clock has.
const PLACES: u32 = 9;

/// The time in which a token's own times, and perhaps the window of its secret, admit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// In nanoseconds since 1970, as all times here.
    from: i128,
    until: i128,
}

impl Validity {
    /// When [`super::check_claims`] accepts the times of this token.
    ///
    /// # Errors
    /// Fails if a time is not a number, or if `iat` is missing where the age of the token counts.
    pub fn of(token: &Token, rules: &Rules) -> Result<Self, ClaimError> {
        let leeway = seconds(rules.leeway);
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
            let until = too_old_from(issued, limit, leeway);
            validity = validity.within(issued.saturating_sub(leeway), until);
        }
        Ok(validity)
    }

    /// The part of it within `start_ts <= now < end_ts`, the window of a secret in UNIX seconds.
    #[must_use]
    pub fn in_window(self, start_ts: i64, end_ts: i64) -> Self {
        self.within(seconds(start_ts), seconds(end_ts))
    }

    /// Whether `now`, the time since 1970, is within it.
    pub fn includes(&self, now: Duration) -> bool {
        (self.from..self.until).contains(&since_epoch(now))
    }

    fn within(self, from: i128, until: i128) -> Self {
        Self {
            from: self.from.max(from),
            until: self.until.min(until),
        }
    }
}

/// Seconds in nanoseconds.
pub(super) fn seconds(seconds: impl Into<i128>) -> i128 {
    // 64 bits of seconds fit.
    seconds.into().saturating_mul(10_i128.pow(PLACES))
}

/// The clock's time in nanoseconds.
pub(super) fn since_epoch(now: Duration) -> i128 {
    i128::try_from(now.as_nanos()).unwrap_or(i128::MAX)
}

/// When a token is older than `max_age` allows, which counts whole seconds of age.
pub(super) fn too_old_from(issued: i128, limit: u64, leeway: i128) -> i128 {
    let limit = seconds(limit).saturating_add(seconds(1));
    issued.saturating_add(limit).saturating_add(leeway)
}

/// A NumericDate (RFC 7519 section 2) in nanoseconds. Anything finer is cut off, which makes a
/// token neither valid longer nor valid later than it says.
pub(super) fn numeric_date(token: &Token, name: &'static str) -> Result<Option<i128>, ClaimError> {
    let Some(value) = token.claim(name) else {
        return Ok(None);
    };
    let date = match value {
        Value::Integer(integer) => Some(seconds(*integer)),
        Value::Number(number) => Decimal::parse(number).map(|number| number.floor(PLACES)),
        _ => None,
    };
    date.map(Some).ok_or(ClaimError::NotANumber(name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::jwt::claims::{self, check_claims};
    use crate::jwt::testing::{NOW, at, claiming};

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
            tenths in 0_u32..10,
        ) {
            let now = Duration::new(now, tenths * 100_000_000);
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
    fn it_expires_in_a_second() {
        let of = |exp: &str| claims::expires(&claiming(&format!(r#"{{"exp":{exp}}}"#)));
        assert_eq!(of("1700000000"), Some(1_700_000_000));
        assert_eq!(of("1700000000.999"), Some(1_700_000_000));
        assert_eq!(of("1.7E9"), Some(1_700_000_000));
        assert_eq!(of("17e+8"), Some(1_700_000_000));
        assert_eq!(of("1e12"), Some(1_000_000_000_000));
        for far in ["9223372036854775807", "99999999999999999999"] {
            assert_eq!(of(far), Some(i64::MAX), "{far}");
        }
        for other in [
            "1e21",
            "1e99",
            "9.9e307",
            "\"1700000000\"",
            "null",
            "[]",
            "true",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(claims::expires(&claiming("{}")), None);
    }

    #[test]
    fn a_window_narrows_it() {
        let validity = Validity::of(&claiming("{}"), &Rules::default()).unwrap();
        assert!(validity.includes(Duration::ZERO) && validity.includes(Duration::MAX));
        let now = i64::try_from(NOW).unwrap();
        let window = validity.in_window(now, now + 2);
        assert!(!window.includes(at(NOW) - Duration::from_nanos(1)));
        assert!(window.includes(at(NOW)) && window.includes(at(NOW + 1)));
        assert!(window.includes(at(NOW + 2) - Duration::from_nanos(1)));
        assert!(!window.includes(at(NOW + 2)));
        assert!(!window.in_window(0, now).includes(at(NOW)));
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
