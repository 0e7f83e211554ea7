//! The atomics of which the memory that processes share consists.
//!
//! In the module they are those of the standard library. In unit tests each can also be one of [loom], which
//! runs a test in every order in which threads, and so processes, may see each other's writes: see
//! [`in_every_order`].
//!
//! [loom]: https://docs.rs/loom

#[cfg(not(test))]
pub use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, fence};

#[cfg(test)]
mod model;

#[cfg(test)]
pub use model::{AtomicI64, AtomicU32, AtomicU64, fence, in_every_order};
