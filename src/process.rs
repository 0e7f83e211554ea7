//! What one OpenSIPS process holds: threads and connections, which don't survive a fork.

pub mod alerts;
mod availability;
mod cache;
pub mod chores;
mod credential_cache;
mod credentials;
mod database;
mod heard;
mod introspection;
mod issuer_cache;
mod issuers;
mod key_fetches;
pub mod loader;
pub mod metrics;
mod notices;
mod profiles;
mod reload;
mod repeated;
mod revocations;
mod warned;

use cache::Native;
pub use cache::{BanList, Cache, Gate, Passing};
pub use database::{Asked, Database};
use heard::Hearing;
pub use heard::{Heard, failure as failure_to_hear};
pub use issuer_cache::{Lookup as IssuerLookup, Since as IssuersSince};
pub use issuers::{
    IssuerList, now as issuers_now, report as report_issuers, wanted as issuers_wanted,
};
use key_fetches::KeyFetches;
pub use notices::{
    Change, Notice, Raised, Subject as NoticeSubject, hand_over, handed_at, raise_later,
    take as take_notices,
};
pub use profiles::Profiles;
use repeated::Repeated;
pub use revocations::{
    RevocationRows, reading as read_revocations, report as report_revocations,
    take_first as take_first_revocations,
};
pub use warned::WarnedOnce;

use std::{
    hash::Hash,
    num::NonZeroUsize,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use lru::LruCache;

use crate::counters::Claim;
use crate::http::{
    Ban, Changes, Client, ClientConfig, Endpoint, Entry, Meters, TrustError, Webhooks,
};
use crate::introspection::Memory;
use crate::jwt::binding::Binding;
use crate::jwt::cache::VerifiedTokens;
use crate::jwt::path::ClaimValue;
use crate::jwt::revocations::{Identity, Revocation};
use crate::jwt::signing_key::{SigningKey, SigningKeyError};
use crate::keys::{Fetch, FetchError, Fetched, HttpFetch, KeyCache, KeyHolder, KeySources};
use crate::module::{self, Module};
use crate::opensips::fork::PerProcess;
use crate::opensips::stats::{self, State, Statistic};
use crate::opensips::{reactor, shared};
use crate::pool::{NoNotify, Notify, OnQuiet, Pool, PoolConfig, Ticket};
use crate::realms::Realms;
use crate::redis::{CacheError, Session};
use crate::revocations::{self as revocations_in_redis, Told};
use crate::store::cache::Ready;
use crate::store::issuers::Issuer;
use crate::store::realm::RealmRow;
use crate::store::shared::{Aged, Known, Once, Wanted};
use crate::store::{Answer, Source, StoreError};
use credential_cache::CredentialCache;

/// Most queries in progress in one process, including those that wait for a connection.
const MAX_QUERIES: usize = 256;

/// Most keys that scripts sign with that are kept parsed.
const MAX_SIGNING: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Most endpoints that scripts name that are kept parsed.
const MAX_NAMED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What is remembered about a verified token.
#[derive(Debug)]
pub struct Verified {
    /// The decoded token.
    pub decoded: Box<str>,
    /// Whose token it is, for `jwt_authorize`: it counts only as long as this very profile, and these
    /// very rules of an issuer, are at hand.
    pub subject: Option<Subject>,
    /// The username, if it is in the token.
    pub username: Option<Box<str>>,
    /// The claims that `load_claims` asks for.
    pub claims: Box<[Option<ClaimValue>]>,
    /// By what it may be revoked.
    pub identity: Identity,
    /// What it is bound to.
    pub binding: Binding,
    /// When it expires, in whole seconds since 1970; `None` if it does not say.
    pub expires: Option<i64>,
}

/// Whose token it is.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The tag of the profile; `None` for a token of an identity provider.
    pub tag: Option<Arc<str>>,
    /// The profile and its keys.
    pub ready: Arc<Ready>,
    /// The issuer by whose rules it is judged; `None` for the rules of the parameters.
    pub issuer: Option<Arc<Issuer>>,
}

