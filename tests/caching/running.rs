//! A core that runs the test script, and questions to it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use harness::answer::Answer;
use harness::core::Core;
use harness::instance::{Instance, Refusal};
use harness::mi::Mi;
use harness::script::Script;
use harness::setting::Setting;
use harness::sip;

/// How long an answer may take where a test does not depend on it.
pub const LIMIT: Duration = Duration::from_secs(20);

/// How many workers there are unless a test sets another number.
pub const WORKERS: u32 = 4;

/// How long it may take until every worker has answered once.
const ALL: Duration = Duration::from_secs(30);

const ROUTES: &str = include_str!("routes.cfg");

/// A core at work.
pub struct Running {
    /// The core.
    pub instance: Instance,
    /// Its management interface.
    pub mi: Mi,
    workers: usize,
}

impl Running {
    /// Starts a core with the test script, to which `with` adds parameters.
    pub fn start(
        setting: &Setting,
        core: &Core,
        with: impl FnOnce(Script) -> Script,
    ) -> Result<Running, String> {
        Running::start_with(setting, core, WORKERS, with)
    }

    /// The same with a different number of workers.
    pub fn start_with(
        setting: &Setting,
        core: &Core,
        workers: u32,
        with: impl FnOnce(Script) -> Script,
    ) -> Result<Running, String> {
        Running::try_start(setting, core, workers, "", with).map_err(|e| e.to_string())
    }

    /// The same for a core that may refuse to start, with further lines before the routes.
    pub fn try_start(
        setting: &Setting,
        core: &Core,
        workers: u32,
        lines: &str,
        with: impl FnOnce(Script) -> Script,
    ) -> Result<Running, Refusal> {
        let folder = setting.folder();
        let socket = folder.join("mi");
        let routes = ROUTES.replace("@MI@", &socket.display().to_string());
        let script = Script::new(&harness::module(), &format!("{lines}{routes}"));
        let script = with(script.log_level(3).workers(workers));
        let instance = Instance::start(core, &script, &folder)?;
        Ok(Running {
            instance,
            mi: Mi::new(&socket),
            workers: workers as usize,
        })
    }

    /// One request with these headers.
    pub fn exchange(&self, service: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        sip::exchange(self.instance.port, "REGISTER", service, headers, LIMIT)
            .map_err(|e| format!("{service}: {e}"))
    }

    /// What `jwt_authorize` returns for a token.
    pub fn ask(&self, token: &str) -> Result<Said, String> {
        Said::of(self.exchange("plain", &[("X-JWT", token)])?)
    }

    /// What `jwt_script_authorize` returns for a token with a key.
    pub fn ask_with_key(&self, token: &str, key: &str) -> Result<Said, String> {
        let key = STANDARD.encode(key);
        Said::of(self.exchange("script", &[("X-JWT", token), ("X-Key", &key)])?)
    }

    /// Fails unless the return code is this one.
    pub fn expect(&self, token: &str, code: i32) -> Result<Said, String> {
        self.ask(token)?.expect(code)
    }

    /// Fails unless every worker returns this code. Requests are sent until each worker has
    /// answered, and every answer is checked.
    pub fn everywhere(&self, token: &str, code: i32) -> Result<(), String> {
        self.all("busy", &[("X-JWT", token)], |said| {
            said.expect(code).map(drop)
        })
    }

    /// The same for a key in the script.
    pub fn everywhere_with_key(&self, token: &str, key: &str, code: i32) -> Result<(), String> {
        let key = STANDARD.encode(key);
        self.all(
            "busy-script",
            &[("X-JWT", token), ("X-Key", &key)],
            |said| said.expect(code).map(drop),
        )
    }

    /// Whether every worker returns this code.
    pub fn all_say(&self, token: &str, code: i32) -> Result<bool, String> {
        let mut same = true;
        self.all("busy", &[("X-JWT", token)], |said| {
            same &= said.code == code;
            Ok(())
        })?;
        Ok(same)
    }

    fn all(
        &self,
        service: &str,
        headers: &[(&str, &str)],
        mut look: impl FnMut(Said) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let end = Instant::now() + ALL;
        while seen.len() < self.workers {
            if Instant::now() > end {
                return Err(format!(
                    "only {seen:?} answered, of {} workers",
                    self.workers
                ));
            }
            let answers = std::thread::scope(|scope| {
                let asked: Vec<_> = (0..2 * self.workers)
                    .map(|_| scope.spawn(|| self.exchange(service, headers)))
                    .collect();
                let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                    thread.join().unwrap_or_else(|_| Err("a panic".to_string()))
                };
                asked.into_iter().map(join).collect::<Vec<_>>()
            });
            for answer in answers {
                let said = Said::of(answer?)?;
                seen.insert(said.worker.clone());
                look(said)?;
            }
        }
        Ok(())
    }

    /// Waits until a worker may query its database again for the same tag.
    pub fn until_asked_again(&self) {
        std::thread::sleep(Duration::from_millis(1100));
    }
}

/// The test script's verdict on a token.
#[derive(Debug, Clone)]
pub struct Said {
    /// The return code.
    pub code: i32,
    /// The process that answered.
    pub worker: String,
    /// All of the answer.
    pub answer: Answer,
}

impl Said {
    /// Reads an answer.
    pub fn of(answer: Answer) -> Result<Said, String> {
        let code = answer.header("X-RC").and_then(|code| code.parse().ok());
        match (code, answer.header("X-Worker").map(str::to_string)) {
            (Some(code), Some(worker)) => Ok(Said {
                code,
                worker,
                answer,
            }),
            _ => Err(format!("unexpected answer {answer:?}")),
        }
    }

    /// Fails unless the return code is this one.
    pub fn expect(self, code: i32) -> Result<Said, String> {
        if self.code == code {
            return Ok(self);
        }
        Err(format!("{code} expected, got {:?}", self.answer))
    }

    /// Fails unless a header has this value.
    pub fn expect_header(self, name: &str, value: &str) -> Result<Said, String> {
        if self.answer.header(name) == Some(value) {
            return Ok(self);
        }
        Err(format!("{name}: {value} expected, got {:?}", self.answer))
    }

    /// Fails unless `out_reason` contains this.
    pub fn because(self, part: &str) -> Result<Said, String> {
        if self.answer.header("X-Reason").unwrap_or("").contains(part) {
            return Ok(self);
        }
        Err(format!(
            "a reason with {part:?} expected, got {:?}",
            self.answer
        ))
    }
}
