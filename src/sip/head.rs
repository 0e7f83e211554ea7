//! The head of a message, parsed strictly.
//!
//! OpenSIPS is lenient: whatever precedes a colon is the name of a header, including line breaks
//! and NUL. A script that removes a header by its name, and a next hop that reads the rest, then
//! see different messages. So a head is accepted only if it can't be read in any other way.

/// The most header fields of one message. With all the Via, Route and Record-Route that a request
/// accumulates on its way, real ones stay below a hundred.
pub const MAX_HEADERS: usize = 256;

/// Headers that may occur only once, with their compact forms (RFC 3261 section 7.3.3), as far as
/// decisions depend on them.
const SINGLE: [(&str, &str); 8] = [
    ("To", "t"),
    ("From", "f"),
    ("Call-ID", "i"),
    ("CSeq", ""),
    ("Expires", ""),
    ("Max-Forwards", ""),
    ("Content-Length", "l"),
    ("Content-Type", "c"),
];

/// A header field: its name and its value, without surrounding white space. A folded value is one
/// line (RFC 3261 section 7.3.1).
pub type Header = (Vec<u8>, Vec<u8>);

/// Why a head is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The empty line after the last header field is missing.
    #[error("the head has no end")]
    NoEnd,
    /// A line that is neither a header field nor the continuation of one.
    #[error(
        "line {0} of the head must begin with the name of a header, which is a token, and a colon"
    )]
    Name(usize),
    /// NUL, or a CR that does not belong to a line break.
    #[error("line {0} of the head has a NUL, or a CR that does not end a line")]
    Byte(usize),
    /// Over [`MAX_HEADERS`].
    #[error("the head has more than {MAX_HEADERS} header fields")]
    TooMany,
    /// More Contact headers than are processed.
    #[error("the head has more than {0} Contact headers")]
    TooManyContacts(usize),
    /// A header that may occur only once (RFC 3261 section 7.3.1): a reader of the first one sees a
    /// different message from a reader of the last.
    #[error("the head has more than one {0}")]
    Twice(&'static str),
    /// REGISTER in lower case: scripts compare case-insensitively, RFC 3261 section 7.1
    /// case-sensitively.
    #[error("the method is not REGISTER, but looks like it")]
    Method,
    /// CSeq is not a number of 32 bits and the method of the request (RFC 3261 section 8.1.1.5):
    /// whoever answers takes the method from there.
    #[error("CSeq must be a number below 2^32 and the method of the request")]
    Sequence,
    /// The core sees other header fields.
    #[error("header {0} can be read in two ways")]
    Ambiguous(usize),
}

/// The header fields of a request or response, in order. `message` may have a body, which is
/// ignored. Lines end with CR LF, or with LF alone, which some devices send.
///
/// # Errors
/// Fails with [`HeadError`]; lines are counted from 1, the request or status line.
pub fn head(message: &[u8]) -> Result<Vec<Header>, HeadError> {
    let mut headers: Vec<Header> = Vec::new();
    // Empty lines before the first one are ignored (RFC 3261 section 7.5).
    let begin = message
        .iter()
        .position(|byte| !b"\r\n".contains(byte))
        .unwrap_or(message.len());
    let mut rest = message.get(begin..).unwrap_or_default();
    let mut first: &[u8] = &[];
    for number in 1.. {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            break;
        };
        let (line, after) = rest.split_at(end);
        rest = after.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.iter().any(|byte| b"\0\r".contains(byte)) {
            return Err(HeadError::Byte(number));
        }
        if number == 1 {
            first = line;
            continue;
        }
        if line.is_empty() {
            if let Some(name) = twice(&headers) {
                return Err(HeadError::Twice(name));
            }
            return match is_in_sequence(first, &headers) {
                true => Ok(headers),
                false => Err(HeadError::Sequence),
            };
        }
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            let (_, value) = headers.last_mut().ok_or(HeadError::Name(number))?;
            value.push(b' ');
            value.extend_from_slice(line.trim_ascii());
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = line.split_at(colon.ok_or(HeadError::Name(number))?);
        // The grammar allows a tab here, too. After some names the core does not, and takes the
        // header for an unknown one.
        let blanks = name.iter().rev().take_while(|byte| **byte == b' ');
        let (name, _) = name.split_at(name.len() - blanks.count());
        if !is_token(name) {
            return Err(HeadError::Name(number));
        }
        if headers.len() == MAX_HEADERS {
            return Err(HeadError::TooMany);
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        headers.push((name.to_vec(), value.to_vec()));
    }
    Err(HeadError::NoEnd)
}

/// A header that occurs more than once, but must not.
fn twice(headers: &[Header]) -> Option<&'static str> {
    let mut seen = [false; SINGLE.len()];
    headers.iter().find_map(|(name, _)| {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let mut known = SINGLE.iter().zip(&mut seen);
        let ((long, _), seen) = known.find(|((long, short), _)| is(long) || is(short))?;
        std::mem::replace(seen, true).then_some(*long)
    })
}

