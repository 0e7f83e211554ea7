//! `jwt_check`: what `jwt_authorize`, or `jwt_script_authorize` with a key, would say of a token now, and why.
//!
//! Nothing is counted or logged, and nothing of the token is remembered. What has to be asked for is asked for as a
//! request would: the database within `db_timeout`, a URL of keys within `http_timeout`, once more if its keys may have
//! been replaced. What only a request can show is not looked at: whose address of record it is about, and the
//! client's certificate. Nor is an issuer asked for the token.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::codes::{jwt as code, jwt_script};
use super::logout::{self, fetch};
use super::params::{Failure, answer, refused, text};
use crate::clock;
use crate::config::database::Database;
use crate::introspection::{Introspection, Which};
use crate::jwt::algorithm;
use crate::jwt::authorize::{self, Outcome};
use crate::jwt::binding::Binding;
use crate::jwt::claims::{self, unlisted_issuer};
use crate::jwt::path::ClaimValue;
use crate::jwt::revocations::Identity;
use crate::jwt::rules::Rules;
use crate::jwt::signatures::Signatures;
use crate::jwt::token::Token;
use crate::jwt::username::Username;
use crate::keys::{HolderError, KeyHolder, Keys, candidate};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::opensips::shared;
use crate::process;
use crate::sip;
use crate::store::cache::Ready;
use crate::store::profiles::MAX_TAG;
use crate::store::shared::Wanted;

/// By whose keys and rules a token is judged.
struct Subject<'a> {
    ready: Arc<Ready>,
    rules: Rules,
    /// Where the username is; `None` for that of the profile.
    username: Option<&'a Username>,
    /// The issuer's introspection, if it is asked for tokens.
    asked: Option<Arc<Introspection>>,
    code_of: fn(&Outcome) -> i32,
}

/// What is said of a token.
struct Said {
    code: i32,
    reason: String,
    members: Members,
}

impl Said {
    fn refused(code: i32, reason: impl ToString, members: Members) -> Said {
        Said {
            code,
            reason: reason.to_string(),
            members,
        }
    }
}

/// `jwt_check token [key]`.
pub fn check(module: &'static Module, params: &Params<'_>) -> Answer {
    let check = || {
        let token = text(params, c"token")?.ok_or_else(|| refused("token is missing"))?;
        let key = text(params, c"key")?;
        let said = match Token::parse(token.as_bytes(), &module.config.tokens.limits) {
            Ok(token) => {
                let said = judged(module, &token, key.as_deref())?;
                described(&token, said)
            }
            Err(error) => Said::refused(code::NOT_A_TOKEN, Outcome::from(error), Vec::new()),
        };
        let verdict = match said.code {
            code::AUTHORIZED => "authorized",
            _ => "refused",
        };
        let mut members: Members = vec![
            (c"verdict", verdict.into()),
            (c"code", i64::from(said.code).into()),
            (c"reason", said.reason.into()),
        ];
        members.extend(said.members);
        Ok(Answer::Object(members))
    };
    answer(check())
}

/// With what is in the token itself.
fn described(token: &Token, mut said: Said) -> Said {
    let members = &mut said.members;
    members.push((c"algorithm", token.algorithm_name().into()));
    if let Some(kid) = token.kid() {
        members.push((c"token_kid", kid.into()));
    }
    if let Some(expires) = claims::expires(token) {
        members.push((c"expires", expires.into()));
        let now = i64::try_from(clock::now().as_secs()).unwrap_or(i64::MAX);
        members.push((c"left", expires.saturating_sub(now).into()));
    }
    members.push((c"fingerprint", token.fingerprint().into()));
    members.push((c"decoded", String::from(token.decoded()).into()));
    said
}

