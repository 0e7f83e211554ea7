//! The client against real sockets. Timeouts that must expire are short, those that must not are
//! long; no test measures how long something took except against the timeout that limits it.

use std::io::Write as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::UNIX_EPOCH;

use rustls::HandshakeKind;

use super::super::agents::{BUFFER, MAX_HEAD};
use super::super::answer::AnswerError;
use super::super::form::Form;
use super::super::testing::{
    OK, Seen, Server, TlsServer, answer, nobody, tls_server, wait_for_end,
};
use super::super::{Circuits, EndpointDefaults, EndpointRow, Method, Trust, Verdict};
use super::*;

fn client(change: impl FnOnce(&mut ClientConfig)) -> Client {
    let mut config = ClientConfig {
        trust: Trust::Anybody,
        ..ClientConfig::default()
    };
    change(&mut config);
    Client::new(config, Circuits::own(64)).expect("a good configuration")
}

fn endpoint(urls: &str) -> Endpoint {
    Endpoint::parse(urls, &EndpointDefaults::default()).expect("good URLs")
}

fn ask_within(client: &Client, endpoint: &Endpoint, milliseconds: u64) -> Result<Answer, Cause> {
    let payload = match endpoint.method() {
        Method::Post => Payload::Json(r#"{"method":"REGISTER"}"#.to_owned()),
        Method::Get => Payload::Query("method=REGISTER&x=%20".to_owned()),
    };
    let deadline = Instant::now() + Duration::from_millis(milliseconds);
    let now = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    client
        .ask(endpoint, &payload, Some(60), deadline, now)
        .map_err(|error| {
            let shown = error.to_string();
            assert!(
                shown.starts_with("endpoint http") && !shown.contains('\n'),
                "{shown}"
            );
            error.failures.into_iter().next_back().expect("a cause").1
        })
}

/// With plenty of time.
fn ask(client: &Client, endpoint: &Endpoint) -> Result<Answer, Cause> {
    ask_within(client, endpoint, 60_000)
}

fn assert_admitted(result: Result<Answer, Cause>) {
    assert_eq!(
        result.map(|answer| answer.verdict),
        Ok(Verdict::Admitted { expires: Some(60) })
    );
}

#[test]
fn a_post_carries_the_json_and_the_connection_is_used_again() {
    let (server, seen) = Server::fixed(answer("200 OK", OK));
    let client = client(|config| config.user_agent = "me/1".to_owned());
    let endpoint = endpoint(&format!("{}?k=v", server.url()));
    for _ in 0..3 {
        assert_admitted(ask(&client, &endpoint));
    }
    assert_eq!(server.connections(), 1);
    let seen = seen.lock().expect("not poisoned").clone();
    assert_eq!(seen.len(), 3);
    for request in seen {
        assert_eq!(request.line, "POST /auth?k=v HTTP/1.1");
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("accept"), Some("application/json"));
        assert_eq!(request.header("accept-encoding"), Some("identity"));
        assert_eq!(request.header("user-agent"), Some("me/1"));
        assert_eq!(
            request.header("host"),
            Some(server.address.to_string().as_str())
        );
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.body, r#"{"method":"REGISTER"}"#);
    }
}

#[test]
fn a_body_that_fits_no_buffer_arrives_whole() {
    let (server, seen) = Server::fixed(answer("200 OK", OK));
    let body = format!("\"{}\"", "x".repeat(5 * BUFFER));
    let deadline = Instant::now() + Duration::from_secs(60);
    for length in [body.len(), BUFFER, BUFFER - 100, BUFFER - 200, BUFFER - 300] {
        let payload = Payload::Json(body[..length].to_owned());
        client(|_| ())
            .ask(
                &endpoint(&server.url()),
                &payload,
                None,
                deadline,
                UNIX_EPOCH,
            )
            .expect("an answer");
        let seen = seen.lock().expect("not poisoned").pop().expect("a request");
        assert!(seen.body == body[..length], "{length} bytes did not arrive");
    }
}

