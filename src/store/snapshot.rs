//! All profiles and secrets in one piece of memory, which the processes of an OpenSIPS share
//! (`cache_mode` "preload").
//!
//! One process writes it ([`Builder`]), all read it in place ([`Snapshot`]).

mod builder;
mod bytes;
mod layout;

pub use builder::Builder;

use zeroize::Zeroizing;

use super::profiles::{Profile, ProfileTables, Secret};
use super::{Cell, Source, StoreError};
use bytes::Reader;
use layout::{HEADER, INT, MAGIC, NULL, TEXT, hash};

/// Reads all profiles and their secrets ([`ProfileTables::each`]) into a snapshot.
///
/// # Errors
/// Fails with the source's error.
pub fn fetch(tables: &ProfileTables, source: &mut dyn Source) -> Result<Vec<u8>, StoreError> {
    let mut builder = Builder::default();
    tables.each(source, &mut |tag, profile| {
        builder.add(tag, profile);
    })?;
    Ok(builder.finish())
}

/// A snapshot that has been written. Reading never goes out of bounds, whatever the bytes are.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    bytes: &'a [u8],
    buckets: u64,
}

impl<'a> Snapshot<'a> {
    /// Reads bytes as a snapshot; `None` if they are not one.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes.get(..HEADER)?);
        let magic = reader.take(MAGIC.len())?;
        let buckets = reader.u64()?;
        let room = (bytes.len() - HEADER) as u64 / 8;
        let fits = magic == MAGIC && buckets.is_power_of_two() && buckets <= room;
        fits.then_some(Snapshot { bytes, buckets })
    }

    /// How many profiles there are: the last number of the header.
    #[cfg(test)]
    pub(super) fn len(&self) -> u64 {
        let number = &self.bytes[HEADER - size_of::<u64>()..];
        Reader::new(number).u64().expect("a whole header")
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The profile of a tag.
    pub fn profile(&self, tag: &str) -> Option<Profile> {
        let mut bucket = hash(tag.as_bytes()) & (self.buckets - 1);
        for _ in 0..self.buckets {
            let at = HEADER + usize::try_from(bucket).ok()? * 8;
            let offset = Reader::new(self.bytes.get(at..)?).u64()?;
            if offset == 0 {
                return None;
            }
            let mut record = Reader::new(self.bytes.get(usize::try_from(offset).ok()?..)?);
            if record.text()? == tag.as_bytes() {
                return profile(&mut record);
            }
            bucket = (bucket + 1) & (self.buckets - 1);
        }
        None
    }
}

fn profile(record: &mut Reader<'_>) -> Option<Profile> {
    let username = record.text()?.to_vec();
    let columns = (0..record.u32()?)
        .map(|_| {
            Some(match record.u8()? {
                NULL => Cell::Null,
                INT => Cell::Int(record.i64()?),
                TEXT => Cell::Text(record.text()?.to_vec()),
                _ => return None,
            })
        })
        .collect::<Option<_>>()?;
    let secrets = (0..record.u32()?)
        .map(|_| {
            let (start, end) = (record.i64()?, record.i64()?);
            Some(Secret {
                material: Zeroizing::new(record.text()?.to_vec()),
                start,
                end,
            })
        })
        .collect::<Option<_>>()?;
    Some(Profile {
        username,
        columns,
        secrets,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{names, tables, text};
    use super::*;

    fn snapshot(n: usize) -> Vec<u8> {
        let mut builder = Builder::default();
        for i in 0..n {
            let secret = |text: String| Secret {
                material: Zeroizing::new(text.into_bytes()),
                start: -1,
                end: i as i64,
            };
            let profile = Profile {
                username: format!("user{i}").into_bytes(),
                columns: vec![Cell::Null, Cell::Int(i as i64), Cell::Text(vec![0, 255])],
                secrets: vec![secret(format!("s{i}")), secret(String::new())],
            };
            assert!(builder.add(&format!("tag{i}"), &profile));
        }
        builder.finish()
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let bytes = snapshot(1000);
        let snapshot = Snapshot::new(&bytes).unwrap();
        assert_eq!(snapshot.len(), 1000);
        for i in [0, 1, 499, 999] {
            let profile = snapshot.profile(&format!("tag{i}")).unwrap();
            assert_eq!(profile.username, format!("user{i}").into_bytes());
            assert_eq!(profile.columns[1], Cell::Int(i));
            assert_eq!(profile.columns[2], Cell::Text(vec![0, 255]));
            assert_eq!(
                profile.secrets[0].material.as_slice(),
                format!("s{i}").as_bytes()
            );
            assert_eq!((profile.secrets[0].start, profile.secrets[0].end), (-1, i));
        }
        for tag in ["", "tag", "tag1000", "TAG1"] {
            assert_eq!(snapshot.profile(tag), None);
        }
        let empty = self::snapshot(0);
        assert!(Snapshot::new(&empty).unwrap().is_empty());
        assert_eq!(Snapshot::new(&empty).unwrap().profile("x"), None);
    }

    #[test]
    fn a_snapshot_holds_what_fetching_one_by_one_finds() {
        let mut source = tables(
            vec![
                vec![text("acme  "), text("alice"), Cell::Int(7)],
                vec![text("nameless"), Cell::Null, Cell::Null],
                vec![Cell::Int(12), text("bob"), Cell::Null],
                vec![text("bare"), text("carol"), text("x")],
            ],
            vec![
                vec![text("acme"), text("old"), Cell::Int(0), Cell::Int(100)],
                vec![text("acme"), text("new"), text("100"), text("200")],
                vec![text("acme"), Cell::Null, Cell::Int(0), Cell::Int(9)],
                vec![text("12"), text("s"), Cell::Int(0), Cell::Int(9)],
                vec![text("orphan"), text("s"), Cell::Int(0), Cell::Int(9)],
            ],
        );
        let bytes = fetch(&names(), &mut source).unwrap();
        let snapshot = Snapshot::new(&bytes).unwrap();
        assert_eq!(snapshot.len(), 3);
        for tag in ["acme", "12", "bare"] {
            let one = names().fetch(&mut source, tag).unwrap();
            assert_eq!(snapshot.profile(tag), one, "{tag}");
            assert!(one.is_some());
        }
        for tag in ["nameless", "orphan", "ACME", ""] {
            assert_eq!(snapshot.profile(tag), None);
        }
    }

    #[test]
    fn the_first_row_of_a_tag_counts() {
        let mut builder = Builder::default();
        let profile = |username: &str| Profile {
            username: username.into(),
            columns: vec![],
            secrets: vec![],
        };
        assert!(builder.add("a", &profile("first")));
        assert!(builder.add("a", &profile("second")));
        let bytes = builder.finish();
        let snapshot = Snapshot::new(&bytes).unwrap();
        assert_eq!(snapshot.profile("a").unwrap().username, b"first");
        assert_eq!(snapshot.len(), 1);
    }

    #[test]
    fn broken_bytes_are_no_snapshot_and_never_a_panic() {
        let bytes = snapshot(20);
        assert!(Snapshot::new(&bytes[..10]).is_none());
        assert!(Snapshot::new(b"something else entirely, long enough").is_none());
        for cut in HEADER..bytes.len() {
            if let Some(snapshot) = Snapshot::new(&bytes[..cut]) {
                let _ = snapshot.profile("tag7");
            }
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0xff;
            if let Some(snapshot) = Snapshot::new(&altered) {
                let _ = snapshot.profile("tag7");
            }
        }
    }
}
