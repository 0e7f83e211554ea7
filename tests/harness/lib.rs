//! The basis of the end-to-end tests, the benchmarks and the demo: cores that run the module,
//! databases with its profiles, tokens, endpoints, and SIP.
//!
//! Everything started here belongs to a value, and ends when that value is dropped, even if a test
//! panics or the test program itself is killed.

pub mod answer;
pub mod bindings;
pub mod blackhole;
pub mod certificates;
pub mod core;
pub mod database;
pub mod device;
pub mod digest;
pub mod endpoint;
pub mod hop;
pub mod influx;
pub mod instance;
pub mod keys;
pub mod load;
pub mod measure;
pub mod memory;
pub mod mi;
pub mod ports;
pub mod profiles;
pub mod pulse;
pub mod redis;
pub mod registrar;
pub mod script;
pub mod secrecy;
pub mod server;
pub mod setting;
pub mod shared;
pub mod shipped;
pub mod sip;
pub mod sipp;
pub mod tls;
pub mod tokens;
pub mod udp;
pub mod web;
pub mod world;
pub mod wrong;

use std::path::PathBuf;

/// The project's folder, which contains tests/ and opensips-cfg/.
pub fn root() -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).map(PathBuf::from).unwrap_or(own)
}

/// The module under test: `AUTH_WEB_SO`, else what `make` leaves in build/.
pub fn module() -> PathBuf {
    match std::env::var_os("AUTH_WEB_SO") {
        Some(path) => {
            let path = PathBuf::from(path);
            path.canonicalize().unwrap_or(path)
        }
        None => root().join("build/auth_web.so"),
    }
}
