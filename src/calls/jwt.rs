//! `jwt_authorize`: a token checked against the keys of its profile, or of an identity provider.
//!
//! The path of a token, each step only if the one before did not settle it: verified before
//! ([`Call::by_verified`]); its issuer has rules of its own ([`Call::by_issuer`]); its profile at hand ([`Call::by_cache`]); the database ([`Call::ask`]);
//! the keys of a URL ([`Call::with_keys`]); the judgement ([`Call::judge`]); whether it is revoked
//! ([`Call::conclude`]).

mod call;
mod introspect;
mod issuer;
mod judge;
mod keys;
mod opaque;
mod outputs;
mod revoked;
mod script;

pub use call::Outputs;
pub use script::script_authorize;

use std::{fmt::Display, sync::Arc, time::Instant};

use super::codes;
use super::files;
use super::waiting::{Started, Wait, on_thread};
use crate::clock;
use crate::config::database::Database;
use crate::jwt::authorize::Outcome;
use crate::jwt::binding::Binding;
use crate::jwt::claims::check_claims;
use crate::jwt::revocations::Identity;
use crate::jwt::token::{self, Token};
use crate::log;
use crate::module::Module;
use crate::opensips::log::{self, Level};
use crate::opensips::pvar::Message;
use crate::opensips::shared;
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Asked, Subject, Verified};
use crate::store::cache::{ASK_AGAIN, Lookup, Ready};
use crate::store::profiles::{MAX_TAG, Profile};
use crate::store::shared::{Aged, Wanted};
use crate::store::{Answer, StoreError};
use call::{BY_PROFILE, Call, Judged, count_query};
use revoked::Waited;

/// `jwt_authorize(token, out_decoded, out_username [, out_reason])`. It may return before it is
/// done.
pub fn authorize(
    module: &'static Module,
    message: Message,
    token: &[u8],
    outputs: Outputs,
    wait: Wait,
) -> Started {
    let call = Call {
        module,
        message,
        outputs,
        function: c"jwt_authorize",
        is_script: false,
        code_of: codes::jwt::of,
        wait,
    };
    // Also of what was fetched in the background.
    files::report(call.function, &module.config.http.providers.reports);
    if let Some(code) = call.by_verified(token) {
        return Started::Done(code);
    }
    let tokens = &module.config.tokens;
    match Token::parse(token, &tokens.limits) {
        Ok(token) => call.by_issuer(token),
        Err(error) => call.by_opaque(token, error),
    }
}

/// At which level each call tells of an error of the database, whose outage is told once for all.
fn level_of(error: &StoreError, otherwise: Level) -> Level {
    match error.is_outage() {
        true => Level::Info,
        false => otherwise,
    }
}

/// What is known about a tag without asking the database.
enum AtHand {
    /// The profile, from the snapshot of all profiles.
    Preloaded(Arc<Ready>),
    /// The profile, fetched recently.
    Fresh(Arc<Ready>),
    /// There is no such profile, or there was none a moment ago.
    Absent,
    /// The database has to be asked.
    Ask(Fallback),
}

/// What is used if the database fails.
enum Fallback {
    Nothing,
    /// A profile that has expired (`cache_grace`).
    Stale(Arc<Ready>),
    /// A fresh profile whose secrets do not verify the token.
    Refused(Outcome),
}

/// A token whose profile the database is asked for.
struct Question {
    token: Token,
    tag: String,
    database: &'static Database,
    fallback: Fallback,
    /// The generation of the caches when the question was asked: a reload in between makes the
    /// answer outdated.
    generation: u64,
}

