//! What is called, with which tokens, and how much faster than auth_jwt it should be.

use harness::keys::Key;
use harness::tokens::{now, token};

/// A function with an algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `jwt_authorize`, in auth_jwt `jwt_db_authorize`: HS256, the secret in a database.
    Database,
    /// `jwt_script_authorize`, HS256.
    ScriptHs256,
    /// `jwt_script_authorize`, RS256 with 2048 bits.
    ScriptRs256,
    /// `jwt_script_authorize`, ES256.
    ScriptEs256,
}

impl Call {
    /// In the order of the table.
    pub const ALL: [Call; 4] = [
        Call::Database,
        Call::ScriptHs256,
        Call::ScriptRs256,
        Call::ScriptEs256,
    ];

    /// Its name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Call::Database => "jwt_authorize HS256, profile cached",
            Call::ScriptHs256 => "jwt_script_authorize HS256",
            Call::ScriptRs256 => "jwt_script_authorize RS256 2048",
            Call::ScriptEs256 => "jwt_script_authorize ES256",
        }
    }

    /// The user part of the request URI that makes the script call it.
    pub fn route(self) -> &'static str {
        match self {
            Call::Database => "database",
            Call::ScriptHs256 => "HS256",
            Call::ScriptRs256 => "RS256",
            Call::ScriptEs256 => "ES256",
        }
    }

    /// How many times faster than auth_jwt it should be: for a new token, and for one that was seen
    /// before.
    pub fn goal(self) -> (f64, f64) {
        match self {
            Call::Database => (20.0, 80.0),
            Call::ScriptHs256 => (4.0, 10.0),
            Call::ScriptRs256 => (12.0, 250.0),
            Call::ScriptEs256 => (7.0, 300.0),
        }
    }
}

/// The keys, one of each kind.
pub struct Keys {
    secret: Key,
    rsa: Key,
    ec: Key,
}

impl Keys {
    /// New ones.
    pub fn new() -> Keys {
        Keys {
            secret: Key::secret(),
            rsa: Key::rsa(),
            ec: Key::p256(),
        }
    }

    /// The shared secret.
    pub fn secret(&self) -> String {
        self.secret.verifier()
    }

    /// The script, with the keys in it.
    pub fn script(&self, text: &str) -> String {
        text.replace("@HS256@", &self.secret.verifier())
            .replace("@RS256@", &self.rsa.verifier())
            .replace("@ES256@", &self.ec.verifier())
    }

    /// A token for a call, valid for an hour; each `number` makes a different one.
    pub fn token(&self, call: Call, tag: &str, number: u64) -> String {
        let (key, algorithm) = match call {
            Call::Database | Call::ScriptHs256 => (&self.secret, "HS256"),
            Call::ScriptRs256 => (&self.rsa, "RS256"),
            Call::ScriptEs256 => (&self.ec, "ES256"),
        };
        let (now, exp) = (now(), now() + 3600);
        let claims = format!(
            r#"{{"tag":"{tag}","iss":"https://login.example.org","sub":"alice","iat":{now},"exp":{exp},"jti":"{number:016x}"}}"#
        );
        token(key, algorithm, &claims)
    }
}
