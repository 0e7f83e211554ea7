//! The return codes of the script functions, in the order of the manual.

/// It is done.
pub const DONE: i32 = 1;
/// It could not be done; for all functions without codes of their own.
pub const FAILED: i32 = -1;

/// The result of an asynchronous call is missing; for all functions: never a code that admits.
pub const INTERNAL_ERROR: i32 = -6;

/// Of `jwt_authorize`.
pub mod jwt {
    use crate::introspection::IntrospectionError;
    use crate::jwt::authorize::Outcome;

    /// The token is valid, and its claims are as required.
    pub const AUTHORIZED: i32 = 1;
    /// No secret of the profile verifies the token.
    pub const NOT_VERIFIED: i32 = -1;
    /// The core refuses to set an output.
    pub const OUTPUT_FAILED: i32 = -1;
    /// It is not a token.
    pub const NOT_A_TOKEN: i32 = -2;
    /// The token is expired or not yet valid.
    pub const OUT_OF_TIME: i32 = -3;
    /// There is no profile of this tag.
    pub const NO_PROFILE: i32 = -4;
    /// A required claim is missing or differs, or can't be handed to a script.
    pub const CLAIM_REFUSED: i32 = -5;
    /// The store of the profiles, or whoever has the keys or is asked for tokens, could not answer.
    pub const STORE_FAILED: i32 = -6;
    /// The token is valid, and somebody else's.
    pub const NOT_THEIRS: i32 = -7;
    /// The token is revoked.
    pub const REVOKED: i32 = -8;

    /// The code of a judgement.
    pub fn of(outcome: &Outcome) -> i32 {
        match outcome {
            Outcome::Authorized { .. } => AUTHORIZED,
            Outcome::NotVerified { .. } | Outcome::UnusableKey(_) => NOT_VERIFIED,
            Outcome::NotAToken(_) => NOT_A_TOKEN,
            Outcome::OutOfTime(_) => OUT_OF_TIME,
            Outcome::NoProfile => NO_PROFILE,
            Outcome::ClaimRefused(_) | Outcome::NotBound(_) => CLAIM_REFUSED,
            Outcome::StoreFailed => STORE_FAILED,
            Outcome::Revoked(_) => REVOKED,
        }
    }

    /// The code of a token for which its issuer was to be asked.
    pub fn of_introspection(error: &IntrospectionError) -> i32 {
        match error {
            IntrospectionError::Inactive => NOT_VERIFIED,
            IntrospectionError::NoIssuer(_)
            | IntrospectionError::Ambiguous(_)
            | IntrospectionError::NoDomain => NOT_A_TOKEN,
            IntrospectionError::NotBearer { .. } | IntrospectionError::Differs(_) => CLAIM_REFUSED,
            IntrospectionError::SourceLimit
            | IntrospectionError::Limit
            | IntrospectionError::NoEndpoint
            | IntrospectionError::Failed(_)
            | IntrospectionError::Answer(_)
            | IntrospectionError::Unasked => STORE_FAILED,
        }
    }
}

/// Of `jwt_script_authorize`, which knows only valid, not valid and not a token.
pub mod jwt_script {
    use crate::jwt::authorize::Outcome;

    /// The token is valid with the key.
    pub const VALID: i32 = 1;
    /// The token is not valid with the key.
    pub const NOT_VALID: i32 = -1;
    /// It is not a token.
    pub const NOT_A_TOKEN: i32 = -2;

    /// The code of a judgement.
    pub fn of(outcome: &Outcome) -> i32 {
        match outcome {
            Outcome::Authorized { .. } => VALID,
            Outcome::NotAToken(_) => NOT_A_TOKEN,
            _ => NOT_VALID,
        }
    }
}

/// Of `http_authorize` and `digest_authorize`.
pub mod entrance {
    use crate::calls::entrance::refused::Refused;

    /// The endpoint admits the request, or the response is that of the password.
    pub const ADMITTED: i32 = 1;
    /// The endpoint does not, or the realm has none; or the user is unknown, or the response is not that of their
    /// password.
    pub const DENIED: i32 = -1;
    /// The source is banned.
    pub const BANNED: i32 = -2;
    /// The nonce is stale, not ours, or was used before.
    pub const BAD_NONCE: i32 = -3;
    /// There are no credentials.
    pub const NO_CREDENTIALS: i32 = -4;
    /// The endpoint, the database or the CacheDB could not be asked, what it sent is not an answer, or an argument is
    /// wrong.
    pub const FAILED: i32 = -5;
    /// The credentials, or the request, are malformed or can be read in two ways.
    pub const MALFORMED: i32 = -6;
    /// The credentials are good, and somebody else's.
    pub const NOT_THEIRS: i32 = -7;