/// See the [module](self).
pub struct Process {
    module: &'static Module,
    /// Threads for the database, and for keys at URLs.
    threads: Arc<Pool>,
    /// Threads for Redis: if the database hangs, all of its own are taken.
    cache_threads: Arc<Pool>,
    /// Fetches keys, on threads of their own: providers that hang must leave the database to others.
    key_fetches: KeyFetches,
    /// `None` without `db_url`.
    database: Option<Database>,
    /// `None` without `cachedb_url`.
    cache: Option<Cache>,
    /// Profiles that are at hand, if there is a database of them.
    pub profiles: Option<Profiles>,
    /// Issuers, if there is a table of them.
    pub issuers: Option<IssuerList>,
    /// The table of revocations, if there is one.
    pub revocations: Option<RevocationRows>,
    /// What other machines revoke, if that is shared.
    pub hearing: Option<Hearing>,
    /// Endpoints of realms, if there is a table of them.
    pub endpoints: Option<Arc<Realms<Endpoint>>>,
    /// What the table of realms says, where columns of it are wanted.
    pub realms: Option<Arc<Realms<RealmRow>>>,
    /// Endpoints that scripts name.
    named: LruCache<String, Arc<Endpoint>>,
    webhooks: Option<Arc<Webhooks>>,
    /// What asks issuers for tokens.
    issuers_client: Option<Webhooks>,
    /// Outbound credentials.
    credential_cache: CredentialCache,
    /// Keys in files and at URLs.
    pub sources: Arc<KeySources>,
    /// The generation of the caches that they belong to.
    sources_generation: u64,
    /// Tokens that were verified before.
    pub tokens: VerifiedTokens<Verified>,
    /// What issuers said of tokens.
    pub introspections: Memory,
    /// Keys that scripts sign with.
    signing: LruCache<Box<[u8]>, Arc<SigningKey>>,
    /// Keys that scripts give.
    pub keys: KeyCache,
    /// Weak secrets that were warned about.
    pub warned: WarnedOnce,
    /// Failures that many requests report alike.
    repeated: Repeated,
    /// Whether registrations that have ended are being removed.
    pub expiring: Arc<AtomicBool>,
}

thread_local! {
    static PROCESS: PerProcess<Process> = const { PerProcess::new() };
}

/// Works with what the calling process holds. Only for a process's own thread, not for those of
/// a pool.
pub fn with<T>(module: &'static Module, work: impl FnOnce(&mut Process) -> T) -> T {
    PROCESS.with(|process| process.with(|| Process::new(module), work))
}

/// Whether a failure that many requests would report alike is to be reported now, by the calling process.
pub fn is_due(module: &'static Module, failure: impl Hash) -> bool {
    with(module, |process| {
        process.repeated.is_due(failure, Instant::now())
    })
}

/// The value of a gauge, for any process that is asked for it.
pub fn gauge(state: State) -> u64 {
    match state {
        State::HttpUrlsLeftAlone => module::get().map_or(0, |module| {
            let left_alone = module.circuits.left_alone(Instant::now());
            u64::try_from(left_alone).unwrap_or(u64::MAX)
        }),
        State::DbFailing => notices::is_failing(&NoticeSubject::Database).into(),
        State::CachedbFailing => notices::is_failing(&NoticeSubject::Cachedb).into(),
        state => stats::state(state),
    }
}

/// Drops what the calling process holds, at its end.
pub fn end() {
    PROCESS.with(PerProcess::end);
}

impl Process {
    fn new(module: &'static Module) -> Self {
        let threads = PoolConfig {
            max_threads: MAX_QUERIES,
            thread_init: reactor::block_signals,
            gauge: stats::THREADS,
            ..PoolConfig::default()
        };
        let config = &module.config;
        let cache_threads = Arc::new(Pool::new("auth_web-redis", threads.clone()));
        // After an outage, TLS handshakes take the processors.
        let connecting = PoolConfig {
            thread_init: reactor::yield_to_workers,
            ..threads.clone()
        };
        let connecting = Arc::new(Pool::new("auth_web-conn", connecting));
        let key_threads = Arc::new(Pool::new("auth_web-keys", threads.clone()));
        let threads = Arc::new(Pool::new("auth_web-db", threads));
        Process {
            module,
            cache: Cache::new(&config.cache, module.cache_engine, &connecting),
            cache_threads,
            key_fetches: KeyFetches::new(key_threads),
            threads,
            database: config
                .database
                .as_ref()
                .map(|database| Database::new(database, module.core_driver)),
            profiles: config.database.as_ref().map(Profiles::new),
            issuers: IssuerList::new(module),
            revocations: RevocationRows::new(module),
            hearing: Hearing::new(module),
            // An endpoint that is known stays in use for as long as the database fails.
            endpoints: module
                .endpoints_database()
                .map(|database| Arc::new(Realms::new(database.cache.ttl, Duration::MAX))),
            realms: config
                .database
                .as_ref()
                .filter(|_| !config.realms.avps.is_empty())
                .map(|database| {
                    let ttl = database.cache.ttl;
                    let grace = ttl.saturating_add(database.cache.grace);
                    Arc::new(Realms::new(ttl, grace))
                }),
            named: LruCache::new(MAX_NAMED),
            webhooks: None,
            issuers_client: None,
            credential_cache: CredentialCache::default(),
            sources: Arc::new(key_sources(module)),
            sources_generation: shared::page().generation.get(),
            tokens: VerifiedTokens::new(config.tokens.cache_size).counting(stats::TOKENS_CACHED),
            introspections: Memory::new(config.tokens.introspection.memory.clone()),
            signing: LruCache::new(MAX_SIGNING),
            keys: KeyCache::default(),
            warned: WarnedOnce::default(),
            repeated: Repeated::default(),
            expiring: Arc::default(),
        }
    }

