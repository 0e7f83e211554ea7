//! One server, Sentinels, a Cluster.

use std::process::Command;

use harness::redis::{self, Access, Cluster, Options, Redis, Sentinel, Tls};

use crate::{Scenario, check, folder};

/// With every character that has a meaning in a URL or in a configuration file.
const PASSWORD: &str = "p@ss:w/rd?x=1&y#%41+[z]\"\\";

pub fn scenarios() -> Vec<Scenario> {
    let (missing, no_cluster) = (redis::missing, Cluster::missing);
    vec![
        ("one Redis forgets, unless it is lasting", missing(), memory),
        ("a Redis with passwords", missing(), passwords),
        ("a Redis with TLS", missing(), tls),
        ("a Redis that hangs", missing(), hanging),
        (
            "Sentinels name the successor of a killed master",
            missing(),
            killed,
        ),
        (
            "Sentinels, one of which hangs, with passwords and TLS",
            missing(),
            guarded,
        ),
        ("a Cluster", no_cluster(), cluster),
        (
            "a Cluster with a password and TLS",
            no_cluster(),
            guarded_cluster,
        ),
    ]
}

fn write(redis: &Access, key: &str, value: &str) -> Result<(), String> {
    let said = redis.cli(&["SET", key, value])?;
    check(said == "OK", (key, said))
}

fn expect(redis: &Access, key: &str, value: &str) -> Result<(), String> {
    let said = redis.cli(&["GET", key])?;
    check(said == value, (key, said))
}

fn memory() -> Result<(), String> {
    for lasting in [false, true] {
        let folder = folder()?;
        let options = Options {
            lasting,
            ..Options::default()
        };
        let redis = Redis::start_with(folder.path(), &options)?;
        check(
            redis.url() == format!("redis://127.0.0.1:{}/0", redis.port),
            redis.url(),
        )?;
        for end in [Redis::kill, Redis::pause] {
            write(&redis, "key", "value")?;
            end(&redis);
            check(redis.cli(&["PING"]).is_err(), "it still answers")?;
            redis.resume()?;
            expect(&redis, "key", if lasting { "value" } else { "" })?;
        }
        redis.cli(&["SET", "user:a@b", "{\"x\":1}", "EX", "60"])?;
        redis.cli(&["ZADD", "active-user", "7", "user:a@b"])?;
        let (members, left, score) = redis.user("a@b")?.ok_or("nobody")?;
        let is_so = members["x"] == 1 && (1..=60).contains(&left) && score == 7;
        check(is_so, (members, left, score))?;
        check(
            !redis.is_empty_of("a@b")? && redis.is_empty_of("c@b")?,
            "a@b",
        )?;
    }
    Ok(())
}

fn passwords() -> Result<(), String> {
    let user = Some(("opensips", PASSWORD));
    let escaped = "p%40ss%3Aw%2Frd%3Fx%3D1%26y%23%2541%2B%5Bz%5D%22%5C";
    for (password, user, login) in [
        (Some(PASSWORD), None, ""),
        (None, user, "opensips"),
        (Some("other"), user, "opensips"),
    ] {
        let folder = folder()?;
        let options = Options {
            password,
            user,
            ..Options::default()
        };
        let redis = Redis::start_with(folder.path(), &options)?;
        let url = format!("redis://{login}:{escaped}@127.0.0.1:{}/0", redis.port);
        check(redis.url() == url, redis.url())?;
        write(&redis, "key", "value")?;
        expect(&redis, "key", "value")?;
        let said = plain(redis.port)?;
        check(said.starts_with("NOAUTH"), said)?;
    }
    Ok(())
}

