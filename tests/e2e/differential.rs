//! Our module and the C module auth_jwt, each in the same OpenSIPS with the same script, given the
//! same requests: the results must be identical, byte for byte.
//!
//! Tokens for which the two differ on purpose are listed here by name, with the reason.

use std::sync::Arc;
use std::time::Duration;

use harness::answer::Answer;
use harness::database::Backend;
use harness::keys::Key;
use harness::setting::{Place, Setting, ignored};
use harness::sip;
use harness::tokens::{token, with_header};
use harness::world::{APOSTROPHE, World};
use libtest_mimic::{Failed, Trial};

use super::drop_in::{routes, script};
use super::group::Group;

/// What a trial does with a pair of cores.
type Run = Box<dyn Fn(&Pair, &World) -> Result<(), Failed> + Send>;

const ROUTES: &str = include_str!("differential.cfg");

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(10);

/// A token that the two treat differently.
struct Difference {
    name: &'static str,
    /// What the C module returns; several values where it depends on release and database.
    theirs: &'static [&'static str],
    /// What ours returns.
    ours: &'static str,
    reason: &'static str,
    token: fn(&World) -> String,
}

/// All intentional differences between the two.
const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "expired",
        theirs: &["1"],
        ours: "-3",
        reason: "RFC 7519, 4.1.4: a token must not be accepted on or after its exp",
        token: |w| full(w, r#""exp":1"#),
    },
    Difference {
        name: "not yet valid",
        theirs: &["1"],
        ours: "-3",
        reason: "RFC 7519, 4.1.5: a token must not be accepted before its nbf",
        token: |w| full(w, &format!(r#""nbf":{}"#, w.now + 3600)),
    },
    Difference {
        name: "signed HS256 with the PEM of the public key",
        theirs: &["1"],
        ours: "-1",
        reason: "everybody knows the public key, so everybody could sign",
        token: |w| {
            token(
                &Key::Secret(w.rsa.verifier().into_bytes()),
                "HS256",
                r#"{"tag":"full-rsa"}"#,
            )
        },
    },
    Difference {
        name: "exp is a string",
        theirs: &["1"],
        ours: "-3",
        reason: "RFC 7519, 4.1.4: exp must be a number",
        token: |w| full(w, &format!(r#""exp":"{}""#, w.now + 3600)),
    },
    Difference {
        name: "unknown crit",
        theirs: &["1"],
        ours: "-1",
        reason: "RFC 7515, 4.1.11: an extension that is not understood means rejected",
        token: |w| {
            let header = r#"{"alg":"HS256","crit":["b64"],"b64":true,"typ":"JWT"}"#;
            with_header(&w.secret, "HS256", header, r#"{"tag":"full"}"#)
        },
    },
    Difference {
        name: "two tags",
        theirs: &["1"],
        ours: "-2",
        reason: "RFC 7519, 4: claims of the same name; who reads the first is not who reads the last",
        token: |w| token(&w.secret, "HS256", r#"{"tag":"rsa","tag":"full"}"#),
    },
    Difference {
        name: "a number of 20 digits",
        theirs: &["-1"],
        ours: "1",
        reason: "RFC 8259, 6: JSON sets no limit to numbers, and this one is nobody's business",
        token: |w| full(w, r#""number":12345678901234567890"#),
    },
    Difference {
        name: "PS256",
        theirs: &["-1"],
        ours: "1",
        reason: "RFC 7518, 3.5: PSS is what is recommended for RSA keys",
        token: |w| token(&w.rsa, "PS256", r#"{"tag":"full-rsa"}"#),
    },
    Difference {
        name: "alg in lower case",
        theirs: &["1"],
        ours: "-1",
        reason: "RFC 7515, 4.1.1: names of algorithms are case-sensitive",
        token: |w| {
            with_header(
                &w.secret,
                "HS256",
                r#"{"alg":"hs256"}"#,
                r#"{"tag":"full"}"#,
            )
        },
    },
    Difference {
        name: "typ at+jwt",
        theirs: &["-1"],
        ours: "1",
        reason: "RFC 9068, 2.1: the type of the access tokens that OAuth servers hand out",
        token: |w| {
            with_header(
                &w.secret,
                "HS256",
                r#"{"alg":"HS256","typ":"at+jwt"}"#,
                r#"{"tag":"full"}"#,
            )
        },
    },
    Difference {
        name: "tag with an apostrophe",
        theirs: &["-1", "1"],
        ours: "1",
        reason: "a tag is data, not SQL",
        token: |w| {
            token(
                &w.secret,
                "HS256",
                &format!(r#"{{"tag":"full-{APOSTROPHE}"}}"#),
            )
        },
    },
];

/// The two modules, each in a core of its own.
struct Pair {
    theirs: Arc<Group>,
    ours: Arc<Group>,
}

impl Pair {
    fn ask(&self, service: &str, text: &str) -> Result<(Answer, Answer), String> {
        let ask = |group: &Group| {
            let port = group.port()?;
            let answer = sip::exchange(port, "REGISTER", service, &[("X-JWT", text)], LIMIT);
            answer.map_err(|e| format!("no answer: {e}"))
        };
        Ok((ask(&self.theirs)?, ask(&self.ours)?))
    }

    /// Ok if both return the same for all of the tokens and, where asked for, admit them.
    fn same(&self, service: &str, tokens: &[String], expected: Option<&str>) -> Result<(), Failed> {
        let mut complaints = String::new();
        for text in tokens {
            let (theirs, ours) = self.ask(service, text)?;
            if theirs.extensions() != ours.extensions() {
                complaints.push_str(&format!(
                    "for {text}\n  auth_jwt says {}\n  auth_web says {}\n",
                    readable(&theirs),
                    readable(&ours)
                ));
            } else if expected.is_some_and(|code| ours.header("X-RC") != Some(code)) {
                complaints.push_str(&format!("for {text}\n  both say {}\n", readable(&ours)));
            }
        }
        self.ours.look_after(&[])?;
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.into())
        }
    }
}

/// The headers, decoded where they are in hexadecimal.
fn readable(answer: &Answer) -> String {
    let mut out = String::new();
    for (name, value) in answer.extensions() {
        let text = match name {
            "X-RC" | "X-Priority" => value.to_string(),
            _ => {
                let bytes: Vec<u8> = (0..value.len() / 2)
                    .filter_map(|i| u8::from_str_radix(value.get(2 * i..2 * i + 2)?, 16).ok())
                    .collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
        };
        out.push_str(&format!("{name}: {text}  "));
    }
    out
}

/// A token for the profile in which no column is NULL; with NULL the C module would crash.
fn full(w: &World, claim: &str) -> String {
    token(&w.secret, "HS256", &format!(r#"{{"tag":"full",{claim}}}"#))
}

/// Good tokens of many shapes: the values of one claim, then headers, then algorithms.
fn good(w: &World) -> Vec<String> {
    let values = [
        // Numbers.
        "0",
        "1",
        "-1",
        "-0",
        "42",
        "9007199254740993",
        "9223372036854775807",
        "-9223372036854775808",
        "1.0",
        "-1.0",
        "0.1",
        "0.5",
        "1.5",
        "3.141592653589793",
        "2.2250738585072014e-308",
        "5e-324",
        "1.7976931348623157e308",
        "1e3",
        "1E3",
        "1e+3",
        "1e-3",
        "1e15",
        "1e16",
        "1e17",
        "1e21",
        "1e22",
        "1e23",
        "123456789.123456789",
        "0.00001",
        "0.000001",
        "1e-7",
        "100.0",
        "-0.0",
        "0.30000000000000004",
        "9007199254740993.0",
        "12345678901234567.0",
        "4.35",
        "0.000123",
        "1234567890123456789.5",
        "1e100",
        // Strings.
        r#""""#,
        r#""plain""#,
        r#""with \"quotes\" and \\ and \/ and /""#,
        r#""\b\f\n\r\t""#,
        r#""\u0001\u001f\u007f\u0080\u00ff""#,
        r#""\u0041\u00e9\u20ac""#,
        r#""\ud83d\ude00""#,
        r#""é€😀""#,
        r#""\u2028\u2029""#,
        r#""<script>&amp;'""#,
        r#""سلام שלום 你好""#,
        r#""a;b,c|d%s$avp(x)""#,
        // The rest.
        "true",
        "false",
        "null",
        "[]",
        "{}",
        "[1,2,3]",
        r#"[1,"a",null,true,{"z":1,"a":2},[[]]]"#,
        r#"{"z":1,"a":{"y":[{"q":1,"b":2}],"c":null},"m":"x"}"#,
        r#"{"":1,"B":2,"a":3,"A":4,"_":5,"1":6,"10":7,"2":8,"é":9,"z":10,"日":11,"😀":12}"#,
        r#" { "spaces" : [ 1 , 2 ] } "#,
    ];
    let mut tokens: Vec<String> = values
        .iter()
        .map(|v| full(w, &format!(r#""v":{v}"#)))
        .collect();
    let soon = w.now + 3600;
    let payloads = [
        r#"{"tag":"full"}"#.to_string(),
        r#"{ "zeta" : 1 , "tag" : "full" , "alpha" : 2 }"#.to_string(),
        r#"{"b":1,"tag":"full","a":2,"aa":3,"B":4}"#.to_string(),
        "{\n  \"tag\": \"full\",\n  \"x\": [\n    1\n  ]\n}".to_string(),
        r#"{"t\u0061g":"full"}"#.to_string(),
        r#"{"tag":"f\u0075ll"}"#.to_string(),
        format!(
            r#"{{"iss":"https://a.example","sub":"u","aud":["a","b"],"exp":{soon},"nbf":{},"iat":{},"jti":"1","tag":"full"}}"#,
            w.now - 5,
            w.now - 5
        ),
        format!(r#"{{"exp":{soon}.5,"tag":"full"}}"#),
        format!(r#"{{"tag":"full","pad":"{}"}}"#, "x".repeat(3000)),
    ];
    tokens.extend(
        payloads
            .iter()
            .map(|payload| token(&w.secret, "HS256", payload)),
    );
    let headers = [
        r#"{"alg":"HS256"}"#,
        r#"{"typ":"JWT","alg":"HS256"}"#,
        r#"{"alg":"HS256","typ":"JWT","kid":"1"}"#,
        r#"{"kid":"a \"b\"","alg":"HS256","typ":"JWT","zip":null,"n":1.0,"o":{"z":1,"a":2}}"#,
        r#"{ "alg" : "HS256" , "typ" : "JWT" }"#,
        r#"{"alg":"HS256","typ":"jwt"}"#,
        r#"{"alg":"HS256","cty":"JWT"}"#,
        r#"{"\u0061lg":"HS256"}"#,
    ];
    let payload = r#"{"tag":"full"}"#;
    tokens.extend(
        headers
            .iter()
            .map(|h| with_header(&w.secret, "HS256", h, payload)),
    );
    for (key, alg, tag) in [
        (&w.secret, "HS384", "full"),
        (&w.secret, "HS512", "full"),
        (&w.rsa, "RS256", "full-rsa"),
        (&w.rsa, "RS384", "full-rsa"),
        (&w.rsa, "RS512", "full-rsa"),
        (&w.p256, "ES256", "full-ec"),
    ] {
        tokens.push(token(key, alg, &format!(r#"{{"tag":"{tag}"}}"#)));
    }
    tokens
}

/// Tokens that neither may admit.
fn bad(w: &World) -> Vec<String> {
    let mut tokens = vec![
        token(&w.other_secret, "HS256", r#"{"tag":"full"}"#),
        token(&w.other_rsa, "RS256", r#"{"tag":"full-rsa"}"#),
        token(&w.other_p256, "ES256", r#"{"tag":"full-ec"}"#),
        with_header(&w.secret, "HS256", r#"{"alg":"none"}"#, r#"{"tag":"full"}"#),
    ];
    tokens.extend(["garbage", "a.b.c", "e30.e30.e30"].map(str::to_string));
    tokens
}

/// The trials of one OpenSIPS with one database.
pub fn trials(setting: &Arc<Setting>, place: &Place) -> Vec<Trial> {
    let Some(theirs) = place.core.module("auth_jwt.so") else {
        let reason = "this core has no C module auth_jwt".to_string();
        return vec![ignored(format!("{place}, against auth_jwt"), reason)];
    };
    if place.backend == Backend::DbText {
        let reason = "the C module cannot use db_text, which knows no raw queries".to_string();
        return vec![ignored(format!("{place}, against auth_jwt"), reason)];
    }
    let group = |theirs: Option<std::path::PathBuf>| {
        Group::made_by(setting, place, move |setting, place| {
            let module = match &theirs {
                Some(path) => path.clone(),
                None => setting.module_named("auth_jwt.so")?,
            };
            let database = setting.database(place.backend)?.with_plain_password();
            let routes = routes(ROUTES, setting.world());
            let script = script(&routes, &module, &place.core, &database);
            Ok((database, script))
        })
    };
    let pair = Arc::new(Pair {
        theirs: group(Some(theirs)),
        ours: group(None),
    });
    let mut trials = Vec::new();
    let mut trial = |name: &str, run: Run| {
        let (pair, setting) = (Arc::clone(&pair), Arc::clone(setting));
        let name = format!("{place}, against auth_jwt: {name}");
        trials.push(Trial::test(name, move || run(&pair, setting.world())));
    };
    trial(
        "good tokens",
        Box::new(|pair, w| pair.same("db", &good(w), Some("1"))),
    );
    trial(
        "bad tokens, key in the script",
        Box::new(|pair, w| pair.same("script-secret", &bad(w), None)),
    );
    trial(
        "good tokens, key in the script",
        Box::new(|pair, w| {
            let secret: Vec<String> = good(w);
            pair.same("script-secret", &secret, None)?;
            let pem = [
                token(&w.rsa, "RS256", "{}"),
                token(&w.rsa, "RS512", r#"{"b":1,"a":2}"#),
            ];
            pair.same("script-pem", &pem, Some("1"))
        }),
    );
    trial(
        "decoding without a key",
        Box::new(|pair, w| pair.same("script-no-key", &good(w), Some("-1"))),
    );
    trial(
        "key out of a certificate",
        Box::new(|pair, _| {
            pair.same("certificate", &[String::new()], Some("1"))?;
            pair.same("no-certificate", &["garbage".to_string()], Some("-1"))
        }),
    );
    for difference in DIFFERENCES {
        trial(
            &format!("different on purpose: {}", difference.name),
            Box::new(move |pair, w| {
                let (theirs, ours) = pair.ask("db", &(difference.token)(w))?;
                let [theirs, ours] = [theirs, ours]
                    .map(|answer| answer.header("X-RC").unwrap_or("nothing").to_string());
                if difference.theirs.contains(&theirs.as_str()) && ours == difference.ours {
                    return Ok(());
                }
                Err(format!(
                    "auth_jwt returns {theirs}, auth_web {ours}; expected were {} and {}, since {}",
                    difference.theirs.join(" or "),
                    difference.ours,
                    difference.reason
                )
                .into())
            }),
        );
    }
    trials
}