    /// Asks the database; see [`Database::ask`].
    pub fn ask<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Source) -> Answer<T> + Send + 'static,
    ) -> Asked<T> {
        match &mut self.database {
            Some(database) => database.ask(&self.threads, work),
            None => Asked::Answered(Err(StoreError::Unreachable("db_url is not set".to_owned()))),
        }
    }

    /// Asks the database for what no process has asked within the time that is `wanted`; see [`Once`].
    pub fn ask_once<T: Send + 'static>(
        &mut self,
        wanted: Wanted,
        work: impl Fn(&mut dyn Source) -> Answer<T> + Send + 'static,
    ) -> Asked<Aged<T>> {
        let shared = &self.module.rows;
        match Known::new(shared, wanted).answer(&work) {
            Some(known) => {
                stats::count(Statistic::DbShared);
                Asked::Answered(Ok(known))
            }
            None => {
                let waits = self.database.as_ref().is_some_and(Database::has_threads);
                self.ask(move |source| Once::new(shared, wanted, source, waits).answer(work))
            }
        }
    }

    /// Whether all is known that is revoked elsewhere: in the table, and by other machines. If it is due, it is
    /// asked for in the background.
    pub fn are_revocations_fresh(&mut self) -> bool {
        let is_heard = self.are_others_heard();
        self.are_rows_fresh() && is_heard
    }

    /// Whether it is known what other machines revoke.
    pub fn are_others_heard(&mut self) -> bool {
        let Some(hearing) = &mut self.hearing else {
            return true;
        };
        let native = self.cache.as_ref().and_then(Cache::native);
        hearing.is_fresh(native, &self.cache_threads)
    }

    fn are_rows_fresh(&mut self) -> bool {
        let Some(rows) = &mut self.revocations else {
            return true;
        };
        let (is_fresh, is_due) = rows.freshness();
        if is_due {
            let asked = self.ask(read_revocations(self.module));
            if let Some(rows) = &mut self.revocations {
                rows.read_again(asked);
            }
        }
        is_fresh
    }

    /// Asks what other machines revoke.
    ///
    /// # Errors
    /// Fails if nothing was started.
    pub fn hear(&self, notify: impl Notify + 'static) -> Result<Ticket<Heard>, CacheError> {
        let native = self.cache.as_ref().and_then(Cache::native);
        let patience = native.map_or(Duration::ZERO, Native::timeout);
        heard::ask(self.module, native, &self.cache_threads, patience, notify)
    }

    /// Whether what is known of other machines serves although they could not be heard, which is logged.
    pub fn serves_unheard(&mut self, error: &str) -> bool {
        self.hearing.as_mut().is_none_or(|hearing| {
            hearing.report(error);
            hearing.serves()
        })
    }

    /// Tells other machines of a revocation, in the calling thread, which waits. `now` is in UNIX seconds.
    ///
    /// # Errors
    /// Fails if Redis can't be asked.
    pub fn tell(&self, revocation: &Revocation, now: i64) -> Result<Told, CacheError> {
        let native = self.cache.as_ref().and_then(Cache::native);
        let native = native.ok_or_else(|| CacheError::Busy("cachedb_url is not set".into()))?;
        native.admit(&self.cache_threads)?;
        let revocation = revocation.clone();
        let tokens = &self.module.config.tokens;
        let leeway = i64::try_from(tokens.rules.leeway).unwrap_or(i64::MAX);
        let most = tokens.revocations_max;
        let work = move |session: &Session<'_>| {
            revocations_in_redis::tell(session, &revocation, (now, leeway), most)
        };
        native.submit(&self.cache_threads, NoNotify, work)?.wait()
    }

    /// Asks Redis, in the calling thread, which waits: for processes that serve no requests.
    ///
    /// # Errors
    /// Fails if Redis can't be asked, and with the error of the work.
    pub fn ask_redis<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session<'_>) -> Result<T, CacheError> + Send + 'static,
    ) -> Result<T, CacheError> {
        let native = self.cache.as_ref().and_then(Cache::native);
        let native = native.ok_or_else(no_redis)?;
        native.admit(&self.cache_threads)?;
        native.submit(&self.cache_threads, NoNotify, work)?.wait()
    }

    /// Whether a good token has to wait for the table of revocations to be read: then whoever asks this is to
    /// read it, and the value is whether what is known serves nevertheless if that fails.
    pub fn must_read_revocations(&mut self) -> Option<bool> {
        if self.are_rows_fresh() {
            return None;
        }
        self.revocations.as_ref()?.serves().err()
    }

    /// The threads for Redis.
    pub fn cache_threads(&self) -> &Arc<Pool> {
        &self.cache_threads
    }

    /// The CacheDB, if there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// See [`Cache::check_ban`].
    ///
    /// # Errors
    /// Fails as that does.
    pub fn check_ban(&mut self, source: &str) -> Result<Entry, String> {
        let cache = self.cache.as_mut();
        cache.map_or(Ok(Entry::Open), |cache| cache.check_ban(source))
    }

    /// See [`Cache::gate`].
    pub fn gate(&mut self, source: &str, claim: Option<Claim>) -> Passing {
        match &mut self.cache {
            Some(cache) => cache.gate(source, claim, &self.cache_threads),
            None => Passing::Now(Ok(Entry::Open)),
        }
    }

    /// See [`Cache::ban`]; `None` without `cachedb_url`.
    pub fn ban(&mut self, source: &str, ban: Ban) -> Option<Result<(), String>> {
        self.cache.as_mut()?.ban(source, ban)
    }

    /// See [`Cache::order`]; `None` without `cachedb_url`.
    pub fn order_ban(&mut self, source: &str, ban: Option<Ban>) -> Option<Result<(), String>> {
        let cache = self.cache.as_mut()?;
        Some(cache.order(source, ban, &self.cache_threads))
    }

    /// See [`Cache::list`]; `None` without `cachedb_url`, too.
    pub fn list_bans(&self, most: usize) -> Option<Result<BanList, String>> {
        self.cache.as_ref()?.list(most, &self.cache_threads)
    }

    /// Whether `jwt_reload` was called since the keys of files and URLs were last checked.
    pub fn is_reload_due(&self) -> bool {
        self.sources_generation != shared::page().generation.get()
    }

    /// Has the keys of files and URLs read again if `jwt_reload` was called.
    pub fn reload_keys_if_due(&mut self) {
        if self.is_reload_due() {
            self.sources_generation = shared::page().generation.get();
            self.sources.reload(self.sources_generation);
        }
    }

    /// Starts to fetch the keys of URLs on a thread, each within `http_timeout`; the ticket holds
    /// what went wrong, one line each.
    ///
    /// # Errors
    /// Fails with such lines if nothing was started.
    pub fn fetch<N: Notify + 'static>(
        &self,
        urls: Vec<String>,
        notify: N,
    ) -> Result<Ticket<Vec<String>>, Vec<String>> {
        let deadline = Instant::now() + self.module.config.http.client.timeout;
        self.key_fetches
            .start(&self.sources, urls, deadline, notify)
    }

    /// Fetches keys of URLs that have become old, in the background.
    pub fn refresh_keys<'a>(&self, keys: impl IntoIterator<Item = &'a KeyHolder>) {
        let now = Instant::now();
        for holder in keys.into_iter().filter(|holder| holder.is_reference()) {
            if let Some(url) = holder.should_refresh(&self.sources, now) {
                self.fetch_in_background(vec![url.to_owned()]);
            }
        }
    }

    /// Fetches the keys of URLs in the background. The outcome shows when a token needs them.
    pub fn fetch_in_background(&self, urls: Vec<String>) {
        drop(self.fetch(urls, NoNotify));
    }

    /// The endpoint of a URL, or of several separated by blanks, that a script names.
    ///
    /// # Errors
    /// Fails with what is wrong with the URLs.
    pub fn endpoint(&mut self, urls: &str) -> Result<Arc<Endpoint>, String> {
        if let Some(endpoint) = self.named.get(urls) {
            return Ok(endpoint.clone());
        }
        let defaults = &self.module.config.http.defaults;
        let endpoint = Arc::new(Endpoint::parse(urls, defaults).map_err(|e| e.to_string())?);
        self.named.put(urls.to_owned(), endpoint.clone());
        Ok(endpoint)
    }

    /// A key that a script signs with, parsed now or before.
    ///
    /// # Errors
    /// Fails with [`SigningKeyError`] if the key can't be used.
    pub fn signing_key(&mut self, material: &[u8]) -> Result<Arc<SigningKey>, SigningKeyError> {
        if let Some(key) = self.signing.get(material) {
            return Ok(key.clone());
        }
        let key = Arc::new(SigningKey::parse(material)?);
        self.signing.put(material.into(), key.clone());
        Ok(key)
    }

    /// The HTTP client and its threads.
    ///
    /// # Errors
    /// Fails if none can be made.
    pub fn webhooks(&mut self) -> Result<Arc<Webhooks>, TrustError> {
        if let Some(webhooks) = &self.webhooks {
            return Ok(webhooks.clone());
        }
        let config = ClientConfig {
            meters: Meters {
                connections: stats::HTTP_CONNECTIONS,
                answers: stats::HTTP_TIMER,
                changes: Changes(notices::endpoint_changed),
            },
            paces: self.module.paces.clone(),
            ..self.module.config.http.client.clone()
        };
        let client = Client::new(config, self.module.circuits.clone())?;
        let client = client.answering_challenges(self.basic_for());
        let webhooks = Arc::new(with_threads("auth_web-http", self.module, client));
        Ok(self.webhooks.insert(webhooks).clone())
    }
}

