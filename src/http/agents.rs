//! The HTTP agents of one process: one for each set of TLS files, and a new one when these change.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lru::LruCache;
use ureq::Agent;
use ureq::tls::TlsConfig;

use super::client_config::ClientConfig;
use super::proxy::Proxy;
use super::report::Report;
use super::resolver::Memory;
use super::tls::{LOOK_INTERVAL, Loaded, TlsFiles, TrustError};
use super::transport::connector;
use super::url::EndpointUrl;
use crate::files::Stamp;

/// For how many sets of files of endpoints an agent is kept; beyond that the least recently used is
/// forgotten, with its connections.
const MOST_IDENTITIES: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// See the [module](self).
pub(super) struct Agents {
    config: ClientConfig,
    own: Arc<Slot>,
    others: Mutex<LruCache<TlsFiles, Arc<Slot>>>,
}

/// The agents of one set of files.
struct Slot {
    files: TlsFiles,
    /// Held by the thread that reads the files. Others go on with what is known.
    reading: Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loaded: Option<Loaded>,
    /// When the files were last looked at.
    looked: Option<Instant>,
    /// What could not be read, so that it is not tried again before it changes.
    failed: Option<(Vec<Stamp>, TrustError)>,
    direct: Option<Agent>,
    proxied: Option<Agent>,
}

impl Slot {
    fn new(files: TlsFiles, loaded: Option<Loaded>) -> Arc<Self> {
        Arc::new(Slot {
            files,
            reading: Mutex::new(()),
            state: Mutex::new(State {
                loaded,
                ..State::default()
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Agents {
    /// # Errors
    /// Fails with [`TrustError`] if the files of the configuration can't be used.
    pub(super) fn new(config: ClientConfig) -> Result<Self, TrustError> {
        let loaded = match &config.loaded {
            Some(loaded) => Loaded::clone(loaded),
            None => config.files.load(&config.trust)?,
        };
        Ok(Agents {
            own: Slot::new(config.files.clone(), Some(loaded)),
            config,
            others: Mutex::new(LruCache::new(MOST_IDENTITIES)),
        })
    }

    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Closes the idle connections.
    pub(super) fn forget_connections(&self) {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in others.iter().map(|(_, slot)| slot).chain([&self.own]) {
            let mut state = slot.lock();
            state.direct = None;
            state.proxied = None;
        }
    }

    /// The agent for a URL, with these files. May read them.
    ///
    /// # Errors
    /// Fails with [`TrustError`] if they can't be used, and never could.
    pub(super) fn get(&self, files: &TlsFiles, url: &EndpointUrl) -> Result<Agent, TrustError> {
        let slot = self.slot(files);
        self.look(&slot)?;
        // What stays on this machine is not the proxy's business, and what the proxy calls localhost
        // is another machine.
        let proxy = self.config.proxy.as_ref().filter(|_| !url.is_local());
        let mut state = slot.lock();
        let State {
            loaded,
            direct,
            proxied,
            ..
        } = &mut *state;
        let place = match proxy {
            Some(_) => proxied,
            None => direct,
        };
        if let Some(agent) = place {
            return Ok(agent.clone());
        }
        let tls = match loaded {
            Some(loaded) => loaded.tls.clone(),
            // It is never unloaded.
            None => files.load(&self.config.trust)?.tls,
        };
        Ok(place.insert(agent(&self.config, tls, proxy)).clone())
    }

    fn slot(&self, files: &TlsFiles) -> Arc<Slot> {
        if *files == self.own.files {
            return Arc::clone(&self.own);
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = others.get_or_insert_ref(files, || Slot::new(files.clone(), None));
        Arc::clone(slot)
    }

    /// Reads the files, if they have not been or have changed.
    fn look(&self, slot: &Slot) -> Result<(), TrustError> {
        let is_due = |state: &State| {
            let looked = state.looked.map(|looked| looked.elapsed());
            looked.is_none_or(|elapsed| elapsed >= LOOK_INTERVAL)
        };
        let usable = |state: &State| match (&state.loaded, &state.failed) {
            (Some(_), _) | (None, None) => Ok(()),
            (None, Some((_, error))) => Err(error.clone()),
        };
        let is_known = {
            let state = slot.lock();
            if !is_due(&state) {
                return usable(&state);
            }
            state.loaded.is_some()
        };
        let _reading = match is_known {
            true => match slot.reading.try_lock() {
                Ok(reading) => reading,
                Err(_) => return Ok(()),
            },
            false => slot.reading.lock().unwrap_or_else(PoisonError::into_inner),
        };
        // Another thread may have looked meanwhile.
        if !is_due(&slot.lock()) {
            return usable(&slot.lock());
        }
        let stamps = slot.files.stamps();
        let known = {
            let state = slot.lock();
            let read = state.loaded.as_ref().map(|loaded| &loaded.stamps);
            let failed = state.failed.as_ref().map(|(failed, _)| failed);
            failed.or(read) == Some(&stamps)
        };
        if known {
            slot.lock().looked = Some(Instant::now());
            return usable(&slot.lock());
        }
        let loaded = slot.files.load(&self.config.trust);
        let mut state = slot.lock();
        state.looked = Some(Instant::now());
        match loaded {
            Ok(loaded) => {
                if state.loaded.is_some()
                    && state.loaded.as_ref().map(|it| &it.stamps) != Some(&stamps)
                {
                    self.config.reports.push(Report {
                        line: format!("{}: read again", self.name(&slot.files)),
                        is_failure: false,
                    });
                }
                *state = State {
                    loaded: Some(loaded),
                    looked: state.looked,
                    ..State::default()
                };
            }
            Err(error) => {
                if state.loaded.is_some() {
                    self.config.reports.push(Report {
                        line: format!("{error}; what was read before stays in use"),
                        is_failure: true,
                    });
                }
                state.failed = Some((stamps, error));
            }
        }
        usable(&state)
    }

    fn name(&self, files: &TlsFiles) -> String {
        let paths = [&files.ca, &files.certificate, &files.key];
        let paths: Vec<String> = paths
            .into_iter()
            .flatten()
            .map(|path| path.display().to_string().escape_debug().to_string())
            .collect();
        paths.join(", ")
    }
}

impl fmt::Debug for Agents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agents").finish_non_exhaustive()
    }
}

/// Heads of answers are small; a longer one does not come from an endpoint.
pub(super) const MAX_HEAD: usize = 16 * 1024;

/// The size of a connection's buffers. ureq's own defaults, 128 KiB each way, add up.
pub(super) const BUFFER: usize = 16 * 1024;

/// An HTTP agent: no proxy but this, no redirects, no answer longer than allowed.
fn agent(config: &ClientConfig, tls: TlsConfig, proxy: Option<&Proxy>) -> Agent {
    let agent_config = Agent::config_builder()
        .tls_config(tls)
        // Otherwise it would be that of the environment.
        .proxy(proxy.map(|proxy| proxy.proxy.clone()))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(config.user_agent.as_str())
        // Without it any coding is acceptable (RFC 9110 section 12.5.3), and none is decoded here.
        .accept_encoding("identity")
        .max_response_header_size(MAX_HEAD)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .max_idle_connections(config.max_idle)
        .max_idle_connections_per_host(config.max_idle)
        .max_idle_age(config.max_idle_age)
        .build();
    Agent::with_parts(
        agent_config,
        connector(proxy.is_some(), config.meters.connections),
        Memory::new(),
    )
}
