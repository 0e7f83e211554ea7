//! What a script gets: the outputs of a token that is admitted, and the return code and the log
//! line of one that is not.

use std::{fmt::Display, hash::Hash, time::Instant};

use super::call::{BY_PROFILE, Call};
use crate::calls::codes::{DONE, jwt as code};
use crate::calls::outcome::{Outcome as Ended, TokenShown};
use crate::clock;
use crate::config::tokens::TokenAor;
use crate::jwt::algorithm;
use crate::jwt::authorize::Outcome;
use crate::jwt::binding::Binding;
use crate::jwt::claims::{self, Validity};
use crate::jwt::key::KeySet;
use crate::jwt::path::{ClaimPath, ClaimValue};
use crate::jwt::revocations::Identity;
use crate::jwt::token::Token;
use crate::jwt::username::Username;
use crate::log;
use crate::opensips::log::{self, Level};
use crate::opensips::pvar::{Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Subject, Verified};
use crate::sip::{self, AddressOfRecord, Party};
use crate::store::Cell;
use crate::store::cache::Ready;
use crate::store::issuers::{Issuer, SpeaksFor};

/// `out_reason` of an admitted token.
const AUTHORIZED: &str = "authorized";

/// How many seconds of a token are left, for a script.
fn left(expires: Option<i64>) -> Value<'static> {
    let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
    let seconds = expires.map(|expires| expires.saturating_sub(now).max(0));
    seconds.map_or(Value::Null, |seconds| {
        Value::Int(i32::try_from(seconds).unwrap_or(i32::MAX))
    })
}

impl Call {
    /// Admits a token that secret number `candidate` of its subject verified, and remembers it.
    /// `generation` is that of the keys before they were looked at: what has changed since then is
    /// verified again. What its issuer was asked for is remembered elsewhere.
    pub(super) fn admit_first(
        &self,
        token: &Token,
        subject: &Subject,
        candidate: usize,
        generation: Option<u64>,
        identity: Identity,
    ) -> i32 {
        let Subject { tag, ready, .. } = subject;
        let sources = process::with(self.module, |process| process.sources.clone());
        let keys = ready
            .keys
            .get(candidate)
            .map(|keys| keys.keys(&sources, Instant::now));
        if let Some(Ok(keys)) = &keys {
            let name = || match tag {
                Some(tag) => format!("secret {} of tag {tag:?}", candidate + 1),
                None => "a key of the provider".to_owned(),
            };
            let material = ready.profile.secrets.get(candidate).map(|s| &*s.material);
            if let Err(code) = self.check_weak(token, keys, (tag, material), name) {
                return code;
            }
        }
        let username = match tag {
            Some(_) => None,
            None => match self.username(token, subject) {
                Ok(username) => Some(username),
                Err(claim) => {
                    return self.refused(
                        Some(token),
                        code::CLAIM_REFUSED,
                        &format_args!("claim \"{claim}\" is missing or not a one-line string"),
                    );
                }
            },
        };
        let claims = match self.claims(token) {
            Ok(claims) => claims,
            Err(code) => return code,
        };
        let verified = Verified {
            decoded: token.decoded(),
            claims,
            username,
            subject: Some(subject.clone()),
            identity,
            binding: Binding::of(token),
            expires: claims::expires(token),
        };
        let code = self.admit(token.as_str().as_bytes(), &verified, ready);
        if token.is_introspected() {
            return code;
        }
        let rules = self.rules(subject);
        if let (Some(secret), Ok(validity), Some(generation)) = (
            ready.profile.secrets.get(candidate),
            Validity::of(token, rules),
            generation,
        ) {
            let validity = validity.in_window(secret.start, secret.end);
            let text = token.as_str().as_bytes();
            process::with(self.module, |process| {
                process
                    .tokens
                    .insert(text, BY_PROFILE, generation, validity, verified);
            });
        }
        code
    }

