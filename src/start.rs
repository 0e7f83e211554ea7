//! Startup, `mod_init`: parameters become the [`Module`], and what can't work is reported.

mod error;
mod tables;

pub use error::InitError;

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::clock;
use crate::config::avp_list::AvpSource;
use crate::config::cache::{Cache, Driver};
use crate::config::database::Database as DatabaseSettings;
use crate::config::http::Http;
use crate::config::raw::RawValue;
use crate::config::{Config, Raw};
use crate::credentials::Credentials;
use crate::digest::Nonces;
use crate::http::{Circuits, Inflight, MOST_COUNTED, MOST_FAILING};
use crate::introspection::{self, Flood};
use crate::jwt::path::ClaimPath;
use crate::jwt::revocations::Revocations;
use crate::jwt::revocations::list::{List, Memory as ListMemory};
use crate::jwt::signatures::{Bucket, Signatures};
use crate::keys::{KeyHolder, SharedFetches};
use crate::log;
use crate::module::{self, Module, Tables};
use crate::opensips;
use crate::opensips::avp::Avp;
use crate::opensips::pvar::Variable;
use crate::opensips::registration::RegistrationVariables;
use crate::opensips::request::RequestVariables;
use crate::opensips::segment::Segment;
use crate::opensips::stats::{self, Statistic};
use crate::opensips::{cachedb, db, fork, guard, shared};
use crate::process::loader;
use crate::process::{self, Database};
use crate::store::Source;
use crate::store::cache::Ready;
use crate::store::issuers::Issuers;
use crate::store::revocations::Rows;
use crate::store::shared::{Memory, SharedRows};

static RAW: Mutex<Option<Raw>> = Mutex::new(None);

/// Records one modparam.
pub fn collect(name: &str, value: RawValue) {
    let mut raw = RAW.lock().unwrap_or_else(PoisonError::into_inner);
    raw.get_or_insert_default().push(name, value);
}

/// Sets the module up: `mod_init`, before the fork. Whatever it opens, it closes again.
///
/// # Errors
/// Fails with [`InitError`]; OpenSIPS must not start then.
pub fn init() -> Result<(), InitError> {
    let start = Instant::now();
    guard::install();
    fork::install();
    shared::init()?;
    // Neither TLS user (webhooks, database) names a provider of its own.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let raw = RAW
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .unwrap_or_default();
    let mut config = Config::new(&raw)?;
    for warning in config
        .http
        .client
        .files
        .warnings()
        .into_iter()
        .chain(config.http.providers.files.warnings())
    {
        log!(Warning, c"mod_init", "{warning}");
    }
    let Checked {
        core_driver,
        tables,
        first_issuers,
        first_revocations,
        first_snapshot,
    } = match config.database.clone() {
        Some(database) => check(&mut config, &database)?,
        None => Checked::default(),
    };
    if first_snapshot.is_some() {
        opensips::want_loader();
    }
    let database = config.database.as_ref();
    let profile_avps = database.map_or(&[][..], |database| &database.profile_avps);
    let module = Module {
        core_driver,
        tables,
        first_issuers,
        first_snapshot,
        credentials: Arc::new(Credentials::new(config.outbound.entries.iter().cloned())),
        provider: config.tokens.jwks_url.as_deref().map(provider),
        signatures: signatures(config.tokens.signature_cache_size)?,
        revocations: revocations(&config, start, first_revocations)?,
        start,
        circuits: Circuits::new(shared::zeroed(MOST_FAILING)?),
        inflight: inflight(&config.http)?,
        fetches: Arc::new(fetches(config.tokens.sources.places)?),
        rows: rows(config.database.as_ref())?,
        flood: flood(&config.tokens.introspection.settings)?,
        profile_avps: avps("load_credentials", profile_avps)?,
        claim_avps: claim_avps(&config.tokens.claims)?,
        grant_avps: avps("load_grant", &config.http.grant)?,
        authorization_avps: avps("load_authorization", &config.http.authorization)?,
        realm_avps: avps("load_realm", &config.realms.avps)?,
        registration_avps: avps("load_registration", &config.registrations.members)?,
        cache_engine: cache_engine(&config.cache)?,
        nonces: nonces(&config.http)?,
        certificate: certificate(&config)?,
        request: RequestVariables::new(
            config.caller_by_credentials,
            config.caller_realm_avp.as_deref(),
        )
        .map_err(InitError::Variable)?,
        registration: RegistrationVariables::new().map_err(InitError::Variable)?,
        config,
    };
    module::set(module);
    Ok(())
}

/// Where a script hands over the client's certificate.
fn certificate(config: &Config) -> Result<Option<Variable>, InitError> {
    let Some(name) = &config.tokens.certificate_avp else {
        return Ok(None);
    };
    let text = format!("$avp({name})");
    match Variable::parse(&text) {
        Some(variable) => Ok(Some(variable)),
        None => Err(InitError::Variable(text)),
    }
}