/// Whether CSeq, if there is one, has a number of 32 bits and the method of `first`, the request line. A
/// reply has no method of its own.
fn is_in_sequence(first: &[u8], headers: &[Header]) -> bool {
    let method = first.split(|byte| *byte == b' ').next().unwrap_or_default();
    let mut named = headers.iter();
    let Some((_, value)) = named.find(|(name, _)| name.eq_ignore_ascii_case(b"CSeq")) else {
        return true;
    };
    let is_blank = |byte: &u8| b" \t".contains(byte);
    let mut parts = value.split(is_blank).filter(|part| !part.is_empty());
    let (number, of, more) = (parts.next(), parts.next(), parts.next());
    let is_number = number.is_some_and(|digits| {
        let text = str::from_utf8(digits).ok();
        let is_digits = digits.iter().all(u8::is_ascii_digit);
        is_digits && text.is_some_and(|text| text.parse::<u32>().is_ok())
    });
    let is_reply = method.starts_with(b"SIP/");
    is_number && more.is_none() && (is_reply || of == Some(method))
}

/// Whether this is a token (RFC 3261 section 25.1).
pub fn is_token(text: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(byte);
    !text.is_empty() && text.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(lines: &str) -> Result<Vec<(String, String)>, HeadError> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let message = format!("REGISTER sip:r SIP/2.0\r\n{lines}\r\n\r\nBody: no\r\n\0");
        head(message.as_bytes()).map(|headers| {
            let texts = headers.into_iter();
            texts
                .map(|(name, value)| (text(name), text(value)))
                .collect()
        })
    }

    #[test]
    fn headers_are_taken_apart_and_folded_lines_joined() {
        let found = read("Via: a\r\nv:b\nSubject  : x\r\n  y\r\n\tz\r\nEmpty:\r\nX-1:\x0c:");
        let expected = [
            ("Via", "a"),
            ("v", "b"),
            ("Subject", "x y z"),
            ("Empty", ""),
            ("X-1", ":"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(found, Ok(expected.to_vec()));
        assert_eq!(
            head(b"\r\n\r\nOPTIONS sip:r SIP/2.0\n\n").map(|headers| headers.len()),
            Ok(0)
        );
    }

    #[test]
    fn there_is_one_of_what_decides() {
        for (lines, name) in [
            ("To: a\r\nVia: b\r\nt: c", "To"),
            ("f: a\r\nFROM: a", "From"),
            ("Call-ID: a\r\nCall-id  : a", "Call-ID"),
            ("Expires: 0\r\nExpires: 60", "Expires"),
            ("l: 0\r\nContent-Length: 0", "Content-Length"),
        ] {
            assert_eq!(read(lines), Err(HeadError::Twice(name)), "{lines:?}");
        }
        let several =
            "Via: a\r\nv: b\r\nContact: a\r\nm: b\r\nRoute: a\r\nRoute: b\r\nSubject: a\r\ns: b";
        assert!(read(&format!("{several}\r\nTo: a\r\nFrom: b")).is_ok());
    }

    #[test]
    fn a_request_and_its_sequence_have_one_method() {
        for value in [
            "1 REGISTER",
            "0 REGISTER",
            "4294967295\tREGISTER",
            "0000000000000007  REGISTER",
            "1\r\n REGISTER",
        ] {
            assert!(read(&format!("CSeq: {value}")).is_ok(), "{value}");
        }
        for value in [
            "",
            "1",
            "REGISTER",
            "1 INVITE",
            "1 register",
            "1 REGISTER x",
            "1REGISTER",
            "-1 REGISTER",
            "+1 REGISTER",
            "x REGISTER",
            "1.0 REGISTER",
            "4294967296 REGISTER",
        ] {
            let error = Err(HeadError::Sequence);
            assert_eq!(read(&format!("CSeq: {value}")), error, "{value}");
        }
        let reply = b"SIP/2.0 200 OK\r\nCSeq: 7 INVITE\r\n\r\n";
        assert!(head(reply).is_ok());
        assert_eq!(
            head(b"SIP/2.0 200 OK\r\nCSeq: x INVITE\r\n\r\n"),
            Err(HeadError::Sequence)
        );
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for (lines, error) in [
            ("Junk\r\nAuthorization: x", HeadError::Name(2)),
            ("Via: a\r\nX-Call-Hook\r\n : x", HeadError::Name(3)),
            (" folded: x", HeadError::Name(2)),
            (": x", HeadError::Name(2)),
            ("\x0cAuthorization: x", HeadError::Name(2)),
            ("\x0bTo: x", HeadError::Name(2)),
            ("X-A B: x", HeadError::Name(2)),
            ("Proxy-Authorization\t: x", HeadError::Name(2)),
            ("Via \t: x", HeadError::Name(2)),
            ("X-Ä: x", HeadError::Name(2)),
            ("A\0\r\nX-Call-Hook: x", HeadError::Byte(2)),
            ("X: a\rTo: b", HeadError::Byte(2)),
            ("\rTo: b", HeadError::Byte(2)),
            ("X: a\r\r\nTo: b", HeadError::Byte(2)),
            ("X: a\0b", HeadError::Byte(2)),
        ] {
            assert_eq!(read(lines), Err(error), "{lines:?}");
        }
        assert_eq!(head(b"R sip:r SIP/2.0\r\nTo: a\r\n"), Err(HeadError::NoEnd));
        assert_eq!(head(b""), Err(HeadError::NoEnd));
        assert_eq!(head(b"R\0 sip:r\r\n\r\n"), Err(HeadError::Byte(1)));
        let many = "X: y\r\n".repeat(MAX_HEADERS);
        assert!(read(many.trim_end()).is_ok());
        assert_eq!(read(&format!("{many}X: y")), Err(HeadError::TooMany));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(message: Vec<u8>) {
            _ = head(&message);
            _ = head(&[b"R sip:r SIP/2.0\r\n", message.as_slice(), b"\r\n\r\n"].concat());
        }
    }
}
