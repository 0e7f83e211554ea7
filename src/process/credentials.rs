//! The credentials that a process has at hand: those of the parameter, and on top of them those of
//! the table, which is read as a whole, and again every `cache_ttl`.
//!
//! With the native driver, that happens on a thread: what was read before is used meanwhile, and is
//! replaced at the first request after the thread is done. Only if nothing usable is at hand, and
//! after `credentials_reload`, does a request wait for the thread, `db_timeout` at most; once that
//! has failed, no request waits again until the table has been read in the background.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use zeroize::Zeroizing;

use super::credential_cache::{Since, Step};
use super::{Asked, Process};
use crate::credentials::Credentials;
use crate::http::{Basic, BasicFor};
use crate::opensips::shared;
use crate::pool::NoNotify;
use crate::store::StoreError;
use crate::store::shared::Wanted;

impl Process {
    /// The credentials that count now.
    ///
    /// # Errors
    /// Fails if the table could not be read, and what was read before is too old.
    pub fn credentials(&mut self) -> Result<Arc<Credentials>, StoreError> {
        let Some(database) = self.module.credentials_database() else {
            return Ok(self.module.credentials.clone());
        };
        let now = Since {
            time: Instant::now(),
            generation: shared::page().credentials_generation.get(),
        };
        self.collect_credentials(now, false);
        match self.credential_cache.step(database, now) {
            Step::Serve => {}
            _ if self.credential_cache.has_just_failed(now) => {}
            step => {
                let wait = self.credential_cache.waits(&step, now);
                if self.read_credentials(now) || self.collect_credentials(now, wait) {
                    return self.credential_cache.newest();
                }
            }
        }
        self.credential_cache.old(database, now)
    }

    /// Starts reading the table if that is done on a thread: called when a process starts, so that
    /// its first request need not wait.
    pub fn begin_reading_credentials(&mut self) {
        let has_threads = self.database.as_ref().is_some_and(|d| d.has_threads());
        if has_threads && self.module.credentials_database().is_some() {
            self.read_credentials(Since {
                time: Instant::now(),
                generation: shared::page().credentials_generation.get(),
            });
        }
    }

    /// Reads the table, or starts to on a thread, unless that is in progress; whether it is read.
    fn read_credentials(&mut self, now: Since) -> bool {
        let pending = self.credential_cache.pending.take();
        // A read that began before credentials_reload may have missed the change.
        let pending = pending.filter(|(since, _)| since.generation == now.generation);
        if pending.is_some() {
            self.credential_cache.pending = pending;
            return false;
        }
        let table = &self.module.config.outbound.table;
        let ttl = self.module.credentials_database().map(|it| it.cache.ttl);
        let ttl = ttl.unwrap_or_default();
        let wanted = Wanted::within(ttl, now.generation);
        let answer = match self.ask_once(wanted, |source| table.fetch_all(source)) {
            Asked::Answered(answer) => answer,
            Asked::Pending(query) => match query.start(NoNotify) {
                Ok(ticket) => {
                    self.credential_cache.pending = Some((now, ticket));
                    return false;
                }
                Err(error) => Err(error),
            },
        };
        self.credential_cache.note(self.module, now, answer)
    }

    /// Takes what a thread has read if it is done, or waits for it with `wait`; whether there was
    /// something. A read that began in another generation does not count.
    fn collect_credentials(&mut self, now: Since, wait: bool) -> bool {
        let Some((since, ticket)) = self.credential_cache.pending.take() else {
            return false;
        };
        if since.generation != now.generation {
            return false;
        }
        let answer = if wait {
            ticket.wait()
        } else {
            match ticket.try_take() {
                Ok(answer) => answer,
                Err(ticket) => {
                    self.credential_cache.pending = Some((since, ticket));
                    return false;
                }
            }
        };
        self.credential_cache.note(self.module, since, answer)
    }

    /// Credentials for endpoints that challenge, as a thread may ask for them at any time: those
    /// that [`credentials`](Self::credentials) returned last.
    ///
    /// Only an entry that names the endpoint's host counts. Scheme Basic reveals the password to
    /// whoever asks, and endpoints may belong to customers: an entry for any server is for the
    /// challenges of SIP, which do not reveal it.
    pub(super) fn basic_for(&self) -> BasicFor {
        let current = self.credential_cache.current.clone();
        let parameters = self.module.credentials.clone();
        Box::new(move |host, realm| {
            let credentials = {
                let current = current.lock().unwrap_or_else(PoisonError::into_inner);
                current.clone().unwrap_or_else(|| parameters.clone())
            };
            let login = credentials.get_of_server(host.as_bytes(), realm.as_bytes(), b"")?;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            let basic = Basic {
                username: text(&login.username)?,
                password: Zeroizing::new(text(&login.password)?),
            };
            basic.is_sendable().then_some(basic)
        })
    }
}