#[test]
fn a_get_carries_the_query_and_an_empty_body_is_signed() {
    let (server, seen) = Server::fixed(answer("200 OK", OK));
    let row = EndpointRow {
        url: server.url(),
        method: Some("GET".to_owned()),
        username: Some("u".to_owned()),
        password: Some("p:w".to_owned().into()),
        signature_secret: Some("secret".to_owned().into()),
        ..EndpointRow::default()
    };
    let endpoint = Endpoint::from_row(&row, &EndpointDefaults::default()).expect("a good row");
    assert_admitted(ask(&client(|_| ()), &endpoint));
    let seen = seen.lock().expect("not poisoned").pop().expect("a request");
    assert_eq!(seen.line, "GET /auth?method=REGISTER&x=%20 HTTP/1.1");
    assert_eq!(seen.header("authorization"), Some("Basic dTpwOnc="));
    let key = super::super::SignatureKey::new(b"secret");
    let signature = key.sign(b"", UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    assert_eq!(seen.header("jambonz-signature"), Some(signature.as_str()));
    assert_eq!(seen.body, "");
}

#[test]
fn the_urls_own_user_goes_before_the_configured_one_and_the_header_can_be_named() {
    let (server, seen) = Server::fixed(answer("200 OK", OK));
    let client = client(|config| config.signature_header = "X-Signature".parse().unwrap());
    let defaults = EndpointDefaults {
        basic: Some(super::super::Basic {
            username: "Aladdin".to_owned(),
            password: "open sesame".to_owned().into(),
        }),
        signature: Some(super::super::SignatureKey::new(b"secret")),
        ..EndpointDefaults::default()
    };
    let address = server.address;
    for (url, header) in [
        (
            format!("http://{address}/"),
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        (
            format!("http://a%40b:c%20d@{address}/"),
            "Basic YUBiOmMgZA==",
        ),
    ] {
        let endpoint = Endpoint::parse(&url, &defaults).expect("a good URL");
        assert_admitted(ask(&client, &endpoint));
        let seen = seen.lock().expect("not poisoned").pop().expect("a request");
        assert_eq!(seen.header("authorization"), Some(header));
        assert!(
            seen.header("x-signature")
                .is_some_and(|value| value.starts_with("t=1700000000"))
        );
        assert_eq!(seen.header("jambonz-signature"), None);
    }
}

#[test]
fn a_basic_challenge_is_answered_once_with_what_there_is_for_host_and_realm() {
    let challenge = "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\r\n\
        WWW-Authenticate: Basic realm=\"hooks\"\r\nContent-Length: 0\r\n\r\n";
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::http(move |_, _, seen| {
        counted.fetch_add(1, Ordering::SeqCst);
        let right = seen.header("authorization") == Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        Some(if right {
            answer("200 OK", OK)
        } else {
            challenge.to_owned()
        })
    });
    let asked = |password: &'static str, url: &str| {
        let client = client(|_| ()).answering_challenges(Box::new(move |host, realm| {
            assert_eq!((host, realm), ("127.0.0.1", "hooks"));
            (!password.is_empty()).then(|| Basic {
                username: "Aladdin".to_owned(),
                password: password.to_owned().into(),
            })
        }));
        let result = ask(&client, &endpoint(url));
        (result.is_ok(), requests.swap(0, Ordering::SeqCst))
    };
    assert_eq!(asked("open sesame", &server.url()), (true, 2));
    assert_eq!(asked("wrong", &server.url()), (false, 2), "once");
    assert_eq!(asked("", &server.url()), (false, 1), "nothing is known");
    let own = server.url().replace("//", "//somebody:else@");
    assert_eq!(asked("open sesame", &own), (false, 1), "it has its own");
}

#[test]
fn a_stale_connection_is_replaced_once_and_nobody_notices() {
    // Each connection serves one request, and is closed when the second arrives.
    let server = Server::http(|_, number, _| (number == 1).then(|| answer("200 OK", OK)));
    let (client, endpoint) = (client(|_| ()), endpoint(&server.url()));
    for connections in 1..=4 {
        assert_admitted(ask(&client, &endpoint));
        assert_eq!(server.connections(), connections);
    }
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_not_even_tried() {
    let server = Server::raw(|_, stream| {
        let mut reader = std::io::BufReader::new(stream);
        Seen::read(&mut reader);
        _ = reader.get_mut().write_all(answer("200 OK", OK).as_bytes());
    });
    let (client, endpoint) = (client(|_| ()), endpoint(&server.url()));
    for connections in 1..=3 {
        assert_admitted(ask(&client, &endpoint));
        assert_eq!(server.connections(), connections);
    }
}

#[test]
fn what_follows_an_answer_that_is_none_answers_nobody_else() {
    let empty = "HTTP/1.1 204 No Content\r\n\r\n".to_owned();
    for no_answer in [
        empty,
        answer("200 OK", ""),
        answer("200 OK", "[]"),
        answer("200 OK", "<html>"),
        answer("404 Not Found", OK),
        answer("500 Internal Server Error", OK),
    ] {
        // The first connection admits whoever comes next, without having been asked about him.
        let (send, next) = (no_answer.clone(), answer("200 OK", OK));
        let server = Server::raw(move |connection, stream| {
            let mut reader = std::io::BufReader::new(stream);
            Seen::read(&mut reader);
            let response = match connection {
                1 => &send,
                _ => {
                    r#"HTTP/1.1 200 OK
Content-Length: 17

{"status":"fail"}"#
                }
            };
            _ = reader.get_mut().write_all(response.as_bytes());
            if connection == 1 && Seen::read(&mut reader).is_some() {
                _ = reader.get_mut().write_all(next.as_bytes());
            }
            wait_for_end(reader);
        });
        let (client, endpoint) = (client(|_| ()), endpoint(&server.url()));
        assert!(ask(&client, &endpoint).is_err(), "{no_answer}");
        let second = ask(&client, &endpoint).map(|answer| answer.verdict);
        assert!(
            matches!(second, Ok(Verdict::Denied { .. })),
            "{no_answer}: {second:?}"
        );
        assert_eq!(server.connections(), 2, "{no_answer}");
    }
}

#[test]
fn what_follows_no_answer_to_a_form_answers_no_other() {
    let json = |body: &str| {
        answer("200 OK", body).replace("\r\n\r\n", "\r\nContent-Type: application/json\r\n\r\n")
    };
    for no_answer in [
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        json(""),
        answer("200 OK", "{}"),
        json("{}").replace("200 OK", "400 Bad Request"),
    ] {
        let (send, late, right) = (no_answer.clone(), json("[1]"), json("[2]"));
        let server = Server::raw(move |connection, stream| {
            let mut reader = std::io::BufReader::new(stream);
            while Seen::read(&mut reader).is_some() {
                let response = match connection {
                    1 => &send,
                    _ => &right,
                };
                _ = reader.get_mut().write_all(response.as_bytes());
                if connection == 1 && Seen::read(&mut reader).is_some() {
                    _ = reader.get_mut().write_all(late.as_bytes());
                }
            }
        });
        let (client, url) = (client(|_| ()), server.url().parse().expect("a URL"));
        let ask = || {
            let mut form = Form::new("application/json");
            form.add("token", "x");
            let until = Instant::now() + Duration::from_secs(60);
            client
                .post_form(&url, &form, 100, until)
                .map(|answer| answer.body)
        };
        assert_ne!(ask().ok(), Some(b"[2]".to_vec()), "{no_answer}");
        for _ in 0..2 {
            assert_eq!(ask().ok(), Some(b"[2]".to_vec()), "{no_answer}");
        }
        assert_eq!(server.connections(), 2, "{no_answer}");
    }
}

#[test]
fn an_endpoint_that_hangs_up_is_not_asked_again() {
    let server = Server::http(|connection, _, _| (connection == 1).then(|| answer("200 OK", OK)));
    let (client, endpoint) = (client(|_| ()), endpoint(&server.url()));
    assert_admitted(ask(&client, &endpoint));
    let fresh = super::Client::new(client.config().clone(), Circuits::own(64))
        .expect("a good configuration");
    let broken = ask(&fresh, &endpoint);
    assert!(matches!(broken, Err(Cause::Broken(_))), "{broken:?}");
    assert_eq!(server.connections(), 2, "a new connection is not stale");
}

#[test]
fn half_an_answer_over_an_old_connection_is_not_asked_for_again() {
    let server = Server::http(|_, number, _| {
        Some(if number == 1 {
            answer("200 OK", OK)
        } else {
            "HTTP/1.1 20".to_owned()
        })
        .filter(|_| number < 3)
    });
    let (client, endpoint) = (client(|_| ()), endpoint(&server.url()));
    assert_admitted(ask(&client, &endpoint));
    let result = ask_within(&client, &endpoint, 300);
    assert!(matches!(result, Err(Cause::TimedOut(_))), "{result:?}");
    assert_eq!(server.connections(), 1);
}

#[test]
fn whatever_is_no_answer_is_an_error_that_says_what() {
    let long_head = format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
        "x".repeat(MAX_HEAD + BUFFER)
    );
    let huge = format!("{{\"status\":\"ok\",\"x\":\"{}\"}}", "x".repeat(10_000_000));
    type Check = fn(&Cause) -> bool;
    let cases: Vec<(String, Check)> = vec![
        ("garbage\r\n\r\n".to_owned(), |cause| {
            matches!(cause, Cause::Protocol(_))
        }),
        ("\0\u{1}\u{2}\r\n\r\n\r\n".to_owned(), |cause| {
            matches!(cause, Cause::Protocol(_))
        }),
        (long_head, |cause| {
            matches!(cause, Cause::Protocol(_) | Cause::Broken(_))
        }),
        (answer("500 Oh", OK), |cause| *cause == Cause::Status(500)),
        (answer("404 No", OK), |cause| *cause == Cause::Status(404)),
        (answer("201 Created", OK), |cause| {
            *cause == Cause::Status(201)
        }),
        (
            answer("401 No\r\nWWW-Authenticate: Basic realm=\"r\"", OK),
            |cause| *cause == Cause::Status(401),
        ),
        ("HTTP/1.1 204 None\r\n\r\n".to_owned(), |cause| {
            *cause == Cause::Status(204)
        }),
        (
            format!(
                "HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                nobody()
            ),
            |cause| *cause == Cause::Redirect(302),
        ),
        (
            format!(
                "HTTP/1.1 307 Go\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
                nobody()
            ),
            |cause| *cause == Cause::Redirect(307),
        ),
        (answer("200 OK", &huge), |cause| *cause == Cause::TooLong),
        (answer("200 OK", "<html>"), |cause| {
            matches!(cause, Cause::Answer(_))
        }),
        (answer("200 OK", ""), |cause| {
            matches!(cause, Cause::Answer(_))
        }),
        (answer("200 OK", "{}"), |cause| {
            *cause == Cause::Answer(AnswerError::NoStatus)
        }),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x0b"
                .to_owned(),
            |cause| matches!(cause, Cause::Answer(_)),
        ),
    ];
    for (response, expected) in cases {
        let shown: String = response.chars().take(60).collect();
        let server = Server::http(move |_, _, _| Some(response.clone()));
        let result = ask(&client(|_| ()), &endpoint(&server.url()));
        let error = result.expect_err(&shown);
        assert!(expected(&error), "{shown:?}: {error:?}");
    }
}

