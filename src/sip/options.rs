//! Option tags (RFC 3261 section 19.2): the extensions that a request demands.

use super::head::{Header, is_token};

/// The longest option tag, in bytes. The registered ones have up to 20.
const MAX_TAG: usize = 64;

/// The most option tags that a reply names: its size does not grow with that of the request.
const MAX_NAMED: usize = 8;

/// Something that is demanded is no option tag, or longer than 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an option tag is no token of up to {MAX_TAG} bytes")]
pub struct OptionError;

/// What the headers of this name demand that is not in `supported`, separated by commas: for Unsupported
/// (RFC 3261 section 20.40), so at most eight of them, each once. Tags are compared ignoring case
/// (section 7.3.1). `None` if all is supported.
///
/// # Errors
/// Fails with [`OptionError`].
pub fn unsupported(
    headers: &[Header],
    name: &[u8],
    supported: &[u8],
) -> Result<Option<Vec<u8>>, OptionError> {
    let supported: Vec<_> = tags(supported).collect();
    let mut found: Vec<&[u8]> = Vec::new();
    let values = headers
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name));
    for tag in values.flat_map(|(_, value)| tags(value)) {
        if tag.len() > MAX_TAG || !is_token(tag) {
            return Err(OptionError);
        }
        let is_it = |other: &&[u8]| other.eq_ignore_ascii_case(tag);
        if found.len() < MAX_NAMED && !supported.iter().any(is_it) && !found.iter().any(is_it) {
            found.push(tag);
        }
    }
    Ok((!found.is_empty()).then(|| found.join(b", ".as_slice())))
}

/// The entries of a list, which may be empty.
fn tags(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let tags = list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    tags.filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str], supported: &str) -> Result<Option<String>, OptionError> {
        let header = |value: &&str| (b"require".to_vec(), value.as_bytes().to_vec());
        let mut headers: Vec<Header> = values.iter().map(header).collect();
        headers.push((b"Supported".to_vec(), b"timer".to_vec()));
        let found = unsupported(&headers, b"Require", supported.as_bytes())?;
        Ok(found.map(|found| String::from_utf8(found).unwrap()))
    }

    #[test]
    fn what_is_demanded_and_not_supported_is_named_once() {
        assert_eq!(of(&[], ""), Ok(None));
        assert_eq!(of(&["", " , "], ""), Ok(None));
        assert_eq!(of(&["path, OUTBOUND", "Path"], " Path,outbound "), Ok(None));
        let named = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(of(&["path"], ""), named("path"));
        assert_eq!(of(&["x-a,path ,x-b", "X-A"], "path"), named("x-a, x-b"));
        assert_eq!(of(&["pathx, xpath"], "path"), named("pathx, xpath"));
        assert_eq!(
            of(&["1,2,3,4,5,6,7,8,9"], ""),
            named("1, 2, 3, 4, 5, 6, 7, 8")
        );
        assert_eq!(of(&[&"a".repeat(64)], ""), named(&"a".repeat(64)));
    }

    #[test]
    fn what_is_no_tag_can_t_be_named() {
        let long = "a".repeat(65);
        for value in ["a b", "a;b", "\"a\"", "a\0", "\u{e4}", "<null>", &long] {
            assert_eq!(of(&["path", value], "path"), Err(OptionError), "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(value: Vec<u8>, supported: Vec<u8>) {
            let headers = [(b"Require".to_vec(), value)];
            if let Ok(Some(found)) = unsupported(&headers, b"Require", &supported) {
                prop_assert!(found.len() <= MAX_NAMED * (MAX_TAG + 2) && found.is_ascii());
            }
        }
    }
}
