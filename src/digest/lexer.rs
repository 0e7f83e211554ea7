//! The elements of header values: tokens, quoted strings, white space (RFC 3261 section 25.1).

/// Reads a header value from the front.
pub(crate) struct Lexer<'a> {
    rest: &'a [u8],
    escape: Escape,
}

/// The quoted pairs (RFC 3261 section 25.1) in a value. To OpenSIPS, a backslash is an ordinary
/// character, and a value ends at the quote after one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Escape {
    /// None.
    None,
    /// Of characters other than a quote.
    Other,
    /// Of a quote.
    Quote,
}

/// White space as in RFC 3261 section 25.1, including the line break of a folded line, but not form
/// feed and vertical tab.
pub(crate) fn is_white_space(byte: u8) -> bool {
    b" \t\r\n".contains(&byte)
}

/// The value without surrounding white space.
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    let wanted = |byte: &u8| !is_white_space(*byte);
    let begin = value.iter().position(wanted).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(wanted)
        .map_or(begin, |last| last + 1);
    value.get(begin..end).unwrap_or_default()
}

/// A value that is neither a quoted string nor one or more visible characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadValue;

impl<'a> Lexer<'a> {
    pub(crate) fn new(value: &'a [u8]) -> Self {
        Lexer {
            rest: value,
            escape: Escape::None,
        }
    }

    /// What was escaped in the last value.
    pub(crate) fn escape(&self) -> Escape {
        self.escape
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Skips white space, including folded lines; returns whether there was any.
    pub(crate) fn white_space(&mut self) -> bool {
        !self.while_(is_white_space).is_empty()
    }

    /// Skips `byte` and the white space around it.
    pub(crate) fn separator(&mut self, byte: u8) -> bool {
        self.white_space();
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                self.white_space();
                true
            }
            _ => false,
        }
    }

    /// A token; empty if there is none.
    pub(crate) fn token(&mut self) -> &'a [u8] {
        self.while_(is_token_byte)
    }

    /// The value of a parameter, without quotes and escapes.
    ///
    /// The grammar defines for each parameter whether it is quoted. Devices get that wrong in both
    /// directions, and the meaning is clear anyway, so both forms are accepted for all of them, as
    /// OpenSIPS does. An unquoted value ends at white space, a comma or a quote.
    pub(crate) fn value(&mut self) -> Result<Vec<u8>, BadValue> {
        self.escape = Escape::None;
        if self.rest.first() == Some(&b'"') {
            return self.quoted_string();
        }
        let value = self.while_(|byte| byte > b' ' && byte != 0x7f && !b"\",".contains(&byte));
        if value.is_empty() {
            Err(BadValue)
        } else {
            Ok(value.to_vec())
        }
    }

    fn quoted_string(&mut self) -> Result<Vec<u8>, BadValue> {
        let mut value = Vec::new();
        let mut bytes = self.rest.iter().copied().enumerate().skip(1);
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or_default();
                    return Ok(value);
                }
                // quoted-pair: any ASCII character except CR and LF.
                b'\\' => match bytes.next() {
                    Some((_, escaped)) if escaped.is_ascii() && !is_forbidden(escaped) => {
                        let escape = match escaped {
                            b'"' => Escape::Quote,
                            _ => Escape::Other,
                        };
                        self.escape = self.escape.max(escape);
                        value.push(escaped);
                    }
                    _ => return Err(BadValue),
                },
                _ if is_forbidden(byte) => return Err(BadValue),
                _ => value.push(byte),
            }
        }
        Err(BadValue)
    }

    fn while_(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self
            .rest
            .iter()
            .position(|byte| !wanted(*byte))
            .unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        value
    }
}

/// Control characters do not belong in credentials, and would be dangerous in a log.
fn is_forbidden(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte)
}
