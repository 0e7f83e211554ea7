//! The containers of one compose file: what is put into their images, how they are started, how they are
//! queried.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use harness::database::{self, Backend};
use harness::instance::tail;
use harness::profiles::Content;
use harness::{endpoint, secrecy, sipp};
use libtest_mimic::{Completion, Trial};

use super::containers::{
    Containers, PASSWORD, PASSWORD_IN_URL, Plan, copy, docker, healthy, log, write,
};

/// Fills the folder from which the images are built.
pub type Prepare = dyn Fn(&Path) -> Result<(), String> + Send + Sync;

/// What is tried: its name, and how.
pub type Scenario = (&'static str, fn(&Stack) -> Result<(), String>);

/// The containers, started by the first trial.
pub struct Stack {
    label: String,
    containers: Containers,
    prepare: Box<Prepare>,
    running: OnceLock<Result<Running, String>>,
    runs: AtomicU32,
}

/// The ids of the containers by service, and OpenSIPS's processes since its last start.
struct Running {
    ids: Mutex<HashMap<String, String>>,
    processes: Mutex<BTreeSet<String>>,
}

/// One run of SIPp.
#[derive(Default)]
pub struct Run<'a> {
    /// File in tests/sipp.
    pub scenario: &'a str,
    /// One line of the injection file for each call; without any, there is one call.
    pub rows: &'a [Vec<String>],
    /// Further options; for who sends first, that is where to.
    pub options: &'a [&'a str],
}

/// A SIPp that runs in a container.
pub struct Started {
    what: String,
    container: String,
    folder: String,
    child: Child,
}

impl Stack {
    /// That of tests/docker/`name`.yml; nothing is started yet.
    pub fn new(plan: &Plan, name: &str, prepare: Box<Prepare>) -> Stack {
        Stack {
            label: format!("core: OpenSIPS {} in docker, {name}", plan.version),
            containers: plan.containers(name),
            prepare,
            running: OnceLock::new(),
            runs: AtomicU32::new(0),
        }
    }

    /// The heading of every result.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Runs SIPp in its own container against OpenSIPS.
    pub fn ask(&self, run: &Run<'_>) -> Result<(), String> {
        let mut options = vec!["opensips:5060"];
        options.extend(run.options);
        let run = Run {
            options: &options,
            ..*run
        };
        self.sipp("sipp", &run)?.wait()
    }

    /// Starts SIPp in the container of this service.
    pub fn sipp(&self, service: &str, run: &Run<'_>) -> Result<Started, String> {
        let container = self.id(service)?;
        let number = self.runs.fetch_add(1, Ordering::Relaxed).to_string();
        let here = self.containers.folder.join("runs").join(&number);
        let scenario = format!("tests/sipp/{}.xml", run.scenario);
        copy(&harness::root().join(scenario), &here.join("scenario.xml"))?;
        write(&here.join("rows.csv"), sipp::csv(run.rows)?.as_bytes())?;
        let folder = format!("/runs/{number}");
        let there = format!("{container}:{folder}");
        docker(&["cp", &here.display().to_string(), &there])?;
        let mut command = Command::new("docker");
        command
            .args(["exec", "--workdir", &folder, &container, "sipp"])
            .args(["-sf", "scenario.xml"])
            .args(["-m", &run.rows.len().max(1).to_string()])
            .args(sipp::OPTIONS.split_whitespace())
            .args(["-r", "500", "-l", "50"])
            .args(run.options);
        if !run.rows.is_empty() {
            command.args(["-inf", "rows.csv"]);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Started {
            what: format!("{} in {service}", run.scenario),
            child: command.spawn().map_err(|e| format!("docker: {e}"))?,
            container,
            folder,
        })
    }

