//! JSON text: compact, members sorted by the bytes of their names, only the necessary characters
//! escaped.
//!
//! OpenSIPS's auth_jwt outputs what libjwt makes with the jansson library, which also prints reals
//! with 17 significant digits. Scripts compare and cut these strings, so not a single byte may
//! change. What jansson can't read, numbers of more than 64 bits, is printed as it is written, and
//! so is every number where there is no C module to resemble: see [`Numbers`].

use std::fmt::Write;

use super::{Object, Value, plain_length};

/// How numbers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbers {
    /// As they were written.
    AsWritten,
    /// As jansson does: reals in the range of a double with 17 significant digits.
    AsJansson,
}

/// Appends `object`, compact, its members sorted.
pub fn object(out: &mut String, object: &Object, numbers: Numbers) {
    members(out, object.iter(), numbers);
}

/// Appends an object of the given members, which must be sorted by name.
pub fn members<'a>(
    out: &mut String,
    sorted: impl Iterator<Item = (&'a str, &'a Value)>,
    numbers: Numbers,
) {
    out.push('{');
    for (position, (name, member)) in sorted.enumerate() {
        if position > 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        value(out, member, numbers);
    }
    out.push('}');
}

/// Appends any value, compact.
pub fn value(out: &mut String, any: &Value, numbers: Numbers) {
    match any {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        // Writing into a String can't fail.
        Value::Integer(any) => {
            let _ = write!(out, "{any}");
        }
        Value::Number(text) => match finite(text).filter(|_| numbers == Numbers::AsJansson) {
            Some(any) => real(out, any),
            None => out.push_str(text),
        },
        Value::String(any) => string(out, any),
        Value::Array(elements) => {
            out.push('[');
            for (position, element) in elements.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                value(out, element, numbers);
            }
            out.push(']');
        }
        Value::Object(any) => object(out, any, numbers),
    }
}

fn string(out: &mut String, any: &str) {
    out.push('"');
    let mut rest = any;
    loop {
        let (plain, special) = rest.split_at(plain_length(rest.as_bytes()));
        out.push_str(plain);
        let Some(byte) = special.bytes().next() else {
            break;
        };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Writing into a String can't fail.
            _ => {
                let _ = write!(out, "\\u{byte:04X}");
            }
        }
        // All of these are ASCII.
        rest = &special[1..];
    }
    out.push('"');
}

/// The double that jansson reads; `None` for what it can't read: longer integers, and reals that
/// overflow.
fn finite(number: &str) -> Option<f64> {
    let is_real = number.contains(['.', 'e', 'E']);
    let real = is_real.then(|| number.parse::<f64>().ok()).flatten();
    real.filter(|real| real.is_finite())
}

/// C's `%.17g`, with `.0` appended where neither a point nor an exponent would mark it as a real,
/// and exponents without plus sign and leading zeros.
fn real(out: &mut String, finite: f64) {
    const DIGITS: i32 = 17;
    let scientific = format!("{finite:.16e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if let Some(positive) = mantissa.strip_prefix('-') {
        out.push('-');
        return real_digits(out, positive, exponent, DIGITS);
    }
    real_digits(out, mantissa, exponent, DIGITS);
}

fn real_digits(out: &mut String, mantissa: &str, exponent: i32, precision: i32) {
    let mut digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.truncate(digits.trim_end_matches('0').len().max(1));
    if exponent < -4 || exponent >= precision {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let _ = write!(out, "e{exponent}");
    } else if let Ok(whole) = usize::try_from(exponent + 1)
        && whole > 0
    {
        let (before, after) = digits.split_at(whole.min(digits.len()));
        out.push_str(before);
        out.extend(std::iter::repeat_n('0', whole - before.len()));
        out.push('.');
        out.push_str(if after.is_empty() { "0" } else { after });
    } else {
        out.push_str("0.");
        out.extend(std::iter::repeat_n(
            '0',
            usize::try_from(-exponent - 1).unwrap_or(0),
        ));
        out.push_str(&digits);
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_object;
    use super::*;

    fn printed_with(text: &str, numbers: Numbers) -> String {
        let mut out = String::new();
        object(&mut out, &parse_object(text.as_bytes()).unwrap(), numbers);
        out
    }

    fn printed(text: &str) -> String {
        printed_with(text, Numbers::AsJansson)
    }

    #[test]
    fn numbers_come_out_as_they_were_written() {
        let long = "1".repeat(400);
        let reals = REALS.iter().map(|(text, _)| *text);
        let longer = [
            "7",
            "-9223372036854775808",
            "12345678901234567890",
            "-9223372036854775809",
            long.as_str(),
            "1e400",
            "-1E+99999999999999999999",
        ];
        for number in reals.chain(longer) {
            let text = format!("{{\"a\":[{number}],\"b\":{number}}}");
            assert_eq!(printed_with(&text, Numbers::AsWritten), text);
        }
        // What jansson can't read has no other form.
        for number in &longer[2..] {
            let text = format!("{{\"a\":{number}}}");
            assert_eq!(printed(&text), text);
        }
    }

    #[test]
    fn members_are_sorted_by_bytes_and_compact() {
        assert_eq!(
            printed(
                "{ \"b\" : 1, \"a\" : [ 1 , { } ], \"B\": {\"z\":1,\"y\":2}, \"é\":1, \"~\":2, \"\":0,\"aa\":1}"
            ),
            "{\"\":0,\"B\":{\"y\":2,\"z\":1},\"a\":[1,{}],\"aa\":1,\"b\":1,\"~\":2,\"é\":1}"
        );
        assert_eq!(printed("{}"), "{}");
    }

    #[test]
    fn only_what_must_be_escaped_is() {
        assert_eq!(
            printed(r#"{"a":"\u0001\u001f\b\f\n\r\t\"\\\/\u007f\u00e9\u2028\ud83d\ude00"}"#),
            "{\"a\":\"\\u0001\\u001F\\b\\f\\n\\r\\t\\\"\\\\/\u{7f}é\u{2028}😀\"}"
        );
    }

    /// The expected texts were generated with jansson 2.14.
    #[test]
    fn reals_are_printed_with_seventeen_digits() {
        for (text, expected) in REALS {
            assert_eq!(
                printed(&format!("{{\"r\":{text}}}")),
                format!("{{\"r\":{expected}}}"),
                "{text}"
            );
        }
    }

    const REALS: &[(&str, &str)] = &[
        ("1.0", "1.0"),
        ("-0.0", "-0.0"),
        ("0.0", "0.0"),
        ("1.5", "1.5"),
        ("1e5", "100000.0"),
        ("1E+2", "100.0"),
        ("1e16", "10000000000000000.0"),
        ("1e17", "1e17"),
        ("1e22", "1e22"),
        ("1e-4", "0.0001"),
        ("1e-5", "1.0000000000000001e-5"),
        ("0.1", "0.10000000000000001"),
        ("0.3", "0.29999999999999999"),
        ("1e-7", "9.9999999999999995e-8"),
        ("0.00012345", "0.00012344999999999999"),
        ("123456789012345.125", "123456789012345.12"),
        ("123456789012345.375", "123456789012345.38"),
        ("5e-324", "4.9406564584124654e-324"),
        ("1.7976931348623157e308", "1.7976931348623157e308"),
        ("-2.5e-10", "-2.5000000000000002e-10"),
        ("1e-400", "0.0"),
        ("100000.5", "100000.5"),
        ("9007199254740993.0", "9007199254740992.0"),
        ("12345678901234567.0", "12345678901234568.0"),
        ("123456789012345678.0", "1.2345678901234568e17"),
        ("1700000000.123", "1700000000.1229999"),
    ];
}
