//! Who is admitted.
//!
//! The user file has one entry per line; empty lines and those that begin with `#` are skipped:
//!
//! ```text
//! example.org:john:secret                        a user: realm, name, password
//! example.org:mary:secret:{"expires":60}         with members for the answer
//! @example.org:{"call_hook":"https://..."}       members for every answer of a realm
//! Bearer eyJhbGciOi {"msg":"a token"}            a bearer token, members are optional
//! ```
//!
//! The members of the realm, then those of the user, go into the answer: for an admission, all but
//! `blacklist` and `blaclist`; for a denial, only these two and `msg`. A `status` among them
//! replaces the status even if the password is correct.

use std::collections::HashMap;

use aws_lc_rs::{constant_time, digest};
use md5::{Digest as _, Md5};
use serde_json::{Map, Value, json};

type Members = Map<String, Value>;

#[derive(Default)]
pub struct Users {
    /// By realm and name: password and members.
    users: HashMap<(String, String), (String, Members)>,
    realms: HashMap<String, Members>,
    tokens: HashMap<String, Members>,
}

impl Users {
    pub fn parse(file: &str) -> Result<Users, String> {
        let mut users = Users::default();
        for (number, line) in file.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                let added = users.add(line);
                added.map_err(|error| format!("users, line {}: {error}", number + 1))?;
            }
        }
        Ok(users)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        if let Some(entry) = line.strip_prefix("Bearer ") {
            let (token, extra) = entry.trim().split_once(' ').unwrap_or((entry.trim(), "{}"));
            self.tokens.insert(token.to_owned(), object(extra)?);
            return Ok(());
        }
        if let Some(entry) = line.strip_prefix('@') {
            let (realm, extra) = entry.split_once(':').ok_or("not @realm:{...}")?;
            self.realms.insert(realm.to_owned(), object(extra)?);
            return Ok(());
        }
        let mut parts = line.splitn(4, ':');
        let (Some(realm), Some(user), Some(password)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err("not realm:user:password".to_owned());
        };
        let extra = object(parts.next().unwrap_or("{}"))?;
        self.realms.entry(realm.to_owned()).or_default();
        self.users.insert(
            (realm.to_owned(), user.to_owned()),
            (password.to_owned(), extra),
        );
        Ok(())
    }

    /// The answer to a query.
    pub fn answer(&self, asked: &Members) -> Value {
        let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("scheme") == "bearer" {
            return match self.tokens.get(text("token")) {
                Some(extra) => admit([extra]),
                None => deny("unknown token", []),
            };
        }
        let Some(realm) = self.realms.get(text("realm")) else {
            return deny("unknown realm", []);
        };
        let user = (text("realm").to_owned(), text("username").to_owned());
        let Some((password, extra)) = self.users.get(&user) else {
            return deny("unknown user", [realm]);
        };
        match expected(asked, password) {
            Err(error) => deny(error, [realm, extra]),
            Ok(expected) => {
                let given = text("response").to_ascii_lowercase();
                let same =
                    constant_time::verify_slices_are_equal(given.as_bytes(), expected.as_bytes());
                match same {
                    Ok(()) => admit([realm, extra]),
                    Err(_) => deny("wrong password", [realm, extra]),
                }
            }
        }
    }
}

fn object(text: &str) -> Result<Members, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

const BANS: [&str; 2] = ["blacklist", "blaclist"];

fn admit<'a>(extras: impl IntoIterator<Item = &'a Members>) -> Value {
    let mut answer = Members::from_iter([("status".to_owned(), json!("ok"))]);
    for (name, value) in extras.into_iter().flatten() {
        answer.insert(name.clone(), value.clone());
    }
    if answer.get("status") == Some(&json!("ok")) {
        answer.retain(|name, _| !BANS.contains(&name.as_str()));
    }
    Value::Object(answer)
}

fn deny<'a>(msg: &str, extras: impl IntoIterator<Item = &'a Members>) -> Value {
    let mut answer = Members::new();
    answer.insert("status".to_owned(), json!("fail"));
    answer.insert("msg".to_owned(), json!(msg));
    for (name, value) in extras.into_iter().flatten() {
        if name == "msg" || BANS.contains(&name.as_str()) {
            answer.insert(name.clone(), value.clone());
        }
    }
    Value::Object(answer)
}

