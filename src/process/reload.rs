//! What is read before anything is replaced by it: `jwt_reload`, `credentials_reload`. For a process that may
//! wait; with the native driver, it waits for `db_timeout` at most.

use super::{Process, read_revocations, report_revocations};
use crate::clock;
use crate::store::{Answer, Source, try_columns};

impl Process {
    /// Reads what `jwt_reload` replaces, and changes nothing: whether there are those tables, with their
    /// columns, and the issuers and revocations, which are read as a whole.
    ///
    /// # Errors
    /// Fails with the database's error.
    pub fn try_tables(&mut self) -> Answer<()> {
        let module = self.module;
        let Some(database) = &module.config.database else {
            return Ok(());
        };
        let tokens = &module.config.tokens;
        let read = move |source: &mut dyn Source| {
            if module.tables.profiles {
                for (table, columns) in database.tables.layout() {
                    try_columns(source, table, &columns)?;
                }
            }
            if module.tables.issuers.is_some() {
                tokens.issuers.table.fetch_all(source)?;
            }
            if module.tables.revocations {
                let [now, leeway] = [clock::now().as_secs(), tokens.rules.leeway]
                    .map(|number| i64::try_from(number).unwrap_or(i64::MAX));
                tokens.revocations.fetch_all(source, now, leeway)?;
            }
            Ok(())
        };
        self.ask(read).wait()
    }

    /// Has all processes know what the table of revocations says now, if there is one.
    ///
    /// # Errors
    /// Fails with the database's error.
    pub fn take_revocations(&mut self) -> Answer<()> {
        if !self.module.tables.revocations {
            return Ok(());
        }
        let reading = read_revocations(self.module);
        let faults = self.ask(reading).wait()?;
        report_revocations(&faults);
        Ok(())
    }

    /// Reads the table of credentials, and changes nothing.
    ///
    /// # Errors
    /// Fails with the database's error.
    pub fn try_credentials(&mut self) -> Answer<()> {
        if self.module.credentials_database().is_none() {
            return Ok(());
        }
        let table = &self.module.config.outbound.table;
        self.ask(|source| table.fetch_all(source).map(drop)).wait()
    }
}
