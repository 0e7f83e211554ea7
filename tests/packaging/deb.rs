//! The Debian packages of `make deb`: what is in them, and their way through a system.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};

use super::minimal::{self, Root, build, dummy};
use crate::{check, ignored, output, shared_folder, with_programs};

const MODULE: &str = "opensips-auth-web-module";
const DROP_IN: &str = "opensips-auth-web-drop-in";

/// What a trial does.
type Run = fn() -> Result<(), Failed>;

pub fn trials() -> Vec<Trial> {
    let programs = ["dh", "dpkg-deb", "dpkg-parsechangelog", "tar"];
    let mut trials = vec![
        with_programs("deb: the packages and what is in them", &programs, contents),
        with_programs(
            "deb: lintian has no errors",
            &[&programs[..], &["lintian"]].concat(),
            lintian,
        ),
    ];
    let ways: [(&str, Run); 4] = [
        (
            "deb: an upgrade of OpenSIPS leaves the drop-in in its place",
            upgrades,
        ),
        ("deb: removed and purged, nothing is left", purged),
        (
            "deb: the C module may come after the drop-in, and go before it",
            any_order,
        ),
        (
            "deb: what make install has linked gives way to the package",
            after_make_install,
        ),
    ];
    for (name, run) in ways {
        trials.push(match minimal::missing() {
            Some(reason) => ignored(name.to_string(), reason),
            None => with_programs(name, &programs, run),
        });
    }
    trials
}

/// The packages, built from a copy of the sources with the module under test.
struct Packages {
    folder: PathBuf,
    module: PathBuf,
    drop_in: PathBuf,
}

fn packages() -> Result<&'static Packages, Failed> {
    static PACKAGES: OnceLock<Result<Packages, String>> = OnceLock::new();
    let built =
        PACKAGES.get_or_init(|| make().map_err(|e| e.message().unwrap_or("failed").to_string()));
    built.as_ref().map_err(|e| e.clone().into())
}

fn make() -> Result<Packages, Failed> {
    let folder = shared_folder().map_err(|e| e.to_string())?;
    let copy = folder.join("sources");
    std::fs::create_dir_all(copy.join("build")).map_err(|e| e.to_string())?;
    let left_out = ["target", "build", ".git", "fuzz/corpus", "fuzz/target"];
    let mut tar = Command::new("sh");
    tar.arg("-c").arg(format!(
        "tar -C '{}' {} -cf - . | tar -C '{}' -xf -",
        harness::root().display(),
        left_out.map(|path| format!("--exclude=./{path}")).join(" "),
        copy.display()
    ));
    output(&mut tar)?;
    let module = harness::module();
    std::fs::copy(&module, copy.join("build/auth_web.so"))
        .map_err(|e| format!("{}: {e}: run make first", module.display()))?;
    let mut deb = Command::new(copy.join("scripts/deb"));
    deb.env("CARGO_TARGET_DIR", target())
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("MAKEFLAGS");
    output(&mut deb)?;
    let find = |name: &str| -> Result<PathBuf, Failed> {
        let start = format!("{name}_");
        let entries = std::fs::read_dir(copy.join("build/packages")).map_err(|e| e.to_string())?;
        let found = entries
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().starts_with(&start));
        Ok(found.ok_or_else(|| format!("no {name}"))?.path())
    };
    Ok(Packages {
        module: find(MODULE)?,
        drop_in: find(DROP_IN)?,
        folder,
    })
}

/// Where Cargo has built this.
fn target() -> PathBuf {
    let own = std::env::current_exe().expect("a test program has a path");
    // target/PROFILE/deps/packaging-HASH
    own.ancestors().nth(3).expect("below target").to_path_buf()
}

fn modules() -> Result<String, Failed> {
    let mut machine = Command::new("dpkg-architecture");
    let machine = output(machine.arg("-qDEB_HOST_MULTIARCH"))?;
    Ok(format!("/usr/lib/{}/opensips/modules", machine.trim()))
}

