//! One registrar shared by several trials: started by the first that needs it.

use std::cell::Cell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use harness::core::Core;
use harness::database::Backend;
use harness::instance::Instance;
use harness::redis;
use harness::registrar::{Setting, Site};
use harness::shared::Shared;
use harness::{module, sipp};
use libtest_mimic::{Completion, Failed, Trial};

/// A trial, by name.
pub type Scenario = (&'static str, fn(&Group) -> Result<(), String>);

/// Modules of OpenSIPS that the script loads on every site.
const NEEDED: [&str; 7] = [
    "cfgutils.so",
    "dialog.so",
    "json.so",
    "nathelper.so",
    "registrar.so",
    "uac_registrant.so",
    "mi_datagram.so",
];

/// See the [module](self).
pub struct Group {
    pub setting: Arc<Setting>,
    pub core: Core,
    pub backend: Backend,
    site: OnceLock<Result<Site, String>>,
    instance: Shared<Instance>,
    /// One after the other: they share users and the next hop.
    turn: Mutex<()>,
}

/// The trials of one core: `shared` on one registrar for each kind of database, each of `alone` on
/// its own, and likewise each of `of_mysql` if the database is MySQL.
pub fn trials(
    setting: &Arc<Setting>,
    core: &Core,
    shared: &[Scenario],
    alone: &[Scenario],
    of_mysql: &[Scenario],
) -> Vec<Trial> {
    let mut trials = Vec::new();
    let backends = match core.is_opensips() {
        true => &[Backend::Mysql, Backend::Sqlite][..],
        // Reporting once that it cannot is enough.
        false => &[Backend::Mysql],
    };
    for backend in backends.iter().copied() {
        let alone = match backend {
            Backend::Mysql => [alone, of_mysql].concat(),
            _ => alone.to_vec(),
        };
        if let Some(reason) = missing(core, backend) {
            for (name, _) in shared.iter().chain(&alone) {
                let reason = reason.clone();
                let name = format!("{core}, {backend}: {name}");
                trials.push(Trial::ignorable_test(name, move || {
                    Ok(Completion::ignored_with(reason))
                }));
            }
            continue;
        }
        let group = Group::new(setting, core, backend);
        trials.extend(shared.iter().map(|scenario| trial(&group, scenario)));
        let own = |scenario| trial(&Group::new(setting, core, backend), scenario);
        trials.extend(alone.iter().map(own));
    }
    trials
}

fn trial(group: &Arc<Group>, (name, run): &Scenario) -> Trial {
    let (group, run) = (Arc::clone(group), *run);
    let name = format!("{}, {}: {name}", group.core, group.backend);
    Trial::ignorable_test(name, move || {
        let _turn = group.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = group.start().and_then(|()| run(&group));
        let stuck = match outcome {
            Ok(()) => None,
            Err(_) => group.stuck(),
        };
        let outcome = outcome.map_err(|e| match &stuck {
            Some(stuck) => format!(
                "{e}\nnothing in it works any more:\n{stuck}\n{}",
                group.log_tail()
            ),
            None => format!("{e}\n{}", group.log_tail()),
        });
        if let Some(stuck) = &stuck {
            // That is one fault, not one of each trial that is left.
            group.stop();
            if group.core.loses_messages() && !stuck.contains("aw_rs_") {
                return Ok(Completion::ignored_with(format!(
                    "this OpenSIPS stands still in its own code, as its process for connections writes \
                     where it likes (its issue 4232): {}",
                    stuck.replace('\n', "; ")
                )));
            }
        }
        if group.core.loses_messages() && group.with(Instance::connections_crashed) == Ok(true) {
            // The next trial starts another.
            group.stop();
            return Ok(Completion::ignored_with(
                "the process for connections of this OpenSIPS has crashed (its issue 4232)",
            ));
        }
        let after = group.look_after();
        if group.with(Instance::has_ended) == Ok(true) {
            // The next trial starts another: that is one fault, not one of each trial that is left.
            group.stop();
        }
        after?;
        conclusion(&group.core, outcome)
    })
}

thread_local! {
    static OVER_STREAMS: Cell<bool> = const { Cell::new(false) };
}

/// Notes that the trial of this thread sends, or receives, over TCP, TLS or WebSocket.
pub fn over_streams() {
    OVER_STREAMS.set(true);
}

/// What a trial has shown. Where OpenSIPS itself loses messages of streams, and some were used, that one did
/// not come shows nothing.
pub fn conclusion(core: &Core, outcome: Result<(), String>) -> Result<Completion, Failed> {
    const SILENCE: [&str; 3] = [
        "no answer",
        "nothing reaches the next hop",
        "unexpected end of file",
    ];
    // What it logs when it has read a connection twice at a time, and taken the middle of a message for its begin.
    const TORN: &str = "receive_msg() failed for dispatched TCP message";
    let over_streams = OVER_STREAMS.take();
    let Err(error) = outcome else {
        return Ok(Completion::Completed);
    };
    if core.loses_messages() && error.contains(TORN) {
        return Ok(Completion::ignored_with(
            "this OpenSIPS tears messages over streams (its issue 4232)",
        ));
    }
    let what = error.lines().next().unwrap_or_default();
    let is_silence = SILENCE.iter().any(|silence| what.contains(silence));
    match core.loses_messages() && over_streams && is_silence {
        true => Ok(Completion::ignored_with(format!(
            "this OpenSIPS loses messages over streams (its issue 4232): {what}"
        ))),
        false => Err(error.into()),
    }
}

/// Why this core cannot be tested on that database, if so.
pub fn missing(core: &Core, backend: Backend) -> Option<String> {
    if !core.is_opensips() {
        return Some("it is not OpenSIPS, and has no registrar".to_string());
    }
    let sql = match core.module("sqlops.so") {
        Some(_) => "sqlops.so",
        None => "avpops.so",
    };
    NEEDED
        .iter()
        .chain([&backend.opensips_module(), &sql])
        .find(|file| core.module(file).is_none())
        .map(|file| format!("this OpenSIPS has no {file}"))
        .or_else(|| backend.missing())
        .or_else(redis::missing)
        .or_else(sipp::missing)
        .or_else(|| {
            let name = format!("{backend}/usrloc-create.sql");
            let there = core.sql_file(&backend.to_string(), "usrloc-create.sql");
            there
                .is_none()
                .then(|| format!("this OpenSIPS has no {name}"))
        })
}

impl Group {
    fn new(setting: &Arc<Setting>, core: &Core, backend: Backend) -> Arc<Group> {
        Arc::new(Group {
            setting: Arc::clone(setting),
            core: core.clone(),
            backend,
            site: OnceLock::new(),
            instance: Shared::default(),
            turn: Mutex::new(()),
        })
    }

    /// What the registrar runs on.
    pub fn site(&self) -> Result<&Site, String> {
        let made = self
            .site
            .get_or_init(|| self.setting.site(&self.core, self.backend));
        made.as_ref().map_err(String::clone)
    }

    /// Starts the registrar unless it is running.
    pub fn start(&self) -> Result<(), String> {
        if !module().is_file() {
            return Err(format!("no module at {}: run make", module().display()));
        }
        let start = || self.site().and_then(|site| site.start(&self.core));
        self.instance.with(start, |_| ())
    }

    /// The running registrar, for inspection.
    pub fn with<T>(&self, look: impl FnOnce(&mut Instance) -> T) -> Result<T, String> {
        self.instance
            .look(look)
            .ok_or_else(|| "it does not run".to_string())
    }

    /// Ends the registrar; the site remains.
    pub fn stop(&self) {
        self.instance.end();
    }

    /// See [`Instance::stuck`].
    fn stuck(&self) -> Option<String> {
        let address = self.site().ok()?.address.clone();
        self.with(|instance| instance.stuck(&address)).ok()?
    }

    fn log_tail(&self) -> String {
        let log = self.with(|instance| instance.log()).unwrap_or_default();
        harness::instance::tail(&log, 25)
    }

    /// Every process must still be running, and no secret be in the log.
    fn look_after(&self) -> Result<(), String> {
        let log = match self.with(|instance| instance.check_workers().map(|()| instance.log())) {
            Ok(checked) => checked?,
            Err(_) => return Ok(()),
        };
        let secrets = [harness::registrar::SECRET, harness::registrar::TOKEN_SECRET];
        match secrets.iter().find(|secret| log.contains(**secret)) {
            Some(_) => Err("a secret is in the log".to_string()),
            None => Ok(()),
        }
    }
}
