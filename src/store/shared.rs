//! What a database said, in memory that all processes share: within `cache_ttl` it is asked once for a whole
//! machine.
//!
//! An answer, the rows of one [`Select`], is sealed by a key that is drawn at start: with what was asked, when,
//! and after how many reloads. So what was read while it was being written, or was left by a process that was
//! killed halfway, is no answer; nor can any question be made to have the answer of another; and the rows, which
//! may hold secrets, are not in that memory as they are. There is no lock, and nobody who reads waits.
//!
//! Whoever wants to ask takes a [lease](leases). Others that have the same question meanwhile wait for the
//! answer, until the lease is returned, runs out, or its holder is dead; then they ask themselves.
//!
//! Answers without rows have places of their own, as anybody can make up names that no table has: they
//! displace each other, and no row.

mod leases;
mod once;
mod region;
mod rows;
mod seal;
mod table;

pub use leases::LeaseWord;
pub use once::{Aged, Known, Once, Wanted};
pub use region::Slot;
pub use table::{Counter, Memory, SharedRows};

#[cfg(test)]
mod tests;
