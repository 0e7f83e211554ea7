//! What the issuer of a token says of it (RFC 7662).
//!
//! An answer that is remembered ([`Call::introspect`]), or an endpoint that is asked on a thread ([`Call::put`]); a
//! signed answer verified with the keys of the issuer ([`Call::open`]); the claims that result, judged as those of
//! any token ([`Call::told`]).

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::call::{Call, Judged};
use super::generation;
use crate::calls::codes::jwt as code;
use crate::calls::waiting::{Started, on_thread};
use crate::clock;
use crate::http::{EndpointUrl, FormOutcome, FormQuestion};
use crate::introspection::{
    Answer, Introspection, IntrospectionError as Error, MAX_ANSWER, Question, Told, Which,
};
use crate::jwt::authorize::Outcome;
use crate::jwt::binding::Binding;
use crate::jwt::claims::check_claims;
use crate::jwt::json::Object;
use crate::jwt::revocations::Identity;
use crate::jwt::signatures::Signatures;
use crate::jwt::token::Token;
use crate::opensips::log::Level;
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Subject};

/// A token whose issuer is asked.
struct Pending {
    token: Token,
    subject: Subject,
    asking: Asking,
}

/// How its issuer is asked.
struct Asking {
    asked: Arc<Introspection>,
    judged: Judged,
    /// Under what the answer is remembered, if it is.
    question: Option<Question>,
    /// When it was asked, and the generation of the caches at that time.
    since: (Instant, u64),
}

