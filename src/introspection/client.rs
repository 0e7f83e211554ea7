//! As whom an introspection endpoint is asked (RFC 7662 section 2.1, RFC 6749 section 2.3).

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::rand;
use serde_json::json;
use zeroize::Zeroizing;

use crate::files::{self, FileError};
use crate::http::{Basic, EndpointUrl, Form, form_encoded};
use crate::jwt::algorithm::{self, Algorithm};
use crate::jwt::sign::sign;
use crate::jwt::signing_key::SigningKey;
use crate::keys::KeyReference;

/// The longest file of a secret or private key, in bytes.
const MAX_FILE: usize = 64 * 1024;

/// How long an assertion counts, in seconds: as long as a request may take.
const LIFETIME: u64 = 60;

/// The type of an assertion (RFC 7523 section 2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The ways in which a client authenticates, by their registered names.
pub(super) const METHODS: [&str; 4] = [
    "client_secret_basic",
    "client_secret_post",
    "private_key_jwt",
    "none",
];

/// What is said of a client.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClientRow {
    /// Its `client_id`.
    pub id: Option<String>,
    /// Its secret or private key, or the `file:///` of it.
    pub secret: Option<Zeroizing<String>>,
    /// How it authenticates; by default `client_secret_basic`.
    pub method: Option<String>,
    /// The `kid` of its private key.
    pub key_id: Option<String>,
    /// The algorithm of its private key, if it is not the first that fits.
    pub algorithm: Option<String>,
}

