//! The two that are compared: the same script, once with this module, once with rest_client and
//! json.

use std::fmt::Write;
use std::path::PathBuf;

use harness::core::Core;
use harness::instance::Config;

/// Options for all cores: shared memory for some seconds of transactions, and private memory for
/// the transfers of a worker. The defaults are too small for thousands of requests a second.
pub const MEMORY: [&str; 4] = ["-m", "2048", "-M", "64"];

/// Requests that a worker may have in progress, in both: enough for all of them in one worker, so
/// that no limit refuses or delays any.
const IN_FLIGHT: u32 = 2000;

/// The OpenSIPS modules that both need.
const COMMON: [&str; 5] = [
    "proto_udp.so",
    "sl.so",
    "tm.so",
    "signaling.so",
    "sipmsgops.so",
];

/// The OpenSIPS modules that the comparison needs.
pub const NEEDED: [&str; 2] = ["rest_client.so", "json.so"];

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contender {
    /// `http_authorize`.
    AuthWeb,
    /// `rest_post`, and `$json` on its answer.
    RestClient,
}

impl Contender {
    /// In the order in which they are measured.
    pub const BOTH: [Contender; 2] = [Contender::AuthWeb, Contender::RestClient];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Contender::AuthWeb => "auth_web",
            Contender::RestClient => "rest_client",
        }
    }

    fn modules(self) -> Vec<PathBuf> {
        match self {
            Contender::AuthWeb => vec![harness::module()],
            Contender::RestClient => NEEDED.iter().map(PathBuf::from).collect(),
        }
    }

    /// Nonces are checked by neither: the credentials are computed beforehand.
    fn parameters(self) -> String {
        match self {
            Contender::AuthWeb => format!(
                "modparam(\"auth_web\", \"nonce_check\", 0)\n\
                 modparam(\"auth_web\", \"http_max_inflight\", {IN_FLIGHT})\n"
            ),
            Contender::RestClient => {
                format!("modparam(\"rest_client\", \"max_async_transfers\", {IN_FLIGHT})\n")
            }
        }
    }

    fn routes(self) -> &'static str {
        match self {
            Contender::AuthWeb => include_str!("auth_web.cfg"),
            Contender::RestClient => include_str!("rest_client.cfg"),
        }
    }
}

/// A contender with an endpoint, as a configuration.
pub struct Setup<'a> {
    /// Which contender.
    pub contender: Contender,
    /// The URL that it queries.
    pub url: &'a str,
    /// UDP workers.
    pub workers: u32,
}

impl Config for Setup<'_> {
    fn render(&self, core: &Core, port: u16) -> String {
        let mut out = format!(
            "log_level=1\nstderror_enabled=yes\nsyslog_enabled=no\nudp_workers={}\n\
             socket=udp:127.0.0.1:{port}\n",
            self.workers
        );
        if let Some(folder) = &core.modules {
            let _ = writeln!(out, "mpath=\"{}/\"", folder.display());
        }
        let common = COMMON.iter().map(PathBuf::from);
        for file in common.chain(self.contender.modules()) {
            let _ = writeln!(out, "loadmodule \"{}\"", file.display());
        }
        out.push_str(&self.contender.parameters());
        out.push_str(&self.contender.routes().replace("@URL@", self.url));
        out
    }
}
