//! Parameters of the servers that check in: `checkin_networks`, `cluster_id`, `checkin_expires`, `checkin_interval`.

use std::time::Duration;

use super::cluster;
use super::raw::{ConfigError, Raw};
use crate::members::Networks;

/// Milliseconds that a member stays without checking in again, and between two looks at that, as with jambonz's
/// sbc-sip-sidecar.
const DEFAULT_EXPIRES_MS: i64 = 60_000;
const DEFAULT_INTERVAL_MS: i64 = 20_000;

/// What the parameters of the servers that check in say.
#[derive(Clone, Debug)]
pub struct Checkins {
    /// Where servers may check in from (`checkin_networks`); none: nobody does.
    pub networks: Networks,
    /// What their keys in Redis begin with (`cluster_id`).
    pub cluster: String,
    /// How long a member stays without checking in again (`checkin_expires`).
    pub expires: Duration,
    /// The time between two looks at that (`checkin_interval`).
    pub interval: Duration,
}

impl Checkins {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        const NETWORKS: &str = "checkin_networks";
        let networks = match raw.text(NETWORKS)? {
            None => Networks::default(),
            Some(text) => Networks::parse(text).map_err(|error| {
                let allowed =
                    format!("networks such as 10.0.0.0/8, separated by commas or blanks; {error}");
                raw.error(NETWORKS, allowed)
            })?,
        };
        let time = |name, default, least| {
            let time = raw.int(name, default, least..=86_400_000, "milliseconds")?;
            Ok(Duration::from_millis(time.unsigned_abs()))
        };
        Ok(Checkins {
            networks,
            cluster: cluster::id(raw)?,
            expires: time("checkin_expires", DEFAULT_EXPIRES_MS, 1000)?,
            interval: time("checkin_interval", DEFAULT_INTERVAL_MS, 100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn read(name: &str, value: &str) -> Result<Checkins, ConfigError> {
        let mut raw = Raw::default();
        raw.push(name, RawValue::Text(value.to_owned()));
        Checkins::new(&raw)
    }

    #[test]
    fn without_networks_nobody_checks_in() {
        let nothing = Checkins::new(&Raw::default()).unwrap();
        assert!(nothing.networks.is_empty());
        assert_eq!(nothing.cluster, "default");
        assert_eq!(nothing.expires, Duration::from_secs(60));
        assert_eq!(nothing.interval, Duration::from_secs(20));
        let some = read("checkin_networks", "10.0.0.0/8").unwrap();
        assert!(some.networks.have("10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn mistakes_name_the_parameter_and_what_is_allowed() {
        for (name, value) in [
            ("checkin_networks", "10.0.0.0/33"),
            ("checkin_networks", ","),
            ("cluster_id", "a b"),
            ("cluster_id", "{a}"),
            ("cluster_id", "a\r\nb"),
            ("checkin_expires", "999"),
            ("checkin_interval", "99"),
            ("checkin_interval", "1s"),
        ] {
            let message = read(name, value).unwrap_err().to_string();
            assert!(
                message.contains(name) && message.contains("allowed is"),
                "{message}"
            );
        }
        assert!(read("cluster_id", &"x".repeat(65)).is_err());
    }
}
