//! Whether a response that was received is that of a password which is known here (RFC 7616 section
//! 3.4.1, RFC 8760).

use aws_lc_rs::constant_time;
use zeroize::Zeroizing;

use super::response::{Parts, ha1};
use super::{Algorithm, Digest};

/// What is known of a user. It is hidden from debug output.
#[derive(Clone, PartialEq, Eq)]
pub enum Known {
    /// The password, as it is.
    Password(Zeroizing<Vec<u8>>),
    /// `H(username:realm:password)` by the algorithm of the credentials.
    Ha1(Ha1),
    /// Nothing: there is no such user, or none that could prove who it is.
    Nothing,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").finish_non_exhaustive()
    }
}

/// `H(username:realm:password)`: as good as a password, for that name in that realm.
#[derive(Clone, PartialEq, Eq)]
pub struct Ha1(Zeroizing<String>);

impl std::fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ha1").finish_non_exhaustive()
    }
}

impl Ha1 {
    /// From hexadecimal digits in any case. `None` if it is not one of this algorithm.
    pub fn parse(digits: &[u8], algorithm: Algorithm) -> Option<Self> {
        let digits = str::from_utf8(digits).ok()?.trim();
        let is_one = digits.len() == algorithm.response_length()
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Ha1(Zeroizing::new(digits.to_ascii_lowercase())))
    }
}

/// Why a response can prove nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnverifiableError {
    /// `auth-int`, which no challenge of ours offers.
    #[error("its qop is {0}, which was not offered")]
    Qop(&'static str),
    /// A hash in place of the username, which no challenge of ours offers either.
    #[error("its username is a hash (userhash), which was not offered")]
    Userhash,
}

impl Digest {
    /// Whether it is of a kind that can be verified.
    ///
    /// # Errors
    /// Fails with [`UnverifiableError`].
    pub fn verifiable(&self) -> Result<(), UnverifiableError> {
        let qop = self.qop.as_deref();
        if qop.is_some_and(|qop| !qop.eq_ignore_ascii_case("auth")) {
            return Err(UnverifiableError::Qop("auth-int"));
        }
        match self.userhash {
            true => Err(UnverifiableError::Userhash),
            false => Ok(()),
        }
    }

    /// Whether the response is that of what is known, to a request of this method. False as well for what is
    /// not [`verifiable`](Self::verifiable).
    ///
    /// It takes the same time whatever is known, and however much of the response is right.
    pub fn is_by(&self, known: &Known, method: &[u8]) -> bool {
        let nothing = Zeroizing::new(Vec::new());
        let password = match known {
            Known::Password(password) => password,
            Known::Ha1(_) | Known::Nothing => &nothing,
        };
        let hashed = ha1(self.algorithm, &self.username, &self.realm, password);
        let (secret, is_known) = match known {
            Known::Ha1(Ha1(digits)) => (digits, digits.len() == self.algorithm.response_length()),
            Known::Password(_) => (&hashed, true),
            Known::Nothing => (&hashed, false),
        };
        let parts = Parts {
            algorithm: self.algorithm,
            nonce: &self.nonce,
            cnonce: self.cnonce.as_deref().unwrap_or_default(),
            count: self.nc.as_deref().unwrap_or_default().as_bytes(),
            qop: self.qop.as_deref().map(str::as_bytes),
            method,
            uri: &self.uri,
            body: None,
        };
        let expected = Zeroizing::new(parts.response(secret));
        let received = self.response.to_ascii_lowercase();
        let is_equal =
            constant_time::verify_slices_are_equal(expected.as_bytes(), received.as_bytes())
                .is_ok();
        is_equal & is_known & self.verifiable().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Credentials, Received, Request};
    use super::*;

