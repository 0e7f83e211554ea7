//! What an OPTIONS of jambonz's servers says of its sender: through pseudo-variables.

use super::pvar::{Message, Variable};

/// The pseudo-variables, parsed once at start: of each header the first, and a second one.
#[derive(Debug)]
pub struct CheckinVariables {
    feature_server: [Variable; 2],
    rtp_server: [Variable; 2],
    service_url: [Variable; 2],
}

/// The headers of a check-in, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckinHeaders {
    /// Whether it is from a server of RTP.
    pub is_rtp: bool,
    /// What it says of its state.
    pub status: Vec<u8>,
    /// The URL that it gives.
    pub url: Option<Vec<u8>>,
    /// Whether one of these headers is there more than once.
    pub is_doubled: bool,
}

impl CheckinVariables {
    /// Parses them.
    ///
    /// # Errors
    /// Fails with the specification that the core does not know.
    pub fn new() -> Result<Self, String> {
        let header = |name: &str| {
            let parse = |index: usize| {
                let text = format!("$(hdr({name})[{index}])");
                Variable::parse(&text).ok_or(text)
            };
            Ok::<_, String>([parse(0)?, parse(1)?])
        };
        Ok(CheckinVariables {
            feature_server: header("X-FS-Status")?,
            rtp_server: header("X-RTP-Status")?,
            service_url: header("X-FS-ServiceUrl")?,
        })
    }

    /// What the headers say; `None` where none of them is there. Of a server that is both, the state as a server of
    /// RTP counts, as with jambonz's sbc-sip-sidecar.
    pub fn read(&self, message: Message) -> Option<CheckinHeaders> {
        let of = |[first, second]: [Variable; 2]| {
            let first = message.text(first);
            let is_doubled = first.is_some() && message.text(second).is_some();
            (first, is_doubled)
        };
        let (feature_server, is_doubled) = of(self.feature_server);
        let (rtp_server, is_doubled_too) = of(self.rtp_server);
        let is_rtp = rtp_server.is_some();
        let status = rtp_server.or(feature_server)?;
        let (url, has_two_urls) = of(self.service_url);
        Some(CheckinHeaders {
            is_rtp,
            status,
            url,
            is_doubled: is_doubled || is_doubled_too || has_two_urls,
        })
    }
}
