//! MariaDB over TLS: what the parameters of the URL ask for is what happens.

use super::group::script;
use super::rows::every_algorithm;
use super::setting::{Place, Setting};
use crate::harness::database::{Backend, MariaDb, schema};
use crate::harness::instance::Instance;
use crate::harness::sipp::{self, Run};
use libtest_mimic::{Failed, Trial};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is asked for, and whether a core gets a connection with it from a server that takes TLS
/// only.
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
        setting.prepare(&place.core)?;
        run(&setting, &place)
    })]
}

fn run(setting: &Setting, place: &Place) -> Result<(), Failed> {
    let folder = setting.folder();
    let files = certificates(&folder)?;
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

struct Files {
    authority: PathBuf,
    other_authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

/// A certificate for 127.0.0.1, its authority, and an authority that has nothing to do with it.
fn certificates(folder: &Path) -> Result<Files, String> {
    let failed = |e: rcgen::Error| e.to_string();
    let authority = || -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate()?)
    };
    let (ours, other) = (authority().map_err(failed)?, authority().map_err(failed)?);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_string()])
        .and_then(|params| params.signed_by(&key, &ours))
        .map_err(failed)?;
    std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text)
            .map(|()| path)
            .map_err(|e| e.to_string())
    };
    Ok(Files {
        authority: write("ca.pem", ours.pem())?,
        other_authority: write("other-ca.pem", other.pem())?,
        certificate: write("server.pem", certificate.pem())?,
        key: write("server.key", key.serialize_pem())?,
    })
}
