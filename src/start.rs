//! Startup, `mod_init`: parameters become the [`Module`], and what can't work is reported.

mod error;
mod secrets;
mod tables;

pub use error::InitError;

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use crate::alerts;
use crate::clock;
use crate::config::avp_list::AvpSource;
use crate::config::cache::{Cache, Driver};
use crate::config::database::Database as DatabaseSettings;
use crate::config::http::Http;
use crate::config::raw::RawValue;
use crate::config::{self, Config, ConfigError, Raw};
use crate::credentials::Credentials;
use crate::digest::Nonces;
use crate::http::{Circuits, Inflight, MOST_COUNTED, MOST_FAILING, MOST_TIMED, Paces, Trust};
use crate::introspection::{self, Flood};
use crate::jwt::path::ClaimPath;
use crate::jwt::revocations::Revocations;
use crate::jwt::revocations::list::{List, Memory as ListMemory};
use crate::jwt::signatures::{Bucket, Signatures};
use crate::keys::{KeyHolder, SharedFetches};
use crate::log;
use crate::module::{self, Module, Parameter, Tables};
use crate::opensips;
use crate::opensips::avp::Avp;
use crate::opensips::checkin::CheckinVariables;
use crate::opensips::pvar::Variable;
use crate::opensips::registration::RegistrationVariables;
use crate::opensips::request::RequestVariables;
use crate::opensips::segment::Segment;
use crate::opensips::stats::{self, Statistic};
use crate::opensips::{cachedb, db, events, fork, guard, shared, uac};
use crate::outages::{self, Outages};
use crate::process::{self, Database};
use crate::process::{chores, loader};
use crate::queue::Queue;
use crate::statsd;
use crate::store::Source;
use crate::store::cache::Ready;
use crate::store::issuers::Issuers;
use crate::store::revocations::Rows;
use crate::store::shared::{Memory, SharedRows};

static RAW: Mutex<Option<Raw>> = Mutex::new(None);

/// Records one modparam.
///
/// # Errors
/// Fails if the script is only checked, and the value is wrong whatever other parameters say. Where OpenSIPS starts,
/// `mod_init` tells all that is wrong.
pub fn collect(name: &str, value: RawValue) -> Result<(), ConfigError> {
    if opensips::is_check()
        && let Some(fault) = config::fault_of_value(name, &value, &opensips::parameters())
    {
        return Err(fault);
    }
    let mut raw = RAW.lock().unwrap_or_else(PoisonError::into_inner);
    raw.get_or_insert_default().push(name, value);
    Ok(())
}

/// All that is wrong.
#[derive(Debug, Default)]
struct Faults(Vec<InitError>);

impl Faults {
    /// A value, unless that is wrong.
    fn take<T>(&mut self, made: Result<T, InitError>) -> Option<T> {
        made.map_err(|error| self.0.push(error)).ok()
    }
}

/// The parameters of the database: where one of them is wrong, it is not asked.
fn is_of_database(error: &InitError) -> bool {
    const PARTS: [&str; 6] = ["db_", "table", "column", "_ts", "load_", "cache_mode"];
    match error {
        InitError::Config(error) => error
            .name()
            .is_none_or(|name| PARTS.iter().any(|part| name.contains(part))),
        _ => false,
    }
}

/// Sets the module up: `mod_init`, before the fork. Whatever it opens, it closes again.
///
/// # Errors
/// Fails with all that is wrong; OpenSIPS must not start then.
pub fn init() -> Result<(), Vec<InitError>> {
    let start = Instant::now();
    guard::install();
    fork::install();
    shared::init().map_err(|error| vec![error.into()])?;
    // Neither TLS user (webhooks, database) names a provider of its own.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let raw = RAW
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take()
        .unwrap_or_default();
    let mut faults = Faults::default();
    if let Some(other) = opensips::other_module() {
        faults.0.push(InitError::Beside { other });
    }
    let (config, wrong) = config::all_faults(&raw);
    faults.0.extend(wrong.into_iter().map(InitError::Config));
    let Some(mut config) = config else {
        return Err(faults.0);
    };
    for warning in warnings(&config) {
        log!(Warning, c"mod_init", "{warning}");
    }
    let checked = match config.database.clone() {
        Some(database) if !faults.0.iter().any(is_of_database) => {
            check(&mut config, &database, &mut faults)
        }
        _ => Checked::default(),
    };
    let avps = Avps::find(&config, &mut faults);
    let cache_engine = faults.take(cache_engine(&config.cache));
    let certificate = faults.take(variable(config.tokens.certificate_avp.as_deref()));
    let alert_account = faults.take(variable(config.series.account_avp.as_deref()));
    let answers = faults.take(answers(&config));
    let (
        Some(avps),
        Some(cache_engine),
        Some(certificate),
        Some(alert_account),
        Some(answers),
        true,
    ) = (
        avps,
        cache_engine,
        certificate,
        alert_account,
        answers,
        faults.0.is_empty(),
    )
    else {
        return Err(faults.0);
    };
    let handed_over = Variables {
        certificate,
        alert_account,
    };
    if checked.first_snapshot.is_some() {
        opensips::want_loader();
    }
    let others = config.addresses.others.iter();
    for address in others.filter(|_| config.addresses.table.is_some()) {
        log!(
            Info,
            c"mod_init",
            "{address} is not public: it is not noted in sbc_addresses_table"
        );
    }
    if !chores::chores(&config).is_empty() {
        opensips::want_chores();
    }
    if !chores::trunks(&config).is_empty() {
        opensips::want_trunks();
    }
    let parameters = parameters(&raw);
    let module = build(start, config, checked, avps, cache_engine, handed_over);
    let module = module.map_err(|error| vec![error])?;
    module::set(Module {
        parameters,
        answers,
        ..module
    });
    Ok(())
}

