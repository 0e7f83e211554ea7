//! Keys at a URL, which have to be fetched before a token can be judged.

use std::time::Instant;

use super::call::Call;
use crate::calls::files;
use crate::calls::waiting::{Started, on_thread};
use crate::clock;
use crate::jwt::authorize::Outcome;
use crate::jwt::key::{KeyError, KeySet};
use crate::jwt::token::Token;
use crate::keys::{KeyHolder, KeySources};
use crate::log;
use crate::opensips::shared;
use crate::process::{self, Subject};

impl Call {
    /// Does something with a token, once the keys of its subject have been fetched if needed.
    pub(super) fn with_keys_then(
        self,
        token: Token,
        subject: Subject,
        then: impl FnOnce(Call, Token, Subject) -> Started + 'static,
    ) -> Started {
        if !subject.ready.has_references() {
            return then(self, token, subject);
        }
        let urls = self.urls(&token, &subject.ready.keys);
        if urls.is_empty() {
            return then(self, token, subject);
        }
        self.fetch(urls, move |call| then(call, token, subject))
    }

    /// The URLs that have to be fetched before this token is judged. Keys that are merely old are
    /// fetched in the background.
    pub(super) fn urls<'a>(
        &self,
        token: &Token,
        keys: impl IntoIterator<Item = &'a KeyHolder>,
    ) -> Vec<String> {
        process::with(self.module, |process| {
            process.reload_keys_if_due();
            let now = Instant::now();
            let mut urls = Vec::new();
            for holder in keys {
                if let Some(url) = holder.must_fetch(&process.sources, token, now) {
                    urls.push(url.to_owned());
                } else if let Some(url) = holder.should_refresh(&process.sources, now) {
                    process.fetch_in_background(vec![url.to_owned()]);
                }
            }
            urls
        })
    }

    /// The URLs that are worth another request because of this outcome: no key verifies the token,
    /// and the known ones may have been replaced.
    pub(super) fn outdated<'a>(
        &self,
        outcome: &Outcome,
        keys: impl IntoIterator<Item = &'a KeyHolder>,
    ) -> Vec<String> {
        if !outcome.may_be_outdated() {
            return Vec::new();
        }
        process::with(self.module, |process| {
            let now = Instant::now();
            let changed = |key: &'a KeyHolder| key.may_have_changed(&process.sources, now);
            let urls = keys.into_iter().filter_map(changed);
            urls.map(str::to_owned).collect()
        })
    }

    /// Logs that a set in use could not be fetched again in the background: once an hour for
    /// all processes, as long as that is so.
    pub(super) fn report_failure(&self, holder: &KeyHolder, sources: &KeySources) {
        if let Some(error) = holder.failure(sources)
            && is_new_this_hour(&error.to_string())
        {
            log!(Warning, self.function, "{error}");
        }
    }

    /// Logs where an issuer has its keys, once for all processes.
    pub(super) fn report_metadata(&self, holder: &KeyHolder, sources: &KeySources) {
        if let Some(metadata) = holder.metadata(sources)
            && metadata.take_report()
            && let Some(place) = holder.place()
        {
            let line = format!("{place}: {metadata}");
            if shared::page().told.is_new(&line) {
                log!(Info, self.function, "{line}");
            }
        }
    }

    /// Logs which keys of a set can't be used, once for all processes. `own` names the keys if they
    /// are not in a file or at a URL.
    pub(super) fn report_skipped(
        &self,
        holder: &KeyHolder,
        keys: &KeySet,
        own: impl Fn() -> String,
    ) {
        for skipped in keys.take_report() {
            let place = holder.place().unwrap_or_else(&own);
            let line = format!("keys from {place}: {skipped}");
            if !shared::page().told.is_new(&line) {
                continue;
            }
            match skipped.error {
                // It has another purpose.
                KeyError::JwkUse(_) => log!(Notice, self.function, "{line}"),
                _ => log!(Warning, self.function, "{line}"),
            }
        }
    }

    /// Logs once for all processes that each of them fetches URLs for itself.
    fn report_unshared(&self, urls: &[String]) {
        let sources = process::with(self.module, |process| process.sources.clone());
        if urls.iter().any(|url| sources.lacks_place(url)) {
            let places = self.module.config.tokens.sources.places;
            let line = format!(
                "keys of more than {places} URLs are in use: of the others, each process fetches them for \
                 itself (jwks_cache_size)"
            );
            if shared::page().told.is_new(&line) {
                log!(Warning, self.function, "{line}");
            }
        }
    }

    /// Fetches URLs on a thread, and then does the rest.
    pub(super) fn fetch(
        self,
        urls: Vec<String>,
        then: impl FnOnce(Call) -> Started + 'static,
    ) -> Started {
        let fetched = urls.clone();
        on_thread(
            self.module,
            self.message,
            self.wait,
            |wake| process::with(self.module, |process| process.fetch(urls, wake)),
            |cause| vec![cause.to_owned()],
            move |message, errors| {
                files::report(self.function, &self.module.config.http.providers.reports);
                for error in errors {
                    is_new_this_hour(&error);
                    log!(Warning, self.function, "{error}");
                }
                self.report_unshared(&fetched);
                then(Call { message, ..self })
            },
        )
    }
}

/// Whether no process has logged this within the hour.
fn is_new_this_hour(line: &str) -> bool {
    const HOUR: u64 = 3600;
    shared::page()
        .told
        .is_new((line, clock::now().as_secs() / HOUR))
}
