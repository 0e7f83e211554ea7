//! Whatever a database answers: rows of the module's tables. A byte says what each value is; rows have as many
//! as were asked for, or fewer.
#![no_main]

use auth_web::fuzzing::{
    Cell, CredentialTable, Defaults, EndpointTables, IssuerTable, Issuers, ProfileTables,
    RealmTable, Refusal, RevocationTable, Select, Source, StoreError, Username, snapshot, version,
};
use auth_web::jwt::rules::Rules;
use libfuzzer_sys::fuzz_target;

/// Nothing that is printed may have it.
const PASSWORD: &str = "Zq7vXw9KpT";

/// Values, one after the other.
struct Rows<'a>(&'a [u8]);

impl Rows<'_> {
    /// A value ends at a NUL.
    fn cell(&mut self) -> Cell {
        let Some((kind, rest)) = self.0.split_first() else {
            return Cell::Null;
        };
        let end = rest
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(rest.len());
        let (value, after) = rest.split_at(end);
        self.0 = after.get(1..).unwrap_or_default();
        match kind % 8 {
            0 => Cell::Null,
            1 => {
                let number = str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                Cell::Int(number.unwrap_or(i64::from(*kind) - 100))
            }
            // A secret of that row.
            2 => Cell::Text([PASSWORD.as_bytes(), value].concat()),
            _ => Cell::Text(value.to_vec()),
        }
    }
}

impl Source for Rows<'_> {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        let mut rows = Vec::new();
        while rows.len() < select.limit.min(50) {
            let Some((number, rest)) = self.0.split_first() else {
                break;
            };
            self.0 = rest;
            let columns = match number {
                0 => break,
                255 => {
                    return Err(StoreError::Refused {
                        table: select.table.to_owned(),
                        cause: "no".to_owned(),
                        why: Refusal::Other,
                    });
                }
                254 => select.columns.len().saturating_sub(1),
                _ => select.columns.len(),
            };
            rows.push((0..columns).map(|_| self.cell()).collect());
        }
        Ok(rows)
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, data)) = data.split_first() else {
        return;
    };
    if data
        .windows(PASSWORD.len())
        .any(|it| it == PASSWORD.as_bytes())
    {
        return;
    }
    let mut source = Rows(data);
    match choice % 7 {
        0 => issuers(&mut source, 1 + i64::from(*choice) / 7 % 2),
        1 => endpoints(&mut source),
        2 => {
            let column = |name: &str| name.to_owned();
            let table = CredentialTable {
                table: column("credentials"),
                server: column("server"),
                realm: column("realm"),
                user: column("user"),
                username: column("username"),
                password: column("password"),
            };
            if let Ok(rows) = table.fetch_all(&mut source) {
                assert!(
                    rows.entries
                        .iter()
                        .all(|entry| !entry.login.username.is_empty())
                );
            }
        }
        3 => {
            let table = RevocationTable {
                table: "jwt_revocations".to_owned(),
            };
            if let Ok(rows) = table.fetch_all(&mut source, 1_700_000_000, 30) {
                for one in &rows.revocations {
                    assert!((1..=255).contains(&one.value.len()));
                    assert!(one.until > 1_700_000_000);
                }
                assert!(
                    rows.faults
                        .iter()
                        .all(|fault| !fault.contains(char::is_control))
                );
            }
        }
        4 => profiles(data),
        5 => {
            let table = RealmTable {
                table: "realms".to_owned(),
                realm: "realm".to_owned(),
                parent: true,
                columns: vec!["a".to_owned(), "b".to_owned()],
            };
            _ = table.fetch(&mut source, "sub.a.example");
        }
        _ => {
            let needed = [1, 2];
            let found = version::check(&mut source, "version", "t", &needed, "mysql", "auth");
            match found {
                Ok(found) => assert!(needed.contains(&found)),
                Err(error) => assert!(!error.to_string().contains(PASSWORD)),
            }
        }
    }
    // Whatever is in the memory that processes share.
    if let Some(snapshot) = snapshot::Snapshot::new(data) {
        _ = snapshot.profile("a");
    }
});

fn issuers(source: &mut Rows<'_>, version: i64) {
    let table = IssuerTable {
        table: "jwt_issuers".to_owned(),
        version,
    };
    let Ok(rows) = table.fetch_all(source) else {
        return;
    };
    let defaults = Defaults {
        rules: Rules::default(),
        username: Username::parse("sub").expect("a path"),
    };
    let none = Issuers::default();
    let issuers = Issuers::new(rows.rows, &defaults, &none, &none);
    for fault in rows.faults.iter().chain(&issuers.faults) {
        assert!(!fault.contains(char::is_control), "{fault:?}");
    }
    for issuer in issuers.of_realm("a.example") {
        assert!(issuer.speaks_for.includes("a.example"));
        // Tokens of nobody else.
        assert!(!issuer.rules.issuers.is_empty());
        assert!(!issuer.shown().contains(char::is_control));
        for name in &issuer.rules.issuers {
            assert!(
                issuers.get(name).is_some_and(|it| issuers.has(it)),
                "{name:?}"
            );
        }
    }
}

fn endpoints(source: &mut Rows<'_>) {
    let column = |name: &str| name.to_owned();
    let table = EndpointTables {
        table: column("http_endpoints"),
        realm: column("realm"),
        url: column("url"),
        method: column("method"),
        username: column("username"),
        password: column("password"),
        signature_secret: column("secret"),
        tls_cert: column("cert"),
        tls_key: column("key"),
        tls_ca: column("ca"),
        has_files: true,
        parent: true,
    };
    let found = table.fetch(source, "sub.a.example");
    if let Err(error) = found {
        assert!(!error.to_string().contains(char::is_control));
    }
}

/// A profile is the same, whether it is asked for or found in the snapshot of all.
fn profiles(data: &[u8]) {
    let column = |name: &str| name.to_owned();
    let tables = ProfileTables {
        profiles: column("jwt_profiles"),
        secrets: column("jwt_secrets"),
        tag: column("tag"),
        username: column("sip_username"),
        columns: vec![column("level")],
        secret_tag: column("corresponding_tag"),
        secret: column("secret"),
        start: column("start_ts"),
        end: column("end_ts"),
    };
    _ = tables.fetch(&mut Rows(data), "a");
    let mut all = Vec::new();
    let each = tables.each(&mut Rows(data), &mut |tag, profile| {
        all.push((tag.to_owned(), profile.clone()));
    });
    let Ok(()) = each else {
        return;
    };
    let bytes = snapshot::fetch(&tables, &mut Rows(data)).expect("it was read before");
    let snapshot = snapshot::Snapshot::new(&bytes).expect("a snapshot");
    for (at, (tag, profile)) in all.iter().enumerate() {
        if all[..at].iter().all(|(known, _)| known != tag) {
            assert_eq!(snapshot.profile(tag).as_ref(), Some(profile));
        }
    }
}
