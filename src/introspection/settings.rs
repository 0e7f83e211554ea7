//! Whether and where an issuer is asked for tokens.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::answer::{PLAIN, SIGNED};
use super::client::{Client, ClientRow, audience};
use crate::http::{EndpointUrl, Form};
use crate::jwt::rules::Rules;

/// The longest name of a column or parameter value that is a URL, in bytes.
const MAX_URL: usize = 2048;

/// By how many seconds the clock of who signs an answer may differ, at least.
const CLOCKS: u64 = 60;

/// For how many seconds a signed answer counts.
const ANSWER_AGE: u64 = 300;

/// What is said of an issuer. It is asked if there is an endpoint, or a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntrospectionRow {
    /// Its endpoint, if it is not that of its metadata.
    pub url: Option<String>,
    /// Who asks.
    pub client: ClientRow,
    /// For which tokens: `opaque`, or `all`.
    pub tokens: Option<String>,
    /// Whether its answers have to be signed: `0`, or `1`.
    pub signed: Option<String>,
}

/// For which tokens an issuer is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// For those that nobody else can read.
    Opaque,
    /// For all.
    All,
}

/// How an issuer is asked.
#[derive(Debug)]
pub struct Introspection {
    /// Distinguishes it from any other, also from what a row said before.
    pub number: u64,
    /// For which tokens.
    pub which: Which,
    /// Whether answers have to be signed.
    pub signed: bool,
    /// What a JSON Web Token is checked against before its issuer is asked; the rest follows.
    pub first_rules: Rules,
    /// What a token that is no JSON Web Token is checked against.
    pub opaque_rules: Rules,
    /// What a signed answer is checked against.
    pub answer_rules: Rules,
    /// The `iss` of its tokens, if there is one.
    issuer: Option<String>,
    /// `None` for that of the issuer's metadata.
    url: Option<EndpointUrl>,
    client: Client,
}

/// What is the same for all issuers.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a question may take (`introspection_timeout`).
    pub timeout: Duration,
    /// How many tokens that are not active are asked for, of one source (`introspection_source_limit`).
    pub source_limit: u32,
    /// The same of all sources (`introspection_limit`).
    pub limit: u32,
}

impl IntrospectionRow {
    /// Whether nobody is asked.
    pub fn is_empty(&self) -> bool {
        let signed = self.signed.clone();
        *self
            == IntrospectionRow {
                signed,
                ..IntrospectionRow::default()
            }
    }
}

impl Introspection {
    /// Reads what is said of an issuer whose tokens are checked against `rules`; `None` if nothing is. Where
    /// something else is wrong, the message has the name of a parameter, or of a column.
    ///
    /// # Errors
    /// Fails with what is wrong, in words that hold nothing secret.
    pub fn new(row: IntrospectionRow, rules: &Rules) -> Result<Option<Self>, String> {
        /// In front of the names of parameters and columns.
        const PREFIX: &str = "introspection_";
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        if row.is_empty() {
            return Ok(None);
        }
        if row.url.is_none() && row.client.id.is_none() {
            return Err(format!(
                "neither {PREFIX}url nor {PREFIX}client_id is set, and another {PREFIX}* is"
            ));
        }
        let which = match row.tokens.as_deref() {
            None | Some("opaque") => Which::Opaque,
            Some("all") => Which::All,
            Some(other) => {
                return Err(format!(
                    "{PREFIX}tokens {other:?} is not allowed, allowed is \"opaque\" or \"all\""
                ));
            }
        };
        let signed = match row.signed.as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(other) => {
                return Err(format!(
                    "{PREFIX}signed {other:?} is not allowed, allowed is 0 or 1"
                ));
            }
        };
        let url = row.url.as_deref().map(url).transpose();
        let url = url.map_err(|error| format!("{PREFIX}url {error}"))?;
        let client = Client::new(row.client, PREFIX)?;
        let issuer = match rules.issuers.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        let audiences = client.id().map(str::to_owned).into_iter().collect();
        if signed && (client.id().is_none() || rules.issuers.is_empty()) {
            return Err(format!(
                "{PREFIX}signed is 1, which needs {PREFIX}client_id and the issuer's name"
            ));
        }
        Ok(Some(Introspection {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            which,
            signed,
            first_rules: Rules {
                audiences: Vec::new(),
                require_exp: false,
                required_claims: Vec::new(),
                max_age: None,
                required_scope: Vec::new(),
                ..rules.clone()
            },
            opaque_rules: Rules {
                token_type: None,
                ..rules.clone()
            },
            answer_rules: Rules {
                algorithms: rules.algorithms,
                leeway: rules.leeway.max(CLOCKS),
                issuers: rules.issuers.clone(),
                audiences,
                max_age: Some(ANSWER_AGE),
                token_type: Some(SIGNED.to_owned()),
                ..Rules::default()
            },
            issuer,
            url,
            client,
        }))
    }

    /// The `iss` of its tokens, if there is one.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The endpoint, if it is not that of the issuer's metadata.
    pub fn url(&self) -> Option<&EndpointUrl> {
        self.url.as_ref()
    }

    /// Who asks.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The question about a token (RFC 7662 section 2.1), at `now`, the time since 1970. May access the disk.
    ///
    /// # Errors
    /// Fails with a message for the log.
    pub fn form(&self, endpoint: &EndpointUrl, token: &str, now: Duration) -> Result<Form, String> {
        let mut form = Form::new(if self.signed { SIGNED } else { PLAIN });
        form.add("token", token);
        form.add("token_type_hint", "access_token");
        let audience = audience(self.issuer(), endpoint);
        self.client.prove(&mut form, &audience, now)?;
        Ok(form)
    }
}

