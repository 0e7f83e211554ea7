//! What one OpenSIPS process holds: threads and connections, which don't survive a fork.

mod credentials;
mod profiles;
mod told;

pub use credentials::CredentialCache;
pub use profiles::Profiles;
pub use told::Told;

use crate::config::database::Database;
use crate::config::http::Http;
use crate::http::{Client, ClientError, Endpoint, EndpointDefaults, EndpointTable, Webhooks};
use crate::jwt::cache::VerifiedTokens;
use crate::jwt::path::ClaimValue;
use crate::jwt::signing_key::{SigningKey, SigningKeyError};
use crate::keys::{Fetch, FetchError, Fetched, HttpFetch, KeyCache, KeyHolder, KeySources};
use crate::module::{CoreSource, Module};
use crate::opensips::cachedb::{self, CacheDbError};
use crate::opensips::fork::PerProcess;
use crate::opensips::{db, reactor, shared};
use crate::pool::{Lost, Notify, OnQuiet, Pool, PoolConfig, PoolFull, Ticket};
use crate::store::cache::Ready;
use crate::store::mysql::MySql;
use crate::store::profiles::Profile;
use crate::store::{Source, StoreError};
use lru::LruCache;
use std::{num::NonZeroUsize, sync::Arc, time::Instant};

/// Queries under way in one process at the most, the ones that wait for a connection included.
const MAX_QUERIES: usize = 256;

/// Keys that scripts sign with, kept parsed, at the most.
const MAX_SIGNING: NonZeroUsize = NonZeroUsize::new(32).unwrap();

/// Endpoints that scripts name, kept parsed, at the most.
const MAX_NAMED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What is remembered of a token that was verified.
#[derive(Debug)]
pub struct Verified {
    /// The decoded token.
    pub decoded: Box<str>,
    /// The tag and the profile, for `jwt_authorize`: the token counts only as long as this very
    /// profile is at hand. Without a tag it is that of the identity provider.
    pub subject: Option<(Option<Arc<str>>, Arc<Ready>)>,
    /// The username, where it is in the token.
    pub username: Option<Box<str>>,
    /// What `load_claims` wants of it.
    pub claims: Box<[Option<ClaimValue>]>,
}

/// What a question for a profile ends with.
pub type Answer = Result<Option<Profile>, StoreError>;

/// See the [module](self).
pub struct Process {
    queries: Pool,
    core_db: Option<db::Connection>,
    /// Profiles that are at hand, where there is a database of them.
    pub profiles: Option<Profiles>,
    /// Endpoints of realms, where there is a table of them.
    pub endpoints: Option<Arc<EndpointTable>>,
    /// Endpoints that scripts name.
    named: LruCache<String, Arc<Endpoint>>,
    webhooks: Option<Arc<Webhooks>>,
    /// Credentials for the way out.
    credential_cache: CredentialCache,
    /// Keys in files and at URLs.
    pub sources: Arc<KeySources>,
    /// The generation of caches that they are of.
    sources_generation: u64,
    /// Tokens that were verified before.
    pub tokens: VerifiedTokens<Verified>,
    /// Keys that scripts sign with.
    signing: LruCache<Box<[u8]>, Arc<SigningKey>>,
    /// Keys that scripts give.
    pub keys: KeyCache,
    /// Weak secrets that were warned of.
    pub told: Told,
    /// The database did not answer in time.
    held: Option<Held>,
}

/// A database that did not answer in time is asked by one probe at a time, behind the back of the
/// requests, which fail at once instead of waiting for it one by one.
#[derive(Debug)]
struct Held {
    error: StoreError,
    probe: Option<Ticket<Answer>>,
}

thread_local! {
    static PROCESS: PerProcess<Process> = const { PerProcess::new() };
    /// The connection to the CacheDB.
    static COUNTERS: PerProcess<cachedb::Connection> = const { PerProcess::new() };
}

/// Works with what the calling process holds. Only for a process's own thread, not for those of
/// a pool.
pub fn with<T>(work: impl FnOnce(&mut Process) -> T) -> T {
    PROCESS.with(|process| process.with(Process::new, work))
}

/// Drops what the calling process holds, at its end.
pub fn end() {
    PROCESS.with(PerProcess::end);
    COUNTERS.with(PerProcess::end);
}

impl Process {
    fn new() -> Self {
        let config = PoolConfig {
            max_threads: MAX_QUERIES,
            thread_init: reactor::block_signals,
            ..PoolConfig::default()
        };
        let module = crate::module::get();
        let database = module.and_then(|m| m.config.database.as_ref());
        Process {
            queries: Pool::new("auth_web-db", config),
            core_db: None,
            profiles: database.map(Profiles::new),
            endpoints: module.and_then(|module| {
                let cache = &module.endpoints_database()?.cache;
                let defaults = module.config.http.defaults.clone();
                Some(Arc::new(EndpointTable::new(defaults, cache.ttl)))
            }),
            named: LruCache::new(MAX_NAMED),
            webhooks: None,
            credential_cache: CredentialCache::default(),
            sources: Arc::new(key_sources(module)),
            sources_generation: shared::page().generation.get(),
            tokens: VerifiedTokens::new(module.map_or(0, |m| m.config.tokens.cache_size)),
            signing: LruCache::new(MAX_SIGNING),
            keys: KeyCache::default(),
            told: Told::default(),
            held: None,
        }
    }

