//! `make install` and `make uninstall`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::{check, output, with_programs};

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test(
            "install: what was built, and uninstall removes the same",
            both,
        ),
        Trial::test(
            "install: builds nothing, and says if nothing was built",
            unbuilt,
        ),
        with_programs("install: the man page is well formed", &["man"], man_page),
    ]
}

/// `make` with no Rust to build with.
fn make(target: &str, folder: &Path) -> Command {
    let mut make = Command::new("make");
    make.current_dir(harness::root())
        .args([
            "--no-print-directory",
            target,
            "PREFIX=/usr",
            "MODULES_DIR=/modules",
        ])
        .arg(format!("DESTDIR={}", folder.display()))
        .env("CARGO", "false")
        .env_remove("MAKEFLAGS")
        .env("MODULE", harness::module());
    make
}

/// All files and links below a folder, by their paths in it.
pub fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                true => left.push(path),
                false => {
                    found.insert(path.strip_prefix(folder).expect("below it").to_path_buf());
                }
            }
        }
    }
    found
}

fn both() -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let at = |path: &str| folder.path().join(path);
    // The C module, and what an administrator has put beside our scripts.
    std::fs::create_dir_all(at("modules")).map_err(|e| e.to_string())?;
    std::fs::create_dir_all(at("usr/share/auth_web")).map_err(|e| e.to_string())?;
    std::fs::write(at("modules/auth_jwt.so"), "C").map_err(|e| e.to_string())?;
    std::fs::write(at("usr/share/auth_web/my.cfg"), "mine").map_err(|e| e.to_string())?;
    let before = files(folder.path());

    // Twice: an upgrade.
    for _ in 0..2 {
        output(make("install", folder.path()).arg("DROP_IN=1"))?;
    }
    let installed = files(folder.path());
    for wanted in [
        "modules/auth_web.so",
        "modules/auth_jwt.so.opensips",
        "usr/share/auth_web/registrar.cfg",
        "usr/share/auth_web/registrar.sh",
        "usr/share/auth_web/register.inc",
        "usr/share/auth_web/schema/mysql/jwt.sql",
        "usr/share/auth_web/schema/dbtext/version",
        "usr/share/auth_web/fail2ban/auth_web-tokens.conf",
        "usr/share/auth_web/fail2ban/auth_web-webhooks.conf",
        "usr/share/doc/auth_web/docs/auth_web.md",
        "usr/share/doc/auth_web/LICENSE",
        "usr/share/man/man7/auth_web.7",
    ] {
        check(
            installed.contains(Path::new(wanted)),
            format!("{wanted} is not among {installed:#?}"),
        )?;
    }
    let link = std::fs::read_link(at("modules/auth_jwt.so")).map_err(|e| e.to_string())?;
    check(
        link == Path::new("auth_web.so"),
        format!("auth_jwt.so leads to {link:?}"),
    )?;
    let runs = Command::new(at("usr/share/auth_web/registrar.sh")).output();
    check(runs.is_ok(), "registrar.sh can't be executed")?;
    // The documents' relative links lead somewhere here, too.
    let scripts = at("usr/share/doc/auth_web/opensips-cfg/README.md");
    check(scripts.is_file(), "the documents don't find the scripts")?;

    output(&mut make("uninstall", folder.path()))?;
    let after = files(folder.path());
    check(before == after, format!("{before:#?} became {after:#?}"))?;
    let module = std::fs::read(at("modules/auth_jwt.so")).map_err(|e| e.to_string())?;
    check(module == b"C", "auth_jwt.so is not that of OpenSIPS")?;
    check(
        !at("usr/share/doc/auth_web").exists(),
        "an empty folder is left",
    )
}

fn unbuilt() -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let nothing = folder.path().join("nothing.so");
    let run = make("install", folder.path())
        .env("MODULE", nothing)
        .output()
        .map_err(|e| e.to_string())?;
    let error = String::from_utf8_lossy(&run.stderr).into_owned();
    check(!run.status.success(), "it succeeded")?;
    check(
        error.contains("run make first"),
        format!("it says {error:?}"),
    )?;
    let found = files(folder.path());
    check(found.is_empty(), format!("it has installed {found:?}"))
}

fn man_page() -> Result<(), Failed> {
    let page = harness::root().join("docs/man/auth_web.7");
    let run = Command::new("man")
        .args(["--warnings", "-l"])
        .arg(page)
        .env("MANWIDTH", "80")
        .output()
        .map_err(|e| e.to_string())?;
    let error = String::from_utf8_lossy(&run.stderr).into_owned();
    check(run.status.success() && error.is_empty(), error)?;
    let text = String::from_utf8_lossy(&run.stdout).into_owned();
    check(
        text.contains("auth_web.md"),
        format!("it does not name the manual: {text}"),
    )
}
