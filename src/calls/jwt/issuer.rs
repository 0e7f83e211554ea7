//! Tokens of issuers that have rules of their own.

use std::sync::Arc;

use super::call::{Call, count_query};
use crate::calls::waiting::{Started, on_thread};
use crate::jwt::authorize::Outcome;
use crate::jwt::claims::unlisted_issuer;
use crate::jwt::token::Token;
use crate::opensips::stats::{self, Statistic};
use crate::process::{
    self, Asked, IssuerList, IssuerLookup as Lookup, IssuersSince as Since, Subject,
};
use crate::store::issuers::{Issuer, Issuers, Rows};
use crate::store::shared::Aged;
use crate::store::{Answer, StoreError};

/// A token that waits for the table of issuers.
struct Question {
    token: Token,
    since: Since,
    /// What is used if the table can't be read.
    known: Option<Arc<Issuers>>,
}

impl Call {
    /// A token where issuers have rules of their own. It is judged only by those of its issuer.
    pub(super) fn by_issuer(self, token: Token) -> Started {
        let lookup = process::with(self.module, |process| {
            process.issuers.as_mut().map(|list| list.lookup())
        });
        match lookup {
            None => self.among(token, &self.module.config.tokens.issuers.fixed),
            Some(Lookup::Fresh(issuers)) => self.among(token, &issuers),
            Some(Lookup::Ask(known)) => self.ask_for_issuers(token, known),
        }
    }

    /// A token of any other issuer is refused before anybody is asked, unless it names a profile.
    fn among(self, token: Token, issuers: &Issuers) -> Started {
        if let Some(error) = token.not_jwt() {
            return self.among_askable(token, error, issuers);
        }
        let has_tag = token.claim(&self.module.config.tokens.tag_claim).is_some();
        match issuer_of(&token, issuers).cloned() {
            Some(issuer) => {
                let subject = Subject {
                    tag: None,
                    ready: issuer.ready.clone(),
                    issuer: Some(issuer),
                };
                self.with_keys(token, subject)
            }
            None if issuers.is_empty() || self.module.tables.profiles && has_tag => {
                self.by_tag_or_provider(token)
            }
            None => {
                let outcome = Outcome::ClaimRefused(unlisted_issuer(&token));
                Started::Done(self.refuse(Some(&token), &outcome))
            }
        }
    }

    fn ask_for_issuers(self, token: Token, known: Option<Arc<Issuers>>) -> Started {
        let table = &self.module.config.tokens.issuers.table;
        let since = process::issuers_now();
        let wanted = process::issuers_wanted(self.module, since);
        let asked = process::with(self.module, |process| {
            process.ask_once(wanted, move |source| table.fetch_all(source))
        });
        let is_current = process::with(self.module, |process| {
            process.issuers.as_ref().is_some_and(IssuerList::is_current)
        });
        let query = match asked {
            Asked::Answered(answer) => {
                let question = Question {
                    token,
                    since,
                    known,
                };
                return self.issuers_answered(question, answer);
            }
            Asked::Pending(query) => query,
        };
        match known {
            // A token of a stranger waits for nothing, unless it may be of one whom a reload is to add.
            Some(known) if is_current && is_of_nobody(&token, &known) => {
                process::with(self.module, |process| {
                    if let Some(list) = &mut process.issuers {
                        list.refresh(query);
                    }
                });
                self.among(token, &known)
            }
            known => {
                let question = Question {
                    token,
                    since,
                    known,
                };
                on_thread(
                    self.module,
                    self.message,
                    self.wait,
                    |wake| query.start(wake).map_err(Err),
                    |cause| Err(StoreError::Busy(cause.to_owned())),
                    move |message, answer| {
                        Call { message, ..self }.issuers_answered(question, answer)
                    },
                )
            }
        }
    }

    fn issuers_answered(self, question: Question, answer: Answer<Aged<Rows>>) -> Started {
        count_query(&answer);
        let Question {
            token,
            since,
            known,
        } = question;
        let error = match answer {
            Ok(rows) => {
                let issuers = process::with(self.module, |process| {
                    let list = process.issuers.as_mut();
                    list.map(|list| list.store(since, rows)).unwrap_or_default()
                });
                return self.among(token, &issuers);
            }
            Err(error) => error,
        };
        stats::count(Statistic::JwtStoreFailures);
        let database = self.module.config.database.as_ref();
        let shown = database.map_or("", |database| database.shown.as_str());
        match known {
            Some(known) => {
                stats::count(Statistic::JwtServedStale);
                self.served(&error, "the cache serves (cache_grace)");
                self.among(token, &known)
            }
            None => Started::Done(self.refuse_unread(&token, shown, &error)),
        }
    }
}

/// The one of these that the token claims to be from.
fn issuer_of<'a>(token: &Token, issuers: &'a Issuers) -> Option<&'a Arc<Issuer>> {
    issuers.get(token.claim("iss")?.as_str()?)
}

/// Whether a token is that of none of these, so that it waits for nothing.
fn is_of_nobody(token: &Token, issuers: &Issuers) -> bool {
    match token.not_jwt() {
        None => issuer_of(token, issuers).is_none(),
        Some(_) => issuers.askable.is_empty(),
    }
}
