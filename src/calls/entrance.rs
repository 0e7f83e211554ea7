//! What every request has to pass whose credentials are to prove something, whoever decides then: bans, a head
//! with one meaning, one user, a nonce of ours that is not used up.

mod choice;
mod proof;
pub mod refused;

#[cfg(feature = "fuzzing")]
pub use choice::choose;
pub use choice::{Chosen, binding};
pub use proof::Proof;
pub use refused::Refused;

use std::ffi::CStr;
use std::fmt::Display;
use std::time::SystemTime;

use super::codes::entrance as code;
use super::outcome::{Outcome, TokenShown};
use super::waiting::{Started, Wait, on_thread};
use crate::counters::Claim;
use crate::digest::{Credentials, Digest, Freshness, nonce_claim};
use crate::http::{Entry, GrantValue};
use crate::log;
use crate::module::Module;
use crate::opensips::log::Level;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Gate, Passing};
use crate::sip::{AddressOfRecord, HeadError, Header, Party};

/// Why a nonce is refused that is fresh.
pub const REPLAY: &str = "this count of its nonce was used before";

/// How a function refuses.
#[derive(Debug)]
pub struct Rules {
    /// Its name in log lines.
    pub function: &'static CStr,
    /// Counts who is denied, or another.
    pub denied: Statistic,
    /// Counts what could not be decided.
    pub failed: Statistic,
    /// Counts the return code.
    pub count: fn(i32),
}

fn entered(entry: Result<Entry, String>) -> Result<(), Refused> {
    match entry {
        Ok(Entry::Open) => Ok(()),
        Ok(Entry::Banned) => Err(Refused::Banned),
        Ok(Entry::Replay) => Err(Refused::BadNonce(REPLAY)),
        Err(error) => Err(Refused::Unavailable(error)),
    }
}

/// One request before one function.
#[derive(Clone, Copy, Debug)]
pub struct Entrance {
    /// The module.
    pub module: &'static Module,
    /// The request.
    pub message: Message,
    /// How it is refused.
    pub rules: &'static Rules,
}

impl Entrance {
    /// The same request, as it is after a wait.
    pub fn with(self, message: Message) -> Self {
        Entrance { message, ..self }
    }

    /// Whom the request is about, and its headers.
    ///
    /// # Errors
    /// Fails for a request that could be read in two ways.
    pub fn head(&self, method: &str) -> Result<(Party, Vec<Header>), Refused> {
        let variables = &self.module.request;
        let Some(party) = variables.party(self.message, method) else {
            let error = "the address of record has a CR, LF or NUL, or a domain that is not UTF-8";
            return Err(Refused::Malformed(error.to_owned()));
        };
        let malformed = |error: HeadError| Refused::Malformed(error.to_string());
        let headers = variables.headers(self.message).map_err(malformed)?;
        Ok((party, headers))
    }

