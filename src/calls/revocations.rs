//! `jwt_revoke` and `jwt_revoked`: what is revoked, by the management interface.

use std::ffi::CStr;
use std::time::Duration;

use super::logout;
use super::pages;
use super::params::{Failure, answer, refused, text};
use crate::clock;
use crate::jwt::revocations::list::ListError;
use crate::jwt::revocations::{ALWAYS, Kind, Revocation, RevocationError};
use crate::jwt::rules::Rules;
use crate::jwt::token::Token;
use crate::log;
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Params};
use crate::process;
use crate::revocations::Told;

/// Name of the command in log lines.
const REVOKE: &CStr = c"jwt_revoke";

/// Most revocations in one answer.
const PAGE: usize = 50;

fn kind(params: &Params<'_>) -> Result<Option<Kind>, Failure> {
    let of = |name: String| Kind::parse(&name).ok_or_else(|| refused(RevocationError::Kind));
    text(params, c"type")?.map(of).transpose()
}

/// A time in UNIX seconds.
fn time(params: &Params<'_>, name: &'static CStr) -> Result<Option<i64>, Failure> {
    let shown = name.to_str().unwrap_or_default();
    let of = |text: String| {
        let seconds = text.trim().parse().ok().filter(|seconds| *seconds >= 0);
        seconds.ok_or_else(|| refused(RevocationError::Time(shown)))
    };
    text(params, name)?.map(of).transpose()
}

fn seconds(time: u64) -> i64 {
    i64::try_from(time).unwrap_or(i64::MAX)
}

/// What is to be revoked. Where no time of issue is given, it is the present, later by as much as clocks may
/// differ (`leeway`); where no end is given, it is when all of them are too old (`max_age`), or never.
fn wanted(params: &Params<'_>, rules: &Rules, now: Duration) -> Result<Revocation, Failure> {
    let (now, leeway) = (seconds(now.as_secs()), seconds(rules.leeway));
    let Some(kind) = kind(params)? else {
        return Err(refused(RevocationError::Kind));
    };
    let value = text(params, c"value")?.unwrap_or_default();
    let issuer = text(params, c"iss")?;
    let before = match time(params, c"before")? {
        None if kind == Kind::Sub => Some(now.saturating_add(leeway)),
        given => given,
    };
    // Whole seconds: what ends in the middle of one is valid until then.
    let after = |time: i64| time.saturating_add(leeway).saturating_add(1);
    let until = match (time(params, c"exp")?, before, rules.max_age) {
        (Some(expires), ..) => Some(after(expires)),
        // `iat` has a fraction, and age is in whole seconds.
        (None, Some(before), Some(age)) => {
            Some(after(before.saturating_add(seconds(age))).saturating_add(1))
        }
        (None, ..) => None,
    };
    if until.is_some_and(|until| until <= now) {
        return Err(refused(RevocationError::Ended));
    }
    Revocation::new(kind, &value, issuer.as_deref(), before, until).map_err(refused)
}

/// What a logout token revokes. What was issued before it is forgotten when that must have ended
/// (`logout_expire`), or is too old (`max_age`), or never.
fn logged_out(module: &'static Module, text: &str) -> Result<Vec<Revocation>, Failure> {
    let tokens = &module.config.tokens;
    let expire = match (tokens.logout_expire, tokens.rules.max_age) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    let leeway = seconds(tokens.rules.leeway);
    // As in `wanted`.
    let until = |issued: i64| {
        let until = issued.saturating_add(seconds(expire?));
        Some(until.saturating_add(leeway).saturating_add(2))
    };
    let token = Token::parse(text.as_bytes(), &tokens.limits).map_err(|error| {
        log!(Notice, REVOKE, "logout token refused: not a token: {error}");
        refused(format_args!("not a token: {error}"))
    })?;
    logout::revocations(module, &token, until).map_err(|failure| {
        let (code, cause) = match failure {
            logout::Failure::Refused(cause) => (400, cause),
            logout::Failure::Unknown(cause) => (500, cause),
        };
        let fingerprint = token.fingerprint();
        log!(
            Notice,
            REVOKE,
            "logout token {fingerprint} refused: {cause}"
        );
        (code, cause)
    })
}

