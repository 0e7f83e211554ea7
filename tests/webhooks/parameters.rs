//! The effect of parameters on a request: method, authentication, signature, headers, TLS, nonces.

use harness::core::Core;
use harness::device::Question;
use harness::digest::Challenge;
use harness::script::Script;

use super::decisions::BOTH;
use super::group::{Group, Scenario};
use super::setting::{BASIC, SIGNATURE_SECRET, Setting, script};

/// Everything that can be set is set.
pub fn script_with_all(setting: &Setting, _: &Core) -> Result<Script, String> {
    let (_, identity) = setting.secure()?;
    Ok(script()
        .set("http_url", setting.guarded()?.url().as_str())
        .set("http_username", BASIC.0)
        .set("http_password", BASIC.1)
        .set("http_signature_secret", SIGNATURE_SECRET)
        .set("http_headers", 1)
        .set("http_user_agent", "tests of auth_web")
        .set("http_tls_ca", identity.certificate.as_str())
        .set("nonce_check", 0))
}

/// GET, and any server certificate is accepted.
pub fn script_with_get(setting: &Setting, _: &Core) -> Result<Script, String> {
    Ok(script()
        .set(
            "http_url",
            setting.guarded()?.url_with(&userinfo(BASIC.1)).as_str(),
        )
        .set("http_method", "GET")
        .set("http_signature_secret", SIGNATURE_SECRET)
        .set("http_tls_verify", 0))
}

/// The trials with all.
pub const WITH_ALL: &[Scenario] = &[
    ("Basic authentication and signature", guarded),
    ("http_headers and http_user_agent", headers),
    ("nonce_check=0", unchecked),
    ("http_tls_ca", authority),
];

/// The trials with GET.
pub const WITH_GET: &[Scenario] = &[("http_method GET, http_tls_verify=0", get)];

fn userinfo(password: &str) -> String {
    let password = password
        .replace('%', "%25")
        .replace('@', "%40")
        .replace(':', "%3A");
    format!("{}:{password}", BASIC.0)
}

fn guarded(group: &Group) -> Result<(), String> {
    let endpoint = group.setting.guarded()?;
    let since = group.log_length();
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        group.authorize(&question, "1")?;
        let with = |userinfo: &str| question.clone().with("X-URL", endpoint.url_with(userinfo));
        group.authorize(&with(&userinfo(BASIC.1)), "1")?;
        // The URL takes precedence over the parameters, even if it is wrong.
        group.authorize(&with(&userinfo("wrong")), "-5")?;
    }
    group.expect_log(since, &["http://127.0.0.1", "it answered with status 401"])
}

fn headers(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    let question = Question::register("async", "john", "a.example")
        .with("X-Custom", "once")
        .with("X-Custom", "and again");
    let challenge = device.challenge(&question)?;
    let response = device.respond(&question, &challenge, "secret");
    device.ask_with(&question, &response)?.expect("1")?;
    let asked = group.setting.guarded()?.request(&challenge.nonce)?;
    if asked["headers"]["user-agent"] != "tests of auth_web" {
        return Err(format!("{}", asked["headers"]));
    }
    let headers = asked["asked"]["headers"].to_string();
    for expected in ["once", "and again", "z9hG4bK", "\"max-forwards\":\"70\""] {
        if !headers.contains(expected) {
            return Err(format!("{expected} is missing: {headers}"));
        }
    }
    Ok(())
}

fn unchecked(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        let challenge = Challenge {
            realm: "a.example".to_string(),
            nonce: "made by OpenSIPS's auth module".to_string(),
            algorithm: "MD5".to_string(),
            qop: None,
            opaque: None,
            stale: false,
        };
        let response = device.respond(&question, &challenge, "secret");
        for _ in 0..2 {
            device.ask_with(&question, &response)?.expect("1")?;
        }
    }
    Ok(())
}

fn authority(group: &Group) -> Result<(), String> {
    let (endpoint, _) = group.setting.secure()?;
    for service in BOTH {
        let question =
            Question::register(service, "john", "a.example").with("X-URL", endpoint.url());
        group.authorize(&question, "1")?;
    }
    Ok(())
}

fn get(group: &Group) -> Result<(), String> {
    let device = group.device()?;
    for service in BOTH {
        let question = Question::register(service, "john", "a.example");
        let challenge = device.challenge(&question)?;
        let mut response = device.respond(&question, &challenge, "secret");
        response.opaque = Some("with & = % + blanks".to_string());
        device.ask_with(&question, &response)?.expect("1")?;
        let asked = group.setting.guarded()?.request(&challenge.nonce)?;
        let members = &asked["asked"];
        if asked["http_method"] != "GET"
            || members["opaque"] != "with & = % + blanks"
            || members["expires"] != "3600"
            || members["method"] != "REGISTER"
        {
            return Err(format!("{asked}"));
        }
        let (secure, _) = group.setting.secure()?;
        group.authorize(&question.with("X-URL", secure.url()), "1")?;
    }
    Ok(())
}
