//! A Redis Cluster of three masters, each with a third of the keys.

use std::fmt::Write;
use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use super::access::{Access, Kind};
use super::options::{Options, Tls};
use super::{Redis, START};
use crate::database::program;
use crate::ports;
use crate::server::wait_for;

/// How many nodes.
const NODES: usize = 3;

/// How long creating it may take, in seconds.
const CREATE: &str = "60";

/// A running Cluster without replicas; it ends when dropped.
///
/// When a node hangs or ends, the others notice after 2 s, and then refuse all keys
/// (`cluster-require-full-coverage`, as Redis has it by default) until it is back.
pub struct Cluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
    access: Access,
}

impl Cluster {
    /// Why there can be none, if so: only Redis 7 and later can choose the port on which nodes talk
    /// to each other.
    pub fn missing() -> Option<String> {
        super::missing().or_else(|| {
            let output = Command::new(program("redis-server")?)
                .arg("--version")
                .output();
            let said = String::from_utf8(output.ok()?.stdout).ok()?;
            let release: u32 = said.split("v=").nth(1)?.split('.').next()?.parse().ok()?;
            (release < 7).then(|| format!("Redis {release} has no cluster-port"))
        })
    }

    /// Starts it, empty; returns once all keys are served.
    ///
    /// # Errors
    /// Fails if that takes longer than 60 s.
    pub fn start(folder: &Path) -> Result<Cluster, String> {
        Cluster::start_with(folder, &Options::default())
    }

    /// The same with these options.
    ///
    /// # Errors
    /// Fails if that takes longer than 60 s.
    pub fn start_with(folder: &Path, options: &Options) -> Result<Cluster, String> {
        let certificates = options.certificates(folder)?;
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let mut more = "cluster-enabled yes\ncluster-config-file nodes.conf\n\
                 cluster-node-timeout 2000\ncluster-announce-ip 127.0.0.1\n"
                .to_string();
            _ = writeln!(more, "cluster-port {}", ports::free());
            if options.tls != Tls::Off {
                more += "tls-cluster yes\n";
            }
            let place = folder.join(format!("node{number}"));
            nodes.push(Redis::data(&place, options, certificates.as_ref(), &more)?);
        }
        let ports = nodes.iter().map(|node| node.port).collect();
        let this = Cluster {
            nodes,
            access: options.access(Kind::Cluster, ports, certificates.as_ref()),
        };
        let hosts = this
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port));
        let hosts: Vec<String> = hosts.collect();
        let mut words = vec!["--cluster", "create"];
        words.extend(hosts.iter().map(String::as_str));
        words.push("--cluster-yes");
        this.access.run(CREATE, this.access.port(), &words)?;
        this.settle()?;
        Ok(this)
    }

    /// Waits until every node knows all others and says that every key is served, for example after
    /// one of them was started again.
    ///
    /// # Errors
    /// Fails if that takes longer than 30 s.
    pub fn settle(&self) -> Result<(), String> {
        let nodes = format!("cluster_known_nodes:{NODES}");
        let is_ok = |node: &Redis| {
            let said = node.cli_soon(node.port, &["CLUSTER", "INFO"]);
            let said = said.unwrap_or_default();
            ["cluster_state:ok", "cluster_slots_ok:16384", &nodes]
                .iter()
                .all(|wanted| said.lines().any(|line| line.trim_end() == *wanted))
        };
        wait_for(START, || self.nodes.iter().all(is_ok).then_some(()))
            .ok_or("the Cluster is not complete".to_string())
    }

    /// Makes a node hang, by its number from 0 to 2.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn hang(&self, node: usize) -> Result<(), String> {
        self.nodes[node].hang()
    }

    /// Lets a node go on.
    ///
    /// # Errors
    /// Fails if it is stopped.
    pub fn go_on(&self, node: usize) -> Result<(), String> {
        self.nodes[node].go_on()
    }

    /// The number of the node that has this key. Every node must answer.
    ///
    /// # Errors
    /// Fails if none has it.
    pub fn node_of(&self, key: &str) -> Result<usize, String> {
        let has = |node: &Redis| {
            let said = node.cli_soon(node.port, &["EXISTS", key]);
            said.is_ok_and(|said| said == "0" || said == "1")
        };
        let found = self.nodes.iter().position(has);
        found.ok_or_else(|| format!("no node has {key}"))
    }
}

impl Deref for Cluster {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}