fn judged(module: &'static Module, token: &Token, key: Option<&str>) -> Result<Said, Failure> {
    if let Some(key) = key {
        let holder = KeyHolder::parse(key.as_bytes());
        let subject = Subject {
            ready: Arc::new(Ready::of_provider(b"", holder)),
            rules: module.config.tokens.rules.clone(),
            username: None,
            asked: None,
            code_of: jwt_script::of,
        };
        return Ok(by_subject(
            module,
            token,
            &subject,
            vec![(c"by", "key".into())],
        ));
    }
    let issuers = match logout::issuers(module) {
        Ok(issuers) => issuers,
        Err(logout::Failure::Unknown(cause) | logout::Failure::Refused(cause)) => {
            let members = vec![(c"by", "issuers_table".into())];
            return Ok(Said::refused(code::STORE_FAILED, cause, members));
        }
    };
    let tokens = &module.config.tokens;
    let iss = token.claim("iss").and_then(|iss| iss.as_str());
    if let Some(issuer) = iss.and_then(|iss| issuers.get(iss)) {
        let subject = Subject {
            ready: issuer.ready.clone(),
            rules: issuer.rules.clone(),
            username: Some(&issuer.username),
            asked: issuer.introspection.clone(),
            code_of: code::of,
        };
        let members = vec![
            (c"by", "issuer".into()),
            (c"issuer", issuer.shown().trim_matches('"').into()),
        ];
        return Ok(by_subject(module, token, &subject, members));
    }
    let tag = token.claim(&tokens.tag_claim);
    let names_profile = module.tables.profiles && tag.is_some();
    if !issuers.is_empty() && !names_profile {
        let outcome = Outcome::ClaimRefused(unlisted_issuer(token));
        return Ok(Said::refused(code::of(&outcome), outcome, Vec::new()));
    }
    let tag = tag.and_then(|tag| tag.as_str());
    match (tag, &module.config.database, &module.provider) {
        (Some(tag), Some(database), _) => Ok(by_tag(module, token, tag, database)),
        (None, _, Some(provider)) | (_, None, Some(provider)) => {
            let subject = Subject {
                ready: provider.clone(),
                rules: tokens.rules.clone(),
                username: Some(&tokens.username_claim),
                asked: tokens.introspection.own.clone(),
                code_of: code::of,
            };
            let members = vec![(c"by", "jwks_url".into())];
            Ok(by_subject(module, token, &subject, members))
        }
        (None, ..) => {
            let claim = &tokens.tag_claim;
            let reason = format!("claim {claim:?} is missing or not a string");
            Ok(Said::refused(code::CLAIM_REFUSED, reason, Vec::new()))
        }
        (Some(_), None, None) => {
            let reason = "needs the parameter \"db_url\", \"jwks_url\" or \"issuer_url\"";
            Ok(Said::refused(code::STORE_FAILED, reason, Vec::new()))
        }
    }
}

fn by_tag(module: &'static Module, token: &Token, tag: &str, database: &'static Database) -> Said {
    let members = |from: &str| vec![(c"by", from.into()), (c"profile", Member::from(tag))];
    if tag.len() > MAX_TAG {
        return Said::refused(code::NO_PROFILE, Outcome::NoProfile, members("profile"));
    }
    let (ready, from, age) = match profile(module, tag, database) {
        Ok(Profile { ready, from, age }) => (ready, from, age),
        Err(error) => {
            let reason = format!("{}: {error}", Outcome::StoreFailed);
            return Said::refused(code::STORE_FAILED, reason, members("profile"));
        }
    };
    let Some(ready) = ready else {
        return Said::refused(code::NO_PROFILE, Outcome::NoProfile, members("profile"));
    };
    let mut members = members("profile");
    members.push((c"from", from.into()));
    members.push((c"age", age.as_secs().into()));
    let username = String::from_utf8_lossy(&ready.profile.username).into_owned();
    members.push((c"username", username.into()));
    let subject = Subject {
        ready,
        rules: module.config.tokens.rules.clone(),
        username: None,
        asked: None,
        code_of: code::of,
    };
    by_subject(module, token, &subject, members)
}

/// A profile as it is found for a token.
pub(super) struct Profile {
    /// `None` if there is none of that tag.
    pub(super) ready: Option<Arc<Ready>>,
    /// From where it is.
    pub(super) from: &'static str,
    /// How long ago it was read from the database.
    pub(super) age: Duration,
}

/// The profile of a tag: of the snapshot of all, of what processes share, or of the database.
///
/// # Errors
/// Fails with the database's error.
pub(super) fn profile(
    module: &'static Module,
    tag: &str,
    database: &'static Database,
) -> Result<Profile, String> {
    let preloaded = process::with(module, |process| {
        process.profiles.as_mut()?.preloaded(module, tag)
    });
    if let Some(ready) = preloaded {
        return Ok(Profile {
            ready,
            from: "preload",
            age: process::loader::age(),
        });
    }
    let wanted = Wanted::within(database.cache.ttl, shared::page().generation.get());
    let of = tag.to_owned();
    let tables = &database.tables;
    let asked = process::with(module, |process| {
        process.ask_once(wanted, move |source| tables.fetch(source, &of))
    });
    let aged = asked.wait().map_err(|error| error.to_string())?;
    Ok(Profile {
        ready: aged.value.map(|profile| Arc::new(Ready::new(profile))),
        from: match aged.is_asked {
            true => "database",
            false => "shared memory",
        },
        age: aged.since.elapsed(),
    })
}

/// The keys of a profile, fetched if a token needs that.
pub(super) fn keys<'a>(
    module: &'static Module,
    ready: &'a Ready,
) -> Vec<Result<Keys<'a>, HolderError>> {
    let sources = process::with(module, |process| process.sources.clone());
    let holders = ready.keys.iter();
    holders
        .map(|holder| holder.keys(&sources, Instant::now))
        .collect()
}

fn outcome(
    module: &'static Module,
    token: &Token,
    ready: &Ready,
    rules: &Rules,
) -> (Outcome, Option<String>) {
    let keys = keys(module, ready);
    let secrets = ready.profile.secrets.iter().zip(&keys);
    let candidates: Vec<_> = secrets
        .map(|(secret, keys)| candidate(keys, secret.start, secret.end))
        .collect();
    let now = clock::now();
    let outcome = authorize::authorize(token, &candidates, rules, &Signatures::none(), now);
    let outage = keys.iter().filter_map(|keys| keys.as_ref().err());
    let outage = outage.into_iter().find(|error| error.is_outage());
    (outcome, outage.map(ToString::to_string))
}

