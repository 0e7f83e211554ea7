//! What an endpoint answers.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sip::AddressOfRecord;

/// The longest answer that is read, in bytes.
pub const MAX_ANSWER: usize = 64 * 1024;

/// How deeply an answer may be nested, counting the outermost object: OpenSIPS's module json, with which
/// scripts read it, goes no deeper (json-c's JSON_TOKENER_DEFAULT_DEPTH is 32).
const MAX_DEPTH: usize = 31;

/// The longest expiry that fits the script's integers.
const MAX_EXPIRES: u32 = i32::MAX.unsigned_abs();

/// An answer that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The decision.
    pub verdict: Verdict,
    /// `aor` of an admission: the address of record of the request, if the endpoint gives one.
    pub aor: Option<Box<AddressOfRecord>>,
    /// `msg`, or `message`: for people. Control characters are replaced with spaces, because
    /// scripts put it into reason phrases.
    pub message: Option<Box<str>>,
    /// The whole answer.
    pub grant: Grant,
    /// Something that an operator should read in the log.
    pub remark: Option<Remark>,
    /// The HTTP status of a denial that was given by it.
    pub status: Option<u16>,
    /// The URL that gave such a status, without userinfo and query.
    pub url: Option<Box<str>>,
}

/// The decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// `status` is ok.
    Admitted {
        /// Granted seconds: never more than requested; the requested value if the answer gives
        /// none; `None` if neither gives any.
        expires: Option<u32>,
    },
    /// `status` is anything else, or the answer's HTTP status says so.
    Denied {
        /// How long the source is to be refused without asking.
        ban: Option<Ban>,
    },
}

/// How long a source is banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ban {
    /// This many seconds, at least 1.
    Seconds(u32),
    /// Until it is lifted.
    Forever,
}

/// Not an error, but not correct either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    /// More seconds were granted than requested.
    ExpiresCut {
        /// What the answer said.
        granted: String,
        /// What it was cut to.
        to: u32,
    },
    /// `blacklist` of a denial is not a number of seconds; nothing was banned.
    BlacklistIgnored,
    /// A denial is nested deeper than [`MAX_DEPTH`]; the script does not get it.
    TooDeep,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remark::ExpiresCut { granted, to } => {
                write!(
                    f,
                    "expires {granted} is more than was requested, it was cut to {to}"
                )
            }
            Remark::BlacklistIgnored => f.write_str(
                "blacklist is neither seconds nor -1, true or false; nothing was banned",
            ),
            Remark::TooDeep => {
                write!(
                    f,
                    "a denial nested deeper than {MAX_DEPTH}, whose members are ignored"
                )
            }
        }
    }
}

/// Why an answer is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Not JSON; with the parser's position.
    #[error("the answer is not a JSON object (line {line}, column {column})")]
    NotAnObject {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// No `status`, or null.
    #[error("the answer has no status")]
    NoStatus,
    /// A member that affects the decision occurs twice.
    #[error("the answer has {0} more than once")]
    Duplicate(&'static str),
    /// `expires` of an admission.
    #[error("the answer's expires must be a whole number of seconds from 0")]
    Expires,
    /// An admission that scripts can't read.
    #[error("the answer is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// `aor` of an admission.
    #[error("the answer's aor must be an address of record, user@domain")]
    Aor,
}

/// The whole answer. The names of its members are compared ignoring the case of ASCII letters, since
/// frameworks differ in how they write them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grant {
    json: String,
    members: Vec<(String, String)>,
    is_deep: bool,
}

/// A member of an answer, for an AVP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantValue {
    /// A number that fits the script's integers.
    Integer(i32),
    /// A string; for anything else that is not null (other numbers, true and false, arrays,
    /// objects), its compact JSON.
    Text(String),
}

impl Grant {
    /// The answer without white space, its members in their original order.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// Reads a JSON object. As in JavaScript's `Response.json()`, a leading byte order mark is
    /// skipped, and bytes that are not UTF-8 are replaced with U+FFFD.
    ///
    /// # Errors
    /// Fails with [`AnswerError::NotAnObject`].
    pub fn parse(body: &[u8]) -> Result<Grant, AnswerError> {
        let text = String::from_utf8_lossy(body);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let object: Object<'_> =
            serde_json::from_str(text).map_err(|error| AnswerError::NotAnObject {
                line: error.line(),
                column: error.column(),
            })?;
        let members = object.0.into_iter();
        Ok(Grant {
            is_deep: is_deep(text),
            json: compact(text),
            members: members
                .map(|(name, raw)| (name, compact(raw.get())))
                .collect(),
        })
    }

    fn raw(&self, name: &str) -> Option<&String> {
        let last = |is: &dyn Fn(&str) -> bool| self.members.iter().rev().find(|(n, _)| is(n));
        let (_, json) = last(&|member| member == name)
            .or_else(|| last(&|member| member.eq_ignore_ascii_case(name)))?;
        Some(json)
    }