impl Call {
    /// How the issuer of a token is asked, if it is.
    pub(super) fn introspection<'a>(&self, subject: &'a Subject) -> Option<&'a Arc<Introspection>> {
        match (&subject.issuer, &subject.tag) {
            (Some(issuer), _) => issuer.introspection.as_ref(),
            (None, Some(_)) => None,
            (None, None) => self.module.config.tokens.introspection.own.as_ref(),
        }
    }

    /// The same where that is done for tokens that can be read as well.
    pub(super) fn asks_for_all<'a>(&self, subject: &'a Subject) -> Option<&'a Arc<Introspection>> {
        let asked = self.introspection(subject);
        asked.filter(|asked| asked.which == Which::All)
    }

    /// Judges a token by what its issuer says of it. `judged` is what its own signature shows.
    pub(super) fn introspect(self, token: Token, subject: Subject, judged: Judged) -> Started {
        let Some(asked) = self.introspection(&subject).cloned() else {
            return Started::Done(self.refuse(Some(&token), &Outcome::StoreFailed));
        };
        let since = (Instant::now(), generation());
        let (question, known) = process::with(self.module, |process| {
            let memory = &mut process.introspections;
            let question = memory.question(asked.number, token.as_str());
            let known = question.and_then(|question| memory.get(question, since.0, since.1));
            (question, known)
        });
        let pending = Pending {
            token,
            subject,
            asking: Asking {
                asked,
                judged,
                question,
                since,
            },
        };
        if known.is_some() {
            stats::count(Statistic::IntrospectionsRemembered);
        }
        match known {
            Some(Ok(told)) => self.told(pending, &told),
            Some(Err(())) => {
                Started::Done(self.refuse_introspected(&pending.token, &Error::Inactive))
            }
            None => self.ask_issuer(pending),
        }
    }

    /// Asks, unless too many that nobody issued were asked for, once it is known where.
    fn ask_issuer(self, pending: Pending) -> Started {
        let source = self.module.request.source(self.message);
        if let Err(error) = self
            .module
            .flood
            .check(&source, self.module.start.elapsed())
        {
            return Started::Done(self.refuse_introspected(&pending.token, &error));
        }
        if let Some(url) = pending.asking.asked.url().cloned() {
            return self.put(pending, url);
        }
        // The metadata come with the keys.
        let Pending {
            token,
            subject,
            asking,
        } = pending;
        self.with_keys_then(token, subject, move |call, token, subject| {
            let pending = Pending {
                token,
                subject,
                asking,
            };
            match call.endpoint(&pending.subject) {
                Ok(url) => call.put(pending, url),
                Err(error) => Started::Done(call.refuse_introspected(&pending.token, &error)),
            }
        })
    }

    /// The endpoint that the metadata of an issuer name.
    fn endpoint(&self, subject: &Subject) -> Result<EndpointUrl, Error> {
        let sources = process::with(self.module, |process| process.sources.clone());
        let keys = &subject.ready.keys;
        let metadata = keys.iter().find_map(|holder| holder.metadata(&sources));
        let Some(metadata) = metadata else {
            let failure = keys.iter().find_map(|holder| holder.failure(&sources));
            let cause = failure.map(|failure| failure.to_string());
            return Err(Error::Failed(
                cause.unwrap_or_else(|| "it has no metadata".to_owned()),
            ));
        };
        for holder in keys {
            self.report_metadata(holder, &sources);
        }
        let url = metadata.introspection_endpoint.as_deref();
        let url = url.and_then(|url| url.parse::<EndpointUrl>().ok());
        url.filter(|url| url.basic().is_none())
            .ok_or(Error::NoEndpoint)
    }

    /// Sends the question.
    fn put(self, pending: Pending, url: EndpointUrl) -> Started {
        let (asked, text) = (
            pending.asking.asked.clone(),
            pending.token.as_str().to_owned(),
        );
        let text = zeroize::Zeroizing::new(text);
        let to = url.clone();
        let question = FormQuestion {
            url,
            form: Box::new(move || {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                asked.form(&to, &text, now.unwrap_or_default())
            }),
            most: MAX_ANSWER,
            timeout: self.module.config.tokens.introspection.settings.timeout,
        };
        stats::count(Statistic::Introspections);
        on_thread(
            self.module,
            self.message,
            self.wait,
            |wake| {
                process::with(self.module, |process| process.ask_issuer(question, wake))
                    .map_err(Err)
            },
            |cause| Err(cause.to_owned()),
            move |message, answer| Call { message, ..self }.issuer_answered(pending, answer),
        )
    }

    fn issuer_answered(self, pending: Pending, answer: FormOutcome) -> Started {
        let read = answer.map_err(Error::Failed);
        let read = read.and_then(|answer| Answer::read(&answer, pending.asking.asked.signed));
        match read {
            Ok(Answer::Plain(content)) => self.take(pending, content),
            Ok(Answer::Signed(signed)) => self.open(pending, signed),
            Err(error) => Started::Done(self.refuse_introspected(&pending.token, &error)),
        }
    }

    /// Verifies a signed answer, once the keys of the issuer are there.
    fn open(self, pending: Pending, signed: Token) -> Started {
        let subject = pending.subject.clone();
        self.with_keys_then(signed, subject, move |call, signed, _| {
            let outcome = call.judge_answer(&pending, &signed);
            let urls = call.outdated(&outcome, &pending.subject.ready.keys);
            if urls.is_empty() {
                return call.opened(pending, &signed, &outcome);
            }
            call.fetch(urls, move |call| {
                let outcome = call.judge_answer(&pending, &signed);
                call.opened(pending, &signed, &outcome)
            })
        })
    }

    fn judge_answer(&self, pending: &Pending, signed: &Token) -> Outcome {
        // No answer comes twice: remembering its signature would only push out others.
        let rules = &pending.asking.asked.answer_rules;
        self.judge_by(signed, &pending.subject, rules, &Signatures::none())
    }

    fn opened(self, pending: Pending, signed: &Token, outcome: &Outcome) -> Started {
        let content = match outcome.is_authorized() {
            true => Answer::content(signed),
            false => Err(Error::unverified(outcome)),
        };
        match content {
            Ok(content) => self.take(pending, content),
            Err(error) => Started::Done(self.refuse_introspected(&pending.token, &error)),
        }
    }

    /// Takes what the issuer says, and remembers it.
    fn take(self, pending: Pending, content: Object) -> Started {
        let told = match Told::new(content) {
            Ok(told) => Ok(Arc::new(told)),
            Err(Error::Inactive) => {
                let source = self.module.request.source(self.message);
                self.module
                    .flood
                    .count(&source, self.module.start.elapsed());
                Err(())
            }
            Err(error) => return Started::Done(self.refuse_introspected(&pending.token, &error)),
        };
        if let Some(question) = pending.asking.question {
            let (when, generation) = pending.asking.since;
            process::with(self.module, |process| {
                let memory = &mut process.introspections;
                memory.put(question, told.clone(), when, generation);
            });
        }
        match told {
            Ok(told) => self.told(pending, &told),
            Err(()) => Started::Done(self.refuse_introspected(&pending.token, &Error::Inactive)),
        }
    }

    /// Judges the claims that result.
    fn told(self, pending: Pending, told: &Told) -> Started {
        let Pending {
            token,
            subject,
            asking: Asking { asked, judged, .. },
        } = pending;
        let claims = match told.claims(&token, asked.issuer()) {
            Ok(claims) => claims,
            Err(error) => return Started::Done(self.refuse_introspected(&token, &error)),
        };
        // What it is bound to by itself, which the answer must not hide.
        let own = Binding::of(&token);
        let token = token.introspected(claims);
        if let Err(error) = check_claims(&token, self.rules_of(&token, &subject), clock::now()) {
            return Started::Done(self.refuse(Some(&token), &error.into()));
        }
        // That of a token which nobody else can read is known only now (RFC 8705 section 3.2).
        let unbound = self.unbound_so_far(own);
        if let Some(unbound) = unbound.or_else(|| self.unbound(Binding::of(&token))) {
            return Started::Done(self.refuse(Some(&token), &unbound));
        }
        let identity = Identity::of(&token, judged.kid.as_deref());
        let Judged {
            candidate,
            generation,
            ..
        } = judged;
        self.conclude_good(token, subject, candidate, generation, identity)
    }

    /// Refuses a token for which its issuer was to be asked.
    pub(super) fn refuse_introspected(&self, token: &Token, error: &Error) -> i32 {
        let code = code::of_introspection(error);
        match error {
            Error::Failed(_) | Error::Answer(_) | Error::NoEndpoint => {
                stats::count(Statistic::IntrospectionFailures);
                // What is wrong with an endpoint is not for whoever sent the token.
                let code = self.count_refusal(code, &Error::Unasked);
                let cause = error.to_string();
                if !process::is_due(self.module, (self.function, &cause)) {
                    return code;
                }
                self.tell(Level::Error, self.shown(Some(token)), code, &cause);
                code
            }
            _ => self.refused(Some(token), code, error),
        }
    }
}
