//! The module in one OpenSIPS: what is set up once, before the fork, and never changes afterwards.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::alerts;
use crate::config::Config;
use crate::config::database::Database;
use crate::credentials::Credentials;
use crate::digest::Nonces;
use crate::http::{Circuits, Inflight, Paces};
use crate::introspection::Flood;
use crate::jwt::revocations::Revocations;
use crate::jwt::signatures::Signatures;
use crate::keys::SharedFetches;
use crate::opensips::avp::Avp;
use crate::opensips::checkin::CheckinVariables;
use crate::opensips::pvar::Variable;
use crate::opensips::registration::RegistrationVariables;
use crate::opensips::request::RequestVariables;
use crate::opensips::segment::Segment;
use crate::opensips::uac::Answers;
use crate::opensips::{cachedb, db};
use crate::outages::Outages;
use crate::queue::Queue;
use crate::statsd;
use crate::store::cache::Ready;
use crate::store::issuers::Issuers;
use crate::store::shared::SharedRows;

/// The optional tables that exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// The version of the table of the endpoints of realms.
    pub endpoints: Option<i64>,
    /// The table of credentials.
    pub credentials: bool,
    /// The tables of profiles and their secrets.
    pub profiles: bool,
    /// The version of the table of issuers, where it is used.
    pub issuers: Option<i64>,
    /// The table of revocations.
    pub revocations: bool,
}

/// A parameter in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Its value, without what is secret in it; empty for none.
    pub value: String,
    /// Whether the script sets it.
    pub is_set: bool,
}

/// What one process has found out, and others are to tell.
pub type Handed = Queue<512>;

/// What is set up once.
#[derive(Debug)]
pub struct Module {
    /// The configuration.
    pub config: Config,
    /// The parameters in force, fit to be shown.
    pub parameters: Vec<Parameter>,
    /// Where answers to requests of our own are handed over, if some are sent.
    pub answers: Option<Answers>,
    /// The core's database driver, if the database is not reached natively.
    pub core_driver: Option<db::Driver>,
    /// The keys of `jwks_url`, as a profile that all of its tokens share.
    pub provider: Option<Arc<Ready>>,
    /// All issuers as they were at start, if there is a table of them, and when it
    /// was read.
    pub first_issuers: Option<(Instant, Arc<Issuers>)>,
    /// The first snapshot of all profiles, with `cache_mode` "preload".
    pub first_snapshot: Option<Segment>,
    /// The signatures that any process has verified.
    pub signatures: Signatures,
    /// When the module was set up.
    pub start: Instant,
    /// The tokens that are revoked.
    pub revocations: Revocations,
    /// The web servers that fail, as any process has met them.
    pub circuits: Circuits,
    /// How fast endpoints answer, as any process has met it.
    pub paces: Paces,
    /// How many requests to one endpoint all processes have in progress, if that is limited.
    pub inflight: Option<Inflight>,
    /// How many tokens issuers did not know.
    pub flood: Flood,
    /// What fails now, as any process has met it.
    pub outages: Outages,
    /// The alerts that wait to be written, if they are.
    pub alerts: Option<alerts::Waiting>,
    /// The metrics that wait to be sent, if they are.
    pub metrics: Option<statsd::Waiting>,
    /// What the process of what is done at intervals has found out, for workers to tell.
    pub handed: Option<Handed>,
    /// `alert_account_avp`.
    pub alert_account: Option<Variable>,
    /// What any process has fetched from providers.
    pub fetches: Arc<SharedFetches>,
    /// What the database said, whichever process asked it.
    pub rows: SharedRows,
    /// AVPs of `load_credentials`, parallel to the configuration's.
    pub profile_avps: Vec<Avp>,
    /// AVPs of `load_claims`, parallel to the configuration's.
    pub claim_avps: Vec<Avp>,
    /// AVPs of `load_grant`, parallel to the configuration's.
    pub grant_avps: Vec<Avp>,
    /// AVPs of `load_authorization`, parallel to the configuration's.
    pub authorization_avps: Vec<Avp>,
    /// AVPs of `load_realm`, parallel to the configuration's.
    pub realm_avps: Vec<Avp>,
    /// AVPs of `load_registration`, parallel to the configuration's.
    pub registration_avps: Vec<Avp>,
    /// The optional tables that exist.
    pub tables: Tables,
    /// The credentials of the parameter `credential`.
    pub credentials: Arc<Credentials>,
    /// The engine of `cachedb_url`, where Redis is not asked natively.
    pub cache_engine: Option<cachedb::Engine>,
    /// Makes and knows nonces.
    pub nonces: Nonces,
    /// `client_certificate_avp`.
    pub certificate: Option<Variable>,
    /// What is read from requests.
    pub request: RequestVariables,
    /// What is read from requests to register.
    pub registration: RegistrationVariables,
    /// What is read from requests of servers that check in.
    pub checkin: CheckinVariables,
}

impl Module {
    /// The database that holds the table of endpoints, if there is one.
    pub fn endpoints_database(&self) -> Option<&Database> {
        let database = self.config.database.as_ref();
        database.filter(|_| self.tables.endpoints.is_some())
    }

    /// The database that holds the table of credentials, if there is one.
    pub fn credentials_database(&self) -> Option<&Database> {
        let database = self.config.database.as_ref();
        database.filter(|_| self.tables.credentials)
    }
}

static MODULE: OnceLock<Module> = OnceLock::new();

/// The module, once it is set up.
pub fn get() -> Option<&'static Module> {
    MODULE.get()
}

/// Makes it the module of this OpenSIPS. The first one stays.
pub fn set(module: Module) {
    let _ = MODULE.set(module);
}
