//! Writes a snapshot.

use super::super::Cell;
use super::super::profiles::Profile;
use super::bytes::Reader;
use super::layout::{HEADER, INT, MAGIC, NULL, TEXT, hash};

/// Gathers profiles; see the [layout](super::layout).
#[derive(Default)]
pub struct Builder {
    /// Hash of each tag, and where its record starts in `records`.
    index: Vec<(u64, usize)>,
    records: Vec<u8>,
}

impl Builder {
    /// Adds a profile; of several with the same tag, the first counts. False if a text is too long
    /// for the layout (4 GiB), and the profile was left out.
    pub fn add(&mut self, tag: &str, profile: &Profile) -> bool {
        let start = self.records.len();
        if self.write(tag, profile).is_none() {
            self.records.truncate(start);
            return false;
        }
        self.index.push((hash(tag.as_bytes()), start));
        true
    }

    fn write(&mut self, tag: &str, profile: &Profile) -> Option<()> {
        self.text(tag.as_bytes())?;
        self.text(&profile.username)?;
        self.number(profile.columns.len())?;
        for cell in &profile.columns {
            match cell {
                Cell::Null => self.records.push(NULL),
                Cell::Int(number) => {
                    self.records.push(INT);
                    self.records.extend_from_slice(&number.to_le_bytes());
                }
                Cell::Text(text) => {
                    self.records.push(TEXT);
                    self.text(text)?;
                }
            }
        }
        self.number(profile.secrets.len())?;
        for secret in &profile.secrets {
            self.records.extend_from_slice(&secret.start.to_le_bytes());
            self.records.extend_from_slice(&secret.end.to_le_bytes());
            self.text(&secret.material)?;
        }
        Some(())
    }

    fn number(&mut self, n: usize) -> Option<()> {
        self.records
            .extend_from_slice(&u32::try_from(n).ok()?.to_le_bytes());
        Some(())
    }

    fn text(&mut self, text: &[u8]) -> Option<()> {
        self.number(text.len())?;
        self.records.extend_from_slice(text);
        Some(())
    }

    /// The snapshot.
    pub fn finish(self) -> Vec<u8> {
        // At most half full, so that searches are short.
        let buckets = (self.index.len() * 2).next_power_of_two().max(2);
        let records_at = HEADER + buckets * 8;
        let mut bytes = vec![0; records_at];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&(buckets as u64).to_le_bytes());
        bytes.extend_from_slice(&self.records);
        let mut profiles = 0u64;
        for (hash, start) in &self.index {
            let mut bucket = usize::try_from(*hash & (buckets as u64 - 1)).unwrap_or(0);
            loop {
                let at = HEADER + bucket * 8;
                let there = u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
                if there == 0 {
                    bytes[at..at + 8].copy_from_slice(&((records_at + start) as u64).to_le_bytes());
                    profiles += 1;
                    break;
                }
                let other = tag_at(&bytes, usize::try_from(there).unwrap_or(0));
                if other == tag_at(&bytes, records_at + start) {
                    break;
                }
                bucket = (bucket + 1) & (buckets - 1);
            }
        }
        bytes[16..24].copy_from_slice(&profiles.to_le_bytes());
        bytes
    }
}

/// A record's tag.
fn tag_at(bytes: &[u8], record: usize) -> &[u8] {
    Reader::new(bytes.get(record..).unwrap_or(&[]))
        .text()
        .unwrap_or(&[])
}