    /// Starts to ask for the profile of a tag on a thread; `notify` is told when the ticket is
    /// complete, `db_timeout` later at the latest.
    ///
    /// # Errors
    /// Where nothing was started.
    pub fn begin<N: Notify + 'static>(
        &mut self,
        database: &Database,
        native: &MySql,
        tag: &str,
        notify: N,
    ) -> Result<Ticket<Answer>, StoreError> {
        self.check_held(database, native, tag)?;
        self.submit(database, native, tag, notify)
    }

    /// Whether `jwt_reload` was called since the keys of files and URLs were looked at.
    pub fn is_reload_due(&self) -> bool {
        self.sources_generation != shared::page().generation.get()
    }

    /// Lets the keys of files and URLs be read again, where `jwt_reload` was called.
    pub fn reload_keys_if_due(&mut self) {
        if self.is_reload_due() {
            self.sources_generation = shared::page().generation.get();
            self.sources.reload();
        }
    }

    /// Starts to fetch the keys of URLs on a thread, each within `http_timeout`; what the ticket
    /// holds is what went wrong, a line each.
    ///
    /// # Errors
    /// The same, where nothing was started.
    pub fn fetch<N: Notify + 'static>(
        &self,
        urls: Vec<String>,
        notify: N,
    ) -> Result<Ticket<Vec<String>>, Vec<String>> {
        let timeout = crate::module::get().map(|m| m.config.http.client.timeout);
        let deadline = Instant::now() + timeout.unwrap_or_default();
        let lost = |_| vec!["keys of a URL were not fetched in time (http_timeout)".to_owned()];
        let sources = self.sources.clone();
        let job = move || {
            let fetch = |url: &String| sources.fetch(url, deadline).err();
            urls.iter()
                .filter_map(fetch)
                .map(|error| error.to_string())
                .collect()
        };
        self.queries
            .submit(deadline, lost, job, notify)
            .map_err(|error| vec![format!("keys of a URL are not fetched: {error}")])
    }

    /// Fetches the keys of URLs that got old, behind the back of the requests.
    pub fn refresh_keys<'a>(&self, keys: impl IntoIterator<Item = &'a KeyHolder>) {
        let now = Instant::now();
        for holder in keys.into_iter().filter(|holder| holder.is_reference()) {
            if let Some(url) = holder.should_refresh(&self.sources, now) {
                self.fetch_behind(vec![url.to_owned()]);
            }
        }
    }

    /// Fetches the keys of URLs behind the back of the requests. How that went shows when a token
    /// needs them.
    pub fn fetch_behind(&self, urls: Vec<String>) {
        drop(self.fetch(urls, crate::pool::NoNotify));
    }

    fn submit<N: Notify + 'static>(
        &self,
        database: &Database,
        native: &MySql,
        tag: &str,
        notify: N,
    ) -> Result<Ticket<Answer>, StoreError> {
        let deadline = Instant::now() + database.timeout;
        let milliseconds = u64::try_from(database.timeout.as_millis()).unwrap_or(u64::MAX);
        let lost = move |lost| match lost {
            Lost::TimedOut => Err(StoreError::TimedOut(milliseconds)),
            Lost::Panicked => Err(StoreError::Unreachable(
                "internal error in its driver".into(),
            )),
        };
        let (native, tables, tag) = (native.clone(), database.tables.clone(), tag.to_owned());
        let job = move || tables.fetch(&mut native.source(deadline), &tag);
        self.queries
            .submit(deadline, lost, job, notify)
            .map_err(|error| match error {
                PoolFull::Busy { .. } | PoolFull::NoThread(_) => {
                    StoreError::Busy(error.to_string())
                }
            })
    }

    /// An error where the database did not answer in time and no probe has got through yet.
    fn check_held(
        &mut self,
        database: &Database,
        native: &MySql,
        tag: &str,
    ) -> Result<(), StoreError> {
        let Some(mut held) = self.held.take() else {
            return Ok(());
        };
        match held.probe.take().map(Ticket::try_take) {
            Some(Ok(answer)) if !matches!(answer, Err(StoreError::TimedOut(_))) => return Ok(()),
            Some(Err(under_way)) => held.probe = Some(under_way),
            _ => {
                held.probe = self
                    .submit(database, native, tag, crate::pool::NoNotify)
                    .ok()
            }
        }
        let error = held.error.clone();
        self.held = Some(held);
        Err(error)
    }

    /// Learns from an answer whether requests may wait for the database.
    pub fn note(&mut self, answer: &Answer) {
        if let Err(error @ StoreError::TimedOut(_)) = answer
            && self.held.is_none()
        {
            self.held = Some(Held {
                error: error.clone(),
                probe: None,
            });
        }
    }

    /// The profile of a tag by the core's driver, which takes as long as it takes.
    pub fn profile_by_core(&mut self, module: &Module, database: &Database, tag: &str) -> Answer {
        self.by_core(module, database, |source| {
            database.tables.fetch(source, tag)
        })
    }

    /// Asks the database by the core's driver, on this process's connection.
    ///
    /// # Errors
    /// What the driver or the work says.
    pub fn by_core<T>(
        &mut self,
        module: &Module,
        database: &Database,
        work: impl FnOnce(&mut dyn Source) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection = match self.core_db.take() {
            Some(connection) => connection,
            None => module
                .core_driver
                .and_then(|driver| driver.open(&database.url))
                .ok_or_else(|| {
                    StoreError::Unreachable("see the driver's message above".to_owned())
                })?,
        };
        let answer = work(&mut CoreSource(&connection));
        // After a failure the next question starts from a new connection.
        if !matches!(answer, Err(StoreError::Refused { .. })) {
            self.core_db = Some(connection);
        }
        answer
    }

    /// The endpoint of a URL, or of several separated by blanks, that a script names.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn endpoint(
        &mut self,
        urls: &str,
        defaults: &EndpointDefaults,
    ) -> Result<Arc<Endpoint>, String> {
        if let Some(endpoint) = self.named.get(urls) {
            return Ok(endpoint.clone());
        }
        let endpoint = Arc::new(Endpoint::parse(urls, defaults).map_err(|e| e.to_string())?);
        self.named.put(urls.to_owned(), endpoint.clone());
        Ok(endpoint)
    }

    /// A key that a script signs with, parsed now or before.
    ///
    /// # Errors
    /// What is wrong with it.
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
    /// Where none can be made.
    pub fn webhooks(&mut self, http: &Http) -> Result<Arc<Webhooks>, ClientError> {
        if let Some(webhooks) = &self.webhooks {
            return Ok(webhooks.clone());
        }
        let mut client = Client::new(http.client.clone())?;
        if let Some(module) = crate::module::get() {
            client = client.answering_challenges(self.basic_for(module));
        }
        let client = Arc::new(client);
        let quiet = client.clone();
        let config = PoolConfig {
            max_threads: http.max_inflight,
            thread_init: reactor::block_signals,
            on_quiet: Some(OnQuiet(Arc::new(move || quiet.forget_connections()))),
            ..PoolConfig::default()
        };
        let pool = Arc::new(Pool::new("auth_web-http", config));
        let mut webhooks = Webhooks::new(client, pool);
        // Otherwise the pool's own limit comes first, and says so.
        if http.max_inflight_endpoint < http.max_inflight {
            webhooks = webhooks.with_most_to_one(http.max_inflight_endpoint);
        }
        let webhooks = Arc::new(webhooks);
        Ok(self.webhooks.insert(webhooks).clone())
    }
}

