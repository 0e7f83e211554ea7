//! Which issuer is asked for a token that does not say who issued it.

use std::collections::HashMap;
use std::sync::Arc;

/// The issuers that can be asked for tokens that nobody else can read, by the domains that they speak for.
#[derive(Debug)]
pub struct Askable<T> {
    by_realm: HashMap<String, Vec<Arc<T>>>,
    of_any: Vec<Arc<T>>,
}

impl<T> Default for Askable<T> {
    fn default() -> Self {
        Askable {
            by_realm: HashMap::new(),
            of_any: Vec::new(),
        }
    }
}

/// Which one is asked.
#[derive(Debug)]
pub enum Asks<T> {
    /// This one, which alone speaks for the domain.
    One(Arc<T>),
    /// None speaks for it.
    Nobody,
    /// More than one does, so that the token might be sent to an issuer that has nothing to do with it.
    Several,
}

impl<T> Askable<T> {
    /// These, each with the domains that it speaks for, or `None` for any; each may be there more than once.
    pub(super) fn new<'a>(issuers: impl Iterator<Item = (Option<&'a [String]>, &'a Arc<T>)>) -> Self
    where
        T: 'a,
    {
        let mut askable = Askable::default();
        let add = |list: &mut Vec<Arc<T>>, issuer: &Arc<T>| {
            if !list.iter().any(|known| Arc::ptr_eq(known, issuer)) {
                list.push(issuer.clone());
            }
        };
        for (realms, issuer) in issuers {
            if realms.is_none() {
                add(&mut askable.of_any, issuer);
            }
            for realm in realms.unwrap_or_default() {
                let list = askable.by_realm.entry(realm.to_ascii_lowercase());
                add(list.or_default(), issuer);
            }
        }
        askable
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_realm.is_empty() && self.of_any.is_empty()
    }

    /// The only one, if it speaks for any domain.
    pub fn only(&self) -> Option<&Arc<T>> {
        match self.of_any.as_slice() {
            [one] if self.by_realm.is_empty() => Some(one),
            _ => None,
        }
    }

    /// The one that speaks for a domain, in lower case.
    pub fn of(&self, domain: &str) -> Asks<T> {
        let own = self.by_realm.get(domain).map_or(&[][..], Vec::as_slice);
        match (own, self.of_any.as_slice()) {
            ([one], []) | ([], [one]) => Asks::One(one.clone()),
            ([], []) => Asks::Nobody,
            _ => Asks::Several,
        }
    }
}
