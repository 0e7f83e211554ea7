//! Tokens that their issuer is asked for (RFC 7662).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use harness::core::Core;
use harness::keys::Key;
use harness::script::Script;
use harness::secrecy;
use harness::server::wait_for;
use harness::setting::Setting;
use harness::sip;
use harness::tokens::now;
use serde_json::{Value, json};

use super::discovery::of;
use super::introspector::{Introspector, Reply};
use super::provider::{jwk, patient};
use super::running::{LIMIT, Running, Said};

/// A secret with everything that has to be escaped.
const SECRET: &str = "s e:c%r+et/\u{fc}-of-the-client";

/// What an issuer says of a good token.
fn alice() -> Value {
    json!({
        "active": true, "sub": "alice", "client_id": "phone", "username": "alice@example.org",
        "aud": ["sip", "account"], "scope": "openid sip", "token_type": "Bearer",
        "exp": now() + 600, "iat": now(), "nbf": now(), "jti": "one",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut said = alice();
    said[name] = value;
    said
}

fn script(script: Script) -> Script {
    patient(script)
        .set("audience", "sip")
        .set("introspection_client_id", "sip:proxy")
        .set("introspection_client_secret", SECRET)
        .set("http_breaker_failures", 0)
}

/// Each way in which a client proves who it is.
pub fn clients(setting: &Setting, core: &Core) -> Result<(), String> {
    let folder = setting.folder();
    let key = harness::root().join("tests/keys/ec-p256.test-private.pem");
    let public = harness::root().join("tests/keys/ec-p256.public.pem");
    let public = std::fs::read_to_string(public).map_err(|e| e.to_string())?;
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let file = folder.join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).map_err(|e| e.to_string())?;
    let file = format!("file://{}", file.display());
    let key = format!("file://{}", key.display());
    let basic = STANDARD.encode("sip%3Aproxy:s%20e%3Ac%25r%2Bet%2F%C3%BC-of-the-client");
    for (auth, secret) in [
        ("client_secret_basic", SECRET),
        ("client_secret_post", file.as_str()),
        ("private_key_jwt", key.as_str()),
        ("none", ""),
    ] {
        let issuer = Introspector::start_with_tls(&setting.folder())?;
        let token = "ya29.a~b+c/d-opaque-token-of-alice==";
        issuer.say(token, &alice());
        let mut running = Running::start_with(setting, core, 1, |it| {
            let it = patient(it)
                .set("http_tls_ca", issuer.authority())
                .set("introspection_url", issuer.url().as_str())
                .set("introspection_client_id", "sip:proxy")
                .set("introspection_auth", auth);
            match auth {
                "none" => it,
                "private_key_jwt" => it
                    .set("introspection_client_secret", secret)
                    .set("introspection_key_id", "one"),
                _ => it.set("introspection_client_secret", secret),
            }
        })?;
        let said = running.expect(&format!("Bearer {token}"), 1)?;
        said.expect_header("X-User", "alice")?;
        let all = issuer.asked();
        let [asked] = all.as_slice() else {
            return Err(format!("{auth}: asked {all:?}"));
        };
        let authorization = asked.header("authorization");
        let assertion = asked.field("client_assertion");
        let is_proven = match auth {
            "client_secret_basic" => authorization == format!("Basic {basic}"),
            "client_secret_post" => {
                asked.field("client_secret") == SECRET && asked.field("client_id") == "sip:proxy"
            }
            "private_key_jwt" => {
                running.ask_with_key(assertion, &public)?.expect(1)?;
                let part = |number: usize| {
                    let part = assertion.split('.').nth(number).unwrap_or_default();
                    let part = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
                    serde_json::from_slice::<Value>(&part).unwrap_or_default()
                };
                let (head, claims) = (part(0), part(1));
                head["kid"] == "one"
                    && claims["iss"] == "sip:proxy"
                    && claims["sub"] == "sip:proxy"
                    && claims["aud"] == issuer.url()
                    && claims["jti"].as_str().is_some_and(|jti| jti.len() == 32)
                    && claims["exp"].as_i64().is_some_and(|exp| exp <= now() + 60)
                    && asked.field("client_assertion_type")
                        == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            }
            _ => asked.field("client_id") == "sip:proxy",
        };
        let others = [
            ("client_secret_basic", !authorization.is_empty()),
            (
                "client_secret_post",
                !asked.field("client_secret").is_empty(),
            ),
            ("private_key_jwt", !assertion.is_empty()),
        ];
        let is_alone = others.iter().all(|(way, used)| *used == (*way == auth));
        if !is_proven || !is_alone || asked.field("token") != token {
            return Err(format!("{auth}: {asked:?}"));
        }
        if asked.header("content-type") != "application/x-www-form-urlencoded"
            || asked.header("accept") != "application/json"
            || asked.field("token_type_hint") != "access_token"
        {
            return Err(format!("{auth}: {asked:?}"));
        }
        let log = running.instance.log();
        secrecy::check(&log, [SECRET, &basic, token])?;
        running.instance.check_workers()?;
    }
    Ok(())
}

/// What an issuer says is judged as what a token says; where it is asked is in its metadata.
pub fn judged(setting: &Setting, core: &Core) -> Result<(), String> {
    let issuer = Introspector::start()?;
    let name = issuer.publish("/a", &[jwk("one", &Key::p256())]);
    let mut running = Running::start(setting, core, |it| {
        script(it)
            .set("issuer_url", name.as_str())
            .set("required_scope", "sip")
            .set("required_claims", "client_id=phone")
            .set("token_type", "at+jwt")
            .set("require_exp", 1)
            .set("jwt_aor", "example.org")
            .set("load_claims", "$avp(role)=username;$avp(org)=aud[1]")
    })?;
    let ask = |token: &str| {
        let exchange = running.exchange("plain", &[("X-JWT", token)])?;
        Said::of(exchange)
    };
    // The user of To.
    let good = |said: Value| {
        let mut said = said;
        if said["sub"] == "alice" {
            said["sub"] = json!("plain");
        }
        said
    };
    issuer.say("good", &good(alice()));
    ask("good")?
        .expect(1)?
        .expect_header("X-User", "plain")?
        .expect_header("X-Claims", "alice@example.org|account|0|<null>")?;
    let said = ask("good")?.expect(1)?;
    let decoded = said.answer.header("X-Decoded").unwrap_or_default();
    if !decoded.starts_with(r#"{}.{"active":true,"#) {
        return Err(format!("out_decoded is {decoded}"));
    }
    let asked = issuer.asked();
    if asked.iter().any(|asked| asked.path != "/a/introspect") {
        return Err(format!("asked elsewhere: {asked:?}"));
    }
    for (number, (said, code)) in [
        (json!({ "active": false, "sub": "plain" }), -1),
        (with("exp", json!(now() - 1)), -3),
        (with("nbf", json!(now() + 600)), -3),
        (with("exp", json!("soon")), -3),
        (with("exp", Value::Null), -3),
        (with("aud", json!("account")), -5),
        (with("aud", Value::Null), -5),
        (with("iss", json!("https://elsewhere.example")), -5),
        (with("iss", json!(name)), 1),
        (with("scope", json!("openid")), -5),
        (with("client_id", json!("other")), -5),
        (with("token_type", json!("DPoP")), -5),
        (with("token_type", json!("bearer")), 1),
        (with("token_use", json!("refresh_token")), -5),
        (with("sub", json!("bob")), -7),
        (with("sub", json!(7)), -5),
        (with("username", json!("a\r\nb")), -5),
        (with("active", json!("true")), -6),
        (with("active", json!(1)), -6),
        (with("jti", json!("two")), 1),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("token-{number}");
        let said = good(said);
        issuer.say(&token, &said);
        ask(&token)
            .and_then(|answer| answer.expect(code))
            .map_err(|e| format!("{said}: {e}"))?;
    }
    // Nobody is asked for what can't be a token.
    let asked = issuer.count();
    for token in [
        "a\"b",
        "a,b",
        "a=b",
        "a%20b",
        "a b",
        "=",
        "ä",
        &"a".repeat(8193),
    ] {
        ask(token)?.expect(-2)?;
    }
    // Nor for what is no JSON Web Token, although it begins like one.
    ask("eyJhbGciOiJFUzI1NiJ9.e.AA")?.expect(-2)?;
    issuer.expect(asked)?;
    // What is revoked is revoked at once, also where it is remembered.
    ask("good")?.expect(1)?;
    running
        .mi
        .run("jwt_revoke", json!({ "type": "jti", "value": "one" }))?;
    ask("good")?.expect(-8)?;
    ask("token-19")?.expect(1)?;
    running.instance.check_workers()
}

/// An answer is kept for its time, and no longer than the token lasts; `jwt_reload` ends it.
pub fn remembered(setting: &Setting, core: &Core) -> Result<(), String> {
    let issuer = Introspector::start()?;
    let start = |ttl: i64, inactive_ttl: i64| {
        Running::start_with(setting, core, 1, |it| {
            script(it)
                .set("introspection_url", issuer.url().as_str())
                .set("introspection_ttl", ttl)
                .set("introspection_inactive_ttl", inactive_ttl)
        })
    };
    let running = start(3600, 3600)?;
    issuer.say("good", &alice());
    for _ in 0..3 {
        running.expect("good", 1)?;
        running.expect("bad", -1)?;
    }
    issuer.expect(2)?;
    issuer.say("good", &json!({ "active": false }));
    issuer.say("bad", &alice());
    running.expect("good", 1)?;
    running.mi.reload()?;
    for _ in 0..3 {
        running.expect("good", -1)?;
        running.expect("bad", 1)?;
    }
    issuer.expect(4)?;
    // It ends while it is remembered.
    issuer.say("short", &with("exp", json!(now() + 2)));
    running.expect("short", 1)?;
    let ended = wait_for(LIMIT, || {
        let said = running.ask("short").ok()?;
        (said.code == -3).then_some(())
    });
    ended.ok_or("a token outlives its exp")?;
    issuer.expect(5)?;
    drop(running);
    // For a second.
    let running = start(1, 1)?;
    issuer.say("good", &alice());
    for (token, other) in [("good", json!({ "active": false })), ("none", alice())] {
        let before = running.ask(token)?.code;
        issuer.say(token, &other);
        let changed = wait_for(LIMIT, || {
            let said = running.ask(token).ok()?;
            (said.code != before).then_some(())
        });
        changed.ok_or_else(|| format!("{token} is remembered for ever"))?;
    }
    drop(running);
    let mut running = start(0, 0)?;
    issuer.say("good", &alice());
    let before = issuer.count();
    for _ in 0..2 {
        running.expect("good", 1)?;
        running.expect("bad-again", -1)?;
    }
    issuer.expect(before + 4)?;
    running.instance.check_workers()
}

/// Made-up tokens: after so many nobody is asked for a while, and what is remembered is served.
pub fn flood(setting: &Setting, core: &Core) -> Result<(), String> {
    for (limit, other) in [
        ("introspection_source_limit", "introspection_limit"),
        ("introspection_limit", "introspection_source_limit"),
    ] {
        let issuer = Introspector::start()?;
        let mut running = Running::start(setting, core, |it| {
            script(it)
                .set("introspection_url", issuer.url().as_str())
                .set(limit, 3)
                .set(other, 1_000_000)
                // A time-out is -6 as well.
                .set("introspection_timeout", 10_000)
        })?;
        issuer.say("good", &alice());
        issuer.say("new", &alice());
        running.everywhere("good", 1)?;
        let asked = issuer.count();
        // However slowly, some day so many are of one window.
        let mut said = Vec::new();
        let mut made_up = 0..;
        let last = wait_for(LIMIT, || {
            let token = format!("made-up-{}", made_up.next().unwrap_or_default());
            match running.ask(&token) {
                Ok(answer) if answer.code == -1 => {
                    said.push(answer);
                    None
                }
                other => Some(other),
            }
        });
        let last = last.ok_or("there is no limit")?;
        last?.expect(-6)?.because(limit)?;
        issuer.expect(asked + said.len())?;
        running.everywhere("good", 1)?;
        // It is over some time.
        let over = wait_for(LIMIT, || {
            let said = running.ask("new").ok()?;
            (said.code == 1).then_some(())
        });
        over.ok_or("it never ends")?;
        running.instance.check_workers()?;
    }
    Ok(())
}

/// An endpoint that hangs, refuses, or answers something else: nobody is admitted, and the log says why.
pub fn faults(setting: &Setting, core: &Core) -> Result<(), String> {
    let issuer = Introspector::start()?;
    let mut running = Running::start_with(setting, core, 1, |it| {
        script(it)
            .set("introspection_url", issuer.url().as_str())
            .set("introspection_timeout", 500)
    })?;
    let good = || Reply::json(&alice());
    let text = |body: &str| Reply {
        body: body.as_bytes().to_vec(),
        ..good()
    };
    let status = |status: u16| Reply { status, ..good() };
    let elsewhere = Introspector::start()?;
    elsewhere.say("redirect", &alice());
    for (token, reply, line) in [
        (
            "hang",
            Reply {
                held: true,
                ..good()
            },
            // On a busy machine the thread that waits may be given up first.
            "timed out",
        ),
        (
            "unauthorized",
            status(401),
            "refuses the credentials of this client (status 401)",
        ),
        (
            "forbidden",
            status(403),
            "refuses the credentials of this client (status 403)",
        ),
        (
            "not-found",
            status(404),
            "answered with status 404, which must be 200",
        ),
        (
            "broken",
            status(500),
            "answered with status 500, which must be 200",
        ),
        (
            "created",
            status(201),
            "answered with status 201, which must be 200",
        ),
        (
            "redirect",
            Reply {
                status: 307,
                head: format!("Location: {}\r\n", elsewhere.url()),
                ..good()
            },
            "a redirect (status 307), which is not followed",
        ),
        (
            "html",
            Reply {
                media_type: "text/html",
                ..good()
            },
            "is \"text/html\", not application/json",
        ),
        ("signed", Reply::signed("a.b.c"), "not application/json"),
        ("no-json", text("active=true"), "is not a JSON object"),
        ("cut", text(r#"{"active":true"#), "is not JSON at byte"),
        (
            "array",
            text(r#"[{"active":true}]"#),
            "is not a JSON object",
        ),
        (
            "twice",
            text(r#"{"active":true,"sub":"a","active":true}"#),
            "names a member twice",
        ),
        ("empty", text(""), "is not a JSON object"),
        (
            "undecided",
            text(r#"{"sub":"alice"}"#),
            "has no active that is true or false",
        ),
        (
            "long",
            Reply::json(&with("x", json!("x".repeat(64 * 1024)))),
            "its answer is longer than 65536 bytes",
        ),
    ] {
        issuer.reply(token, reply);
        let said = running
            .expect(token, -6)
            .map_err(|e| format!("{token}: {e}"))?;
        said.because("its issuer could not be asked")?;
        let log = running.instance.log();
        let refused = |log_line: &&str| {
            log_line.contains("its issuer could not be asked: ") && log_line.contains(line)
        };
        if !log.lines().any(|it| refused(&it)) {
            return Err(format!("{token}: no line {line}: {log}"));
        }
    }
    elsewhere.expect(0)?;
    issuer.release();
    // None of that was remembered.
    issuer.say("broken", &alice());
    running.expect("broken", 1)?;
    drop(issuer);
    running.expect("refused", -6)?;
    let log = running.instance.log();
    match log.contains("can't connect: ") {
        true => running.instance.check_workers(),
        false => Err(format!("no line on the connection: {log}")),
    }
}

/// Signed answers (RFC 9701): good, forged, and of other keys.
pub fn signed(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, next, other) = (Key::p256(), Key::p256(), Key::p256());
    let issuer = Introspector::start()?;
    let name = issuer.publish("/a", &[jwk("one", &key)]);
    let mut running = Running::start(setting, core, |it| {
        script(it)
            .set("issuer_url", name.as_str())
            .set("introspection_signed", 1)
            .set("jwks_min_refresh", 1)
            .set("introspection_ttl", 0)
    })?;
    let sign = |key: &Key, kid: &str, header: Value, claims: Value| {
        let mut head = json!({ "alg": "ES256", "kid": kid, "typ": "token-introspection+jwt" });
        let mut body = json!({
            "iss": name, "aud": "sip:proxy", "iat": now(), "token_introspection": alice(),
        });
        for (all, more) in [(&mut head, header), (&mut body, claims)] {
            if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
                all.extend(more);
            }
        }
        let token =
            harness::tokens::with_header(key, "ES256", &head.to_string(), &body.to_string());
        Reply::signed(&token)
    };
    let none = || json!({});
    for (number, (reply, code)) in [
        (sign(&key, "one", none(), none()), 1),
        (
            sign(&key, "one", none(), json!({ "aud": ["x", "sip:proxy"] })),
            1,
        ),
        (sign(&key, "one", none(), json!({ "iat": now() - 250 })), 1),
        (
            sign(
                &key,
                "one",
                none(),
                json!({ "token_introspection": { "active": false } }),
            ),
            -1,
        ),
        (
            sign(
                &key,
                "one",
                none(),
                json!({ "token_introspection": with("aud", json!("x")) }),
            ),
            -5,
        ),
        (Reply::json(&alice()), -6),
        (sign(&other, "one", none(), none()), -6),
        (sign(&key, "one", json!({ "typ": "JWT" }), none()), -6),
        (sign(&key, "one", json!({ "alg": "none" }), none()), -6),
        (
            sign(
                &key,
                "one",
                none(),
                json!({ "iss": "https://elsewhere.example" }),
            ),
            -6,
        ),
        (sign(&key, "one", none(), json!({ "aud": "another" })), -6),
        (sign(&key, "one", none(), json!({ "iat": now() - 600 })), -6),
        (sign(&key, "one", none(), json!({ "iat": now() + 600 })), -6),
        (sign(&key, "one", none(), json!({ "iat": null })), -6),
        (
            sign(
                &key,
                "one",
                none(),
                json!({ "token_introspection": null, "active": true }),
            ),
            -6,
        ),
        (
            sign(&key, "one", none(), json!({ "token_introspection": "x" })),
            -6,
        ),
        (Reply::signed("not.a.token"), -6),
    ]
    .into_iter()
    .enumerate()
    {
        let token = format!("token-{number}");
        issuer.reply(&token, reply);
        running
            .expect(&token, code)
            .map_err(|e| format!("{number}: {e}"))?;
    }
    let wrong = |it: &super::introspector::Asked| {
        it.header("accept") != "application/token-introspection+jwt"
    };
    if issuer.asked().iter().any(wrong) {
        return Err(format!("{:?}", issuer.asked()));
    }
    // A new key.
    issuer.publish("/a", &[jwk("two", &next)]);
    running.until_asked_again();
    issuer.reply("next", sign(&next, "two", none(), none()));
    running.everywhere("next", 1)?;
    issuer.reply("before", sign(&key, "one", none(), none()));
    running.expect("before", -6)?;
    running.instance.check_workers()
}

/// With "all", a JSON Web Token is checked first, and then asked for.
pub fn all(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, other) = (Key::p256(), Key::p256());
    let issuer = Introspector::start()?;
    let name = issuer.publish("/a", &[jwk("one", &key)]);
    let mut running = Running::start_with(setting, core, 1, |it| {
        script(it)
            .set("issuer_url", name.as_str())
            .set("introspection_tokens", "all")
            .set("introspection_ttl", 3600)
            .set("introspection_inactive_ttl", 0)
    })?;
    // It has little to say by itself.
    let good = of(&name, &key, "one");
    issuer.say(&good, &json!({ "active": true, "aud": "sip" }));
    for _ in 0..2 {
        running.expect(&good, 1)?.expect_header("X-User", "alice")?;
    }
    issuer.expect(1)?;
    for token in [
        of(&name, &other, "one"),
        of("https://elsewhere.example", &key, "one"),
        super::discovery::with(&name, &key, "one", json!({ "exp": now() - 1 })),
    ] {
        issuer.say(&token, &alice());
        let code = running.ask(&token)?.code;
        if code >= 0 {
            return Err(format!("{token}: {code}"));
        }
    }
    issuer.expect(1)?;
    let mut last = String::new();
    for (jti, said, code) in [
        ("a", json!({ "active": false }), -1),
        ("b", json!({ "active": true }), -5),
        (
            "c",
            json!({ "active": true, "aud": "sip", "sub": "bob" }),
            -5,
        ),
        (
            "d",
            json!({ "active": true, "aud": "sip", "exp": now() - 1 }),
            -3,
        ),
        ("e", json!({ "active": true, "aud": "sip", "jti": "e" }), 1),
    ] {
        let token = super::discovery::with(&name, &key, "one", json!({ "jti": jti }));
        issuer.say(&token, &said);
        running
            .expect(&token, code)
            .map_err(|e| format!("{said}: {e}"))?;
        last = token;
    }
    running
        .mi
        .run("jwt_revoke", json!({ "type": "jti", "value": "e" }))?;
    running.expect(&last, -8)?;
    // Opaque ones too.
    issuer.say("opaque", &alice());
    running.expect("opaque", 1)?;
    running.instance.check_workers()
}

/// While the endpoint takes its time, the only worker serves others.
pub fn waiting(setting: &Setting, core: &Core) -> Result<(), String> {
    let issuer = Introspector::start()?;
    let mut running = Running::start_with(setting, core, 1, |it| {
        script(it).set("introspection_url", issuer.url().as_str())
    })?;
    let held = Reply {
        held: true,
        ..Reply::json(&alice())
    };
    issuer.reply("slow", held);
    issuer.say("quick", &alice());
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| running.exchange("async", &[("X-JWT", "slow")]));
        wait_for(LIMIT, || (issuer.count() == 1).then_some(())).ok_or("nobody was asked")?;
        if !sip::ping("127.0.0.1", running.instance.port, LIMIT) {
            return Err("the worker waits".to_owned());
        }
        running.expect("quick", 1)?;
        issuer.release();
        let answer = asked.join().map_err(|_| "a panic")??;
        Said::of(answer)?.expect(1).map(drop)
    })?;
    running.instance.check_workers()
}
