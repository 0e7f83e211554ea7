//! A running core.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::core::{Core, Kind};
use super::server::{Server, children, wait_for};
use super::{ports, sip};

/// How long a core may take until it answers. It takes well under a second; the limit is for busy
/// machines and for sanitizers.
const START: Duration = Duration::from_secs(60);

/// How long to wait for the answer to one OPTIONS before the next is sent.
const PING: Duration = Duration::from_millis(200);

/// How long no OPTIONS has to be answered until nothing in it works any more, and how long to wait for the answer
/// to each.
const STUCK: Duration = Duration::from_secs(10);
const SLOW_PING: Duration = Duration::from_secs(2);

/// How long processes may take to be gone after SIGKILL.
const KILL: Duration = Duration::from_secs(10);

/// The configuration with which a core is started.
pub trait Config {
    /// The text of the configuration for this core, which listens for UDP on this port of its
    /// [address](Config::address).
    fn render(&self, core: &Core, port: u16) -> String;

    /// The environment for a script that takes its settings from there.
    fn environment(&self, _core: &Core, _port: u16) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The address on loopback to listen on.
    fn address(&self) -> &str {
        "127.0.0.1"
    }

    /// The port to listen on, unless any free one will do.
    fn port(&self) -> Option<u16> {
        None
    }
}

/// A core that has answered its first OPTIONS.
pub struct Instance {
    /// The UDP port.
    pub port: u16,
    folder: PathBuf,
    workers: Vec<u32>,
    server: Server,
}

/// What a process holds in kernel resources.
#[derive(Debug)]
pub struct Footprint {
    /// Process id.
    pub pid: u32,
    /// Open file descriptors.
    pub files: usize,
    /// Threads, including the first.
    pub threads: usize,
}

/// A core that ended instead of answering.
#[derive(Debug)]
pub struct Refusal {
    /// How it ended; None if it had to be stopped.
    pub status: Option<ExitStatus>,
    /// Everything that it logged.
    pub log: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.status {
            Some(status) => write!(f, "the core ended by itself ({status})")?,
            None => write!(f, "the core did not answer OPTIONS")?,
        }
        write!(f, ", and logged:\n{}", tail(&self.log, 40))
    }
}