/// The memory of `signature_cache_size`.
fn signatures(capacity: usize) -> Result<Signatures, InitError> {
    let key = Zeroizing::new(Nonces::random_secret()?);
    let buckets = shared::zeroed(Bucket::count(capacity))?;
    if capacity > 0 {
        let megabytes = size_of_val(buckets).div_ceil(1 << 20);
        log!(
            Info,
            c"mod_init",
            "remembers up to {capacity} verified signatures, in up to {megabytes} MB that all processes \
             share (signature_cache_size)"
        );
    }
    let count = || stats::count(Statistic::JwtSignatures);
    Ok(Signatures::new(&key, buckets).counting(count))
}

/// The memory of `revocations_max`, with what the table has at start.
fn revocations(
    config: &Config,
    start: Instant,
    first: Option<(Instant, Rows)>,
) -> Result<Revocations, InitError> {
    let capacity = config.tokens.revocations_max;
    let told = revocation_list(capacity)?;
    let Some((read, rows)) = first else {
        return Ok(Revocations { told, rows: None });
    };
    let list = revocation_list(capacity)?;
    let table = &config.tokens.revocations.table;
    let taken = process::take_first_revocations(&list, table, rows, (start, read));
    taken.map_err(|error| InitError::Database {
        shown: config
            .database
            .as_ref()
            .map_or_else(String::new, |database| database.shown.clone()),
        error,
    })?;
    Ok(Revocations {
        told,
        rows: Some(list),
    })
}

fn revocation_list(capacity: usize) -> Result<List, InitError> {
    /// Longer than it takes to write the longest list.
    const TIMEOUT: Duration = Duration::from_secs(5);
    let head = shared::zeroed(1)?.first();
    let memory = ListMemory {
        head: head.ok_or(std::io::Error::from(ErrorKind::OutOfMemory))?,
        entries: shared::zeroed(ListMemory::entries(capacity))?,
        slots: shared::zeroed(ListMemory::slots(capacity))?,
    };
    Ok(List::new(memory, |lock, work| {
        shared::locked(lock, TIMEOUT, work).is_some()
    }))
}

/// The memory in which tokens that issuers do not know are counted.
fn flood(settings: &introspection::Settings) -> Result<Flood, InitError> {
    let key = Zeroizing::new(Nonces::random_secret()?);
    let places = shared::zeroed(introspection::PLACES)?;
    let (source_limit, limit) = (settings.source_limit, settings.limit);
    Ok(Flood::new(&key, places, source_limit, limit))
}

/// The memory in which processes find what others fetched.
fn fetches(places: usize) -> Result<SharedFetches, InitError> {
    let key = Zeroizing::new(Nonces::random_secret()?);
    let places = shared::zeroed(places)?;
    Ok(SharedFetches::new(&key, places, shared::is_alive))
}

/// The memory of `http_max_inflight_endpoint_total`.
fn inflight(http: &Http) -> Result<Option<Inflight>, InitError> {
    match http.max_inflight_total {
        0 => Ok(None),
        most => {
            let places = shared::zeroed(MOST_COUNTED)?;
            Ok(Some(Inflight::new(places, most, shared::is_alive)))
        }
    }
}

/// The memory of `shared_cache_size`.
fn rows(database: Option<&DatabaseSettings>) -> Result<SharedRows, InitError> {
    let Some(database) = database.filter(|database| database.shared > 0) else {
        return Ok(SharedRows::none());
    };
    let count = database.shared;
    let memory = Memory {
        sealed: shared::zeroed(1)?,
        leases: shared::zeroed(Memory::leases(count))?,
        none: shared::zeroed(Memory::answers(count))?,
        short: shared::zeroed(Memory::answers(count))?,
        long: shared::zeroed(Memory::long(count))?,
        tables: shared::zeroed(Memory::tables(count))?,
    };
    let megabytes = memory.size().div_ceil(1 << 20);
    log!(
        Info,
        c"mod_init",
        "remembers up to {count} answers of the database, in up to {megabytes} MB that all processes share \
         (shared_cache_size)"
    );
    let [names, key] = [(); 2].map(|()| Nonces::random_secret().map(Zeroizing::new));
    // Whoever waits for another has as much time left to ask himself.
    let patience = database.timeout / 2;
    let keys = [&*names?, &*key?];
    Ok(SharedRows::new(keys, memory, patience, shared::is_alive))
}

fn provider(url: &str) -> Arc<Ready> {
    let url = url.as_bytes();
    Arc::new(Ready::of_provider(url, KeyHolder::parse(url)))
}

fn claim_avps(claims: &[(String, ClaimPath)]) -> Result<Vec<Avp>, InitError> {
    let refused = |name: &String| InitError::Avp {
        parameter: "load_claims",
        name: name.clone(),
    };
    claims
        .iter()
        .map(|(name, _)| Avp::named(name).ok_or_else(|| refused(name)))
        .collect()
}

