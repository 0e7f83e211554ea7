//! baresip, commanded by its module ctrl_tcp.

use std::process::Command;

use harness::database::program;
use harness::ports;

use super::talk::{Commands, Talk};
use super::{AOR, Account, CALLEE, Calls, Phone, Program, REALM, Said};

pub const PROGRAM: Program = Program {
    name: "baresip",
    missing: || {
        program("baresip")
            .is_none()
            .then(|| "no baresip (Debian's baresip-core)".to_string())
    },
    start,
    calls: Calls::Yes,
};

/// Where Debian has its modules.
const MODULES: &str = "/usr/lib/baresip/modules";

/// There is no sound: what is played comes back as what is said.
fn configuration(control: u16) -> String {
    format!(
        "sip_listen 127.0.0.1:0\n\
         audio_player aubridge,null\naudio_source aubridge,null\naudio_alert aubridge,null\n\
         module_path {MODULES}\nmodule g711.so\nmodule aubridge.so\n\
         module_app account.so\nmodule_app ctrl_tcp.so\nmodule_app menu.so\n\
         ctrl_tcp_listen 127.0.0.1:{control}\n"
    )
}

fn start(account: Account) -> Result<Box<dyn Phone>, String> {
    let folder = &account.folder;
    let control = ports::free();
    for (name, text) in [
        ("config", configuration(control).as_str()),
        ("accounts", ""),
        ("contacts", ""),
    ] {
        std::fs::write(folder.join(name), text).map_err(|e| e.to_string())?;
    }
    let commands = Commands {
        // There is no command for it: after 5 % of the time it does so by itself.
        register: None,
        sign_off: None,
        call: command("dial", &format!("sip:{CALLEE}@{REALM}")),
        answer: command("accept", ""),
        hang_up: command("hangup", ""),
    };
    let path = program("baresip").ok_or("no baresip")?;
    let mut baresip = Command::new(path);
    baresip.arg("-f").arg(folder).current_dir(folder);
    let mut talk = Talk::by_port(&mut baresip, folder, control, commands, words)?;
    let Account {
        password, proxy, ..
    } = &account;
    talk.say(&command(
        "uanew",
        &format!(
            "<sip:{AOR}>;auth_pass={password};outbound=\"sip:{proxy};transport=udp\";\
             regint=60;rwait=5"
        ),
    ))?;
    Ok(Box::new(talk))
}

/// A command as a netstring of JSON.
fn command(name: &str, parameters: &str) -> String {
    let text = serde_json::json!({ "command": name, "params": parameters }).to_string();
    format!("{}:{text},", text.len())
}

fn words(what: Said) -> &'static str {
    match what {
        Said::Registered => "\"type\":\"REGISTER_OK\"",
        Said::Refused => "\"type\":\"REGISTER_FAIL\"",
        Said::Ringing => "\"type\":\"CALL_INCOMING\"",
        Said::RingingBack => "\"type\":\"CALL_RINGING\"",
        Said::Answered => "\"type\":\"CALL_ESTABLISHED\"",
        Said::Ended => "\"type\":\"CALL_CLOSED\"",
    }
}