fn by_subject(
    module: &'static Module,
    token: &Token,
    subject: &Subject<'_>,
    mut members: Members,
) -> Said {
    let Subject { ready, code_of, .. } = subject;
    let asked = subject.asked.as_ref();
    let asked = asked.filter(|asked| asked.which == Which::All);
    let rules = asked.map_or(&subject.rules, |asked| &asked.first_rules);
    fetch(
        module,
        urls(module, ready, |holder, process, now| {
            holder.must_fetch(&process.sources, token, now)
        }),
    );
    let (mut judged, mut outage) = outcome(module, token, ready, rules);
    if judged.may_be_outdated() {
        let urls = urls(module, ready, |holder, process, now| {
            holder.may_have_changed(&process.sources, now)
        });
        if !urls.is_empty() {
            fetch(module, urls);
            (judged, outage) = outcome(module, token, ready, rules);
        }
    }
    let (row, kid) = match judged {
        Outcome::Authorized { candidate, kid } => (candidate, kid),
        Outcome::NotVerified { .. } if outage.is_some() => {
            let reason = outage.unwrap_or_default();
            return Said::refused(code_of(&Outcome::StoreFailed), reason, members);
        }
        other => return Said::refused(code_of(&other), other, members),
    };
    if ready.profile.secrets.len() > 1 || subject.username.is_none() {
        members.push((c"row", (row + 1).into()));
    }
    if let Some(kid) = &kid {
        members.push((c"kid", String::from(kid.clone()).into()));
    }
    let place = ready.keys.get(row).and_then(KeyHolder::place);
    if let Some(place) = place {
        members.push((c"keys", place.into()));
    }
    match refusal(module, token, subject, (row, kid.as_deref()), &mut members) {
        Some((code, reason)) => Said::refused(code, reason, members),
        None => Said::refused(code::AUTHORIZED, "authorized", members),
    }
}

/// Why a token is refused whose signature, times and claims are good, if it is.
fn refusal(
    module: &'static Module,
    token: &Token,
    subject: &Subject<'_>,
    (row, kid): (usize, Option<&str>),
    members: &mut Members,
) -> Option<(i32, String)> {
    let tokens = &module.config.tokens;
    let of = |outcome: Outcome| ((subject.code_of)(&outcome), outcome.to_string());
    match Binding::of(token) {
        Binding::Certificate(_) => members.push((c"bound", "client certificate".into())),
        binding => {
            if let Err(error) = binding.check(tokens.bound, || None) {
                return Some(of(Outcome::NotBound(error)));
            }
        }
    }
    if subject.asked.is_some() {
        members.push((c"issuer_asked", false.into()));
    }
    let must_read = process::with(module, |process| process.must_read_revocations());
    if let Some(is_usable) = must_read
        && let Err(error) = process::with(module, process::Process::take_revocations)
        && !is_usable
    {
        let outcome = Outcome::StoreFailed;
        return Some(((subject.code_of)(&outcome), format!("{outcome}: {error}")));
    }
    let identity = Identity::of(token, kid);
    let revoked = module
        .revocations
        .find(&identity, tokens.rules.leeway, clock::now);
    if let Some(revocation) = revoked {
        return Some(of(Outcome::Revoked(revocation)));
    }
    let keys = keys(module, &subject.ready);
    if let Some((Some(Ok(keys)), algorithm)) = token.algorithm().map(|it| (keys.get(row), it))
        && keys.weak_for(algorithm)
    {
        let hash = algorithm::name(algorithm);
        let reason = format!("the secret is shorter than the hash of {hash} (weak_keys)");
        if !tokens.weak_keys {
            return Some((code::NOT_VERIFIED, reason));
        }
        members.push((c"weak", reason.into()));
    }
    if let Some(claim) = subject.username {
        let name = claim.find(token.claims());
        match name.filter(|name| sip::is_one_line(name.as_bytes())) {
            Some(name) => members.push((c"username", name.into())),
            None => {
                let reason = format!("claim \"{claim}\" is missing or not a one-line string");
                return Some((code::CLAIM_REFUSED, reason));
            }
        }
    }
    tokens.claims.iter().find_map(|(_, path)| {
        match path.find(token.claims()).and_then(ClaimValue::of) {
            Some(ClaimValue::Text(text)) if !sip::is_one_line(text.as_bytes()) => {
                let reason = format!("claim \"{path}\" has a CR, LF or NUL");
                Some((code::CLAIM_REFUSED, reason))
            }
            _ => None,
        }
    })
}

fn urls(
    module: &'static Module,
    ready: &Ready,
    choose: impl for<'a> Fn(&'a KeyHolder, &process::Process, Instant) -> Option<&'a str>,
) -> Vec<String> {
    process::with(module, |process| {
        process.reload_keys_if_due();
        let now = Instant::now();
        let chosen = ready.keys.iter().map(|holder| choose(holder, process, now));
        chosen.flatten().map(str::to_owned).collect()
    })
}
