//! The three containers: what is put into their images, how they are started, how they are queried.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use harness::core::{Core, Kind};
use harness::database::{self, Backend, Database};
use harness::instance::Config;
use harness::secrecy;
use harness::sipp;
use harness::world::World;

use crate::e2e::cases::{CASES, Case};
use crate::e2e::group::script;

/// Where OpenSIPS listens in its container.
const PORT: u16 = 5060;

/// Every character with a meaning in a URL except `$`, which has one for compose.
const PASSWORD: &str = "p@ss:w/rd?x=1&y#%41+[z]";
const PASSWORD_IN_URL: &str = "p%40ss%3Aw%2Frd%3Fx%3D1%26y%23%2541%2B%5Bz%5D";

/// What scripts/docker-test has found and decided.
pub struct Plan {
    /// `docker compose` or docker-compose, with the project and the file.
    compose: Vec<String>,
    /// The folder from which the images are built.
    folder: PathBuf,
    /// The version in the tag of the OpenSIPS image.
    version: String,
}

impl Plan {
    /// None unless scripts/docker-test started this.
    pub fn from_environment() -> Option<Plan> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Some(Plan {
            compose: variable("AUTH_WEB_COMPOSE")?
                .split_whitespace()
                .map(str::to_string)
                .collect(),
            folder: variable("STACK")?.into(),
            version: variable("OPENSIPS")?,
        })
    }
}

/// The containers, started by the first trial.
pub struct Stack {
    plan: Plan,
    label: String,
    world: World,
    running: OnceLock<Result<Running, String>>,
}

/// The ids of the containers, and OpenSIPS's initial processes.
struct Running {
    opensips: String,
    sipp: String,
    processes: BTreeSet<String>,
}

impl Stack {
    /// Nothing is started yet.
    pub fn new(plan: Plan) -> Stack {
        Stack {
            label: format!("core: OpenSIPS {} in docker, mysql", plan.version),
            plan,
            world: World::generate(),
            running: OnceLock::new(),
        }
    }

    /// The heading of every result.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Runs SIPp in its container.
    pub fn run(&self, case: &Case) -> Result<(), String> {
        let running = self.running()?;
        let number = CASES.iter().position(|one| one.name == case.name);
        let folder = format!("/runs/{}", number.ok_or("no such case")?);
        let rows = (case.rows)(&self.world);
        let mut command = Command::new("docker");
        command
            .args(["exec", "--workdir", &folder, &running.sipp, "sipp"])
            .arg(format!("opensips:{PORT}"))
            .args(["-sf", "scenario.xml", "-inf", "rows.csv"])
            .args(["-s", case.service, "-m", &rows.len().to_string()])
            .args(sipp::OPTIONS.split_whitespace())
            .args(["-r", "500", "-l", "50"]);
        let Err(complaint) = output(&mut command) else {
            return Ok(());
        };
        let said = |file: &str| {
            let path = format!("{folder}/{file}");
            let text = output(Command::new("docker").args(["exec", &running.sipp, "cat", &path]));
            harness::instance::tail(&text.unwrap_or_default(), 30)
        };
        Err(format!(
            "sipp {}: {complaint}\n{}\n{}",
            case.scenario,
            said("errors"),
            said("messages")
        ))
    }

    /// Every OpenSIPS process must still be running, and nothing secret be in its log.
    pub fn look_after(&self) -> Result<(), String> {
        let running = self.running()?;
        let now = processes(&running.opensips)?;
        if now != running.processes {
            return Err(format!(
                "its processes were {:?} and are {now:?}",
                running.processes
            ));
        }
        let log = self.log(&running.opensips)?;
        if !log.contains("auth_web") {
            return Err("its log does not even name the module".to_string());
        }
        let mut unspeakable = self.world.unspeakable();
        unspeakable.push(PASSWORD.to_string());
        unspeakable.push(PASSWORD_IN_URL.to_string());
        for case in CASES {
            let rows = (case.rows)(&self.world).concat();
            unspeakable.extend(
                rows.iter()
                    .filter_map(|field| secrecy::of_token(field))
                    .map(str::to_string),
            );
        }
        secrecy::check(&log, unspeakable.iter().map(String::as_str))
    }

