//! Sizes and offsets of what include/opensips/abi.h declares, and of OpenSIPS's own headers: for
//! the tests, and for `make abi-check`, whose program (check.rs) includes the same files.

pub mod header;
pub mod measure;
pub mod numbers;
pub mod table;
pub mod tree;
