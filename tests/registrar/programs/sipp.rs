//! SIPp, which does one thing after the other, as written down in tests/sipp, and answers and hangs up by
//! itself.

use std::path::PathBuf;

use harness::server::Server;
use harness::sipp;

use super::{Account, CALLEE, Calls, LIMIT, Phone, Program, Said, Side, USER};
use crate::registrar::sipp as other;

pub const PROGRAM: Program = Program {
    name: "SIPp",
    missing: sipp::missing,
    start,
    calls: Calls::Answered,
};

struct Sipp {
    account: Account,
    /// One for each time it was started.
    folders: Vec<PathBuf>,
    calling: Option<Server>,
}

fn start(account: Account) -> Result<Box<dyn Phone>, String> {
    let is_wrong = account.password == "wrong";
    let mut sipp = Sipp {
        account,
        folders: Vec::new(),
        calling: None,
    };
    match is_wrong {
        true => sipp.register_as("phone_is_refused", "600", "registered")?,
        false => sipp.register()?,
    }
    Ok(Box::new(sipp))
}

impl Sipp {
    /// Starts it once the call before is over, in a folder of its own.
    fn start(&mut self, scenario: &str, arguments: &[&str]) -> Result<Server, String> {
        self.end()?;
        let folder = self.account.folder.join(self.folders.len().to_string());
        std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
        self.folders.push(folder.clone());
        let port = self.account.port.to_string();
        let own = ["-p", &port, "-au", USER, "-ap", self.account.password];
        let logs = ["-trace_logs", "-log_file", "log"];
        other::start(&folder, scenario, &[&own[..], &logs, arguments].concat())
    }

    fn register_as(&mut self, scenario: &str, expires: &str, said: &str) -> Result<(), String> {
        let proxy = self.account.proxy.clone();
        let keys = ["-key", "expires", expires, "-key", "said", said];
        let server = self.start(scenario, &[&[proxy.as_str()], &keys[..]].concat())?;
        self.calling = Some(server);
        self.end()
    }

    /// Waits for the end of what it does.
    fn end(&mut self) -> Result<(), String> {
        let Some(mut server) = self.calling.take() else {
            return Ok(());
        };
        match server.wait(LIMIT) {
            Some(status) if status.success() => Ok(()),
            ended => Err(format!("SIPp: {ended:?}")),
        }
    }
}

/// Whether the program hangs up.
fn of(ends: Side) -> &'static str {
    match ends {
        Side::Program => "program",
        Side::NextHop => "next hop",
    }
}

impl Phone for Sipp {
    fn register(&mut self) -> Result<(), String> {
        self.register_as("phone_registers", "600", "registered")
    }

    fn sign_off(&mut self) -> Result<(), String> {
        self.register_as("phone_registers", "0", "signed off")
    }

    fn call(&mut self, ends: Side) -> Result<(), String> {
        let proxy = self.account.proxy.clone();
        let arguments = [proxy.as_str(), "-s", CALLEE, "-set", "ends", of(ends)];
        self.calling = Some(self.start("phone_calls", &arguments)?);
        Ok(())
    }

    fn expect_call(&mut self, ends: Side) -> Result<(), String> {
        self.calling = Some(self.start("phone_is_called", &["-set", "ends", of(ends)])?);
        Ok(())
    }

    fn said(&mut self, what: Said) -> usize {
        let word = match what {
            Said::Registered => "registered",
            Said::Refused => "refused",
            Said::Ringing => "ringing",
            Said::RingingBack => "ringing back",
            Said::Answered => "answered",
            Said::Ended => "ended",
        };
        let logs = self.folders.iter().map(|folder| folder.join("log"));
        let texts = logs.map(|log| std::fs::read_to_string(log).unwrap_or_default());
        texts.map(|text| text.matches(word).count()).sum()
    }

    fn everything(&self) -> String {
        let said = self.folders.iter().map(|folder| other::said(folder));
        said.collect::<Vec<_>>().join("\n")
    }
}
