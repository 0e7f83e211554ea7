//! What the registrar can be tested with on this machine: cores, databases, Redis, endpoint.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use super::redis::Redis;
use crate::core::{self, Core};
use crate::database::{Backend, Database, Servers, schema};
use crate::endpoint::Endpoint;
use crate::instance::{Config, Instance};
use crate::keys::Key;
use crate::mi::Mi;
use crate::profiles::Content;
use crate::server::wait_for;
use crate::tls::Identity;
use crate::{module, ports, root};

/// How far the last process of a registrar may lag behind the first.
const START: Duration = Duration::from_secs(60);

/// How long accounts are remembered: with a database that answers, and with one that fails.
pub const ACCOUNT_TTL: Duration = Duration::from_secs(1);
pub const ACCOUNT_GRACE: Duration = Duration::from_secs(5);

/// The secret with which all instances make nonces.
pub const SECRET: &str = "a secret of the tests, 0123456789";

/// The shared secret of the token profiles.
pub const TOKEN_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Who is admitted: realms, users, and the details of each grant.
const USERS: &str = r#"
@a.example:{"call_hook":"https://a.example/call","call_status_hook":"https://a.example/status"}
a.example:john:secret
a.example:mary:secret
a.example:o'brien:secret
a.example:short:secret:{"expires":120}
a.example:direct:secret:{"allow_direct_app_calling":true}
a.example:odd:secret:{"call_hook":"https://a.example/it's \"quoted\" X-Evil: 1"}
a.example:lines:secret:{"call_hook":"https://a.example/\r\nX-Registered-User: mary@a.example"}
a.example:nul:secret:{"call_hook":"https://a.example/\u0000\r\nX-Registered-User: mary@a.example"}
a.example:long:secret:{"expires":2147483647}
a.example:58614006:secret:{"aor":"18005550100*102@a.example"}
a.example:eve:secret
a.example:banned:secret:{"blacklist":600}
a.example:eve@evil.example:secret
silent.example:jim:secret
limited.example:one:secret
limited.example:two:secret
limited.example:three:secret
off.example:john:secret
"#;

/// A realm of many users: user0, user1 and so on, all with the same password.
pub const CROWD: &str = "crowd.example";

/// How many users it has in the tests.
const MANY: usize = 2000;

/// Accounts and their endpoints; URL is replaced by that of the example endpoint.
/// The limit of silent.example is the largest that the column holds.
const ACCOUNTS: &str = "
INSERT INTO registrar_accounts (realm, is_active, device_limit) VALUES
    ('a.example', 1, NULL), ('silent.example', 1, 4294967295), ('limited.example', 1, 2),
    ('off.example', 0, NULL), ('token.example', 1, NULL), ('none.example', 1, 0), ('crowd.example', 1, NULL);
INSERT INTO http_endpoints (realm, url) VALUES
    ('a.example', 'URL'), ('silent.example', 'URL'), ('limited.example', 'URL'),
    ('off.example', 'URL'), ('none.example', 'URL'), ('crowd.example', 'URL');
";

/// One for the whole run. Whatever was started ends with it.
pub struct Setting {
    servers: Servers,
    cores: Vec<Core>,
    endpoint: OnceLock<Result<Endpoint, String>>,
    many: usize,
    folder: tempfile::TempDir,
    number: AtomicU32,
}

impl Setting {
    pub fn open() -> Setting {
        Setting::with_crowd(MANY)
    }

    /// The same with that many users in [`CROWD`].
    pub fn with_crowd(many: usize) -> Setting {
        let mut cores = core::opensips();
        cores.retain(Core::is_served);
        cores.push(core::stand_in());
        Setting {
            servers: Servers::new().expect("a folder for the databases"),
            cores,
            endpoint: OnceLock::new(),
            many,
            folder: tempfile::Builder::new()
                .prefix("auth_web-registrar-")
                .tempdir()
                .expect("a folder"),
            number: AtomicU32::new(0),
        }
    }

    /// The cores, including the stand-in, which only reports that it cannot.
    pub fn cores(&self) -> &[Core] {
        &self.cores
    }

