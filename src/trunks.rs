//! Registrations at carriers, and whether their gateways are there: what is sent, when, and what an answer means.
//! It does as jambonz's sbc-sip-sidecar does, with its tables.
//!
//! Nothing here sends, reads or writes. Who runs it is told what to do, by [`Deed`]s, and tells what came of it.
//!
//! - [`plans`]: what is to be registered, from rows of the tables.
//! - [`Registrations`]: the registrations (RFC 3261 section 10.2).
//! - [`Pings`]: OPTIONS to gateways (RFC 3261 section 11).
//! - [`Reply`]: an answer, as it is handed over from the process that has received it.

mod address;
mod deed;
mod pings;
mod plan;
mod registration;
mod reply;
mod status;

pub use deed::{Alert, Deed, Event, Outgoing};
pub use pings::{PingSettings, Pings};
pub use plan::{Addresses, Site, plans};
pub use registration::{Now, Registrations, Settings, State, switched_off};
pub use reply::{MAX_REPLY, Reply};