impl Instance {
    /// Starts `core` with `config`, with all its output in `folder`, and waits for its first
    /// answer.
    pub fn start(core: &Core, config: &dyn Config, folder: &Path) -> Result<Instance, Refusal> {
        let refusal = |log: String| Refusal { status: None, log };
        let port = config.port().unwrap_or_else(ports::free);
        let file = folder.join("opensips.cfg");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&file, config.render(core, port)))
            .map_err(|e| refusal(format!("{}: {e}", file.display())))?;
        let output = File::create(folder.join("log")).map_err(|e| refusal(e.to_string()))?;
        let errors = output.try_clone().map_err(|e| refusal(e.to_string()))?;
        let mut command = Command::new(&core.binary);
        if matches!(core.kind, Kind::OpenSips(_)) {
            command.arg("-F").arg("-w").arg(folder);
            // Thousands of transactions, each kept for seconds after it ends.
            command.arg("-m").arg("256");
        }
        command
            .args(&core.arguments)
            .envs(config.environment(core, port))
            .arg("-f")
            .arg(&file)
            .stdout(output)
            .stderr(errors);
        let mut server = Server::start(&mut command)
            .map_err(|e| refusal(format!("{}: {e}", core.binary.display())))?;
        let up = wait_for(START, || match server.ended() {
            Some(status) => Some(Some(status)),
            None => sip::ping(config.address(), port, PING).then_some(None),
        });
        match up {
            Some(None) => {
                let workers = children(server.pid());
                Ok(Instance {
                    port,
                    folder: folder.to_path_buf(),
                    workers,
                    server,
                })
            }
            ended => {
                server.stop();
                let log = std::fs::read(folder.join("log")).unwrap_or_default();
                let log = String::from_utf8_lossy(&log).into_owned();
                Err(Refusal {
                    status: ended.flatten(),
                    log,
                })
            }
        }
    }

    /// The id of its first process, the parent of all others.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Fails if one of its processes is gone.
    pub fn check_workers(&mut self) -> Result<(), String> {
        if let Some(status) = self.server.ended() {
            return Err(format!(
                "the core is gone: {status}\n{}",
                tail(&self.log(), 40)
            ));
        }
        let now = children(self.server.pid());
        if let Some(gone) = self.workers.iter().find(|pid| !now.contains(pid)) {
            return Err(format!(
                "process {gone} is gone: there were {:?}, are {now:?}",
                self.workers
            ));
        }
        // The first answer may come before the last process has started.
        self.workers = now;
        Ok(())
    }

    /// Whether it has ended because its process for connections has crashed: the last of its processes,
    /// in which no script and no module runs.
    pub fn connections_crashed(&mut self) -> bool {
        if self.server.ended().is_none() {
            return false;
        }
        let log = self.log();
        let crashed = log
            .lines()
            .filter(|line| line.contains("exited by a signal"));
        // While it shuts down, it names each of the others.
        let others = log.lines().filter_map(|line| {
            let (_, rest) = line.split_once("shutdown_opensips: process ")?;
            rest.split_once('(')?.0.parse::<usize>().ok()
        });
        let mut others: Vec<_> = others.collect();
        others.sort_unstable();
        // All but one, and that one had the last number: how many there are is not known yet if it crashes at once.
        let is_over = log.contains("still waiting for 0 more");
        let last = others.len();
        crashed.count() == 1 && is_over && last > 0 && others.into_iter().eq(1..=last)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.server.ended().is_some()
    }

    /// If it answers no OPTIONS any more: what each of its processes is doing, on a line each, by gdb where that is
    /// installed.
    pub fn stuck(&mut self, address: &str) -> Option<String> {
        if self.server.ended().is_some() {
            return None;
        }
        let answers = || sip::ping(address, self.port, SLOW_PING).then_some(());
        if wait_for(STUCK, answers).is_some() {
            return None;
        }
        let processes = children(self.server.pid());
        let lines = processes.into_iter().map(|pid| {
            let read = |name| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
            let at = frames(pid)
                .unwrap_or_else(|| read("syscall").unwrap_or_else(|error| error.to_string()));
            format!("process {pid}: {}", at.trim())
        });
        Some(lines.collect::<Vec<_>>().join("\n"))
    }

    /// What each of its processes holds, without the first, which only waits for the others.
    pub fn footprint(&self) -> Vec<Footprint> {
        children(self.server.pid())
            .into_iter()
            .map(footprint)
            .collect()
    }

    /// How many descriptors are open, and how many threads run, in all its processes together,
    /// including the first.
    pub fn held(&self) -> (usize, usize) {
        let first = footprint(self.pid());
        let all = std::iter::once(first).chain(self.footprint());
        all.fold((0, 0), |(files, threads), one| {
            (files + one.files, threads + one.threads)
        })
    }

    /// Everything that it has logged.
    pub fn log(&self) -> String {
        self.log_since(0)
    }

    /// What it has logged since that byte offset.
    pub fn log_since(&self, offset: u64) -> String {
        match self.log_bytes(offset) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(e) => format!("(no log: {e})"),
        }
    }

    /// Whole lines that it has logged since that byte offset: a process may be in the middle of
    /// one. `offset` moves past them.
    pub fn log_lines(&self, offset: &mut u64) -> String {
        let mut bytes = self.log_bytes(*offset).unwrap_or_default();
        bytes.truncate(bytes.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1));
        *offset += bytes.len() as u64;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_bytes(&self, offset: u64) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut file = File::open(self.folder.join("log"))?;
        file.seek(SeekFrom::Start(offset))?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// How many bytes it has logged.
    pub fn log_length(&self) -> u64 {
        std::fs::metadata(self.folder.join("log"))
            .map(|m| m.len())
            .unwrap_or(0)
    }

    /// Fails with the first error that it has logged since that byte offset.
    pub fn no_error_since(&self, offset: u64) -> Result<(), String> {
        let log = self.log_since(offset);
        let is_error = |line: &&str| line.contains("ERROR:") || line.contains("CRITICAL:");
        match log.lines().find(is_error) {
            Some(line) => Err(format!("in the log is {line}")),
            None => Ok(()),
        }
    }

    /// How it ended, if it does by itself within the limit.
    pub fn ended_within(&mut self, limit: Duration) -> Option<ExitStatus> {
        self.server.wait(limit)
    }

    /// Sends SIGTERM, and returns how it ended and what it has logged; if it has not ended within
    /// the limit, that is an error.
    pub fn terminate(mut self, limit: Duration) -> Result<(ExitStatus, String), String> {
        let signalled = Command::new("kill")
            .args(["-TERM", &self.server.pid().to_string()])
            .status();
        signalled.map_err(|e| e.to_string())?;
        let ended = self.server.wait(limit);
        let status = ended.ok_or("the core does not end after SIGTERM")?;
        Ok((status, self.log()))
    }

    /// Ends all its processes at once with SIGKILL, as a crash of the machine does, and waits until
    /// they are gone.
    ///
    /// # Errors
    /// Fails if they are still there after 10 s.
    pub fn kill(mut self) -> Result<(), String> {
        let all = children(self.server.pid());
        // The first process would end the others in good order.
        self.server.kill();
        for pid in &all {
            let pid = pid.to_string();
            let killed = Command::new("kill").args(["-KILL", &pid]).status();
            killed.map_err(|e| e.to_string())?;
        }
        let gone = || (!all.iter().any(|pid| is_running(*pid))).then_some(());
        wait_for(KILL, gone).ok_or_else(|| format!("some of {all:?} survive SIGKILL"))
    }

    /// Leaves it running when this program ends; returns its process id.
    pub fn leave(self) -> u32 {
        let pid = self.server.pid();
        self.server.leave();
        pid
    }
}

/// Whether a process is running, and not a zombie (proc(5)).
fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name of the process may contain blanks and parentheses.
    let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
    state.is_some_and(|state| !state.starts_with(['Z', 'X']))
}

fn footprint(pid: u32) -> Footprint {
    let count = |path: String| std::fs::read_dir(path).map_or(0, Iterator::count);
    Footprint {
        pid,
        files: count(format!("/proc/{pid}/fd")),
        threads: count(format!("/proc/{pid}/task")),
    }
}

/// The functions in which the threads of a process are, innermost first; `None` without gdb.
fn frames(pid: u32) -> Option<String> {
    let output = Command::new("timeout")
        .args(["60", "gdb", "-p", &pid.to_string(), "-batch"])
        .args(["-ex", "thread apply all -ascending bt 24"])
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let mut said = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.starts_with("Thread ") {
            said.push_str(" | ");
        } else if line.starts_with('#') {
            // #1  0x000055d0c0ffee00 in main_loop () at main.c:1
            let mut words = line.split_whitespace().skip(1);
            let first = words.next().unwrap_or_default();
            let name = match first.starts_with("0x") {
                true => words.nth(1).unwrap_or_default(),
                false => first,
            };
            said.push_str(name);
            said.push_str(" < ");
        }
    }
    (!said.is_empty()).then_some(said)
}

/// The last lines of a text.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
