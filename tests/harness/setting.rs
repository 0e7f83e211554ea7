//! What the module can be tested with on this machine.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use libtest_mimic::{Completion, Trial};

use super::world::World;
use crate::core::{self, Core, Kind};
use crate::database::own::Own;
use crate::database::{Backend, Database, MariaDb, Servers};
use crate::profiles::Content;
use crate::sipp;

/// One for the whole run. The servers end once the last trial is done with it.
pub struct Setting {
    pub servers: Servers,
    cores: Vec<Core>,
    world: OnceLock<World>,
    own_mariadb: Own,
    folder: tempfile::TempDir,
    number: AtomicU32,
}

/// A core and a database.
#[derive(Debug, Clone)]
pub struct Place {
    pub core: Core,
    pub backend: Backend,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.core, self.backend)
    }
}

impl Setting {
    pub fn open() -> Setting {
        let mut cores = core::opensips();
        cores.push(core::stand_in());
        Setting {
            servers: Servers::new().expect("a folder for the databases"),
            cores,
            world: OnceLock::new(),
            own_mariadb: Own::default(),
            folder: tempfile::Builder::new()
                .prefix("auth_web-e2e-")
                .tempdir()
                .expect("a folder"),
            number: Default::default(),
        }
    }

    /// The keys, created when first asked for.
    pub fn world(&self) -> &World {
        self.world.get_or_init(World::generate)
    }

    /// The cores on which the module must work.
    pub fn cores(&self) -> impl Iterator<Item = &Core> {
        self.cores.iter().filter(|core| core.is_served())
    }

    /// Every OpenSIPS found whose release the module does not support.
    pub fn not_served(&self) -> impl Iterator<Item = &Core> {
        self.cores.iter().filter(|core| !core.is_served())
    }

    /// Every pair of core and database that can be tested here.
    pub fn places(&self) -> Vec<Place> {
        self.pairs()
            .filter(|place| self.reason_against(place).is_none())
            .collect()
    }

    /// Every pair that cannot, each as an ignored trial that gives the reason.
    pub fn skipped(&self) -> Vec<Trial> {
        let mut skipped: Vec<Trial> = self
            .pairs()
            .filter_map(|place| Some(ignored(place.to_string(), self.reason_against(&place)?)))
            .collect();
        if !self.cores.iter().any(Core::is_opensips) {
            skipped.push(ignored(
                "core: OpenSIPS".to_string(),
                "none on PATH, in /usr/sbin, /usr/local/sbin or /opt/opensips-*/sbin".to_string(),
            ));
        }
        skipped
    }

    fn pairs(&self) -> impl Iterator<Item = Place> {
        self.cores().flat_map(|core| {
            Backend::ALL.into_iter().map(|backend| Place {
                core: core.clone(),
                backend,
            })
        })
    }

    fn reason_against(&self, Place { core, backend }: &Place) -> Option<String> {
        if let Some(reason) = backend.missing().or_else(sipp::missing) {
            return Some(reason);
        }
        match (&core.kind, backend.needed_module()) {
            (Kind::OpenSips(_), Some(file)) if core.module(file).is_none() => {
                Some(format!("this OpenSIPS has no {file}"))
            }
            (Kind::StandIn(_), _) if !core::stand_in_serves(*backend) => {
                Some(format!("the stand-in does not serve {backend}"))
            }
            _ => None,
        }
    }

    /// A new folder for the files of one core.
    pub fn folder(&self) -> PathBuf {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(number.to_string())
    }

    /// A new database with the profiles of the world.
    pub fn database(&self, backend: Backend) -> Result<Database, String> {
        self.servers.create(backend, &self.world().content())
    }

    /// A new database with nothing but the tables.
    pub fn empty_database(&self, backend: Backend) -> Result<Database, String> {
        self.servers.create(backend, &Content::default())
    }

    /// Does something with a MariaDB that may be stopped, since nothing else uses it meanwhile.
    pub fn with_own_mariadb(
        &self,
        run: impl FnOnce(&mut MariaDb, &Database) -> Result<(), String>,
    ) -> Result<(), String> {
        let content = self.world().content();
        self.own_mariadb.with(self.folder(), &content, run)
    }

    /// A copy of the module under another name, as when it takes auth_jwt's place.
    pub fn module_named(&self, file: &str) -> Result<PathBuf, String> {
        let folder = self.folder();
        let copy = folder.join(file);
        std::fs::create_dir_all(&folder)
            .and_then(|()| std::fs::copy(crate::module(), &copy))
            .map_err(|e| format!("{file}: {e}"))?;
        Ok(copy)
    }
}

/// A trial that counts as ignored and gives the reason.
pub fn ignored(name: String, reason: String) -> Trial {
    Trial::ignorable_test(name, move || Ok(Completion::ignored_with(reason)))
}
