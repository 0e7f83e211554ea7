//! Shortens a request that shows a fault.

use super::wire::Request;

/// The shortest request found for which `fails` still holds: first lines are removed, then
/// parameters, then bytes.
pub fn shrink(request: &Request, mut fails: impl FnMut(&Request) -> bool) -> Request {
    let mut best = request.clone();
    for ends in [b"\n".as_slice(), b"\n,;", b"\n,; =\""] {
        let pieces = cut(&best.rest, ends);
        best = without(&best, pieces, &mut fails);
    }
    if best.rest.len() < 400 {
        let bytes = best.rest.iter().map(|byte| vec![*byte]).collect();
        best = without(&best, bytes, &mut fails);
    }
    best
}

/// Pieces that end with any of these bytes.
fn cut(text: &[u8], ends: &[u8]) -> Vec<Vec<u8>> {
    let pieces = text.split_inclusive(|byte| ends.contains(byte));
    pieces.map(<[u8]>::to_vec).collect()
}

/// Removes runs of pieces: first half of them, then ever shorter runs.
fn without(
    request: &Request,
    mut pieces: Vec<Vec<u8>>,
    fails: &mut impl FnMut(&Request) -> bool,
) -> Request {
    let mut length = pieces.len().div_ceil(2);
    while length > 0 {
        let mut at = 0;
        while at < pieces.len() {
            let mut fewer = pieces.clone();
            fewer.drain(at..pieces.len().min(at + length));
            let shorter = Request {
                rest: fewer.concat(),
                ..request.clone()
            };
            match fails(&shorter) {
                true => pieces = fewer,
                false => at += length,
            }
        }
        length /= 2;
    }
    Request {
        rest: pieces.concat(),
        ..request.clone()
    }
}
