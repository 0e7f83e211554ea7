//! What may be revoked, and how it is said.

use std::fmt;

use thiserror::Error;

use crate::jwt::quote_up_to;

/// Most bytes of what is revoked, and of its issuer: what `sub` may have by OpenID Connect Core 1.0,
/// section 2.
pub const MAX_BYTES: usize = 255;

/// The longest value that a reason shows whole, in characters.
const SHOWN: usize = 128;

/// No end, and no time of issue that would be too late.
pub const ALWAYS: i64 = i64::MAX;

/// By what a token is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The one token of this `jti` (RFC 7519 section 4.1.7).
    Jti,
    /// All tokens of this `sub` (RFC 7519 section 4.1.2) that were issued up to some time.
    Sub,
    /// All tokens of a session (OpenID Connect Back-Channel Logout 1.0, section 2.4).
    Sid,
    /// All tokens that the key of this `kid` signed (RFC 7515 section 4.1.4).
    Kid,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Jti, Kind::Sub, Kind::Sid, Kind::Kid];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Jti => "jti",
            Kind::Sub => "sub",
            Kind::Sid => "sid",
            Kind::Kid => "kid",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Tokens that are revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// By what they are recognised.
    pub kind: Kind,
    /// The value of that, at most [`MAX_BYTES`].
    pub value: String,
    /// The `iss` that they have; `None` for any.
    pub issuer: Option<String>,
    /// The last UNIX second in which they were issued; [`ALWAYS`] for any. Other than for [`Kind::Sub`] it
    /// is always that.
    pub before: i64,
    /// The first UNIX second in which none of them is valid any more; [`ALWAYS`] if that is not known.
    pub until: i64,
}

/// What can't be revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RevocationError {
    /// Something else than a [`Kind`].
    #[error("type must be jti, sub, sid or kid")]
    Kind,
    /// The value.
    #[error("value must have 1 to {MAX_BYTES} bytes")]
    Value,
    /// The issuer.
    #[error("iss must have 1 to {MAX_BYTES} bytes")]
    Issuer,
    /// A time of issue where that does not count.
    #[error("before is for type sub alone")]
    Before,
    /// A time.
    #[error("{0} must be a number of seconds since 1970")]
    Time(&'static str),
    /// There is nothing left to revoke: or the time was meant to be something else.
    #[error("exp has passed: it must be a number of seconds since 1970, as in the token")]
    Ended,
}

impl Revocation {
    /// Checks what somebody wants to be revoked.
    ///
    /// # Errors
    /// Fails with the first thing that is wrong.
    pub fn new(
        kind: Kind,
        value: &str,
        issuer: Option<&str>,
        before: Option<i64>,
        until: Option<i64>,
    ) -> Result<Self, RevocationError> {
        let fits = |text: &str| (1..=MAX_BYTES).contains(&text.len());
        if !fits(value) {
            return Err(RevocationError::Value);
        }
        if !issuer.is_none_or(fits) {
            return Err(RevocationError::Issuer);
        }
        if before.is_some() && kind != Kind::Sub {
            return Err(RevocationError::Before);
        }
        Ok(Revocation {
            kind,
            value: value.to_owned(),
            issuer: issuer.map(str::to_owned),
            before: before.unwrap_or(ALWAYS),
            until: until.unwrap_or(ALWAYS),
        })
    }
}

impl fmt::Display for Revocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = quote_up_to(&self.value, SHOWN);
        write!(formatter, "{} {value}", self.kind.name())?;
        if let Some(issuer) = &self.issuer {
            write!(formatter, " of issuer {}", quote_up_to(issuer, SHOWN))?;
        }
        if self.before != ALWAYS {
            write!(formatter, ", issued up to {}", self.before)?;
        }
        Ok(())
    }
}
