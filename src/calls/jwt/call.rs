//! A script function that is called with a token, and where it stores its results.

use std::ffi::CStr;

use crate::calls::waiting::Wait;
use crate::jwt::authorize::Outcome;
use crate::jwt::binding::{Binding, BoundTokens};
use crate::jwt::rules::Rules;
use crate::jwt::token::Token;
use crate::module::Module;
use crate::opensips::pvar::{Message, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::process::Subject;
use crate::store::Answer;
use crate::store::shared::Aged;

/// Context of tokens that `jwt_authorize` verified; those of `jwt_script_authorize` have the
/// number of their key, which starts at 1.
pub(super) const BY_PROFILE: u64 = 0;

/// Where `jwt_authorize` stores its results.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    /// The decoded token.
    pub decoded: Option<Variable>,
    /// The SIP username of the profile.
    pub username: Option<Variable>,
    /// The reason, in words.
    pub reason: Option<Variable>,
}

/// A script function at work on a token.
#[derive(Clone, Copy)]
pub(super) struct Call {
    pub(super) module: &'static Module,
    pub(super) message: Message,
    pub(super) outputs: Outputs,
    pub(super) function: &'static CStr,
    /// Whether that is `jwt_script_authorize`.
    pub(super) is_script: bool,
    /// Its codes.
    pub(super) code_of: fn(&Outcome) -> i32,
    pub(super) wait: Wait,
}

/// What the signature of a token shows, before its issuer is asked for it.
pub(super) struct Judged {
    /// Which secret of its subject verified it.
    pub(super) candidate: usize,
    /// The `kid` of the key.
    pub(super) kid: Option<Box<str>>,
    /// The generation of the keys before that; `None` if not all of them were known.
    pub(super) generation: Option<u64>,
}

impl Judged {
    /// Nothing: there is no signature, or no key.
    pub(super) const NONE: Judged = Judged {
        candidate: usize::MAX,
        kid: None,
        generation: None,
    };
}

impl Call {
    /// The refusal of a token that is bound to something else than the connection of whoever presents it.
    pub(super) fn unbound(&self, binding: Binding) -> Option<Outcome> {
        self.unbound_by(binding, self.module.config.tokens.bound)
    }

    /// The same where it may be bound to nothing so far, since its issuer is still to be asked for it.
    pub(super) fn unbound_so_far(&self, binding: Binding) -> Option<Outcome> {
        self.unbound_by(binding, BoundTokens::Checked)
    }

    fn unbound_by(&self, binding: Binding, mode: BoundTokens) -> Option<Outcome> {
        let certificate = || {
            let text = self.message.text(self.module.certificate?)?;
            Some(text).filter(|text| !text.is_empty())
        };
        let checked = binding.check(mode, certificate);
        checked.err().map(Outcome::NotBound)
    }

    /// The rules that a token of this subject is judged by.
    pub(super) fn rules<'a>(&self, subject: &'a Subject) -> &'a Rules {
        match &subject.issuer {
            Some(issuer) => &issuer.rules,
            None => &self.module.config.tokens.rules,
        }
    }

    /// The same, for what it is: one that is no JSON Web Token has no header.
    pub(super) fn rules_of<'a>(&'a self, token: &Token, subject: &'a Subject) -> &'a Rules {
        match self.introspection(subject) {
            Some(asked) if token.not_jwt().is_some() => &asked.opaque_rules,
            _ => self.rules(subject),
        }
    }
}

/// Counts what the database was asked for, and not what another process had asked it for.
pub(super) fn count_query<T>(answer: &Answer<Aged<T>>) {
    if answer.as_ref().map_or(true, |answer| answer.is_asked) {
        stats::count(Statistic::JwtStoreQueries);
    }
}