    /// The database servers.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// A new folder for the files of one process.
    pub fn folder(&self) -> PathBuf {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.path().join(number.to_string());
        std::fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    /// The endpoint that all accounts share.
    pub fn endpoint(&self) -> Result<&Endpoint, String> {
        let many = (0..self.many).map(|number| format!("{CROWD}:user{number}:secret\n"));
        let users = USERS.to_string() + &many.collect::<String>();
        let started = self
            .endpoint
            .get_or_init(|| Endpoint::start(&self.folder(), &users, &[]));
        started.as_ref().map_err(String::clone)
    }

    /// A database with OpenSIPS's tables and ours, and the test accounts.
    fn database(&self, core: &Core, backend: Backend) -> Result<Database, String> {
        let name = backend.to_string();
        let shipped = root().join("opensips-cfg/schema").join(&name);
        let of_opensips = |file: &str| {
            let path = core.sql_file(&name, file);
            path.ok_or_else(|| format!("this OpenSIPS has no {name}/{file}"))
        };
        let mut files = vec![
            schema(backend),
            shipped.join("http.sql"),
            shipped.join("registrar.sql"),
            of_opensips("usrloc-create.sql")?,
            of_opensips("registrant-create.sql")?,
            of_opensips("dialog-create.sql")?,
        ];
        if backend == Backend::Sqlite {
            files.push(shipped.join("registrant.sql"));
        }
        let mut content = Content::default();
        // The profile says what its user is; "bare" is less than an address of record.
        content.profile("jane", "jane@token.example");
        content.secret("jane", TOKEN_SECRET);
        content.profile("bare", "jane");
        content.secret("bare", TOKEN_SECRET);
        // One whose user looks like somebody else's whole address.
        content.profile("double", "jane@token.example@token.example");
        content.secret("double", TOKEN_SECRET);
        let database = self.servers.create_with(backend, &files, &content)?;
        if backend == Backend::Mysql {
            let schema = database.url.rsplit('/').next().unwrap_or_default();
            // The registrar writes contacts; nothing else in the tests does.
            database.sql(&format!(
                "GRANT ALL ON {schema}.* TO 'opensipsro'@'127.0.0.1';"
            ))?;
        }
        database.sql(&ACCOUNTS.replace("URL", &self.endpoint()?.url()))?;
        Ok(database.with_plain_password())
    }

    /// Everything that a registrar needs.
    pub fn site(&self, core: &Core, backend: Backend) -> Result<Site, String> {
        let redis = Arc::new(Redis::start(&self.folder())?);
        let database = Arc::new(self.database(core, backend)?);
        self.place(core, "127.0.0.1", redis, database)
    }

    /// What another registrar on this address of loopback needs to share Redis, database and next
    /// hop with that of `site`.
    pub fn beside(&self, core: &Core, site: &Site, address: &str) -> Result<Site, String> {
        let (redis, database) = (Arc::clone(&site.redis), Arc::clone(&site.database));
        let beside = self.place(core, address, redis, database)?;
        Ok(Site {
            next_hop: site.next_hop,
            ..beside
        })
    }

    fn place(
        &self,
        core: &Core,
        address: &str,
        redis: Arc<Redis>,
        database: Arc<Database>,
    ) -> Result<Site, String> {
        let folder = self.folder();
        Identity::new(&folder)?;
        let transport = |file: &str| core.module(file).map(|_| ports::free());
        let tls = core.module("tls_openssl.so").is_some();
        Ok(Site {
            redis,
            database,
            address: address.to_string(),
            peers: Vec::new(),
            udp: ports::free(),
            tls: transport("proto_tls.so").filter(|_| tls),
            ws: transport("proto_ws.so"),
            wss: transport("proto_wss.so").filter(|_| tls),
            next_hop: ports::free(),
            settings: Vec::new(),
            folder,
        })
    }
}

/// What a registrar runs on; it can be started there again and again.
pub struct Site {
    pub redis: Arc<Redis>,
    pub database: Arc<Database>,
    /// Where it listens.
    pub address: String,
    /// The other registrars that share Redis and database, `address:port`.
    pub peers: Vec<String>,
    /// Ports of the transports; TCP shares that of UDP.
    pub udp: u16,
    pub tls: Option<u16>,
    pub ws: Option<u16>,
    pub wss: Option<u16>,
    /// Where calls from devices go.
    pub next_hop: u16,
    /// Settings that differ from the common ones.
    pub settings: Vec<(&'static str, String)>,
    folder: PathBuf,
}

impl Site {
    /// Starts the registrar as the README describes.
    pub fn start(&self, core: &Core) -> Result<Instance, String> {
        let program = root().join("opensips-cfg/registrar.sh");
        let mut core = core.clone();
        core.arguments
            .extend(["-p".to_string(), program.display().to_string()]);
        let folder = self.folder.join("opensips");
        let instance = Instance::start(&core, self, &folder).map_err(|e| e.to_string())?;
        // The process that accepts connections is started after those for UDP.
        for port in [Some(self.udp), self.tls, self.ws, self.wss]
            .into_iter()
            .flatten()
        {
            let up = || TcpStream::connect((self.address.as_str(), port)).ok();
            wait_for(START, up).ok_or_else(|| format!("nobody listens on port {port}"))?;
        }
        Ok(instance)
    }

