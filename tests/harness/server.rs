//! A process that lives no longer than the value that represents it.

use std::io;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// The interval at which something awaited is checked.
pub const POLL: Duration = Duration::from_millis(10);

/// A started process. Dropping it sends SIGTERM, after [`GRACE`] SIGKILL, and waits for the end.
///
/// Next to it runs a tiny shell that reads from a pipe whose other end this program holds: it sends
/// the SIGTERM. The pipe closes however this program ends, so nothing is left running when the
/// tests are killed halfway.
pub struct Server {
    child: Child,
    watcher: Child,
    pipe: Option<ChildStdin>,
    ended: Option<ExitStatus>,
}

impl Server {
    /// Starts `command`, whose output must already be redirected.
    pub fn start(command: &mut Command) -> io::Result<Server> {
        let mut child = command.stdin(Stdio::null()).spawn()?;
        let watcher = Command::new("sh")
            .args(["-c", "trap '' INT TERM; read -r _; kill -TERM \"$0\""])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match watcher {
            Ok(mut watcher) => {
                let pipe = watcher.stdin.take();
                Ok(Server {
                    child,
                    watcher,
                    pipe,
                    ended: None,
                })
            }
            Err(e) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(e)
            }
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().unwrap_or(None);
            if self.ended.is_some() {
                self.dismiss_watcher();
            }
        }
        self.ended
    }

    /// Waits until it ends by itself; None if it is still running after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_for(limit, || self.ended())
    }

    /// Ends it now, in the same way as dropping it.
    pub fn stop(&mut self) {
        if self.ended().is_some() {
            return;
        }
        // The child has not been waited for, so its id cannot have been reused yet.
        drop(self.pipe.take());
        let _ = self.watcher.wait();
        if self.wait(GRACE).is_none() {
            for pid in children(self.pid()) {
                let _ = Command::new("kill")
                    .args(["-KILL", &pid.to_string()])
                    .status();
            }
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    /// Leaves the process running, with nothing to end it.
    pub fn leave(mut self) {
        self.dismiss_watcher();
        std::mem::forget(self);
    }

    fn dismiss_watcher(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
        self.pipe = None;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The direct children of a process, in the order in which they were started.
pub fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Checks repeatedly until there is a result or `limit` is over.
pub fn wait_for<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(POLL);
    }
}
