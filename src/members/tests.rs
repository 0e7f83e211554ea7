//! Against a real Redis, and a real Cluster, read back with redis-cli.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use harness::redis::{Access, Cluster, Redis as Server, missing};

use super::*;
use crate::meters::Gauge;
use crate::pool::{Pool, PoolConfig};
use crate::redis::{Redis, RedisUrl, Settings};

const SET: &str = "default:active-fs";
const SEEN: &str = "{default:active-fs}:auth_web_seen";
const WATCHED: &str = "{default:active-fs}:auth_web_watched";

/// Longer than any test.
const LONG: Duration = Duration::from_secs(60);

fn client(access: &Access) -> Redis {
    let settings = Settings::new(RedisUrl::parse(&access.url()).unwrap()).unwrap();
    let threads = Arc::new(Pool::new("test", PoolConfig::default()));
    Redis::new(&settings, Duration::from_secs(20), threads, Gauge::NONE)
}

fn with<T>(redis: &Redis, work: impl FnOnce(&Members<'_>) -> Result<T, CacheError>) -> T {
    let session = redis.session(Instant::now() + Duration::from_secs(20));
    work(&Members::new(&session, "default")).unwrap()
}

/// A server, what it is asked by, and the folder that it lives in; `None`, with the reason printed, if there is no
/// Redis on this machine.
fn site() -> Option<(Server, Redis, tempfile::TempDir)> {
    if let Some(reason) = missing() {
        println!("not tested: {reason}");
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).unwrap();
    let redis = client(&server);
    Some((server, redis, folder))
}

fn checkin(last: u8, is_open: bool) -> Checkin {
    Checkin {
        is_rtp: false,
        address: IpAddr::from([10, 0, 0, last]),
        port: 5060,
        url: Some(format!("http://10.0.0.{last}:3000")),
        is_open,
    }
}

fn done(count: u64, is_change: bool, is_open: bool) -> Checked {
    Checked::Done {
        count,
        is_change,
        is_open,
    }
}

fn everything(access: &Access, redis: &Redis) {
    let take = |checkin: &Checkin| with(redis, |members| members.take(checkin));
    let cli = |words: &[&str]| access.cli(words).unwrap();
    assert_eq!(take(&checkin(1, true)), done(1, true, true));
    assert_eq!(take(&checkin(1, true)), done(1, false, true));
    assert_eq!(take(&checkin(2, true)), done(2, true, true));
    assert_eq!(
        cli(&["SMEMBERS", "default:fs-service-url"]).lines().count(),
        2
    );
    let expire = |expires| {
        with(redis, |members| {
            members.expire(Set::FeatureServers, expires, LONG)
        })
    };
    let looked = |count, found| Looked {
        count,
        found,
        ended: Vec::new(),
    };
    assert_eq!(expire(LONG), looked(2, 0));
    assert_eq!(cli(&["EXISTS", WATCHED]), "1");
    // One of somebody else's has all of its time from now on.
    cli(&["SADD", SET, "10.0.0.3:5060"]);
    assert_eq!(expire(LONG), looked(3, 1));
    assert_eq!(expire(LONG), looked(3, 0));
    // Each was last seen at some time.
    cli(&["ZADD", SEEN, "1000", "10.0.0.1:5060"]);
    cli(&["ZADD", SEEN, "9999999999999", "10.0.0.2:5060"]);
    let ended = expire(LONG).ended;
    assert_eq!(ended, ["10.0.0.1:5060"]);
    assert_eq!(cli(&["SCARD", SET]), "2");
    assert!(cli(&["ZSCORE", SEEN, "10.0.0.1:5060"]).is_empty());
    // A clock that was ahead does not count.
    let seen: f64 = cli(&["ZSCORE", SEEN, "10.0.0.2:5060"]).parse().unwrap();
    assert!(seen < 9_999_999_999_999.0);
    // Who checks in again is there again.
    assert_eq!(take(&checkin(1, true)), done(3, true, true));
    // Where nobody has looked, nobody could check in.
    cli(&["ZADD", SEEN, "1000", "10.0.0.1:5060"]);
    cli(&["DEL", WATCHED]);
    assert_eq!(expire(LONG), looked(3, 0));
    assert_eq!(expire(LONG), looked(3, 0));
    // What others have taken out is forgotten.
    cli(&["SREM", SET, "10.0.0.3:5060"]);
    assert_eq!(expire(LONG), looked(2, 0));
    assert_eq!(cli(&["ZCARD", SEEN]), "2");
    // Drained, in whatever spelling.
    cli(&["SADD", "default:drained-fs", "::ffff:10.0.0.1", "x"]);
    assert_eq!(take(&checkin(1, true)), done(1, true, false));
    assert_eq!(
        cli(&[
            "SISMEMBER",
            "default:fs-service-url",
            "http://10.0.0.1:3000"
        ]),
        "0"
    );
    with(redis, |members| members.undrain([10, 0, 0, 1].into()));
    assert_eq!(cli(&["SMEMBERS", "default:drained-fs"]), "x");
    assert_eq!(take(&checkin(2, false)), done(0, true, false));
    assert_eq!(take(&checkin(2, false)), done(0, false, false));
    assert_eq!(cli(&["EXISTS", SET, SEEN]), "0");
}

#[test]
fn members_come_and_go() {
    let Some((server, redis, _folder)) = site() else {
        return;
    };
    everything(&server, &redis);
}

#[test]
fn in_a_cluster_what_belongs_together_is_in_one_slot() {
    if let Some(reason) = Cluster::missing() {
        println!("not tested: {reason}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(folder.path()).unwrap();
    let redis = client(&cluster);
    let slot = |key: &str| cluster.cli(&["CLUSTER", "KEYSLOT", key]).unwrap();
    assert_eq!(slot(SET), slot(SEEN));
    assert_eq!(slot(SET), slot(WATCHED));
    let cli = |words: &[&str]| cluster.cli(words).unwrap();
    assert_eq!(cli(&["EXISTS", SET]), "0");
    let take = |checkin: &Checkin| with(&redis, |members| members.take(checkin));
    assert_eq!(take(&checkin(1, true)), done(1, true, true));
    assert_eq!(take(&checkin(2, true)), done(2, true, true));
    for set in Set::ALL {
        let looked = with(&redis, |members| members.expire(set, LONG, LONG));
        assert!(looked.ended.is_empty() && looked.found == 0, "{looked:?}");
    }
    cli(&["ZADD", SEEN, "1000", "10.0.0.1:5060"]);
    let looked = with(&redis, |members| {
        members.expire(Set::FeatureServers, LONG, LONG)
    });
    assert_eq!(looked.ended, ["10.0.0.1:5060"]);
    with(&redis, |members| members.drain([10, 0, 0, 2].into()));
    assert_eq!(take(&checkin(2, true)), done(0, true, false));
}

#[test]
fn a_set_that_is_full_takes_nobody_else() {
    let Some((server, redis, _folder)) = site() else {
        return;
    };
    let fill = format!(
        "for at = 1, {MOST} do redis.call('SADD', KEYS[1], 'member' .. at) end return redis.call('SCARD', KEYS[1])"
    );
    let number = server.cli(&["EVAL", &fill, "1", SET]).unwrap();
    assert_eq!(number, MOST.to_string());
    let take = |checkin: &Checkin| with(&redis, |members| members.take(checkin));
    assert_eq!(take(&checkin(1, true)), Checked::Full);
    assert_eq!(
        server.cli(&["EXISTS", "default:fs-service-url"]).unwrap(),
        "0"
    );
    server.cli(&["SREM", SET, "member1"]).unwrap();
    let most = u64::try_from(MOST).unwrap();
    assert_eq!(take(&checkin(1, true)), done(most, true, true));
    // Who is there may say so, and go.
    assert_eq!(take(&checkin(1, true)), done(most, false, true));
    assert_eq!(take(&checkin(1, false)), done(most - 1, true, false));
}

#[test]
fn who_checks_in_while_being_taken_out_is_there_afterwards() {
    let Some((server, redis, _folder)) = site() else {
        return;
    };
    let expires = Duration::from_millis(1);
    let look = || {
        with(&redis, |members| {
            members.expire(Set::FeatureServers, expires, LONG)
        })
    };
    look();
    thread::scope(|scope| {
        let looking = scope.spawn(|| (0..300).map(|_| look().ended.len()).sum::<usize>());
        for _ in 0..100 {
            with(&redis, |members| members.take(&checkin(1, true)));
            thread::sleep(Duration::from_millis(2));
        }
        assert!(looking.join().unwrap() > 0);
    });
    with(&redis, |members| members.take(&checkin(1, true)));
    let is_there = || server.cli(&["SISMEMBER", SET, "10.0.0.1:5060"]).unwrap();
    assert_eq!(is_there(), "1");
    thread::sleep(Duration::from_millis(3));
    assert_eq!(look().ended, ["10.0.0.1:5060"]);
    assert_eq!(is_there(), "0");
}

#[test]
fn keys_of_another_type_are_left_alone() {
    let Some((server, redis, _folder)) = site() else {
        return;
    };
    let session = redis.session(Instant::now() + Duration::from_secs(20));
    let members = Members::new(&session, "default");
    for key in [SET, SEEN] {
        server.cli(&["FLUSHALL"]).unwrap();
        server.cli(&["SET", key, "x"]).unwrap();
        assert!(matches!(
            members.take(&checkin(1, true)),
            Err(CacheError::Refused(_))
        ));
        assert!(matches!(
            members.take(&checkin(1, false)),
            Err(CacheError::Refused(_))
        ));
        let looked = members.expire(Set::FeatureServers, LONG, LONG);
        assert!(matches!(looked, Err(CacheError::Refused(_))));
        assert_eq!(server.cli(&["GET", key]).unwrap(), "x");
        assert_eq!(server.cli(&["DBSIZE"]).unwrap(), "1");
    }
}

#[test]
fn the_host_of_a_member_is_its_address() {
    let is = |member: &str, address: &str| host(member) == Some(address.parse().unwrap());
    assert!(is("10.0.0.1:5060", "10.0.0.1") && is("10.0.0.1", "10.0.0.1"));
    assert!(is("[2001:db8::1]:5060", "2001:db8::1") && is("2001:db8:0:0::1", "2001:db8::1"));
    assert!(is("[::ffff:10.0.0.1]:5060", "10.0.0.1"));
    for member in ["", "odd", "host.example:5060", ":5060", "http://10.0.0.1"] {
        assert_eq!(host(member), None);
    }
}
