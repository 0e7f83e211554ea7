//! Two registrars on two addresses of loopback; devices and the next hop are on a third.

use std::time::Duration;

use harness::core::Core;
use harness::database::Backend;
use harness::instance::{Instance, tail};
use harness::registrar::{Setting, Site};
use harness::{module, registrar};

/// How long to wait for an answer that must not come.
pub const SILENCE: Duration = Duration::from_secs(1);

/// Within this, a call to a registrar that is gone must have failed.
pub const PROMPT: Duration = Duration::from_secs(8);

/// See the [module](self).
pub struct Pair {
    pub core: Core,
    pub a: Site,
    pub b: Site,
    running: [Option<Instance>; 2],
}

impl Pair {
    /// Starts both, each as the other's peer.
    pub fn start(setting: &Setting, core: &Core) -> Result<Pair, String> {
        if !module().is_file() {
            return Err(format!("no module at {}: run make", module().display()));
        }
        let site = setting.site(core, Backend::Mysql)?;
        let mut a = setting.beside(core, &site, "127.0.0.2")?;
        let mut b = setting.beside(core, &site, "127.0.0.3")?;
        // One that is never there comes first.
        let nobody = "127.0.0.4:5060".to_string();
        // The same list on both.
        let all = vec![nobody, a.place(), b.place()];
        a.peers = all.clone();
        b.peers = all;
        let mut pair = Pair {
            core: core.clone(),
            a,
            b,
            running: [None, None],
        };
        pair.start_a()?;
        pair.start_b()?;
        Ok(pair)
    }

    /// Starts A again.
    pub fn start_a(&mut self) -> Result<(), String> {
        self.running[0] = Some(self.a.start(&self.core)?);
        Ok(())
    }

    /// Starts B again.
    pub fn start_b(&mut self) -> Result<(), String> {
        self.running[1] = Some(self.b.start(&self.core)?);
        Ok(())
    }

    /// Ends A with SIGKILL.
    pub fn kill_a(&mut self) -> Result<(), String> {
        self.running[0].take().map_or(Ok(()), Instance::kill)
    }

    /// Ends both in good order.
    pub fn stop(&mut self) {
        self.running = [None, None];
    }

    /// The end of both logs.
    pub fn log_tail(&self) -> String {
        let logs = self.running.iter().flatten().map(Instance::log);
        let tails: Vec<String> = logs.map(|log| tail(&log, 25)).collect();
        tails.join("\n--\n")
    }

    /// Every process must still be running, and no secret be in the log.
    pub fn look_after(&mut self) -> Result<(), String> {
        for instance in self.running.iter_mut().flatten() {
            instance.check_workers()?;
            if instance.log().contains(registrar::SECRET) {
                return Err("a secret is in the log".to_string());
            }
        }
        Ok(())
    }
}