/// The response for the correct password (RFC 7616 section 3.4.1).
fn expected(asked: &Members, password: &str) -> Result<String, &'static str> {
    let text = |name: &str| asked.get(name).and_then(Value::as_str).unwrap_or_default();
    let algorithm = asked
        .get("algorithm")
        .and_then(Value::as_str)
        .unwrap_or("MD5");
    let (name, session) = match algorithm.to_ascii_uppercase().strip_suffix("-SESS") {
        Some(name) => (name.to_owned(), true),
        None => (algorithm.to_ascii_uppercase(), false),
    };
    let hash: fn(&str) -> String = match name.as_str() {
        "MD5" => |text| hex(&Md5::digest(text.as_bytes())),
        "SHA-256" => |text| hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref()),
        "SHA-512-256" => |text| hex(digest::digest(&digest::SHA512_256, text.as_bytes()).as_ref()),
        _ => return Err("unknown algorithm"),
    };
    let (nonce, cnonce) = (text("nonce"), text("cnonce"));
    let mut secret = hash(&format!(
        "{}:{}:{password}",
        text("username"),
        text("realm")
    ));
    if session {
        secret = hash(&format!("{secret}:{nonce}:{cnonce}"));
    }
    let request = hash(&format!("{}:{}", text("method"), text("uri")));
    let (qop, nc) = (text("qop"), text("nc"));
    match qop {
        "" => Ok(hash(&format!("{secret}:{nonce}:{request}"))),
        "auth" => Ok(hash(&format!(
            "{secret}:{nonce}:{nc}:{cnonce}:{qop}:{request}"
        ))),
        // It covers the body, which is not sent here.
        _ => Err("only qop auth can be checked"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes represented by hexadecimal digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7616 section 3.9.1, for GET.
    #[test]
    fn the_rfcs_examples_are_right() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let asked = json!({
                "method": "GET", "username": "Mufasa", "realm": "http-auth@example.org",
                "uri": "/dir/index.html", "algorithm": algorithm, "nc": "00000001",
                "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "qop": "auth",
                "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", "response": response,
            });
            let asked = asked.as_object().expect("an object");
            assert_eq!(expected(asked, "Circle of Life").as_deref(), Ok(response));
        }
    }

    #[test]
    fn the_file_decides() {
        let users = Users::parse(
            "# a comment\n\nr:u:p:{\"expires\":60,\"blacklist\":5}\n@r:{\"call_hook\":\"h\"}\n\
             Bearer tok {\"msg\":\"hi\"}\nr:gone:p:{\"status\":\"fail\",\"msg\":\"suspended\"}\n",
        )
        .expect("a good file");
        let ask = |username: &str, password: &str, realm: &str| {
            let mut asked = json!({
                "method": "REGISTER", "username": username, "realm": realm, "uri": "sip:r",
                "nonce": "n", "algorithm": "SHA-512-256-sess", "cnonce": "c", "nc": "00000001",
                "qop": "auth",
            });
            let members = asked.as_object_mut().expect("an object");
            let response = expected(members, password).expect("it can be computed");
            members.insert("response".to_owned(), json!(response));
            users.answer(members)
        };
        assert_eq!(
            ask("u", "p", "r"),
            json!({ "status": "ok", "expires": 60, "call_hook": "h" })
        );
        let denied = json!({ "status": "fail", "msg": "wrong password", "blacklist": 5 });
        assert_eq!(ask("u", "x", "r"), denied);
        assert_eq!(
            ask("v", "p", "r"),
            json!({ "status": "fail", "msg": "unknown user" })
        );
        assert_eq!(
            ask("u", "p", "s"),
            json!({ "status": "fail", "msg": "unknown realm" })
        );
        let suspended = json!({ "status": "fail", "msg": "suspended", "call_hook": "h" });
        assert_eq!(ask("gone", "p", "r"), suspended);
        let token = |token: &str| {
            let asked = json!({ "scheme": "bearer", "token": token });
            users.answer(asked.as_object().expect("an object"))
        };
        assert_eq!(token("tok"), json!({ "status": "ok", "msg": "hi" }));
        assert_eq!(
            token("kot"),
            json!({ "status": "fail", "msg": "unknown token" })
        );
    }
}
