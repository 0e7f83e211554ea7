mod recorded;

use std::collections::HashMap;
use std::sync::Mutex;

use super::*;
use crate::keys::Discovery;

const ISSUER: &str = "https://a.example/realm";
const AT: &str = "https://a.example/realm/.well-known/openid-configuration";
const OAUTH: &str = "https://a.example/.well-known/oauth-authorization-server/realm";

/// Pages, and which were asked for.
#[derive(Default)]
struct Web {
    pages: HashMap<String, Vec<u8>>,
    asked: Mutex<Vec<String>>,
}

impl Web {
    fn with(mut self, url: &str, body: impl Into<Vec<u8>>) -> Self {
        self.pages.insert(url.to_owned(), body.into());
        self
    }

    fn get(&self, discovery: &Discovery) -> Result<Fetched, FetchError> {
        get(self, discovery.name(), Instant::now())
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Fetch for Web {
    fn get(&self, url: &str, _: Instant) -> Result<Fetched, FetchError> {
        self.asked.lock().unwrap().push(url.to_owned());
        let body = self
            .pages
            .get(url)
            .cloned()
            .ok_or(FetchError::Status(404))?;
        Ok(Fetched {
            body,
            max_age: None,
        })
    }
}

fn plain() -> Discovery {
    Discovery::new(ISSUER, None).unwrap()
}

fn said(issuer: &str, uri: &str) -> String {
    format!(r#"{{"issuer":"{issuer}","jwks_uri":"{uri}"}}"#)
}

#[test]
fn metadata_name_the_keys() {
    let keys = "https://keys.example/set";
    let web = Web::default()
        .with(
            AT,
            r#"{"issuer":"https://a.example/realm","jwks_uri":"https://keys.example/set",
            "introspection_endpoint":"https://a.example/introspect","token_endpoint":7}"#,
        )
        .with(keys, "the set");
    let answer = web.get(&plain()).unwrap();
    assert_eq!(web.asked(), [AT, keys]);
    let (metadata, set) = split(plain().name(), &answer.body);
    assert_eq!(set.trim_ascii(), b"the set");
    let metadata = metadata.unwrap();
    assert_eq!(metadata.jwks_uri, keys);
    let endpoint = metadata.introspection_endpoint.as_deref();
    assert_eq!(endpoint, Some("https://a.example/introspect"));
    assert!(metadata.take_report() && !metadata.take_report());
    // Of a URL there is only the set.
    let (none, whole) = split(keys, b"a b\nc");
    assert!(none.is_none() && whole == b"a b\nc");
}

#[test]
fn both_well_known_places_are_tried() {
    let keys = "https://keys.example/set";
    let web = Web::default()
        .with(OAUTH, said(ISSUER, keys))
        .with(keys, "x");
    assert!(web.get(&plain()).is_ok());
    assert_eq!(web.asked(), [AT, OAUTH, keys]);
    // One that is wrong is not looked for elsewhere.
    let web = web.with(AT, said("https://b.example", keys));
    assert!(web.get(&plain()).is_err());
    assert_eq!(web.asked(), [AT]);
    assert_eq!(Web::default().get(&plain()), Err(FetchError::Status(404)));
    // With a URL, that is the only one.
    let url = "https://b.example/metadata?a=b";
    let web = Web::default().with(OAUTH, said(ISSUER, keys));
    assert!(
        web.get(&Discovery::new(ISSUER, Some(url)).unwrap())
            .is_err()
    );
    assert_eq!(web.asked(), [url]);
}

#[test]
fn the_issuer_is_compared_byte_by_byte() {
    let keys = "https://keys.example/set";
    for other in [
        "https://a.example/realm/",
        "https://A.example/realm",
        "https://a.example/Realm",
        "https://a.example/realm ",
        "https://a.example:443/realm",
        "",
    ] {
        let web = Web::default().with(AT, said(other, keys)).with(keys, "x");
        let error = web.get(&plain()).unwrap_err().to_string();
        assert!(
            error.contains("those of issuer") && error.contains(ISSUER),
            "{error}"
        );
        assert_eq!(web.asked(), [AT], "its keys are not asked for");
    }
    // As Entra ID has it: the template itself, and nothing else.
    let template = Discovery::new("https://a.example/{tenantid}", None).unwrap();
    let at = "https://a.example/common/.well-known/openid-configuration";
    for (issuer, is_good) in [
        ("https://a.example/{tenantid}", true),
        ("https://a.example/common", false),
    ] {
        let web = Web::default().with(at, said(issuer, keys)).with(keys, "x");
        assert_eq!(web.get(&template).is_ok(), is_good, "{issuer}");
    }
}

#[test]
fn what_is_wrong_with_metadata_is_said() {
    let keys = "https://keys.example/set";
    let twice = format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}","jwks_uri":"{keys}"}}"#);
    let long = format!("{}{}", said(ISSUER, keys), " ".repeat(MAX_METADATA));
    for (body, reason) in [
        ("<html>".to_owned(), "is not a JSON object"),
        ("[]".to_owned(), "is not a JSON object"),
        ("{}".to_owned(), "name no issuer"),
        (r#"{"issuer":7}"#.to_owned(), "name no issuer"),
        (twice, "names a member twice"),
        (format!(r#"{{"issuer":"{ISSUER}"}}"#), "have no jwks_uri"),
        (said(ISSUER, "x"), "not an https URL"),
        (said(ISSUER, "http://keys.example/"), "not an https URL"),
        // Not what runs on this machine.
        (said(ISSUER, "http://127.0.0.1/admin"), "not an https URL"),
        (said(ISSUER, "http://localhost/"), "not an https URL"),
        (said(ISSUER, "file:///etc/passwd"), "not an https URL"),
        (said(ISSUER, "https://a.example/ b"), "not an https URL"),
        (said(ISSUER, "https://a.example/\\n"), "not an https URL"),
        (long, "longer than 65536 bytes"),
    ] {
        let web = Web::default().with(AT, body.clone()).with(keys, "x");
        let error = web.get(&plain()).unwrap_err().to_string();
        assert!(error.contains(reason), "{body}: {error}");
        assert_eq!(web.asked(), [AT]);
    }
    let web = Web::default().with(AT, said(ISSUER, keys));
    let error = web.get(&plain()).unwrap_err().to_string();
    assert!(error.contains("404") && error.contains(keys), "{error}");
    // On this machine itself, everything may be.
    let local = Discovery::new("http://127.0.0.1:7", None).unwrap();
    let web = Web::default()
        .with(
            "http://127.0.0.1:7/.well-known/openid-configuration",
            said("http://127.0.0.1:7", "http://127.0.0.1:8/"),
        )
        .with("http://127.0.0.1:8/", "x");
    assert!(web.get(&local).is_ok());
}

#[test]
fn an_endpoint_elsewhere_is_none() {
    for endpoint in ["x", "http://127.0.0.1/", "http://a.example/", ""] {
        let text = format!(
            r#"{{"issuer":"{ISSUER}","jwks_uri":"https://a.example/k","introspection_endpoint":"{endpoint}"}}"#
        );
        let metadata = Metadata::parse(text.as_bytes(), ISSUER, true).unwrap();
        assert_eq!(metadata.introspection_endpoint, None, "{endpoint}");
    }
}

#[test]
fn what_is_fetched_is_bounded() {
    let keys = "https://keys.example/set";
    let web = Web::default()
        .with(AT, said(ISSUER, keys))
        .with(keys, vec![b' '; MAX_DOCUMENT]);
    assert_eq!(web.get(&plain()), Err(FetchError::TooLong));
}
