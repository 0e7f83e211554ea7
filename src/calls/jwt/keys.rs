//! Keys at a URL, which have to be fetched before a token can be judged.

use std::time::Instant;

use super::call::{Call, Subject};
use crate::calls::waiting::{Started, on_thread};
use crate::jwt::token::Token;
use crate::keys::KeyHolder;
use crate::log;
use crate::opensips::stats::{self, Statistic};
use crate::process;

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

    /// Fetches URLs on a thread, and then does the rest.
    pub(super) fn fetch(
        self,
        urls: Vec<String>,
        then: impl FnOnce(Call) -> Started + 'static,
    ) -> Started {
        on_thread(
            self.module,
            self.message,
            self.wait,
            |wake| process::with(self.module, |process| process.fetch(urls, wake)),
            |cause| vec![cause.to_owned()],
            move |message, errors| {
                for error in errors {
                    stats::count(Statistic::JwksFailures);
                    log!(Warning, self.function, "{error}");
                }
                then(Call { message, ..self })
            },
        )
    }
}
