//! Whatever an identity provider answers when its keys are looked for: its metadata, up to the first NUL, and
//! the JWK Set that they name.
#![no_main]

use std::cell::RefCell;
use std::time::{Duration, Instant};

use auth_web::fuzzing::{EndpointUrl, Fetch, FetchError, Fetched, published_by};
use auth_web::jwt::key::KeySet;
use libfuzzer_sys::fuzz_target;

/// Nothing that is printed may have it.
const PASSWORD: &str = "Zq7vXw9KpT";

/// Issuer and URL of metadata: at https, at this machine, and elsewhere than where they should be.
const NAMES: [(&str, bool); 3] = [
    ("https://idp.example/realms/x ", true),
    ("http://127.0.0.1:8080 ", false),
    ("https://idp.example https://idp.example/metadata", true),
];

struct Provider<'a> {
    metadata: &'a [u8],
    set: &'a [u8],
    asked: RefCell<Vec<String>>,
}

impl Fetch for Provider<'_> {
    fn get(&self, url: &str, _deadline: Instant) -> Result<Fetched, FetchError> {
        let mut asked = self.asked.borrow_mut();
        let body = match asked.len() {
            0 => self.metadata,
            _ => self.set,
        };
        asked.push(url.to_owned());
        match body {
            [] => Err(FetchError::Status(404)),
            body => Ok(Fetched {
                body: body.to_vec(),
                max_age: Some(Duration::from_secs(60)),
            }),
        }
    }
}

fuzz_target!(|data: &[u8]| {
    if data
        .windows(PASSWORD.len())
        .any(|it| it == PASSWORD.as_bytes())
    {
        return;
    }
    let end = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let (metadata, set) = data.split_at(end);
    let set = set.get(1..).unwrap_or_default();
    check(metadata, set);
    // As if each URL had a password in it.
    if let Ok(text) = str::from_utf8(metadata) {
        let with = |text: &str| {
            let (plain, secret) = ("\"http", format!("://u:{PASSWORD}@"));
            let text = text.replace(&format!("{plain}://"), &format!("{plain}{secret}"));
            text.replace(&format!("{plain}s://"), &format!("{plain}s{secret}"))
        };
        check(with(text).as_bytes(), set);
        // Whose metadata these are is still said.
        if let Some((issuer, rest)) = text.split_once(',') {
            check(format!("{issuer},{}", with(rest)).as_bytes(), set);
        }
    }
});

fn check(metadata: &[u8], set: &[u8]) {
    for (name, https) in NAMES {
        let provider = Provider {
            metadata,
            set,
            asked: RefCell::default(),
        };
        let answer = published_by::get(&provider, name, Instant::now());
        let asked = provider.asked.into_inner();
        let (issuer, _) = name.split_once(' ').expect("a name");
        match answer {
            Ok(answer) => {
                let uri = asked.last().expect("a set was asked for");
                // Where nothing is at the first place, it is looked for at the second.
                let said = if metadata.is_empty() { set } else { metadata };
                // A number that is too large is none to that reader.
                let other = serde_json::from_slice::<serde_json::Value>(said).ok();
                if let Some(members) = &other {
                    assert_eq!(members["issuer"], issuer);
                    assert_eq!(members["jwks_uri"], uri.as_str());
                }
                let url: EndpointUrl = uri.parse().expect("it is at a URL");
                assert!(url.is_protected());
                assert!(!https || url.target().starts_with("https://"));
                let (found, keys) = published_by::split(name, &answer.body);
                let found = found.expect("metadata are part of the answer");
                assert_eq!(&found.jwks_uri, uri);
                assert_eq!(keys.strip_prefix(b"\n"), Some(set));
                if let Some(endpoint) = &found.introspection_endpoint {
                    let is_said =
                        |it: serde_json::Value| it["introspection_endpoint"] == **endpoint;
                    assert!(other.is_none_or(is_said));
                    let url: EndpointUrl = endpoint.parse().expect("an endpoint is a URL");
                    assert!(!https || url.target().starts_with("https://"));
                }
                assert!(!found.to_string().contains(PASSWORD));
                if let Err(error) = KeySet::parse_published(keys) {
                    assert!(!error.to_string().contains(PASSWORD));
                }
            }
            Err(error) => {
                // An issuer is no secret, and is shown as the metadata have it.
                let error = error.to_string();
                assert!(!error.contains(PASSWORD) || error.contains("those of issuer"));
            }
        }
    }
    // What another process has written.
    for (name, _) in NAMES {
        _ = published_by::split(name, metadata);
    }
}
