//! The judgement on a token: whether it is admitted, and if not, why.

use std::{fmt, time::Duration};

use super::binding::BindingError;
use super::claims::{ClaimError, check_claims, check_issuer};
use super::key::{KeyError, KeySet};
use super::revocations::Revocation;
use super::rules::Rules;
use super::signatures::Signatures;
use super::token::{Token, TokenError};
use super::verify::{SignatureError, check_header, verify_with_set};

/// One secret of a profile, with the time in which it counts.
#[derive(Debug, Clone, Copy)]
pub struct CandidateSecret<'a> {
    /// Its keys, or why it has none.
    pub keys: Result<&'a KeySet, &'a KeyError>,
    /// First UNIX second in which it counts.
    pub start_ts: i64,
    /// First UNIX second in which it no longer counts.
    pub end_ts: i64,
}

impl CandidateSecret<'_> {
    /// Whether `start_ts <= now < end_ts`. `now` is the time since 1970.
    pub fn counts_at(&self, now: Duration) -> bool {
        let now = i128::from(now.as_secs());
        i128::from(self.start_ts) <= now && now < i128::from(self.end_ts)
    }
}

/// How a request for authorization ended. Its text is the reason, for the log and for a script; it
/// holds nothing secret and no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The token is admitted; the index is that of the candidate secret that verified it.
    Authorized {
        /// Index into the candidates.
        candidate: usize,
        /// The `kid` of the key that verified it, if it has one.
        kid: Option<Box<str>>,
    },
    /// No secret verifies the token.
    NotVerified {
        /// Why not: of the secret that was tried last, or of the token itself.
        cause: Option<SignatureError>,
        /// How many secrets were tried.
        tried: usize,
        /// How many do not count now.
        outside_window: usize,
        /// How many hold no usable key.
        unusable: usize,
        /// What is wrong with its issuer, which would explain it.
        issuer: Option<ClaimError>,
    },
    /// The key that the script gave can't be used.
    UnusableKey(KeyError),
    /// It is not a token at all.
    NotAToken(TokenError),
    /// Expired, not yet valid, too old, or with a malformed time.
    OutOfTime(ClaimError),
    /// There is no profile of this tag.
    NoProfile,
    /// A required claim is missing or differs.
    ClaimRefused(ClaimError),
    /// The store of the profiles could not answer.
    StoreFailed,
    /// It is revoked.
    Revoked(Revocation),
    /// It is not for this connection.
    NotBound(BindingError),
}

impl Outcome {
    /// Whether the token is admitted.
    pub fn is_authorized(&self) -> bool {
        matches!(self, Self::Authorized { .. })
    }

    /// Whether the token might be admitted if its keys were read again: they may have changed, even
    /// under the same names.
    pub fn may_be_outdated(&self) -> bool {
        matches!(
            self,
            Self::NotVerified {
                cause: Some(
                    SignatureError::Mismatch
                        | SignatureError::KeyKind { .. }
                        | SignatureError::UnknownKey(_)
                ),
                ..
            }
        )
    }
}

impl From<TokenError> for Outcome {
    fn from(error: TokenError) -> Self {
        Self::NotAToken(error)
    }
}

impl From<ClaimError> for Outcome {
    fn from(error: ClaimError) -> Self {
        if error.is_about_time() {
            Self::OutOfTime(error)
        } else {
            Self::ClaimRefused(error)
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorized { .. } => formatter.write_str("authorized"),
            Self::NotVerified {
                cause: Some(cause),
                tried: 0,
                ..
            } => cause.fmt(formatter),
            Self::NotVerified {
                cause,
                tried,
                outside_window,
                unusable,
                issuer,
            } => {
                formatter.write_str("no secret verifies it")?;
                if let Some(cause) = cause {
                    write!(formatter, ": {cause}")?;
                }
                let secrets = tried + outside_window + unusable;
                if secrets > 1 || *tried == 0 {
                    write!(
                        formatter,
                        " ({tried} tried, {outside_window} outside of their time, {unusable} unusable)"
                    )?;
                }
                match issuer {
                    Some(issuer) => write!(formatter, "; {issuer}"),
                    None => Ok(()),
                }
            }
            Self::UnusableKey(error) => write!(formatter, "the key can't be used: {error}"),
            Self::NotAToken(error) => write!(formatter, "not a token: {error}"),
            Self::OutOfTime(error) | Self::ClaimRefused(error) => error.fmt(formatter),
            Self::NoProfile => formatter.write_str("no such profile"),
            Self::StoreFailed => formatter.write_str("the store failed"),
            Self::NotBound(error) => error.fmt(formatter),
            Self::Revoked(revocation) => write!(formatter, "revoked: {revocation}"),
        }
    }
}

/// Whether a token is admitted at `now`, the time since 1970: some secret that counts now verifies
/// it, and its claims obey the rules.
///
/// A key that can't be read is passed over, so that one bad row does not lock out its neighbours.
pub fn authorize(
    token: &Token,
    candidates: &[CandidateSecret<'_>],
    rules: &Rules,
    signatures: &Signatures,
    now: Duration,
) -> Outcome {
    if let Err(cause) = check_header(token, rules.algorithms) {
        return Outcome::NotVerified {
            cause: Some(cause),
            tried: 0,
            outside_window: 0,
            unusable: 0,
            issuer: None,
        };
    }
    let (mut cause, mut tried, mut outside_window, mut unusable) = (None, 0, 0, 0);
    for (candidate, secret) in candidates.iter().enumerate() {
        if !secret.counts_at(now) {
            outside_window += 1;
            continue;
        }
        let Ok(keys) = secret.keys else {
            unusable += 1;
            continue;
        };
        tried += 1;
        match verify_with_set(token, keys, rules.algorithms, signatures) {
            Ok(key) => {
                return match check_claims(token, rules, now) {
                    Ok(()) => Outcome::Authorized {
                        candidate,
                        kid: key.kid().map(Into::into),
                    },
                    Err(error) => error.into(),
                };
            }
            Err(error) => cause = Some(error),
        }
    }
    Outcome::NotVerified {
        cause,
        tried,
        outside_window,
        unusable,
        issuer: check_issuer(token, rules).err(),
    }
}

/// Whether a token is valid with the key that a script gives, at `now`, the time since 1970.
pub fn script_authorize(
    token: &Token,
    keys: Result<&KeySet, &KeyError>,
    rules: &Rules,
    signatures: &Signatures,
    now: Duration,
) -> Outcome {
    let keys = match keys {
        Ok(keys) => Ok(keys),
        Err(error) => return Outcome::UnusableKey(error.clone()),
    };
    authorize(
        token,
        &[CandidateSecret {
            keys,
            start_ts: i64::MIN,
            end_ts: i64::MAX,
        }],
        rules,
        signatures,
        now,
    )
}

#[cfg(test)]
mod tests;
