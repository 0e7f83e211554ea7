//! When a pool takes no more.

use std::io;

/// Why [`Pool::submit`](super::Pool::submit) did not take a job. The job was dropped, nothing will be notified.
#[derive(Debug, thiserror::Error)]
pub enum PoolFull {
    /// As many jobs as allowed are running.
    #[error("{max} jobs are running, which is the limit")]
    Busy {
        /// The limit, [`PoolConfig::max_threads`](super::PoolConfig::max_threads).
        max: usize,
    },
    /// The system gave no thread.
    #[error("no thread could be started: {0}")]
    NoThread(#[source] io::Error),
}
