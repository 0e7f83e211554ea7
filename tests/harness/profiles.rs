//! What the tables jwt_profiles and jwt_secrets hold in a test.

/// A row of jwt_profiles. The last three columns are not part of the schema: they stand for what an
/// administrator adds, to be read with load_credentials.
#[derive(Debug, Clone, Default)]
pub struct Profile {
    /// The value that the tag claim must have.
    pub tag: String,
    /// Column sip_username.
    pub username: String,
    /// An integer column.
    pub priority: Option<i32>,
    /// A text column.
    pub note: Option<String>,
    /// A text column.
    pub realm: Option<String>,
}

/// A row of jwt_secrets.
#[derive(Debug, Clone)]
pub struct Secret {
    /// The tag of the profile it belongs to.
    pub tag: String,
    /// Key as PEM, or shared secret.
    pub secret: String,
    /// First second of its validity, UNIX time.
    pub start_ts: i64,
    /// First second after its validity, UNIX time; an INT in the schema, so before 2038.
    pub end_ts: i64,
}

/// Both tables.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Rows of the profiles table.
    pub profiles: Vec<Profile>,
    /// Rows of the secrets table.
    pub secrets: Vec<Secret>,
}

/// The end of a secret that is not meant to expire: January 2038, where INT columns end.
pub const NEVER: i64 = i32::MAX as i64;

impl Content {
    /// Adds a profile with only its names.
    pub fn profile(&mut self, tag: &str, username: &str) -> &mut Profile {
        self.profiles.push(Profile {
            tag: tag.to_string(),
            username: username.to_string(),
            ..Profile::default()
        });
        self.profiles.last_mut().expect("just pushed")
    }

    /// Adds a secret that is valid at all times.
    pub fn secret(&mut self, tag: &str, secret: &str) {
        self.secret_between(tag, secret, 0, NEVER);
    }

    /// Adds a secret that is valid from `start_ts` until before `end_ts`.
    pub fn secret_between(&mut self, tag: &str, secret: &str, start_ts: i64, end_ts: i64) {
        self.secrets.push(Secret {
            tag: tag.to_string(),
            secret: secret.to_string(),
            start_ts,
            end_ts,
        });
    }
}