#[test]
fn answers_may_be_chunked_or_end_with_the_connection_but_must_be_whole() {
    let half = "{\"status\":\"ok\"";
    for (response, good) in [
        (
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nF\r\n{OK}\r\n0\r\n\r\n"),
            true,
        ),
        (
            format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{OK}"),
            true,
        ),
        (format!("HTTP/1.0 200 OK\r\n\r\n{OK}"), true),
        (
            format!("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{OK}"),
            false,
        ),
        (
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nF\r\n{OK}\r\n"),
            false,
        ),
        (format!("HTTP/1.1 200 OK\r\n\r\n{half}"), false),
    ] {
        let sent = response.clone();
        let server = Server::raw(move |_, stream| {
            let mut reader = std::io::BufReader::new(stream);
            Seen::read(&mut reader);
            _ = reader.get_mut().write_all(sent.as_bytes());
        });
        let result = ask(&client(|_| ()), &endpoint(&server.url()));
        assert_eq!(result.is_ok(), good, "{response}: {result:?}");
    }
}

#[test]
fn the_longest_answer_is_read_and_one_byte_more_is_not() {
    for (length, good) in [(MAX_ANSWER, true), (MAX_ANSWER + 1, false)] {
        let frame = r#"{"status":"ok","x":""}"#;
        let filled = frame.replace("\"\"", &format!("\"{}\"", "x".repeat(length - frame.len())));
        assert_eq!(filled.len(), length);
        let (server, _) = Server::fixed(answer("200 OK", &filled));
        let result = ask(&client(|_| ()), &endpoint(&server.url()));
        match result {
            Ok(_) => assert!(good),
            Err(cause) => assert_eq!((good, cause), (false, Cause::TooLong)),
        }
    }
}

