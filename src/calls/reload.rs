//! `jwt_reload` and `credentials_reload`: what replaces something is read first, and if that fails, nothing is
//! replaced.
//!
//! Who asks waits: for the database, `db_timeout` with the native driver; and with `cache_mode` "preload",
//! until the loader has read the tables, [`PATIENCE`] at most.

use std::ffi::CStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::params::{Failure, answer, failed, flag};
use crate::log;
use crate::module::Module;
use crate::opensips::mi::{Answer, Params};
use crate::opensips::shared;
use crate::process;
use crate::store::StoreError;

const PROFILES: &CStr = c"jwt_reload";
const CREDENTIALS: &CStr = c"credentials_reload";

/// For how long whoever asks waits for the loader.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often the loader is looked at.
const TICK: Duration = Duration::from_millis(10);

/// `jwt_reload [drop]`.
pub fn profiles(module: &'static Module, params: &Params<'_>) -> Answer {
    let reload = || {
        let page = shared::page();
        if flag(params, c"drop")? {
            page.dropped.set(page.generation.get() + 1);
            page.generation.add(1);
            log!(
                Notice,
                PROFILES,
                "cached profiles and tokens are forgotten, whether they can be read again or not"
            );
            return Ok(Answer::Ok);
        }
        let kept = |error| kept(module, PROFILES, &error);
        process::with(module, process::Process::try_tables).map_err(kept)?;
        let generation = page.generation.get() + 1;
        page.generation.add(1);
        // At once and for all processes, which share that list.
        process::with(module, process::Process::take_revocations).map_err(kept)?;
        wait_for_loader(module, generation)?;
        log!(
            Info,
            PROFILES,
            "profiles and tokens are read again before they are next used"
        );
        Ok(Answer::Ok)
    };
    answer(reload())
}

/// `credentials_reload [drop]`.
pub fn credentials(module: &'static Module, params: &Params<'_>) -> Answer {
    let reload = || {
        let page = shared::page();
        let is_drop = flag(params, c"drop")?;
        if is_drop {
            page.credentials_dropped
                .set(page.credentials_generation.get() + 1);
        } else {
            let kept = |error| kept(module, CREDENTIALS, &error);
            process::with(module, process::Process::try_credentials).map_err(kept)?;
        }
        page.credentials_generation.add(1);
        log!(
            Info,
            CREDENTIALS,
            "the table of credentials is read again before it is next used"
        );
        Ok(Answer::Ok)
    };
    answer(reload())
}

/// That nothing was replaced.
fn kept(module: &Module, command: &CStr, error: &StoreError) -> Failure {
    let database = module.config.database.as_ref();
    let shown = database.map_or("", |database| database.shown.as_str());
    log!(
        Error,
        command,
        "{shown}: {error}; what was read before stays in use"
    );
    failed(format_args!(
        "{error}; what was read before stays in use (drop=1 forgets it nevertheless)"
    ))
}

/// Waits until the loader has read all profiles.
fn wait_for_loader(module: &Module, generation: u64) -> Result<(), Failure> {
    let database = module.config.database.as_ref();
    if !database.is_some_and(|database| database.preload) {
        return Ok(());
    }
    let snapshot = &shared::page().snapshot;
    let deadline = Instant::now() + PATIENCE;
    loop {
        if snapshot.generation.get() >= generation {
            return Ok(());
        }
        if snapshot.failed.get() >= generation {
            let cause =
                "the profiles can't be read, the log says why; what was read before stays in use";
            return Err(failed(cause));
        }
        if Instant::now() >= deadline {
            let seconds = PATIENCE.as_secs();
            return Err(failed(format_args!(
                "the profiles are still being read after {seconds} s; what was read before stays in use until \
                 that is done"
            )));
        }
        sleep(TICK);
    }
}
