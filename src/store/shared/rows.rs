//! Rows as bytes.

use zeroize::Zeroizing;

use crate::store::Cell;

const NULL: u8 = 0;
const INT: u8 = 1;
const TEXT: u8 = 2;

/// Rows as bytes. None are no bytes.
#[derive(Default)]
pub(super) struct Packer {
    bytes: Zeroizing<Vec<u8>>,
    is_too_long: bool,
    /// Most bytes; beyond it nothing is kept.
    most: usize,
}

impl Packer {
    pub(super) fn new(most: usize) -> Self {
        Packer {
            most,
            ..Packer::default()
        }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: &[Cell]) {
        if self.is_too_long {
            return;
        }
        self.add(&(row.len() as u64).to_le_bytes());
        for cell in row {
            match cell {
                Cell::Null => self.add(&[NULL]),
                Cell::Int(number) => {
                    self.add(&[INT]);
                    self.add(&number.to_le_bytes());
                }
                Cell::Text(text) => {
                    self.add(&[TEXT]);
                    self.add(&(text.len() as u64).to_le_bytes());
                    self.add(text);
                }
            }
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let length = self.bytes.len() + bytes.len();
        if length > self.most {
            self.is_too_long = true;
            return;
        }
        if length > self.bytes.capacity() {
            // A growing buffer would leave a copy of a secret behind.
            let mut longer = Vec::with_capacity((2 * length).max(1024));
            longer.extend_from_slice(&self.bytes);
            self.bytes = Zeroizing::new(longer);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The bytes, unless they are too many.
    pub(super) fn finish(self) -> Option<Zeroizing<Vec<u8>>> {
        (!self.is_too_long).then_some(self.bytes)
    }
}

/// The reverse; `None` for anything else.
pub(super) fn unpack(bytes: &[u8]) -> Option<Vec<Vec<Cell>>> {
    let mut rest = bytes;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let count = length(&mut rest)?;
        // Each cell has a byte at least.
        let mut row = Vec::with_capacity(count.min(rest.len()));
        for _ in 0..count {
            row.push(cell(&mut rest)?);
        }
        rows.push(row);
    }
    Some(rows)
}

fn cell(rest: &mut &[u8]) -> Option<Cell> {
    match take(rest, 1)? {
        [NULL] => Some(Cell::Null),
        [INT] => Some(Cell::Int(i64::from_le_bytes(
            take(rest, 8)?.try_into().ok()?,
        ))),
        [TEXT] => {
            let length = length(rest)?;
            Some(Cell::Text(take(rest, length)?.to_vec()))
        }
        _ => None,
    }
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let bytes = take(rest, 8)?.try_into().ok()?;
    usize::try_from(u64::from_le_bytes(bytes)).ok()
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cells() -> impl Strategy<Value = Cell> {
        prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Int),
            any::<Vec<u8>>().prop_map(Cell::Text),
        ]
    }

    fn packed(rows: &[Vec<Cell>], most: usize) -> Option<Zeroizing<Vec<u8>>> {
        let mut packer = Packer::new(most);
        rows.iter().for_each(|row| packer.push(row));
        packer.finish()
    }

    proptest! {
        #[test]
        fn rows_come_back_as_they_were(rows in prop::collection::vec(prop::collection::vec(cells(), 0..4), 0..5)) {
            let bytes = packed(&rows, 1 << 20).unwrap();
            prop_assert_eq!(unpack(&bytes), Some(rows.clone()));
            if !bytes.is_empty() {
                prop_assert!(packed(&rows, bytes.len() - 1).is_none());
                prop_assert!(packed(&rows, bytes.len()).is_some());
            }
        }

        #[test]
        fn other_bytes_are_nothing_worse_than_other_rows(bytes in any::<Vec<u8>>()) {
            let _ = unpack(&bytes);
        }
    }
}