fn contents() -> Result<(), Failed> {
    let packages = packages()?;
    let listed = output(
        Command::new("dpkg-deb")
            .arg("--contents")
            .arg(&packages.module),
    )?;
    for wanted in [
        format!(".{}/auth_web.so", modules()?),
        "./etc/fail2ban/filter.d/auth_web-tokens.conf".to_string(),
        "./etc/fail2ban/filter.d/auth_web-webhooks.conf".to_string(),
        "./usr/share/auth_web/registrar.sh".to_string(),
        "./usr/share/auth_web/schema/mysql/jwt.sql".to_string(),
        "./usr/share/man/man7/auth_web.7.gz".to_string(),
        format!("./usr/share/doc/{MODULE}/copyright"),
        format!("./usr/share/doc/{MODULE}/docs/auth_web.md.gz"),
        format!("./usr/share/doc/{MODULE}/THIRD-PARTY.txt.gz"),
    ] {
        let has = listed
            .lines()
            .any(|line| line.ends_with(&format!(" {wanted}")));
        check(has, format!("{wanted} is not in\n{listed}"))?;
    }
    for (package, others) in [(&packages.module, false), (&packages.drop_in, true)] {
        let depends = output(
            Command::new("dpkg-deb")
                .arg("--field")
                .arg(package)
                .arg("Depends"),
        )?;
        check(
            depends.contains(MODULE) == others && !depends.contains("opensips ("),
            format!("it depends on {depends}"),
        )?;
    }
    Ok(())
}

fn lintian() -> Result<(), Failed> {
    let packages = packages()?;
    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--fail-on", "error"]);
    output(lintian.arg(&packages.module).arg(&packages.drop_in)).map(drop)
}

/// A system with OpenSIPS, and its C module if asked for.
fn system(c_module: bool) -> Result<Root, Failed> {
    let root = Root::new(&["libc6", "libgcc-s1", "opensips", "opensips-auth-modules"])?;
    if c_module {
        root.install(&[&c(&root, "3.6.7")?])?;
    }
    Ok(root)
}

/// OpenSIPS's package with the C module, whose text is its version.
fn c(root: &Root, version: &str) -> Result<PathBuf, Failed> {
    let file = format!("{}/auth_jwt.so", modules()?);
    dummy(
        &root.path("tmp"),
        "opensips-auth-jwt-module",
        version,
        &[(&file, version)],
    )
}

/// What the loader finds as auth_jwt.so: "ours", the C module's version, or nothing.
fn drop_in(root: &Root) -> Result<String, Failed> {
    let path = root.path(&format!("{}/auth_jwt.so", modules()?));
    match std::fs::read_link(&path) {
        Ok(target) if target == Path::new("auth_web.so") => Ok("ours".to_string()),
        Ok(target) => Ok(format!("a link to {}", target.display())),
        Err(_) => Ok(std::fs::read_to_string(path).unwrap_or_default()),
    }
}

fn has(root: &Root, wanted: &str, when: &str) -> Result<(), Failed> {
    let found = drop_in(root)?;
    check(
        found == wanted,
        format!("{when}: auth_jwt.so is {found:?}, not {wanted:?}"),
    )
}

fn diverted(root: &Root) -> Result<String, Failed> {
    let path = root.path(&format!("{}/auth_jwt.so.distrib", modules()?));
    Ok(std::fs::read_to_string(path).unwrap_or_default())
}