/// Without the secret.
impl fmt::Debug for ClientRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClientRow")
            .field("id", &self.id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A client of an issuer.
#[derive(Debug)]
pub struct Client {
    id: Option<String>,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    Basic(Secret),
    Post(Secret),
    Assertion(Box<Assertion>),
    /// The connection proves it, by its certificate (RFC 8705), or nothing has to.
    None,
}

enum Secret {
    Text(Zeroizing<String>),
    File(KeyReference),
}

/// Without the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// A private key that signs assertions, with what it was read from last.
#[derive(Debug)]
struct Assertion {
    secret: Secret,
    key_id: Option<String>,
    algorithm: Option<Algorithm>,
    read: Mutex<Option<(Zeroizing<String>, Arc<SigningKey>)>>,
}

impl Client {
    /// Reads what is said of a client. `names` says what each part is called in an error.
    ///
    /// # Errors
    /// Fails with what is wrong, in words that hold nothing secret.
    pub fn new(row: ClientRow, prefix: &str) -> Result<Self, String> {
        let ClientRow {
            id,
            secret,
            method,
            key_id,
            algorithm,
        } = row;
        if let Some(id) = &id
            && (id.len() > 255 || id.contains(char::is_control))
        {
            return Err(format!(
                "{prefix}client_id must have at most 255 bytes, and no control characters"
            ));
        }
        let method = method.as_deref().unwrap_or(METHODS[0]);
        if !METHODS.contains(&method) {
            let all = METHODS.join(", ");
            return Err(format!(
                "{prefix}auth {method:?} is not allowed, allowed is {all}"
            ));
        }
        let is_assertion = method == "private_key_jwt";
        let of_key = [
            ("key_id", key_id.is_some()),
            ("algorithm", algorithm.is_some()),
        ];
        if let Some((name, _)) = of_key.iter().find(|(_, is_set)| *is_set && !is_assertion) {
            return Err(format!(
                "{prefix}{name} is set without {prefix}auth private_key_jwt"
            ));
        }
        let secret = secret.map(Secret::new).transpose();
        let secret = secret.map_err(|error| format!("{prefix}client_secret {error}"))?;
        let needs =
            |name: &str| format!("{prefix}{name} is missing, which {prefix}auth {method} needs");
        let needed = |secret: Option<Secret>| secret.ok_or_else(|| needs("client_secret"));
        if id.is_none() && method != "none" {
            return Err(needs("client_id"));
        }
        let proof = match method {
            "client_secret_basic" => Proof::Basic(needed(secret)?),
            "client_secret_post" => Proof::Post(needed(secret)?),
            "private_key_jwt" => {
                let algorithm = algorithm.map(|name| {
                    let known = algorithm::by_name(&name);
                    known.ok_or_else(|| format!("{prefix}algorithm: {name:?} is unknown"))
                });
                Proof::Assertion(Box::new(Assertion {
                    secret: needed(secret)?,
                    key_id,
                    algorithm: algorithm.transpose()?,
                    read: Mutex::default(),
                }))
            }
            _ if secret.is_some() => {
                return Err(format!(
                    "{prefix}client_secret is set, and {prefix}auth is none"
                ));
            }
            _ => Proof::None,
        };
        Ok(Client { id, proof })
    }

    /// Its `client_id`, if it has one.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Reads the secret or key once, from its file if it is in one. May access the disk.
    ///
    /// # Errors
    /// Fails with what is wrong, in words that hold nothing secret.
    pub fn check(&self) -> Result<(), String> {
        match &self.proof {
            Proof::Basic(secret) | Proof::Post(secret) => secret.read().map(drop),
            Proof::Assertion(assertion) => assertion.key().map(drop),
            Proof::None => Ok(()),
        }
    }

    /// Adds to a form what proves who asks, at `now`, the time since 1970. `audience` is who is asked. May
    /// access the disk.
    ///
    /// # Errors
    /// Fails with a message for the log.
    pub fn prove(&self, form: &mut Form, audience: &str, now: Duration) -> Result<(), String> {
        let id = self.id.as_deref().unwrap_or_default();
        match &self.proof {
            Proof::Basic(secret) => {
                form.basic = Some(Basic {
                    username: form_encoded(id),
                    password: Zeroizing::new(form_encoded(&secret.read()?)),
                });
            }
            Proof::Post(secret) => {
                form.add("client_id", id);
                form.add("client_secret", &secret.read()?);
            }
            Proof::Assertion(assertion) => {
                form.add("client_id", id);
                form.add("client_assertion_type", ASSERTION_TYPE);
                form.add("client_assertion", &assertion.make(id, audience, now)?);
            }
            Proof::None if id.is_empty() => {}
            Proof::None => form.add("client_id", id),
        }
        Ok(())
    }
}

impl Secret {
    fn new(text: Zeroizing<String>) -> Result<Self, String> {
        match KeyReference::of(text.as_bytes()) {
            None => Ok(Secret::Text(text)),
            Some(Ok(file @ KeyReference::File(_))) => Ok(Secret::File(file)),
            Some(_) => Err("must be a secret, or a file:///absolute/path".to_owned()),
        }
    }

    fn read(&self) -> Result<Zeroizing<String>, String> {
        match self {
            Secret::Text(text) => Ok(text.clone()),
            Secret::File(reference) => {
                let KeyReference::File(path) = reference else {
                    return Err("the secret is nowhere".to_owned());
                };
                read(path).map_err(|error| format!("{reference}: {error}"))
            }
        }
    }
}

/// The text of a file, without white space at its ends.
fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let (_, content) = files::read(path, MAX_FILE).map_err(|error| match error {
        FileError::Read(error) => error.to_string(),
        FileError::NotAFile | FileError::TooLarge(_) => {
            format!("must be a file of at most {MAX_FILE} bytes")
        }
    })?;
    let text = str::from_utf8(&content).map_err(|_| "stream did not contain valid UTF-8")?;
    match text.trim() {
        "" => Err("it is empty".to_owned()),
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}

impl Assertion {
    /// The key, parsed again if the text has changed.
    fn key(&self) -> Result<Arc<SigningKey>, String> {
        let text = self.secret.read()?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, key)) = read.as_ref()
            && *of == text
        {
            return Ok(key.clone());
        }
        let key = SigningKey::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        let fitting = key.algorithms();
        if fitting.contains(Algorithm::HS256) {
            return Err("a private key in PEM is needed".to_owned());
        }
        if let Some(algorithm) = self.algorithm
            && !fitting.contains(algorithm)
        {
            let name = algorithm::name(algorithm);
            return Err(format!(
                "algorithm {name} does not fit the key, which signs {fitting}"
            ));
        }
        let key = Arc::new(key);
        *read = Some((text, key.clone()));
        Ok(key)
    }

    /// An assertion (RFC 7523 section 3).
    fn make(&self, id: &str, audience: &str, now: Duration) -> Result<Zeroizing<String>, String> {
        let key = self.key()?;
        let algorithm = self.algorithm.or_else(|| key.algorithms().iter().next());
        let algorithm = algorithm.ok_or("the key signs nothing")?;
        let mut random = [0_u8; 16];
        rand::fill(&mut random).map_err(|_| "the system gave no random bytes")?;
        let jti: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let now = now.as_secs();
        let claims = json!({
            "iss": id, "sub": id, "aud": audience, "jti": jti, "iat": now, "exp": now + LIFETIME,
        });
        let header = self
            .key_id
            .as_ref()
            .map(|kid| json!({ "kid": kid }).to_string());
        let header = header.as_ref().map(String::as_bytes);
        let signed = sign(claims.to_string().as_bytes(), &key, algorithm, header);
        signed
            .map(Zeroizing::new)
            .map_err(|error| error.to_string())
    }
}