impl Call {
    /// A token that was verified before: no signature check, not even parsing. Its times are
    /// checked, and whether it is revoked, and the keys that verified it must still be the current ones.
    fn by_verified(&self, token: &[u8]) -> Option<i32> {
        process::with(self.module, |process| {
            let token = token::bare_token(token).ok()?;
            // Where the table of what is revoked has to be read, the token waits for it.
            if !process.are_revocations_fresh() {
                return None;
            }
            let reload_due = process.is_reload_due();
            let sources = &process.sources;
            // Looks at files as well, whether they have changed.
            let is_current = |verified: &Verified, generation| {
                let ready = verified.subject.as_ref().map(|subject| &subject.ready);
                ready.is_some_and(|ready| {
                    ready.generation(sources, Instant::now) == Some(generation)
                        && !(reload_due && ready.has_references())
                })
            };
            let verified = process
                .tokens
                .get(token, BY_PROFILE, is_current, clock::now)?;
            let subject = verified.subject.as_ref()?;
            if let Some(revoked) = self.revoked(&verified.identity) {
                return Some(self.refuse_remembered(token, &revoked));
            }
            if let Some(unbound) = self.unbound(verified.binding) {
                return Some(self.refuse_remembered(token, &unbound));
            }
            let is_current = process
                .issuers
                .as_ref()
                .is_none_or(|list| match &subject.issuer {
                    Some(issuer) => list.has(issuer),
                    // An issuer that was added since then speaks for itself.
                    None => list.lacks(verified.identity.issuer.as_deref()),
                });
            if !is_current {
                return None;
            }
            if let Some(tag) = &subject.tag {
                let current = process.profiles.as_mut()?.fresh(self.module, tag)?;
                if !Arc::ptr_eq(&current, &subject.ready) {
                    return None;
                }
                self.count_stale();
            }
            stats::count(Statistic::JwtRemembered);
            let ready = subject.ready.clone();
            let code = self.admit(token, verified, &ready);
            process.refresh_keys(&ready.keys);
            Some(code)
        })
    }

    /// A token that is judged by the rules of the parameters: by the profile that it names, or by the
    /// keys of `jwks_url`.
    fn by_tag_or_provider(self, token: Token) -> Started {
        let module = self.module;
        let tag = token
            .claim(&module.config.tokens.tag_claim)
            .and_then(|tag| tag.as_str())
            .map(str::to_owned);
        match (tag, &module.config.database, &module.provider) {
            (Some(tag), Some(database), _) => self.by_tag(token, tag, database),
            (None, _, Some(provider)) | (_, None, Some(provider)) => {
                let subject = Subject {
                    tag: None,
                    ready: provider.clone(),
                    issuer: None,
                };
                self.with_keys(token, subject)
            }
            // Nobody else has keys of it.
            (None, _, None) | (_, None, None)
                if module.config.tokens.introspection.own.is_some() =>
            {
                self.by_own(token.unread())
            }
            (None, _, None) => Started::Done(self.refuse_tagless(&token)),
            (Some(_), None, None) => {
                log!(
                    Error,
                    self.function,
                    "needs the parameter \"db_url\", \"jwks_url\" or \"issuer_url\""
                );
                Started::Done(self.refuse(Some(&token), &Outcome::StoreFailed))
            }
        }
    }

    fn by_tag(self, token: Token, tag: String, database: &'static Database) -> Started {
        if tag.len() > MAX_TAG {
            return Started::Done(self.refuse(Some(&token), &Outcome::NoProfile));
        }
        let subject = |ready| Subject {
            tag: Some(tag.as_str().into()),
            ready,
            issuer: None,
        };
        match self.by_cache(&tag) {
            AtHand::Preloaded(ready) => {
                stats::count(Statistic::JwtProfilesCached);
                self.with_keys(token, subject(ready))
            }
            AtHand::Fresh(ready) => {
                stats::count(Statistic::JwtProfilesCached);
                let subject = subject(ready);
                self.with_keys_then(token, subject, move |call, token, subject| {
                    call.conclude_or_ask(token, subject, tag, database)
                })
            }
            AtHand::Absent => Started::Done(self.refuse(Some(&token), &Outcome::NoProfile)),
            AtHand::Ask(fallback) => self.ask(Question {
                token,
                tag,
                database,
                fallback,
                generation: generation(),
            }),
        }
    }

    /// Judges a token, once the keys of its subject have been fetched if needed.
    fn with_keys(self, token: Token, subject: Subject) -> Started {
        self.with_keys_then(token, subject, |call, token, subject| {
            let generation = call.keys_generation(&subject);
            let outcome = call.judge(&token, &subject);
            call.conclude_or_fetch(token, subject, &outcome, generation)
        })
    }

