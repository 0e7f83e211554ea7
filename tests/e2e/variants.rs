//! Parameters that change what a token must be, or where its profile is found. Each set of them on
//! every core, with the first available database.

use std::sync::Arc;

use harness::database::{Backend, Database};
use harness::script::Script;
use harness::setting::{Place, Setting};
use harness::tokens::token;
use harness::world::{NO_EXTRA, World};
use libtest_mimic::Trial;

use super::cases::{CASES, Case, case};
use super::drop_in;
use super::group::{self, Group, trials_of};
use super::rows::{Rows, admitted, every_algorithm, tokens};

/// Parameters, and their effect on tokens.
struct Variant {
    name: &'static str,
    /// Only with this database, where it matters.
    backend: Option<Backend>,
    make: fn(&Database, &World) -> Result<Script, String>,
    cases: &'static [Case],
}

const VARIANTS: &[Variant] = &[
    Variant {
        name: "leeway=7200",
        backend: None,
        make: |database, _| Ok(group::script(database).set("leeway", 7200)),
        cases: &[
            case("a little late", "good_token", "plain", |w| {
                good(w, &format!(r#"{{"exp":{},"tag":"hmac"}}"#, w.now - 1800))
            }),
            case("a little early", "good_token", "plain", |w| {
                good(w, &format!(r#"{{"nbf":{},"tag":"hmac"}}"#, w.now + 1800))
            }),
            case("too late", "expired", "plain", |w| {
                tokens(
                    &w.secret,
                    &[format!(r#"{{"exp":{},"tag":"hmac"}}"#, w.now - 7201)],
                )
            }),
            case("too early", "not_yet_valid", "plain", |w| {
                tokens(
                    &w.secret,
                    &[format!(r#"{{"nbf":{},"tag":"hmac"}}"#, w.now + 14_400)],
                )
            }),
        ],
    },
    Variant {
        name: "issuer",
        backend: None,
        make: |database, _| {
            Ok(group::script(database).set("issuer", "https://a.example, https://b.example"))
        },
        cases: &[
            case("one of the issuers", "good_token", "plain", |w| {
                [
                    good(w, r#"{"iss":"https://a.example","tag":"hmac"}"#),
                    good(w, r#"{"iss":"https://b.example","tag":"hmac"}"#),
                ]
                .concat()
            }),
            case("another issuer, or none", "claim_refused", "plain", |w| {
                tokens(
                    &w.secret,
                    &[
                        r#"{"tag":"hmac"}"#,
                        r#"{"tag":"hmac","iss":"https://c.example"}"#,
                        r#"{"tag":"hmac","iss":"https://a.example/"}"#,
                        r#"{"tag":"hmac","iss":"https://a.example, https://b.example"}"#,
                        r#"{"tag":"hmac","iss":"HTTPS://A.EXAMPLE"}"#,
                        r#"{"tag":"hmac","iss":["https://c.example"]}"#,
                        r#"{"tag":"hmac","iss":""}"#,
                        r#"{"tag":"hmac","iss":null}"#,
                        r#"{"tag":"hmac","iss":1}"#,
                    ],
                )
            }),
        ],
    },
    Variant {
        name: "audience",
        backend: None,
        make: |database, _| Ok(group::script(database).set("audience", "sip.example")),
        cases: &[
            case("the audience", "good_token", "plain", |w| {
                [
                    good(w, r#"{"aud":"sip.example","tag":"hmac"}"#),
                    good(w, r#"{"aud":["web.example","sip.example"],"tag":"hmac"}"#),
                ]
                .concat()
            }),
            case("another audience, or none", "claim_refused", "async", |w| {
                tokens(
                    &w.secret,
                    &[
                        r#"{"tag":"hmac"}"#,
                        r#"{"tag":"hmac","aud":"web.example"}"#,
                        r#"{"tag":"hmac","aud":["web.example"]}"#,
                        r#"{"tag":"hmac","aud":[]}"#,
                        r#"{"tag":"hmac","aud":[["sip.example"]]}"#,
                        r#"{"tag":"hmac","aud":{"sip.example":1}}"#,
                        r#"{"tag":"hmac","aud":"sip.example "}"#,
                    ],
                )
            }),
        ],
    },
    Variant {
        name: "require_exp=1",
        backend: None,
        make: |database, _| Ok(group::script(database).set("require_exp", 1)),
        cases: &[
            case("with exp", "good_token", "plain", |w| {
                good(w, &format!(r#"{{"exp":{},"tag":"hmac"}}"#, w.now + 3600))
            }),
            case("without exp", "claim_refused", "plain", |w| {
                tokens(&w.secret, &[r#"{"tag":"hmac"}"#])
            }),
        ],
    },
    Variant {
        name: "algorithms=RS256,ES256",
        backend: None,
        make: |database, _| Ok(group::script(database).set("algorithms", "RS256,ES256")),
        cases: &[
            case("those", "good_token", "plain", |w| {
                [
                    admitted(&w.rsa, "RS256", r#"{"tag":"rsa"}"#, "alice", NO_EXTRA),
                    admitted(&w.p256, "ES256", r#"{"tag":"ec"}"#, "bob", NO_EXTRA),
                ]
                .concat()
            }),
            case("others", "bad_signature", "plain", |w| {
                vec![
                    vec![token(&w.rsa, "RS512", r#"{"tag":"rsa"}"#)],
                    vec![token(&w.rsa, "PS256", r#"{"tag":"rsa"}"#)],
                    vec![token(&w.ed25519, "EdDSA", r#"{"tag":"ed"}"#)],
                    vec![token(&w.secret, "HS256", r#"{"tag":"hmac"}"#)],
                ]
            }),
        ],
    },
    Variant {
        name: "max_token_size=256",
        backend: None,
        make: |database, _| Ok(group::script(database).set("max_token_size", 256)),
        cases: &[
            case("a short token", "good_token", "plain", |w| {
                good(w, r#"{"tag":"hmac"}"#)
            }),
            case("a longer one", "not_a_token", "plain", |w| {
                tokens(
                    &w.secret,
                    &[format!(r#"{{"pad":"{}","tag":"hmac"}}"#, "x".repeat(200))],
                )
            }),
        ],
    },
    Variant {
        name: "tag_claim=tenant",
        backend: None,
        make: |database, _| Ok(group::script(database).set("tag_claim", "tenant")),
        cases: &[
            case("the other claim", "good_token", "plain", |w| {
                good(w, r#"{"tag":"rsa","tenant":"hmac"}"#)
            }),
            case("the usual one", "claim_refused", "plain", |w| {
                tokens(&w.secret, &[r#"{"tag":"hmac"}"#])
            }),
        ],
    },
    Variant {
        name: "other names of tables and columns",
        backend: Some(Backend::Sqlite),
        make: other_names,
        cases: &[
            case("good token", "good_token", "plain", every_algorithm),
            case("unknown profile", "unknown_profile", "plain", |w| {
                tokens(&w.secret, &[r#"{"tag":"nobody"}"#])
            }),
        ],
    },
    Variant {
        name: "db_driver=opensips",
        backend: Some(Backend::Mysql),
        make: |database, _| {
            Ok(group::script(&database.with_plain_password())
                .load("db_mysql.so")
                .set("db_driver", "opensips"))
        },
        cases: CASES,
    },
    Variant {
        name: "without db_url",
        backend: None,
        make: |_, world| {
            let routes = drop_in::routes(drop_in::ROUTES, world);
            Ok(Script::new(&harness::module(), &routes))
        },
        cases: &[
            case("key in the script", "key_in_script", "script-secret", |w| {
                drop_in::with_key(&w.secret, "HS256", "1")
            }),
            case(
                "key in the script, wrong",
                "key_in_script",
                "script-pem",
                |w| drop_in::with_key(&w.secret, "HS256", "-1"),
            ),
            case("no database to ask", "not_admitted", "plain", |w| {
                tokens(&w.secret, &[r#"{"tag":"hmac"}"#])
            }),
        ],
    },
];

fn good(w: &World, payload: &str) -> Rows {
    admitted(&w.secret, "HS256", payload, "dave", NO_EXTRA)
}

fn other_names(database: &Database, _: &World) -> Result<Script, String> {
    database.sql(
        "ALTER TABLE jwt_profiles RENAME TO my_profiles;\n\
         ALTER TABLE my_profiles RENAME COLUMN tag TO my_tag;\n\
         ALTER TABLE my_profiles RENAME COLUMN sip_username TO my_username;\n\
         ALTER TABLE jwt_secrets RENAME TO my_secrets;\n\
         ALTER TABLE my_secrets RENAME COLUMN corresponding_tag TO my_secret_tag;\n\
         ALTER TABLE my_secrets RENAME COLUMN secret TO my_secret;\n\
         ALTER TABLE my_secrets RENAME COLUMN start_ts TO my_start;\n\
         ALTER TABLE my_secrets RENAME COLUMN end_ts TO my_end;\n\
         UPDATE version SET table_name = 'my_profiles' WHERE table_name = 'jwt_profiles';\n\
         UPDATE version SET table_name = 'my_secrets' WHERE table_name = 'jwt_secrets';\n",
    )?;
    Ok(group::script(database)
        .set("profiles_table", "my_profiles")
        .set("secrets_table", "my_secrets")
        .set("tag_column", "my_tag")
        .set("username_column", "my_username")
        .set("secret_tag_column", "my_secret_tag")
        .set("secret_column", "my_secret")
        // The two names for the same parameter in auth_jwt's manual and in its code.
        .set("start_ts", "my_start")
        .set("end_ts_column", "my_end"))
}

/// Every variant on one core, whose databases are `backends`.
pub fn trials(setting: &Arc<Setting>, places: &[Place]) -> Vec<Trial> {
    let mut trials = Vec::new();
    for variant in VARIANTS {
        let fits = |place: &&Place| match variant.backend {
            Some(backend) => place.backend == backend,
            None => matches!(place.backend, Backend::Sqlite | Backend::DbText),
        };
        let Some(place) = places.iter().find(fits) else {
            continue;
        };
        if variant.name == "db_driver=opensips" && !place.core.drives_mysql() {
            continue;
        }
        let group = Group::made_by(setting, place, |setting, place| {
            let database = setting.database(place.backend)?;
            let script = (variant.make)(&database, setting.world())?;
            Ok((database, script))
        });
        trials.extend(trials_of(
            &group,
            &format!("{place}, {}", variant.name),
            variant.cases,
        ));
    }
    trials
}
