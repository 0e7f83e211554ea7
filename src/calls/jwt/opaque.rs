//! Tokens that nobody but their issuer can read: whose they are follows from the domain of the request.

use std::sync::Arc;

use super::call::{Call, Judged};
use crate::calls::waiting::Started;
use crate::introspection::IntrospectionError;
use crate::jwt::quote_up_to;
use crate::jwt::token::{Token, TokenError};
use crate::process::{self, Subject};
use crate::sip::Party;
use crate::store::cache::Ready;
use crate::store::issuers::{Asks, Issuers};

/// How many characters of a domain are shown.
const SHOWN: usize = 128;

impl Call {
    /// A token that is no JSON Web Token, which is what `error` says of it.
    pub(super) fn by_opaque(self, token: &[u8], error: TokenError) -> Started {
        let tokens = &self.module.config.tokens;
        let may_ask = tokens.introspection.own.is_some()
            || !tokens.issuers.fixed.askable.is_empty()
            || process::with(self.module, |process| process.issuers.is_some());
        let token = match may_ask {
            true => Token::opaque(token, error, &tokens.limits),
            false => Err(error),
        };
        match token {
            Ok(token) => self.by_issuer(token),
            Err(error) => Started::Done(self.refuse(None, &error.into())),
        }
    }

    /// Asks the issuer that speaks for the domain which the request is about, and no other.
    pub(super) fn among_askable(
        self,
        token: Token,
        error: TokenError,
        issuers: &Issuers,
    ) -> Started {
        let own = &self.module.config.tokens.introspection.own;
        let askable = &issuers.askable;
        let asked = match (own, askable.only()) {
            (None, None) if askable.is_empty() => {
                return Started::Done(self.refuse(Some(&token), &error.into()));
            }
            (Some(_), None) if askable.is_empty() => return self.by_own(token),
            (None, Some(only)) => Ok(only.clone()),
            (own, _) => match self.domain() {
                None => Err(IntrospectionError::NoDomain),
                Some(domain) => {
                    let shown = || quote_up_to(&domain, SHOWN);
                    match askable.of(&domain) {
                        Asks::One(issuer) if own.is_none() => Ok(issuer),
                        Asks::Nobody if own.is_some() => return self.by_own(token),
                        Asks::Nobody => Err(IntrospectionError::NoIssuer(shown())),
                        Asks::One(_) | Asks::Several => Err(IntrospectionError::Ambiguous(shown())),
                    }
                }
            },
        };
        match asked {
            Ok(issuer) => {
                let subject = Subject {
                    tag: None,
                    ready: issuer.ready.clone(),
                    issuer: Some(issuer),
                };
                self.introspect(token, subject, Judged::NONE)
            }
            Err(error) => Started::Done(self.refuse_introspected(&token, &error)),
        }
    }

    /// Asks the only provider that there is, which has no name.
    pub(super) fn by_own(self, token: Token) -> Started {
        let ready = match &self.module.provider {
            Some(provider) => provider.clone(),
            None => Arc::new(Ready::without_keys()),
        };
        let subject = Subject {
            tag: None,
            ready,
            issuer: None,
        };
        self.introspect(token, subject, Judged::NONE)
    }

    /// The domain that the request is about, in lower case, if there is only one.
    fn domain(&self) -> Option<String> {
        let variables = &self.module.request;
        let method = variables.method(self.message);
        let party = variables.party(self.message, &method);
        let domain = party.as_ref().map(Party::domain)?.to_ascii_lowercase();
        let is_one = !domain.is_empty() && !variables.is_about_several(self.message, &method);
        is_one.then_some(domain)
    }
}
