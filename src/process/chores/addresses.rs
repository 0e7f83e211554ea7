//! The addresses of this server are noted in jambonz's table, and those that nobody notes any more are taken out.

use std::ffi::CStr;
use std::time::Duration;

use super::chore::Chore;
use crate::log;
use crate::module::Module;
use crate::process;
use crate::store::addresses::AddressTable;

/// Name in log lines.
const NAME: &CStr = c"sbc_addresses";

/// How long after a failure it is tried again, at the latest.
const AGAIN: Duration = Duration::from_secs(10);

/// Notes them, every `sbc_addresses_interval`.
pub struct Keep {
    table: AddressTable,
    /// Whether the last time has failed.
    is_failing: bool,
}

impl Keep {
    /// In this table.
    pub fn new(table: AddressTable) -> Self {
        let is_failing = false;
        Keep { table, is_failing }
    }
}

impl Chore for Keep {
    fn run(&mut self, module: &'static Module) -> Duration {
        let settings = &module.config.addresses;
        let table = self.table.clone();
        let done = process::with(module, |process| {
            let asked = process.ask(move |source| {
                for address in &settings.public {
                    table.keep(source, address)?;
                }
                table.clean(source, settings.expire)
            });
            asked.wait()
        });
        let was_failing = std::mem::replace(&mut self.is_failing, done.is_err());
        match done {
            Ok(taken) => {
                if was_failing {
                    log!(Notice, NAME, "{} is written again", self.table.0);
                }
                if taken > 0 {
                    log!(
                        Notice,
                        NAME,
                        "{taken} addresses that nobody notes any more are out of {}",
                        self.table.0
                    );
                }
                settings.interval
            }
            Err(error) => {
                if !was_failing {
                    log!(
                        Error,
                        NAME,
                        "the addresses of this server could not be noted, which is tried again: {error}"
                    );
                }
                settings.interval.min(AGAIN)
            }
        }
    }
}
