//! Signature algorithms of tokens (RFC 7518 section 3, RFC 8037 section 3.1, RFC 8812 section 3.2,
//! RFC 9864 section 2.2) and sets of them.

use std::fmt;

use thiserror::Error;

/// A signature algorithm, by its registered name.
///
/// The crate jsonwebtoken has such an enum, but without ES512, ES256K and Ed25519.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// ECDSA on secp256k1 with SHA-256 (RFC 8812).
    ES256K,
    /// EdDSA, on the curve of the key, of which only Ed25519 is known here (RFC 8037). Deprecated
    /// by RFC 9864 in favour of names that include the curve.
    EdDSA,
    /// EdDSA on Ed25519 (RFC 9864).
    Ed25519,
}

/// Every algorithm that can verify a token, with its registered name.
const ALL: [(Algorithm, &str); 15] = [
    (Algorithm::HS256, "HS256"),
    (Algorithm::HS384, "HS384"),
    (Algorithm::HS512, "HS512"),
    (Algorithm::RS256, "RS256"),
    (Algorithm::RS384, "RS384"),
    (Algorithm::RS512, "RS512"),
    (Algorithm::PS256, "PS256"),
    (Algorithm::PS384, "PS384"),
    (Algorithm::PS512, "PS512"),
    (Algorithm::ES256, "ES256"),
    (Algorithm::ES384, "ES384"),
    (Algorithm::ES512, "ES512"),
    (Algorithm::ES256K, "ES256K"),
    (Algorithm::EdDSA, "EdDSA"),
    (Algorithm::Ed25519, "Ed25519"),
];

/// The algorithm with this registered name, compared case-sensitively (RFC 7515 section 4.1.1).
///
/// `none` is not an algorithm, in any spelling.
pub fn by_name(name: &str) -> Option<Algorithm> {
    ALL.iter()
        .find(|(_, known)| *known == name)
        .map(|(algorithm, _)| *algorithm)
}

/// The registered name of an algorithm.
pub fn name(algorithm: Algorithm) -> &'static str {
    ALL.iter()
        .find(|(known, _)| *known == algorithm)
        .map_or("unknown", |(_, name)| name)
}

/// Why a list of algorithms is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AlgorithmListError {
    /// An unknown name.
    #[error("{0:?} is unknown")]
    Unknown(String),
    /// `none`, which would admit anyone.
    #[error("\"none\" is never accepted")]
    None,
    /// No name at all: nothing could ever be verified.
    #[error("the list is empty")]
    Empty,
}

/// A set of algorithms.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// No algorithm.
    pub const EMPTY: Self = Self(0);
    /// Every algorithm, asymmetric and HMAC.
    pub const ALL: Self = Self((1 << ALL.len()) - 1);
    /// HMAC with SHA-2 (RFC 7518 section 3.2).
    pub const HMAC: Self = Self(0b111);
    /// RSASSA-PKCS1-v1_5 and RSASSA-PSS (RFC 7518 sections 3.3 and 3.5).
    pub const RSA: Self = Self(0b111_111_000);
    /// Both names of EdDSA on Ed25519 (RFC 8037 section 3.1, RFC 9864 section 2.2).
    pub const ED25519: Self = Self(0b11 << 13);

    /// Reads a list of names separated by commas or spaces, e.g. `RS256, ES256`.
    ///
    /// Names are compared case-sensitively, as in a token's header. `EdDSA`, which leaves the curve
    /// to the key, includes `Ed25519`; `Ed25519` is only itself.
    ///
    /// # Errors
    /// Fails on an unknown name, on `none` in any spelling, and on an empty list.
    pub fn parse(list: &str) -> Result<Self, AlgorithmListError> {
        let mut set = Self::EMPTY;
        let separator = |character: char| character == ',' || character.is_ascii_whitespace();
        for name in list.split(separator).filter(|name| !name.is_empty()) {
            if name.eq_ignore_ascii_case("none") {
                return Err(AlgorithmListError::None);
            }
            let algorithm =
                by_name(name).ok_or_else(|| AlgorithmListError::Unknown(name.to_owned()))?;
            set = set.with(algorithm);
            if algorithm == Algorithm::EdDSA {
                set = set.with(Algorithm::Ed25519);
            }
        }
        if set == Self::EMPTY {
            Err(AlgorithmListError::Empty)
        } else {
            Ok(set)
        }
    }

    /// The set of the given algorithms.
    pub fn of(algorithms: &[Algorithm]) -> Self {
        algorithms
            .iter()
            .fold(Self::EMPTY, |set, algorithm| set.with(*algorithm))
    }

    /// This set plus one more algorithm.
    pub fn with(self, algorithm: Algorithm) -> Self {
        Self(self.0 | Self::bit(algorithm))
    }

    /// The algorithms that are in both sets.
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the algorithm is in the set.
    pub fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & Self::bit(algorithm) != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of RFC 7518.
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        ALL.iter()
            .map(|(algorithm, _)| *algorithm)
            .filter(move |member| self.contains(*member))
    }

    fn bit(algorithm: Algorithm) -> u16 {
        ALL.iter()
            .position(|(known, _)| *known == algorithm)
            .map_or(0, |index| 1 << index)
    }
}