/// What somebody gets who does not log in.
fn plain(port: u16) -> Result<String, String> {
    let mut command = Command::new("redis-cli");
    command.args(["-p", &port.to_string(), "GET", "key"]);
    let output = command.output().map_err(|e| e.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tls() -> Result<(), String> {
    for tls in [Tls::On, Tls::Mutual] {
        let folder = folder()?;
        let options = Options {
            tls,
            ..Options::default()
        };
        let redis = Redis::start_with(folder.path(), &options)?;
        let at = folder.path().display();
        let mut url = format!("rediss://127.0.0.1:{}/0?tls_ca={at}/ca.pem", redis.port);
        if tls == Tls::Mutual {
            url += &format!("&tls_cert={at}/server.pem&tls_key={at}/server.key");
        }
        check(redis.url() == url, redis.url())?;
        write(&redis, "key", "value")?;
        expect(&redis, "key", "value")?;
        let said = plain(redis.port)?;
        check(!said.contains("value"), said)?;
    }
    Ok(())
}

fn hanging() -> Result<(), String> {
    let folder = folder()?;
    let redis = Redis::start(folder.path())?;
    write(&redis, "key", "value")?;
    redis.hang()?;
    let address = ("127.0.0.1", redis.port);
    std::net::TcpStream::connect(address).map_err(|e| format!("not accepted: {e}"))?;
    check(redis.cli(&["PING"]).is_err(), "it still answers")?;
    redis.go_on()?;
    expect(&redis, "key", "value")?;
    // One that hangs can be ended all the same, as dropping it does.
    redis.hang()?;
    redis.pause();
    check(redis.pid().is_none(), "it still runs")?;
    redis.resume()?;
    expect(&redis, "key", "")
}

fn killed() -> Result<(), String> {
    let folder = folder()?;
    let sentinel = Sentinel::start(folder.path())?;
    let hosts: Vec<String> = sentinel
        .sentinels
        .iter()
        .map(|one| format!("127.0.0.1:{}", one.port))
        .collect();
    let url = format!("redis+sentinel://{}/mymaster/0", hosts.join(","));
    check(sentinel.url() == url, sentinel.url())?;
    write(&sentinel, "key", "value")?;
    // What two replicas have confirmed survives.
    let said = sentinel.cli_at(sentinel.master()?, &["WAIT", "2", "5000"])?;
    check(said == "2" || said == "0", said)?;
    let former = sentinel.kill_master()?;
    let successor = sentinel.successor(former)?;
    check(sentinel.master()? == successor, successor)?;
    expect(&sentinel, "key", "value")?;
    sentinel.server(former)?.resume()?;
    sentinel.settle()?;
    let role = sentinel.cli_at(former, &["ROLE"])?;
    check(role.starts_with("slave"), role)
}

fn guarded() -> Result<(), String> {
    let folder = folder()?;
    let options = Options {
        user: Some(("opensips", PASSWORD)),
        tls: Tls::On,
        ..Options::default()
    };
    let sentinel = Sentinel::start_with(folder.path(), &options)?;
    write(&sentinel, "key", "value")?;
    let [one, ..] = sentinel.sentinels.as_slice() else {
        return Err("no Sentinels".to_string());
    };
    one.hang()?;
    let former = sentinel.hang_master()?;
    sentinel.successor(former)?;
    write(&sentinel, "key", "another")?;
    sentinel.server(former)?.go_on()?;
    one.go_on()?;
    sentinel.settle()?;
    expect(&sentinel, "key", "another")
}

fn cluster() -> Result<(), String> {
    let folder = folder()?;
    let cluster = Cluster::start(folder.path())?;
    let hosts: Vec<String> = cluster
        .nodes
        .iter()
        .map(|one| format!("127.0.0.1:{}", one.port))
        .collect();
    let url = format!("redis+cluster://{}", hosts.join(","));
    check(cluster.url() == url, cluster.url())?;
    spread(&cluster)?;
    let node = cluster.node_of("key0")?;
    cluster.hang(node)?;
    let other = cluster
        .nodes
        .iter()
        .find(|one| one.port != cluster.nodes[node].port);
    let other = other.ok_or("only one node")?;
    check(other.cli(&["PING"])? == "PONG", "the others answer")?;
    cluster.go_on(node)?;
    cluster.settle()?;
    expect(&cluster, "key0", "value")?;
    cluster.nodes[node].kill();
    cluster.nodes[node].resume()?;
    cluster.settle()?;
    expect(&cluster, "key0", "")?;
    spread(&cluster)
}

fn guarded_cluster() -> Result<(), String> {
    let folder = folder()?;
    let options = Options {
        password: Some(PASSWORD),
        tls: Tls::On,
        lasting: true,
        ..Options::default()
    };
    let cluster = Cluster::start_with(folder.path(), &options)?;
    spread(&cluster)?;
    let node = cluster.node_of("key0")?;
    cluster.nodes[node].kill();
    cluster.nodes[node].resume()?;
    cluster.settle()?;
    expect(&cluster, "key0", "value")
}

/// Writes keys of every node, from whichever node is asked.
fn spread(cluster: &Cluster) -> Result<(), String> {
    let mut used = [false; 3];
    for number in 0..12 {
        let key = format!("key{number}");
        write(cluster, &key, "value")?;
        expect(cluster, &key, "value")?;
        used[cluster.node_of(&key)?] = true;
    }
    check(used == [true; 3], used)
}
