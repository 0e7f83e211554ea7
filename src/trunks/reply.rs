//! Answers as one process hands them over to another.

/// The most bytes of an answer that is handed over; what is longer comes without its challenges and contacts.
pub const MAX_REPLY: usize = 16 * 1024;

/// What is needed of an answer to a request of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The number of the request.
    pub number: u64,
    /// The status code; 408 if there was no answer.
    pub code: u16,
    /// Whether somebody has answered.
    pub is_real: bool,
    /// The reason phrase.
    pub reason: Vec<u8>,
    /// Where it came from.
    pub source: Vec<u8>,
    /// The value of Expires; empty if there is none.
    pub expires: Vec<u8>,
    /// That of Min-Expires.
    pub min_expires: Vec<u8>,
    /// The values of Contact, each of which may have several.
    pub contacts: Vec<Vec<u8>>,
    /// Those of WWW-Authenticate or Proxy-Authenticate, with line ends between them.
    pub challenges: Vec<u8>,
}

impl Reply {
    /// That there was no answer.
    pub fn none(number: u64) -> Self {
        Reply {
            number,
            code: 408,
            reason: b"Request Timeout".to_vec(),
            ..Reply::default()
        }
    }

    /// For the other process: [`MAX_REPLY`] bytes at most.
    pub fn encode(&self) -> Vec<u8> {
        let whole = self.fields(true);
        match whole.len() <= MAX_REPLY {
            true => whole,
            false => {
                let mut rest = self.fields(false);
                rest.truncate(MAX_REPLY);
                rest
            }
        }
    }

    fn fields(&self, with_lists: bool) -> Vec<u8> {
        let mut out = self.number.to_le_bytes().to_vec();
        out.extend(self.code.to_le_bytes());
        out.push(u8::from(self.is_real));
        let mut add = |bytes: &[u8]| {
            let bytes = &bytes[..bytes.len().min(MAX_REPLY)];
            let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
            out.extend(length.to_le_bytes());
            out.extend(bytes);
        };
        for text in [&self.reason, &self.source, &self.expires, &self.min_expires] {
            // Nobody needs more of it.
            add(&text[..text.len().min(256)]);
        }
        match with_lists {
            true => {
                add(&self.challenges);
                self.contacts.iter().for_each(|contact| add(contact));
            }
            false => add(b""),
        }
        out
    }

    /// What [`encode`](Self::encode) has made; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk()?;
        let (code, rest) = rest.split_first_chunk()?;
        let (is_real, mut rest) = rest.split_first()?;
        let mut next = || {
            let (length, after) = rest.split_first_chunk()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            rest = after;
            Some(text.to_vec())
        };
        Some(Reply {
            number: u64::from_le_bytes(*number),
            code: u16::from_le_bytes(*code),
            is_real: *is_real == 1,
            reason: next()?,
            source: next()?,
            expires: next()?,
            min_expires: next()?,
            challenges: next()?,
            contacts: std::iter::from_fn(next).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Reply {
        Reply {
            number: 7,
            code: 200,
            is_real: true,
            reason: b"OK".to_vec(),
            source: b"192.0.2.1".to_vec(),
            expires: b"600".to_vec(),
            min_expires: Vec::new(),
            contacts: vec![b"<sip:a@b>;expires=1".to_vec(), b"<sip:c@d>".to_vec()],
            challenges: b"Digest realm=\"r\"".to_vec(),
        }
    }

    #[test]
    fn it_arrives_as_it_was() {
        assert_eq!(Reply::decode(&reply().encode()), Some(reply()));
        let none = Reply::none(9);
        assert_eq!(Reply::decode(&none.encode()), Some(none));
    }

    #[test]
    fn what_is_cut_is_nothing_and_what_is_long_is_less() {
        let bytes = reply().encode();
        // All but the contacts, which may be fewer.
        for length in 0..bytes.len() - 34 {
            assert_eq!(Reply::decode(&bytes[..length]), None, "{length}");
        }
        let long = Reply {
            challenges: vec![b'x'; 60_000],
            reason: vec![b'y'; 60_000],
            ..reply()
        };
        let encoded = long.encode();
        assert!(encoded.len() <= MAX_REPLY);
        let decoded = Reply::decode(&encoded).expect("what was kept");
        assert_eq!((decoded.code, decoded.challenges.len()), (200, 0));
    }
}
