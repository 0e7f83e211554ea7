//! The parts that fail, and how.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use harness::blackhole::{Blackhole, Queue};
use harness::endpoint::Endpoint;
use harness::redis::{Cluster, Options, Redis, Sentinel, Tls};
use harness::registrar::Setting;

use super::crowd;

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Redis,
    RedisTls,
    Sentinel,
    Cluster,
    Database,
    Endpoint,
}

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// SIGSTOP: connections are accepted, and nobody answers.
    Hangs,
    /// SIGKILL: connections are closed and refused.
    Refuses,
    /// SYNs are dropped. Of one of several servers, those of its open connections are not answered
    /// either, and it goes on afterwards; one that is alone is killed, and starts again.
    Unreachable,
}

impl Kind {
    /// `REDIS_TIMEOUT`, ms. Where it is not Redis that fails, long enough for a machine that is busy
    /// with other trials.
    pub fn redis_timeout(self) -> u32 {
        match self {
            Kind::Redis | Kind::RedisTls | Kind::Sentinel | Kind::Cluster => 500,
            Kind::Database | Kind::Endpoint => 2000,
        }
    }

    pub const ALL: [Kind; 6] = [
        Kind::Redis,
        Kind::RedisTls,
        Kind::Sentinel,
        Kind::Cluster,
        Kind::Database,
        Kind::Endpoint,
    ];

    /// Whether a call needs it.
    pub fn is_needed_by(self, call: crowd::Kind) -> bool {
        match self {
            // What is known of accounts and endpoints serves.
            Kind::Database => call == crowd::Kind::Stranger,
            Kind::Endpoint => call == crowd::Kind::First,
            // Where a device is, and whether a nonce was used.
            _ => true,
        }
    }

    /// The time-out that applies to one question.
    pub fn timeout(self) -> Duration {
        Duration::from_millis(match self {
            Kind::Database => 2000,
            Kind::Endpoint => 3000,
            _ => 500,
        })
    }

    /// How long it is dead: longer than the time-out.
    pub fn outage(self) -> Duration {
        self.timeout() + Duration::from_millis(700)
    }
}

impl Way {
    pub const ALL: [Way; 3] = [Way::Hangs, Way::Refuses, Way::Unreachable];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Redis => "Redis, one server",
            Kind::RedisTls => "Redis, one server with TLS",
            Kind::Sentinel => "Redis, the master of three with Sentinels",
            Kind::Cluster => "Redis, a node of a Cluster of three",
            Kind::Database => "MariaDB",
            Kind::Endpoint => "the endpoint of one realm",
        })
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Way::Hangs => "hangs",
            Way::Refuses => "refuses",
            Way::Unreachable => "unreachable",
        })
    }
}

