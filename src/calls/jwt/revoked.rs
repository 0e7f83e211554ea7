//! Whether a token is revoked, which is asked last: of all that is verified, and of nothing else.

use super::call::Call;
use crate::calls::waiting::{Started, on_thread};
use crate::clock;
use crate::jwt::authorize::Outcome;
use crate::jwt::revocations::Identity;
use crate::jwt::token::Token;
use crate::opensips::log::Level;
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Asked, Heard};
use crate::redis::CacheError;
use crate::store::{Answer, StoreError};

impl Call {
    /// The judgement on a token that is revoked, if it is: whoever verified it, and when.
    pub(super) fn revoked(&self, identity: &Identity) -> Option<Outcome> {
        let revocations = &self.module.revocations;
        revocations
            .find(identity, self.module.config.tokens.rules.leeway, clock::now)
            .map(Outcome::Revoked)
    }

    /// Does something with a good token once it is known what is revoked elsewhere, as recently as it has to be:
    /// in the table, if there is one, and by other machines, if that is shared. The token is refused if that
    /// can't be known.
    pub(super) fn with_revocations(
        self,
        token: Token,
        then: impl FnOnce(Call, Token, Waited) -> Started + 'static,
    ) -> Started {
        self.with_others(token, |call, token, one| {
            call.with_rows(token, move |call, token, other| {
                then(call, token, Waited(one.0 || other.0))
            })
        })
    }

    fn with_others(
        self,
        token: Token,
        then: impl FnOnce(Call, Token, Waited) -> Started + 'static,
    ) -> Started {
        if process::with(self.module, |process| process.are_others_heard()) {
            return then(self, token, Waited(false));
        }
        on_thread(
            self.module,
            self.message,
            self.wait,
            |wake| process::with(self.module, |process| process.hear(wake).map_err(Err)),
            |cause| Err(CacheError::Busy(cause.to_owned())),
            move |message, heard| Call { message, ..self }.others_heard(token, &heard, then),
        )
    }

    fn others_heard(
        self,
        token: Token,
        heard: &Heard,
        then: impl FnOnce(Call, Token, Waited) -> Started,
    ) -> Started {
        if let Some(error) = process::failure_to_hear(heard) {
            let serves = process::with(self.module, |process| process.serves_unheard(&error));
            if !serves {
                let shown = "revocations of other machines";
                return Started::Done(self.refuse_failed(&token, Level::Error, shown, &error));
            }
        }
        then(self, token, Waited(true))
    }

    fn with_rows(
        self,
        token: Token,
        then: impl FnOnce(Call, Token, Waited) -> Started + 'static,
    ) -> Started {
        let must_read = process::with(self.module, |process| process.must_read_revocations());
        let Some(usable) = must_read else {
            return then(self, token, Waited(false));
        };
        stats::count(Statistic::JwtStoreQueries);
        let reading = process::read_revocations(self.module);
        let asked = process::with(self.module, |process| process.ask(reading));
        match asked {
            Asked::Answered(answer) => self.rows_read(token, usable, answer, then),
            Asked::Pending(query) => on_thread(
                self.module,
                self.message,
                self.wait,
                |wake| query.start(wake).map_err(Err),
                |cause| Err(StoreError::Busy(cause.to_owned())),
                move |message, answer| {
                    Call { message, ..self }.rows_read(token, usable, answer, then)
                },
            ),
        }
    }

    fn rows_read(
        self,
        token: Token,
        usable: bool,
        answer: Answer<Vec<String>>,
        then: impl FnOnce(Call, Token, Waited) -> Started,
    ) -> Started {
        match answer {
            Ok(faults) => process::report_revocations(&faults),
            Err(error) => {
                stats::count(Statistic::JwtStoreFailures);
                let database = self.module.config.database.as_ref();
                let shown = database.map_or("", |database| database.shown.as_str());
                if !usable {
                    return Started::Done(self.refuse_unread(&token, shown, &error));
                }
                stats::count(Statistic::JwtServedStale);
                self.served(&error, "the cache serves (cache_grace)");
            }
        }
        then(self, token, Waited(true))
    }
}

/// Whether time has passed since the token was judged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waited(pub(super) bool);