    /// Its address and UDP port.
    pub fn place(&self) -> String {
        format!("{}:{}", self.address, self.udp)
    }

    /// The self-signed certificate for TLS and WSS.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// The contacts that usrloc has of an address of record, as its MI shows them.
    pub fn located(&self, aor: &str) -> Result<Vec<Value>, String> {
        let about = json!({ "table_name": "location", "aor": aor });
        match self.mi().run("ul_show_contact", about) {
            Ok(found) => Ok(found["Contacts"].as_array().cloned().unwrap_or_default()),
            Err(error) if error.contains("not found") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The URI of the only contact that usrloc has; empty if there is none.
    pub fn contact(&self, aor: &str) -> Result<String, String> {
        let contacts = self.located(aor)?;
        match &contacts[..] {
            [] => Ok(String::new()),
            [one] => Ok(one["Contact"].as_str().unwrap_or_default().to_string()),
            _ => Err(format!("{aor}: {contacts:?}")),
        }
    }

    /// What sidecar has registered is to count soon; in a Redis of the trial's own, which may be a Cluster, as shipped.
    fn adopt_interval(&self) -> &'static str {
        match self.settings.iter().any(|(name, _)| *name == "REDIS_URL") {
            true => "",
            false => "1",
        }
    }

    /// Its management interface.
    pub fn mi(&self) -> Mi {
        Mi::new(&self.folder.join("mi"))
    }
}

impl Config for Site {
    fn render(&self, _core: &Core, _port: u16) -> String {
        let path = root().join("opensips-cfg/registrar.cfg");
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    fn environment(&self, core: &Core, port: u16) -> Vec<(String, String)> {
        let modules = core.modules.as_ref().map(|path| path.display().to_string());
        let optional = |port: Option<u16>| port.map(|port| port.to_string()).unwrap_or_default();
        let path = |name: &str| self.folder.join(name).display().to_string();
        [
            ("OPENSIPS_MODULES", modules.unwrap_or_default()),
            ("AUTH_WEB", module().display().to_string()),
            ("LOG_LEVEL", "3".to_string()),
            ("LOG_TO_STDERR", "yes".to_string()),
            ("UDP_WORKERS", "2".to_string()),
            ("TCP_WORKERS", "2".to_string()),
            ("MI_SOCKET", path("mi")),
            ("SIP_ADDRESS", self.address.clone()),
            ("SIP_PORT", port.to_string()),
            ("TLS_PORT", optional(self.tls)),
            ("WS_PORT", optional(self.ws)),
            ("WSS_PORT", optional(self.wss)),
            ("TLS_CERTIFICATE", path("certificate.pem")),
            ("TLS_PRIVATE_KEY", path("key.pem")),
            ("DB_URL", self.database.url.clone()),
            ("ACCOUNT_TTL", ACCOUNT_TTL.as_secs().to_string()),
            ("ACCOUNT_GRACE", ACCOUNT_GRACE.as_secs().to_string()),
            ("REDIS_PORT", self.redis.port.to_string()),
            ("REGISTRAR_SECRET", SECRET.to_string()),
            ("PEERS", self.peers.join(",")),
            ("NEXT_HOP", format!("127.0.0.1:{}", self.next_hop)),
            // No trial is to fail because the machine is busy; tests/outages.rs has its own.
            ("REDIS_TIMEOUT", "5000".to_string()),
            ("ADOPT_INTERVAL", self.adopt_interval().to_string()),
            // Trials say of each device whether it is behind a NAT.
            ("NAT_DEVICES", "named".to_string()),
            // On the loopback network nobody forges an address.
            ("TRUST_UDP_SOURCE", "yes".to_string()),
        ]
        .into_iter()
        .chain(self.settings.iter().cloned())
        .map(|(name, value)| (name.to_string(), value))
        .collect()
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn port(&self) -> Option<u16> {
        Some(self.udp)
    }
}

/// A token for jane, valid for ten minutes, with these additional claims: `"name":value,`.
pub fn token(claims: &str) -> String {
    token_of("jane", claims, &(crate::tokens::now() + 600).to_string())
}

/// A token for a profile with these additional claims and this expiry.
pub fn token_of(tag: &str, claims: &str, end: &str) -> String {
    let payload = format!("{{{claims}\"tag\":\"{tag}\",\"exp\":{end}}}");
    crate::tokens::token(&key(), "HS256", &payload)
}

fn key() -> Key {
    Key::Secret(TOKEN_SECRET.as_bytes().to_vec())
}
