//! A script function that is called with a token, and where it stores its results.

use std::{ffi::CStr, sync::Arc};

use crate::calls::waiting::Wait;
use crate::module::Module;
use crate::opensips::pvar::{Message, Variable};
use crate::store::cache::Ready;

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
    pub(super) wait: Wait,
}

/// Whose token it is.
#[derive(Clone)]
pub(super) struct Subject {
    /// The tag of the profile; `None` for a token of the identity provider.
    pub(super) tag: Option<Arc<str>>,
    /// The profile and its keys.
    pub(super) ready: Arc<Ready>,
}
