//! What is kept in memory, and for how long: profiles, verified tokens, keys from elsewhere.

use std::sync::Arc;

use harness::core::Core;
use harness::database::Backend;
use harness::database::own::Own;
use harness::redis::{self, Cluster};
use harness::setting::{Setting, ignored};
use harness::sipp;
use libtest_mimic::Trial;

use super::{
    bearer, bound, challenge, challenges, commands, demand, discovery, documents, identity,
    introspection, introspection_bound, introspection_rows, issuers, keys, limits, many, once,
    outage, outgoing, preload, recipes, revocations, rules, sign, signatures, tenants,
};

/// What a trial does with a core.
type Run = Box<dyn Fn(&Setting, &Core) -> Result<(), String> + Send>;

/// A trial with a MariaDB of its own.
type WithOwn = fn(&Own, &Setting, &Core) -> Result<(), String>;

/// A trial that shares the servers of the run.
type Shared = fn(&Setting, &Core) -> Result<(), String>;

/// A trial with a kind of database, by a driver.
type WithBackend = fn(&Setting, &Core, Backend, &'static str) -> Result<(), String>;

/// All trials.
pub fn trials(setting: &Arc<Setting>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for core in setting.cores() {
        trials.extend(of_core(setting, core));
    }
    if !setting.cores().any(Core::is_opensips) {
        let reason = "none on PATH, in /usr/sbin, /usr/local/sbin or /opt/opensips-*/sbin";
        trials.push(ignored("core: OpenSIPS".to_string(), reason.to_string()));
    }
    trials
}

fn of_core(setting: &Arc<Setting>, core: &Core) -> Vec<Trial> {
    let own = Arc::new(Own::default());
    let needs = |backend: Backend| backend.missing().or_else(sipp::missing);
    let make = |name: &str, missing: Option<String>, run: Run| {
        let name = format!("{core}: {name}");
        if let Some(reason) = missing {
            return ignored(name, reason);
        }
        let (setting, core) = (Arc::clone(setting), core.clone());
        Trial::test(name, move || {
            core.prepare()?;
            Ok(run(&setting, &core)?)
        })
    };
    let shared = |name: &str, run: Shared| make(name, needs(Backend::Mysql), Box::new(run));
    let with_own = |name: &str, run: WithOwn| {
        let own = Arc::clone(&own);
        make(
            name,
            needs(Backend::Mysql),
            Box::new(move |setting, core| run(&own, setting, core)),
        )
    };
    let mut trials = vec![
        with_own("cache_ttl 0 asks for every token", demand::no_cache),
        with_own("the database is asked once for all", once::all),
        with_own("a burst of one tag asks once", once::burst),
        shared("what all know is as old as it is", once::ages),
        shared("each worker asks for itself", once::off),
        with_own("cache_size bounds what is kept", demand::cache_size),
        with_own("statistics", demand::statistics),
        with_own("MariaDB is stopped and started under load", |o, s, c| {
            outage::under_load(o, s, c, "demand")
        }),
        with_own(
            "MariaDB is stopped and started under load, preloaded",
            |o, s, c| outage::under_load(o, s, c, "preload"),
        ),
        with_own("MariaDB hangs", outage::hanging),
        with_own("rows of issuers: MariaDB hangs", tenants::hanging),
        with_own("rows of revocations: MariaDB hangs", revocations::hanging),
        with_own("challenges of a realm: MariaDB hangs", challenges::outage),
        with_own("challenges of a realm: rows change", challenges::changes),
        with_own(
            "MariaDB is stopped until cache_grace is over",
            outage::grace,
        ),
        with_own("made-up tags cost nothing, preloaded", preload::flood),
        with_own("an outage, preloaded", preload::outage),
        shared("secrets and profiles are added", demand::rotation),
        shared("commands that tell", commands::tell),
        shared("commands that list", commands::list),
        shared("one worker verifies for all", signatures::once),
        shared("each worker verifies for itself", signatures::off),
        shared("an added secret counts at the first token", demand::at_once),
        shared("a secret is removed, cache_ttl passes", demand::revocation),
        shared(
            "a secret is removed, jwt_reload, no cache of tokens",
            |s, c| demand::reload(s, c, 0),
        ),
        shared("a secret is removed, jwt_reload", |s, c| {
            demand::reload(s, c, 4096)
        }),
        shared("time passes over tokens and secrets", demand::time_passes),
    ];
    let needs = |backend: Backend, driver: Option<&str>| {
        let reason = backend.missing().or_else(sipp::missing);
        reason.or_else(|| {
            let file = driver.filter(|file| core.is_opensips() && core.module(file).is_none())?;
            Some(format!("this OpenSIPS has no {file}"))
        })
    };
    for backend in [Backend::Mysql, Backend::Sqlite, Backend::DbText] {
        trials.push(make(
            &format!("changes, preloaded, {backend}"),
            needs(backend, backend.needed_module()),
            Box::new(move |setting, core| preload::changes(setting, core, backend, "auto")),
        ));
    }
    for (backend, driver) in [
        (Backend::Mysql, "auto"),
        (Backend::Mysql, "opensips"),
        (Backend::Sqlite, "auto"),
        (Backend::Postgres, "auto"),
    ] {
        let by_core = driver == "opensips" || backend != Backend::Mysql;
        // The stand-in has a driver for SQLite alone.
        if by_core && backend != Backend::Sqlite && !core.is_opensips() {
            continue;
        }
        let module = by_core.then(|| backend.opensips_module());
        let both: [(&str, WithBackend); 5] = [
            ("rows of issuers", tenants::rows),
            ("rows of issuers change", tenants::changes),
            ("rows of issuers that are asked", introspection_rows::realms),
            ("rows of revocations", revocations::rows),
            ("rows of revocations change", revocations::changes),
        ];
        for (name, run) in both {
            let name = format!("{name}, {backend}, {driver}");
            trials.push(make(
                &name,
                needs(backend, module),
                Box::new(move |setting, core| run(setting, core, backend, driver)),
            ));
        }
    }
    trials.push(make(
        "rows of issuers, db_text",
        needs(Backend::DbText, Some("db_text.so")),
        Box::new(|setting, core| tenants::rows(setting, core, Backend::DbText, "auto")),
    ));
    trials.push(make(
        "rows of revocations, db_text",
        needs(Backend::DbText, Some("db_text.so")),
        Box::new(|setting, core| revocations::rows(setting, core, Backend::DbText, "auto")),
    ));
    let by_redis: [(&str, Option<String>, Shared); 7] = [
        (
            "revoked for other machines",
            redis::missing(),
            revocations::shared,
        ),
        (
            "revoked for other machines, by a Cluster",
            Cluster::missing(),
            revocations::in_cluster,
        ),
        (
            "revoked while Redis hangs",
            redis::missing(),
            revocations::unheard,
        ),
        (
            "revoked for other machines, which have no room",
            redis::missing(),
            revocations::shared_and_full,
        ),
        (
            "revoked for other machines, some of it lost",
            redis::missing(),
            revocations::shared_and_lost,
        ),
        (
            "revoked for other machines, very many",
            redis::missing(),
            revocations::shared_and_many,
        ),
        (
            "revoked for other machines, with another leeway",
            redis::missing(),
            revocations::shared_leeway,
        ),
    ];
    for (name, missing, run) in by_redis {
        trials.push(make(name, missing, Box::new(run)));
    }
    trials.push(make(
        "rows of issuers: a provider hangs",
        needs(Backend::Mysql, None),
        Box::new(tenants::hostile),
    ));
    if core.is_opensips() {
        trials.push(make(
            "a worker is killed",
            needs(Backend::Mysql, None),
            Box::new(once::killed),
        ));
        trials.push(make(
            "changes, preloaded, mysql by OpenSIPS's own driver",
            needs(Backend::Mysql, Some("db_mysql.so")),
            Box::new(|setting, core| preload::changes(setting, core, Backend::Mysql, "opensips")),
        ));
    }
    let introspected: [(&str, Shared); 12] = [
        ("introspection: clients", introspection::clients),
        (
            "introspection: what is told is judged",
            introspection::judged,
        ),
        (
            "introspection: what is remembered",
            introspection::remembered,
        ),
        ("introspection: made-up tokens", introspection::flood),
        ("introspection: faults", introspection::faults),
        ("introspection: signed answers", introspection::signed),
        ("introspection: all tokens", introspection::all),
        ("introspection: no worker waits", introspection::waiting),
        (
            "introspection: bound by the answer",
            introspection_bound::opaque,
        ),
        (
            "introspection: bound by token and answer",
            introspection_bound::all,
        ),
        (
            "introspection: by a client certificate and a proxy",
            introspection_bound::certificate,
        ),
        (
            "introspection: an issuer that asks to be left alone",
            introspection_bound::later,
        ),
    ];
    for (name, run) in introspected {
        trials.push(make(name, None, Box::new(run)));
    }
    let simple: [(&str, Shared); 50] = [
        ("opensips-cfg/bearer.cfg", bearer::shipped),
        (
            "JSON Web Keys, and a file that is written anew",
            keys::files,
        ),
        ("a JWK Set changes, its provider goes away", keys::published),
        (
            "null members, empty lists, and Ed25519 by name",
            documents::shapes,
        ),
        ("a key that is skipped is named", documents::skipped),
        (
            "what is no JWK Set, and maps of certificates",
            documents::others,
        ),
        ("a key is replaced under its kid", documents::replaced),
        ("all workers ask a provider once", documents::together),
        ("frequent mistakes are named", documents::mistakes),
        ("identity providers without a database", issuers::providers),
        ("issuers and their metadata", discovery::found),
        ("metadata that can't be had", discovery::lost),
        ("issuers with tenants", discovery::tenants),
        ("rows of issuers: realms", tenants::realms),
        ("rows of issuers: remembered tokens", tenants::remembered),
        ("rows of issuers: at start", tenants::start),
        ("recipes of the manual: companies", recipes::companies),
        ("recipes of the manual: applications", recipes::applications),
        ("revoked tokens", revocations::kinds),
        ("revoked keys", revocations::keys),
        ("jwt_revoke: parameters", revocations::commands),
        ("jwt_revoke: a full list", revocations::full),
        ("rows of revocations: at start", revocations::start_of_table),
        ("logout tokens", revocations::logout),
        (
            "logout tokens by rows of issuers",
            revocations::logout_by_row,
        ),
        (
            "providers that want a client certificate, by a proxy",
            outgoing::identity,
        ),
        ("user and password for providers", outgoing::basic),
        ("providers that ask to be left alone", outgoing::later),
        ("tokens that are bound to a certificate", bound::handed_over),
        ("jwt_aor", identity::addresses),
        ("line ends and NUL in claims", identity::lines),
        ("claims, age, type and scope", rules::claims),
        ("leeway", rules::leeway),
        ("fractions of seconds", rules::fractions),
        ("numbers of any size and form", rules::numbers),
        ("sizes and depths", |s, c| rules::limits(s, c, "demand")),
        ("sizes and depths, preloaded", |s, c| {
            rules::limits(s, c, "preload")
        }),
        ("secrets that are too short", rules::weak_keys),
        ("tokens that the script signs", sign::signed),
        ("sizes of keys, sets, files and tags", limits::keys),
        ("RSA keys that are too short", limits::rsa),
        ("tokens that are remembered", limits::remembered),
        ("size and time of a set that is fetched", limits::fetched),
        ("challenges for a token", challenge::bearer),
        ("challenges of a realm", challenges::realms),
        ("challenges of one provider", challenges::one),
        ("many issuers: keys are shared", many::shared),
        ("many issuers: keys that are not shared", many::unshared),
        ("many issuers: one changes its keys", many::rotation),
        ("many issuers: two hang", many::hanging),
    ];
    for (name, run) in simple {
        trials.push(make(
            name,
            needs(Backend::Sqlite, Some("db_sqlite.so")),
            Box::new(run),
        ));
    }
    // The stand-in stores no contacts, forwards nothing, and reads no character in JSON that is written as a number.
    let real: [(&str, Shared); 3] = [
        ("jwt_revoked: long values", revocations::long_values),
        (
            "opensips-cfg/bearer.cfg: who is bound to what",
            bearer::bound,
        ),
        (
            "opensips-cfg/bearer.cfg: what the next hop gets",
            bearer::relayed,
        ),
    ];
    for (name, run) in real.into_iter().filter(|_| core.is_opensips()) {
        trials.push(make(
            name,
            needs(Backend::Sqlite, Some("db_sqlite.so")),
            Box::new(run),
        ));
    }
    if core.is_opensips() {
        let lacking = bound::MODULES
            .iter()
            .find(|file| core.module(file).is_none());
        trials.push(make(
            "tokens that are bound to a certificate, over TLS",
            lacking.map(|file| format!("this OpenSIPS has no {file}")),
            Box::new(bound::over_tls),
        ));
    }
    trials.push(make(
        "shared memory does not outlive its core",
        needs(Backend::Sqlite, Some("db_sqlite.so")),
        Box::new(preload::memory),
    ));
    trials
}
