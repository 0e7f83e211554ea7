//! sipsak, which registers once and ends. Its calls are calls to itself (-I), which is no phone.

use std::process::Command;

use harness::database::program;

use super::talk::run;
use super::{AOR, Account, Calls, Phone, Program, Said, USER};

pub const PROGRAM: Program = Program {
    name: "sipsak",
    missing: || program("sipsak").is_none().then(|| "no sipsak".to_string()),
    start,
    calls: Calls::No,
};

struct Sipsak {
    command: Vec<String>,
    account: Account,
    registered: usize,
    refused: usize,
    everything: String,
}

fn start(account: Account) -> Result<Box<dyn Phone>, String> {
    let Account {
        password,
        proxy,
        port,
        ..
    } = &account;
    let contact = format!("sip:{USER}@127.0.0.1:{port}");
    // Contacts that are there are fine, and it always sends from the same port.
    let command = format!(
        "-U -i -vv -S -l {port} -p {proxy} -u {USER} -a {password} -s sip:{AOR} -C {contact}"
    );
    let mut sipsak = Sipsak {
        command: command.split(' ').map(str::to_string).collect(),
        account,
        registered: 0,
        refused: 0,
        everything: String::new(),
    };
    sipsak.register()?;
    Ok(Box::new(sipsak))
}

impl Sipsak {
    fn run(&mut self, expires: &str) -> Result<bool, String> {
        let mut command = Command::new(program("sipsak").ok_or("no sipsak")?);
        command.args(&self.command).args(["-x", expires]);
        let (is_well, said) = run(&mut command, &self.account.folder)?;
        self.everything.push_str(&said);
        Ok(is_well)
    }
}

impl Phone for Sipsak {
    fn register(&mut self) -> Result<(), String> {
        match self.run("600")? {
            true => self.registered += 1,
            false => self.refused += 1,
        }
        Ok(())
    }

    fn sign_off(&mut self) -> Result<(), String> {
        match self.run("0")? {
            true => Ok(()),
            false => Err("it could not sign off".to_string()),
        }
    }

    fn said(&mut self, what: Said) -> usize {
        match what {
            Said::Registered => self.registered,
            Said::Refused => self.refused,
            _ => 0,
        }
    }

    fn everything(&self) -> String {
        self.everything.clone()
    }
}
