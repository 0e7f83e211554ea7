//! The C interface of `include/auth_web.h`, as bindgen binds it.
// What the header declares for C is bound as well, and values of enums that only C makes.
#![allow(
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case
)]
#![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks)]

include!(concat!(env!("OUT_DIR"), "/ffi.rs"));