#[test]
fn one_time_out_ends_every_way_to_be_slow() {
    let silent = Server::raw(|_, stream| wait_for_end(stream));
    let middle = Server::raw(|_, mut stream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{\"sta");
        wait_for_end(stream);
    });
    let head = Server::raw(|_, mut stream| {
        _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-");
        wait_for_end(stream);
    });
    // A byte at a time, so that no single read ever waits long.
    let drip = Server::raw(|_, mut stream| {
        let all =
            format!("{}{}", answer("200 OK", ""), "x".repeat(100_000)).replace(": 0", ": 99999");
        for byte in all.bytes() {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    });
    for (server, doing) in [
        (silent, "waiting for its answer"),
        (middle, "in the middle of its answer"),
        (head, "in the middle of its answer"),
        (drip, "in the middle of its answer"),
    ] {
        let result = ask_within(&client(|_| ()), &endpoint(&server.url()), 300);
        assert_eq!(result, Err(Cause::TimedOut(doing)));
    }
}

#[test]
fn a_tls_handshake_that_hangs_is_ended_by_the_time_out_for_connecting() {
    let server = Server::raw(|_, stream| wait_for_end(stream));
    let client = client(|config| config.connect_timeout = Duration::from_millis(100));
    let url = server.url().replace("http:", "https:");
    let started = Instant::now();
    let result = ask(&client, &endpoint(&url));
    assert_eq!(result, Err(Cause::TimedOut("connecting")));
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "it waited for the whole time-out"
    );
}

