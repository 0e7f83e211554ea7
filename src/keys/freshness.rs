//! How long an answer may be kept (RFC 9111 section 4.2), according to its provider.

use std::time::{Duration, UNIX_EPOCH};

use ureq::http::HeaderMap;
use ureq::http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName};

/// How long an answer with these headers is fresh from now on; `None` if it does not say, and zero
/// if it must not be kept, or if what it says can't be read.
///
/// This is a private cache, so `s-maxage` does not apply.
pub(super) fn lifetime(headers: &HeaderMap) -> Option<Duration> {
    let mut max_age: Option<u64> = None;
    for line in headers.get_all(CACHE_CONTROL) {
        for directive in line.to_str().unwrap_or_default().split(',') {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            let name = name.trim();
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return Some(Duration::ZERO);
            }
            if name.eq_ignore_ascii_case("max-age") {
                let seconds = delta_seconds(value.trim().trim_matches('"')).unwrap_or(0);
                max_age = Some(max_age.map_or(seconds, |other| other.min(seconds)));
            }
        }
    }
    let lifetime = match (max_age, text(headers, EXPIRES)) {
        (Some(max_age), _) => max_age,
        (None, None) => return None,
        // Without Date there is nothing to compare Expires with: the clocks of two machines differ.
        (None, Some(expires)) => date(expires)
            .zip(text(headers, DATE).and_then(date))
            .map_or(0, |(expires, now)| expires.saturating_sub(now)),
    };
    let age = text(headers, AGE).and_then(delta_seconds).unwrap_or(0);
    Some(Duration::from_secs(lifetime.saturating_sub(age)))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    // Present but unreadable is not the same as absent.
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default().trim())
}

/// RFC 9111 section 1.2.2: digits; an overflow counts as the highest number.
fn delta_seconds(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Seconds since 1970 of a date (RFC 9110 section 5.6.7).
fn date(text: &str) -> Option<u64> {
    // A leap second counts as a second, but no system clock has it.
    let before = text.strip_suffix(":60 GMT");
    let before = before.map(|minute| format!("{minute}:59 GMT"));
    let date = httpdate::parse_http_date(before.as_deref().unwrap_or(text)).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs() + u64::from(before.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(headers: &[(&'static str, &str)]) -> Option<u64> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header"));
        }
        lifetime(&map).map(|lifetime| lifetime.as_secs())
    }

    #[test]
    fn cache_control() {
        assert_eq!(said(&[]), None);
        for (value, seconds) in [
            ("max-age=300", Some(300)),
            ("public, Max-Age=300, must-revalidate", Some(300)),
            ("max-age=\"300\"", Some(300)),
            ("private, max-age = 300", Some(300)),
            ("max-age=300, max-age=20", Some(20)),
            ("max-age=0", Some(0)),
            ("max-age=99999999999999999999999", Some(u64::MAX)),
            ("max-age=-1", Some(0)),
            ("max-age=1.5", Some(0)),
            ("max-age", Some(0)),
            ("no-cache", Some(0)),
            ("no-store, max-age=300", Some(0)),
            ("max-age=300, NO-CACHE", Some(0)),
            ("no-cache=\"set-cookie\", max-age=300", Some(0)),
            ("public", None),
            ("s-maxage=300", None),
            ("", None),
        ] {
            assert_eq!(said(&[("cache-control", value)]), seconds, "{value}");
        }
        assert_eq!(
            said(&[("cache-control", "public"), ("cache-control", "max-age=7")]),
            Some(7)
        );
    }

    #[test]
    fn an_answer_that_was_kept_elsewhere_has_an_age() {
        let said = |age| said(&[("cache-control", "max-age=300"), ("age", age)]);
        assert_eq!(said("100"), Some(200));
        assert_eq!(said("300"), Some(0));
        assert_eq!(said("301"), Some(0));
        assert_eq!(said("x"), Some(300));
    }

    #[test]
    fn expires() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let expires = |value| said(&[date, ("expires", value)]);
        assert_eq!(expires("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60));
        assert_eq!(expires("Mon, 07 Nov 1994 08:49:37 GMT"), Some(86_400));
        assert_eq!(expires("Sun, 06 Nov 1994 08:49:36 GMT"), Some(0));
        for unreadable in ["0", "-1", "", "Sunday, 06-Nov-94 08:49:37 GMT", "tomorrow"] {
            assert_eq!(expires(unreadable), Some(0), "{unreadable}");
        }
        let alone = ("expires", "Mon, 07 Nov 1994 08:49:37 GMT");
        assert_eq!(said(&[alone]), Some(0));
        let longer = ("cache-control", "max-age=300");
        assert_eq!(said(&[date, alone, longer]), Some(300));
    }

    #[test]
    fn dates() {
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sat, 31 Dec 2016 23:59:60 GMT", Some(1_483_228_800)),
            ("Sun, 28 Feb 2100 00:00:00 GMT", Some(4_107_456_000)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Wed, 31 Dec 1969 23:59:59 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 CET", None),
            ("Thu, 01 Jan 1970 24:00:00 GMT", None),
            ("Thu, 00 Jan 1970 00:00:00 GMT", None),
            ("Thu, 01 jan 1970 00:00:00 GMT", None),
            ("Thu, 01 Jan 99999999999 00:00:00 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT x", None),
        ] {
            assert_eq!(date(text), seconds, "{text}");
        }
    }
}
