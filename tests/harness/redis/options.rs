//! How a Redis is protected, and whether it forgets.

use std::fmt::Write;
use std::path::Path;

use super::access::{Access, Kind};
use crate::certificates::Certificates;

/// Options of all servers of an installation. By default anybody may connect, in plain text, and
/// the data is gone when the server ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The password of the default user (`requirepass`).
    pub password: Option<&'a str>,
    /// A user of the ACL who may do everything, and the password: whom [`Access`] logs in as.
    /// Without `password`, nobody else may log in. Needs Redis 6.2, for the rights to channels
    /// that Sentinels make use of.
    pub user: Option<(&'a str, &'a str)>,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// Whether the data outlives SIGKILL (an append-only file, synced with every command).
    pub lasting: bool,
}

/// Encryption of all connections, including those between servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tls {
    /// None.
    #[default]
    Off,
    /// The server has a certificate.
    On,
    /// The client needs one as well.
    Mutual,
}

impl Options<'_> {
    /// New certificates in this folder, if there is TLS.
    pub(super) fn certificates(&self, folder: &Path) -> Result<Option<Certificates>, String> {
        (self.tls != Tls::Off)
            .then(|| Certificates::new(folder))
            .transpose()
    }

    /// How clients get in.
    pub(super) fn access(
        &self,
        kind: Kind,
        ports: Vec<u16>,
        certificates: Option<&Certificates>,
    ) -> Access {
        let own = |(user, password): (&str, &str)| (user.to_string(), password.to_string());
        let credentials = self.user.or(self.password.map(|password| ("", password)));
        let identity = |made: &Certificates| (made.certificate.clone(), made.key.clone());
        Access {
            kind,
            ports,
            credentials: credentials.map(own),
            authority: certificates.map(|made| made.authority.clone()),
            identity: certificates
                .filter(|_| self.tls == Tls::Mutual)
                .map(identity),
        }
    }

    /// The lines of a server's configuration.
    pub(super) fn lines(&self, port: u16, certificates: Option<&Certificates>) -> String {
        let mut lines = self.transport(port, certificates);
        lines += "save \"\"\nrepl-diskless-sync-delay 0\n";
        if self.lasting {
            lines += "appendonly yes\nappendfsync always\n";
        }
        if let Some(password) = self.password {
            let password = quoted(password);
            _ = writeln!(lines, "requirepass {password}\nmasterauth {password}");
        }
        if let Some((user, password)) = self.user {
            let secret = quoted(&format!(">{password}"));
            _ = writeln!(lines, "user {user} on {secret} ~* &* +@all");
            if self.password.is_none() {
                let password = quoted(password);
                _ = writeln!(
                    lines,
                    "user default off\nmasteruser {user}\nmasterauth {password}"
                );
            }
        }
        lines
    }

    /// Those that a Sentinel has as well.
    pub(super) fn transport(&self, port: u16, certificates: Option<&Certificates>) -> String {
        let mut lines = "bind 127.0.0.1\ndaemonize no\n".to_string();
        let Some(made) = certificates else {
            return lines + &format!("port {port}\n");
        };
        for (name, path) in [
            ("tls-cert-file", &made.certificate),
            ("tls-key-file", &made.key),
            ("tls-ca-cert-file", &made.authority),
        ] {
            _ = writeln!(lines, "{name} {}", quoted(&path.display().to_string()));
        }
        let mutual = if self.tls == Tls::Mutual { "yes" } else { "no" };
        _ = writeln!(lines, "port 0\ntls-port {port}\ntls-auth-clients {mutual}");
        lines + "tls-replication yes\n"
    }
}

/// A word of a configuration file.
pub(super) fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}