    /// The code of a refusal.
    pub fn of(refused: &Refused) -> i32 {
        match refused {
            Refused::Banned => BANNED,
            Refused::Malformed(_) => MALFORMED,
            Refused::NoCredentials => NO_CREDENTIALS,
            Refused::BadNonce(_) => BAD_NONCE,
            Refused::NotTheirs(..) => NOT_THEIRS,
            Refused::Denied(_) => DENIED,
            Refused::Unavailable(_) | Refused::Failed(_) => FAILED,
        }
    }
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

/// Of `challenge_headers`.
pub mod challenges {
    /// An argument, or the realm, can't stand in a challenge, or the output could not be set.
    pub const MALFORMED: i32 = -1;
    /// Nobody can identify users of the realm.
    pub const NOTHING: i32 = -2;
    /// The table of endpoints could not be read.
    pub const UNAVAILABLE: i32 = -5;
}

/// Of `digest_realm` and `digest_answer`.
pub mod answer {
    /// There is a realm; the answer is made.
    pub const DONE: i32 = 1;
    /// There is a realm, and only the nonce of the last answer was too old.
    pub const STALE: i32 = 2;
    /// There are no more realms.
    pub const NO_REALM: i32 = -1;
    /// An output could not be set, or there are no random bytes.
    pub const FAILED: i32 = -1;
    /// The challenge does not follow the grammar.
    pub const MALFORMED: i32 = -2;
    /// There is no challenge of scheme Digest.
    pub const NO_DIGEST: i32 = -3;
    /// No algorithm that is asked for is known.
    pub const ALGORITHM: i32 = -4;
    /// No qop that is asked for is known.
    pub const QOP: i32 = -5;
    /// Method, URI or user name can't stand in a header.
    pub const UNSENDABLE: i32 = -6;
}

/// Of `aor_get`.
pub mod aor {
    /// To or From names it, or the argument.
    pub const NAMED: i32 = 1;
    /// P-Preferred-Identity names it.
    pub const BY_IDENTITY: i32 = 2;
    /// The credentials do.
    pub const BY_CREDENTIALS: i32 = 3;
    /// There is none that can be used.
    pub const NONE: i32 = -1;
}

/// Of `contact_get`.
pub mod contact {
    use crate::sip::ContactError;

    /// A contact is to stay, or all that are named are to go.
    pub const ASKED: i32 = 1;
    /// There is no Contact.
    pub const QUERY: i32 = 2;
    /// Seconds are invalid, or there are too many contacts.
    pub const EXPIRES: i32 = -1;
    /// More than one is to stay.
    pub const SEVERAL: i32 = -2;
    /// `*` without `Expires: 0`.
    pub const STAR: i32 = -3;
    /// A contact is invalid, or an output could not be set.
    pub const INVALID: i32 = -4;

    /// The code of what is refused.
    pub fn of(error: ContactError) -> i32 {
        match error {
            ContactError::Expires => EXPIRES,
            ContactError::Several => SEVERAL,
            ContactError::Star => STAR,
            ContactError::Invalid => INVALID,
        }
    }
}

/// Of `token_get`.
pub mod token {
    /// There is one.
    pub const FOUND: i32 = 1;
    /// There is none.
    pub const NONE: i32 = -1;
    /// There are several, or the output could not be set.
    pub const SEVERAL: i32 = -2;
}

/// Of `unsupported_get`.
pub mod unsupported {
    /// Something is demanded that is not supported.
    pub const FOUND: i32 = 1;
    /// Nothing is.
    pub const NONE: i32 = -1;
    /// It can't be told, or the output could not be set.
    pub const MALFORMED: i32 = -2;
}

/// Of `caller_route_set` and `callee_route_set`.
pub mod route {
    /// The route set leads only to the source of the message.
    pub const OF_SOURCE: i32 = 1;
    /// It leads to others as well.
    pub const OF_OTHERS: i32 = 2;
}

/// Of `peer_get`.
pub mod peer {
    /// The address is that of a peer.
    pub const FOUND: i32 = 1;
    /// It is neither a peer nor this machine.
    pub const UNKNOWN: i32 = -1;
    /// It is this machine.
    pub const MYSELF: i32 = -2;
}

/// Of `realm_get`.
pub mod realm {
    /// The table has the realm.
    pub const FOUND: i32 = 1;
    /// It does not.
    pub const NONE: i32 = -1;
    /// The table could not be read, or an AVP not be set.
    pub const FAILED: i32 = -5;
}

/// Of `server_checkin`.
pub mod checkin {
    /// It is noted.
    pub const DONE: i32 = 1;
    /// The request is no check-in, or not from where servers check in.
    pub const NONE: i32 = -1;
    /// Redis could not be asked, there are too many members, or the output could not be set.
    pub const UNAVAILABLE: i32 = -5;
    /// A header is doubled, or can't be taken as it is.
    pub const MALFORMED: i32 = -6;
}

/// Of the functions for registrations in Redis.
pub mod registration {
    /// It is done.
    pub const DONE: i32 = 1;
    /// There is no room, no registration, another one, or a later change, according to the function.
    pub const NO: i32 = -1;
    /// Redis could not be asked, or an output not be set.
    pub const UNAVAILABLE: i32 = -5;
    /// The request, or an argument, is not what the function needs.
    pub const MALFORMED: i32 = -6;
}
