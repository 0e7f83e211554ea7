//! How connections to Redis are made: to which of several servers, with whose certificates, and at what
//! priority.

use std::fs;

use harness::blackhole::Blackhole;
use harness::core::Core;
use harness::device::Device;
use harness::instance::{Config, Instance};
use harness::redis::{self, Cluster, Options, Redis, Sentinel, Tls};
use harness::script::Script;

use super::redis::{Run, SLACK, TIMEOUT, admitted, asking, john, timed};
use super::setting::Setting;

/// The threads that connect, and those that ask.
const CONNECTING: &str = "auth_web-conn";
const ASKING: &str = "auth_web-redis";

/// Name, why it can't be tried, trial.
type Named = (&'static str, fn() -> Option<String>, Run);

/// The trials of one core.
pub(super) const TRIALS: [Named; 4] = [
    (
        "a Sentinel that is out of reach",
        redis::missing,
        sentinel_out_of_reach,
    ),
    (
        "a node of a Redis Cluster that is out of reach",
        Cluster::missing,
        node_out_of_reach,
    ),
    (
        "a Redis with TLS and the system's authorities",
        redis::missing,
        authorities,
    ),
    (
        "connections to Redis yield to the workers",
        redis::missing,
        priority,
    ),
];

fn sentinel_out_of_reach(setting: &Setting, core: &Core) -> Result<(), String> {
    let sentinel = Sentinel::start(&setting.folder())?;
    out_of_reach(setting, core, &sentinel.url())
}

fn node_out_of_reach(setting: &Setting, core: &Core) -> Result<(), String> {
    let cluster = Cluster::start(&setting.folder())?;
    out_of_reach(setting, core, &cluster.url())
}

/// The first of the servers that the URL names can't be reached, or hangs, from the beginning: the others
/// serve, and nobody waits for longer than the time-out.
fn out_of_reach(setting: &Setting, core: &Core, url: &str) -> Result<(), String> {
    for hole in [Blackhole::unreachable()?, Blackhole::silent()?] {
        let (scheme, hosts) = url.split_once("://").ok_or("no URL")?;
        let url = format!("{scheme}://127.0.0.1:{},{hosts}", hole.port);
        let mut instance = setting.start(core, &asking(setting, &url)?)?;
        let device = Device::new(instance.port)?;
        let (reply, took) = timed(&device, &john("async"))?;
        reply.expect("-4")?;
        if took > TIMEOUT + SLACK {
            return Err(format!("the first answer took {took:?}"));
        }
        // Their keys are on all nodes.
        for _ in 0..12 {
            admitted(&device)?;
        }
        instance.check_workers()?;
    }
    Ok(())
}

/// A script, and the file of certificates that the system trusts.
struct Trusting(Script, String);

impl Config for Trusting {
    fn render(&self, core: &Core, port: u16) -> String {
        self.0.render(core, port)
    }

    fn environment(&self, _core: &Core, _port: u16) -> Vec<(String, String)> {
        vec![("SSL_CERT_FILE".to_string(), self.1.clone())]
    }
}

/// Without `tls_ca` the system says who is trusted, and nobody else is; a certificate there that can't be read
/// takes nothing away from the others.
fn authorities(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let options = Options {
        tls: Tls::On,
        ..Options::default()
    };
    let redis = Redis::start_with(&folder, &options)?;
    let url = redis.url();
    let (url, ca) = url.split_once("?tls_ca=").ok_or("no authority")?;
    let ca = fs::read_to_string(ca).map_err(|e| format!("{ca}: {e}"))?;
    let other = folder.join("other-ca.pem");
    let other = fs::read_to_string(&other).map_err(|e| format!("{}: {e}", other.display()))?;
    let strange = "-----BEGIN CERTIFICATE-----\nc3RyYW5nZQ==\n-----END CERTIFICATE-----\n";
    let start = |text: &str| {
        let file = setting.folder().with_extension("pem");
        fs::write(&file, text).map_err(|e| e.to_string())?;
        let script = asking(setting, url)?;
        let trusting = Trusting(script, file.display().to_string());
        Instance::start(core, &trusting, &setting.folder()).map_err(|e| e.to_string())
    };
    let mut instance = start(&format!("{strange}{other}{ca}"))?;
    admitted(&Device::new(instance.port)?)?;
    instance.check_workers()?;
    let mut instance = start(&other)?;
    let device = Device::new(instance.port)?;
    device.ask(&john("async"))?.expect("-5")?;
    instance.check_workers()
}

/// The nice values of the threads of this name, in all processes.
fn priorities(instance: &Instance, wanted: &str) -> Result<Vec<i64>, String> {
    let mut found = Vec::new();
    for process in instance.footprint() {
        let tasks = fs::read_dir(format!("/proc/{}/task", process.pid));
        for task in tasks.map_err(|e| e.to_string())?.flatten() {
            // It may have ended.
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let Some((name, rest)) = stat.rsplit_once(") ") else {
                continue;
            };
            if name
                .split_once(" (")
                .is_some_and(|(_, name)| name == wanted)
            {
                // Of what follows the name, the 17th (proc_pid_stat(5)).
                let nice = rest.split(' ').nth(16).and_then(|nice| nice.parse().ok());
                found.push(nice.ok_or("no nice value")?);
            }
        }
    }
    Ok(found)
}

/// TLS handshakes after an outage take the processors: the workers, and the threads that ask, come first.
fn priority(setting: &Setting, core: &Core) -> Result<(), String> {
    let redis = Redis::start(&setting.folder())?;
    let mut instance = setting.start(core, &asking(setting, &redis.url())?)?;
    admitted(&Device::new(instance.port)?)?;
    // Threads end 10 s after their last work.
    let (connecting, asking) = (
        priorities(&instance, CONNECTING)?,
        priorities(&instance, ASKING)?,
    );
    let lowest = asking.iter().max().ok_or("nobody asks")?;
    if connecting.is_empty() || connecting.iter().any(|nice| nice <= lowest && *nice < 19) {
        return Err(format!("{connecting:?} is no lower than {asking:?}"));
    }
    instance.check_workers()
}
