use super::*;
use crate::jwt::path::ClaimPath;
use crate::store::Cell;

const SET: &str = include_str!("../../../tests/jwks/auth0.json");

fn defaults() -> Defaults {
    Defaults {
        rules: Rules {
            issuers: vec!["of the parameter".to_owned()],
            audiences: vec!["default".to_owned()],
            leeway: 7,
            ..Rules::default()
        },
        username: Username::Claim(ClaimPath::parse("sub").unwrap()),
    }
}

fn row(issuer: &str, set: impl FnOnce(&mut IssuerRow)) -> IssuerRow {
    let mut row = IssuerRow {
        issuer: issuer.to_owned(),
        realm: Some("a.example".to_owned()),
        ..IssuerRow::default()
    };
    set(&mut row);
    row
}

fn issuers(rows: &[IssuerRow], before: &Issuers) -> Issuers {
    with_fixed(rows, &Issuers::default(), before)
}

fn with_fixed(rows: &[IssuerRow], fixed: &Issuers, before: &Issuers) -> Issuers {
    let called = |number: usize| format!("row {}", number + 1);
    let rows = rows.iter().cloned().enumerate();
    Issuers::new(
        rows.map(|(n, row)| (called(n), row)),
        &defaults(),
        fixed,
        before,
    )
}

#[test]
fn what_a_row_says_counts_and_else_the_parameters() {
    let plain = Issuer::new(row("https://a.example", |_| {}), &defaults()).unwrap();
    assert_eq!(plain.rules.issuers, ["https://a.example"]);
    assert_eq!(
        (plain.rules.audiences[0].as_str(), plain.rules.leeway),
        ("default", 7)
    );
    assert_eq!(plain.username.to_string(), "sub");
    assert!(plain.ready.has_references());
    let full = row("a", |row| {
        row.audience = Some(" x, y ".to_owned());
        row.algorithms = Some("RS256".to_owned());
        row.required_claims = Some("typ=Bearer; scope".to_owned());
        row.username_claim = Some("{sub}@a.example".to_owned());
        row.jwks = Some(SET.to_owned());
        row.realm = Some("A.example b.example".to_owned());
    });
    let full = Issuer::new(full, &defaults()).unwrap();
    assert_eq!(full.rules.audiences, ["x", "y"]);
    assert_eq!(full.rules.required_claims.len(), 2);
    assert_eq!(full.rules.algorithms.to_string(), "RS256");
    assert!(!full.ready.has_references());
    for (domain, is_in) in [
        ("a.EXAMPLE", true),
        ("b.example", true),
        ("x.a.example", false),
        ("", false),
    ] {
        assert_eq!(full.speaks_for.includes(domain), is_in, "{domain}");
    }
}

#[test]
fn tenants_are_told_apart_and_no_other_counts() {
    let template = row("https://login.example/{tenantid}/v2.0", |row| {
        row.tenants = Some("one, two".to_owned());
    });
    let all = issuers(&[template], &Issuers::default());
    assert!(all.get("https://login.example/one/v2.0").is_some());
    let two = all.get("https://login.example/two/v2.0").unwrap();
    assert_eq!(two.rules.issuers.len(), 2);
    for other in [
        "https://login.example/{tenantid}/v2.0",
        "https://login.example/three/v2.0",
        "https://login.example/ONE/v2.0",
        "https://login.example/one/v2.0/",
        "",
    ] {
        assert!(all.get(other).is_none(), "{other}");
    }
}

#[test]
fn what_is_wrong_is_said_of_each_row() {
    let https = "https://a.example";
    let with = |set: fn(&mut IssuerRow)| row(https, set);
    for (row, reason) in [
        (row("", |_| {}), "1 to 255 bytes"),
        (row(&"x".repeat(256), |_| {}), "1 to 255 bytes"),
        (row("https://a.example/ b", |_| {}), "a blank"),
        (row("urn:a", |_| {}), "https://host"),
        (row("https://a.example?x=y", |_| {}), "https://host"),
        (row("https://user@a.example", |_| {}), "https://host"),
        (row("http://a.example", |_| {}), "must be at https"),
        (row("https://{tenantid}/", |_| {}), "no tenants"),
        (with(|row| row.tenants = Some("a".into())), "no {tenantid}"),
        (
            row("https://a.example/{tenantid}", |row| {
                row.tenants = Some("a/b".into())
            }),
            "a tenant must be",
        ),
        (with(|row| row.realm = None), "realm is missing"),
        (with(|row| row.realm = Some(" ".into())), "realm is missing"),
        (
            with(|row| row.realm = Some("*, a.example".into())),
            "realm must be",
        ),
        (
            with(|row| row.realm = Some("alice@a.example".into())),
            "realm must be",
        ),
        (
            with(|row| row.algorithms = Some("none".into())),
            "algorithms: ",
        ),
        (
            with(|row| row.required_claims = Some("a..b".into())),
            "required_claims: ",
        ),
        (
            with(|row| row.required_claims = Some(";".into())),
            "required_claims: ",
        ),
        (
            with(|row| row.username_claim = Some("{sub".into())),
            "username_claim: ",
        ),
        (
            with(|row| row.discovery_url = Some("http://a.example/x".into())),
            "must be at https",
        ),
        (
            with(|row| row.discovery_url = Some("x".into())),
            "URL of an issuer's metadata",
        ),
        (
            with(|row| row.jwks = Some("http://a.example/x".into())),
            "jwks: ",
        ),
        (
            with(|row| row.jwks = Some("file:///etc/key".into())),
            "jwks must be",
        ),
        (
            with(|row| row.jwks = Some("0123456789abcdef0123456789abcdef".into())),
            "jwks: ",
        ),
        (
            with(|row| row.jwks = Some(r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.into())),
            "jwks: ",
        ),
        (
            with(|row| {
                row.jwks = Some("https://a.example/".into());
                row.discovery_url = Some("https://a.example/".into());
            }),
            "both",
        ),
    ] {
        let good = self::row("https://good.example", |_| {});
        let all = issuers(&[good, row.clone()], &Issuers::default());
        assert!(all.get("https://good.example").is_some(), "{row:?}");
        let [fault] = &all.faults[..] else {
            panic!("{row:?}: {:?}", all.faults);
        };
        assert!(
            fault.starts_with("row 2, issuer") && fault.contains(reason),
            "{fault}"
        );
    }
}

