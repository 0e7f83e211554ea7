//! Exact values of JSON numbers, whatever their size and precision.

/// The value of a number: its digits times ten to the power of the exponent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    /// Neither begins nor ends with a zero; empty for zero.
    digits: String,
    exponent: i64,
}

/// What [`Decimal::floor`] returns for values that are beyond it: more than any time, and far from
/// the ends of the type, so that something can be added to it.
const BEYOND: i128 = 10_i128.pow(30);

/// How many digits a number below [`BEYOND`] has.
const MOST_DIGITS: i64 = 30;

impl Decimal {
    /// The value of a number (RFC 8259 section 6); `None` for any other text.
    pub fn parse(number: &str) -> Option<Self> {
        let (negative, rest) = match number.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, number),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, power(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let padded = whole.len() > 1 && whole.starts_with('0');
        if !is_digits(whole) || padded || !fraction.is_none_or(is_digits) {
            return None;
        }
        let fraction = fraction.unwrap_or_default();
        let all = [whole, fraction].concat();
        let ending = all.trim_end_matches('0');
        let digits = ending.trim_start_matches('0').to_owned();
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                exponent: 0,
            });
        }
        // A text is never so long that its length does not fit.
        let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
        let exponent = exponent
            .saturating_sub(length(fraction))
            .saturating_add(length(&all[ending.len()..]));
        Some(Self {
            negative,
            digits,
            exponent,
        })
    }

    /// The greatest integer that is not above `10^places` times this number; at most `10^30` away
    /// from zero.
    pub fn floor(&self, places: u32) -> i128 {
        let exponent = self.exponent.saturating_add(i64::from(places));
        let length = i64::try_from(self.digits.len()).unwrap_or(i64::MAX);
        let whole = length.saturating_add(exponent);
        let (magnitude, is_exact) = if self.digits.is_empty() {
            (0, true)
        } else if whole > MOST_DIGITS {
            (BEYOND, true)
        } else if let Ok(zeros) = u32::try_from(exponent) {
            let digits = self.digits.parse().unwrap_or(BEYOND);
            (10_i128.saturating_pow(zeros).saturating_mul(digits), true)
        } else {
            // The last digit is not a zero, so something is cut off.
            let whole = usize::try_from(whole).unwrap_or(0);
            (self.digits[..whole].parse().unwrap_or(0), false)
        };
        match self.negative {
            true => -magnitude - i128::from(!is_exact),
            false => magnitude,
        }
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The power of ten that an exponent means; one that does not fit is far beyond any limit.
fn power(exponent: &str) -> Option<i64> {
    const FAR: i64 = i64::MAX / 4;
    let (negative, digits) = match exponent.as_bytes().first()? {
        b'-' => (true, &exponent[1..]),
        b'+' => (false, &exponent[1..]),
        _ => (false, exponent),
    };
    is_digits(digits).then(|| {
        let power = digits.parse().unwrap_or(FAR).min(FAR);
        if negative { -power } else { power }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Decimal {
        Decimal::parse(text).unwrap()
    }

    #[test]
    fn the_same_value_in_any_form_is_the_same() {
        for (one, other) in [
            ("1", "1.0"),
            ("100", "1e2"),
            ("0.5", "5E-1"),
            ("-1.50", "-15e-1"),
            ("0", "-0.0e7"),
            ("12345678901234567890", "1234567890123456789e+1"),
            ("1e99999999999999999999", "10e99999999999999999999"),
        ] {
            assert_eq!(of(one).floor(9), of(other).floor(9), "{one} {other}");
        }
        for (one, other) in [("1", "1.0"), ("0.5", "5E-1"), ("100", "1e2"), ("0", "-0.0")] {
            assert_eq!(of(one), of(other));
        }
        for (one, other) in [
            ("1", "-1"),
            ("9007199254740993", "9007199254740992"),
            ("1.00000000000000000001", "1"),
            ("1e400", "1e401"),
        ] {
            assert_ne!(of(one), of(other));
        }
    }

    #[test]
    fn what_is_cut_off_is_cut_off_downwards() {
        for (text, places, floor) in [
            ("1729185718.641225", 9, 1_729_185_718_641_225_000),
            ("1729185718.6412259999", 6, 1_729_185_718_641_225),
            ("1.9", 0, 1),
            ("-1.1", 0, -2),
            ("-1", 0, -1),
            ("0.0000000001", 9, 0),
            ("-0.0000000001", 9, -1),
            ("1e3", 0, 1000),
            ("5e-324", 9, 0),
            ("0", 9, 0),
            ("1e21", 9, BEYOND),
            (
                "999999999999999999999",
                9,
                999_999_999_999_999_999_999_000_000_000,
            ),
            ("-1e300", 9, -BEYOND),
            ("1e99999999999999999999", 9, BEYOND),
            ("1e-99999999999999999999", 9, 0),
            ("0e99999999999999999999", 9, 0),
        ] {
            assert_eq!(of(text).floor(places), floor, "{text}");
        }
        assert_eq!(of(&"9".repeat(8000)).floor(9), BEYOND);
        assert_eq!(of(&format!("7.{}", "9".repeat(8000))).floor(0), 7);
    }

    #[test]
    fn anything_else_is_not_a_number() {
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "1 ", "NaN", "1,5", "1.5.5",
            "1e1e1", "1.e1", "--1", "１",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn integers_are_exact(number in any::<i64>()) {
            prop_assert_eq!(of(&number.to_string()).floor(0), i128::from(number));
            prop_assert_eq!(of(&number.to_string()).floor(9), i128::from(number) * 1_000_000_000);
        }

        #[test]
        fn any_text_is_survived(text in "[-+0-9.eE]{0,40}", places in 0_u32..20) {
            if let Some(number) = Decimal::parse(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok()
                    || number.floor(places) != 0 || text.contains(['e', 'E']));
            }
        }
    }
}
