//! Alerts: what the owner of an account should know, as jambonz's portal shows it.
//!
//! They are points of the measurement `alerts` in the database `alerts` of an InfluxDB, with the tags, fields and
//! texts of jambonz's library `time-series`.

mod influx;
mod line;

pub use influx::{Influx, WriteError};
pub use line::MOST_TAG;

use serde::{Deserialize, Serialize};

use crate::queue::Queue;

/// The longest message of an alert, in bytes; the rest is cut off.
pub const MOST_MESSAGE: usize = 512;

/// The longest detail of an alert, in bytes; the rest is cut off.
pub const MOST_DETAIL: usize = 256;

/// The words of the longest alert as it is handed over, of which each character may be escaped.
const WORDS: usize = 256;

/// How many alerts may wait to be written.
pub const MOST_WAITING: usize = 1024;

/// The alerts that wait to be written.
pub type Waiting = Queue<WORDS>;

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// A webhook answered with this status.
    WebhookStatus {
        /// Its URL, without userinfo and query.
        url: String,
        /// The status of HTTP.
        status: u16,
    },
    /// There was no connection to a webhook, or it broke, or took too long.
    WebhookUnreachable {
        /// Its URL, without userinfo and query.
        url: String,
    },
    /// An account has as many registrations as it may have.
    AccountDeviceLimit {
        /// How many it may have, as the script knows it.
        limit: String,
    },
    /// Anything else.
    Other {
        /// The type; `None` for an alert that has none.
        kind: Option<String>,
        /// What it says. If it is empty, the type is its text.
        message: String,
    },
}

/// The type of [`What::WebhookStatus`].
const WEBHOOK_STATUS: &str = "webhook-failure";

/// The type of [`What::WebhookUnreachable`].
const WEBHOOK_UNREACHABLE: &str = "webhook-connection-failure";

/// The type of [`What::AccountDeviceLimit`].
pub const ACCOUNT_DEVICE_LIMIT: &str = "account-device-limit";

/// Something that the owner of an account, or the service provider, should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// What has happened.
    pub what: What,
    /// The account that it is about, if that is known.
    pub account_sid: Option<String>,
    /// The service provider that it is about, if that is known.
    pub service_provider_sid: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}

impl Alert {
    /// One that is about nobody yet.
    pub fn new(what: What) -> Self {
        Alert {
            what,
            account_sid: None,
            service_provider_sid: None,
            detail: None,
        }
    }

    /// One without a type, which says this.
    pub fn text(message: impl Into<String>) -> Self {
        Alert::new(What::Other {
            kind: None,
            message: message.into(),
        })
    }

    /// The same about this account.
    #[must_use]
    pub fn of_account(self, sid: Option<String>) -> Self {
        Alert {
            account_sid: sid,
            ..self
        }
    }

    /// The same about this service provider.
    #[must_use]
    pub fn of_service_provider(self, sid: Option<String>) -> Self {
        Alert {
            service_provider_sid: sid,
            ..self
        }
    }

    /// Its type, for the tag `alert_type`; empty if it has none.
    pub fn kind(&self) -> &str {
        match &self.what {
            What::WebhookStatus { .. } => WEBHOOK_STATUS,
            What::WebhookUnreachable { .. } => WEBHOOK_UNREACHABLE,
            What::AccountDeviceLimit { .. } => ACCOUNT_DEVICE_LIMIT,
            What::Other { kind, .. } => kind.as_deref().unwrap_or_default(),
        }
    }

    /// Its text, as jambonz words it. Never empty.
    pub fn message(&self) -> String {
        match &self.what {
            What::WebhookStatus { url, status } => format!("{url} returned {status}"),
            What::WebhookUnreachable { url } => format!("failed to connect to {url}"),
            What::AccountDeviceLimit { limit } => format!(
                "you have exceeded your account limit of {limit} registered devices; please consider upgrading \
                 your plan"
            ),
            What::Other { message, .. } if !message.is_empty() => message.clone(),
            What::Other { kind, .. } => match kind.as_deref() {
                Some(kind) if !kind.is_empty() => kind.to_owned(),
                _ => "unknown alert".to_owned(),
            },
        }
    }

    /// The point of the line protocol, without its time.
    pub fn point(&self) -> String {
        line::point(
            "alerts",
            &[
                ("account_sid", self.account_sid.as_deref()),
                ("alert_type", Some(self.kind())),
                ("service_provider_sid", self.service_provider_sid.as_deref()),
            ],
            &[
                ("detail", self.detail.as_deref(), MOST_DETAIL),
                ("message", Some(&self.message()), MOST_MESSAGE),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_worded_and_tagged_as_jambonz_does() {
        let sid = Some("a1".to_owned());
        let status = What::WebhookStatus {
            url: "https://a.example/auth".to_owned(),
            status: 502,
        };
        assert_eq!(
            Alert::new(status).of_account(sid.clone()).point(),
            "alerts,account_sid=a1,alert_type=webhook-failure \
             message=\"https://a.example/auth returned 502\""
        );
        let unreachable = What::WebhookUnreachable {
            url: "https://a.example/auth".to_owned(),
        };
        assert_eq!(
            Alert::new(unreachable).point(),
            "alerts,alert_type=webhook-connection-failure \
             message=\"failed to connect to https://a.example/auth\""
        );
        let full = What::AccountDeviceLimit {
            limit: "5".to_owned(),
        };
        assert_eq!(
            Alert::new(full).of_account(sid).point(),
            "alerts,account_sid=a1,alert_type=account-device-limit message=\"you have exceeded your account \
             limit of 5 registered devices; please consider upgrading your plan\""
        );
        let carrier = Alert {
            detail: Some("401".to_owned()),
            ..Alert::text("off").of_service_provider(Some("sp".to_owned()))
        };
        assert_eq!(
            carrier.point(),
            "alerts,service_provider_sid=sp detail=\"401\",message=\"off\""
        );
        assert_eq!(Alert::text("").message(), "unknown alert");
    }

    #[test]
    fn the_longest_alert_has_room() {
        let long = |count| Some("\"=".repeat(count));
        let alert = Alert {
            what: What::Other {
                kind: long(999),
                message: "\\".repeat(9999),
            },
            account_sid: long(999),
            service_provider_sid: long(999),
            detail: long(999),
        };
        let point = alert.point();
        assert!(point.len() > MOST_MESSAGE * 2);
        assert!(point.len() <= Waiting::MOST_BYTES, "{}", point.len());
    }
}