    /// Whether every reader can read a [`member`](Self::member).
    pub fn is_readable(&self, name: &str) -> bool {
        self.raw(name).is_none_or(|json| is_readable(json))
    }

    /// The member with this name, or else with this name in another case; `None` if it is absent or
    /// null. Of duplicates, the last.
    pub fn member(&self, name: &str) -> Option<GrantValue> {
        let json = self.raw(name)?;
        if json == "null" {
            return None;
        }
        if let Ok(number) = json.parse() {
            return Some(GrantValue::Integer(number));
        }
        Some(GrantValue::Text(text(json).unwrap_or_else(|| json.clone())))
    }

    /// A member that affects the decision, if present and not null: it may occur once.
    fn single(&self, name: &'static str) -> Result<Option<&str>, AnswerError> {
        let is = |member: &str| member.eq_ignore_ascii_case(name);
        let mut found = self.members.iter().filter(|(member, _)| is(member));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(AnswerError::Duplicate(name)),
            (first, None) => Ok(first
                .map(|(_, json)| json.as_str())
                .filter(|json| *json != "null")),
        }
    }

    /// As scripts get it: an empty object if they could not read it, or if it is not an object.
    fn shown(self) -> (Grant, Option<Remark>) {
        if !self.is_deep && !self.json.is_empty() {
            return (self, None);
        }
        let remark = self.is_deep.then_some(Remark::TooDeep);
        let grant = Grant {
            json: "{}".to_owned(),
            ..Grant::default()
        };
        (grant, remark)
    }

    /// `msg`, or `message`.
    fn message(&self) -> Result<Option<Box<str>>, AnswerError> {
        let message = match self.single("msg")? {
            Some(message) => Some(message),
            None => self.single("message")?,
        };
        Ok(message.map(|json| {
            let message = text(json).unwrap_or_else(|| json.to_owned());
            message.replace(char::is_control, " ").into()
        }))
    }

    /// The ban that a denial asks for.
    fn ban(&self, blacklist_time: u32) -> Result<(Option<Ban>, Option<Remark>), AnswerError> {
        // The published example has the second spelling.
        let blacklist = match self.single("blacklist")? {
            Some(blacklist) => Some(blacklist),
            None => self.single("blaclist")?,
        };
        Ok(
            match blacklist.map_or(Ok(None), |json| ban(json, blacklist_time)) {
                Ok(ban) => (ban, None),
                Err(remark) => (None, Some(remark)),
            },
        )
    }
}

impl Answer {
    /// Reads the body of an answer with status 200.
    ///
    /// `requested` is the expiry that the request asked for, in seconds; `blacklist_time` is what
    /// `blacklist: true` means.
    ///
    /// # Errors
    /// Fails with [`AnswerError`] if the answer can't be understood; it must not admit anything
    /// then.
    pub fn parse(
        body: &[u8],
        requested: Option<u32>,
        blacklist_time: u32,
    ) -> Result<Answer, AnswerError> {
        let grant = Grant::parse(body)?;
        let status = grant.single("status")?.ok_or(AnswerError::NoStatus)?;
        let message = grant.message()?;
        let admitted = text(status).is_some_and(|status| status.eq_ignore_ascii_case("ok"));
        if admitted && grant.is_deep {
            return Err(AnswerError::TooDeep);
        }
        let mut aor = None;
        let (verdict, remark) = if admitted {
            aor = grant.single("aor")?.map(address).transpose()?;
            let (expires, remark) = match requested {
                // A request to unregister is confirmed.
                Some(0) => (requested, None),
                _ => granted(grant.single("expires")?, requested)?,
            };
            (Verdict::Admitted { expires }, remark)
        } else {
            let (ban, remark) = grant.ban(blacklist_time)?;
            (Verdict::Denied { ban }, remark)
        };
        let (grant, too_deep) = grant.shown();
        Ok(Answer {
            verdict,
            aor,
            message,
            grant,
            remark: remark.or(too_deep),
            status: None,
            url: None,
        })
    }

    /// A denial by the HTTP status. Its body may be an answer as well, which says why and for how
    /// long, but can't overrule the denial; anything else in it is ignored.
    pub fn denial(status: u16, body: &[u8], blacklist_time: u32) -> Answer {
        let grant = Grant::parse(body).unwrap_or_default();
        let (ban, remark) = grant.ban(blacklist_time).unwrap_or_default();
        let message = grant.message().unwrap_or_default();
        let (grant, too_deep) = grant.shown();
        Answer {
            verdict: Verdict::Denied { ban },
            aor: None,
            message,
            grant,
            remark: remark.or(too_deep),
            status: Some(status),
            url: None,
        }
    }
}