    fn log(&self, container: &str) -> Result<String, String> {
        let both = format!("exec docker logs {container} 2>&1");
        output(Command::new("sh").args(["-c", &both]))
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
        self.prepare()?;
        self.compose(&["build"])?;
        self.up().map_err(|complaint| {
            let log = self.container("opensips").and_then(|id| self.log(&id));
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
        self.compose(&["up", "-d", "sipp"])?;
        let opensips = self.container("opensips")?;
        Ok(Running {
            processes: processes(&opensips)?,
            sipp: self.container("sipp")?,
            opensips,
        })
    }

    fn compose(&self, arguments: &[&str]) -> Result<String, String> {
        let (program, options) = self.plan.compose.split_first().ok_or("no compose")?;
        output(
            Command::new(program)
                .args(options)
                .args(arguments)
                .env("DATABASE_PASSWORD", PASSWORD),
        )
    }

    fn container(&self, service: &str) -> Result<String, String> {
        let id = self
            .compose(&["ps", "-a", "-q", service])?
            .trim()
            .to_string();
        if id.is_empty() {
            return Err(format!("there is no container of {service}"));
        }
        Ok(id)
    }

    /// Fills the folder from which the images are built.
    fn prepare(&self) -> Result<(), String> {
        let folder = &self.plan.folder;
        let recipes = harness::root().join("tests/docker");
        for service in ["mariadb", "opensips", "sipp"] {
            let recipe = recipes.join(format!("{service}.Dockerfile"));
            copy(&recipe, &folder.join(service).join("Dockerfile"))?;
        }

        let schema = database::schema(Backend::Mysql);
        let initdb = folder.join("mariadb/initdb");
        write(
            &initdb.join("1.sql"),
            b"ALTER DATABASE CHARACTER SET utf8mb4;\n",
        )?;
        copy(&schema, &initdb.join("2.sql"))?;
        let rows = database::mysql_rows(&self.world.content());
        write(
            &initdb.join("3.sql"),
            format!("SET NAMES utf8mb4;\n{rows}CREATE TABLE filled (dummy INTEGER);\n").as_bytes(),
        )?;

        let url = format!("mysql://opensips:{PASSWORD_IN_URL}@mariadb:3306/opensips");
        let database = Database::elsewhere(Backend::Mysql, &url, PASSWORD);
        // Where the image keeps its modules is found out while ours is copied there.
        let core = Core {
            kind: Kind::OpenSips(self.plan.version.clone()),
            binary: "opensips".into(),
            modules: Some("@MODULES@".into()),
            arguments: Vec::new(),
        };
        let config = script(&database)
            .render(&core, PORT)
            .replace("socket=udp:127.0.0.1:", "socket=udp:*:")
            .replace(&harness::module().display().to_string(), "auth_web.so");
        write(&folder.join("opensips/opensips.cfg"), config.as_bytes())?;
        copy(&harness::module(), &folder.join("opensips/auth_web.so"))?;
        copy(&recipes.join("sip-ping"), &folder.join("opensips/sip-ping"))?;

        for (number, case) in CASES.iter().enumerate() {
            let run = folder.join("sipp/runs").join(number.to_string());
            let scenario = format!("tests/sipp/{}.xml", case.scenario);
            copy(&harness::root().join(scenario), &run.join("scenario.xml"))?;
            let rows = sipp::csv(&(case.rows)(&self.world))?;
            write(&run.join("rows.csv"), rows.as_bytes())?;
        }
        Ok(())
    }
}

/// The ids of all processes in a container.
fn processes(container: &str) -> Result<BTreeSet<String>, String> {
    let table = output(Command::new("docker").args(["top", container, "-eo", "pid,comm"]))?;
    let opensips = table.lines().filter(|line| line.contains("opensips"));
    let ids: BTreeSet<String> = opensips
        .filter_map(|line| line.split_whitespace().next().map(str::to_string))
        .collect();
    if ids.is_empty() {
        return Err(format!("there is no opensips in its container: {table}"));
    }
    Ok(ids)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let folder = to.parent().unwrap_or(to);
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(from, to))
        .map(drop)
        .map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

/// Runs a program to completion: its output, or its error.
fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("{name}: {e}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{name}: {}\n{}\n{}",
        output.status,
        harness::instance::tail(&stdout, 40),
        harness::instance::tail(&stderr, 40)
    ))
}