/// All parameters, in the order in which they are declared.
fn parameters(raw: &Raw) -> Vec<Parameter> {
    let parameter = |name| {
        let (value, is_set) = raw.in_force(name);
        Parameter {
            name,
            value,
            is_set,
        }
    };
    opensips::parameters().into_iter().map(parameter).collect()
}

/// What may be meant, and is dangerous.
fn warnings(config: &Config) -> Vec<String> {
    let (client, providers) = (&config.http.client, &config.http.providers);
    let mut warnings = client.files.warnings();
    warnings.extend(providers.files.warnings());
    if client.trust == Trust::Anybody {
        warnings.push(
            "http_tls_verify is 0: whoever is between this machine and an endpoint or a provider of keys can \
             admit anybody"
                .to_owned(),
        );
    }
    let rules = &config.tokens.rules;
    let missing = match (rules.issuers.is_empty(), rules.audiences.is_empty()) {
        _ if config.tokens.jwks_url.is_none() => return warnings,
        (true, true) => "issuer and audience are",
        (true, false) => "issuer is",
        (false, true) => "audience is",
        (false, false) => return warnings,
    };
    warnings.push(format!(
        "jwks_url is set, and {missing} not: whatever these keys sign is admitted, also for other applications \
         and customers of that provider"
    ));
    warnings
}

/// The AVPs of parameters.
struct Avps {
    profile: Vec<Avp>,
    claim: Vec<Avp>,
    grant: Vec<Avp>,
    authorization: Vec<Avp>,
    realm: Vec<Avp>,
    registration: Vec<Avp>,
}

impl Avps {
    fn find(config: &Config, faults: &mut Faults) -> Option<Avps> {
        let database = config.database.as_ref();
        let profile = database.map_or(&[][..], |database| &database.profile_avps);
        let profile = faults.take(avps("load_credentials", profile));
        let claim = faults.take(claim_avps(&config.tokens.claims));
        let grant = faults.take(avps("load_grant", &config.http.grant));
        let authorization = faults.take(avps("load_authorization", &config.http.authorization));
        let realm = faults.take(avps("load_realm", &config.realms.avps));
        let registration = faults.take(avps("load_registration", &config.registrations.members));
        Some(Avps {
            profile: profile?,
            claim: claim?,
            grant: grant?,
            authorization: authorization?,
            realm: realm?,
            registration: registration?,
        })
    }
}

/// The variables in which a script hands something over.
struct Variables {
    certificate: Option<Variable>,
    alert_account: Option<Variable>,
}

fn build(
    start: Instant,
    config: Config,
    checked: Checked,
    avps: Avps,
    cache_engine: Option<cachedb::Engine>,
    handed_over: Variables,
) -> Result<Module, InitError> {
    let Checked {
        core_driver,
        tables,
        first_issuers,
        first_revocations,
        first_snapshot,
    } = checked;
    if !events::publish() {
        return Err(InitError::Events);
    }
    Ok(Module {
        parameters: Vec::new(),
        answers: None,
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
        paces: Paces::new(shared::zeroed(MOST_TIMED)?),
        outages: Outages::new(shared::zeroed(outages::MOST_FAILING)?),
        inflight: inflight(&config.http)?,
        fetches: Arc::new(fetches(config.tokens.sources.places)?),
        rows: rows(config.database.as_ref())?,
        flood: flood(&config.tokens.introspection.settings)?,
        profile_avps: avps.profile,
        claim_avps: avps.claim,
        grant_avps: avps.grant,
        authorization_avps: avps.authorization,
        realm_avps: avps.realm,
        registration_avps: avps.registration,
        cache_engine,
        nonces: nonces(&config.http)?,
        certificate: handed_over.certificate,
        alert_account: handed_over.alert_account,
        alerts: waiting(config.series.alerts.is_some(), alerts::MOST_WAITING)?,
        metrics: waiting(config.series.stats.is_some(), statsd::MOST_WAITING)?,
        handed: waiting(chores::are_wanted(&config), MOST_HANDED)?,
        request: RequestVariables::new(
            config.caller_by_credentials,
            config.caller_realm_avp.as_deref(),
        )
        .map_err(InitError::Variable)?,
        registration: RegistrationVariables::new().map_err(InitError::Variable)?,
        checkin: CheckinVariables::new().map_err(InitError::Variable)?,
        config,
    })
}