/// Our packages as a later release.
fn later(packages: &Packages) -> Result<Vec<PathBuf>, Failed> {
    let mut files = Vec::new();
    for package in [&packages.module, &packages.drop_in] {
        let folder = tempfile::tempdir_in(&packages.folder).map_err(|e| e.to_string())?;
        let tree = folder.path().join("tree");
        output(
            Command::new("dpkg-deb")
                .arg("--raw-extract")
                .arg(package)
                .arg(&tree),
        )?;
        let path = tree.join("DEBIAN/control");
        let control = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
        let version = output(
            Command::new("dpkg-deb")
                .arg("--field")
                .arg(package)
                .arg("Version"),
        )?;
        let control = control.replace(version.trim(), "999");
        std::fs::write(&path, control).map_err(|e| e.to_string())?;
        let name = package
            .file_name()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        files.push(build(&tree, &folder.keep().join(name))?);
    }
    Ok(files)
}

fn upgrades() -> Result<(), Failed> {
    let packages = packages()?;
    let root = system(true)?;
    root.install(&[&packages.module])?;
    has(&root, "3.6.7", "with the module alone")?;
    root.install(&[&packages.drop_in])?;
    has(&root, "ours", "with the drop-in")?;
    check(diverted(&root)? == "3.6.7", "the C module is not kept")?;
    root.install(&[&c(&root, "3.6.8")?])?;
    has(&root, "ours", "after an upgrade of OpenSIPS")?;
    check(diverted(&root)? == "3.6.8", "the new C module is not kept")?;
    let later = later(packages)?;
    root.install(&later.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
    has(&root, "ours", "after an upgrade of ours")?;
    root.remove(&[DROP_IN])?;
    has(&root, "3.6.8", "without the drop-in")?;
    check(diverted(&root)?.is_empty(), "auth_jwt.so.distrib is left")?;
    let left = root.diversions()?;
    check(left.is_empty(), format!("diversions are left: {left}"))
}

fn purged() -> Result<(), Failed> {
    let packages = packages()?;
    let root = system(false)?;
    let before = super::install::files(&root.path("usr"));
    root.install(&[&packages.module, &packages.drop_in])?;
    // An administrator's own settings for a filter.
    root.write(
        "etc/fail2ban/filter.d/auth_web-tokens.local",
        "[Definition]\n",
    )?;
    root.remove(&[DROP_IN, MODULE])?;
    let filter = root.path("etc/fail2ban/filter.d/auth_web-tokens.conf");
    check(filter.is_file(), "removing took the configuration files")?;
    root.purge(&[DROP_IN, MODULE])?;
    check(!filter.exists(), "purging left the configuration files")?;
    let after = super::install::files(&root.path("usr"));
    check(
        before == after,
        format!("left: {:?}", after.difference(&before)),
    )?;
    let left = root.diversions()?;
    check(left.is_empty(), format!("diversions are left: {left}"))
}

fn any_order() -> Result<(), Failed> {
    let packages = packages()?;
    let root = system(false)?;
    root.install(&[&packages.module, &packages.drop_in])?;
    has(&root, "ours", "without a C module")?;
    root.install(&[&c(&root, "3.6.8")?])?;
    has(&root, "ours", "with a C module that came later")?;
    check(diverted(&root)? == "3.6.8", "the C module is not kept")?;
    root.purge(&["opensips-auth-jwt-module"])?;
    has(&root, "ours", "after the C module has gone")?;
    root.purge(&[DROP_IN])?;
    has(&root, "", "without either")
}

fn after_make_install() -> Result<(), Failed> {
    let packages = packages()?;
    let root = system(true)?;
    // As `make install DROP_IN=1` does it.
    let module = root.path(&format!("{}/auth_jwt.so", modules()?));
    let kept = module.with_extension("so.opensips");
    std::fs::rename(&module, &kept).map_err(|e| e.to_string())?;
    std::os::unix::fs::symlink("auth_web.so", &module).map_err(|e| e.to_string())?;
    root.install(&[&packages.module, &packages.drop_in])?;
    has(&root, "ours", "with the drop-in")?;
    root.purge(&[DROP_IN])?;
    has(&root, "3.6.7", "without the drop-in")?;
    check(!kept.exists(), "auth_jwt.so.opensips is left")
}
