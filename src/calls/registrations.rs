//! `registration_save` and related functions: registrations in Redis.

mod call;
mod list;
mod read;
mod write;

pub use list::list;
pub use read::{count, get};
pub use write::{expire, is_newest, remove, restore, save};
