//! One core with one database, to which all cases are sent.

use std::sync::Arc;

use harness::database::Database;
use harness::instance::Instance;
use harness::script::Script;
use harness::secrecy;
use harness::setting::{Place, Setting};
use harness::shared::Shared;
use harness::sipp::{self, Run};
use libtest_mimic::{Failed, Trial};

use super::cases::{CASES, Case};

/// The routes of the test script.
const ROUTES: &str = include_str!("authorize.cfg");

/// Creates what a group runs on.
type Make = dyn Fn(&Setting, &Place) -> Result<(Database, Script), String> + Send + Sync;

/// A core that is started by the first trial that needs it, and stopped with the last.
pub struct Group {
    setting: Arc<Setting>,
    place: Place,
    make: Box<Make>,
    running: Shared<Running>,
}

struct Running {
    instance: Instance,
    database: Database,
    log_checked: u64,
}

impl Group {
    /// A group on a database with the profiles of the world, for which `make` writes the script.
    pub fn new(
        setting: &Arc<Setting>,
        place: &Place,
        make: impl Fn(&Database) -> Result<Script, String> + Send + Sync + 'static,
    ) -> Arc<Group> {
        Group::made_by(setting, place, move |setting, place| {
            let database = setting.database(place.backend)?;
            let script = make(&database)?;
            Ok((database, script))
        })
    }

    /// A group whose database and script are made by `make`.
    pub fn made_by(
        setting: &Arc<Setting>,
        place: &Place,
        make: impl Fn(&Setting, &Place) -> Result<(Database, Script), String> + Send + Sync + 'static,
    ) -> Arc<Group> {
        Arc::new(Group {
            setting: Arc::clone(setting),
            place: place.clone(),
            make: Box::new(make),
            running: Shared::default(),
        })
    }

    fn start(&self) -> Result<Running, String> {
        self.place.core.prepare()?;
        let (database, script) = (self.make)(&self.setting, &self.place)?;
        let instance = Instance::start(&self.place.core, &script, &self.setting.folder())
            .map_err(|e| e.to_string())?;
        Ok(Running {
            instance,
            database,
            log_checked: 0,
        })
    }

    /// The port of its core, which is started if necessary.
    pub fn port(&self) -> Result<u16, String> {
        self.running
            .with(|| self.start(), |running| running.instance.port)
    }

    /// Runs a case, then checks what it left behind.
    pub fn run(&self, case: &Case) -> Result<(), Failed> {
        let port = self.port()?;
        let rows = (case.rows)(self.setting.world());
        let run = Run {
            scenario: case.scenario,
            service: case.service,
            rows: &rows,
        };
        let outcome = sipp::run(&run, port, &self.setting.folder());
        let tokens = rows
            .iter()
            .flatten()
            .filter_map(|field| secrecy::of_token(field));
        self.look_after(&tokens.collect::<Vec<_>>())?;
        Ok(outcome?)
    }

    /// Every process must still be running, and nothing secret be in the log.
    pub fn look_after(&self, tokens: &[&str]) -> Result<(), String> {
        let mut unspeakable = self.setting.world().unspeakable();
        let check = |running: &mut Running| {
            running.instance.check_workers()?;
            let log = running.instance.log_lines(&mut running.log_checked);
            unspeakable.push(running.database.password.clone());
            let unspeakable = unspeakable.iter().map(String::as_str);
            secrecy::check(&log, unspeakable.chain(tokens.iter().copied()))
        };
        self.running.look(check).unwrap_or(Ok(()))
    }
}

/// The script of most trials.
pub fn script(database: &Database) -> Script {
    Script::new(&harness::module(), ROUTES)
        .database(database)
        .set(
            "load_credentials",
            "$avp(priority)=priority;note;$avp(home)=realm",
        )
}

/// Every case on one core with one database.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    let group = Group::new(setting, place, |database| Ok(script(database)));
    trials_of(&group, &place.to_string(), CASES)
}

/// These cases as one group.
pub fn trials_of(group: &Arc<Group>, label: &str, cases: &'static [Case]) -> Vec<Trial> {
    cases
        .iter()
        .map(|case| {
            let group = Arc::clone(group);
            Trial::test(format!("{label}: {}", case.name), move || group.run(case))
        })
        .collect()
}