#[test]
fn an_issuer_that_is_there_twice_does_not_count() {
    let tenants = |list: &str| {
        row("https://a.example/{tenantid}", |row| {
            row.tenants = Some(list.to_owned())
        })
    };
    let all = issuers(
        &[
            tenants("one two"),
            row("https://a.example/two", |_| {}),
            row("https://b.example", |_| {}),
            tenants("three"),
        ],
        &Issuers::default(),
    );
    assert_eq!(all.faults.len(), 2, "{:?}", all.faults);
    for (name, counts) in [
        ("https://a.example/one", false),
        ("https://a.example/two", false),
        ("https://a.example/three", true),
        ("https://b.example", true),
    ] {
        assert_eq!(all.get(name).is_some(), counts, "{name}");
    }
}

#[test]
fn a_row_that_did_not_change_is_the_same_object() {
    let (a, b) = (
        row("https://a.example", |_| {}),
        row("https://b.example", |_| {}),
    );
    let first = issuers(&[a.clone(), b.clone()], &Issuers::default());
    let changed = row("https://b.example", |row| {
        row.realm = Some("b.example".into())
    });
    let second = issuers(&[a, changed], &first);
    let same = |name: &str| Arc::ptr_eq(first.get(name).unwrap(), second.get(name).unwrap());
    assert!(same("https://a.example") && !same("https://b.example"));
}

#[test]
fn no_row_takes_the_place_of_a_parameter() {
    let parameter = row("https://a.example", |row| row.realm = Some("*".into()));
    let fixed = issuers(&[parameter], &Issuers::default());
    let rows = [
        row("https://a.example", |_| {}),
        row("https://b.example", |_| {}),
    ];
    let all = with_fixed(&rows, &fixed, &Issuers::default());
    assert_eq!(all.faults.len(), 1, "{:?}", all.faults);
    assert!(all.has(fixed.get("https://a.example").unwrap()));
    assert!(all.get("https://b.example").is_some());
}

/// Cells of a row: the name of the row, and those of its columns.
struct Table(Vec<Vec<Cell>>);

impl Source for Table {
    fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
        assert_eq!((select.table, select.key), ("jwt_issuers", None));
        Ok(self.0.iter().take(select.limit).cloned().collect())
    }
}

fn fetch(rows: Vec<Vec<Cell>>) -> Rows {
    let table = IssuerTable {
        table: "jwt_issuers".to_owned(),
        version: 2,
    };
    table.fetch_all(&mut Table(rows)).unwrap()
}

fn cells(issuer: &[u8]) -> Vec<Cell> {
    let mut row = vec![Cell::Null; row::COLUMNS.len()];
    row[0] = Cell::Int(7);
    row[1] = Cell::Text(issuer.to_vec());
    row[3] = Cell::Text(b" a.example  ".to_vec());
    row
}

#[test]
fn rows_are_read_by_their_columns() {
    let mut full = cells(b"https://a.example ");
    full[9] = Cell::Text(b"https://a.example/keys".to_vec());
    full[4] = Cell::Text(b"  ".to_vec());
    let rows = fetch(vec![full, cells(b"\xff"), vec![Cell::Int(9)]]);
    let [(called, row)] = &rows.rows[..] else {
        panic!("{rows:?}");
    };
    assert_eq!(called, "table jwt_issuers, row 7");
    assert_eq!(row.issuer, "https://a.example");
    assert_eq!(
        (row.realm.as_deref(), &row.audience),
        (Some("a.example"), &None)
    );
    assert_eq!(row.jwks.as_deref(), Some("https://a.example/keys"));
    assert_eq!(rows.faults.len(), 2, "{:?}", rows.faults);
}

