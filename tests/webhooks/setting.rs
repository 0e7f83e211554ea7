//! What the webhooks can be tested with on this machine: cores, endpoints, folders.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use harness::core::{self, Core, Kind};
use harness::database::own::Own;
use harness::database::{Backend, Database, Servers, schema};
use harness::endpoint::Endpoint;
use harness::instance::Instance;
use harness::profiles::Content;
use harness::script::Script;
use harness::tls::Identity;
use libtest_mimic::{Failed, Trial};

/// The routes of the test script.
pub const ROUTES: &str = include_str!("routes.cfg");

/// Shared by all instances of one core, so that each knows the nonces of the others.
pub const NONCE_SECRET: &str = "a secret of the tests, 0123456789";

/// Basic authentication and signature that the guarded endpoint wants.
pub const BASIC: (&str, &str) = ("opensips", "p@ss:w%rd");
pub const SIGNATURE_SECRET: &str = "wh-s3cret";
pub const SIGNATURE_HEADER: &str = "X-Signature-Of-Tests";

/// Who is admitted, and with what.
pub const USERS: &str = include_str!("users.txt");

/// One for the whole run. Whatever was started ends with it.
pub struct Setting {
    pub servers: Servers,
    /// A MariaDB that may be frozen.
    pub own_mariadb: Own,
    cores: Vec<Core>,
    endpoint: OnceLock<Result<Endpoint, String>>,
    guarded: OnceLock<Result<Endpoint, String>>,
    slow: OnceLock<Result<Endpoint, String>>,
    secure: OnceLock<Result<(Endpoint, Identity), String>>,
    folder: tempfile::TempDir,
    number: AtomicU32,
}

impl Setting {
    pub fn open() -> Setting {
        let mut cores = core::opensips();
        cores.push(core::stand_in());
        cores.retain(Core::is_served);
        Setting {
            servers: Servers::new().expect("a folder for the databases"),
            own_mariadb: Own::default(),
            cores,
            endpoint: OnceLock::new(),
            guarded: OnceLock::new(),
            slow: OnceLock::new(),
            secure: OnceLock::new(),
            folder: tempfile::Builder::new()
                .prefix("auth_web-webhooks-")
                .tempdir()
                .expect("a folder"),
            number: AtomicU32::new(0),
        }
    }

    /// The cores on which the module must work.
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// A new folder for the files of one process.
    pub fn folder(&self) -> PathBuf {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        self.folder.path().join(number.to_string())
    }

    /// An address of the loopback network from which nobody else sends.
    pub fn address(&self) -> String {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        format!("127.1.{}.{}", number / 250, number % 250 + 1)
    }

    /// The endpoint that everybody may ask.
    pub fn endpoint(&self) -> Result<&Endpoint, String> {
        let started = self
            .endpoint
            .get_or_init(|| Endpoint::start(&self.folder(), USERS, &[]));
        started.as_ref().map_err(String::clone)
    }

    /// The endpoint that requires Basic authentication and a signature.
    pub fn guarded(&self) -> Result<&Endpoint, String> {
        let (user, password) = BASIC;
        let basic = format!("{user}:{password}");
        let started = self.guarded.get_or_init(|| {
            let options = [
                "--basic",
                &basic,
                "--signature-secret",
                SIGNATURE_SECRET,
                "--signature-header",
                SIGNATURE_HEADER,
            ];
            Endpoint::start(&self.folder(), USERS, &options)
        });
        started.as_ref().map_err(String::clone)
    }

    /// The slow endpoint.
    pub fn slow(&self) -> Result<&Endpoint, String> {
        let started = self.slow.get_or_init(|| {
            let options = super::faults::slowly();
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            Endpoint::start(&self.folder(), USERS, &options)
        });
        started.as_ref().map_err(String::clone)
    }

    /// The TLS endpoint, with a certificate that only its own file vouches for.
    pub fn secure(&self) -> Result<(&Endpoint, &Identity), String> {
        let started = self.secure.get_or_init(|| {
            let folder = self.folder();
            let identity = Identity::new(&folder)?;
            let options = ["--tls", &identity.certificate, &identity.key];
            Ok((Endpoint::start(&folder, USERS, &options)?, identity))
        });
        let (endpoint, identity) = started.as_ref().map_err(String::clone)?;
        Ok((endpoint, identity))
    }

    /// A database with our tables, after running the statements; for db_text, whose rows are lines,
    /// `rows` are those of http_endpoints: realm, url, method, username, password, secret.
    pub fn database(&self, backend: Backend, rows: &[[&str; 6]]) -> Result<Database, String> {
        let mut files = vec![schema(backend)];
        if backend != Backend::DbText {
            files.push(schema(backend).with_file_name("http.sql"));
        }
        let database = self
            .servers
            .create_with(backend, &files, &Content::default())?;
        super::tables::fill(&database, rows)?;
        Ok(database)
    }

    /// The database that is always available: one that this core can use without a server.
    pub fn simple_backend(&self, core: &Core) -> Backend {
        match can_use(core, Backend::Sqlite) {
            Ok(()) => Backend::Sqlite,
            Err(_) => Backend::DbText,
        }
    }

    /// Starts this core with this script.
    pub fn start(&self, core: &Core, script: &Script) -> Result<Instance, String> {
        Instance::start(core, script, &self.folder()).map_err(|e| e.to_string())
    }

    /// A trial on one core, once what it needs is built.
    pub fn trial(
        self: &Arc<Setting>,
        core: &Core,
        name: &str,
        run: impl FnOnce(&Setting, &Core) -> Result<(), String> + Send + 'static,
    ) -> Trial {
        let (setting, core) = (Arc::clone(self), core.clone());
        Trial::test(format!("{core}: {name}"), move || {
            core.prepare()?;
            run(&setting, &core).map_err(Failed::from)
        })
    }
}

/// The script of most trials: our nonces, all known to all instances, and what is loaded from an
/// answer.
pub fn script() -> Script {
    script_of(ROUTES)
}

/// The same with the management interface at this socket.
pub fn script_with_mi(socket: &Path) -> Script {
    let socket = socket.display();
    script_of(&format!(
        "\nloadmodule \"mi_datagram.so\"\nmodparam(\"mi_datagram\", \"socket_name\", \"{socket}\")\n{ROUTES}"
    ))
}

fn script_of(routes: &str) -> Script {
    Script::new(&harness::module(), routes)
        .set("nonce_secret", NONCE_SECRET)
        .set("http_signature_header", SIGNATURE_HEADER)
        .set(
            "load_grant",
            "call_hook;$avp(status_hook)=call_status_hook;limit",
        )
        .set(
            "load_authorization",
            "header;scheme;$avp(who)=username;realm;nc;aor",
        )
}

/// The same, with bans and nonce counts in memory.
pub fn script_with_memory() -> Script {
    script()
        .load("cachedb_local.so")
        .set("cachedb_url", "local://")
}

/// Why this core cannot be tested with that database, if so.
pub fn can_use(core: &Core, backend: Backend) -> Result<(), String> {
    if let Some(reason) = backend.missing() {
        return Err(reason);
    }
    match (&core.kind, backend.needed_module()) {
        (Kind::OpenSips(_), Some(file)) if core.module(file).is_none() => {
            Err(format!("this OpenSIPS has no {file}"))
        }
        (Kind::StandIn(_), _) if !core::stand_in_serves(backend) => {
            Err(format!("the stand-in does not serve {backend}"))
        }
        _ => Ok(()),
    }
}