/// Who is meant by an assertion: the issuer, as its name is known; else whoever has this URL.
pub(super) fn audience(issuer: Option<&str>, endpoint: &EndpointUrl) -> String {
    issuer.map_or_else(|| endpoint.target().to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::testing::fixture;
    use crate::jwt::token::{Limits, Token};

    fn row(method: &str, secret: &str) -> ClientRow {
        ClientRow {
            id: Some("sip:proxy".to_owned()),
            secret: Some(Zeroizing::new(secret.to_owned())),
            method: Some(method.to_owned()),
            ..ClientRow::default()
        }
    }

    fn proven(row: ClientRow) -> Form {
        let client = Client::new(row, "introspection_").unwrap();
        client.check().unwrap();
        let mut form = Form::default();
        let now = Duration::from_secs(1_700_000_000);
        client.prove(&mut form, "https://i.example", now).unwrap();
        form
    }

    #[test]
    fn secrets_are_sent_as_the_rfc_says() {
        let form = proven(row("client_secret_basic", "a b:c%"));
        let basic = form.basic.as_ref().unwrap();
        assert_eq!(basic.username, "sip%3Aproxy");
        assert_eq!(*basic.password, "a%20b%3Ac%25");
        assert_eq!(form.body(), "");
        let form = proven(row("client_secret_post", "a b"));
        assert!(form.basic.is_none());
        assert_eq!(form.body(), "client_id=sip%3Aproxy&client_secret=a%20b");
        let none = ClientRow {
            secret: None,
            ..row("none", "")
        };
        assert_eq!(proven(none).body(), "client_id=sip%3Aproxy");
        let nobody = ClientRow {
            method: Some("none".to_owned()),
            ..ClientRow::default()
        };
        assert_eq!(proven(nobody).body(), "");
    }

    #[test]
    fn an_assertion_is_for_the_issuer() {
        let pem = String::from_utf8(fixture!("ec-p256.test-private.pem").to_vec()).unwrap();
        let made = || {
            let row = ClientRow {
                key_id: Some("k".to_owned()),
                ..row("private_key_jwt", &pem)
            };
            let form = proven(row);
            let (_, assertion) = form.body().split_once("&client_assertion=").unwrap();
            Token::parse(assertion.as_bytes(), &Limits::default()).unwrap()
        };
        let token = made();
        assert_eq!((token.kid(), token.algorithm_name()), (Some("k"), "ES256"));
        for (name, value) in [
            ("iss", "sip:proxy"),
            ("sub", "sip:proxy"),
            ("aud", "https://i.example"),
        ] {
            assert_eq!(
                token.claim(name).and_then(|it| it.as_str()),
                Some(value),
                "{name}"
            );
        }
        assert!(token.claim("jti").is_some() && token.claim("jti") != made().claim("jti"));
    }

    #[test]
    fn a_secret_may_be_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let reference = format!("file://{}", file.display());
        let client = Client::new(row("client_secret_post", &reference), "").unwrap();
        assert!(client.check().is_err());
        for text in ["one", "two"] {
            std::fs::write(&file, format!("{text}\n")).unwrap();
            let mut form = Form::default();
            client.prove(&mut form, "", Duration::ZERO).unwrap();
            assert!(form.body().ends_with(&format!("&client_secret={text}")));
        }
        for bad in ["", " \n"] {
            std::fs::write(&file, bad).unwrap();
            assert!(client.check().is_err());
        }
    }

    #[test]
    fn mistakes_name_what_is_wrong_and_no_secret() {
        let secretless = |method: &str| ClientRow {
            secret: None,
            ..row(method, "")
        };
        let nameless = ClientRow {
            id: None,
            ..row("client_secret_post", "hunter2")
        };
        let keyed = ClientRow {
            key_id: Some("k".to_owned()),
            ..row("client_secret_post", "hunter2")
        };
        for (row, part) in [
            (
                row("tls_client_auth", "hunter2"),
                "client_secret_basic, client_secret_post",
            ),
            (
                secretless("client_secret_basic"),
                "introspection_client_secret is missing",
            ),
            (
                secretless("private_key_jwt"),
                "introspection_client_secret is missing",
            ),
            (nameless, "introspection_client_id is missing"),
            (
                ClientRow {
                    method: Some("x\r\ny".to_owned()),
                    ..ClientRow::default()
                },
                r#"introspection_auth "x\r\ny" is not allowed"#,
            ),
            (row("none", "hunter2"), "introspection_auth is none"),
            (keyed, "introspection_key_id is set"),
            (
                row("client_secret_post", "https://x/hunter2"),
                "introspection_client_secret must be",
            ),
        ] {
            let error = Client::new(row, "introspection_").map(drop).unwrap_err();
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{error}"
            );
        }
        for key in ["hunter2", "-----BEGIN PUBLIC KEY-----\nhunter2"] {
            let client = Client::new(row("private_key_jwt", key), "").unwrap();
            let error = client.check().unwrap_err();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
