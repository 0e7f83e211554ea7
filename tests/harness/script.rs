//! The configuration of a core: what is loaded, the module's parameters, the routes.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::core::Core;
use super::database::Database;
use super::instance::Config;

/// OpenSIPS modules that the test scripts use. The stand-in has their functions built in, and
/// ignores the lines that load them.
const MODULES: [&str; 5] = [
    "proto_udp.so",
    "sl.so",
    "tm.so",
    "signaling.so",
    "sipmsgops.so",
];

/// A configuration under construction.
#[derive(Debug, Clone)]
pub struct Script {
    modules: Vec<PathBuf>,
    module: PathBuf,
    name: &'static str,
    parameters: Vec<(String, Value)>,
    routes: String,
    workers: u32,
    log_level: i32,
}

/// The value of a modparam.
#[derive(Debug, Clone)]
pub enum Value {
    /// Written in quotes.
    Text(String),
    /// Written bare.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl Script {
    /// Loads the module from `module` and runs `routes`. Everything is logged.
    pub fn new(module: &Path, routes: &str) -> Script {
        let name = match module.file_name() {
            Some(file) if file == "auth_jwt.so" => "auth_jwt",
            _ => "auth_web",
        };
        Script {
            modules: Vec::new(),
            module: module.to_path_buf(),
            name,
            parameters: Vec::new(),
            routes: routes.to_string(),
            workers: 2,
            log_level: 4,
        }
    }

    /// The same with another copy of the module, and other routes.
    pub fn running(self, module: &Path, routes: &str) -> Script {
        let Script { name, .. } = Script::new(module, routes);
        Script {
            module: module.to_path_buf(),
            name,
            routes: routes.to_string(),
            ..self
        }
    }

    /// Loads another OpenSIPS module before ours.
    pub fn load(mut self, file: &str) -> Script {
        self.modules.push(file.into());
        self
    }

    /// Sets a parameter of our module.
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Script {
        self.parameters.push((name.to_string(), value.into()));
        self
    }

    /// Points our module to a database, and loads the driver for it.
    pub fn database(self, database: &Database) -> Script {
        let script = match database.backend.needed_module() {
            Some(file) => self.load(file),
            None => self,
        };
        script.set("db_url", database.url.as_str())
    }

    /// The log level, from -3 to 4; the default is 4.
    pub fn log_level(mut self, level: i32) -> Script {
        self.log_level = level;
        self
    }

    /// The number of UDP workers; the default is 2.
    pub fn workers(mut self, number: u32) -> Script {
        self.workers = number;
        self
    }
}

impl Config for Script {
    fn render(&self, core: &Core, port: u16) -> String {
        let mut out = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = writeln!(out, "{text}");
        };
        line(format_args!("log_level={}", self.log_level));
        line(format_args!("stderror_enabled=yes"));
        line(format_args!("syslog_enabled=no"));
        line(format_args!("udp_workers={}", self.workers));
        line(format_args!("socket=udp:127.0.0.1:{port}"));
        if let Some(folder) = &core.modules {
            line(format_args!("mpath=\"{}/\"", folder.display()));
        }
        for file in MODULES {
            line(format_args!("loadmodule \"{file}\""));
        }
        for file in &self.modules {
            line(format_args!("loadmodule \"{}\"", file.display()));
        }
        line(format_args!("loadmodule \"{}\"", self.module.display()));
        for (name, value) in &self.parameters {
            match value {
                Value::Text(text) => line(format_args!(
                    "modparam(\"{}\", \"{name}\", \"{}\")",
                    self.name,
                    text.replace('\\', "\\\\").replace('"', "\\\"")
                )),
                Value::Number(number) => {
                    line(format_args!(
                        "modparam(\"{}\", \"{name}\", {number})",
                        self.name
                    ));
                }
            }
        }
        out.push_str(&self.routes);
        out
    }
}
