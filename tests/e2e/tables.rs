//! Tables created by others: OpenSIPS's own scripts, and ours run on top of them.

use std::path::PathBuf;
use std::sync::Arc;

use harness::database::{Backend, schema};
use harness::profiles::Content;
use harness::setting::{Place, Setting, ignored};
use libtest_mimic::Trial;

use super::cases::{CASES, Case, named};
use super::group::{Group, script, trials_of};

/// OpenSIPS's scripts that create what auth_jwt needs.
const FILES: [&str; 2] = ["standard-create.sql", "authjwt-create.sql"];

/// The trials of one core with one database.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    if place.backend == Backend::DbText || !place.core.is_opensips() {
        return Vec::new();
    }
    let label = format!("{place}, tables of OpenSIPS's own scripts");
    let folder = place.backend.to_string();
    let theirs: Vec<PathBuf> = FILES
        .iter()
        .filter_map(|file| place.core.sql_file(&folder, file))
        .collect();
    if theirs.len() < FILES.len() {
        return vec![ignored(label, "they are not installed with it".to_string())];
    }
    let files = theirs.clone();
    let group = Group::made_by(setting, place, move |setting, place| {
        let content = setting.world().content();
        let database = setting
            .servers
            .create_with(place.backend, &files, &content)?;
        let script = script(&database);
        Ok((database, script))
    });
    // Whether the database finds a tag depends on its collation; whose tag it is does not.
    let mut trials = trials_of(&group, &label, TELLING);
    let again = (Arc::clone(setting), place.clone());
    trials.push(Trial::test(
        format!("{label}: ours can be run over them, and again"),
        move || {
            let (setting, place) = again;
            let ours = schema(place.backend);
            let files = [theirs, vec![ours.clone(), ours]].concat();
            let database =
                setting
                    .servers
                    .create_with(place.backend, &files, &Content::default())?;
            let rows =
                database.sql("SELECT COUNT(*) FROM version WHERE table_name LIKE 'jwt%';")?;
            match rows.split_whitespace().any(|word| word == "2") {
                true => Ok(()),
                false => Err(format!("the table version must have two rows, not {rows}").into()),
            }
        },
    ));
    trials
}

/// What would reveal a difference between their tables and ours.
const TELLING: &[Case] = &[
    find("good token, async"),
    find("good token, tag with an apostrophe"),
    find("loaded columns"),
    find("rotation"),
    find("expired"),
    find("a profile is its tag, byte by byte"),
    find("injection in the tag"),
];

/// The case of that name.
const fn find(name: &str) -> Case {
    named(CASES, name)
}
