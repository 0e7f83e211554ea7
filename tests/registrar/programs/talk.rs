//! A program that takes commands and tells what happens, as text.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::server::{Server, wait_for};

use super::{LIMIT, Phone, Said, Side};

/// How long a program may take to listen for commands.
const START: Duration = Duration::from_secs(30);

/// What a program is to be told; nothing is said where that is None.
pub struct Commands {
    pub register: Option<String>,
    /// None: it signs off when it ends.
    pub sign_off: Option<String>,
    pub call: String,
    pub answer: String,
    pub hang_up: String,
}

/// By what text it says a thing.
pub type Words = fn(Said) -> &'static str;

/// See the [module](self).
pub struct Talk {
    server: Server,
    input: Box<dyn Write>,
    /// Where what it tells is collected.
    told: PathBuf,
    /// All that it writes, what it tells last.
    files: Vec<PathBuf>,
    commands: Commands,
    words: Words,
}

impl Talk {
    /// One that reads commands from its standard input. What it tells is in `told`: its standard output,
    /// unless it writes that itself.
    pub fn by_input(
        command: &mut Command,
        folder: &Path,
        told: &str,
        commands: Commands,
        words: Words,
    ) -> Result<Talk, String> {
        let (output, errors) = outputs(folder)?;
        let started = Server::start_with_input(command.stdout(output).stderr(errors));
        let (server, input) = started.map_err(|e| e.to_string())?;
        Ok(Talk {
            server,
            input: Box::new(input),
            told: folder.join(told),
            files: files(folder, told),
            commands,
            words,
        })
    }

    /// One that is commanded over this port, and tells there what happens.
    pub fn by_port(
        command: &mut Command,
        folder: &Path,
        port: u16,
        commands: Commands,
        words: Words,
    ) -> Result<Talk, String> {
        let (output, errors) = outputs(folder)?;
        let started = Server::start(command.stdout(output).stderr(errors));
        let mut server = started.map_err(|e| e.to_string())?;
        let up = wait_for(START, || match server.ended() {
            Some(status) => Some(Err(status.to_string())),
            None => TcpStream::connect(("127.0.0.1", port)).ok().map(Ok),
        });
        let input = up.unwrap_or_else(|| Err(format!("nobody listens on port {port}")));
        let input = input.map_err(|e| format!("{e}\n{}", read(&folder.join(OUTPUT))))?;
        let mut file = File::create(folder.join(TOLD)).map_err(|e| e.to_string())?;
        let mut events = input.try_clone().map_err(|e| e.to_string())?;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = events.read(&mut buffer) {
                if file.write_all(&buffer[..length]).is_err() {
                    break;
                }
            }
        });
        Ok(Talk {
            server,
            input: Box::new(input),
            told: folder.join(TOLD),
            files: files(folder, TOLD),
            commands,
            words,
        })
    }

    pub fn say(&mut self, command: &str) -> Result<(), String> {
        let written = self.input.write_all(command.as_bytes());
        written
            .and_then(|()| self.input.flush())
            .map_err(|e| format!("it takes no command: {e}"))
    }
}

/// Where standard output goes, and what comes over a port.
pub const OUTPUT: &str = "output";
const TOLD: &str = "told";

fn files(folder: &Path, told: &str) -> Vec<PathBuf> {
    let mut names = vec![OUTPUT, "errors", told];
    // Only once.
    if told == OUTPUT {
        names.remove(0);
    }
    names.into_iter().map(|name| folder.join(name)).collect()
}

fn outputs(folder: &Path) -> Result<(File, File), String> {
    let create = |name| File::create(folder.join(name)).map_err(|e| e.to_string());
    Ok((create(OUTPUT)?, create("errors")?))
}

/// Runs one that ends by itself: whether all went well, and what it said.
pub fn run(command: &mut Command, folder: &Path) -> Result<(bool, String), String> {
    let (output, errors) = outputs(folder)?;
    let started = Server::start(command.stdout(output).stderr(errors));
    let ended = started.map_err(|e| e.to_string())?.wait(LIMIT);
    let said = [OUTPUT, "errors"].map(|name| read(&folder.join(name)));
    match ended {
        Some(status) => Ok((status.success(), said.concat())),
        None => Err(format!("it does not end:\n{}", said.concat())),
    }
}

fn read(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Phone for Talk {
    fn register(&mut self) -> Result<(), String> {
        match self.commands.register.clone() {
            Some(command) => self.say(&command),
            None => Ok(()),
        }
    }

    fn sign_off(&mut self) -> Result<(), String> {
        match self.commands.sign_off.clone() {
            Some(command) => self.say(&command),
            None => {
                self.server.stop();
                Ok(())
            }
        }
    }

    fn call(&mut self, _ends: Side) -> Result<(), String> {
        self.say(&self.commands.call.clone())
    }

    fn answer(&mut self) -> Result<(), String> {
        self.say(&self.commands.answer.clone())
    }

    fn hang_up(&mut self) -> Result<(), String> {
        self.say(&self.commands.hang_up.clone())
    }

    fn said(&mut self, what: Said) -> usize {
        read(&self.told).matches((self.words)(what)).count()
    }

    fn everything(&self) -> String {
        let files = self.files.iter().map(|path| read(path));
        files.collect::<Vec<_>>().join("\n")
    }
}

/// Programs in Python, in this folder: one command a line, and one line for what happens.
pub mod python {
    use std::path::PathBuf;
    use std::process::{Command, Stdio};

    use harness::database::program;
    use harness::root;

    use super::super::{Account, CALLEE, Phone, REALM, Said, USER};
    use super::{Commands, OUTPUT, Talk};

    /// Where scripts/packages puts libraries of PyPI.
    fn libraries() -> PathBuf {
        root().join("build/python")
    }

    /// Why a program can't use this library, if so.
    pub fn missing(library: &str) -> Option<String> {
        let Some(python) = program("python3") else {
            return Some("no python3".to_string());
        };
        let imported = Command::new(python)
            .args(["-c", &format!("import {library}")])
            .env("PYTHONPATH", libraries())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let is_there = imported.is_ok_and(|status| status.success());
        (!is_there).then(|| format!("no {library} for python3 (PyPI, by scripts/packages test)"))
    }

    /// Runs a program of this folder.
    pub fn start(script: &str, account: &Account) -> Result<Box<dyn Phone>, String> {
        let mut command = Command::new(program("python3").ok_or("no python3")?);
        command
            .arg(root().join("tests/registrar/programs").join(script))
            .args([USER, REALM, account.password, &account.proxy])
            .arg(account.port.to_string())
            .env("PYTHONPATH", libraries())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(&account.folder);
        let commands = Commands {
            register: Some("register\n".to_string()),
            sign_off: Some("sign-off\n".to_string()),
            call: format!("call {CALLEE}\n"),
            answer: "answer\n".to_string(),
            hang_up: "hang-up\n".to_string(),
        };
        let talk = Talk::by_input(&mut command, &account.folder, OUTPUT, commands, words)?;
        Ok(Box::new(talk))
    }

    fn words(what: Said) -> &'static str {
        match what {
            Said::Registered => "registered\n",
            Said::Refused => "refused\n",
            Said::Ringing => "ringing\n",
            Said::RingingBack => "ringing back\n",
            Said::Answered => "answered\n",
            Said::Ended => "ended\n",
        }
    }
}
