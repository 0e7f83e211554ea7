//! Names that nobody outside can make up: what processes share is found by HMAC-SHA-256 with a random key, so that
//! nobody can find two questions with the same name, nor read a question from one.

use aws_lc_rs::hmac;

/// A name of 256 bits, as the numbers that shared memory consists of.
pub type Name = [u64; 4];

/// Makes names.
#[derive(Clone, Debug)]
pub struct Keyed(hmac::Key);

impl Keyed {
    /// With this key, which is random.
    pub fn new(key: &[u8; 32]) -> Self {
        Keyed(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The name of what consists of these parts.
    pub fn name<P: AsRef<[u8]>>(&self, parts: impl IntoIterator<Item = P>) -> Name {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            let part = part.as_ref();
            // The length first, so that no two questions run together.
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let tag = context.sign();
        let mut name = Name::default();
        for (word, bytes) in name.iter_mut().zip(tag.as_ref().as_chunks::<8>().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        let keyed = Keyed::new(&[7; 32]);
        let name = |parts: &[&str]| keyed.name(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(name(&["ab", "c"]), name(&["ab", "c"]));
        assert_ne!(name(&["ab", "c"]), name(&["a", "bc"]));
        assert_ne!(
            name(&["ab", "c"]),
            Keyed::new(&[8; 32]).name([&b"ab"[..], b"c"])
        );
    }

    #[test]
    fn it_is_the_hmac_of_the_parts() {
        // python3: hmac.new(bytes([7]) * 32, struct.pack("<Q", 1) + b"a", "sha256").hexdigest()
        let name = Keyed::new(&[7; 32]).name([&b"a"[..]]);
        let shown: String = name.iter().map(|word| format!("{word:016x}")).collect();
        assert_eq!(
            shown,
            "f600d72b88ceeeccea880a3b8f73333ea28c84a5a0a49bbccad9967d7da26494"
        );
    }
}
