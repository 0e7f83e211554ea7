//! A master, two replicas, and three Sentinels that choose another master if it fails.

use std::fmt::Write;
use std::ops::Deref;
use std::path::Path;

use super::access::{Access, Kind};
use super::options::{Options, quoted};
use super::{Redis, START};
use crate::ports;
use crate::server::wait_for;

/// What the Sentinels call the master.
pub const NAME: &str = "mymaster";

/// How many servers, and how many Sentinels.
const EACH: usize = 3;

/// How many Sentinels must agree.
const QUORUM: usize = 2;

/// A running installation; it ends when dropped.
pub struct Sentinel {
    /// The servers; at first the master is the first of them.
    pub servers: Vec<Redis>,
    /// The Sentinels. One that hung goes on half asleep: for 30 s it takes part in no failover.
    pub sentinels: Vec<Redis>,
    access: Access,
}

impl Sentinel {
    /// Starts it, empty; returns once both replicas follow, and all Sentinels know each other.
    ///
    /// # Errors
    /// Fails if that takes longer than 30 s.
    pub fn start(folder: &Path) -> Result<Sentinel, String> {
        Sentinel::start_with(folder, &Options::default())
    }

    /// The same with these options. The Sentinels have the same TLS, but neither user nor password.
    ///
    /// # Errors
    /// Fails if that takes longer than 30 s.
    pub fn start_with(folder: &Path, options: &Options) -> Result<Sentinel, String> {
        let certificates = options.certificates(folder)?;
        let certificates = certificates.as_ref();
        let place = |kind: &str, number: usize| folder.join(format!("{kind}{number}"));
        let mut servers: Vec<Redis> = Vec::new();
        for number in 0..EACH {
            let mut more = "replica-announce-ip 127.0.0.1\n".to_string();
            if let Some(master) = servers.first() {
                _ = writeln!(more, "replicaof 127.0.0.1 {}", master.port);
            }
            let place = place("redis", number);
            servers.push(Redis::data(&place, options, certificates, &more)?);
        }
        let master = servers.first().map_or(0, |master| master.port);
        let nobody = Options {
            user: None,
            password: None,
            ..*options
        };
        let mut sentinels = Vec::new();
        for number in 0..EACH {
            let port = ports::free();
            let lines = nobody.transport(port, certificates) + &watch(master, port, options);
            let access = nobody.access(Kind::Single, vec![port], certificates);
            let place = place("sentinel", number);
            sentinels.push(Redis::launch(&place, &lines, access, true)?);
        }
        let ports = sentinels.iter().map(|one| one.port).collect();
        let this = Sentinel {
            servers,
            sentinels,
            access: options.access(Kind::Sentinels, ports, certificates),
        };
        this.settle()?;
        Ok(this)
    }

    /// Waits until every Sentinel sees all others and two replicas that follow the master, for
    /// example after the former master was started again.
    ///
    /// # Errors
    /// Fails if that takes longer than 30 s.
    pub fn settle(&self) -> Result<(), String> {
        let settled = || {
            let master = self.master().ok()?;
            let role = self
                .access
                .cli_soon(master, &["INFO", "replication"])
                .ok()?;
            let online = role.matches("state=online").count();
            let all = self.sentinels.iter().all(|one| {
                let said = one.cli_soon(one.port, &["INFO", "sentinel"]);
                let wanted = format!(
                    "status=ok,address=127.0.0.1:{master},slaves={},sentinels={EACH}",
                    EACH - 1
                );
                said.is_ok_and(|said| said.contains(&wanted))
            });
            (role.contains("role:master") && online == EACH - 1 && all).then_some(())
        };
        wait_for(START, settled).ok_or_else(|| {
            let said = |one: &Redis| one.cli_soon(one.port, &["INFO", "sentinel"]);
            let said: Vec<_> = self.sentinels.iter().map(said).collect();
            format!("the Sentinels do not agree: {said:?}")
        })
    }

    /// The port of the current master, according to two Sentinels or more.
    ///
    /// # Errors
    /// Fails if there are no two that agree.
    pub fn master(&self) -> Result<u16, String> {
        master(&self.access)
    }

    /// Ends the master with SIGKILL; returns its port. It can be
    /// [started again](Redis::resume).
    ///
    /// # Errors
    /// Fails if it is not known which one that is.
    pub fn kill_master(&self) -> Result<u16, String> {
        let master = self.server(self.master()?)?;
        master.kill();
        Ok(master.port)
    }

    /// Makes the master hang; returns its port.
    ///
    /// # Errors
    /// Fails if it is not known which one that is.
    pub fn hang_master(&self) -> Result<u16, String> {
        let master = self.server(self.master()?)?;
        master.hang()?;
        Ok(master.port)
    }

    /// Waits until another server is master; returns its port.
    ///
    /// # Errors
    /// Fails if that takes longer than 30 s.
    pub fn successor(&self, former: u16) -> Result<u16, String> {
        let found = wait_for(START, || {
            let port = self.master().ok().filter(|port| *port != former)?;
            let role = self.access.cli_soon(port, &["ROLE"]).ok()?;
            role.starts_with("master").then_some(port)
        });
        found.ok_or_else(|| format!("127.0.0.1:{former} has no successor"))
    }

    /// The server on this port.
    ///
    /// # Errors
    /// Fails if there is none.
    pub fn server(&self, port: u16) -> Result<&Redis, String> {
        let found = self.servers.iter().find(|server| server.port == port);
        found.ok_or_else(|| format!("127.0.0.1:{port} is none of the servers"))
    }
}

impl Deref for Sentinel {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

/// What makes a Sentinel watch the master. It fails over after a second, and tries again after
/// 3 s.
fn watch(master: u16, port: u16, options: &Options) -> String {
    let mut lines = format!(
        "sentinel announce-ip 127.0.0.1\n\
         sentinel announce-port {port}\n\
         sentinel monitor {NAME} 127.0.0.1 {master} {QUORUM}\n\
         sentinel down-after-milliseconds {NAME} 1000\n\
         sentinel failover-timeout {NAME} 3000\n\
         sentinel parallel-syncs {NAME} 2\n"
    );
    let login = match (options.password, options.user) {
        (Some(password), _) => Some((None, password)),
        (None, user) => user.map(|(user, password)| (Some(user), password)),
    };
    if let Some((user, password)) = login {
        _ = writeln!(lines, "sentinel auth-pass {NAME} {}", quoted(password));
        if let Some(user) = user {
            _ = writeln!(lines, "sentinel auth-user {NAME} {user}");
        }
    }
    lines
}

/// Asks the Sentinels of an installation for the master.
pub(super) fn master(access: &Access) -> Result<u16, String> {
    let sentinels = Access {
        credentials: None,
        ..access.clone()
    };
    let ask = |port: &u16| -> Option<u16> {
        let words = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        let said = sentinels.cli_soon(*port, &words).ok()?;
        said.lines().nth(1)?.parse().ok()
    };
    let named: Vec<u16> = access.ports.iter().filter_map(ask).collect();
    let agreed = |port: &&u16| named.iter().filter(|other| other == port).count() >= QUORUM;
    named
        .iter()
        .find(agreed)
        .copied()
        .ok_or_else(|| format!("the Sentinels name {named:?}"))
}
