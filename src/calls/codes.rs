//! The return codes of the script functions, in the order of the manual.

/// Of `jwt_authorize`, beside those of [`Outcome::code`](crate::jwt::authorize::Outcome::code).
pub mod jwt {
    /// A claim that is needed is missing, or can't be handed to a script.
    pub const CLAIM_REFUSED: i32 = -5;
    /// The token is good, and somebody else's.
    pub const NOT_THEIRS: i32 = -7;
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