/// Warns, once, that the script judges tokens, and there is nothing to judge them by.
pub fn judges() {
    let Some(module) = module::get() else {
        return;
    };
    let tokens = &module.config.tokens;
    let has_something = module.tables.profiles
        || module.tables.issuers.is_some()
        || module.provider.is_some()
        || !tokens.issuers.fixed.is_empty()
        || tokens.introspection.own.is_some();
    if !has_something && shared::page().told.is_new("jwt_authorize has nothing") {
        log!(
            Warning,
            c"jwt_authorize",
            "the script calls it, and there is nothing to judge tokens by: it refuses all of them; set db_url, with \
             the tables of profiles or issuers, issuer_url or jwks_url"
        );
    }
}

/// What requests of our own need, if some are to be sent.
fn answers(config: &Config) -> Result<Option<uac::Answers>, InitError> {
    if chores::trunks(config).is_empty() {
        return Ok(None);
    }
    uac::load()?;
    Ok(Some(uac::Answers::new()?))
}

/// How many notices of the process of what is done at intervals may wait for a worker.
const MOST_HANDED: usize = 64;

/// What waits for the process of what is done at intervals, if it is wanted.
fn waiting<const WORDS: usize>(
    is_wanted: bool,
    most: usize,
) -> Result<Option<Queue<WORDS>>, InitError> {
    match is_wanted {
        true => Ok(Some(Queue::new(shared::zeroed(most)?, shared::is_alive))),
        false => Ok(None),
    }
}

/// The AVP of this name in which a script hands something over.
fn variable(name: Option<&str>) -> Result<Option<Variable>, InitError> {
    let Some(name) = name else {
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

/// Connects to the database, checks its tables, reads all of it if that is wanted, and disconnects.
fn check(config: &mut Config, settings: &DatabaseSettings, faults: &mut Faults) -> Checked {
    let shown = || settings.shown.clone();
    let Some(mut database) = Database::bind(settings) else {
        faults.0.push(InitError::NoDriver {
            shown: shown(),
            scheme: settings.scheme.clone(),
        });
        return Checked::default();
    };
    let versions = database.version_table();
    let checked =
        database.read(|source| Ok(check_with(config, settings, source, &versions, faults)));
    database.disconnect();
    match checked {
        Ok(checked) => Checked {
            core_driver: database.core_driver(),
            ..checked
        },
        Err(error) => {
            let shown = shown();
            faults.0.push(InitError::Database { shown, error });
            Checked::default()
        }
    }
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
        .map_err(|error| tables::fault(settings, error, "issuers"))?;
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
        .map_err(|error| tables::fault(settings, error, "revocations"))?;
    Ok(Some((read, rows)))
}

fn check_with(
    config: &mut Config,
    settings: &DatabaseSettings,
    source: &mut dyn Source,
    versions: &str,
    faults: &mut Faults,
) -> Checked {
    let (tables, wrong) = tables::check(config, settings, source, versions);
    let is_read = wrong.is_empty();
    faults.0.extend(wrong);
    // Also if something is wrong elsewhere: these may be wrong as well.
    let first_issuers = faults.take(first_issuers(config, settings, tables, source));
    let first_revocations = faults.take(first_revocations(config, settings, tables, source));
    if !is_read {
        return Checked::default();
    }
    if tables.profiles
        && let Err(error) = secrets::report(config, settings, source)
    {
        let error = tables::fault(settings, error, "jwt");
        faults.0.push(error);
        return Checked::default();
    }
    let first_snapshot = match settings.preload {
        false => None,
        true => faults.take(loader::first(settings, source).map_err(|error| {
            let shown = settings.shown.clone();
            InitError::Preload { shown, error }
        })),
    };
    Checked {
        core_driver: None,
        tables,
        first_issuers: first_issuers.flatten(),
        first_revocations: first_revocations.flatten(),
        first_snapshot,
    }
}