    /// Hands the outcome to the script, unless no known key of a URL verifies the token and another
    /// may have replaced it since: then they are fetched again, and the token is judged once more.
    fn conclude_or_fetch(
        self,
        token: Token,
        subject: Subject,
        outcome: &Outcome,
        generation: Option<u64>,
    ) -> Started {
        let urls = self.outdated(outcome, &subject.ready.keys);
        if urls.is_empty() {
            return self.conclude(token, subject, outcome, generation);
        }
        self.fetch(urls, move |call| {
            let generation = call.keys_generation(&subject);
            let outcome = call.judge(&token, &subject);
            call.conclude(token, subject, &outcome, generation)
        })
    }

    /// Hands the outcome to the script, unless no cached secret verifies the token and one may have
    /// been added since.
    fn conclude_or_ask(
        self,
        token: Token,
        subject: Subject,
        tag: String,
        database: &'static Database,
    ) -> Started {
        let generation_of_keys = self.keys_generation(&subject);
        let outcome = self.judge(&token, &subject);
        let ask = matches!(outcome, Outcome::NotVerified { .. } | Outcome::StoreFailed)
            && process::with(self.module, |process| {
                let profiles = process.profiles.as_mut();
                profiles.is_some_and(|p| p.cache.may_ask(&tag, Instant::now()))
            });
        if !ask {
            return self.conclude_or_fetch(token, subject, &outcome, generation_of_keys);
        }
        self.ask(Question {
            token,
            tag,
            database,
            fallback: Fallback::Refused(outcome),
            generation: generation(),
        })
    }

    /// Counts a token that is judged by an old snapshot of profiles because no newer one is
    /// available.
    fn count_stale(&self) {
        let preload = self
            .module
            .config
            .database
            .as_ref()
            .is_some_and(|d| d.preload);
        if preload && shared::page().snapshot.failing.get() != 0 {
            stats::count(Statistic::JwtServedStale);
        }
    }

    /// What is known about a tag.
    fn by_cache(&self, tag: &str) -> AtHand {
        let preloaded = process::with(self.module, |process| {
            process.profiles.as_mut()?.preloaded(self.module, tag)
        });
        if let Some(preloaded) = preloaded {
            self.count_stale();
            return preloaded.map_or(AtHand::Absent, AtHand::Preloaded);
        }
        let lookup = process::with(self.module, |process| match &mut process.profiles {
            Some(profiles) => profiles.lookup(tag),
            None => Lookup::Ask(None),
        });
        match lookup {
            Lookup::Absent => AtHand::Absent,
            Lookup::Ask(Some(stale)) => AtHand::Ask(Fallback::Stale(stale)),
            Lookup::Ask(None) => AtHand::Ask(Fallback::Nothing),
            Lookup::Fresh(ready) => AtHand::Fresh(ready),
        }
    }

    /// Asks the database.
    fn ask(self, question: Question) -> Started {
        let tag = question.tag.clone();
        let database = question.database;
        let tables = &database.tables;
        let again = ASK_AGAIN.min(database.cache.ttl);
        let wanted = Wanted {
            generation: question.generation,
            rows: match question.fallback {
                // What is known verifies nothing: it may be out of date.
                Fallback::Refused(_) => again,
                Fallback::Nothing | Fallback::Stale(_) => database.cache.ttl,
            },
            none: again,
        };
        let asked = process::with(self.module, |process| {
            process.ask_once(wanted, move |source| tables.fetch(source, &tag))
        });
        match asked {
            Asked::Answered(answer) => self.answered(question, answer),
            Asked::Pending(query) => on_thread(
                self.module,
                self.message,
                self.wait,
                |wake| query.start(wake).map_err(Err),
                |cause| Err(StoreError::Busy(cause.to_owned())),
                move |message, answer| Call { message, ..self }.answered(question, answer),
            ),
        }
    }

    /// What remains once the database has answered.
    fn answered(self, question: Question, answer: Answer<Aged<Option<Profile>>>) -> Started {
        count_query(&answer);
        let (profile, since) = match answer {
            Ok(Aged { value, since, .. }) => (value, since),
            Err(error) => {
                stats::count(Statistic::JwtStoreFailures);
                return self.fall_back(question, &error);
            }
        };
        let Question {
            token,
            tag,
            generation,
            ..
        } = question;
        let ready = process::with(self.module, |process| match &mut process.profiles {
            Some(profiles) => profiles.cache.store(&tag, profile, since, generation),
            None => profile.map(|profile| Arc::new(Ready::new(profile))),
        });
        match ready {
            Some(ready) => self.with_keys(
                token,
                Subject {
                    tag: Some(tag.into()),
                    ready,
                    issuer: None,
                },
            ),
            None => Started::Done(self.refuse(Some(&token), &Outcome::NoProfile)),
        }
    }

