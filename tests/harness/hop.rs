//! The next hop: a shipped script with its last line filled in, and what comes out of it.

use std::net::UdpSocket;

use super::device::{LIMIT, Question};
use crate::core::Core;
use crate::instance::Config;
use crate::server::uninterrupted;

/// The line of a shipped script where the reader's own routing goes.
const PLACE: &str = "send_reply(200, \"OK\");";

/// What a sender claims beside From, and how he was admitted: none of it may reach the next hop.
const UNCHECKED: [&str; 6] = [
    "P-Asserted-Identity",
    "P-Preferred-Identity",
    "Remote-Party-ID",
    "Authorization",
    "Proxy-Authorization",
    "X-JWT",
];

/// A socket to which calls are relayed. It never answers.
pub struct Hop(UdpSocket);

/// A script that relays to it.
pub struct Relaying<C>(C, String);

impl<C: Config> Config for Relaying<C> {
    fn render(&self, core: &Core, port: u16) -> String {
        let text = self.0.render(core, port);
        // The first occurrence answers OPTIONS.
        let (before, after) = text
            .rsplit_once(PLACE)
            .expect("a place for one's own routing");
        format!("{before}$du = \"sip:{}\";\n    t_relay();{after}", self.1)
    }
}

impl Hop {
    pub fn new() -> Result<Hop, String> {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        socket
            .set_read_timeout(Some(LIMIT))
            .map_err(|e| e.to_string())?;
        Ok(Hop(socket))
    }

    pub fn behind<C: Config>(&self, script: C) -> Relaying<C> {
        let address = self.0.local_addr().map(|address| address.to_string());
        Relaying(script, address.unwrap_or_default())
    }

    /// A call that contains all of it.
    pub fn invite(user: &str, domain: &str) -> Question {
        let question = Question {
            method: "INVITE",
            ..Question::register("callee", user, domain)
        };
        UNCHECKED[..3].iter().fold(question, |question, name| {
            let line = question.with(name, "\"alice\" <sip:alice@a.example>");
            line.with(&name.to_ascii_lowercase(), "<tel:+15551>")
        })
    }

    /// The next message, as it arrives.
    fn receive(&self) -> Result<String, String> {
        let mut buffer = vec![0; 65_535];
        let length =
            uninterrupted(|| self.0.recv(&mut buffer)).map_err(|e| format!("no call: {e}"))?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// Fails unless a call of this Call-ID arrives whose caller is, by P-Asserted-Identity, this one and
    /// nobody else.
    pub fn expect_asserted(&self, id: &str, aor: &str) -> Result<(), String> {
        loop {
            let text = self.receive()?;
            // Others are repeated, since nobody answers them.
            if !text.contains(&format!("Call-ID: {id}\r\n")) {
                continue;
            }
            let named = |line: &&str| line.to_ascii_lowercase().starts_with("p-asserted");
            let lines: Vec<_> = text.lines().filter(named).collect();
            return match lines == [format!("P-Asserted-Identity: <sip:{aor}>")] {
                true => Ok(()),
                false => Err(format!("not {aor} alone:\n{text}")),
            };
        }
    }

    /// Fails unless a call of this Call-ID arrives without any of it.
    pub fn expect_nothing_unchecked(&self, id: &str) -> Result<(), String> {
        let text = loop {
            let text = self.receive()?;
            // Others are repeated, since nobody answers them.
            if text.contains(&format!("Call-ID: {id}\r\n")) {
                break text;
            }
        };
        let names = text.lines().filter_map(|line| line.split_once(':'));
        let left: Vec<_> = names
            .filter(|(name, _)| {
                UNCHECKED
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(name))
            })
            .collect();
        match text.starts_with("INVITE ") && left.is_empty() {
            true => Ok(()),
            false => Err(format!("{left:?} reached the next hop:\n{text}")),
        }
    }
}