impl Default for AlgorithmSet {
    /// All known algorithms, see [`AlgorithmSet::ALL`].
    fn default() -> Self {
        Self::ALL
    }
}

impl fmt::Display for AlgorithmSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, algorithm) in self.iter().enumerate() {
            if position > 0 {
                formatter.write_str(", ")?;
            }
            formatter.write_str(name(algorithm))?;
        }
        Ok(())
    }
}

impl fmt::Debug for AlgorithmSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_registered_ones() {
        for (algorithm, name) in ALL {
            assert_eq!(format!("{algorithm:?}"), name);
            assert_eq!(by_name(name), Some(algorithm));
            assert_eq!(super::name(algorithm), name);
            assert!(AlgorithmSet::ALL.contains(algorithm));
        }
        assert_eq!(AlgorithmSet::HMAC.to_string(), "HS256, HS384, HS512");
        assert_eq!(
            AlgorithmSet::RSA.to_string(),
            "RS256, RS384, RS512, PS256, PS384, PS512"
        );
        assert_eq!(AlgorithmSet::ED25519.to_string(), "EdDSA, Ed25519");
        for name in [
            "none", "NONE", "hs256", "HS256 ", "es256k", "ed25519", "Ed448", "RS1", "",
        ] {
            assert_eq!(by_name(name), None, "{name}");
        }
    }

    #[test]
    fn lists_are_separated_by_commas_or_blanks() {
        let expected = AlgorithmSet::of(&[Algorithm::RS256, Algorithm::ES256]);
        for list in [
            "RS256,ES256",
            " ES256\tRS256 ",
            "RS256, ES256,",
            "RS256,,ES256 RS256",
        ] {
            assert_eq!(AlgorithmSet::parse(list), Ok(expected), "{list:?}");
        }
        assert_eq!(expected.to_string(), "RS256, ES256");
        assert!(!expected.contains(Algorithm::HS256));
    }

    #[test]
    fn a_name_without_a_curve_includes_the_one_with_it() {
        let both = AlgorithmSet::parse("EdDSA").unwrap();
        assert_eq!(both, AlgorithmSet::ED25519);
        let one = AlgorithmSet::parse("Ed25519").unwrap();
        assert!(one.contains(Algorithm::Ed25519) && !one.contains(Algorithm::EdDSA));
    }

    #[test]
    fn wrong_lists_name_the_culprit() {
        assert_eq!(
            AlgorithmSet::parse("RS256,rs384"),
            Err(AlgorithmListError::Unknown("rs384".to_owned()))
        );
        for list in ["none", "RS256 NoNe"] {
            assert_eq!(AlgorithmSet::parse(list), Err(AlgorithmListError::None));
        }
        for list in ["", " , "] {
            assert_eq!(AlgorithmSet::parse(list), Err(AlgorithmListError::Empty));
        }
    }
}
