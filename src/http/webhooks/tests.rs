use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;

use super::super::testing::{OK, Server, TlsServer, answer, tls_server, wait_for_end};
use super::super::{Circuits, ClientConfig, EndpointDefaults, Trust, Verdict};
use super::*;
use crate::digest::Credentials;
use crate::pool::{NoNotify, PoolConfig};

fn webhooks(timeout: Duration, max_threads: usize) -> Webhooks {
    let config = ClientConfig {
        timeout,
        trust: Trust::Anybody,
        breaker_failures: 0,
        ..ClientConfig::default()
    };
    let client = Client::new(config, Circuits::own(64)).expect("a good configuration");
    let idle = Duration::from_millis(5);
    let pool = Pool::new(
        "test",
        PoolConfig {
            max_threads,
            idle,
            ..PoolConfig::default()
        },
    );
    Webhooks::new(client, Arc::new(pool))
}

fn endpoint(url: &str) -> Arc<Endpoint> {
    Arc::new(Endpoint::parse(url, &EndpointDefaults::default()).expect("a good URL"))
}

fn known(endpoint: &Arc<Endpoint>) -> Target {
    Target::Endpoint(Arc::clone(endpoint))
}

fn request(expires: Option<u32>) -> Request {
    Request {
        method: "REGISTER".to_owned(),
        expires,
        credentials: Credentials::parse(b"Bearer t").expect("a token"),
        source_address: "192.0.2.1".to_owned(),
        source_port: 5060,
        headers: None,
        headers_in_query: false,
    }
}

#[test]
fn a_caller_may_wait_or_be_notified() {
    let (server, _) = Server::fixed(answer("200 OK", OK));
    let (webhooks, endpoint) = (
        webhooks(Duration::from_secs(60), 4),
        endpoint(&server.url()),
    );
    let now = SystemTime::now();
    let ticket = webhooks
        .ask(known(&endpoint), request(Some(9)), None, now, NoNotify)
        .expect("room");
    let admitted = Verdict::Admitted { expires: Some(9) };
    assert_eq!(ticket.wait().expect("an answer").answer.verdict, admitted);
    let (notify, notified) = mpsc::channel();
    let ticket = webhooks
        .ask(known(&endpoint), request(Some(9)), None, now, move || {
            _ = notify.send(())
        })
        .expect("room");
    notified.recv().expect("it is notified");
    let outcome = ticket.try_take().expect("there is a result when notified");
    assert_eq!(outcome.expect("an answer").answer.verdict, admitted);
}

#[test]
fn tls_and_name_resolution_fit_the_small_stacks() {
    let TlsServer { server, pem, .. } = tls_server();
    let config = ClientConfig {
        timeout: Duration::from_secs(60),
        trust: Trust::Pem(pem),
        ..ClientConfig::default()
    };
    let client = Client::new(config, Circuits::own(64)).expect("a good configuration");
    let webhooks = Webhooks::new(client, Arc::new(Pool::new("test", PoolConfig::default())));
    let endpoint = endpoint(&format!("https://localhost:{}/", server.address.port()));
    let ticket = webhooks.ask(
        known(&endpoint),
        request(None),
        None,
        SystemTime::now(),
        NoNotify,
    );
    let answer = ticket.expect("room").wait().expect("an answer");
    assert_eq!(answer.answer.verdict, Verdict::Admitted { expires: None });
}

#[test]
fn the_endpoint_of_a_realm_is_found_without_waiting_for_it() {
    let (server, seen) = Server::fixed(answer("200 OK", OK));
    let (webhooks, endpoint) = (
        webhooks(Duration::from_millis(500), 4),
        endpoint(&server.url()),
    );
    let ask = |find: FindEndpoint| {
        let target = Target::Realm {
            realm: "r\n".to_owned(),
            find,
        };
        let asked = webhooks.ask(target, request(Some(7)), None, SystemTime::now(), NoNotify);
        asked
            .expect("room")
            .wait()
            .map(|answered| answered.answer.verdict)
    };
    let found = ask(Box::new(move || Ok(Some(endpoint))));
    assert_eq!(found, Ok(Verdict::Admitted { expires: Some(7) }));
    let body = seen
        .lock()
        .expect("not poisoned")
        .pop()
        .expect("a request")
        .body;
    assert_eq!(
        body,
        r#"{"method":"REGISTER","expires":7,"scheme":"bearer","token":"t","source_address":"192.0.2.1","source_port":5060}"#
    );
    let unknown = ask(Box::new(|| Ok(None))).expect_err("there is none");
    let is_unknown =
        |refusal: &Refusal| matches!(refusal, Refusal::Endpoint(error) if error.is_unknown_realm());
    assert!(is_unknown(&unknown));
    assert_eq!(unknown.to_string(), "endpoint of realm r\\n: not found");
    let failed = ask(Box::new(|| Err("down".to_owned()))).expect_err("the lookup failed");
    assert!(!is_unknown(&failed));
    assert_eq!(
        failed.to_string(),
        "endpoint of realm r\\n: the lookup failed: down"
    );
    let (_release, held) = mpsc::channel::<()>();
    let slow = ask(Box::new(move || Err(format!("{:?}", held.recv()))));
    let error = slow.expect_err("it hangs").to_string();
    assert_eq!(error, "endpoint of realm r\\n: timed out altogether");
}

