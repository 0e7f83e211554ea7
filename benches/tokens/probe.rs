//! A core that measures how long its functions take.

use std::path::Path;
use std::time::Duration;

use harness::core::Core;
use harness::database::Database;
use harness::instance::Instance;
use harness::script::{Script, Value};
use harness::sip;

use crate::call::Call;

/// Tokens in one request. A hundred of the longest fit into a datagram.
pub const LOOP: usize = 100;

/// How long one loop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Parameters and their values.
pub type Setting<'a> = [(&'a str, Value)];

/// A running core with one module, one worker and one cache setting.
pub struct Probe {
    /// The core.
    pub instance: Instance,
}

impl Probe {
    /// Starts it. `setting` are parameters of the module loaded from `module`.
    ///
    /// # Errors
    /// Fails if the core does not start.
    pub fn start(
        core: &Core,
        module: &Path,
        database: &Database,
        setting: &Setting<'_>,
        routes: &str,
        log_level: i32,
        folder: &Path,
    ) -> Result<Probe, String> {
        let script = Script::new(module, routes).workers(1).log_level(log_level);
        let is_ours = module.file_name().is_none_or(|name| name != "auth_jwt.so");
        let script = if is_ours {
            script.database(database)
        } else {
            let plain = database.with_plain_password();
            script
                .load(database.backend.opensips_module())
                .set("db_url", plain.url.as_str())
        };
        let script = setting.iter().fold(script, |script, (name, value)| {
            script.set(name, value.clone())
        });
        let instance = Instance::start(core, &script, folder).map_err(|e| e.to_string())?;
        Ok(Probe { instance })
    }

    /// Microseconds per call, without the loop around it, which is measured right before with the
    /// same tokens. Every call must have admitted its token.
    ///
    /// # Errors
    /// Fails if the core does not answer, or refused a token.
    pub fn measure(&self, call: Call, tokens: &[String]) -> Result<f64, String> {
        let empty = self.run("nothing", tokens, true)?;
        let full = self.run(call.route(), tokens, true)?;
        Ok((full - empty) / tokens.len() as f64)
    }

    /// The same for tokens that must be refused.
    ///
    /// # Errors
    /// Fails if the core does not answer, or admitted a token.
    pub fn measure_refused(&self, call: Call, tokens: &[String]) -> Result<f64, String> {
        let empty = self.run("nothing", tokens, true)?;
        let full = self.run(call.route(), tokens, false)?;
        Ok((full - empty) / tokens.len() as f64)
    }

    /// Microseconds of one loop.
    fn run(&self, route: &str, tokens: &[String], good: bool) -> Result<f64, String> {
        let (count, list) = (tokens.len().to_string(), tokens.join(":"));
        let headers = [("X-Count", count.as_str()), ("X-Tokens", list.as_str())];
        let answer = sip::exchange(self.instance.port, "OPTIONS", route, &headers, PATIENCE)
            .map_err(|e| format!("{route}: {e}"))?;
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let admitted = header("X-Good");
        let expected = if good { tokens.len() } else { 0 };
        if admitted != expected.to_string() {
            return Err(format!(
                "{route}: {admitted} of {count} tokens were admitted, not {expected}; the core logged:\n{}",
                harness::instance::tail(&self.instance.log(), 5)
            ));
        }
        let took = header("X-Took");
        let mut numbers = took.split(' ').map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(seconds)), Some(Ok(micros))) => Ok(seconds * 1e6 + micros),
            _ => Err(format!("{route}: X-Took is {took:?}")),
        }
    }
}
