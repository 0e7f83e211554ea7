//! What the image starts with, and the stack of compose. The image itself is not built here.

use std::process::{Command, Output};

use harness::core::Core;
use libtest_mimic::{Failed, Trial};

use crate::{check, ignored, output, with_programs};

pub fn trials() -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("container: settings that can't be are refused", refusals),
        with_programs("container: compose.yml", &["docker-compose"], compose),
    ];
    let mut cores = harness::core::opensips();
    cores.retain(Core::is_served);
    if cores.is_empty() {
        let reason = "no OpenSIPS of a supported release on this machine";
        trials.push(ignored(
            "container: its script".to_string(),
            reason.to_string(),
        ));
    }
    for core in cores {
        let name = format!("{core}, container: its script");
        trials.push(Trial::test(name, move || script(&core)));
    }
    trials
}

fn start(settings: &[(&str, &str)]) -> Command {
    let mut start = Command::new(harness::root().join("packaging/docker/start"));
    for name in ["DB_URL", "HTTP_URL", "CACHEDB_URL", "LOG_LEVEL"] {
        start.env_remove(name);
    }
    start.envs(settings.iter().copied());
    start
}

fn refusals() -> Result<(), Failed> {
    let good = [("DB_URL", "mysql://u:p@h/d"), ("HTTP_URL", "http://h/")];
    for (settings, wanted) in [
        (vec![], "DB_URL is not set"),
        (vec![good[0]], "HTTP_URL is not set"),
        (
            vec![good[1], ("DB_URL", "mysql://u:\"@h/d")],
            "DB_URL has a quote",
        ),
        (
            vec![good[0], ("HTTP_URL", "http://h/\nloadmodule")],
            "HTTP_URL has a quote",
        ),
        (
            vec![good[0], good[1], ("LOG_LEVEL", "5")],
            "from 0 to 4, not '5'",
        ),
        (
            vec![good[0], good[1], ("LOG_LEVEL", "3\nroute{}")],
            "from 0 to 4",
        ),
    ] {
        let Output { status, stderr, .. } = start(&settings).output().map_err(|e| e.to_string())?;
        let error = String::from_utf8_lossy(&stderr).into_owned();
        check(!status.success(), format!("{settings:?} was accepted"))?;
        check(error.contains(wanted), format!("{settings:?}: {error}"))?;
    }
    Ok(())
}

fn compose() -> Result<(), Failed> {
    let file = harness::root().join("packaging/docker/compose.yml");
    let mut compose = Command::new("docker-compose");
    output(compose.arg("-f").arg(file).args(["config", "--quiet"])).map(drop)
}

/// The settings get into the script, and OpenSIPS takes it.
fn script(core: &Core) -> Result<(), Failed> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let share = folder.path().join("share");
    let modules = share.join("modules");
    std::fs::create_dir_all(&modules).map_err(|e| e.to_string())?;
    let link = |from: &std::path::Path, to: &std::path::Path| {
        std::os::unix::fs::symlink(from, to).map_err(|e| format!("{}: {e}", to.display()))
    };
    let own = core.modules.as_ref().ok_or("its modules are not found")?;
    for entry in std::fs::read_dir(own).map_err(|e| e.to_string())?.flatten() {
        if entry.file_name() != "auth_web.so" {
            link(&entry.path(), &modules.join(entry.file_name()))?;
        }
    }
    link(&harness::module(), &modules.join("auth_web.so"))?;
    for file in ["bearer.cfg", "register.inc"] {
        link(
            &harness::root().join("opensips-cfg").join(file),
            &share.join(file),
        )?;
    }
    let settings = [
        (
            "DB_URL",
            "mysql://opensips:p&ss\\w@database.invalid/opensips",
        ),
        ("HTTP_URL", "http://endpoint.invalid:8080/a?b=c&d"),
        ("CACHEDB_URL", "redis://redis.invalid:6379/0"),
    ];
    // A backslash is refused; an ampersand stays one.
    let mut with_backslash = start(&settings);
    let refused = with_backslash.output().map_err(|e| e.to_string())?;
    check(!refused.status.success(), "a backslash was accepted")?;
    let mut good = settings;
    good[0].1 = "mysql://opensips:p&ss@database.invalid/opensips";
    let mut checked = start(&good);
    checked
        .env("SHARE", &share)
        .env("OPENSIPS", &core.binary)
        .env("TMPDIR", folder.path())
        .arg("-C");
    output(&mut checked)?;
    let scripts = std::fs::read_dir(folder.path()).map_err(|e| e.to_string())?;
    let script = scripts
        .flatten()
        .map(|entry| entry.path().join("opensips.cfg"))
        .find(|path| path.is_file())
        .ok_or("no script")?;
    let script = std::fs::read_to_string(script).map_err(|e| e.to_string())?;
    for (parameter, (_, value)) in ["db_url", "http_url", "cachedb_url"].into_iter().zip(good) {
        let line = format!("modparam(\"auth_web\", \"{parameter}\", \"{value}\")");
        let has = script
            .lines()
            .filter(|l| l.starts_with("modparam") && l.contains(&format!("\"{parameter}\"")));
        check(
            has.eq([line.as_str()]),
            format!("not only {line} in\n{script}"),
        )?;
    }
    Ok(())
}
