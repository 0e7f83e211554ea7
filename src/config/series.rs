//! Parameters of what is written and sent for others to show: `alerts_url`, `alert_account_avp`, `stats_server`,
//! `stats_prefix`, `stats_tags`.

use super::avp_list;
use super::raw::{ConfigError, Raw};
use crate::alerts::Influx;
use crate::statsd::{self, Common, Server};

/// The longest `stats_prefix` and `stats_tags`, in bytes: a metric has to have room beside them.
const MOST_COMMON: usize = 64;

/// What the parameters say of it.
#[derive(Clone, Debug)]
pub struct Series {
    /// The InfluxDB of alerts (`alerts_url`); `None` to write none.
    pub alerts: Option<Influx>,
    /// The AVP with the account of a request (`alert_account_avp`).
    pub account_avp: Option<String>,
    /// Where metrics are sent (`stats_server`); `None` to send none.
    pub stats: Option<Server>,
    /// What they have in common (`stats_prefix`, `stats_tags`).
    pub common: Common,
}

impl Series {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let alerts = raw.text("alerts_url")?.map(|url| {
            Influx::parse(url).map_err(|error| ConfigError::Secret {
                name: "alerts_url".to_owned(),
                cause: error.to_string(),
            })
        });
        let stats = raw.text("stats_server")?.map(|server| {
            Server::parse(server).ok_or_else(|| raw.error("stats_server", statsd::SERVER))
        });
        Ok(Series {
            alerts: alerts.transpose()?,
            account_avp: avp_list::one(raw, "alert_account_avp")?,
            stats: stats.transpose()?,
            common: Common {
                prefix: common(raw, "stats_prefix")?,
                tags: common(raw, "stats_tags")?,
            },
        })
    }
}

fn common(raw: &Raw, name: &str) -> Result<String, ConfigError> {
    let text = raw.text(name)?.unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_graphic() && !"|@#".contains(c);
    match text.len() <= MOST_COMMON && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err(raw.error(
            name,
            format!("up to {MOST_COMMON} visible characters of ASCII, none of them | @ or #"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn read(name: &str, value: &str) -> Result<Series, String> {
        let mut raw = Raw::default();
        raw.push(name, RawValue::Text(value.to_owned()));
        Series::new(&raw).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_wrong_is_named_and_no_password_is_shown() {
        assert!(
            read("alerts_url", "http://a.example:8086")
                .unwrap()
                .alerts
                .is_some()
        );
        assert!(
            read("stats_server", "udp:a.example:8125")
                .unwrap()
                .stats
                .is_some()
        );
        let none = read("alerts_url", "").unwrap();
        assert!(none.alerts.is_none() && none.stats.is_none());
        for (name, value) in [
            ("alerts_url", "influx://me:hunter2@a.example"),
            ("alerts_url", "http://me:hunter2@a.example/?db=x"),
            ("alert_account_avp", "$var(x)"),
            ("stats_server", "a.example:8125"),
            ("stats_prefix", "a b"),
            ("stats_tags", "a:b|c"),
        ] {
            let error = read(name, value).unwrap_err();
            assert!(
                error.contains(name) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
