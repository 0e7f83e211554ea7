//! MariaDB over TLS: what the parameters of the URL ask for takes effect.

use std::sync::Arc;

use harness::certificates::Certificates;
use harness::database::{Backend, MariaDb, schema};
use harness::instance::Instance;
use harness::setting::{Place, Setting};
use harness::sipp::{self, Run};
use libtest_mimic::{Failed, Trial};

use super::group::script;
use super::rows::every_algorithm;

/// What is asked for, and whether a core can then connect to a server that accepts only TLS.
const MODES: &[(&str, &str, bool)] = &[
    ("ssl-mode=REQUIRED", "encrypted", true),
    (
        "ssl-mode=VERIFY_CA&ssl-ca=@CA@",
        "the right authority",
        true,
    ),
    (
        "ssl-mode=VERIFY_IDENTITY&ssl-ca=@CA@",
        "the right authority and name",
        true,
    ),
    (
        "ssl-mode=VERIFY_CA&ssl-ca=@OTHER@",
        "another authority",
        false,
    ),
    (
        "ssl-mode=VERIFY_IDENTITY",
        "an authority that nobody knows",
        false,
    ),
    ("ssl-mode=DISABLED", "not encrypted", false),
];

/// The trial of one core with MariaDB.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    if place.backend != Backend::Mysql {
        return Vec::new();
    }
    let (setting, place) = (Arc::clone(setting), place.clone());
    vec![Trial::test(format!("{place}, over TLS"), move || {
        place.core.prepare()?;
        run(&setting, &place)
    })]
}

fn run(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let folder = setting.folder();
    let files = Certificates::new(&folder)?;
    let server = MariaDb::start_with(
        &folder.join("mariadb"),
        &[
            format!("--ssl-cert={}", files.certificate.display()),
            format!("--ssl-key={}", files.key.display()),
            "--require-secure-transport=ON".to_string(),
        ],
    )?;
    let content = setting.world().content();
    let database = server.create("secured", &[schema(Backend::Mysql)], &content)?;
    for (parameters, meaning, connects) in MODES {
        let parameters = parameters
            .replace("@CA@", &files.authority.display().to_string())
            .replace("@OTHER@", &files.other_authority.display().to_string());
        let database = database.with_parameters(&parameters);
        match (
            Instance::start(&place.core, &script(&database), &setting.folder()),
            connects,
        ) {
            (Ok(instance), true) => {
                let rows = every_algorithm(setting.world());
                let run = Run {
                    scenario: "good_token",
                    service: "plain",
                    rows: &rows,
                };
                sipp::run(&run, instance.port, &setting.folder())?;
            }
            (Err(refusal), false) if refusal.status.is_some() => {}
            (Ok(_), false) => return Err(format!("{parameters} ({meaning}): it started").into()),
            (Err(refusal), _) => {
                return Err(format!("{parameters} ({meaning}): {refusal}").into());
            }
        }
    }
    Ok(())
}