    /// The username that is in a token; the claim that it should be in, if there is none that a
    /// script can be given.
    fn username<'a>(
        &'a self,
        token: &Token,
        subject: &'a Subject,
    ) -> Result<Box<str>, &'a Username> {
        let username = match &subject.issuer {
            Some(issuer) => &issuer.username,
            None => &self.module.config.tokens.username_claim,
        };
        let name = username.find(token.claims());
        name.filter(|name| sip::is_one_line(name.as_bytes()))
            .map(String::into_boxed_str)
            .ok_or(username)
    }

    /// Sets the outputs of an admitted token, unless its user is somebody else. `text` is the bare
    /// token.
    pub(super) fn admit(&self, text: &[u8], verified: &Verified, ready: &Ready) -> i32 {
        let profile = &ready.profile;
        let username = match &verified.username {
            Some(username) => username.as_bytes(),
            None => &profile.username,
        };
        let issuer = verified.subject.as_ref().and_then(|it| it.issuer.as_ref());
        let checked = issuer.map_or(Ok(()), |issuer| self.check_realm(text, issuer));
        let aor = match checked.and_then(|()| self.check_aor(text, username)) {
            Ok(aor) => aor,
            Err(code) => return code,
        };
        let columns = self.module.profile_avps.iter().zip(&profile.columns);
        let set = self.set(self.outputs.username, Value::Text(username))
            // The first of a list ends up in front, as with auth_jwt.
            && columns.rev().all(|(avp, cell)| match cell {
                Cell::Null => true,
                Cell::Text(text) => text.is_empty() || avp.push(Value::Text(text)),
                Cell::Int(number) => match i32::try_from(*number) {
                    Ok(number) => avp.push(Value::Int(number)),
                    Err(_) => avp.push(Value::Text(number.to_string().as_bytes())),
                },
            })
            && self.show(verified, aor.as_ref());
        self.admit_token(text, verified, set)
    }

    /// Whether the issuer of a token may speak for the domain that the request is about: no token
    /// of one tenant's issuer stands for anybody of another tenant.
    fn check_realm(&self, text: &[u8], issuer: &Issuer) -> Result<(), i32> {
        if issuer.speaks_for == SpeaksFor::Any {
            return Ok(());
        }
        let variables = &self.module.request;
        let method = variables.method(self.message);
        let party = variables.party(self.message, &method);
        let domain = party.as_ref().map(Party::domain);
        let is_theirs = domain.is_some_and(|domain| issuer.speaks_for.includes(domain))
            && !variables.is_about_several(self.message, &method);
        match is_theirs {
            true => Ok(()),
            false => {
                let domain = domain.unwrap_or_default().escape_debug();
                let issuer = issuer.shown();
                let reason = format_args!("issuer {issuer} does not speak for \"{domain}\"");
                Err(self.refused_text(Some(text), code::NOT_THEIRS, &reason))
            }
        }
    }

    /// Gives the script what `load_authorization` asks for of a token: whose it is, where that was
    /// checked, and for how long.
    fn show(&self, verified: &Verified, aor: Option<&AddressOfRecord>) -> bool {
        let avps = self.module.authorization_avps.iter();
        let mut wanted = avps.zip(&self.module.config.http.authorization).rev();
        wanted.all(|(avp, wanted)| {
            let aor = |part: fn(&AddressOfRecord) -> Vec<u8>| aor.map(part);
            let part = match wanted.source.as_str() {
                "scheme" => Some(b"bearer".to_vec()),
                "aor" => aor(AddressOfRecord::whole),
                "aor_user" => aor(|aor| aor.user().to_vec()),
                "aor_domain" => aor(|aor| aor.domain().as_bytes().to_vec()),
                "left" => return avp.push(left(verified.expires)),
                _ => None,
            };
            part.is_none_or(|part| avp.push(Value::Text(&part)))
        })
    }

    /// Whether the user of a token is the one that the request is about (`jwt_aor`), and who that is;
    /// `None` if it is not checked.
    fn check_aor(&self, text: &[u8], username: &[u8]) -> Result<Option<AddressOfRecord>, i32> {
        let wanted = &self.module.config.tokens.aor;
        if *wanted == TokenAor::Unchecked {
            return Ok(None);
        }
        let variables = &self.module.request;
        let method = variables.method(self.message);
        let Some(party) = variables.party(self.message, &method) else {
            let reason = "the address of record can't be read (jwt_aor)";
            return Err(self.refused_text(Some(text), code::NOT_THEIRS, &reason));
        };
        // A caller who names nobody is the token's user, if that user is of the domain.
        let aor = match &party {
            Party::Named(aor) => Some(aor.clone()),
            Party::Proven(domain) => AddressOfRecord::of_name(username, domain),
        };
        let is_theirs = |aor: &AddressOfRecord| match wanted {
            _ if variables.is_about_several(self.message, &method) => false,
            TokenAor::OfDomains(domains) => aor.is_of(username, domains),
            _ => aor.is_whole(username),
        };
        match aor.filter(is_theirs) {
            Some(aor) => Ok(Some(aor)),
            None => {
                let user = username.escape_ascii();
                let reason = format_args!("its user \"{user}\" is not {party} (jwt_aor)");
                Err(self.refused_text(Some(text), code::NOT_THEIRS, &reason))
            }
        }
    }

    /// Sets the outputs that come from the token alone. `set` is whether the others could be set.
    pub(super) fn admit_token(&self, text: &[u8], verified: &Verified, set: bool) -> i32 {
        let claims = self.module.claim_avps.iter().zip(&verified.claims);
        let set =
            set && self.set(
                self.outputs.decoded,
                Value::Text(verified.decoded.as_bytes()),
            ) && self.set(self.outputs.reason, Value::Text(AUTHORIZED.as_bytes()))
                && claims.rev().all(|(avp, claim)| match claim {
                    None => true,
                    Some(ClaimValue::Integer(number)) => avp.push(Value::Int(*number)),
                    Some(ClaimValue::Text(text)) => avp.push(Value::Text(text.as_bytes())),
                });
        if !set {
            log!(
                Error,
                self.function,
                "an output could not be set: not admitted"
            );
            self.count_code(code::OUTPUT_FAILED);
            return code::OUTPUT_FAILED;
        }
        stats::count(Statistic::JwtAccepted);
        if log::enabled(Level::Info) {
            let admitted = Ended {
                function: self.function,
                code: DONE,
                reason: None,
                token: TokenShown::of_text(text),
            };
            admitted.tell(self.module, self.message, Level::Info);
        }
        DONE
    }

    /// The values of `load_claims`; the return code if one can't be given to a script, which might
    /// put it into a header or match it with a regular expression, which stops at a NUL.
    pub(super) fn claims(&self, token: &Token) -> Result<Box<[Option<ClaimValue>]>, i32> {
        let wanted = &self.module.config.tokens.claims;
        let of = |path: &ClaimPath| match path.find(token.claims()).and_then(ClaimValue::of) {
            Some(ClaimValue::Text(text)) if !sip::is_one_line(text.as_bytes()) => {
                let reason = format_args!("claim \"{path}\" has a CR, LF or NUL");
                Err(self.refused(Some(token), code::CLAIM_REFUSED, &reason))
            }
            value => Ok(value),
        };
        wanted.iter().map(|(_, path)| of(path)).collect()
    }

    /// Warns once about an HMAC secret that is shorter than its hash (RFC 7518 section 3.2), and
    /// refuses it with `weak_keys` 0. `secret` identifies it, `name` is for the log.
    pub(super) fn check_weak(
        &self,
        token: &Token,
        keys: &KeySet,
        secret: impl Hash,
        name: impl Fn() -> String,
    ) -> Result<(), i32> {
        let Some(algorithm) = token
            .algorithm()
            .filter(|algorithm| keys.weak_for(*algorithm))
        else {
            return Ok(());
        };
        let hash = algorithm::name(algorithm);
        if !self.module.config.tokens.weak_keys {
            let name = name();
            return Err(self.refused(
                Some(token),
                -1,
                &format_args!("{name} is shorter than the hash of {hash} (weak_keys)"),
            ));
        }
        if process::with(self.module, |process| process.warned.is_new(secret)) {
            log!(
                Warning,
                self.function,
                "{} is shorter than the hash of {hash}: it can be guessed (RFC 7518 section 3.2)",
                name()
            );
        }
        Ok(())
    }

    pub(super) fn refuse_tagless(&self, token: &Token) -> i32 {
        let tag_claim = &self.module.config.tokens.tag_claim;
        self.refused(
            Some(token),
            code::CLAIM_REFUSED,
            &format_args!("claim {tag_claim:?} is missing or not a string"),
        )
    }

    pub(super) fn refuse(&self, token: Option<&Token>, outcome: &Outcome) -> i32 {
        self.refused(token, code::of(outcome), outcome)
    }

    /// Refuses a token that was verified before. `text` is the bare token.
    pub(super) fn refuse_remembered(&self, text: &[u8], outcome: &Outcome) -> i32 {
        self.refused_text(Some(text), code::of(outcome), outcome)
    }

    /// The reason is put into words only if the script, the log or an event needs them.
    pub(super) fn refused(&self, token: Option<&Token>, code: i32, reason: &dyn Display) -> i32 {
        self.count_refusal(code, reason);
        self.tell(Level::Notice, self.shown(token), code, reason);
        code
    }

    fn refused_text(&self, text: Option<&[u8]>, code: i32, reason: &dyn Display) -> i32 {
        self.count_refusal(code, reason);
        let token = text.map(TokenShown::of_text).unwrap_or_default();
        self.tell(Level::Notice, token, code, reason);
        code
    }

    /// A token in the log.
    pub(super) fn shown(&self, token: Option<&Token>) -> TokenShown {
        let tag_claim = &self.module.config.tokens.tag_claim;
        let shown = |token| TokenShown::of(token, tag_claim);
        token.map(shown).unwrap_or_default()
    }

    /// Logs a refusal, and raises its event.
    pub(super) fn tell(&self, level: Level, token: TokenShown, code: i32, reason: &dyn Display) {
        let refusal = Ended {
            function: self.function,
            code,
            reason: Some(reason),
            token,
        };
        refusal.tell(self.module, self.message, level);
    }

    /// A refusal that is logged elsewhere.
    pub(super) fn count_refusal(&self, code: i32, reason: &dyn Display) -> i32 {
        self.count_code(code);
        if self.outputs.reason.is_some() {
            let reason = reason.to_string();
            self.set(self.outputs.reason, Value::Text(reason.as_bytes()));
        }
        code
    }

    fn count_code(&self, code: i32) {
        stats::count(Statistic::JwtRejected);
        match self.is_script {
            false => stats::count_code(Statistic::JwtRefused1, 8, code),
            true => stats::count_code(Statistic::JwtScriptRefused1, 2, code),
        }
    }

    pub(super) fn set(&self, variable: Option<Variable>, value: Value<'_>) -> bool {
        variable.is_none_or(|variable| self.message.set(variable, value))
    }
}