    /// The credentials by which `password` answers a challenge.
    fn answer(algorithm: &str, extra: &str, password: &str) -> Digest {
        let challenge =
            format!("Digest realm=\"R.example\", nonce=\"n\", algorithm={algorithm}{extra}");
        let offers = Received::list(challenge.as_bytes()).unwrap();
        let request = Request {
            method: b"REGISTER",
            uri: b"sip:r.example",
            body: b"",
        };
        let received = Received::strongest(&offers).unwrap().1;
        let value = received.answer(request, b"john", password.as_bytes(), "c");
        match Credentials::parse(&value.unwrap()) {
            Ok(Credentials::Digest(digest)) => *digest,
            other => panic!("{other:?}"),
        }
    }

    fn password(text: &str) -> Known {
        Known::Password(Zeroizing::new(text.into()))
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 7616 section 3.9.1.
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let value = format!(
                "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", uri=\"/dir/index.html\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", qop=auth, \
                 response=\"{response}\""
            );
            let Ok(Credentials::Digest(digest)) = Credentials::parse(value.as_bytes()) else {
                panic!("{value}");
            };
            let known = password("Circle of Life");
            assert!(digest.is_by(&known, b"GET"), "{algorithm}");
            assert!(!digest.is_by(&known, b"POST"), "{algorithm}");
            let upper = Digest {
                response: digest.response.to_ascii_uppercase(),
                ..*digest
            };
            assert!(upper.is_by(&known, b"GET"), "{algorithm}");
        }
    }

    #[test]
    fn a_password_and_its_ha1_prove_the_same() {
        for algorithm in Algorithm::ALL {
            for extra in ["", ", qop=\"auth\""] {
                let digest = answer(algorithm.name(), extra, "secret");
                let digits = ha1(algorithm, b"john", b"R.example", b"secret");
                for text in [digits.to_string(), digits.to_ascii_uppercase()] {
                    let known = Known::Ha1(Ha1::parse(text.as_bytes(), algorithm).unwrap());
                    assert!(digest.is_by(&known, b"REGISTER"), "{algorithm}");
                    assert!(!digest.is_by(&known, b"INVITE"), "{algorithm}");
                }
                assert!(
                    digest.is_by(&password("secret"), b"REGISTER"),
                    "{algorithm}"
                );
                assert!(
                    !digest.is_by(&password("Secret"), b"REGISTER"),
                    "{algorithm}"
                );
                assert!(!digest.is_by(&Known::Nothing, b"REGISTER"), "{algorithm}");
                // What is not hashed as it is sent is another's.
                let other = Digest {
                    uri: b"sip:other".into(),
                    ..digest.clone()
                };
                assert!(
                    !other.is_by(&password("secret"), b"REGISTER"),
                    "{algorithm}"
                );
            }
        }
    }

    #[test]
    fn whoever_is_unknown_has_no_empty_password() {
        let digest = answer("MD5", ", qop=\"auth\"", "");
        assert!(!digest.is_by(&Known::Nothing, b"REGISTER"));
        assert!(digest.is_by(&password(""), b"REGISTER"));
    }

    #[test]
    fn an_ha1_is_of_one_algorithm() {
        assert!(Ha1::parse(&[b'0'; 32], Algorithm::Sha256).is_none());
        assert!(Ha1::parse(&[b'g'; 32], Algorithm::Md5).is_none());
        assert!(Ha1::parse(b"", Algorithm::Md5).is_none());
        assert!(Ha1::parse(&[b'0'; 64], Algorithm::Sha512_256Sess).is_some());
        let of_md5 = Known::Ha1(Ha1::parse(&[b'0'; 32], Algorithm::Md5).unwrap());
        assert!(!answer("SHA-256", "", "secret").is_by(&of_md5, b"REGISTER"));
    }

    #[test]
    fn what_was_not_offered_proves_nothing() {
        let digest = answer("SHA-256", ", qop=\"auth-int\"", "secret");
        assert_eq!(digest.verifiable(), Err(UnverifiableError::Qop("auth-int")));
        assert!(!digest.is_by(&password("secret"), b"REGISTER"));
        let digest = answer("SHA-256", ", qop=\"auth\", userhash=true", "secret");
        assert_eq!(digest.verifiable(), Err(UnverifiableError::Userhash));
        assert!(!digest.is_by(&password("secret"), b"REGISTER"));
    }
}
