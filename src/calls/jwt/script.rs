//! `jwt_script_authorize`: a token checked with a key that the script gives.

use std::{sync::Arc, time::Instant};

use super::call::{Call, Outputs};
use crate::calls::codes::jwt_script as code;
use crate::calls::waiting::{Started, Wait};
use crate::clock;
use crate::jwt::authorize::{self, Outcome};
use crate::jwt::binding::Binding;
use crate::jwt::claims::Validity;
use crate::jwt::revocations::Identity;
use crate::jwt::token::{self, Token};
use crate::keys::ParsedKey;
use crate::keys::candidate;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Verified};

/// `jwt_script_authorize(token, key, out_decoded [, out_reason])`: 1; -1 if it is not valid with
/// this key, with decoded set; -2 if it is not a token, with nothing set.
pub fn script_authorize(
    module: &'static Module,
    message: Message,
    token: &[u8],
    key: &[u8],
    decoded: Option<Variable>,
    reason: Option<Variable>,
) -> i32 {
    let outputs = Outputs {
        decoded,
        username: None,
        reason,
    };
    let function = c"jwt_script_authorize";
    let call = Call {
        module,
        message,
        outputs,
        function,
        is_script: true,
        code_of: code::of,
        wait: Wait::Never,
    };
    let key = process::with(module, |process| process.keys.get(key));
    if let Some(code) = call.known(token, &key) {
        return code;
    }
    let token = match Token::parse(token, &module.config.tokens.limits) {
        Ok(token) => token,
        Err(error) => return call.refuse(None, &error.into()),
    };
    if key.keys.is_reference() {
        let urls = call.urls(&token, [&key.keys]);
        if !urls.is_empty() {
            let judge = move |call: Call| Started::Done(call.by_key(token, &key, MAY));
            return done(call.fetch(urls, judge));
        }
    }
    call.by_key(token, &key, MAY)
}

/// What may be waited for.
#[derive(Clone, Copy, Debug)]
struct May {
    /// For a key of a URL that may have replaced the one that is known.
    fetch: bool,
    /// For the table of revocations.
    read: bool,
}

const MAY: May = May {
    fetch: true,
    read: true,
};

/// The code of a call that waits for nothing.
fn done(started: Started) -> i32 {
    match started {
        Started::Done(code) => code,
        Started::Waiting { .. } => code::NOT_VALID,
    }
}

impl Call {
    /// A token that was verified with this key before.
    fn known(&self, token: &[u8], key: &ParsedKey) -> Option<i32> {
        process::with(self.module, |process| {
            let token = token::bare_token(token).ok()?;
            if !process.are_revocations_fresh() {
                return None;
            }
            let reload_due = process.is_reload_due();
            let sources = &process.sources;
            let is_current = |_: &Verified, generation| {
                key.keys.generation(sources, Instant::now()) == Some(generation)
                    && !(reload_due && key.keys.is_reference())
            };
            let verified = process.tokens.get(token, key.id, is_current, clock::now)?;
            // The reason is given where it is judged anew.
            if self.revoked(&verified.identity).is_some()
                || self.unbound(verified.binding).is_some()
            {
                return None;
            }
            stats::count(Statistic::JwtRemembered);
            let code = self.admit_token(token, verified, true);
            process.refresh_keys([&key.keys]);
            Some(code)
        })
    }

    /// Judges the token; once more if there is something to wait for first that may still be waited for.
    fn by_key(&self, token: Token, key: &Arc<ParsedKey>, may: May) -> i32 {
        let tokens = &self.module.config.tokens;
        let sources = process::with(self.module, |process| process.sources.clone());
        let generation = key.keys.generation(&sources, Instant::now());
        let keys = key.keys.keys(&sources, Instant::now);
        let candidate = candidate(&keys, i64::MIN, i64::MAX);
        let outcome = authorize::script_authorize(
            &token,
            candidate.keys,
            &tokens.rules,
            &self.module.signatures,
            clock::now(),
        );
        if let Ok(keys) = &keys {
            self.report_failure(&key.keys, &sources);
            self.report_skipped(&key.keys, keys, || "the key of the script".to_owned());
        }
        let urls = match may.fetch {
            true => self.outdated(&outcome, [&key.keys]),
            false => Vec::new(),
        };
        if !urls.is_empty() {
            let key = Arc::clone(key);
            let may = May {
                fetch: false,
                ..may
            };
            let again = move |call: Call| Started::Done(call.by_key(token, &key, may));
            return done(self.fetch(urls, again));
        }
        let binding = Binding::of(&token);
        let unbound = match outcome.is_authorized() {
            true => self.unbound(binding),
            false => None,
        };
        let outcome = unbound.unwrap_or(outcome);
        let text = token.decoded_without_key();
        let is_fresh = || process::with(self.module, |process| process.are_revocations_fresh());
        if outcome.is_authorized() && may.read && !is_fresh() {
            // For a refusal.
            self.set(self.outputs.decoded, Value::Text(text.as_bytes()));
            let key = Arc::clone(key);
            let may = May { read: false, ..may };
            return done(self.with_revocations(token, move |call, token, _| {
                Started::Done(call.by_key(token, &key, may))
            }));
        }
        let identity = match &outcome {
            Outcome::Authorized { kid, .. } => Identity::of(&token, kid.as_deref()),
            _ => Identity::default(),
        };
        let outcome = self.revoked(&identity).unwrap_or(outcome);
        if !outcome.is_authorized() {
            self.set(self.outputs.decoded, Value::Text(text.as_bytes()));
            let code = code::of(&outcome);
            return match &keys {
                Err(error) if matches!(outcome, Outcome::UnusableKey(_)) => {
                    self.refused(Some(&token), code, &format_args!("the key: {error}"))
                }
                _ => self.refused(Some(&token), code, &outcome),
            };
        }
        if let Ok(keys) = &keys {
            let name = || "the key of the script".to_owned();
            if let Err(code) = self.check_weak(&token, keys, key.id, name) {
                self.set(self.outputs.decoded, Value::Text(text.as_bytes()));
                return code;
            }
        }
        let claims = match self.claims(&token) {
            Ok(claims) => claims,
            Err(_) => {
                self.set(self.outputs.decoded, Value::Text(text.as_bytes()));
                return code::NOT_VALID;
            }
        };
        let verified = Verified {
            decoded: text,
            claims,
            username: None,
            subject: None,
            identity,
            binding,
            expires: None,
        };
        let code = self.admit_token(token.as_str().as_bytes(), &verified, true);
        if let (Ok(validity), Some(generation)) = (Validity::of(&token, &tokens.rules), generation)
        {
            let text = token.into_bytes();
            process::with(self.module, |process| {
                process
                    .tokens
                    .insert(text, key.id, generation, validity, verified);
            });
        }
        code
    }
}