fn address(json: &str) -> Result<Box<AddressOfRecord>, AnswerError> {
    // What was not UTF-8 must not become anybody's name.
    let text = text(json).filter(|text| !text.contains(char::REPLACEMENT_CHARACTER));
    let address = text.and_then(|text| AddressOfRecord::parse(&text));
    address.map(Box::new).ok_or(AnswerError::Aor)
}

/// The seconds that an admission grants.
fn granted(
    json: Option<&str>,
    requested: Option<u32>,
) -> Result<(Option<u32>, Option<Remark>), AnswerError> {
    // Endpoints that have nothing to say write a zero, as jambonz's own example does. It is false in
    // JavaScript, and so are these.
    let Some(json) = json.filter(|json| !["false", "\"\""].contains(json)) else {
        return Ok((requested, None));
    };
    let seconds = whole_number(json).ok_or(AnswerError::Expires)?;
    let limit = requested.unwrap_or(MAX_EXPIRES);
    match seconds {
        0 => Ok((requested, None)),
        ..0 => Err(AnswerError::Expires),
        _ => match u32::try_from(seconds) {
            Ok(seconds) if seconds <= limit => Ok((Some(seconds), None)),
            _ => {
                let remark = Remark::ExpiresCut {
                    granted: seconds.to_string(),
                    to: limit,
                };
                Ok((Some(limit), Some(remark)))
            }
        },
    }
}

/// The ban that a denial asks for.
fn ban(json: &str, blacklist_time: u32) -> Result<Option<Ban>, Remark> {
    match text(json).as_deref().unwrap_or(json) {
        "false" => Ok(None),
        "true" => Ok((blacklist_time > 0).then_some(Ban::Seconds(blacklist_time))),
        _ => match whole_number(json).ok_or(Remark::BlacklistIgnored)? {
            -1 => Ok(Some(Ban::Forever)),
            0 => Ok(None),
            ..0 => Err(Remark::BlacklistIgnored),
            // More than sixty-eight years.
            seconds => Ok(Some(
                i32::try_from(seconds)
                    .map_or(Ban::Forever, |seconds| Ban::Seconds(seconds.unsigned_abs())),
            )),
        },
    }
}

/// A whole number, as a JSON number (3600, 3600.0, 3.6e3) or as decimal digits in a string. Values
/// too large for the type saturate.
fn whole_number(json: &str) -> Option<i128> {
    let string = text(json);
    let digits = string.as_deref().map_or(json, str::trim);
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        let largest = if unsigned.len() < digits.len() {
            i128::MIN
        } else {
            i128::MAX
        };
        return Some(digits.parse().unwrap_or(largest));
    }
    if string.is_some() {
        return None;
    }
    let number: f64 = json.parse().ok()?;
    #[allow(clippy::cast_possible_truncation)] // it is whole, and `as` saturates
    (number.is_finite() && number.fract() == 0.0).then_some(number as i128)
}

/// The content of a JSON string; `None` for any other value.
fn text(json: &str) -> Option<String> {
    if json.starts_with('"') {
        serde_json::from_str(json).ok()
    } else {
        None
    }
}

/// The strings of valid JSON, quotes and escapes included, and the brackets between them.
fn tokens(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        let start = rest.find(['"', '[', ']', '{', '}'])?;
        let (_, from) = rest.split_at_checked(start)?;
        let mut escaped = false;
        let is_end = |character: char| {
            let is_end = character == '"' && !escaped;
            escaped = !escaped && character == '\\';
            is_end
        };
        let length = match from.strip_prefix('"') {
            Some(inner) => inner.find(is_end)? + 2,
            None => 1,
        };
        let (token, behind) = from.split_at_checked(length)?;
        rest = behind;
        Some(token)
    })
}

/// How deeply valid JSON is nested.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in tokens(json) {
        match token {
            "[" | "{" => depth += 1,
            "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Whether all strings in valid JSON can be read: not every reader accepts half a surrogate pair.
pub fn is_readable(json: &str) -> bool {
    tokens(json).all(|token| !token.starts_with('"') || text(token).is_some())
}

/// Whether JSON is nested deeper than scripts can read.
pub fn is_deep(json: &str) -> bool {
    depth(json) > MAX_DEPTH
}

/// Valid JSON without the white space between its tokens.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for character in json.chars() {
        if quoted {
            quoted = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            quoted = character == '"';
        }
        out.push(character);
    }
    out
}

/// The members of an object, unparsed, in their original order.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    let value: &'de RawValue = map.next_value()?;
                    if value.get().starts_with('"') {
                        // The raw value's syntax was checked, but not its escapes (surrogates).
                        serde_json::from_str::<String>(value.get()).map_err(de::Error::custom)?;
                    }
                    members.push((name, value));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
