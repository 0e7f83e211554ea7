//! The error of a pool that accepts no more jobs.

use std::io;

/// Why [`Pool::submit`](super::Pool::submit) did not accept a job. The job was dropped, and no
/// notification follows.
#[derive(Debug, thiserror::Error)]
pub enum PoolFull {
    /// The maximum number of jobs is running.
    #[error("{max} jobs are running, which is the limit")]
    Busy {
        /// The limit, [`PoolConfig::max_threads`](super::PoolConfig::max_threads).
        max: usize,
    },
    /// The system could not start a thread.
    #[error("no thread could be started: {0}")]
    NoThread(#[source] io::Error),
}