#[test]
fn who_can_not_be_reached_times_out_or_answers_5xx_is_followed_by_the_next() {
    let (good, _) = Server::fixed(answer("200 OK", OK));
    let silent = Server::raw(|_, stream| wait_for_end(stream));
    let (broken, _) = Server::fixed(answer("503 Later", ""));
    let hangs_up = Server::raw(|_, _| ());
    for first in [nobody(), silent.url(), broken.url(), hangs_up.url()] {
        let endpoint = endpoint(&format!("{first} {}", good.url()));
        assert_admitted(ask_within(&client(|_| ()), &endpoint, 1000));
    }
    let (odd, _) = Server::fixed(answer("200 OK", "no"));
    let (not_found, _) = Server::fixed(answer("404 No", ""));
    let before = good.connections();
    for first in [odd.url(), not_found.url()] {
        let endpoint = endpoint(&format!("{first} {}", good.url()));
        assert!(
            ask(&client(|_| ()), &endpoint).is_err(),
            "an answer is an answer"
        );
    }
    assert_eq!(good.connections(), before);
}

#[test]
fn when_all_fail_the_error_names_each_without_its_secrets() {
    let (broken, _) = Server::fixed(answer("500 Oh", ""));
    let urls = format!(
        "http://user:secret1@{0}/a?key=secret2 {1}",
        broken.address,
        nobody().replace("//", "//user:secret3@")
    );
    let endpoint = endpoint(&urls);
    let payload = Payload::Json("{}".to_owned());
    let deadline = Instant::now() + Duration::from_secs(60);
    let error = client(|_| ())
        .ask(&endpoint, &payload, None, deadline, UNIX_EPOCH)
        .expect_err("both fail")
        .to_string();
    let start = format!(
        "endpoint http://{}/a: it answered with status 500, which must be 200 (or 401 or 403, which deny); then http://",
        broken.address
    );
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains("/nobody: can't connect: "), "{error}");
    assert!(
        !error.contains("secret") && !error.contains("user"),
        "{error}"
    );
}

