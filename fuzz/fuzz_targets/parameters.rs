//! Whatever is written as a parameter: credentials, lists and paths, one in each line; or, behind an exclamation
//! mark, `name=value` in each line, which takes a thousand times as long. A value that is secret is not shown,
//! whatever is wrong.
#![no_main]

use auth_web::config::raw::RawValue;
use auth_web::config::{Config, Raw};
use auth_web::fuzzing::{ClaimPath, Outbound, OutboundEntry, SpeaksFor, Username, credential};
use auth_web::jwt::json::parse_object;
use auth_web::jwt::rules::RequiredClaim;
use libfuzzer_sys::fuzz_target;

/// Nothing that is printed may have it.
const PASSWORD: &str = "Zq7vXw9KpT";

/// What is put in front of PASSWORD, and behind it, in a value that hides it.
const SECRETS: [(&str, &str, &str); 9] = [
    ("credential", "u:", ";realm=r"),
    ("http_password", "", ""),
    (
        "http_signature_secret",
        "0123456789abcdef0123456789abcdef",
        "",
    ),
    ("nonce_secret", "0123456789abcdef0123456789abcdef", ""),
    ("introspection_client_secret", "", ""),
    ("db_url", "mysql://u:", "@127.0.0.1/d"),
    ("cachedb_url", "redis://u:", "@127.0.0.1/"),
    ("http_url", "http://u:", "@127.0.0.1/"),
    ("http_proxy", "http://u:", "@127.0.0.1:3128"),
];

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    // No files of this machine.
    let lower = text.to_ascii_lowercase();
    if text.contains(PASSWORD)
        || ["file:", "_ca=", "_cert=", "_key=", "tls_", "%"]
            .iter()
            .any(|it| lower.contains(it))
    {
        return;
    }
    let Some(text) = text.strip_prefix('!') else {
        text.lines().for_each(list);
        return;
    };
    let mut raw = Raw::default();
    for line in text.lines() {
        if let Some((name, value)) = line.split_once('=') {
            let value = match value
                .strip_prefix('#')
                .and_then(|number| number.parse().ok())
            {
                Some(number) => RawValue::Int(number),
                None => RawValue::Text(value.to_owned()),
            };
            raw.push(name, value);
        }
    }
    if let Err(error) = Config::new(&raw) {
        assert!(!error.to_string().is_empty());
    }
    // The same with secrets, of which one may be as strange as the first line.
    let first = text.lines().next().unwrap_or_default();
    // Without what ends it.
    let is_inner = |c: &char| !c.is_whitespace() && !"/?#\\;:\"'@,".contains(*c);
    let strange: String = first.chars().filter(is_inner).collect();
    for (number, (name, before, after)) in SECRETS.into_iter().enumerate() {
        let is_it = text.len() % SECRETS.len() == number;
        let extra = if is_it { strange.as_str() } else { "" };
        raw.push(
            name,
            RawValue::Text(format!("{before}{extra}{PASSWORD}{after}")),
        );
    }
    let shown = match Config::new(&raw) {
        Ok(config) => format!("{config:?}"),
        Err(error) => error.to_string(),
    };
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(!format!("{raw:?}").contains(PASSWORD));
});

fn list(line: &str) {
    match credential(line) {
        Ok(entry) => {
            assert!(!entry.login.username.is_empty());
            let quoted = written(&entry);
            let again = credential(&quoted);
            assert_eq!(again.as_ref(), Ok(&entry), "{quoted}");
            assert!(!format!("{entry:?}").contains(PASSWORD));
            let (server, realm, user) = (
                entry.scope.server.clone(),
                entry.scope.realm.clone(),
                entry.scope.user.clone(),
            );
            let all = Outbound::new([entry.clone()]);
            let found = all.get(&server, &realm, &user).expect("it is for that");
            assert_eq!(**found, entry.login);
        }
        Err(error) => assert!(!error.to_string().contains(PASSWORD)),
    }
    if let Ok(path) = ClaimPath::parse(line) {
        assert_eq!(path.to_string(), line);
        assert_eq!(ClaimPath::parse(&path.to_string()).as_ref(), Ok(&path));
        let claims = parse_object(br#"{"a":{"b":[1,{"c":"x"}]},"sub":"s"}"#).expect("claims");
        _ = path.find(&claims);
    }
    if let Ok(claims) = RequiredClaim::parse_list(line) {
        assert!(!claims.is_empty());
    }
    if let Ok(username) = Username::parse(line) {
        let claims = parse_object(br#"{"sub":"s","a":{"b":"x"}}"#).expect("claims");
        assert!(username.find(&claims).is_none_or(|name| !name.is_empty()));
    }
    if let Ok(SpeaksFor::Realms(realms)) = SpeaksFor::parse(line) {
        assert!(!realms.is_empty());
        let known = SpeaksFor::Realms(realms.clone());
        assert!(realms.iter().all(|realm| known.includes(realm)));
        assert!(!known.includes("*") && !known.includes(""));
    }
}

/// An entry with each value in quotes.
fn written(entry: &OutboundEntry) -> String {
    let quoted = |bytes: &[u8]| {
        let text = str::from_utf8(bytes).expect("it was text");
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let OutboundEntry { scope, login } = entry;
    format!(
        "{}:{};server={};realm={};user={}",
        quoted(&login.username),
        quoted(&login.password),
        quoted(&scope.server),
        quoted(&scope.realm),
        quoted(&scope.user)
    )
}