/// The URL of an endpoint. The text itself is not repeated in errors, as it may hold a password.
fn url(text: &str) -> Result<EndpointUrl, &'static str> {
    const ALLOWED: &str =
        "must be https://host[:port]/path; http only to 127.0.0.0/8, [::1] and localhost";
    let url: EndpointUrl = text.trim().parse().map_err(|_| ALLOWED)?;
    if !url.is_protected() || text.len() > MAX_URL {
        return Err(ALLOWED);
    }
    match url.basic() {
        None => Ok(url),
        Some(_) => Err("must have no user and password in it"),
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn row() -> IntrospectionRow {
        IntrospectionRow {
            url: Some("https://i.example/introspect".to_owned()),
            client: ClientRow {
                id: Some("proxy".to_owned()),
                secret: Some(Zeroizing::new("hunter2".to_owned())),
                ..ClientRow::default()
            },
            ..IntrospectionRow::default()
        }
    }

    fn rules() -> Rules {
        Rules {
            issuers: vec!["https://i.example".to_owned()],
            audiences: vec!["sip".to_owned()],
            token_type: Some("at+jwt".to_owned()),
            require_exp: true,
            ..Rules::default()
        }
    }

    #[test]
    fn nothing_said_is_nothing_asked() {
        let none = Introspection::new(IntrospectionRow::default(), &rules());
        assert!(none.unwrap().is_none());
        let some = Introspection::new(row(), &rules()).unwrap().unwrap();
        assert_eq!((some.which, some.signed), (Which::Opaque, false));
        assert_eq!(some.issuer(), Some("https://i.example"));
        let endpoint = some.url().unwrap();
        let form = some.form(endpoint, "a+b", Duration::ZERO).unwrap();
        assert_eq!(form.body(), "token=a%2Bb&token_type_hint=access_token");
    }

    #[test]
    fn mistakes_name_what_is_wrong_and_no_secret() {
        let with = |change: fn(&mut IntrospectionRow)| {
            let mut row = row();
            change(&mut row);
            row
        };
        for (row, part) in [
            (
                with(|it| it.url = Some("http://i.example/".into())),
                "introspection_url must be https",
            ),
            (
                with(|it| it.url = Some("https://u:hunter2@i.example/".into())),
                "no user and password",
            ),
            (
                with(|it| it.url = Some("hunter2".into())),
                "introspection_url must be",
            ),
            (
                with(|it| it.tokens = Some("some".into())),
                "\"opaque\" or \"all\"",
            ),
            (with(|it| it.signed = Some("yes".into())), "0 or 1"),
            (
                with(|it| {
                    it.url = None;
                    it.client.id = None;
                }),
                "neither introspection_url nor introspection_client_id",
            ),
        ] {
            let error = Introspection::new(row, &rules()).map(drop).unwrap_err();
            assert!(
                error.contains(part) && !error.contains("hunter2"),
                "{error}"
            );
        }
        let signed = with(|it| it.signed = Some("1".into()));
        assert!(Introspection::new(signed.clone(), &rules()).is_ok());
        assert!(Introspection::new(signed, &Rules::default()).is_err());
    }
}
