//! The scripts shipped in opensips-cfg, with the lines changed that everybody who copies one
//! changes: address, folders, database.

use std::path::{Path, PathBuf};

use super::core::Core;
use super::database::Database;
use super::instance::Config;

/// One of the shipped scripts.
pub struct Shipped {
    text: String,
    module: PathBuf,
    driver: Option<&'static str>,
    url: String,
}

/// The text of opensips-cfg/`file`, with the files that it includes in place of the lines that say so.
pub fn text(file: &str) -> Result<String, String> {
    let folder = super::root().join("opensips-cfg");
    let read =
        |file: &str| std::fs::read_to_string(folder.join(file)).map_err(|e| format!("{file}: {e}"));
    let mut out = String::new();
    for line in read(file)?.lines() {
        let included = line
            .strip_prefix("include_file \"")
            .and_then(|rest| rest.strip_suffix('"'));
        match included {
            Some(included) => out.push_str(&read(included)?),
            None => out.push_str(&format!("{line}\n")),
        }
    }
    Ok(out)
}

impl Shipped {
    /// Reads opensips-cfg/`file`, to be run with this module on this database.
    pub fn read(file: &str, module: &Path, database: &Database) -> Result<Shipped, String> {
        Ok(Shipped {
            text: text(file)?,
            module: module.to_path_buf(),
            driver: database.backend.needed_module(),
            url: database.url.clone(),
        })
    }

    /// With this endpoint in place of the scripts' placeholder.
    pub fn asking(mut self, url: &str) -> Shipped {
        let line = |url: &str| format!("modparam(\"auth_web\", \"http_url\", \"{url}\")");
        self.text = self
            .text
            .replace(&line("http://127.0.0.1:8080/"), &line(url));
        self
    }

    /// With the commented lines that begin so as lines of the script.
    pub fn enabling(mut self, beginning: &str) -> Shipped {
        let line = format!("\n{}", beginning.trim_start_matches('#'));
        self.text = self.text.replace(&format!("\n{beginning}"), &line);
        self
    }
}

impl Config for Shipped {
    fn render(&self, core: &Core, port: u16) -> String {
        let mut out = String::new();
        for line in self.text.lines() {
            let changed = if line.starts_with("socket=") {
                format!("socket=udp:127.0.0.1:{port}")
            } else if line.starts_with("log_level=") {
                "log_level=4".to_string()
            } else if line.starts_with("stderror_enabled=") {
                "stderror_enabled=yes".to_string()
            } else if line.starts_with("syslog_enabled=") {
                "syslog_enabled=no".to_string()
            } else if line.starts_with("mpath=") {
                match &core.modules {
                    Some(folder) => format!("mpath=\"{}/\"", folder.display()),
                    None => continue,
                }
            } else if line == "loadmodule \"auth_web.so\"" {
                let driver = self.driver.map(|file| format!("loadmodule \"{file}\"\n"));
                format!(
                    "{}loadmodule \"{}\"",
                    driver.unwrap_or_default(),
                    self.module.display()
                )
            } else if line.starts_with("modparam(\"auth_web\", \"db_url\"") {
                format!("modparam(\"auth_web\", \"db_url\", \"{}\")", self.url)
            } else {
                line.to_string()
            };
            out.push_str(&changed);
            out.push('\n');
        }
        out
    }
}
