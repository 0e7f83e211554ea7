use zeroize::Zeroizing;

use super::*;

fn entry(server: &str, realm: &str, user: &str, username: &str) -> Entry {
    Entry {
        scope: Scope {
            server: server.into(),
            realm: realm.into(),
            user: user.into(),
        },
        login: Login {
            username: username.into(),
            password: Zeroizing::new(format!("secret of {username}").into()),
        },
    }
}

fn found(credentials: &Credentials, server: &str, realm: &str, user: &str) -> Option<String> {
    let login = credentials.get(server.as_bytes(), realm.as_bytes(), user.as_bytes())?;
    let name = String::from_utf8(login.username.clone()).expect("a test's name");
    assert_eq!(
        *login.password,
        format!("secret of {name}").into_bytes(),
        "name and password belong together"
    );
    Some(name)
}

/// Exact server, realm, user: from the most to the least specific, in order of precedence.
const LEVELS: [(&str, &str, &str); 8] = [
    ("s", "r", "u"),
    ("s", "r", ""),
    ("s", "", "u"),
    ("s", "", ""),
    ("", "r", "u"),
    ("", "r", ""),
    ("", "", "u"),
    ("", "", ""),
];

#[test]
fn the_more_exact_server_then_realm_then_user_counts() {
    for first in 0..=LEVELS.len() {
        let entries = LEVELS
            .iter()
            .enumerate()
            .skip(first)
            .map(|(level, (server, realm, user))| entry(server, realm, user, &level.to_string()));
        let credentials = Credentials::new(entries);
        let expected = (first < LEVELS.len()).then(|| first.to_string());
        assert_eq!(found(&credentials, "s", "r", "u"), expected);
    }
}

#[test]
fn every_level_is_found_by_itself_and_fits_nothing_else() {
    for (server, realm, user) in LEVELS {
        let credentials = Credentials::new([entry(server, realm, user, "x")]);
        for (asked_server, asked_realm, asked_user) in LEVELS {
            let fits = |entry: &str, asked: &str| entry.is_empty() || entry == asked;
            let expected =
                fits(server, asked_server) && fits(realm, asked_realm) && fits(user, asked_user);
            let was = found(&credentials, asked_server, asked_realm, asked_user).is_some();
            assert_eq!(
                was, expected,
                "{server:?} {realm:?} {user:?} asked for {asked_server:?} {asked_realm:?} {asked_user:?}"
            );
        }
    }
}

#[test]
fn a_server_is_left_for_another_only_where_nothing_of_it_fits() {
    let credentials = Credentials::new([
        entry("s", "other", "", "wrong realm"),
        entry("s", "r", "other", "wrong user"),
        entry("", "r", "u", "right"),
    ]);
    assert_eq!(found(&credentials, "s", "r", "u").as_deref(), Some("right"));
    let credentials =
        Credentials::new([entry("s", "", "", "server"), entry("", "r", "u", "realm")]);
    assert_eq!(
        found(&credentials, "s", "r", "u").as_deref(),
        Some("server")
    );
}

#[test]
fn hosts_are_compared_as_hosts_and_the_rest_exactly() {
    let credentials = Credentials::new([entry("SIP.Example.org", "R", "U", "x")]);
    for server in ["sip.example.org", "SIP.EXAMPLE.ORG", "sip.example.org."] {
        assert!(found(&credentials, server, "R", "U").is_some(), "{server}");
    }
    assert!(found(&credentials, "example.org", "R", "U").is_none());
    assert!(found(&credentials, "sip.example.org", "r", "U").is_none());
    assert!(found(&credentials, "sip.example.org", "R", "u").is_none());
    let credentials = Credentials::new([entry("[2001:DB8::1]", "", "", "x")]);
    assert!(found(&credentials, "2001:db8::1", "r", "").is_some());
}

#[test]
fn of_a_double_entry_the_later_counts() {
    let credentials = Credentials::new([
        entry("s", "r", "u", "first"),
        entry("S", "r", "u", "second"),
    ]);
    assert_eq!(credentials.len(), 1);
    assert_eq!(
        found(&credentials, "s", "r", "u").as_deref(),
        Some("second")
    );
}

#[test]
fn entries_for_any_server_can_be_left_out() {
    let credentials = Credentials::new([entry("", "r", "", "any"), entry("s", "", "", "this")]);
    let found = |server: &str| {
        let login = credentials.get_of_server(server.as_bytes(), b"r", b"")?;
        Some(login.username.clone())
    };
    assert_eq!(found("S"), Some(b"this".to_vec()));
    assert_eq!(found("other"), None);
    assert_eq!(found(""), None);
}

#[test]
fn nothing_of_a_password_is_shown() {
    let one = entry("s", "r", "u", "name");
    let shown = format!("{one:?} {:?}", Credentials::new([one.clone()]));
    assert!(!shown.contains("secret of"), "{shown}");
    let bytes = format!("{:?}", b"secret of name".to_vec());
    assert!(!shown.contains(&bytes), "{shown}");
}