/// There is no Redis that could be asked.
pub fn no_redis() -> CacheError {
    let cause = "cachedb_url names none, or cachedb_driver is \"opensips\"";
    CacheError::Busy(cause.to_owned())
}

/// A client with threads of this name, within the limits of the parameters.
fn with_threads(name: &'static str, module: &Module, client: Client) -> Webhooks {
    let http = &module.config.http;
    let client = Arc::new(client);
    let quiet = client.clone();
    let config = PoolConfig {
        max_threads: http.max_inflight,
        thread_init: reactor::block_signals,
        gauge: stats::THREADS,
        on_quiet: Some(OnQuiet(Arc::new(move || quiet.forget_connections()))),
        ..PoolConfig::default()
    };
    let pool = Arc::new(Pool::new(name, config));
    // Otherwise the pool's own limit applies first, and says so.
    let most = match http.max_inflight_endpoint {
        most if most < http.max_inflight => most,
        _ => usize::MAX,
    };
    Webhooks::new(client, pool).with_most_to_one(most, module.inflight.clone())
}

/// Where the keys of files and URLs come from.
fn key_sources(module: &Module) -> KeySources {
    let fetcher: Arc<dyn Fetch + Send + Sync> = match HttpFetch::new(&module.config.http.providers)
    {
        Ok(fetcher) => Arc::new(Counted(fetcher)),
        Err(error) => Arc::new(NoFetch(error.to_string())),
    };
    let sources = KeySources::new(module.config.tokens.sources.clone(), fetcher)
        .sharing(Arc::clone(&module.fetches));
    sources.reload(shared::page().generation.get());
    sources
}

/// Counts what providers are asked for, and how long it takes.
struct Counted(HttpFetch);

impl Fetch for Counted {
    fn get(&self, url: &str, deadline: Instant) -> Result<Fetched, FetchError> {
        stats::count(Statistic::JwksFetches);
        stats::JWKS_TIMER.time(|| self.0.get(url, deadline))
    }
}

/// Used if no HTTP client can be made, which mod_init has tried.
struct NoFetch(String);

impl Fetch for NoFetch {
    fn get(&self, _url: &str, _deadline: Instant) -> Result<Fetched, FetchError> {
        Err(FetchError::Failed(self.0.clone()))
    }
}
