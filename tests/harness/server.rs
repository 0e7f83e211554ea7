//! A process that lives no longer than the value that represents it.

use std::io;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a process may take to end after SIGTERM before it gets SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// The interval at which something awaited is checked.
pub const POLL: Duration = Duration::from_millis(10);

/// What the shell next to a process runs. A process that hangs only gets SIGTERM once it goes on.
const WATCH: &str = "trap '' INT TERM; read -r _; kill -TERM \"$0\"; kill -CONT \"$0\"";

/// How long SIGSTOP may take to reach every thread.
const STOP: Duration = Duration::from_secs(10);

/// A started process. Dropping it sends SIGTERM, after `GRACE` SIGKILL, and waits for the end.
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
        Server::launch(command.stdin(Stdio::null()))
    }

    /// The same for one that takes commands: what is written goes to its standard input.
    pub fn start_with_input(command: &mut Command) -> io::Result<(Server, ChildStdin)> {
        let mut server = Server::launch(command.stdin(Stdio::piped()))?;
        let input = server.child.stdin.take();
        Ok((server, input.ok_or(io::ErrorKind::BrokenPipe)?))
    }

    fn launch(command: &mut Command) -> io::Result<Server> {
        let mut child = command.spawn()?;
        let watcher = Command::new("sh")
            .args(["-c", WATCH])
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

    /// Makes it hang (SIGSTOP), and returns once all its threads do: its connections stay open, and
    /// its ports accept new ones, but nobody answers.
    ///
    /// # Errors
    /// Fails if it has ended.
    pub fn hang(&self) -> Result<(), String> {
        self.signal("STOP")?;
        let pid = self.pid();
        wait_for(STOP, || is_stopped(pid).then_some(()))
            .ok_or_else(|| format!("process {pid} does not stop"))
    }

    /// Lets it go on (SIGCONT) after [`hang`](Server::hang).
    ///
    /// # Errors
    /// Fails if there is no program `kill`.
    pub fn go_on(&self) -> Result<(), String> {
        self.signal("CONT")
    }

    /// Ends it with SIGKILL, so that it cannot write or close anything, and waits for the end.
    pub fn kill(&mut self) {
        if self.ended().is_none() {
            self.dismiss_watcher();
            let _ = self.child.kill();
            self.ended = self.child.wait().ok();
        }
    }

    fn signal(&self, name: &str) -> Result<(), String> {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        match status {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("SIG{name} to process {pid}: {other:?}")),
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

/// Whether all threads of a process are stopped (proc(5)).
fn is_stopped(pid: u32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return false;
    };
    tasks.flatten().all(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The name of the process before it may contain blanks and parentheses.
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T'))
    })
}

/// The direct children of a process, in the order in which they were started.
pub fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Does it again as long as a signal interrupts it: a wait with a limit is not resumed after the
/// machine was paused for a moment.
///
/// # Errors
/// Fails with any other error.
pub fn uninterrupted<T>(mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
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