/// Revokes something on this machine and on the others.
fn carry_out(
    module: &'static Module,
    revocation: &Revocation,
    now: Duration,
) -> Result<(), Failure> {
    let not_revoked = |error: ListError| {
        log!(Error, REVOKE, "not revoked: {revocation}: {error}");
        (500, error.to_string())
    };
    let list = &module.revocations.told;
    let full = || not_revoked(ListError::Full(list.capacity()));
    if !list.has_room(revocation, seconds(now.as_secs())) {
        return Err(full());
    }
    let told = match module.config.tokens.revocations_cachedb {
        // Others are first: what there is no room for in Redis is revoked nowhere.
        true => {
            let now = seconds(now.as_secs());
            process::with(module, |process| process.tell(revocation, now))
        }
        false => Ok(Told::Yes),
    };
    if told == Ok(Told::Full) {
        return Err(full());
    }
    module
        .revocations
        .add(revocation, now)
        .map_err(not_revoked)?;
    log!(Notice, REVOKE, "revoked: {revocation}");
    told.map(drop).map_err(|error| {
        log!(Error, REVOKE, "other machines are not told: {error}");
        (500, format!("revoked on this machine alone: {error}"))
    })
}

/// `jwt_revoke type value [iss] [exp] [before]`, `jwt_revoke logout_token`.
pub fn revoke(module: &'static Module, params: &Params<'_>) -> Answer {
    let now = clock::now();
    let revoke = || {
        let revocations = match text(params, c"logout_token")? {
            Some(token) => logged_out(module, &token)?,
            None => vec![wanted(params, &module.config.tokens.rules, now)?],
        };
        let done = revocations.iter().map(|it| carry_out(module, it, now));
        // All of them, also if one fails.
        let done: Vec<_> = done.collect();
        done.into_iter().collect::<Result<(), _>>()?;
        Ok(Answer::Ok)
    };
    answer(revoke())
}

/// `jwt_revoked [offset]`, `jwt_revoked type value`.
pub fn revoked(module: &'static Module, params: &Params<'_>) -> Answer {
    let now = clock::now();
    let list = || {
        let value = text(params, c"value")?;
        let wanted = kind(params)?.zip(value.as_deref());
        let first = match text(params, c"offset")? {
            Some(text) => text
                .trim()
                .parse()
                .map_err(|_| refused("offset must be a number"))?,
            None => 0,
        };
        let page = module.revocations.page(wanted, first, PAGE, now);
        let row = |revocation| row(revocation, seconds(now.as_secs()));
        Ok(Answer::List {
            numbers: vec![
                (c"count", i64::try_from(page.count).unwrap_or(i64::MAX)),
                (
                    c"max",
                    i64::try_from(module.config.tokens.revocations_max).unwrap_or(i64::MAX),
                ),
            ],
            name: c"revocations",
            rows: pages::page(page.revocations.into_iter().map(row), PAGE),
        })
    };
    answer(list())
}

/// What there is to say of a revocation: no time where there is none.
fn row(revocation: Revocation, now: i64) -> Vec<(&'static CStr, Member)> {
    let mut row = vec![
        (c"type", Member::Text(revocation.kind.name().to_owned())),
        (c"value", Member::Text(revocation.value)),
    ];
    if let Some(issuer) = revocation.issuer {
        row.push((c"iss", Member::Text(issuer)));
    }
    if revocation.before != ALWAYS {
        row.push((c"before", Member::Number(revocation.before)));
    }
    if revocation.until != ALWAYS {
        row.push((c"until", Member::Number(revocation.until)));
        let left = revocation.until.saturating_sub(now);
        row.push((c"left", Member::Number(left)));
    }
    row
}