    /// Every OpenSIPS process must still be running, and nothing secret be in its log.
    pub fn look_after(&self, unspeakable: &[String]) -> Result<(), String> {
        let opensips = self.id("opensips")?;
        let before = self.running()?.processes.lock();
        let before = before.unwrap_or_else(PoisonError::into_inner).clone();
        let now = processes(&opensips)?;
        if now != before {
            return Err(format!("its processes were {before:?} and are {now:?}"));
        }
        let log = log(&opensips)?;
        if !log.contains("auth_web") {
            return Err("its log does not even name the module".to_string());
        }
        let passwords = [PASSWORD, PASSWORD_IN_URL];
        let unspeakable = unspeakable.iter().map(String::as_str);
        secrecy::check(&log, unspeakable.chain(passwords))
    }

    /// What a program says in the container of this service.
    pub fn exec(&self, service: &str, words: &[&str]) -> Result<String, String> {
        let id = self.id(service)?;
        docker(&[&["exec", &id], words].concat())
    }

    /// Has docker do something to the container of this service: kill, pause, start.
    pub fn have(&self, verb: &str, service: &str) -> Result<(), String> {
        docker(&[verb, &self.id(service)?]).map(drop)
    }

    /// Ends OpenSIPS as `docker stop` does, and starts it again.
    pub fn restart(&self) -> Result<(), String> {
        let opensips = self.id("opensips")?;
        docker(&["restart", &opensips])?;
        healthy(&opensips)?;
        let mut known = self
            .running()?
            .processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *known = processes(&opensips)?;
        Ok(())
    }

    /// The container of this service. Compose itself takes long to say it.
    pub fn id(&self, service: &str) -> Result<String, String> {
        let running = self.running()?;
        let mut ids = running.ids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = ids.get(service) {
            return Ok(id.clone());
        }
        let id = self.containers.id(service)?;
        ids.insert(service.to_string(), id.clone());
        Ok(id)
    }

    fn running(&self) -> Result<&Running, String> {
        let mut first = false;
        let running = self.running.get_or_init(|| {
            first = true;
            self.start()
        });
        match running {
            Ok(running) => Ok(running),
            Err(e) if first => Err(e.clone()),
            // A long log need be shown only once.
            Err(_) => Err("the containers did not start, as said above".to_string()),
        }
    }

    fn start(&self) -> Result<Running, String> {
        (self.prepare)(&self.containers.folder)?;
        self.containers.compose(&["build"])?;
        self.up().map_err(|complaint| {
            let log = self.containers.id("opensips").and_then(|id| log(&id));
            let log = log.unwrap_or_default();
            // The first error is the cause; the rest are consequences.
            let said = log.lines().filter(|line| !line.contains(" DBG:"));
            let said: Vec<&str> = said.take(20).collect();
            format!("{complaint}\nOpenSIPS logged:\n{}", said.join("\n"))
        })
    }

    fn up(&self) -> Result<Running, String> {
        // Dependent containers are started once their dependencies are healthy; sipp depends on
        // all.
        self.containers.compose(&["up", "-d", "sipp"])?;
        let opensips = self.containers.id("opensips")?;
        Ok(Running {
            processes: Mutex::new(processes(&opensips)?),
            ids: Mutex::new(HashMap::from([("opensips".to_string(), opensips)])),
        })
    }
}

impl Started {
    /// Whether it is still at it.
    pub fn goes_on(&mut self) -> Result<bool, String> {
        let ended = self.child.try_wait().map_err(|e| e.to_string())?;
        Ok(ended.is_none())
    }

    /// Waits for its end: whether all calls went as the scenario says. It limits its time itself.
    pub fn wait(self) -> Result<(), String> {
        self.ended().map(drop)
    }

    /// The same, and what its scenario has logged.
    pub fn log(self) -> Result<String, String> {
        self.ended()?.file("log")
    }

    fn file(&self, name: &str) -> Result<String, String> {
        let path = format!("{}/{name}", self.folder);
        docker(&["exec", &self.container, "cat", &path])
    }