    /// Refuses a token that needs what can't be read.
    fn refuse_unread(&self, token: &Token, shown: &str, error: &StoreError) -> i32 {
        self.refuse_failed(token, level_of(error, Level::Error), shown, error)
    }

    /// The same at this level of the log.
    fn refuse_failed(&self, token: &Token, level: Level, shown: &str, error: &dyn Display) -> i32 {
        let outcome = Outcome::StoreFailed;
        let code = self.count_refusal((self.code_of)(&outcome), &outcome);
        let reason = format_args!("{shown}: {error}");
        self.tell(level, self.shown(Some(token)), code, &reason);
        code
    }

    /// Logs that something serves in place of what can't be read.
    fn served(&self, error: &StoreError, by: &str) {
        let level = level_of(error, Level::Warning);
        if log::enabled(level) {
            let database = self.module.config.database.as_ref();
            let shown = database.map_or("", |database| database.shown.as_str());
            log::write(level, self.function, format_args!("{shown}: {error}; {by}"));
        }
    }

    fn fall_back(self, question: Question, error: &StoreError) -> Started {
        let Question {
            token,
            tag,
            fallback,
            database,
            ..
        } = question;
        let shown = &database.shown;
        match fallback {
            Fallback::Nothing => Started::Done(self.refuse_unread(&token, shown, error)),
            Fallback::Stale(ready) => {
                stats::count(Statistic::JwtServedStale);
                self.served(error, "the cache serves (cache_grace)");
                self.with_keys(
                    token,
                    Subject {
                        tag: Some(tag.into()),
                        ready,
                        issuer: None,
                    },
                )
            }
            Fallback::Refused(outcome) => {
                self.served(error, "the cache serves");
                Started::Done(self.refuse(Some(&token), &outcome))
            }
        }
    }

    /// The generation of a subject's keys; `None` if not all of them are known.
    fn keys_generation(&self, subject: &Subject) -> Option<u64> {
        process::with(self.module, |process| {
            subject.ready.generation(&process.sources, Instant::now)
        })
    }

    /// Hands the outcome to the script: of a good token once it is known whether it is revoked. `generation` is
    /// that of the keys, taken before the token was judged by them.
    fn conclude(
        self,
        token: Token,
        subject: Subject,
        outcome: &Outcome,
        generation: Option<u64>,
    ) -> Started {
        let Outcome::Authorized { candidate, kid } = outcome else {
            return Started::Done(self.refuse(Some(&token), outcome));
        };
        let is_asked_for = self.asks_for_all(&subject).is_some();
        let unbound = match is_asked_for {
            true => self.unbound_so_far(Binding::of(&token)),
            false => self.unbound(Binding::of(&token)),
        };
        if let Some(unbound) = unbound {
            return Started::Done(self.refuse(Some(&token), &unbound));
        }
        if is_asked_for {
            let judged = Judged {
                candidate: *candidate,
                kid: kid.clone(),
                generation,
            };
            return self.introspect(token, subject, judged);
        }
        let identity = Identity::of(&token, kid.as_deref());
        self.conclude_good(token, subject, *candidate, generation, identity)
    }

    /// Hands a good token to the script once it is known whether it is revoked.
    fn conclude_good(
        self,
        token: Token,
        subject: Subject,
        candidate: usize,
        generation: Option<u64>,
        identity: Identity,
    ) -> Started {
        self.with_revocations(token, move |call, token, Waited(waited)| {
            // It may have ended while it waited.
            let times = match waited {
                true => check_claims(&token, call.rules_of(&token, &subject), clock::now()),
                false => Ok(()),
            };
            let refused = times.err().map(Outcome::from);
            let code = match refused.or_else(|| call.revoked(&identity)) {
                Some(outcome) => call.refuse(Some(&token), &outcome),
                None => call.admit_first(&token, &subject, candidate, generation, identity),
            };
            Started::Done(code)
        })
    }
}

/// The generation of the caches, which `jwt_reload` increments.
fn generation() -> u64 {
    shared::page().generation.get()
}
