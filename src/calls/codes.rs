//! The return codes of the script functions, in the order of the manual.

/// It is done.
pub const DONE: i32 = 1;
/// It could not be done, of all functions without codes of their own.
pub const FAILED: i32 = -1;

/// Of `jwt_authorize`; those of a judgement are in
/// [`Outcome::code`](crate::jwt::authorize::Outcome::code).
pub mod jwt {
    /// The core refuses to set an output.
    pub const OUTPUT_FAILED: i32 = -1;
    /// A claim that is needed is missing, or can't be handed to a script.
    pub const CLAIM_REFUSED: i32 = -5;
    /// The store of the profiles could not answer.
    pub const STORE_FAILED: i32 = -6;
    /// The token is good, and somebody else's.
    pub const NOT_THEIRS: i32 = -7;
}

/// Of `jwt_script_authorize`; those of a judgement are in
/// [`Outcome::script_code`](crate::jwt::authorize::Outcome::script_code).
pub mod jwt_script {
    /// The token is not valid with the key.
    pub const NOT_VALID: i32 = -1;
}

/// Of `http_authorize`.
pub mod http {
    /// The endpoint lets it in.
    pub const ADMITTED: i32 = 1;
    /// The endpoint does not, or there is none.
    pub const DENIED: i32 = -1;
    /// The source is banned.
    pub const BANNED: i32 = -2;
    /// The nonce is stale, none of ours, or was used before.
    pub const BAD_NONCE: i32 = -3;
    /// There are no credentials.
    pub const NO_CREDENTIALS: i32 = -4;
    /// The endpoint could not be asked, or its answer is none.
    pub const ENDPOINT_FAILED: i32 = -5;
    /// The credentials, or the request, are malformed or can be read in two ways.
    pub const MALFORMED: i32 = -6;
    /// The credentials are good, and somebody else's.
    pub const NOT_THEIRS: i32 = -7;
}

/// Of `credentials_get`.
pub mod credentials {
    /// There are credentials.
    pub const FOUND: i32 = 1;
    /// There are none, and the request may be sent as anonymous.
    pub const ANONYMOUS: i32 = 2;
    /// The table could not be read, or an output not be set.
    pub const FAILED: i32 = -1;
}
