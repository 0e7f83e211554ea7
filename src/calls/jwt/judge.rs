//! The judgement on a token, by the keys of its subject.

use std::time::Instant;

use super::call::Call;
use crate::clock;
use crate::jwt::authorize::{self, Outcome};
use crate::jwt::rules::Rules;
use crate::jwt::signatures::Signatures;
use crate::jwt::token::Token;
use crate::keys::candidate;
use crate::log;
use crate::process::{self, Subject};

impl Call {
    /// Judges a token: only its signature, its times and its issuer if the rest is up to its issuer.
    pub(super) fn judge(&self, token: &Token, subject: &Subject) -> Outcome {
        let rules = match self.asks_for_all(subject) {
            Some(asked) => &asked.first_rules,
            None => self.rules(subject),
        };
        self.judge_by(token, subject, rules, &self.module.signatures)
    }

    /// The same by these rules; `signatures` are those that were verified before.
    pub(super) fn judge_by(
        &self,
        token: &Token,
        subject: &Subject,
        rules: &Rules,
        signatures: &Signatures,
    ) -> Outcome {
        let ready = &subject.ready;
        let sources = process::with(self.module, |process| process.sources.clone());
        let keys: Vec<_> = ready
            .keys
            .iter()
            .map(|holder| holder.keys(&sources, Instant::now))
            .collect();
        let candidates: Vec<_> = ready
            .profile
            .secrets
            .iter()
            .zip(&keys)
            .map(|(secret, keys)| candidate(keys, secret.start, secret.end))
            .collect();
        for (number, (holder, keys)) in ready.keys.iter().zip(&keys).enumerate() {
            if let Ok(keys) = keys {
                self.report_failure(holder, &sources);
                self.report_metadata(holder, &sources);
                self.report_skipped(holder, keys, || match (&subject.tag, &subject.issuer) {
                    (Some(tag), _) => format!("secret {} of tag {tag:?}", number + 1),
                    (None, Some(issuer)) => format!("jwks of issuer {}", issuer.shown()),
                    (None, None) => "jwks_url".to_owned(),
                });
            }
        }
        let outcome = authorize::authorize(token, &candidates, rules, signatures, clock::now());
        if outcome.is_authorized() {
            return outcome;
        }
        let mut outage = false;
        for (number, keys) in keys.iter().enumerate() {
            let Err(error) = keys else {
                continue;
            };
            outage |= error.is_outage();
            let whose = match (&subject.tag, &subject.issuer) {
                (Some(tag), _) => format!("secret {} of tag {tag:?}", number + 1),
                (None, Some(issuer)) => format!("the keys of issuer {}", issuer.shown()),
                (None, None) => "jwks_url".to_owned(),
            };
            // The outage itself is told once.
            match error.is_outage() {
                true => log!(Info, self.function, "{whose}: {error}"),
                false => log!(Warning, self.function, "{whose}: {error}"),
            }
        }
        match outcome {
            // The token may be good: a provider that is down is not the caller's fault.
            Outcome::NotVerified { .. } if outage => Outcome::StoreFailed,
            other => other,
        }
    }
}
