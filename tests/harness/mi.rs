//! The management interface, through the socket of mi_datagram.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{uninterrupted, wait_for};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The management socket of a core.
pub struct Mi {
    socket: PathBuf,
    own: PathBuf,
}

impl Mi {
    /// The core listens on `socket`; ours is beside it.
    pub fn new(socket: &Path) -> Mi {
        Mi {
            socket: socket.to_path_buf(),
            own: socket.with_extension("client"),
        }
    }

    /// Runs a command (JSON-RPC 2.0) and returns its result.
    pub fn run(&self, method: &str, params: Value) -> Result<Value, String> {
        let failed = |e: std::io::Error| format!("MI {method}: {e}");
        let _ = std::fs::remove_file(&self.own);
        let socket = UnixDatagram::bind(&self.own).map_err(failed)?;
        socket.set_read_timeout(Some(LIMIT)).map_err(failed)?;
        let mut request = json!({ "jsonrpc": "2.0", "method": method, "id": 1 });
        if !params.is_null() {
            request["params"] = params;
        }
        // Its process may start a little later than the workers.
        let mut sent = Ok(0);
        wait_for(LIMIT, || {
            sent = socket.send_to(request.to_string().as_bytes(), &self.socket);
            sent.is_ok().then_some(())
        });
        sent.map_err(failed)?;
        let mut buffer = vec![0; 65_535];
        let length = uninterrupted(|| socket.recv(&mut buffer)).map_err(failed)?;
        let answer: Value =
            serde_json::from_slice(&buffer[..length]).map_err(|e| format!("MI {method}: {e}"))?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(format!("MI {method}: {answer}")),
        }
    }

    /// Clears the caches.
    pub fn reload(&self) -> Result<(), String> {
        match self.run("jwt_reload", Value::Null)? {
            Value::String(ok) if ok == "OK" => Ok(()),
            other => Err(format!("jwt_reload answers {other}")),
        }
    }

    /// The value of one of the module's statistics.
    pub fn statistic(&self, name: &str) -> Result<u64, String> {
        let result = self.run("get_statistics", json!({ "statistics": [name] }))?;
        let value = result.get(format!("auth_web:{name}"));
        let number = match value {
            Some(Value::String(text)) => text.parse().ok(),
            Some(value) => value.as_u64(),
            None => None,
        };
        number.ok_or_else(|| format!("get_statistics {name}: {result}"))
    }
}
