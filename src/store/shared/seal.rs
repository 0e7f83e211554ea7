//! How answers are sealed: AES-256-GCM, which nobody can read, change or take for the answer to something else
//! without the key.
//!
//! The nonce is the number of the answer, which all processes count together, so none is used twice.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::keyed::{self, Keyed};

/// By how many bytes a sealed answer is longer.
pub(super) const OVERHEAD: usize = MAX_TAG_LEN;

/// The name of a question: HMAC-SHA-256, so that nobody outside can find two that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name(pub(super) keyed::Name);

/// What is known of an answer. Times are in nanoseconds since a certain moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Its number.
    pub(super) number: u64,
    /// When it was asked for.
    pub(super) asked: u64,
    /// When the answer was there.
    pub(super) told: u64,
}

impl Facts {
    fn nonce(&self) -> Nonce {
        let mut bytes = [0; NONCE_LEN];
        bytes[..8].copy_from_slice(&self.number.to_le_bytes());
        Nonce::assume_unique_for_key(bytes)
    }

    fn with(&self, name: &Name) -> Aad<[u8; 48]> {
        let mut bytes = [0; 48];
        let words = name.0.iter().chain([&self.asked, &self.told]);
        for (place, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        Aad::from(bytes)
    }
}

pub(super) struct Sealer {
    names: Keyed,
    /// `None` if the library can't make it: then nothing is remembered.
    key: Option<LessSafeKey>,
}

impl Sealer {
    pub(super) fn new([names, key]: [&[u8; 32]; 2]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key);
        Sealer {
            names: Keyed::new(names),
            key: key.ok().map(LessSafeKey::new),
        }
    }

    /// The name of a question of these numbers and texts.
    pub(super) fn name<'a>(&self, numbers: &[u64], texts: impl Iterator<Item = &'a str>) -> Name {
        let numbers: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
        let parts = texts.map(|text| text.as_bytes());
        let mut name = Name(self.names.name(std::iter::once(&*numbers).chain(parts)));
        // A slot whose name begins with 0 is free.
        name.0[0] = name.0[0].max(1);
        name
    }

    pub(super) fn seal(
        &self,
        name: &Name,
        facts: Facts,
        mut bytes: Zeroizing<Vec<u8>>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.key.as_ref()?;
        let tag = key
            .seal_in_place_separate_tag(facts.nonce(), facts.with(name), &mut bytes)
            .ok()?;
        // Nothing that is to be kept secret is in there any more.
        bytes.extend_from_slice(tag.as_ref());
        Some(bytes)
    }

    /// The reverse; `None` unless all of it is as it was sealed.
    pub(super) fn open(
        &self,
        name: &Name,
        facts: Facts,
        mut sealed: Zeroizing<Vec<u8>>,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let key = self.key.as_ref()?;
        let length = key
            .open_in_place(facts.nonce(), facts.with(name), &mut sealed)
            .ok()?
            .len();
        sealed.truncate(length);
        Some(sealed)
    }
}
