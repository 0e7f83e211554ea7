//! How long a server asks to be left alone: `Retry-After` (RFC 9110 section 10.2.3).

use std::time::{Duration, SystemTime};

use ureq::http::HeaderMap;
use ureq::http::header::RETRY_AFTER;

/// The time that a server asks for at `now`, with status 429 (RFC 6585 section 4) or 503, at most `most`;
/// `None` if it asks for none, or for one that is over or can't be read. Of several, the longest.
pub(super) fn retry_after(
    status: u16,
    headers: &HeaderMap,
    now: SystemTime,
    most: Duration,
) -> Option<Duration> {
    if !matches!(status, 429 | 503) {
        return None;
    }
    let values = headers.get_all(RETRY_AFTER).iter();
    let longest = values
        .filter_map(|value| read(value.as_bytes(), now))
        .max()?
        .min(most);
    (!longest.is_zero()).then_some(longest)
}

/// Seconds, or an HTTP date.
fn read(value: &[u8], now: SystemTime) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // Digits that are too many are a long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    date.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ureq::http::HeaderValue;

    use super::*;

    const MOST: Duration = Duration::from_secs(100);

    fn of(status: u16, values: &[&[u8]]) -> Option<u64> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a value");
            headers.append(RETRY_AFTER, value);
        }
        retry_after(status, &headers, now, MOST).map(|time| time.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read_and_bounded() {
        for status in [429, 503] {
            assert_eq!(of(status, &[b"7"]), Some(7));
            assert_eq!(of(status, &[b"0007 "]), Some(7));
            assert_eq!(of(status, &[b"101"]), Some(100));
            assert_eq!(of(status, &[&[b'9'; 60]]), Some(100));
            assert_eq!(of(status, &[b"Sun, 06 Nov 1994 08:50:07 GMT"]), Some(30));
            assert_eq!(of(status, &[b"Fri, 31 Dec 9999 23:59:59 GMT"]), Some(100));
            assert_eq!(of(status, &[b"3", b"x", b"5", b"4"]), Some(5));
        }
        for garbage in [
            &b""[..],
            b"0",
            b"-1",
            b"+7",
            b"7.5",
            b"7 s",
            b"7, 8",
            b"soon",
            b"\xff",
            b"Sun, 06 Nov 1994 08:49:37 GMT",
            b"Sun, 06 Nov 1994 08:00:00 GMT",
        ] {
            assert_eq!(of(429, &[garbage]), None, "{garbage:?}");
        }
        assert_eq!(of(429, &[]), None);
        for status in [200, 401, 403, 500, 502] {
            assert_eq!(of(status, &[b"7"]), None);
        }
        assert_eq!(
            retry_after(429, &HeaderMap::new(), SystemTime::now(), Duration::ZERO),
            None
        );
    }

    proptest! {
        #[test]
        fn any_value_is_read(value: Vec<u8>) {
            _ = read(&value, SystemTime::now());
        }
    }
}
