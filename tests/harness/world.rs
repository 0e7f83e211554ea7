//! Keys, and the profiles to which they belong. One world serves all trials of a run.

use crate::keys::Key;
use crate::profiles::{Content, NEVER, Profile};
use crate::tokens::now;

/// Keys, named by purpose.
pub struct World {
    pub rsa: Key,
    /// Of the RSA key.
    pub certificate: String,
    pub other_rsa: Key,
    pub p256: Key,
    pub other_p256: Key,
    pub p384: Key,
    pub ed25519: Key,
    pub other_ed25519: Key,
    pub secret: Key,
    pub other_secret: Key,
    pub old: Key,
    pub new: Key,
    pub retired: Key,
    pub future: Key,
    /// When the run began, in UNIX seconds.
    pub now: i64,
}

/// A tag with a quote in it, for an otherwise ordinary profile.
pub const APOSTROPHE: &str = "o'brien";

/// A tag with most of what could go wrong on the way to a row.
pub const PUNCTUATION: &str = "ünï 50% a_b -- # /* : , $avp(x) `z`";

/// The value of X-Extra for a profile without extra columns.
pub const NO_EXTRA: &str = "<null>|<null>|0";

impl World {
    pub fn generate() -> World {
        let rsa = Key::rsa();
        World {
            certificate: rsa.certificate(),
            rsa,
            other_rsa: Key::rsa(),
            p256: Key::p256(),
            other_p256: Key::p256(),
            p384: Key::p384(),
            ed25519: Key::ed25519(),
            other_ed25519: Key::ed25519(),
            secret: Key::secret(),
            other_secret: Key::secret(),
            old: Key::secret(),
            new: Key::secret(),
            retired: Key::secret(),
            future: Key::secret(),
            now: now(),
        }
    }

    /// The rows of both tables.
    pub fn content(&self) -> Content {
        let mut content = Content::default();
        for (tag, username, key) in [
            ("rsa", "alice", &self.rsa),
            ("ec", "bob", &self.p256),
            ("ec384", "bob384", &self.p384),
            ("ed", "carol", &self.ed25519),
            ("hmac", "dave", &self.secret),
            ("caller", "caller", &self.secret),
            (APOSTROPHE, "Miles O'Brien", &self.secret),
            (PUNCTUATION, "punctuation", &self.secret),
        ] {
            content.profile(tag, username);
            content.secret(tag, &key.verifier());
        }
        content.profile("certificate", "erin");
        content.secret("certificate", &self.certificate);
        content.profile("no-secret", "frank");
        // Profiles in which no column is NULL.
        for (tag, key) in [
            ("full", &self.secret),
            ("full-rsa", &self.rsa),
            ("full-ec", &self.p256),
            ("full-o'brien", &self.secret),
        ] {
            content.profiles.push(Profile {
                tag: tag.into(),
                username: "grace".into(),
                priority: Some(41),
                note: Some("it's a note, 100%".into()),
                realm: Some("example.org".into()),
            });
            content.secret(tag, &key.verifier());
        }
        content.profiles.push(Profile {
            tag: "partly".into(),
            username: "heidi".into(),
            priority: Some(-8),
            ..Profile::default()
        });
        content.secret("partly", &self.secret.verifier());
        content.profile("rotating", "ivan");
        content.secret("rotating", &self.old.verifier());
        content.secret_between("rotating", &self.new.verifier(), self.now - 60, NEVER);
        content.secret_between("rotating", &self.retired.verifier(), 0, self.now - 60);
        content.secret_between("rotating", &self.future.verifier(), self.now + 3600, NEVER);
        // Keys of several kinds for one profile, as when it migrates from one algorithm to another.
        content.profile("mixed", "judy");
        for key in [&self.rsa, &self.p256, &self.secret] {
            content.secret("mixed", &key.verifier());
        }
        content
    }

    /// What must not appear in any log: each secret, and a line of each key.
    pub fn unspeakable(&self) -> Vec<String> {
        let keys = [
            &self.rsa,
            &self.p256,
            &self.p384,
            &self.ed25519,
            &self.secret,
            &self.old,
            &self.new,
            &self.retired,
            &self.future,
        ];
        let mut out: Vec<String> = keys
            .iter()
            .map(|key| {
                let text = key.verifier();
                // For a PEM, its first line of base64.
                text.lines()
                    .find(|line| !line.starts_with("-----"))
                    .unwrap_or(&text)
                    .to_string()
            })
            .collect();
        out.extend(self.certificate.lines().nth(1).map(str::to_string));
        out
    }
}