/// Where the keys of files and URLs come from.
fn key_sources(module: Option<&Module>) -> KeySources {
    let client = module
        .map(|m| m.config.http.client.clone())
        .unwrap_or_default();
    let config = module
        .map(|m| m.config.tokens.sources.clone())
        .unwrap_or_default();
    let fetcher: Arc<dyn Fetch + Send + Sync> = match HttpFetch::new(&client) {
        Ok(fetcher) => Arc::new(fetcher),
        Err(error) => Arc::new(NoFetch(error.to_string())),
    };
    KeySources::new(config, fetcher)
}

/// Where no HTTP client can be made, which mod_init has tried.
struct NoFetch(String);

impl Fetch for NoFetch {
    fn get(&self, _url: &str, _deadline: Instant) -> Result<Fetched, FetchError> {
        Err(FetchError::Failed(self.0.clone()))
    }
}

/// Works with the counters of `cachedb_url`; `None` where it is not set.
///
/// # Errors
/// Inside: what the engine says, also where it can't be reached.
pub fn with_counters<T>(
    module: &Module,
    work: impl FnOnce(&cachedb::Connection) -> Result<T, CacheDbError>,
) -> Option<Result<T, CacheDbError>> {
    let engine = module.counters?;
    let url = module.config.http.cachedb_url.as_ref()?;
    let done = COUNTERS.with(|counters| {
        counters.try_with(
            || engine.open(url),
            |connection| {
                // The engine in memory looks and adds in two steps: between them, another process
                // could use up the same nonce count.
                if url.starts_with("local:") {
                    return shared::exclusively(|| work(connection)).unwrap_or(Err(CacheDbError));
                }
                work(connection)
            },
        )
    });
    Some(done.unwrap_or(Err(CacheDbError)))
}
