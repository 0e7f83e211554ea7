//! A strict reader of JSON objects (RFC 8259) for untrusted text.
//!
//! serde_json alone can't be as strict as tokens require: it keeps the last of duplicate members
//! (RFC 7519 section 4 lets a reader reject them), it turns integers that don't fit into floating
//! point, and it refuses or rounds other numbers. So the text is read here, into [values](value) of
//! our own.

pub mod number;
pub mod print;
pub mod value;

use compact_str::CompactString;
use thiserror::Error;

pub use value::{Object, Value};

/// How deeply objects and arrays may be nested, counting the outermost object.
///
/// Real tokens stay below ten levels. The limit keeps the recursion of the reader far from
/// exhausting any thread's stack.
pub const MAX_DEPTH: usize = 32;

/// Why a text is not an acceptable JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JsonError {
    /// The bytes are not UTF-8 (RFC 8259 section 8.1).
    #[error("is not UTF-8")]
    NotUtf8,
    /// The text may be JSON, but is not an object.
    #[error("is not a JSON object")]
    NotAnObject,
    /// The text violates the grammar.
    #[error("is not JSON at byte {0}")]
    Syntax(usize),
    /// An object names a member twice, however the names are escaped.
    #[error("names a member twice")]
    DuplicateMember,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("is nested deeper than {MAX_DEPTH}")]
    TooDeep,
}

/// Reads exactly one JSON object, with nothing but white space around it.
///
/// # Errors
/// Fails on anything but one object, a duplicate member at any level, and nesting deeper than
/// [`MAX_DEPTH`]. Numbers may have any size and precision (RFC 8259 section 6).
pub fn parse_object(text: &[u8]) -> Result<Object, JsonError> {
    let text = std::str::from_utf8(text).map_err(|_| JsonError::NotUtf8)?;
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
    };
    reader.skip_space();
    if reader.peek() != Some(b'{') {
        return Err(JsonError::NotAnObject);
    }
    let object = reader.object(1)?;
    reader.skip_space();
    if reader.at != reader.bytes.len() {
        return Err(reader.syntax());
    }
    Ok(object)
}

/// How many bytes precede the first one that a JSON string can't contain unescaped: a quote, a
/// backslash or a control character.
fn plain_length(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let is_plain = |eight: &[u8; 8]| {
        let word = u64::from_le_bytes(*eight);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        below(word, 0x20) | quote | backslash == 0
    };
    let (eights, _) = bytes.as_chunks::<8>();
    let start = 8 * eights.iter().take_while(|eight| is_plain(eight)).count();
    let rest = &bytes[start..];
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    start + rest.iter().position(special).unwrap_or(rest.len())
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, JsonError> {
        let byte = self.peek().ok_or_else(|| self.syntax())?;
        self.at += 1;
        Ok(byte)
    }

    fn syntax(&self) -> JsonError {
        JsonError::Syntax(self.at)
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(self.syntax());
        }
        self.at += 1;
        Ok(())
    }

    fn literal(&mut self, word: &str, value: Value) -> Result<Value, JsonError> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.syntax());
        }
        self.at += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> Result<Value, JsonError> {
        match self.peek() {
            Some(b'{') => Ok(Value::Object(self.object(depth)?)),
            Some(b'[') => Ok(Value::Array(self.array(depth)?)),
            Some(b'"') => Ok(Value::String(self.string()?)),
            Some(b't') => self.literal("true", Value::Bool(true)),
            Some(b'f') => self.literal("false", Value::Bool(false)),
            Some(b'n') => self.literal("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.syntax()),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Object, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.expect(b'{')?;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Object::default());
        }
        let mut members = Vec::with_capacity(8);
        loop {
            self.skip_space();
            let name = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            let value = self.value(depth + 1)?;
            members.push((name, value));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Object::new(members).ok_or(JsonError::DuplicateMember);
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Vec<Value>, JsonError> {
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep);
        }
        self.expect(b'[')?;
        let mut elements = Vec::new();
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(elements);
        }
        loop {
            self.skip_space();
            elements.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(elements);
                }
                _ => return Err(self.syntax()),
            }
        }
    }

    fn string(&mut self) -> Result<CompactString, JsonError> {
        self.expect(b'"')?;
        let start = self.at;
        self.skip_plain();
        // Most strings have no escapes and are taken in one piece.
        if self.peek() == Some(b'"') {
            let plain = CompactString::new(&self.text[start..self.at]);
            self.at += 1;
            return Ok(plain);
        }
        let mut string = CompactString::new(&self.text[start..self.at]);
        loop {
            match self.next()? {
                b'"' => return Ok(string),
                b'\\' => string.push(self.escape()?),
                // Only a control character ends a plain run in any other way.
                _ => {
                    self.at -= 1;
                    return Err(self.syntax());
                }
            }
            let start = self.at;
            self.skip_plain();
            string.push_str(&self.text[start..self.at]);
        }
    }

    /// Moves to the next quote, backslash or control character, or to the end: always a character
    /// boundary, since all of these are ASCII.
    fn skip_plain(&mut self) {
        self.at += plain_length(&self.bytes[self.at..]);
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        Ok(match self.next()? {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4()?;
                let code = match unit {
                    0xD800..=0xDBFF => {
                        self.expect(b'\\')?;
                        self.expect(b'u')?;
                        let low = self.hex4()?;
                        if !(0xDC00..=0xDFFF).contains(&low) {
                            return Err(self.syntax());
                        }
                        0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00)
                    }
                    _ => unit,
                };
                // A lone low surrogate is not a character.
                char::from_u32(code).ok_or_else(|| self.syntax())?
            }
            _ => {
                self.at -= 1;
                return Err(self.syntax());
            }
        })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.next()?)
                .to_digit(16)
                .ok_or_else(|| self.syntax())?;
            unit = unit * 16 + digit;
        }
        Ok(unit)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.syntax());
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Value, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let integer = whole.then(|| text.parse().ok()).flatten();
        Ok(integer.map_or_else(|| Value::Number(text.into()), Value::Integer))
    }
}

#[cfg(test)]
mod tests;
