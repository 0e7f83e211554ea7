//! Rows of issuers that are asked for tokens: each only for what is of its realm.

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::Setting;
use serde_json::json;

use super::introspector::Introspector;
use super::provider::{jwk, patient, set};
use super::running::Running;
use super::tenants::{ask, create, insert};

/// Two issuers of two realms, and a third whose realm is that of another.
pub fn realms(
    setting: &Setting,
    core: &Core,
    backend: Backend,
    driver: &'static str,
) -> Result<(), String> {
    let (a, b) = (Introspector::start()?, Introspector::start()?);
    let key = Key::p256();
    let name = a.publish("/a", &[jwk("one", &key)]);
    let keys = set(&[jwk("one", &key)]);
    let database = create(setting, backend, &Content::default())?;
    // By its metadata.
    insert(
        &database,
        &[
            ("issuer", &name),
            ("realm", "a.example, c.example"),
            ("audience", "sip"),
            ("introspection_client_id", "of-a"),
            ("introspection_client_secret", "secret-of-a"),
        ],
    )?;
    insert(
        &database,
        &[
            ("issuer", "urn:b"),
            ("realm", "b.example c.example"),
            ("jwks", &keys),
            ("username_claim", "username"),
            ("introspection_url", &b.url()),
            ("introspection_client_id", "of-b"),
            ("introspection_client_secret", "secret-of-b"),
            ("introspection_auth", "client_secret_post"),
            ("introspection_tokens", "all"),
        ],
    )?;
    // Nobody asks this one.
    insert(
        &database,
        &[("issuer", "urn:d"), ("realm", "d.example"), ("jwks", &keys)],
    )?;
    for (number, (column, value)) in [
        ("introspection_url", "http://far.example/"),
        ("introspection_auth", "tls_client_auth"),
        ("introspection_client_secret", "hunter2"),
    ]
    .into_iter()
    .enumerate()
    {
        let issuer = format!("urn:wrong-{number}");
        insert(
            &database,
            &[
                ("issuer", &issuer),
                ("realm", "*"),
                ("jwks", &keys),
                (column, value),
            ],
        )?;
    }
    let mut running = Running::start(setting, core, |it| {
        let it = match driver {
            "opensips" => it
                .load(database.backend.opensips_module())
                .database(&database.with_plain_password()),
            _ => it.database(&database),
        };
        patient(it).set("db_driver", driver).set("cache_ttl", 3600)
    })?;
    let log = running.instance.log();
    for fault in [
        "issuer \"urn:wrong-0\": introspection_url must be https",
        "issuer \"urn:wrong-1\": neither introspection_url nor introspection_client_id is set",
        "issuer \"urn:wrong-2\": neither introspection_url nor introspection_client_id is set",
    ] {
        if !log.contains(fault) {
            return Err(format!("no line {fault}: {log}"));
        }
    }
    if log.contains("hunter2") {
        return Err("a secret was logged".to_owned());
    }
    let said = json!({ "active": true, "sub": "alice", "username": "al", "aud": "sip" });
    let other = json!({ "active": true, "sub": "alice", "username": "al" });
    a.say("token", &said);
    b.say("token", &other);
    let from = |domain: &str| format!("<sip:alice@{domain}>");
    let say = |service: &str, token: &str, from: &str| {
        ask(&running, ("INVITE", service), token, from, &[])
    };
    let to_a = say("plain", "token", &from("A.example"))?.expect(1)?;
    to_a.expect_header("X-User", "alice")?;
    let to_b = say("async", "token", &from("b.example"))?.expect(1)?;
    to_b.expect_header("X-User", "al")?;
    let asked = a.asked();
    if asked.len() != 1 || !asked[0].header("authorization").starts_with("Basic ") {
        return Err(format!("{asked:?}"));
    }
    if b.count() != 1 || b.asked()[0].field("client_secret") != "secret-of-b" {
        return Err(format!("{:?}", b.asked()));
    }
    // Another issuer's token, which its own would admit.
    b.say("of-b", &other);
    say("plain", "of-b", &from("a.example"))?.expect(-1)?;
    say("plain", "of-b", &from("b.example"))?.expect(1)?;
    let counts = (a.count(), b.count());
    for (domain, reason) in [
        (
            "c.example",
            "more than one issuer that can be asked speaks for \"c.example\"",
        ),
        (
            "d.example",
            "no issuer that can be asked speaks for \"d.example\"",
        ),
        (
            "sub.a.example",
            "no issuer that can be asked speaks for \"sub.a.example\"",
        ),
    ] {
        say("plain", "token", &from(domain))?
            .expect(-2)?
            .because(reason)?;
    }
    let twice = [("From", "<sip:alice@b.example>;tag=two")];
    let said = ask(
        &running,
        ("INVITE", "plain"),
        "token",
        &from("a.example"),
        &twice,
    )?;
    said.expect(-2)?
        .because("the domain that the request is about can't be read")?;
    if counts != (a.count(), b.count()) {
        return Err("a token went to an issuer that has nothing to do with it".to_owned());
    }
    // A JSON Web Token goes to whoever signed it.
    let jwt = super::discovery::of("urn:b", &key, "one");
    b.say(&jwt, &json!({ "active": true, "username": "al" }));
    say("plain", &jwt, &from("b.example"))?.expect(1)?;
    say("plain", &jwt, &from("a.example"))?.expect(-7)?;
    if counts.0 != a.count() {
        return Err("a token went to another issuer".to_owned());
    }
    // A row that changes asks anew.
    database.sql(
        "UPDATE jwt_issuers SET introspection_client_secret = 'second' WHERE issuer = 'urn:b';",
    )?;
    running.mi.reload()?;
    say("plain", "token", &from("b.example"))?.expect(1)?;
    let last = b.asked().pop().unwrap_or_default();
    if last.field("client_secret") != "second" {
        return Err(format!("{last:?}"));
    }
    running.instance.check_workers()
}
