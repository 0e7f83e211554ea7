//! One core shared by several trials: started by the first that needs it, checked by each.

use std::sync::Arc;
use std::time::Duration;

use harness::core::Core;
use harness::device::{Device, Question, Reply};
use harness::instance::Instance;
use harness::script::Script;
use harness::secrecy;
use harness::server::wait_for;
use harness::shared::Shared;
use libtest_mimic::{Failed, Trial};

use super::setting::{BASIC, NONCE_SECRET, SIGNATURE_SECRET, Setting};

/// How long a log may lag behind an answer.
const LOG: Duration = Duration::from_secs(10);

/// A trial, by name.
pub type Scenario = (&'static str, fn(&Group) -> Result<(), String>);

/// Writes the script of a group.
pub type Make = fn(&Setting, &Core) -> Result<Script, String>;

/// See the [module](self).
pub struct Group {
    pub setting: Arc<Setting>,
    pub core: Core,
    make: Make,
    running: Shared<Running>,
}

struct Running {
    instance: Instance,
    log_checked: u64,
}

/// The trials of one group.
pub fn trials(
    setting: &Arc<Setting>,
    core: &Core,
    make: Make,
    scenarios: &[Scenario],
) -> Vec<Trial> {
    let group = Arc::new(Group {
        setting: Arc::clone(setting),
        core: core.clone(),
        make,
        running: Shared::default(),
    });
    scenarios
        .iter()
        .map(|(name, run)| {
            let (group, run) = (Arc::clone(&group), *run);
            Trial::test(format!("{core}: {name}"), move || {
                let outcome = run(&group);
                let after = group.look_after();
                outcome.and(after).map_err(Failed::from)
            })
        })
        .collect()
}

impl Group {
    fn start(&self) -> Result<Running, String> {
        self.core.prepare()?;
        let script = (self.make)(&self.setting, &self.core)?;
        Ok(Running {
            instance: self.setting.start(&self.core, &script)?,
            log_checked: 0,
        })
    }

    /// The port of the core, which is started if necessary.
    pub fn port(&self) -> Result<u16, String> {
        self.running
            .with(|| self.start(), |running| running.instance.port)
    }

    /// A device on 127.0.0.1.
    pub fn device(&self) -> Result<Device, String> {
        Device::new(self.port()?)
    }

    /// A device on an address that no other trial uses.
    pub fn stranger(&self) -> Result<Device, String> {
        Device::at(&self.setting.address(), self.port()?)
    }

    /// Asks with the password of nearly all users, and fails unless it returns `code`.
    pub fn authorize(&self, question: &Question, code: &str) -> Result<Reply, String> {
        let reply = self.device()?.authorize(question, "secret")?;
        reply.expect(code)
    }

    /// How much has been logged so far.
    pub fn log_length(&self) -> u64 {
        let length = |running: &mut Running| running.instance.log_length();
        self.running.look(length).unwrap_or(0)
    }

    /// Fails unless a line with all these words is logged after that offset, if need be soon.
    pub fn expect_log(&self, since: u64, words: &[&str]) -> Result<(), String> {
        let log_of = |running: &mut Running| running.instance.log_since(since);
        let log = || self.running.look(log_of).unwrap_or_default();
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        let found = wait_for(LOG, || log().lines().any(says).then_some(()));
        found.ok_or_else(|| format!("no line with {words:?} in the log:\n{}", log()))
    }

    /// Every process must still be running, and nothing secret be in the log.
    fn look_after(&self) -> Result<(), String> {
        let check = |running: &mut Running| {
            running.instance.check_workers()?;
            let log = running.instance.log_lines(&mut running.log_checked);
            secrecy::check(&log, [BASIC.1, SIGNATURE_SECRET, NONCE_SECRET])
        };
        self.running.look(check).unwrap_or(Ok(()))
    }
}