#[test]
fn a_name_that_does_not_exist_is_an_error_of_its_own() {
    // RFC 6761 section 6.4: names under .invalid never resolve.
    let result = ask_within(
        &client(|_| ()),
        &endpoint("http://no.such.invalid/"),
        20_000,
    );
    assert!(
        matches!(
            result,
            Err(Cause::Resolve(_) | Cause::TimedOut("resolving the name of its host"))
        ),
        "{result:?}"
    );
}

#[test]
fn an_endpoint_that_fails_is_left_alone_and_comes_back() {
    let good = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&good);
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    let server = Server::http(move |_, _, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let status = if switch.load(Ordering::SeqCst) == 1 {
            "200 OK"
        } else {
            "500 Oh"
        };
        Some(answer(status, OK))
    });
    let client = client(|config| {
        config.breaker_failures = 3;
        config.breaker_time = Duration::from_millis(200);
    });
    let (other, _) = Server::fixed(answer("200 OK", OK));
    let (endpoint, other) = (endpoint(&server.url()), self::endpoint(&other.url()));
    for _ in 0..3 {
        assert_eq!(client.refuses(&endpoint, Instant::now()), None);
        assert_eq!(ask(&client, &endpoint), Err(Cause::Status(500)));
    }
    let refused = client
        .refuses(&endpoint, Instant::now())
        .expect("it is left alone");
    assert!(refused.is_left_alone());
    assert_eq!(ask(&client, &endpoint), Err(Cause::LeftAlone(3)));
    assert_eq!(requests.load(Ordering::SeqCst), 3);
    assert_admitted(ask(&client, &other));
    good.store(1, Ordering::SeqCst);
    let end = Instant::now() + Duration::from_secs(60);
    while client.refuses(&endpoint, Instant::now()).is_some() {
        assert!(Instant::now() < end, "it never comes back");
        thread::sleep(Duration::from_millis(10));
    }
    assert_admitted(ask(&client, &endpoint));
    assert_admitted(ask(&client, &endpoint));
    assert_eq!(requests.load(Ordering::SeqCst), 5);
}

#[test]
fn a_status_that_one_request_can_provoke_does_not_switch_an_endpoint_off() {
    for status in [400, 404, 410, 429] {
        let (server, _) = Server::fixed(answer(&format!("{status} No"), ""));
        let client = client(|config| config.breaker_failures = 2);
        let endpoint = endpoint(&server.url());
        for _ in 0..5 {
            assert_eq!(ask(&client, &endpoint), Err(Cause::Status(status)));
        }
        assert_eq!(client.refuses(&endpoint, Instant::now()), None);
    }
}