/// The part itself, while it is tried.
pub enum Part<'a> {
    Single(Redis),
    Sentinel(Sentinel),
    Cluster(Cluster),
    Database(&'a Setting),
    Endpoint(&'a mut Endpoint),
}

/// What must be undone.
pub enum Struck {
    Hung,
    Dead,
    Hidden(#[expect(dead_code, reason = "held until it is dropped")] Blackhole),
    Silent(#[expect(dead_code, reason = "held until it is dropped")] Queue),
    /// The master on this port.
    Master(u16),
}

/// The Redis of a kind, which for the database and the endpoint is one server.
///
/// # Errors
/// Fails if it does not start.
pub fn redis(kind: Kind, folder: &Path) -> Result<(Part<'static>, String), String> {
    let tls = match kind {
        Kind::RedisTls => Tls::On,
        _ => Tls::Off,
    };
    let options = Options {
        tls,
        ..Options::default()
    };
    Ok(match kind {
        Kind::Sentinel => {
            let made = Sentinel::start(folder)?;
            let url = made.url();
            (Part::Sentinel(made), url)
        }
        Kind::Cluster => {
            let made = Cluster::start(folder)?;
            let url = made.url();
            (Part::Cluster(made), url)
        }
        _ => {
            let made = Redis::start_with(folder, &options)?;
            let url = made.url();
            (Part::Single(made), url)
        }
    })
}

impl Part<'_> {
    /// Makes it fail.
    ///
    /// # Errors
    /// Fails if that can't be done.
    pub fn strike(&mut self, way: Way) -> Result<Struck, String> {
        let port = match (way, &mut *self) {
            (Way::Hangs, Part::Single(redis)) => redis.hang().map(|()| None)?,
            (Way::Hangs, Part::Cluster(cluster)) => cluster.hang(0).map(|()| None)?,
            (Way::Hangs, Part::Database(setting)) => {
                setting.servers().with_mariadb(|server| server.hang())?;
                None
            }
            (Way::Hangs, Part::Endpoint(endpoint)) => endpoint.hang().map(|()| None)?,
            (Way::Hangs, Part::Sentinel(sentinel)) => {
                return sentinel.hang_master().map(Struck::Master);
            }
            (Way::Refuses, Part::Sentinel(sentinel)) => {
                return sentinel.kill_master().map(Struck::Master);
            }
            // Its queue stays full until it is killed.
            (Way::Unreachable, Part::Sentinel(sentinel)) => {
                let master = sentinel.hang_master()?;
                return Queue::full(master).map(|_| Struck::Master(master));
            }
            (Way::Unreachable, Part::Cluster(cluster)) => {
                cluster.hang(0)?;
                return Queue::full(cluster.nodes[0].port).map(Struck::Silent);
            }
            (_, Part::Single(redis)) => {
                redis.kill();
                Some(redis.port)
            }
            (_, Part::Cluster(cluster)) => {
                cluster.nodes[0].kill();
                Some(cluster.nodes[0].port)
            }
            (_, Part::Database(setting)) => {
                let kill = |server: &mut harness::database::MariaDb| {
                    server.kill();
                    Ok(Some(server.port()))
                };
                setting.servers().with_mariadb(kill)?
            }
            (_, Part::Endpoint(endpoint)) => {
                endpoint.kill();
                Some(endpoint.port())
            }
        };
        Ok(match (way, port) {
            (Way::Hangs, _) | (_, None) => Struck::Hung,
            (Way::Refuses, _) => Struck::Dead,
            (Way::Unreachable, Some(port)) => Struck::Hidden(Blackhole::unreachable_at(port)?),
        })
    }

    /// Makes it work again, and returns once it does. Those who ask it may not have noticed yet.
    ///
    /// # Errors
    /// Fails if it does not work.
    pub fn restore(&mut self, struck: Struck) -> Result<(), String> {
        if let Struck::Hung | Struck::Silent(_) = struck {
            match self {
                Part::Single(redis) => redis.go_on()?,
                Part::Cluster(cluster) => cluster.go_on(0)?,
                Part::Database(setting) => {
                    setting.servers().with_mariadb(|server| server.go_on())?;
                }
                Part::Endpoint(endpoint) => endpoint.go_on()?,
                Part::Sentinel(_) => {}
            }
        } else {
            match (&mut *self, &struck) {
                // Another one is elected.
                (Part::Sentinel(sentinel), Struck::Master(former)) => {
                    sentinel.successor(*former)?;
                }
                (_, _) => {
                    drop(struck);
                    self.start_again()?;
                }
            }
        }
        match self {
            Part::Cluster(cluster) => cluster.settle(),
            _ => Ok(()),
        }
    }

    fn start_again(&mut self) -> Result<(), String> {
        match self {
            Part::Single(redis) => redis.resume(),
            Part::Cluster(cluster) => cluster.nodes[0].resume(),
            Part::Database(setting) => setting.servers().with_mariadb(|server| server.resume()),
            Part::Endpoint(endpoint) => endpoint.resume(),
            Part::Sentinel(_) => Ok(()),
        }
    }

    /// What is left to do before it may fail again.
    ///
    /// # Errors
    /// Fails if it does not work as before.
    pub fn tidy(&mut self) -> Result<(), String> {
        let Part::Sentinel(sentinel) = self else {
            return Ok(());
        };
        for server in &sentinel.servers {
            let answers = sentinel.cli_at(server.port, &["PING"]);
            if server.port != sentinel.master()? && !answers.is_ok_and(|said| said == "PONG") {
                server.kill();
                server.resume()?;
            }
        }
        sentinel.settle()
    }
}