#[test]
fn what_a_row_is_called_is_one_line() {
    let mut strange = cells(b"\xff");
    strange[0] = Cell::Text(b"7\r\nNOTICE: x\x1b[2J".to_vec());
    let rows = fetch(vec![strange]);
    let [fault] = &rows.faults[..] else {
        panic!("{rows:?}");
    };
    assert!(!fault.contains(char::is_control), "{fault:?}");
}

#[test]
fn a_table_that_is_too_long_is_read_in_part_and_said_to_be() {
    let row = |number: usize| cells(format!("https://{number}.example").as_bytes());
    let rows = fetch((0..MAX_ROWS).map(row).collect());
    assert_eq!((rows.rows.len(), rows.faults.len()), (MAX_ROWS, 0));
    let rows = fetch((0..=MAX_ROWS).map(row).collect());
    assert_eq!((rows.rows.len(), rows.faults.len()), (MAX_ROWS, 1));
}

#[test]
fn an_audience_of_nothing_is_not_any_audience() {
    for text in [",", " , ", ", ,"] {
        let row = row("https://a.example", |row| {
            row.audience = Some(text.to_owned());
        });
        let said = Issuer::new(row, &defaults()).unwrap_err();
        assert_eq!(said, "audience has no value", "{text:?}");
    }
}

#[test]
fn tenants_are_counted_before_anything_is_made_of_them() {
    let tenants: Vec<_> = (0..=MAX_NAMES).map(|number| number.to_string()).collect();
    let many = row("https://a.example/{tenantid}", |row| {
        row.tenants = Some(tenants.join(","));
    });
    // Those that are left out take no place of others.
    let mut broken = many.clone();
    broken.tenants = Some(tenants[2..].join(","));
    broken.algorithms = Some("RS257".to_owned());
    let [before, after] = ["urn:before", "urn:after"].map(|issuer| {
        row(issuer, |row| {
            row.jwks = Some(SET.to_owned());
        })
    });
    let found = issuers(&[before, broken, many, after], &Issuers::default());
    assert!(found.get("urn:before").is_some() && found.get("urn:after").is_some());
    let of_row = |number: usize| {
        found
            .faults
            .iter()
            .find(|f| f.starts_with(&format!("row {number}")))
    };
    assert!(of_row(2).unwrap().contains("algorithms: "));
    assert!(of_row(3).unwrap().contains("more than 10000 issuers"));
}

#[test]
fn who_is_asked_alone_speaks_for_the_domain() {
    let asked = |issuer: &str, realm: &str| {
        row(issuer, |row| {
            row.realm = Some(realm.to_owned());
            row.introspection.url = Some("https://a.example/introspect".to_owned());
            row.introspection.client.method = Some("none".to_owned());
        })
    };
    let none = row("https://none.example", |row| {
        row.realm = Some("d.example".into())
    });
    let [a, b] = [
        asked("https://a.example", "A.example c.example"),
        asked("https://b.example", "b.example, c.example"),
    ];
    let found = issuers(&[a.clone(), b, none.clone()], &Issuers::default());
    assert_eq!(found.faults, Vec::<String>::new());
    let one = |domain: &str| match found.askable.of(domain) {
        Asks::One(issuer) => Some(issuer.shown()),
        Asks::Nobody | Asks::Several => None,
    };
    assert_eq!(one("a.example").as_deref(), Some("\"https://a.example\""));
    assert_eq!(one("b.example").as_deref(), Some("\"https://b.example\""));
    assert!(matches!(found.askable.of("c.example"), Asks::Several));
    for domain in ["d.example", "x.a.example", ""] {
        assert!(matches!(found.askable.of(domain), Asks::Nobody), "{domain}");
    }
    assert!(found.askable.only().is_none());
    let any = asked("https://any.example", "*");
    let only = issuers(&[any.clone(), none.clone()], &Issuers::default());
    assert!(only.askable.only().is_some());
    assert!(matches!(only.askable.of("x.example"), Asks::One(_)));
    // What speaks for any domain speaks for this one as well.
    let both = issuers(&[any, a], &Issuers::default());
    assert!(both.askable.only().is_none());
    assert!(matches!(both.askable.of("a.example"), Asks::Several));
    assert!(matches!(both.askable.of("x.example"), Asks::One(_)));
    assert!(issuers(&[none], &Issuers::default()).askable.is_empty());
}

#[test]
fn no_password_of_an_issuer_is_shown() {
    for issuer in [
        "https://user:hunter2@a.example",
        "https://user@b:hunter2@a.example/x",
        "http://user:hunt/er2@a.example",
    ] {
        let shown = shown(issuer);
        assert!(
            !shown.contains("er2") && shown.contains("://***@a.example"),
            "{shown}"
        );
    }
    for issuer in ["https://a.example/@b", "urn:a:b@c", "user:x@a.example"] {
        assert_eq!(shown(issuer), format!("{issuer:?}"));
    }
}