    /// The credentials that count, and what they use up. With `nonce_check` false, any nonce will do.
    ///
    /// # Errors
    /// Fails for what is not certain, and for nonces that are not ours, or too old.
    pub fn credentials(
        &self,
        source: &str,
        party: &Party,
        nonce_check: bool,
    ) -> Result<(Chosen, Option<Claim>), Refused> {
        let variables = &self.module.request;
        let aor_check = self.module.config.http.aor_check;
        let function = self.rules.function;
        let domain = party.domain();
        let now = SystemTime::now();
        let nonces = &self.module.nonces;
        let freshness = |digest: &Digest| {
            let bound = choice::binding(&digest.realm, domain);
            nonces.check(&digest.nonce, &bound, digest.algorithm, now)
        };
        let values = variables.authorizations(self.message);
        let core_username = || variables.core_username(self.message);
        let chosen = match choice::choose(&values, domain, freshness, core_username) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => {
                log!(Debug, function, "no credentials from {source}");
                return Err(Refused::NoCredentials);
            }
            Err(error) => return Err(Refused::Malformed(format!("credentials: {error}"))),
        };
        let Credentials::Digest(digest) = &chosen.credentials else {
            return Ok((chosen, None));
        };
        if !nonce_check {
            return match aor_check || matches!(party, Party::Proven(_)) {
                true if !digest.realm.eq_ignore_ascii_case(domain.as_bytes()) => {
                    let cause = "its realm is not that of".to_owned();
                    Err(Refused::NotTheirs(cause, party.clone()))
                }
                _ => Ok((chosen, None)),
            };
        }
        match freshness(digest) {
            Freshness::Fresh(remaining) => {
                let claim = nonce_claim(digest, remaining);
                Ok((chosen, Some(claim)))
            }
            Freshness::Stale => Err(Refused::BadNonce("its nonce is stale")),
            // Not -3: that would make it repeat what it has just done.
            Freshness::NotOffered => {
                let cause = "its algorithm was not offered";
                log!(Info, function, "no credentials from {source}: {cause}");
                Err(Refused::NoCredentials)
            }
            Freshness::NotOurs => Err(Refused::BadNonce(
                "its nonce is not ours for this realm and domain",
            )),
        }
    }

    /// Looks at the bans, where that is done in the process's own thread.
    ///
    /// # Errors
    /// Fails for a source that is banned.
    pub fn check_ban(&self, source: &str) -> Result<(), Refused> {
        let entry = process::with(self.module, |process| process.check_ban(source));
        entered(entry)
    }

    /// Makes the claim, now or, with Redis, on the thread that goes on with the request, which looks at
    /// the bans as well.
    ///
    /// # Errors
    /// Fails for a claim that was made before.
    pub fn gate(&self, source: &str, claim: Option<Claim>) -> Result<Option<Gate>, Refused> {
        let passing = process::with(self.module, |process| process.gate(source, claim));
        match passing {
            Passing::Later(gate) => Ok(Some(gate)),
            Passing::Now(entry) => entered(entry).map(|()| None),
        }
    }

    /// Has a request pass its gate, on a thread, before `then` goes on with it.
    pub fn pass(
        self,
        gate: Option<Gate>,
        wait: Wait,
        then: impl FnOnce(Entrance, Result<(), Refused>) -> Started + 'static,
    ) -> Started {
        let Some(gate) = gate else {
            return then(self, Ok(()));
        };
        on_thread(
            self.module,
            self.message,
            wait,
            |wake| {
                process::with(self.module, |process| {
                    gate.start(process.cache_threads(), wake)
                })
            },
            |cause| Err(cause.to_owned()),
            move |message, entry| {
                let at = self.with(message);
                then(at, entered(entry))
            },
        )
    }

    /// Refuses a request; if its source is banned, for that reason.
    pub fn refuse_unless_banned(self, refusal: Refused, gate: Option<Gate>, wait: Wait) -> Started {
        self.pass(gate, wait, move |at, passed| {
            let refusal = passed.err().unwrap_or(refusal);
            Started::Done(at.refuse(refusal))
        })
    }

    /// The return code of a refusal, which is counted and logged here.
    pub fn refuse(&self, refusal: Refused) -> i32 {
        let code = code::of(&refusal);
        let statistic = match &refusal {
            Refused::Banned => Some(Statistic::HttpBanned),
            Refused::Malformed(_) | Refused::NoCredentials => None,
            Refused::BadNonce(_) => Some(Statistic::HttpBadNonces),
            Refused::NotTheirs(..) | Refused::Denied(_) => Some(self.rules.denied),
            Refused::Unavailable(_) | Refused::Failed(_) => Some(self.rules.failed),
        };
        if let Some(statistic) = statistic {
            stats::count(statistic);
        }
        (self.rules.count)(code);
        let (level, reason) = match refusal {
            Refused::NoCredentials => return code,
            Refused::Banned => (Level::Info, "it is banned".to_owned()),
            Refused::Malformed(error) => (Level::Notice, error),
            Refused::BadNonce(cause) => (Level::Info, cause.to_owned()),
            Refused::NotTheirs(cause, party) => (Level::Notice, format!("{cause} {party}")),
            Refused::Denied(cause) => (Level::Notice, cause.to_owned()),
            // The outage itself is told once.
            Refused::Unavailable(cause) => (Level::Info, cause),
            Refused::Failed(cause) => (Level::Error, cause),
        };
        self.tell(level, code, Some(&reason));
        code
    }

    /// Logs how it ended, and raises the event of a refusal.
    pub fn tell(&self, level: Level, code: i32, reason: Option<&dyn Display>) {
        let ended = Outcome {
            function: self.rules.function,
            code,
            reason,
            token: TokenShown::default(),
        };
        ended.tell(self.module, self.message, level);
    }

    /// Whether a failure that affects other requests as well is to be logged.
    pub fn is_due(&self, failure: &str) -> bool {
        process::is_due(self.module, (self.rules.function, failure))
    }

    /// Gives the script what `load_authorization` asks for of the credentials that were checked. False if the
    /// core refuses.
    pub fn show(&self, proof: &Proof, aor: &AddressOfRecord) -> bool {
        let avps = self.module.authorization_avps.iter();
        let mut wanted = avps.zip(&self.module.config.http.authorization).rev();
        wanted.all(|(avp, wanted)| {
            let part = proof.part(&wanted.source, aor);
            part.is_none_or(|part| avp.push(Value::Text(&part)))
        })
    }

    /// Gives the script the members that `load_grant` asks for. False if the core refuses.
    pub fn show_grant(&self, members: &[Option<GrantValue>]) -> bool {
        // The first of a list ends up in front, as with load_credentials.
        let mut avps = self.module.grant_avps.iter().zip(members).rev();
        avps.all(|(avp, member)| match member {
            None => true,
            Some(GrantValue::Integer(number)) => avp.push(Value::Int(*number)),
            Some(GrantValue::Text(text)) => avp.push(Value::Text(text.as_bytes())),
        })
    }

    /// Sets an output, if the script names one. False if the core refuses.
    pub fn set(&self, variable: Option<Variable>, value: Value<'_>) -> bool {
        variable.is_none_or(|variable| self.message.set(variable, value))
    }
}