#[test]
fn some_statuses_deny() {
    let bearer = "401 No\r\nWWW-Authenticate: Bearer";
    for (head, status) in [("401 No", 401), (bearer, 401), ("403 No", 403)] {
        for body in ["", "no", OK, r#"{"status":"fail","msg":"gone"}"#] {
            let (server, _) = Server::fixed(answer(head, body));
            let client = client(|config| config.breaker_failures = 2);
            let endpoint = endpoint(&server.url());
            for _ in 0..5 {
                let denial = ask(&client, &endpoint).expect(head);
                assert_eq!(
                    denial.verdict,
                    Verdict::Denied { ban: None },
                    "{head} {body}"
                );
                assert_eq!(denial.status, Some(status), "{head} {body}");
            }
        }
    }
    // What it would have said is not needed.
    let cut = "HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\n{".to_owned();
    let (server, _) = Server::fixed(cut);
    let denial = ask(&client(|_| ()), &endpoint(&server.url())).expect("a denial");
    assert_eq!(denial.status, Some(403));
}

#[test]
fn the_next_url_is_not_asked_about_a_denial() {
    let (no, _) = Server::fixed(answer("403 No", ""));
    let (yes, seen) = Server::fixed(answer("200 OK", OK));
    let both = endpoint(&format!("{} {}", no.url(), yes.url()));
    let denial = ask(&client(|_| ()), &both).expect("a denial");
    assert_eq!(denial.status, Some(403));
    assert!(seen.lock().expect("not poisoned").is_empty());
}

#[test]
fn while_the_first_url_is_left_alone_the_second_has_all_the_time() {
    let (good, _) = Server::fixed(answer("200 OK", OK));
    let client = client(|config| {
        config.breaker_failures = 1;
        config.breaker_time = Duration::from_secs(600);
    });
    let first = nobody();
    let endpoint = endpoint(&format!("{first} {}", good.url()));
    assert_admitted(ask(&client, &endpoint));
    assert_eq!(
        ask(&client, &self::endpoint(&first)),
        Err(Cause::LeftAlone(1))
    );
    assert_admitted(ask(&client, &endpoint));
}

#[test]
fn tls_needs_a_certificate_that_is_trusted_for_the_host() {
    let TlsServer { server, pem, .. } = tls_server();
    let url = server.url().replace("http:", "https:");
    let trusting = client(|config| config.trust = Trust::Pem(pem.clone()));
    assert_admitted(ask(&trusting, &endpoint(&url)));
    assert_admitted(ask(&trusting, &endpoint(&url)));
    assert_eq!(server.connections(), 1, "TLS connections are kept as well");
    assert_admitted(ask(&client(|_| ()), &endpoint(&url)));
    let other = tls_server().pem;
    for trust in [Trust::Pem(other), Trust::System] {
        let result = ask(&client(|config| config.trust = trust), &endpoint(&url));
        assert!(matches!(result, Err(Cause::Tls(_))), "{result:?}");
    }
    let (plain, _) = Server::fixed(answer("200 OK", OK));
    let result = ask(
        &trusting,
        &endpoint(&plain.url().replace("http:", "https:")),
    );
    assert!(
        matches!(
            result,
            Err(Cause::Tls(_) | Cause::Connect(_) | Cause::TimedOut(_))
        ),
        "{result:?}"
    );
}

#[test]
fn the_next_tls_connection_resumes_the_session() {
    let TlsServer {
        server,
        pem,
        handshakes,
    } = tls_server();
    let client = client(|config| config.trust = Trust::Pem(pem));
    let endpoint = endpoint(&format!("https://{}/close", server.address));
    for _ in 0..3 {
        assert_admitted(ask(&client, &endpoint));
    }
    let handshakes = handshakes.lock().expect("not poisoned");
    assert_eq!(server.connections(), 3);
    assert_eq!(
        **handshakes,
        [
            HandshakeKind::Full,
            HandshakeKind::Resumed,
            HandshakeKind::Resumed
        ]
    );
}

#[test]
fn a_full_backlog_is_ended_by_the_time_out_for_connecting() {
    // Nothing accepts: the kernel takes a few connections and lets the rest wait.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    let client = client(|config| config.connect_timeout = Duration::from_millis(100));
    let result = ask_within(&client, &endpoint(&format!("http://{address}/")), 300);
    assert!(matches!(result, Err(Cause::TimedOut(_))), "{result:?}");
}
