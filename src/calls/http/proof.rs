//! What an admission proves, and about whom.

use std::borrow::Cow;

use crate::digest::Credentials;
use crate::sip::AddressOfRecord;

/// The credentials that an endpoint was asked about, and the address of record that they should
/// stand for.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The address of record of the request.
    pub aor: AddressOfRecord,
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
    /// Whether an admission stands for the address of record; `named` is the one that the endpoint
    /// names, which then decides.
    ///
    /// # Errors
    /// Fails with [`NotTheirs`] if it does not.
    pub fn check(&self, named: Option<&AddressOfRecord>) -> Result<(), NotTheirs> {
        if let Some(named) = named {
            return match *named == self.aor {
                true => Ok(()),
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
        match self.aor.is_named(&digest.username) {
            true => Ok(()),
            false => Err(NotTheirs::Username(
                digest.username.escape_ascii().to_string(),
            )),
        }
    }

    /// A part of what was checked, for a script. `None` if there is none. The names are those that
    /// [`config::http::parts`](crate::config::http::parts) lists.
    pub fn part(&self, name: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            "header" => Some(self.header.as_bytes().into()),
            "aor" => Some(self.aor.whole().into()),
            "aor_user" => Some(self.aor.user().into()),
            "aor_domain" => Some(self.aor.domain().as_bytes().into()),
            name => self.credentials.part(name).map(Cow::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::http::parts;

    fn proof(credentials: &str, user: &str) -> Proof {
        Proof {
            aor: AddressOfRecord::new(user.as_bytes(), "a.example"),
            header: "Authorization",
            credentials: Credentials::parse(credentials.as_bytes()).expect("credentials"),
        }
    }

    const JOHN: &str = r#"Digest username="john@a.example", realm="r", nonce="n", uri="sip:r", response="00000000000000000000000000000000""#;

    #[test]
    fn a_username_stands_for_its_own_address() {
        assert_eq!(proof(JOHN, "john").check(None), Ok(()));
        let other = NotTheirs::Username("john@a.example".to_owned());
        assert_eq!(proof(JOHN, "John").check(None), Err(other));
        let hashed = format!("{JOHN}, userhash=true");
        let nobody = NotTheirs::Nobody("the hash of a username");
        assert_eq!(proof(&hashed, "john").check(None), Err(nobody));
        let nobody = NotTheirs::Nobody("the token");
        assert_eq!(proof("Bearer abc", "john").check(None), Err(nobody));
    }

    #[test]
    fn whom_the_endpoint_names_it_is() {
        let named = AddressOfRecord::parse("sip:102@A.example");
        assert_eq!(proof(JOHN, "102").check(named.as_ref()), Ok(()));
        assert_eq!(proof("Bearer abc", "102").check(named.as_ref()), Ok(()));
        let other = NotTheirs::Named("102@a.example".to_owned());
        assert_eq!(proof(JOHN, "john").check(named.as_ref()), Err(other));
    }

    #[test]
    fn every_part_has_a_name() {
        let full = format!("{JOHN}, qop=auth, nc=00000001, cnonce=c, opaque=o, userhash=true");
        let proof = proof(&full, "j%6fhn");
        for name in parts() {
            assert!(proof.part(name).is_some(), "{name}");
        }
        assert_eq!(
            proof.part("username").as_deref(),
            Some(b"john@a.example".as_slice())
        );
        assert_eq!(
            proof.part("aor").as_deref(),
            Some(b"john@a.example".as_slice())
        );
        assert_eq!(proof.part("password"), None);
    }
}
