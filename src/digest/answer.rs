//! Answers to challenges: values for Authorization and Proxy-Authorization (RFC 7616 section 3.4,
//! RFC 8760, RFC 3261 section 22).

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::received::{Qop, Received, escape};
use super::response::{Parts, ha1};

/// Random bytes in a client's nonce: too many to be guessed.
const CNONCE: usize = 16;

/// The request that is sent with the answer.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Its method.
    pub method: &'a [u8],
    /// Its Request-URI.
    pub uri: &'a [u8],
    /// Its body; empty if it has none.
    pub body: &'a [u8],
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Something that the header can't hold.
    #[error("the {name} must be {allowed}")]
    Unsendable {
        /// What it is.
        name: &'static str,
        /// The form.
        allowed: &'static str,
    },
    /// The system has no random bytes.
    #[error("the system gave no random bytes for a cnonce")]
    NoRandom,
}

/// A new nonce of the client.
///
/// # Errors
/// Fails with [`AnswerError::NoRandom`] if the system provides no random bytes.
pub fn cnonce() -> Result<String, AnswerError> {
    let mut random = [0; CNONCE];
    rand::fill(&mut random).map_err(|_| AnswerError::NoRandom)?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}

impl Received {
    /// The credentials that answer it, beginning with `Digest`.
    ///
    /// The password is taken as it is, whatever its bytes are, even if they look like a hash.
    ///
    /// # Errors
    /// Fails with [`AnswerError::Unsendable`] if method, URI or user name can't stand in a header.
    pub fn answer(
        &self,
        request: Request<'_>,
        username: &[u8],
        password: &[u8],
        cnonce: &str,
    ) -> Result<Vec<u8>, AnswerError> {
        sendable(request, username)?;
        let Request { method, uri, body } = request;
        let realm = &self.realm.plain[..];
        let count = format!("{:08x}", self.count);
        let qop = match self.qop {
            Qop::AuthInt => Some("auth-int"),
            Qop::Auth => Some("auth"),
            Qop::None => None,
        };
        let parts = Parts {
            algorithm: self.algorithm,
            nonce: &self.nonce.plain,
            cnonce: cnonce.as_bytes(),
            count: count.as_bytes(),
            qop: qop.map(str::as_bytes),
            method,
            uri,
            body: (self.qop == Qop::AuthInt).then_some(body),
        };
        let response = parts.response(&ha1(self.algorithm, username, realm, password));
        let username = match self.userhash {
            true => self.algorithm.hash(&[username, realm]).into_bytes(),
            false => escape(username),
        };
        let mut value = b"Digest ".to_vec();
        let mut add = |name: &str, text: &[u8], quoted: bool| {
            if value.len() > b"Digest ".len() {
                value.extend_from_slice(b", ");
            }
            let quote: &[u8] = if quoted { b"\"" } else { b"" };
            for part in [name.as_bytes(), b"=", quote, text, quote] {
                value.extend_from_slice(part);
            }
        };
        add("username", &username, true);
        add("realm", &self.realm.raw, true);
        add("nonce", &self.nonce.raw, true);
        add("uri", uri, true);
        add("response", response.as_bytes(), true);
        // In the server's spelling, and only if it has named one.
        if let Some(name) = &self.algorithm_name {
            add("algorithm", name, false);
        }
        // Without qop it is not part of the response, but of a session's key.
        if qop.is_some() || self.algorithm.is_session() {
            add("cnonce", cnonce.as_bytes(), true);
        }
        if let Some(qop) = qop {
            add("qop", qop.as_bytes(), false);
            add("nc", count.as_bytes(), false);
        }
        if let Some(opaque) = &self.opaque {
            add("opaque", &opaque.raw, true);
        }
        if self.userhash {
            add("userhash", b"true", false);
        }
        Ok(value)
    }
}

