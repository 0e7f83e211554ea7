//! A script function that is called with a token, and where it stores its results.

use std::ffi::CStr;

use crate::calls::waiting::Wait;
use crate::jwt::authorize::Outcome;
use crate::jwt::binding::Binding;
use crate::jwt::rules::Rules;
use crate::module::Module;
use crate::opensips::pvar::{Message, Variable};
use crate::process::Subject;

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
    /// Its codes.
    pub(super) code_of: fn(&Outcome) -> i32,
    pub(super) wait: Wait,
}

impl Call {
    /// The refusal of a token that is bound to something else than the connection of whoever presents it.
    pub(super) fn unbound(&self, binding: Binding) -> Option<Outcome> {
        let certificate = || {
            let text = self.message.text(self.module.certificate?)?;
            Some(text).filter(|text| !text.is_empty())
        };
        let checked = binding.check(self.module.config.tokens.bound, certificate);
        checked.err().map(Outcome::NotBound)
    }

    /// The rules that a token of this subject is judged by.
    pub(super) fn rules<'a>(&self, subject: &'a Subject) -> &'a Rules {
        match &subject.issuer {
            Some(issuer) => &issuer.rules,
            None => &self.module.config.tokens.rules,
        }
    }
}
