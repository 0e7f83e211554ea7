//! What threads have to log, which can't log themselves.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Lines for the log that a thread has, which can't log itself; they are taken by the process's own.
#[derive(Debug, Default)]
pub struct Reports(Mutex<Vec<Report>>);

/// The most lines that wait to be taken.
const MOST_REPORTS: usize = 64;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What happened.
    pub line: String,
    /// Whether it is a failure.
    pub is_failure: bool,
}

impl Reports {
    fn lock(&self) -> MutexGuard<'_, Vec<Report>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, report: Report) {
        let mut reports = self.lock();
        if reports.len() < MOST_REPORTS {
            reports.push(report);
        }
    }

    /// Takes them.
    pub fn take(&self) -> Vec<Report> {
        std::mem::take(&mut *self.lock())
    }
}
