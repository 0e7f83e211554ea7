//! Checks the claims of a token whose signature is verified (RFC 7519 sections 4.1 and 7.2).

mod error;
mod validity;

use std::time::Duration;

use super::json::Value;
use super::json::number::Decimal;
use super::rules::{RequiredClaim, Rules};
use super::token::Token;
use super::{quote, quote_up_to};
use validity::{numeric_date, seconds, since_epoch, too_old_from};

pub use error::ClaimError;
pub use validity::Validity;

/// Checks the claims against the rules. `now` is the time since 1970, with its fraction of a second.
///
/// Times are checked first, and whenever present; everything else only if required.
///
/// # Errors
/// Fails with the first rule that the token breaks.
pub fn check_claims(token: &Token, rules: &Rules, now: Duration) -> Result<(), ClaimError> {
    check_times(token, rules, now)?;
    if rules.require_exp && token.claim("exp").is_none() {
        return Err(ClaimError::Missing("exp".to_owned()));
    }
    if let Some(required) = &rules.token_type {
        check_type(token, required)?;
    }
    check_issuer(token, rules)?;
    if !rules.audiences.is_empty() {
        check_audience(token, &rules.audiences)?;
    }
    for required in &rules.required_claims {
        check_required(token, required)?;
    }
    // Last, as it is the one thing that a good token from the right sender may lack.
    check_scope(token, &rules.required_scope)
}

/// Not a time: from here on, numbers of seconds are not distinguished.
const NO_TIME: i128 = 10_i128.pow(21);

/// When a token expires, in whole seconds since 1970, at most `i64::MAX`; `None` without an `exp` that is a
/// number below 10^21.
pub fn expires(token: &Token) -> Option<i64> {
    whole(numeric_date(token, "exp").ok()??)
}

/// When a token was issued, in whole seconds since 1970, at most `i64::MAX`; `None` without an `iat` that is
/// a number below 10^21.
pub fn issued(token: &Token) -> Option<i64> {
    whole(numeric_date(token, "iat").ok()??)
}

/// Whole seconds of a time in nanoseconds.
fn whole(time: i128) -> Option<i64> {
    let seconds = Some(time.div_euclid(seconds(1))).filter(|seconds| *seconds < NO_TIME)?;
    Some(i64::try_from(seconds).unwrap_or(if seconds < 0 { i64::MIN } else { i64::MAX }))
}

fn check_times(token: &Token, rules: &Rules, now: Duration) -> Result<(), ClaimError> {
    let now = since_epoch(now);
    let leeway = seconds(rules.leeway);
    let expires = numeric_date(token, "exp")?;
    let not_before = numeric_date(token, "nbf")?;
    let issued = numeric_date(token, "iat")?;
    if let Some(expires) = expires
        && now >= expires.saturating_add(leeway)
    {
        return Err(ClaimError::Expired {
            seconds: whole_seconds(expires, now),
        });
    }
    if let Some(not_before) = not_before
        && now.saturating_add(leeway) < not_before
    {
        return Err(ClaimError::NotYetValid {
            seconds: started_seconds(now, not_before),
        });
    }
    if let Some(limit) = rules.max_age {
        let issued = issued.ok_or_else(|| ClaimError::Missing("iat".to_owned()))?;
        // A token from the future would be younger than allowed for longer than allowed.
        if issued > now.saturating_add(leeway) {
            return Err(ClaimError::IssuedInFuture {
                seconds: started_seconds(now, issued),
            });
        }
        if now >= too_old_from(issued, limit, leeway) {
            return Err(ClaimError::TooOld {
                age: whole_seconds(issued, now),
                limit,
            });
        }
    }
    Ok(())
}

/// How many seconds have passed between two times.
fn whole_seconds(earlier: i128, later: i128) -> u64 {
    let between = later.saturating_sub(earlier);
    u64::try_from(between / seconds(1)).unwrap_or(u64::MAX)
}

/// How many seconds have begun between two times: in all of them what is awaited is still to come.
fn started_seconds(earlier: i128, later: i128) -> u64 {
    let between = later.saturating_sub(earlier);
    let rest = i128::from(between % seconds(1) != 0);
    u64::try_from(between / seconds(1) + rest).unwrap_or(u64::MAX)
}

/// Checks `iss` (RFC 7519 section 4.1.1), if the rules restrict it.
///
/// # Errors
/// Fails if it is missing, or none of those allowed.
pub(super) fn check_issuer(token: &Token, rules: &Rules) -> Result<(), ClaimError> {
    if rules.issuers.is_empty() {
        return Ok(());
    }
    match token.claim("iss") {
        None => Err(ClaimError::Missing("iss".to_owned())),
        Some(Value::String(issuer)) if rules.issuers.iter().any(|known| known == issuer) => Ok(()),
        Some(other) => Err(not_allowed("iss", other, &rules.issuers)),
    }
}

