//! What an admission proves, and about whom.

use std::borrow::Cow;

use crate::digest::Credentials;
use crate::sip::{self, AddressOfRecord, Party};

/// The credentials that an endpoint was asked about, and the address of record that they should
/// stand for.
#[derive(Debug, Clone)]
pub struct Proof {
    /// Whom the request is about.
    pub party: Party,
    /// The header that the credentials were in.
    pub header: &'static str,
    /// The credentials.
    pub credentials: Credentials,
}

/// Why an admission is not for the request's address of record. The messages end where that address
/// follows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTheirs {
    /// Another username.
    #[error("user {0:?} is not")]
    Username(String),
    /// The endpoint says otherwise.
    #[error("the endpoint says that it is {0}, which is not")]
    Named(String),
    /// Neither the credentials nor the endpoint say who it is.
    #[error("the endpoint does not say (member aor) that {0} is that of")]
    Nobody(&'static str),
}

impl Proof {
    /// The address of record that an admission stands for: that of the request, if it names one, else
    /// that of the user, in the domain of the request. `named` is the one that the endpoint names, which
    /// then decides. With `checked` false, nothing is compared with an address of the request.
    ///
    /// # Errors
    /// Fails with [`NotTheirs`] if it stands for another.
    pub fn check(
        &self,
        named: Option<&AddressOfRecord>,
        checked: bool,
    ) -> Result<AddressOfRecord, NotTheirs> {
        if let (Party::Named(aor), false) = (&self.party, checked) {
            return Ok(aor.clone());
        }
        if let Some(named) = named {
            let is_theirs = match &self.party {
                Party::Named(aor) => named == aor,
                // An endpoint speaks for its own realm.
                Party::Proven(domain) => named.domain() == domain,
            };
            return match is_theirs {
                true => Ok(named.clone()),
                false => Err(NotTheirs::Named(named.to_string())),
            };
        }
        let digest = match &self.credentials {
            Credentials::Digest(digest) => digest,
            Credentials::Bearer(_) => return Err(NotTheirs::Nobody("the token")),
        };
        // RFC 7616 section 3.4.4: what is sent is a hash of the name.
        if digest.userhash {
            return Err(NotTheirs::Nobody("the hash of a username"));
        }
        let proven = match &self.party {
            Party::Named(aor) => aor.is_named(&digest.username).then(|| aor.clone()),
            Party::Proven(domain) => AddressOfRecord::of_name(&digest.username, domain)
                .filter(|aor| sip::is_one_line(aor.user())),
        };
        proven.ok_or_else(|| NotTheirs::Username(digest.username.escape_ascii().to_string()))
    }

    /// A part of what was checked, for a script, once it [stands](Self::check) for `aor`. `None` if
    /// there is none. The names are those that [`config::http::parts`](crate::config::http::parts) lists.
    pub fn part<'a>(&'a self, name: &str, aor: &'a AddressOfRecord) -> Option<Cow<'a, [u8]>> {
        match name {
            "header" => Some(self.header.as_bytes().into()),
            "aor" => Some(aor.whole().into()),
            "aor_user" => Some(aor.user().into()),
            "aor_domain" => Some(aor.domain().as_bytes().into()),
            name => self.credentials.part(name).map(Cow::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http::parts;

    fn aor(user: &str) -> AddressOfRecord {
        AddressOfRecord::new(user.as_bytes(), "a.example")
    }

    /// Whether it stands for the address that the request names.
    fn stands(proof: &Proof, named: Option<&AddressOfRecord>) -> Result<(), NotTheirs> {
        let proven = proof.check(named, true)?;
        assert_eq!(Party::Named(proven), proof.party);
        Ok(())
    }

    fn proof(credentials: &str, user: &str) -> Proof {
        Proof {
            party: Party::Named(aor(user)),
            header: "Authorization",
            credentials: Credentials::parse(credentials.as_bytes()).expect("credentials"),
        }
    }

    const JOHN: &str = r#"Digest username="john@a.example", realm="r", nonce="n", uri="sip:r", response="00000000000000000000000000000000""#;

    #[test]
    fn a_username_stands_for_its_own_address() {
        assert_eq!(stands(&proof(JOHN, "john"), None), Ok(()));
        let other = NotTheirs::Username("john@a.example".to_owned());
        assert_eq!(stands(&proof(JOHN, "John"), None), Err(other));
        let hashed = format!("{JOHN}, userhash=true");
        let nobody = NotTheirs::Nobody("the hash of a username");
        assert_eq!(stands(&proof(&hashed, "john"), None), Err(nobody));
        let nobody = NotTheirs::Nobody("the token");
        assert_eq!(stands(&proof("Bearer abc", "john"), None), Err(nobody));
        // What is left to the script is the request's all the same.
        assert_eq!(proof(JOHN, "mary").check(None, false), Ok(aor("mary")));
    }

    #[test]
    fn whom_the_endpoint_names_it_is() {
        let named = AddressOfRecord::parse("sip:102@A.example");
        assert_eq!(stands(&proof(JOHN, "102"), named.as_ref()), Ok(()));
        assert_eq!(stands(&proof("Bearer abc", "102"), named.as_ref()), Ok(()));
        let other = NotTheirs::Named("102@a.example".to_owned());
        assert_eq!(stands(&proof(JOHN, "john"), named.as_ref()), Err(other));
    }

    #[test]
    fn who_names_nobody_is_whom_the_credentials_name_in_that_domain() {
        let nameless = |credentials: &str| Proof {
            party: Party::Proven("a.example".to_owned()),
            ..proof(credentials, "nobody")
        };
        for checked in [true, false] {
            assert_eq!(nameless(JOHN).check(None, checked), Ok(aor("john")));
            let named = AddressOfRecord::parse("sip:102@A.example");
            for credentials in [JOHN, "Bearer abc"] {
                let proven = nameless(credentials).check(named.as_ref(), checked);
                assert_eq!(proven, Ok(aor("102")));
            }
            // Not in another endpoint's realm.
            let elsewhere = AddressOfRecord::parse("john@b.example");
            let other = NotTheirs::Named("john@b.example".to_owned());
            let proven = nameless(JOHN).check(elsewhere.as_ref(), checked);
            assert_eq!(proven, Err(other));
            let nobody = NotTheirs::Nobody("the token");
            assert_eq!(nameless("Bearer abc").check(None, checked), Err(nobody));
            let hashed = format!("{JOHN}, userhash=true");
            assert!(nameless(&hashed).check(None, checked).is_err());
        }
    }

    #[test]
    fn every_part_has_a_name() {
        let full = format!("{JOHN}, qop=auth, nc=00000001, cnonce=c, opaque=o, userhash=true");
        let proof = proof(&full, "j%6fhn");
        let john = aor("john");
        let part = |name| proof.part(name, &john);
        // Only a token has an end.
        for name in parts().filter(|name| *name != "left") {
            assert!(part(name).is_some(), "{name}");
        }
        let whole = Some(b"john@a.example".as_slice());
        assert_eq!(part("username").as_deref(), whole);
        assert_eq!(part("aor").as_deref(), whole);
        assert_eq!(part("password"), None);
    }
}
