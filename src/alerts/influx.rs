//! The InfluxDB in which alerts are written, as its HTTP interface of version 1.x has it.

use std::fmt;
use std::time::Instant;

use serde::Deserialize;
use thiserror::Error;

use crate::digest::MASKED;
use crate::http::{Cause, Documents, EndpointUrl};

/// The database, whose name jambonz's portal knows.
const DATABASE: &str = "alerts";

/// The longest answer that is read, in bytes.
const MOST_ANSWER: usize = 256 * 1024;

/// The most characters that are shown of what it answers.
const MOST_SHOWN: usize = 200;

/// Why a URL is none of an InfluxDB. The URL itself is not repeated, it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("must be http://[user[:password]@]host[:port] or https://..., without a query")]
pub struct InfluxError;

/// Why points were not written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// There was no answer.
    #[error("{0}")]
    NoAnswer(#[from] Cause),
    /// It could not do it now; later it may.
    #[error("it answered with status {status}: {text}")]
    Status {
        /// The status of HTTP.
        status: u16,
        /// What it says of it.
        text: String,
    },
    /// It never takes them.
    #[error("it takes none of {count} alerts: status {status}: {text}")]
    Refused {
        /// How many points these were.
        count: usize,
        /// The status of HTTP.
        status: u16,
        /// What it says of them.
        text: String,
    },
    /// What it answers is not what an InfluxDB does.
    #[error("its answer to SHOW DATABASES is not that of an InfluxDB")]
    Strange,
}

/// The URLs of an InfluxDB. Its printed form has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Influx {
    write: EndpointUrl,
    query: EndpointUrl,
    shown: String,
}

impl fmt::Debug for Influx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Influx").field(&self.shown).finish()
    }
}

impl fmt::Display for Influx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// What `SHOW DATABASES` answers.
#[derive(Deserialize)]
struct Databases {
    results: Vec<Results>,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    series: Vec<Series>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    values: Vec<Vec<serde_json::Value>>,
}

impl Influx {
    /// The InfluxDB at this URL: `http://[user[:password]@]host[:port]`, or `https://`.
    ///
    /// # Errors
    /// Fails with [`InfluxError`].
    pub fn parse(url: &str) -> Result<Influx, InfluxError> {
        let url = url.trim();
        if url.contains(['?', '#']) || url.contains(char::is_whitespace) {
            return Err(InfluxError);
        }
        let base = url.trim_end_matches('/');
        let at = |path: &str| format!("{base}/{path}").parse::<EndpointUrl>();
        let own: EndpointUrl = base.parse().map_err(|_| InfluxError)?;
        Ok(Influx {
            write: at(&format!("write?db={DATABASE}&precision=ns")).map_err(|_| InfluxError)?,
            query: at("query").map_err(|_| InfluxError)?,
            shown: own.to_string(),
        })
    }

    /// Creates the database, unless it is there.
    ///
    /// # Errors
    /// Fails with [`WriteError`].
    pub fn prepare(&self, client: &Documents, until: Instant) -> Result<(), WriteError> {
        let body = self.ask(client, "q=SHOW+DATABASES", until)?;
        let known: Databases = serde_json::from_slice(&body).map_err(|_| WriteError::Strange)?;
        if let Some(error) = known.results.iter().find_map(|it| it.error.as_deref()) {
            return Err(WriteError::Status {
                status: 200,
                text: self.shown(error),
            });
        }
        let mut rows = known.results.iter().flat_map(|results| &results.series);
        let is_name = |row: &Vec<serde_json::Value>| row.first().is_some_and(|it| it == DATABASE);
        if rows.any(|series| series.values.iter().any(is_name)) {
            return Ok(());
        }
        self.ask(
            client,
            &format!("q=CREATE+DATABASE+%22{DATABASE}%22"),
            until,
        )?;
        Ok(())
    }

    fn shown(&self, text: &str) -> String {
        shown(
            text,
            self.query.basic().map(|basic| basic.password.as_str()),
        )
    }

    fn ask(&self, client: &Documents, form: &str, until: Instant) -> Result<Vec<u8>, WriteError> {
        const FORM: &str = "application/x-www-form-urlencoded";
        let (status, body) = client.post(&self.query, FORM, form.as_bytes(), MOST_ANSWER, until)?;
        match status {
            200 => Ok(body),
            status => Err(WriteError::Status {
                status,
                text: self.shown(&String::from_utf8_lossy(&body)),
            }),
        }
    }

    /// Writes points, each a line with its time in nanoseconds.
    ///
    /// # Errors
    /// Fails with [`WriteError`]: [`Refused`](WriteError::Refused) if they can't ever be written.
    pub fn write(
        &self,
        client: &Documents,
        lines: &[String],
        until: Instant,
    ) -> Result<(), WriteError> {
        const TEXT: &str = "text/plain; charset=utf-8";
        let body = lines.join("\n");
        let (status, body) = client.post(&self.write, TEXT, body.as_bytes(), MOST_ANSWER, until)?;
        let text = || self.shown(&String::from_utf8_lossy(&body));
        match status {
            200..=299 => Ok(()),
            400 | 413 | 422 => Err(WriteError::Refused {
                count: lines.len(),
                status,
                text: text(),
            }),
            status => Err(WriteError::Status {
                status,
                text: text(),
            }),
        }
    }
}

/// The beginning of what it says, on one line, without the password: some servers repeat what was asked.
fn shown(text: &str, password: Option<&str>) -> String {
    let text = match password.filter(|password| !password.is_empty()) {
        Some(password) => text.replace(password, MASKED),
        None => text.to_owned(),
    };
    let text = text.trim().chars().take(MOST_SHOWN);
    text.map(|c| if c.is_ascii_graphic() { c } else { ' ' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_a_server_and_nothing_else_is_one_of_influxdb() {
        let influx = Influx::parse("http://me:hunter2@influx.example:8086/").unwrap();
        assert_eq!(influx.to_string(), "http://influx.example:8086/");
        assert!(!format!("{influx:?}").contains("hunter2"));
        assert_eq!(
            influx.write.target(),
            "http://influx.example:8086/write?db=alerts&precision=ns"
        );
        assert_eq!(influx.query.target(), "http://influx.example:8086/query");
        assert_eq!(influx.query.basic().unwrap().username, "me");
        assert!(Influx::parse("https://influx.example/behind").is_ok());
        for bad in [
            "",
            "influx.example:8086",
            "udp://influx.example:8089",
            "http://influx.example?db=x",
            "http://influx.example/#x",
            "http://influx example",
            "http://:8086",
        ] {
            assert_eq!(Influx::parse(bad), Err(InfluxError), "{bad}");
        }
    }

    #[test]
    fn what_it_says_is_shown_on_one_line() {
        assert_eq!(shown(" a\r\nb\u{e9} ", None), "a  b ");
        assert_eq!(shown(&"x".repeat(999), Some("")).len(), MOST_SHOWN);
        assert_eq!(
            shown("me:hunter2 is wrong", Some("hunter2")),
            "me:[masked] is wrong"
        );
    }
}
