//! A look at all keys, for registrations of others.

use std::time::Duration;

/// How far a round has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// All keys are looked through; where SCAN goes on.
    Keys(u64),
    /// The index of all is looked through; where ZSCAN goes on.
    Index(u64),
}

/// Whether a round has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has, here.
    Ours(Round),
    /// Another has had its turn, and for so long nobody begins again.
    Others(Duration),
}
