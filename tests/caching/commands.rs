//! Commands that tell: what is in force, what is at work, what would be said of a token.

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::secrecy;
use harness::setting::Setting;
use harness::tokens::token;
use serde_json::{Value, json};

use super::demand::of;
use super::provider::{Provider, jwk, patient};
use super::running::Running;

/// A member of an answer, by its path.
fn at(answer: &Value, path: &str) -> Value {
    answer.pointer(path).cloned().unwrap_or(Value::Null)
}

fn expect(answer: &Value, path: &str, value: Value) -> Result<(), String> {
    match at(answer, path) == value {
        true => Ok(()),
        false => Err(format!("{path} is not {value}: {answer}")),
    }
}

/// What is asked with wrong parameters is an error with this code.
fn refused(answer: Result<Value, String>, code: &str) -> Result<(), String> {
    match answer {
        Ok(answer) => Err(format!("{code} expected, not {answer}")),
        Err(error) if error.contains(code) => Ok(()),
        Err(error) => Err(error),
    }
}

/// `jwt_check` says of each token what `jwt_authorize` does, counts nothing, and tells which secret verifies it; the
/// others tell what is in force. No answer has a secret.
pub fn tell(setting: &Setting, core: &Core) -> Result<(), String> {
    const PASSWORD: &str = "Gehe1m-Kennwort";
    let (old, key, other) = (Key::secret(), Key::secret(), Key::secret());
    let mut content = Content::default();
    content.profile("alice", "alice-sip");
    content.secret_between("alice", &old.verifier(), 0, 5);
    content.secret("alice", &key.verifier());
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut running = Running::start(setting, core, |script| {
        script
            .database(&database)
            .set("leeway", 3)
            .set("http_username", "me")
            .set("http_password", PASSWORD)
            .set(
                "http_url",
                format!("http://u:{PASSWORD}@127.0.0.1:9/x?key={PASSWORD}").as_str(),
            )
    })?;
    let mi = &running.mi;
    let mut said = String::new();
    let mut run = |method: &str, params: Value| -> Result<Value, String> {
        let answer = mi.run(method, params)?;
        said.push_str(&answer.to_string());
        said.push('\n');
        Ok(answer)
    };
    let status = run("auth_web_status", Value::Null)?;
    expect(&status, "/database/answers", json!(1))?;
    expect(&status, "/database/tables/profiles", json!(1))?;
    expect(&status, "/database/tables/endpoints", json!(0))?;
    expect(&status, "/database/tables/subscribers", json!(0))?;
    expect(&status, "/database/tables/clients", json!(0))?;
    let config = run("auth_web_config", Value::Null)?;
    let parameters = at(&config, "/parameters");
    let parameter = |name: &str| {
        let all = parameters.as_array().map(Vec::as_slice).unwrap_or_default();
        let found = all.iter().find(|it| it["name"] == name);
        found.map_or(Value::Null, |it| json!([it["value"], it["set"]]))
    };
    for (name, value) in [
        ("leeway", json!(["3", 1])),
        ("max_token_size", json!(["8192", 0])),
        ("http_password", json!(["[masked]", 1])),
        (
            "http_url",
            json!(["http://u:[masked]@127.0.0.1:9/x?[masked]", 1]),
        ),
        ("nonce_secret", json!(["", 0])),
    ] {
        if parameter(name) != value {
            return Err(format!("{name} is {}, not {value}", parameter(name)));
        }
    }
    let one = run("auth_web_config", json!({ "name": "leeway" }))?;
    expect(&one, "/parameters/0/value", json!("3"))?;
    refused(mi.run("auth_web_config", json!({ "name": "x" })), "400")?;
    let good = of("alice", &key);
    let expired = token(&key, "HS256", r#"{"tag":"alice","exp":5}"#);
    let tagless = token(&key, "HS256", r#"{"sub":"alice"}"#);
    for (text, code) in [
        (good.clone(), 1),
        (of("alice", &other), -1),
        (of("alice", &old), -1),
        ("a.b.c".to_string(), -2),
        (expired.clone(), -3),
        (of("nobody", &key), -4),
        (tagless, -5),
    ] {
        let answer = run("jwt_check", json!({ "token": text }))?;
        expect(&answer, "/code", json!(code))?;
        let said = running.expect(&text, code)?;
        if code < 0 {
            let reason = at(&answer, "/reason");
            said.because(reason.as_str().unwrap_or("?"))?;
        }
    }
    let counted = ["jwt_accepted", "jwt_rejected"].map(|name| mi.statistic(name));
    let answer = run("jwt_check", json!({ "token": good }))?;
    expect(&answer, "/verdict", json!("authorized"))?;
    expect(&answer, "/profile", json!("alice"))?;
    expect(&answer, "/username", json!("alice-sip"))?;
    expect(&answer, "/row", json!(2))?;
    let by_key = json!({ "token": good, "key": key.verifier() });
    expect(&run("jwt_check", by_key)?, "/code", json!(1))?;
    let by_key = json!({ "token": good, "key": other.verifier() });
    expect(&run("jwt_check", by_key)?, "/code", json!(-1))?;
    if counted != ["jwt_accepted", "jwt_rejected"].map(|name| mi.statistic(name)) {
        return Err("jwt_check counts".to_string());
    }
    let profile = run("jwt_profile", json!({ "tag": "alice" }))?;
    expect(&profile, "/username", json!("alice-sip"))?;
    expect(&profile, "/secrets/0/state", json!("over"))?;
    expect(&profile, "/secrets/1/state", json!("valid"))?;
    expect(&profile, "/secrets/1/keys/0/kind", json!("HMAC secret"))?;
    let nobody = run("jwt_profile", json!({ "tag": "nobody" }))?;
    expect(&nobody, "/found", json!(0))?;
    let secrets = [old.verifier(), key.verifier(), other.verifier()];
    let unspeakable = secrets.iter().map(String::as_str).chain([PASSWORD]);
    secrecy::check(&said, unspeakable.chain([good.as_str(), expired.as_str()]))?;
    running.instance.check_workers()
}

/// Where keys come from, which endpoints fail, and which credentials there are.
pub fn list(setting: &Setting, core: &Core) -> Result<(), String> {
    const PASSWORD: &str = "Gehe1m-Kennwort";
    let key = Key::p256();
    let provider = Provider::start(&setting.folder(), &[jwk("one", &key)])?;
    let closed = harness::ports::free();
    let endpoint = format!("http://127.0.0.1:{closed}/x?key={PASSWORD}");
    let credential = format!("joe:{PASSWORD};server=s.example;realm=r");
    let mut running = Running::start(setting, core, |script| {
        patient(script)
            .set("jwks_url", provider.url().as_str())
            .set("http_tls_ca", provider.authority())
            .set("issuer", "x")
            .set("audience", "x")
            .set("http_url", endpoint.as_str())
            .set("credential", credential.as_str())
    })?;
    let mi = &running.mi;
    let place = at(&mi.run("jwt_keys", Value::Null)?, "/sources/0/place");
    let fetch = || mi.run("jwt_keys_fetch", json!({ "url": place }));
    // Again and again, whatever jwks_min_refresh says.
    for kid in ["one", "two", "three"] {
        provider.publish(&[jwk(kid, &key)]);
        let fetched = fetch()?;
        expect(&fetched, "/keys/0/kid", json!(kid))?;
        let keys = mi.run("jwt_keys", Value::Null)?;
        expect(&keys, "/count", json!(1))?;
        expect(&keys, "/sources/0/of", json!("jwks_url"))?;
        expect(&keys, "/sources/0/keys/0/kid", json!(kid))?;
    }
    let stranger = json!({ "url": "https://other.example/" });
    refused(mi.run("jwt_keys_fetch", stranger), "400")?;
    provider.published().status = 500;
    refused(fetch(), "500")?;
    let keys = mi.run("jwt_keys", Value::Null)?;
    expect(&keys, "/sources/0/known", json!(1))?;
    if at(&keys, "/sources/0/error") == Value::Null {
        return Err(format!("no error: {keys}"));
    }
    let endpoints = mi.run("http_endpoints", Value::Null)?;
    expect(&endpoints, "/count", json!(1))?;
    expect(&endpoints, "/endpoints/0/urls/0/state", json!("up"))?;
    let url = at(&endpoints, "/endpoints/0/urls/0/url");
    for (state, said) in [("down", "set down"), ("up", "set up"), ("auto", "up")] {
        mi.run("http_endpoint_set", json!({ "url": url, "state": state }))?;
        let endpoints = mi.run("http_endpoints", Value::Null)?;
        expect(&endpoints, "/endpoints/0/urls/0/state", json!(said))?;
    }
    let wrong = json!({ "url": url, "state": "on" });
    refused(mi.run("http_endpoint_set", wrong), "400")?;
    let stranger = json!({ "url": "http://other.example/", "state": "up" });
    refused(mi.run("http_endpoint_set", stranger), "400")?;
    let listed = mi.run("credentials_list", Value::Null)?;
    expect(&listed, "/count", json!(1))?;
    expect(&listed, "/credentials/0/server", json!("s.example"))?;
    expect(&listed, "/credentials/0/username", json!("joe"))?;
    let of = |server: &str| {
        mi.run(
            "credentials_check",
            json!({ "server": server, "realm": "r" }),
        )
    };
    expect(&of("s.example")?, "/code", json!(1))?;
    expect(&of("s.example")?, "/username", json!("joe"))?;
    expect(&of("other.example")?, "/code", json!(2))?;
    let said = [endpoints, listed, of("s.example")?].map(|answer| answer.to_string());
    secrecy::check(&said.join("\n"), [PASSWORD])?;
    running.instance.check_workers()
}