fn avps(parameter: &'static str, list: &[AvpSource]) -> Result<Vec<Avp>, InitError> {
    list.iter()
        .map(|wanted| {
            Avp::named(&wanted.avp).ok_or_else(|| InitError::Avp {
                parameter,
                name: wanted.avp.clone(),
            })
        })
        .collect()
}

fn cache_engine(cache: &Cache) -> Result<Option<cachedb::Engine>, InitError> {
    match &cache.driver {
        Driver::None => {
            log!(
                Info,
                c"mod_init",
                "cachedb_url is not set: http_authorize keeps no bans, and can't tell a replay while \
                 its nonce is fresh (nonce_expire)"
            );
            Ok(None)
        }
        Driver::Native(_) => Ok(None),
        Driver::Core(url) => match cachedb::Engine::bind(url) {
            Some(engine) => Ok(Some(engine)),
            None => Err(InitError::NoEngine),
        },
    }
}

fn nonces(http: &Http) -> Result<Nonces, InitError> {
    Ok(match &http.nonce_secret {
        Some(secret) => Nonces::new(secret.as_bytes(), http.nonce_expire),
        None => Nonces::new(&Nonces::random_secret()?, http.nonce_expire),
    })
}

/// What the database showed at start.
#[derive(Default)]
struct Checked {
    /// The core's driver, if that is used.
    core_driver: Option<db::Driver>,
    /// The optional tables that exist.
    tables: Tables,
    first_issuers: Option<(Instant, Arc<Issuers>)>,
    /// The table of revocations, if there is one, and when it was read.
    first_revocations: Option<(Instant, Rows)>,
    first_snapshot: Option<Segment>,
}

/// Connects to the database, checks the versions of its tables, reads all of it if that is wanted,
/// and disconnects.
fn check(config: &mut Config, settings: &DatabaseSettings) -> Result<Checked, InitError> {
    let shown = || settings.shown.clone();
    let mut database = Database::bind(settings).ok_or_else(|| InitError::NoDriver {
        shown: shown(),
        scheme: settings.scheme.clone(),
    })?;
    let versions = database.version_table();
    let checked = database.read(|source| Ok(check_with(config, settings, source, &versions)));
    database.disconnect();
    let checked = checked.map_err(|error| InitError::Database {
        shown: shown(),
        error,
    })?;
    Ok(Checked {
        core_driver: database.core_driver(),
        ..checked?
    })
}

/// The issuers as they are at start, so that no token has to wait for them. What is wrong with rows is
/// logged.
fn first_issuers(
    config: &Config,
    settings: &DatabaseSettings,
    tables: Tables,
    source: &mut dyn Source,
) -> Result<Option<(Instant, Arc<Issuers>)>, InitError> {
    if tables.issuers.is_none() {
        return Ok(None);
    }
    let read = Instant::now();
    let issuers = &config.tokens.issuers;
    let rows = issuers
        .table
        .fetch_all(source)
        .map_err(|error| InitError::Database {
            shown: settings.shown.clone(),
            error,
        })?;
    let issuers = issuers.with_rows(rows, &Issuers::default());
    process::report_issuers(&issuers);
    Ok(Some((read, Arc::new(issuers))))
}

/// The table of revocations as it is at start.
fn first_revocations(
    config: &Config,
    settings: &DatabaseSettings,
    tables: Tables,
    source: &mut dyn Source,
) -> Result<Option<(Instant, Rows)>, InitError> {
    if !tables.revocations {
        return Ok(None);
    }
    let read = Instant::now();
    let [now, leeway] = [clock::now().as_secs(), config.tokens.rules.leeway]
        .map(|number| i64::try_from(number).unwrap_or(i64::MAX));
    let rows = config
        .tokens
        .revocations
        .fetch_all(source, now, leeway)
        .map_err(|error| InitError::Database {
            shown: settings.shown.clone(),
            error,
        })?;
    Ok(Some((read, rows)))
}

fn check_with(
    config: &mut Config,
    settings: &DatabaseSettings,
    source: &mut dyn Source,
    versions: &str,
) -> Result<Checked, InitError> {
    let tables = tables::check(config, settings, source, versions)?;
    config.http.tables.has_files = tables.endpoints.is_some_and(|version| version > 1);
    config.tokens.issuers.table.version = tables.issuers.unwrap_or_default();
    tables::probe(config, source).map_err(|error| InitError::Database {
        shown: settings.shown.clone(),
        error,
    })?;
    let first_snapshot = match settings.preload {
        false => None,
        true => Some(
            loader::first(settings, source).map_err(|error| InitError::Preload {
                shown: settings.shown.clone(),
                error,
            })?,
        ),
    };
    Ok(Checked {
        core_driver: None,
        tables,
        first_issuers: first_issuers(config, settings, tables, source)?,
        first_revocations: first_revocations(config, settings, tables, source)?,
        first_snapshot,
    })
}
