//! What jambonz's portal shows of a registration.

use std::time::Duration;

use serde::Serialize;

/// The longest reason that is kept.
const MAX_REASON: usize = 200;

/// What became of a registration, as sidecar writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// `ok` or `fail`.
    pub status: &'static str,
    /// Code and reason of the answer, or why there is none.
    pub reason: String,
    /// The CSeq of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cseq: Option<String>,
    /// Its Call-ID.
    #[serde(rename = "callId", skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// When it was answered (ISO 8601).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<String>,
    /// For how long it was granted, in seconds; 0 if it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u32>,
}

impl Status {
    /// That nothing was sent.
    pub fn unsent(reason: &str) -> Self {
        Status {
            status: "fail",
            reason: printable(reason.as_bytes()),
            cseq: None,
            call_id: None,
            timestamp: None,
            expires: None,
        }
    }

    /// The JSON object.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What others write: a column may hold nothing but ASCII.
pub fn printable(text: &[u8]) -> String {
    let shown = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    text.iter().take(MAX_REASON).map(shown).collect()
}

/// A time since 1970 as JavaScript prints it: `2026-01-31T12:00:00.000Z`.
pub fn timestamp(time: Duration) -> String {
    let seconds = time.as_secs();
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(day);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        time.subsec_millis()
    )
}

/// Year, month and day, of a day since 1970 in the Gregorian calendar.
fn date(mut day: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    // 400 years have as many days each time.
    year += day / 146_097 * 400;
    day %= 146_097;
    loop {
        let days = if is_leap(year) { 366 } else { 365 };
        if day < days {
            break;
        }
        day -= days;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_in_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(timestamp(Duration::from_secs(seconds)), text);
        }
        assert!(timestamp(Duration::from_millis(1_042)).ends_with("01.042Z"));
    }

    #[test]
    fn members_are_in_the_order_that_the_portal_knows() {
        let status = Status {
            status: "ok",
            reason: "200 OK".to_owned(),
            cseq: Some("2 REGISTER".to_owned()),
            call_id: Some("g".to_owned()),
            timestamp: Some("t".to_owned()),
            expires: Some(600),
        };
        assert_eq!(
            status.json(),
            r#"{"status":"ok","reason":"200 OK","cseq":"2 REGISTER","callId":"g","timestamp":"t","expires":600}"#
        );
        assert_eq!(
            Status::unsent("Invalid\u{e9} \"x\"").json(),
            r#"{"status":"fail","reason":"Invalid?? \"x\""}"#
        );
    }
}