/// Nothing may end the header, or its quoted strings.
fn sendable(request: Request<'_>, username: &[u8]) -> Result<(), AnswerError> {
    let is = |text: &[u8], allowed: fn(&u8) -> bool| !text.is_empty() && text.iter().all(allowed);
    let wrong = |name, allowed| Err(AnswerError::Unsendable { name, allowed });
    if !is(request.method, |b| {
        b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(b)
    }) {
        return wrong("method", "a token (RFC 3261 section 25.1)");
    }
    if !is(request.uri, |b| {
        *b > b' ' && *b != 0x7f && !b"\"\\".contains(b)
    }) {
        return wrong(
            "uri",
            "one without blanks, quotes, backslashes and control characters",
        );
    }
    if !is(username, |b| !b.is_ascii_control()) {
        return wrong("username", "one or more bytes without control characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Algorithm;
    use super::*;

    fn challenge(value: &str) -> Received {
        let offers = Received::list(value.as_bytes()).unwrap();
        Received::strongest(&offers).unwrap().1.clone()
    }

    fn get<'a>(method: &'a str, uri: &'a str, body: &'a str) -> Request<'a> {
        Request {
            method: method.as_bytes(),
            uri: uri.as_bytes(),
            body: body.as_bytes(),
        }
    }

    fn answer(of: &str, request: Request<'_>, user: &str, password: &[u8], cnonce: &str) -> String {
        let value = challenge(of).answer(request, user.as_bytes(), password, cnonce);
        String::from_utf8(value.unwrap()).unwrap()
    }

    #[test]
    fn the_examples_of_the_rfcs() {
        let http = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
             algorithm=ALG, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
             opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        let to = get("GET", "/dir/index.html", "");
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let of = http.replace("ALG", algorithm);
            let value = answer(&of, to, "Mufasa", b"Circle of Life", cnonce);
            assert_eq!(
                value,
                format!(
                    "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", \
                     nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", \
                     response=\"{response}\", algorithm={algorithm}, cnonce=\"{cnonce}\", qop=auth, \
                     nc=00000001, opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                )
            );
        }
        // RFC 2617 section 3.5.
        let of = "Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", \
             nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let value = answer(of, to, "Mufasa", b"Circle Of Life", "0a4f113b");
        assert!(
            value.contains("response=\"6629fae49393a05397450978507c4ef1\""),
            "{value}"
        );
        assert!(!value.contains("algorithm"), "it was not named: {value}");
        // RFC 7616 section 3.9.2, whose user name and response are wrong there (erratum 4897).
        let of = "Digest realm=\"api@example.org\", qop=\"auth\", algorithm=SHA-512-256, \
             nonce=\"5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK\", \
             opaque=\"HRPCssKJSGjCrkzDg8OhwpzCiGPChXYjwrI2QmXDnsOS\", charset=UTF-8, userhash=true";
        let cnonce = "NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm";
        let value = answer(
            of,
            get("GET", "/doe.json", ""),
            "Jäsøn Doe",
            b"Secret, or not?",
            cnonce,
        );
        assert!(
            value.starts_with(
                "Digest username=\"793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b\""
            ) && value.ends_with(", userhash=true"),
            "{value}"
        );
        assert!(
            value.contains(
                "response=\"7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c\""
            ),
            "{value}"
        );
    }

    #[test]
    fn every_algorithm_with_every_qop_is_computed_as_written() {
        for algorithm in Algorithm::ALL {
            let h = |text: String| algorithm.hash(&[text.as_bytes()]);
            for (qop, given) in [
                ("auth", ", qop=\"auth\""),
                ("auth-int", ", qop=auth-int"),
                ("", ""),
            ] {
                let of = format!("Digest realm=\"r\", nonce=\"n\", algorithm={algorithm}{given}");
                let value = answer(&of, get("INVITE", "sip:u@h", "v=0"), "u", b"p", "c");
                let mut a1 = h("u:r:p".into());
                if algorithm.is_session() {
                    a1 = h(format!("{a1}:n:c"));
                }
                let a2 = match qop {
                    "auth-int" => h(format!("INVITE:sip:u@h:{}", h("v=0".into()))),
                    _ => h("INVITE:sip:u@h".into()),
                };
                let response = match qop {
                    "" => h(format!("{a1}:n:{a2}")),
                    qop => h(format!("{a1}:n:00000001:c:{qop}:{a2}")),
                };
                assert!(
                    value.contains(&format!("response=\"{response}\"")),
                    "{of}: {value}"
                );
                assert_eq!(value.contains("nc="), !qop.is_empty(), "{value}");
                let has_cnonce = !qop.is_empty() || algorithm.is_session();
                assert_eq!(value.contains("cnonce="), has_cnonce, "{value}");
            }
        }
    }

    #[test]
    fn a_password_is_a_password() {
        let of = "Digest realm=\"r\", nonce=\"n\"";
        let to = get("INVITE", "sip:u@h", "");
        for password in [
            &b"0x0123456789abcdef0123456789abcdef"[..],
            b"0123456789abcdef0123456789abcdef",
            b"",
            b"\0\r\n\xff\"\\",
        ] {
            let value = answer(of, to, "u", password, "c");
            let a1 = Algorithm::Md5.hash(&[b"u", b"r", password]);
            let a2 = Algorithm::Md5.hash(&[b"INVITE", b"sip:u@h"]);
            let response = Algorithm::Md5.hash(&[a1.as_bytes(), b"n", a2.as_bytes()]);
            assert!(value.contains(&response), "{password:?}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_its_quotes() {
        let of = r#"Digest realm="a \"b\"", nonce="\\", opaque="x\y""#;
        let value = answer(of, get("INVITE", "sip:u@h", ""), r#"u"\"#, b"p", "c");
        let begin =
            r#"Digest username="u\"\\", realm="a \"b\"", nonce="\\", uri="sip:u@h", response=""#;
        assert!(value.starts_with(begin), "{value}");
        assert!(value.ends_with(r#"opaque="x\y""#), "{value}");
        let of = challenge(of);
        for (method, uri, user) in [
            ("INVITE", "sip:u@h", "u\r\nVia: x"),
            ("INVITE", "sip:u@h", ""),
            ("INVITE", "sip:u@h\"", "u"),
            ("INVITE", "", "u"),
            ("IN VITE", "sip:u@h", "u"),
        ] {
            let made = of.answer(get(method, uri, ""), user.as_bytes(), b"p", "c");
            assert!(
                matches!(made, Err(AnswerError::Unsendable { .. })),
                "{user:?} {uri:?}"
            );
        }
        assert_ne!(cnonce().unwrap(), cnonce().unwrap());
    }
}