/// The error for a token whose issuer is none of those that have rules of their own.
pub fn unlisted_issuer(token: &Token) -> ClaimError {
    match token.claim("iss") {
        None => ClaimError::Missing("iss".to_owned()),
        Some(issuer) => ClaimError::NotListed {
            found: shown(issuer),
        },
    }
}

/// The longest value of a claim that is shown whole, in characters.
const SHOWN: usize = 128;

/// How many values of a list are shown.
const SHOWN_VALUES: usize = 4;

fn not_allowed(claim: &'static str, found: &Value, allowed: &[String]) -> ClaimError {
    let mut allowed = allowed.iter().map(|value| format!("{value:?}"));
    ClaimError::NotAllowed {
        claim,
        found: shown(found),
        allowed: listed(&mut allowed),
    }
}

/// One or several strings, quoted.
fn shown(found: &Value) -> String {
    match found {
        Value::String(found) => quote_up_to(found, SHOWN),
        Value::Array(found) if !found.is_empty() => listed(&mut found.iter().map(|value| {
            let text = value.as_str().map(|value| quote_up_to(value, SHOWN));
            text.unwrap_or_else(|| "not a string".to_owned())
        })),
        _ => "not a string".to_owned(),
    }
}

fn listed(values: &mut dyn Iterator<Item = String>) -> String {
    let shown: Vec<_> = values.take(SHOWN_VALUES).collect();
    let more = match values.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &more
}

/// `aud` is a string or an array of strings (RFC 7519 section 4.1.3).
fn check_audience(token: &Token, audiences: &[String]) -> Result<(), ClaimError> {
    let accepted = |value: &Value| {
        value
            .as_str()
            .is_some_and(|name| audiences.iter().any(|audience| audience == name))
    };
    let Some(found) = token.claim("aud") else {
        return Err(ClaimError::Missing("aud".to_owned()));
    };
    let named = match found {
        // One element that is not a string makes the claim malformed.
        Value::Array(names) => {
            names.iter().all(|name| name.as_str().is_some()) && names.iter().any(accepted)
        }
        name => accepted(name),
    };
    if named {
        Ok(())
    } else {
        Err(not_allowed("aud", found, audiences))
    }
}

/// Media types are compared case-insensitively, and `application/` may be omitted (RFC 7515 section
/// 4.1.9).
fn check_type(token: &Token, required: &str) -> Result<(), ClaimError> {
    let Some(typ) = token.header_member("typ") else {
        return Err(ClaimError::Missing("typ".to_owned()));
    };
    let found = typ.as_str().unwrap_or_default();
    if subtype(found).eq_ignore_ascii_case(subtype(required)) {
        return Ok(());
    }
    Err(ClaimError::TokenType {
        found: quote(found),
        required: required.to_owned(),
    })
}

fn subtype(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.split_at_checked(PREFIX.len()) {
        // With a further slash the prefix can't be omitted.
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => media_type,
    }
}

fn check_required(token: &Token, required: &RequiredClaim) -> Result<(), ClaimError> {
    let claim = match required.path.find(token.claims()) {
        None | Some(Value::Null) => return Err(ClaimError::Missing(required.path.to_string())),
        Some(claim) => claim,
    };
    let Some(value) = &required.value else {
        return Ok(());
    };
    let same = match claim {
        Value::Array(elements) => elements.iter().any(|element| equals(element, value)),
        other => equals(other, value),
    };
    if same {
        Ok(())
    } else {
        Err(ClaimError::Differs(required.path.to_string()))
    }
}

/// `scope` is a string of space-separated scopes (RFC 8693 section 4.2, RFC 9068 section 2.2.3);
/// some providers call it `scp`, or make it an array.
fn check_scope(token: &Token, required: &[String]) -> Result<(), ClaimError> {
    if required.is_empty() {
        return Ok(());
    }
    let granted = token.claim("scope").or_else(|| token.claim("scp"));
    let grants = |wanted: &str| match granted {
        Some(Value::String(list)) => list.split(' ').any(|scope| scope == wanted),
        Some(Value::Array(list)) => list.iter().any(|scope| scope.as_str() == Some(wanted)),
        _ => false,
    };
    match required.iter().find(|wanted| !grants(wanted)) {
        Some(missing) => Err(ClaimError::InsufficientScope(missing.clone())),
        None => Ok(()),
    }
}

/// Compares a scalar with its textual form.
fn equals(claim: &Value, text: &str) -> bool {
    match claim {
        Value::String(string) => string == text,
        Value::Bool(flag) => text == if *flag { "true" } else { "false" },
        Value::Integer(integer) => integer.to_string() == text,
        Value::Number(number) => {
            *number == text
                || Decimal::parse(text).is_some_and(|wanted| Decimal::parse(number) == Some(wanted))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
