//! JWK Sets over real sockets, alone and through the sources that keep them. Timeouts that must
//! expire are short, those that must not are long.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::*;
use crate::http::Trust;
use crate::http::testing::{
    Seen, Server, TlsServer, answer, authority, nobody, tls_server_with, wait_for_end,
};
use crate::jwt::algorithm::{Algorithm, AlgorithmSet};
use crate::jwt::key::KeySet;
use crate::jwt::signatures::Signatures;
use crate::jwt::testing::{self, fixture, parse, signing_key};
use crate::jwt::token::Token;
use crate::jwt::verify::verify_with_set;
use crate::keys::error::{SourceCause, SourceError};
use crate::keys::{KeySources, SourceConfig};

fn fetcher(trust: Trust) -> HttpFetch {
    HttpFetch::new(&ClientConfig {
        trust,
        user_agent: "me/1".to_owned(),
        ..ClientConfig::default()
    })
    .expect("a good configuration")
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn get(url: &str) -> Result<Fetched, FetchError> {
    fetcher(Trust::System).get(url, far())
}

fn within(url: &str, milliseconds: u64) -> Result<Fetched, FetchError> {
    let deadline = Instant::now() + Duration::from_millis(milliseconds);
    fetcher(Trust::System).get(url, deadline)
}

fn with_headers(headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_document_is_asked_for_and_comes_whole() {
    let (server, seen) = Server::fixed(with_headers(
        "Cache-Control: public, max-age=300\r\nAge: 100\r\n",
        "document",
    ));
    let url = server
        .url()
        .replace("//", "//us%65r:p@")
        .replace("/auth", "/certs?x=1");
    let fetched = get(&url).expect("a document");
    assert_eq!(fetched.body, b"document");
    assert_eq!(fetched.max_age, Some(Duration::from_secs(200)));
    let seen = seen.lock().expect("not poisoned").pop().expect("a request");
    assert_eq!(seen.line, "GET /certs?x=1 HTTP/1.1");
    assert_eq!(
        seen.header("accept"),
        Some("application/jwk-set+json, application/json")
    );
    assert_eq!(seen.header("user-agent"), Some("me/1"));
    assert_eq!(seen.header("authorization"), Some("Basic dXNlcjpw"));
    assert_eq!(seen.body, "");
}

#[test]
fn a_provider_need_not_say_how_long() {
    let (server, _) = Server::fixed(answer("200 OK", "document"));
    assert_eq!(get(&server.url()).expect("a document").max_age, None);
}

#[test]
fn each_request_has_a_connection_of_its_own() {
    let (server, seen) = Server::fixed(answer("200 OK", "document"));
    let fetcher = fetcher(Trust::System);
    for connections in 1..=3 {
        fetcher.get(&server.url(), far()).expect("a document");
        assert_eq!(server.connections(), connections);
    }
    let seen = seen.lock().expect("not poisoned").clone();
    assert!(
        seen.iter()
            .all(|seen| seen.header("authorization").is_none())
    );
}

#[test]
fn unprotected_urls_are_not_asked() {
    for (url, error) in [
        ("http://192.0.2.1/certs", KeyReferenceError::Unprotected),
        ("ftp://localhost/certs", KeyReferenceError::Url),
        ("certs", KeyReferenceError::Url),
    ] {
        assert_eq!(get(url), Err(FetchError::Url(error)), "{url}");
    }
}

#[test]
fn what_is_no_document_is_an_error_that_says_what() {
    let redirect = |status: &str| {
        format!(
            "HTTP/1.1 {status}\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
            nobody()
        )
    };
    for (response, expected) in [
        (redirect("301 Moved"), FetchError::Redirect(301)),
        (redirect("302 Found"), FetchError::Redirect(302)),
        (redirect("308 Moved"), FetchError::Redirect(308)),
        (answer("201 Created", "x"), FetchError::Status(201)),
        (answer("404 No", "x"), FetchError::Status(404)),
        (answer("503 Later", "x"), FetchError::Status(503)),
        (
            "HTTP/1.1 204 None\r\n\r\n".to_owned(),
            FetchError::Status(204),
        ),
    ] {
        let (server, _) = Server::fixed(response);
        assert_eq!(get(&server.url()), Err(expected));
    }
    let (server, _) = Server::fixed("garbage\r\n\r\n".to_owned());
    let error = get(&server.url()).expect_err("garbage").to_string();
    assert!(error.starts_with("its answer is not HTTP"), "{error}");
    let error = get(&nobody()).expect_err("nobody is there").to_string();
    assert!(error.starts_with("can't connect"), "{error}");
    let half = Server::raw(|_, mut stream| {
        Seen::read(&mut std::io::BufReader::new(&stream));
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    });
    let error = get(&half.url()).expect_err("half").to_string();
    assert!(
        error.contains("broke") || error.contains("not HTTP"),
        "{error}"
    );
}

#[test]
fn the_longest_document_is_read_and_one_byte_more_is_not() {
    for length in [MAX_DOCUMENT, MAX_DOCUMENT + 1, 20 * MAX_DOCUMENT] {
        let body = "x".repeat(length);
        let (server, _) = Server::fixed(answer("200 OK", &body));
        let chunked = format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
        );
        let (unannounced, _) = Server::fixed(chunked);
        for server in [server, unannounced] {
            match get(&server.url()) {
                Ok(fetched) => assert_eq!((fetched.body.len(), length), (MAX_DOCUMENT, length)),
                Err(error) => {
                    assert_eq!(error, FetchError::TooLong);
                    assert!(length > MAX_DOCUMENT, "{length}");
                }
            }
        }
    }
}

#[test]
fn the_deadline_ends_every_way_to_be_slow() {
    let silent = Server::raw(|_, stream| wait_for_end(stream));
    let middle = Server::raw(|_, mut stream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"ke");
        wait_for_end(stream);
    });
    // A byte at a time, so that no single read ever waits long.
    let drip = Server::raw(|_, mut stream| {
        let all = with_headers("", &"x".repeat(100_000));
        for byte in all.bytes() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    for server in [&silent, &middle, &drip] {
        let error = within(&server.url(), 300).expect_err("slow").to_string();
        assert!(error.starts_with("timed out"), "{error}");
    }
    let handshake = silent.url().replace("http:", "https:");
    let error = within(&handshake, 300).expect_err("slow").to_string();
    assert_eq!(error, "timed out connecting");
    let connections = silent.connections();
    let error = within(&silent.url(), 0).expect_err("late").to_string();
    assert_eq!(error, "timed out before it could be asked");
    assert_eq!(silent.connections(), connections);
}

// From here on over TLS, through the sources that keep the sets.

/// A provider whose answer is set by the test.
struct Provider {
    tls: TlsServer,
    response: Arc<Mutex<String>>,
}

impl Provider {
    fn new() -> Self {
        let response = Arc::new(Mutex::new(answer("200 OK", &set(&[0]))));
        let current = Arc::clone(&response);
        let tls = tls_server_with(move |_| current.lock().expect("not poisoned").clone());
        Self { tls, response }
    }

    fn says(&self, response: String) {
        *self.response.lock().expect("not poisoned") = response;
    }

    fn url(&self) -> String {
        self.tls.server.url().replace("http:", "https:")
    }

    /// With the right trust, and without a pause between two requests.
    fn sources(&self) -> KeySources {
        sources(Trust::Pem(self.tls.pem.clone()))
    }
}

fn sources(trust: Trust) -> KeySources {
    let config = SourceConfig {
        min_refresh: Duration::ZERO,
        ..SourceConfig::default()
    };
    KeySources::new(config, Arc::new(fetcher(trust)))
}

/// A set of the first or the second of two keys, or of both; their kids are `0` and `1`.
fn set(kids: &[usize]) -> String {
    let mut published: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/jwks/auth0.json")).expect("JSON");
    let keys = published["keys"].as_array_mut().expect("keys");
    for (kid, key) in keys.iter_mut().enumerate() {
        key["kid"] = kid.to_string().into();
    }
    let wanted: Vec<_> = kids.iter().map(|kid| keys[*kid].clone()).collect();
    serde_json::json!({ "keys": wanted }).to_string()
}

fn token(kid: &str) -> Token {
    let other = pem::parse(fixture!("rsa-2048-other.test-private.pem")).expect("PEM");
    let key = match kid {
        "0" => signing_key(Algorithm::RS256),
        _ => jsonwebtoken::EncodingKey::from_rsa_der(other.contents()),
    };
    let header = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{kid}"}}"#);
    parse(&testing::signed(&header, "{}", Algorithm::RS256, &key))
}

fn verifies(keys: &KeySet, kid: &str) -> bool {
    verify_with_set(&token(kid), keys, AlgorithmSet::ALL, &Signatures::none()).is_ok()
}

#[test]
fn keys_are_rotated_at_an_https_server_with_its_own_authority() {
    let provider = Provider::new();
    let (sources, url) = (provider.sources(), provider.url());
    assert!(sources.must_fetch(&url, &token("0"), Instant::now()));
    let keys = sources.fetch(&url, far()).expect("a set");
    assert!(verifies(&keys, "0") && !verifies(&keys, "1"));
    // The new key is published next to the old one, and a token names it.
    provider.says(answer("200 OK", &set(&[0, 1])));
    assert!(!sources.must_fetch(&url, &token("0"), Instant::now()));
    assert!(sources.must_fetch(&url, &token("1"), Instant::now()));
    let keys = sources.fetch(&url, far()).expect("a set");
    assert!(verifies(&keys, "0") && verifies(&keys, "1"));
    // The old one is withdrawn, and the set expires.
    provider.says(answer("200 OK", &set(&[1])));
    let later = Instant::now() + Duration::from_secs(61);
    assert!(sources.should_refresh(&url, later));
    sources.fetch(&url, far()).expect("a set");
    let keys = sources.known(&url).expect("a set");
    assert!(!verifies(&keys, "0") && verifies(&keys, "1"));
}

#[test]
fn what_an_https_server_says_of_freshness_counts() {
    let provider = Provider::new();
    provider.says(with_headers("Cache-Control: max-age=600\r\n", &set(&[0])));
    let (sources, url) = (provider.sources(), provider.url());
    let before = Instant::now();
    sources.fetch(&url, far()).expect("a set");
    let after = Instant::now();
    let age = Duration::from_secs;
    assert!(!sources.should_refresh(&url, before + age(599)));
    assert!(sources.should_refresh(&url, after + age(600)));
}

#[test]
fn the_last_good_set_stays_whatever_the_server_does() {
    let provider = Provider::new();
    let (sources, url) = (provider.sources(), provider.url());
    sources.fetch(&url, far()).expect("a set");
    let assert_kept = |error: SourceError, cause: &str| {
        let message = error.to_string();
        let start = format!("keys from {url}: {cause}");
        assert!(message.starts_with(&start), "{message}");
        assert!(verifies(&error.last_good.expect("the last good set"), "0"));
        assert!(verifies(&sources.known(&url).expect("the same"), "0"));
    };
    let huge = format!("{}{}", set(&[1]), " ".repeat(MAX_DOCUMENT));
    let elsewhere = Server::fixed(answer("200 OK", &set(&[1]))).0;
    let redirect = format!(
        "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url()
    );
    for (response, cause) in [
        (answer("500 Oh", &set(&[1])), "it answered with status 500"),
        (redirect, "it answered with a redirect"),
        (answer("200 OK", &huge), "its answer is longer than"),
        (
            answer("200 OK", "<html>no</html>"),
            "it is an HTML page, not a JWK Set",
        ),
        (
            answer("200 OK", r#"{"keys":[]}"#),
            "it is a JWK Set without a usable key",
        ),
        ("garbage\r\n\r\n".to_owned(), "its answer is not HTTP"),
    ] {
        provider.says(response);
        assert_kept(sources.fetch(&url, far()).expect_err(cause), cause);
    }
    assert_eq!(elsewhere.connections(), 0, "a redirect was followed");
    provider.says(answer("200 OK", &set(&[1])));
    assert!(verifies(&sources.fetch(&url, far()).expect("a set"), "1"));
}

#[test]
fn a_server_that_nobody_vouches_for_publishes_nothing() {
    let provider = Provider::new();
    let stranger = Trust::Pem(authority().pem().into_bytes());
    for trust in [Trust::System, stranger] {
        let error = sources(trust)
            .fetch(&provider.url(), far())
            .expect_err("no trust");
        assert!(error.last_good.is_none());
        let SourceCause::Fetch(FetchError::Failed(message)) = error.cause else {
            panic!("{error}");
        };
        assert!(message.starts_with("TLS failed"), "{message}");
    }
    // Nor is one with a certificate for another name. (Without IPv6, it is not even reached.)
    let other_name = provider.url().replace("127.0.0.1", "[::ffff:127.0.0.1]");
    let error = provider.sources().fetch(&other_name, far());
    let message = error.expect_err("another name").to_string();
    assert!(
        message.contains("TLS failed") || message.contains("can't connect"),
        "{message}"
    );
    let localhost = provider.url().replace("127.0.0.1", "localhost");
    provider.sources().fetch(&localhost, far()).expect("a set");
}
