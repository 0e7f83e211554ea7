//! The tarball of `make dist`.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

use super::install::files;
use super::inventory;
use crate::{check, output, with_programs};

pub fn trials() -> Vec<Trial> {
    let programs = ["strip", "objcopy", "tar", "gzip", "sha256sum", "nm"];
    vec![with_programs(
        "dist: complete, with checksums that hold, the same each time",
        &programs,
        tarball,
    )]
}

fn tarball() -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let out = folder.path().join("dist");
    let mut dist = Command::new(harness::root().join("scripts/dist"));
    dist.env("MODULE", harness::module())
        .env("INVENTORY", inventory::folder()?)
        .env("OUT", &out);
    output(&mut dist)?;
    let sums = std::fs::read(out.join("SHA256SUMS")).map_err(|e| e.to_string())?;
    output(
        Command::new("sha256sum")
            .args(["--check", "SHA256SUMS"])
            .current_dir(&out),
    )?;
    output(&mut dist)?;
    let again = std::fs::read(out.join("SHA256SUMS")).map_err(|e| e.to_string())?;
    check(sums == again, "the same build gave other bytes")?;

    let name = files(&out)
        .into_iter()
        .find(|f| {
            let name = f.to_string_lossy();
            name.ends_with(".tar.gz") && !name.contains(".debug.")
        })
        .ok_or("no tarball")?;
    output(
        Command::new("tar")
            .arg("-xf")
            .arg(out.join(&name))
            .current_dir(folder.path()),
    )?;
    let tree = name.to_string_lossy().replace(".tar.gz", "");
    let tree = folder.path().join(tree);
    output(
        Command::new("sha256sum")
            .args(["--check", "--quiet", "SHA256SUMS"])
            .current_dir(&tree),
    )?;
    for wanted in [
        "auth_web.so",
        "auth_web.cdx.json",
        "THIRD-PARTY.txt",
        "LICENSE",
        "LICENSES/GPL-3.0.txt",
        "docs/auth_web.md",
        "docs/man/auth_web.7",
        "opensips-cfg/registrar.sh",
        "opensips-cfg/schema/postgres/jwt.sql",
    ] {
        check(tree.join(wanted).is_file(), format!("{wanted} is missing"))?;
    }
    let module = tree.join("auth_web.so");
    let symbols = Command::new("nm")
        .arg(&module)
        .output()
        .map_err(|e| e.to_string())?;
    check(symbols.stdout.is_empty(), "the module is not stripped")?;
    let dynamic = output(Command::new("nm").arg("--dynamic").arg(&module))?;
    check(dynamic.contains(" exports"), "it exports nothing")?;

    // From there it installs itself.
    let place = folder.path().join("place");
    let mut make = Command::new("make");
    make.current_dir(&tree)
        .args(["install", "PREFIX=/usr", "MODULES_DIR=/modules"])
        .arg(format!("DESTDIR={}", place.display()))
        .env_remove("MAKEFLAGS");
    output(&mut make)?;
    for wanted in [
        "modules/auth_web.so",
        "usr/share/doc/auth_web/THIRD-PARTY.txt",
    ] {
        check(
            place.join(wanted).is_file(),
            format!("{wanted} was not installed"),
        )?;
    }
    Ok(())
}
