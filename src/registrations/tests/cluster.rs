//! In a real Redis Cluster.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use harness::ports;
use harness::server::{Server as Program, wait_for};

use super::*;

/// A node; it ends when dropped.
struct Node {
    port: u16,
    _program: Program,
}

fn node(folder: &Path) -> Node {
    // The nodes talk to each other on ports of their own, 10000 above.
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok();
    let port = std::iter::repeat_with(ports::free).find(is_free).unwrap();
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args([
            "--save",
            "",
            "--appendonly",
            "no",
            "--cluster-enabled",
            "yes",
        ])
        .args(["--cluster-config-file", &format!("nodes-{port}.conf")])
        .current_dir(folder)
        .stdout(Stdio::null());
    Node {
        port,
        _program: Program::start(&mut command).unwrap(),
    }
}

fn cli(port: u16, words: &[&str]) -> String {
    let output = Command::new("redis-cli")
        .args(["-c", "-p", &port.to_string()])
        .args(words)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn the_keys_are_on_different_nodes() {
    if let Some(reason) = missing() {
        println!("not tested: {reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let nodes = [(); 3].map(|()| node(folder.path()));
    let limit = Duration::from_secs(60);
    for node in &nodes {
        let up = || (cli(node.port, &["PING"]) == "PONG").then_some(());
        wait_for(limit, up).expect("a node");
    }
    let hosts = nodes
        .each_ref()
        .map(|node| format!("127.0.0.1:{}", node.port));
    let [a, b, c] = hosts.each_ref().map(String::as_str);
    let port = nodes[0].port;
    let create = ["--cluster", "create", a, b, c, "--cluster-yes"];
    let created = cli(port, &create);
    let is_up = |node: &Node| cli(node.port, &["CLUSTER", "INFO"]).contains("cluster_state:ok");
    let up = || nodes.iter().all(is_up).then_some(());
    assert!(wait_for(limit, up).is_some(), "{created}");

    let redis = client(&format!("redis+cluster://{a},{b}"));
    let session = session(&redis);
    let registrations = Registrations::new(&session);
    assert!(registrations.is_split);
    for at in 0..9 {
        let name = format!("u{at}@r{}.example", at % 4);
        assert!(save(&registrations, &name, "sip:1", Some(3), NOW).is_new());
    }
    assert_eq!(
        save(&registrations, "x@r0.example", "sip:1", Some(3), NOW),
        Saved::Full
    );
    assert_eq!(registrations.count("r0.example", NOW).unwrap(), 3);
    let first = aor("u0@r0.example");
    let found = registrations.get(&first, NOW).unwrap().unwrap();
    assert_eq!(cli(port, &["GET", "user:u0@r0.example"]), found.json());
    let before = save(&registrations, "u0@r0.example", "sip:2", None, NOW + 1).before();
    let left = Left::Entry {
        contact: "sip:2",
        end: None,
    };
    let restored = registrations.restore(&first, left, before.as_ref(), NOW + 2);
    assert!(restored.unwrap());
    assert_eq!(cli(port, &["GET", "user:u0@r0.example"]), found.json());
    let removed = registrations
        .remove(&first, Some(&["sip:2".to_owned()]), NOW)
        .unwrap();
    assert_eq!(removed, Removed::Other);
    let removed = registrations
        .remove(&first, Some(&["sip:1".to_owned()]), NOW)
        .unwrap();
    assert!(removed.before().is_some());
    assert_eq!(cli(port, &["EXISTS", "user:u0@r0.example"]), "0");
    assert_eq!(cli(port, &["ZCARD", "active-user"]), "8");
    assert_eq!(registrations.expire(NOW + 9_000_000, 1000).unwrap(), 8);
    for key in [
        "active-user",
        "active-user:r0.example",
        "active-user:r3.example",
    ] {
        assert_eq!(cli(port, &["EXISTS", key]), "0", "{key}");
    }
}
