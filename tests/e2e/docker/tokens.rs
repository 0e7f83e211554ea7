//! Tokens: the cases of every other core and database, with the profiles in MariaDB.

use std::path::Path;
use std::sync::Arc;

use harness::core::{Core, Kind};
use harness::database::{Backend, Database};
use harness::instance::Config;
use harness::secrecy;
use harness::world::World;
use libtest_mimic::Trial;

use super::containers::{PASSWORD, PORT, Plan, database_url};
use super::stack::{self, Run, Stack};
use crate::e2e::cases::{CASES, Case};
use crate::e2e::group::script;

/// One for each case, and one that looks after all of them.
pub fn trials(plan: &Arc<Plan>) -> Vec<Trial> {
    let world = Arc::new(World::generate());
    let prepare = {
        let (plan, world) = (Arc::clone(plan), Arc::clone(&world));
        Box::new(move |folder: &Path| prepare(&plan, &world, folder))
    };
    let stack = Arc::new(Stack::new(plan, "tokens", prepare));
    let mut trials: Vec<Trial> = CASES
        .iter()
        .map(|case| {
            let (stack, world) = (Arc::clone(&stack), Arc::clone(&world));
            Trial::test(format!("{}: {}", stack.label(), case.name), move || {
                Ok(run(&stack, &world, case)?)
            })
        })
        .collect();
    let label = stack.label().to_string();
    trials.push(Trial::test(
        format!("{label}: every process is there, and nothing secret in the log"),
        move || Ok(stack.look_after(&unspeakable(&world))?),
    ));
    trials
}

fn run(stack: &Stack, world: &World, case: &Case) -> Result<(), String> {
    stack.ask(&Run {
        scenario: case.scenario,
        rows: &(case.rows)(world),
        options: &["-s", case.service],
    })
}

fn unspeakable(world: &World) -> Vec<String> {
    let mut unspeakable = world.unspeakable();
    for case in CASES {
        let rows = (case.rows)(world).concat();
        let tokens = rows.iter().filter_map(|field| secrecy::of_token(field));
        unspeakable.extend(tokens.map(str::to_string));
    }
    unspeakable
}

fn prepare(plan: &Plan, world: &World, folder: &Path) -> Result<(), String> {
    let rows = stack::rows(&world.content());
    stack::mariadb(folder, &[stack::schema("jwt.sql")?, rows])?;
    let database = Database::elsewhere(Backend::Mysql, &database_url(), PASSWORD);
    let config = rendered(plan, &script(&database));
    stack::opensips(folder, &[("opensips.cfg", config.as_bytes())])
}

/// A script for the container.
pub fn rendered(plan: &Plan, script: &impl Config) -> String {
    let core = Core {
        kind: Kind::OpenSips(plan.version.clone()),
        binary: "opensips".into(),
        modules: Some("/modules".into()),
        arguments: Vec::new(),
    };
    script
        .render(&core, PORT)
        .replace("socket=udp:127.0.0.1:", "socket=udp:*:")
        .replace(&harness::module().display().to_string(), "auth_web.so")
}