#[test]
fn over_the_limit_it_fails_at_once() {
    let server = Server::raw(|_, stream| wait_for_end(stream));
    let (webhooks, endpoint) = (
        webhooks(Duration::from_millis(500), 2),
        endpoint(&server.url()),
    );
    let ask = || {
        webhooks.ask(
            known(&endpoint),
            request(None),
            None,
            SystemTime::now(),
            NoNotify,
        )
    };
    let tickets = [ask().expect("room"), ask().expect("room")];
    let error = ask().expect_err("no room");
    assert!(error.is_overload());
    assert!(error.to_string().contains("2 jobs are running"), "{error}");
    assert_eq!(webhooks.pool().refused(), 1);
    for ticket in tickets {
        let error = ticket.wait().expect_err("it hangs").to_string();
        assert!(
            error.ends_with("timed out waiting for its answer"),
            "{error}"
        );
    }
}

#[test]
fn thousands_of_requests_to_an_endpoint_that_does_everything_wrong_all_end_once() {
    const REQUESTS: usize = 2000;
    let server = Server::http(
        |connection, number, _| match (connection * 7 + number) % 8 {
            0 => None,
            1 => Some("garbage\r\n\r\n".to_owned()),
            2 => Some(answer("500 Oh", "")),
            3 => {
                thread::sleep(Duration::from_millis(400));
                None
            }
            4 => Some("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{".to_owned()),
            5 => Some(answer("200 OK", "[]")),
            _ => Some(answer("200 OK", OK)),
        },
    );
    let webhooks = webhooks(Duration::from_millis(200), 32);
    let endpoint = endpoint(&server.url());
    let (notify, notified) = mpsc::channel();
    let mut tickets = std::collections::HashMap::new();
    let (mut asked, mut admitted, mut failed) = (0, 0, 0);
    while asked < REQUESTS || !tickets.is_empty() {
        while asked < REQUESTS {
            let notify = notify.clone();
            let ticket = webhooks.ask(
                known(&endpoint),
                request(None),
                None,
                SystemTime::now(),
                move || {
                    _ = notify.send(asked);
                },
            );
            match ticket {
                Ok(ticket) => assert!(tickets.insert(asked, ticket).is_none()),
                Err(error) => {
                    assert!(error.is_overload(), "{error}");
                    break;
                }
            }
            asked += 1;
        }
        let wait = if tickets.is_empty() { 1 } else { 60_000 };
        let Ok(number) = notified.recv_timeout(Duration::from_millis(wait)) else {
            assert!(tickets.is_empty(), "a request is never heard of again");
            continue;
        };
        let ticket = tickets.remove(&number).expect("it is notified once");
        match ticket.try_take().expect("there is a result when notified") {
            Ok(_) => admitted += 1,
            Err(_) => failed += 1,
        }
    }
    assert_eq!(admitted + failed, REQUESTS);
    assert!(
        admitted > 0 && failed > 0,
        "{admitted} admitted, {failed} failed"
    );
    let end = std::time::Instant::now() + Duration::from_secs(60);
    while webhooks.pool().threads() > 0 {
        assert!(std::time::Instant::now() < end, "threads are left over");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(notified.try_recv().is_err(), "notified twice");
}

#[test]
fn an_endpoint_nobody_listens_at_is_no_reason_to_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let webhooks = webhooks(Duration::from_secs(600), 1);
    let endpoint = endpoint(&format!("http://{address}/"));
    let ticket = webhooks
        .ask(
            known(&endpoint),
            request(None),
            None,
            SystemTime::now(),
            NoNotify,
        )
        .expect("room");
    let error = ticket.wait().expect_err("nobody is there").to_string();
    assert!(error.contains("can't connect"), "{error}");
}

/// A gate that has its answers ready, and notes who is banned.
struct Ready {
    entry: Result<Entry, String>,
    banned: mpsc::Sender<Ban>,
}

impl Gate for Ready {
    fn enter(&self, _until: Instant) -> Result<Entry, String> {
        self.entry.clone()
    }

    fn ban(&self, ban: Ban, _until: Instant) -> Result<(), String> {
        self.banned.send(ban).map_err(|error| error.to_string())
    }
}

#[test]
fn only_who_passes_the_gate_is_asked_about() {
    let denial = r#"{"status":"fail","blacklist":7}"#;
    let (server, seen) = Server::fixed(answer("200 OK", denial));
    let (webhooks, endpoint) = (
        webhooks(Duration::from_secs(60), 4),
        endpoint(&server.url()),
    );
    let (banned, bans) = mpsc::channel();
    let ask = |entry| {
        let banned = banned.clone();
        let gate = Some(Box::new(Ready { entry, banned }) as Box<dyn Gate>);
        let now = SystemTime::now();
        let asked = webhooks.ask(known(&endpoint), request(None), gate, now, NoNotify);
        asked.expect("room").wait()
    };
    assert_eq!(ask(Ok(Entry::Banned)), Err(Refusal::Banned));
    assert_eq!(ask(Ok(Entry::Replay)), Err(Refusal::Replay));
    let down = Err("down".to_owned());
    assert_eq!(ask(down), Err(Refusal::Gate("down".to_owned())));
    assert!(seen.lock().expect("not poisoned").is_empty());
    let answered = ask(Ok(Entry::Open)).expect("an answer");
    assert_eq!(answered.banned, Some(Ok(())));
    assert_eq!(bans.try_iter().collect::<Vec<_>>(), [Ban::Seconds(7)]);
    assert_eq!(seen.lock().expect("not poisoned").len(), 1);
}
