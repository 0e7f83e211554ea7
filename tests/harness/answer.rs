//! A SIP answer, as far as the tests need it.

/// Status, reason and headers; bytes that are not UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 100 to 699.
    pub status: u16,
    /// What follows the status in the first line.
    pub reason: String,
    /// All headers, in order.
    pub headers: Vec<(String, String)>,
}

impl Answer {
    /// None if it does not begin like an answer.
    pub fn parse(bytes: &[u8]) -> Option<Answer> {
        let text = String::from_utf8_lossy(bytes);
        let head = text.split("\r\n\r\n").next()?;
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.splitn(3, ' ');
        if first.next()? != "SIP/2.0" {
            return None;
        }
        let status = first.next()?.parse().ok()?;
        let reason = first.next().unwrap_or_default().to_string();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim().to_string(), value.trim().to_string()))
            .collect();
        Some(Answer {
            status,
            reason,
            headers,
        })
    }

    /// The first header of that name, in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The headers whose names begin with `X-`: what the test script reports about an
    /// authorization.
    pub fn extensions(&self) -> Vec<(&str, &str)> {
        self.headers
            .iter()
            .filter(|(name, _)| name.starts_with("X-"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }
}
