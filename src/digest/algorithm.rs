//! The hash algorithms of Digest (RFC 7616 section 3.2, RFC 8760 section 2).

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

/// A Digest algorithm. The order is that of preference: the strongest comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `SHA-512-256`
    Sha512_256,
    /// `SHA-512-256-sess`
    Sha512_256Sess,
    /// `SHA-256`
    Sha256,
    /// `SHA-256-sess`
    Sha256Sess,
    /// `MD5`, which is what a header without `algorithm` means
    Md5,
    /// `MD5-sess`
    Md5Sess,
}

/// The name of an algorithm that is not in the registry of RFC 7616 section 6.1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the digest algorithm is not one of MD5, MD5-sess, SHA-256, SHA-256-sess, SHA-512-256, \
     SHA-512-256-sess"
)]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// All of them, the strongest first.
    pub const ALL: [Algorithm; 6] = [
        Algorithm::Sha512_256,
        Algorithm::Sha512_256Sess,
        Algorithm::Sha256,
        Algorithm::Sha256Sess,
        Algorithm::Md5,
        Algorithm::Md5Sess,
    ];

    /// The registered name.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha512_256 => "SHA-512-256",
            Algorithm::Sha512_256Sess => "SHA-512-256-sess",
            Algorithm::Sha256 => "SHA-256",
            Algorithm::Sha256Sess => "SHA-256-sess",
            Algorithm::Md5 => "MD5",
            Algorithm::Md5Sess => "MD5-sess",
        }
    }

    /// The number of hexadecimal digits in a response.
    pub fn response_length(self) -> usize {
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => 32,
            _ => 64,
        }
    }

    /// Whether the session key depends on the client's nonce.
    pub fn is_session(self) -> bool {
        matches!(
            self,
            Algorithm::Sha512_256Sess | Algorithm::Sha256Sess | Algorithm::Md5Sess
        )
    }

    /// The hash of `parts` with a colon between them, in lower-case hexadecimal digits: `H()` and `KD()`
    /// of RFC 7616 section 3.2.
    pub(crate) fn hash(self, parts: &[&[u8]]) -> String {
        let text = Zeroizing::new(parts.join(&b':'));
        let of = |algorithm| hex(digest::digest(algorithm, &text).as_ref());
        match self {
            Algorithm::Md5 | Algorithm::Md5Sess => hex(&Md5::digest(&*text)),
            Algorithm::Sha256 | Algorithm::Sha256Sess => of(&digest::SHA256),
            Algorithm::Sha512_256 | Algorithm::Sha512_256Sess => of(&digest::SHA512_256),
        }
    }

    /// Parses a list of names, separated by commas or spaces, in any order; the result is sorted,
    /// the strongest first, without duplicates.
    ///
    /// # Errors
    /// Fails with [`UnknownAlgorithm`] on an unknown name or an empty list.
    pub fn parse_list(list: &str) -> Result<Vec<Algorithm>, UnknownAlgorithm> {
        let mut algorithms = list
            .split(|c: char| c == ',' || c.is_ascii_whitespace())
            .filter(|name| !name.is_empty())
            .map(str::parse)
            .collect::<Result<Vec<Algorithm>, _>>()?;
        algorithms.sort();
        algorithms.dedup();
        if algorithms.is_empty() {
            Err(UnknownAlgorithm)
        } else {
            Ok(algorithms)
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// Names are tokens, which are compared case-insensitively (RFC 3261 section 7.3.1).
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Algorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
            .ok_or(UnknownAlgorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_strongest_first() {
        assert_eq!(
            Algorithm::parse_list("md5, SHA-256 sha-512-256,MD5"),
            Ok(vec![
                Algorithm::Sha512_256,
                Algorithm::Sha256,
                Algorithm::Md5
            ])
        );
        assert_eq!(Algorithm::parse_list(" , "), Err(UnknownAlgorithm));
        assert_eq!(Algorithm::parse_list("MD5,SHA-1"), Err(UnknownAlgorithm));
    }

    #[test]
    fn every_name_is_read_back_in_any_case() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert_eq!(algorithm.name().to_ascii_lowercase().parse(), Ok(algorithm));
        }
    }
}
