//! linphonec, the Linphone of the console.

use std::process::Command;

use harness::database::program;

use super::talk::{Commands, Talk};
use super::{AOR, Account, CALLEE, Calls, Phone, Program, REALM, Said, USER};

pub const PROGRAM: Program = Program {
    name: "linphone",
    missing: || {
        program("linphonec")
            .is_none()
            .then(|| "no linphonec (Debian's linphone-cli)".to_string())
    },
    start,
    calls: Calls::Yes,
};

fn configuration(account: &Account) -> String {
    let Account {
        password,
        proxy,
        port,
        ..
    } = account;
    format!(
        "[sip]\nsip_port={port}\nsip_tcp_port=0\nsip_tls_port=0\nbind_address=127.0.0.1\n\
         use_ipv6=0\nguess_hostname=0\ndefault_proxy=0\nregister_only_when_network_is_up=0\n\
         media_encryption=none\n\n\
         [proxy_0]\nreg_proxy=<sip:{proxy};transport=udp>\n\
         reg_route=<sip:{proxy};transport=udp;lr>\nreg_identity=sip:{AOR}\nreg_expires=3600\n\
         reg_sendregister=1\npublish=0\nquality_reporting_enabled=0\n\n\
         [auth_info_0]\nusername={USER}\npasswd={password}\nrealm={REALM}\ndomain={REALM}\n"
    )
}

fn start(account: Account) -> Result<Box<dyn Phone>, String> {
    let folder = &account.folder;
    let file = folder.join("linphonerc");
    std::fs::write(&file, configuration(&account)).map_err(|e| e.to_string())?;
    // Its database is there.
    std::fs::create_dir_all(folder.join(".local/share/linphone")).map_err(|e| e.to_string())?;
    let Account {
        password, proxy, ..
    } = &account;
    let commands = Commands {
        register: Some(format!("register sip:{AOR} sip:{proxy} {password}\n")),
        sign_off: Some("unregister\n".to_string()),
        call: format!("call sip:{CALLEE}@{REALM}\n"),
        answer: "answer\n".to_string(),
        hang_up: "terminate\n".to_string(),
    };
    let path = program("linphonec").ok_or("no linphonec")?;
    let mut linphone = Command::new(path);
    linphone
        .arg("-c")
        .arg(&file)
        .args(["-d", "6", "-l"])
        .arg(folder.join("log"))
        .env("HOME", folder)
        .current_dir(folder);
    // Of registrations, only its log tells.
    let mut talk = Talk::by_input(&mut linphone, folder, "log", commands, words)?;
    // There is no sound.
    talk.say("soundcard use files\n")?;
    Ok(Box::new(talk))
}

fn words(what: Said) -> &'static str {
    match what {
        Said::Registered => "to [LinphoneRegistrationOk]",
        Said::Refused => "to [LinphoneRegistrationFailed]",
        Said::Ringing => "to LinphoneCallIncomingReceived",
        Said::RingingBack => "to LinphoneCallOutgoingRinging",
        Said::Answered => "to LinphoneCallConnected",
        Said::Ended => "to LinphoneCallReleased",
    }
}