    fn ended(mut self) -> Result<Started, String> {
        let status = self.child.wait().map_err(|e| e.to_string())?;
        if status.success() {
            return Ok(self);
        }
        let said = |file: &str| tail(&self.file(file).unwrap_or_default(), 30);
        Err(format!(
            "sipp {}: {status}\n{}\n{}",
            self.what,
            said("errors"),
            said("messages")
        ))
    }
}

/// A trial for each scenario, and one that looks after all of them; or one that says why there are none.
pub fn trials(stack: Stack, scenarios: &'static [Scenario], missing: Option<String>) -> Vec<Trial> {
    const LAST: Scenario = (
        "every process is there, and nothing secret in the log",
        |stack| stack.look_after(&[]),
    );
    let stack = Arc::new(stack);
    let all = scenarios.iter().chain([&LAST]);
    let trial = |(name, run): &Scenario| {
        let (stack, run, missing) = (Arc::clone(&stack), *run, missing.clone());
        Trial::ignorable_test(
            format!("{}: {name}", stack.label()),
            move || match missing {
                Some(reason) => Ok(Completion::ignored_with(reason)),
                None => Ok(run(&stack).map(|()| Completion::Completed)?),
            },
        )
    };
    all.map(trial).collect()
}

/// What MariaDB is made of: these statements in this order, after which it is known to be filled.
pub fn mariadb(folder: &Path, statements: &[String]) -> Result<(), String> {
    recipe("mariadb", folder)?;
    let initdb = folder.join("mariadb/initdb");
    let begin = "ALTER DATABASE CHARACTER SET utf8mb4;\n".to_string();
    let end = "CREATE TABLE filled (dummy INTEGER);\n".to_string();
    let all = [&begin].into_iter().chain(statements).chain([&end]);
    for (number, text) in all.enumerate() {
        let text = format!("SET NAMES utf8mb4;\n{text}");
        write(&initdb.join(format!("{number:02}.sql")), text.as_bytes())?;
    }
    Ok(())
}

/// One of the files in opensips-cfg/schema/mysql.
pub fn schema(file: &str) -> Result<String, String> {
    let path = database::schema(Backend::Mysql).with_file_name(file);
    std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))
}

/// Statements that fill the tables of tokens.
pub fn rows(content: &Content) -> String {
    database::mysql_rows(content)
}

/// What OpenSIPS is made of: these files in /etc/opensips.
pub fn opensips(folder: &Path, files: &[(&str, &[u8])]) -> Result<(), String> {
    recipe("opensips", folder)?;
    let folder = folder.join("opensips");
    copy(&harness::module(), &folder.join("auth_web.so"))?;
    let ping = harness::root().join("tests/docker/sip-ping");
    copy(&ping, &folder.join("sip-ping"))?;
    for (name, bytes) in files {
        write(&folder.join("etc").join(name), bytes)?;
    }
    Ok(())
}

/// What the example endpoint is made of: its users.
pub fn endpoint(folder: &Path, users: &str) -> Result<(), String> {
    recipe("endpoint", folder)?;
    let folder = folder.join("endpoint");
    copy(&endpoint::binary()?, &folder.join("endpoint"))?;
    write(&folder.join("users"), users.as_bytes())
}

fn recipe(service: &str, folder: &Path) -> Result<(), String> {
    let recipe = harness::root().join(format!("tests/docker/{service}.Dockerfile"));
    copy(&recipe, &folder.join(service).join("Dockerfile"))
}

/// The ids of all processes of OpenSIPS in a container.
fn processes(container: &str) -> Result<BTreeSet<String>, String> {
    let table = docker(&["top", container, "-eo", "pid,comm"])?;
    let opensips = table.lines().filter(|line| line.contains("opensips"));
    let ids: BTreeSet<String> = opensips
        .filter_map(|line| line.split_whitespace().next().map(str::to_string))
        .collect();
    match ids.is_empty() {
        true => Err(format!("there is no opensips in its container: {table}")),
        false => Ok(ids),
    }
}
