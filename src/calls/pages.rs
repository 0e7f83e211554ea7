//! How much of a list one answer of the management interface has.

use crate::opensips::mi::{Member, Members};

/// Most bytes of JSON that the objects of one answer take: so many fit into a datagram, and into what the core
/// prints at a time, also with the blanks that some transports add.
const MOST_BYTES: usize = 36_000;

/// What is printed around each member, and around each object: quotes, colons, line ends and the blanks before.
const AROUND: usize = 40;

/// The first of these objects, as many as one answer may have: `most` at the most, and one at the least.
pub fn page(rows: impl IntoIterator<Item = Members>, most: usize) -> Vec<Members> {
    let mut left = MOST_BYTES;
    let mut page = Vec::new();
    for row in rows.into_iter().take(most) {
        let Some(rest) = left.checked_sub(printed(&row)) else {
            if page.is_empty() {
                page.push(row);
            }
            break;
        };
        left = rest;
        page.push(row);
    }
    page
}

/// How many bytes of JSON an object takes at most.
fn printed(row: &Members) -> usize {
    let member = |(name, member): &(&std::ffi::CStr, Member)| {
        let value = match member {
            Member::Text(text) => text.bytes().map(length).sum(),
            Member::Number(_) => 20,
            Member::Object(members) => printed(members),
            Member::List(rows) => rows.iter().map(printed).sum(),
        };
        name.to_bytes().len() + value + AROUND
    };
    row.iter().map(member).sum::<usize>() + AROUND
}

/// Of a byte in a string: a control character takes six.
fn length(byte: u8) -> usize {
    match byte {
        0..0x20 | 0x7f => 6,
        b'"' | b'\\' | b'/' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_as_many_as_fit_and_one_at_the_least() {
        let row = |length: usize| vec![(c"url", Member::Text("x".repeat(length)))];
        assert_eq!(page((0..300).map(|_| row(10)), 100).len(), 100);
        let some = page((0..300).map(|_| row(1000)), 100).len();
        assert!((30..36).contains(&some), "{some}");
        assert_eq!(page([row(100_000), row(1)], 100).len(), 1);
        assert_eq!(page([row(1), row(100_000)], 100).len(), 1);
        assert_eq!(
            printed(&vec![(c"a", Member::Text("\u{1}\"".to_owned()))]),
            89
        );
        assert!(page(Vec::new(), 100).is_empty());
    }
}
