//! Connections that break off before the answer.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Hands on what comes from `from`, until it ends or is to be lost.
fn hand_on(mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool) {
    let mut buffer = [0; 65536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if loses.swap(false, Ordering::SeqCst) || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// A port that leads to the server. Once its flag is set, the next answer is lost, and its connection
/// closed.
fn proxy(server: u16) -> (u16, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let loses = Arc::new(AtomicBool::new(false));
    let flag = loses.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else {
                continue;
            };
            let [question, answer] = [(&client, &server), (&server, &client)]
                .map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()));
            let flag = flag.clone();
            thread::spawn(move || hand_on(question.0, question.1, &AtomicBool::new(false)));
            thread::spawn(move || hand_on(answer.0, answer.1, &flag));
        }
    });
    (port, loses)
}

#[test]
fn what_was_done_unheard_is_not_taken_for_what_was_there() {
    let Some(site) = Site::start() else { return };
    let (port, loses) = proxy(site.server.port);
    let redis = client(&format!("redis://127.0.0.1:{port}"));
    let session = session(&redis);
    let (john, grant) = (aor("john@a.example"), Grant::default());
    for registrations in both(&session) {
        let save = |contact, now| registrations.save(&entry(&john, contact, &grant), None, now);
        let lose = || loses.store(true, Ordering::SeqCst);
        let contact = || {
            site.kept("john@a.example")
                .0
                .map(|entry| entry["contact"].clone())
        };
        let left = |contact| Left::Entry { contact, end: None };
        // The server knows all scripts.
        site.cli(&["FLUSHALL"]);
        save("sip:0", NOW).unwrap();
        registrations
            .restore(&john, left("sip:0"), None, NOW)
            .unwrap();
        registrations.remove(&john, None, NOW).unwrap();
        save("sip:1", NOW).unwrap();
        if !registrations.is_split {
            lose();
            let saved = save("sip:2", NOW + 1);
            assert!(
                matches!(saved, Err(CacheError::Unreachable(_))),
                "{saved:?}"
            );
            assert_eq!(contact(), Some("sip:2".into()));
        }
        let before = save("sip:3", NOW + 2).unwrap().before();
        assert!(before.is_some());
        lose();
        let restored = registrations.restore(&john, left("sip:3"), before.as_ref(), NOW + 3);
        assert_eq!(restored, Ok(true));
        assert_ne!(contact(), Some("sip:3".into()));
        assert!(!loses.load(Ordering::SeqCst));
        lose();
        let removed = registrations.remove(&john, None, NOW + 4);
        assert_eq!(removed.unwrap().before(), None);
        assert!(site.is_gone("john@a.example"));
    }
}
