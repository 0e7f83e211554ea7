//! What is to be done, by whoever runs it.

/// A request that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its answer comes with this number.
    pub number: u64,
    /// The method.
    pub method: &'static str,
    /// The Request-URI.
    pub request_uri: String,
    /// The URI that it is sent to.
    pub next_hop: String,
    /// The URI of From.
    pub from: String,
    /// The URI of To.
    pub to: String,
    /// The Call-ID.
    pub call_id: String,
    /// The tag of From.
    pub from_tag: String,
    /// The number of CSeq.
    pub cseq: u32,
    /// Further lines of the head, each with its end.
    pub headers: String,
}

/// What is to be told to the owner of a carrier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// The key of the carrier.
    pub carrier: String,
    /// What has happened.
    pub what: Event,
}

/// See [`Alert`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The carrier was switched off, as it refuses its registration.
    SwitchedOff,
    /// A gateway does not answer OPTIONS with 200: its address, and why.
    NotThere(String, String),
    /// A gateway is not asked any more: its address, and why.
    NotAsked(String, String),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A request is to be sent. If that can't be done, `failed` is to be called with its number.
    Send(Box<Outgoing>),
    /// What became of the registration of a carrier is to be written.
    Tell {
        /// The key of the carrier.
        carrier: String,
        /// The JSON object.
        status: String,
    },
    /// What comes from a host counts as from the carrier.
    Admit {
        /// The key of the carrier.
        carrier: String,
        /// A name or an address.
        host: String,
        /// The address that has answered, if that is the host's.
        source: Option<String>,
        /// For how long, in seconds; 0 ends it.
        seconds: u32,
    },
    /// Nothing counts as from the carrier any more that did so because of its registration.
    AdmitNothing {
        /// The key of the carrier.
        carrier: String,
    },
    /// A carrier refuses, and is to be switched off.
    SwitchOff {
        /// The key of the carrier.
        carrier: String,
    },
    /// A gateway is not to be used for a while.
    Avoid {
        /// The key of the gateway.
        gateway: String,
        /// What is told if it was used until now.
        alert: Alert,
    },
    /// A gateway may be used.
    Use {
        /// The key of the gateway.
        gateway: String,
    },
    /// A gateway is not to be asked any more.
    StopPings {
        /// The key of the gateway.
        gateway: String,
        /// What is told.
        alert: Alert,
    },
}
