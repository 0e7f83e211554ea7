//! The JSON of a registration, written and read.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::http::is_readable;
use crate::sip::AddressOfRecord;

/// The last end that is believed, in the year 2286: anything later is not a time in milliseconds.
const LAST_END: u64 = 9_999_999_999_999;

/// Why a grant can't be kept.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum GrantError {
    /// It is not a JSON object.
    #[error("what the device was granted is not a JSON object")]
    NotAnObject,
    /// A hook is JSON that not every reader can read, such as half a surrogate pair.
    #[error("the {0} that the device was granted can't be read")]
    Hook(&'static str),
}

/// What an endpoint grants a device, as far as a registration keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// JSON of any kind but null, as it came.
    call_hook: Option<String>,
    call_status_hook: Option<String>,
    app_calling: bool,
    queue_calling: bool,
    user_calling: bool,
}

impl Grant {
    /// Reads the JSON text of an answer, or a decoded token, of whose claims only the hooks are kept; an
    /// empty one grants nothing. Of members that occur twice the
    /// last counts, as in JavaScript. A name may also be in another case, as in an [answer].
    ///
    /// [answer]: crate::http::Answer
    ///
    /// # Errors
    /// Fails with [`GrantError`].
    pub fn parse(text: &[u8]) -> Result<Self, GrantError> {
        if text.is_empty() {
            return Ok(Grant::default());
        }
        match claims(text) {
            None => Self::read(text),
            Some(claims) => Ok(Grant {
                app_calling: false,
                queue_calling: false,
                user_calling: false,
                ..Self::read(claims)?
            }),
        }
    }

    /// Reads a JSON object.
    fn read(text: &[u8]) -> Result<Self, GrantError> {
        let members: HashMap<String, &RawValue> =
            serde_json::from_slice(text).map_err(|_| GrantError::NotAnObject)?;
        let member = |name: &str| {
            let other = || members.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
            let found = members.get(name).or_else(|| other().map(|(_, raw)| raw));
            found.map(|raw| raw.get())
        };
        let hook = |name: &'static str| match member(name) {
            None | Some("null") => Ok(None),
            Some(json) if is_readable(json) => Ok(Some(json.to_owned())),
            Some(_) => Err(GrantError::Hook(name)),
        };
        let is_on = |name: &str| member(name).is_some_and(is_true);
        Ok(Grant {
            call_hook: hook("call_hook")?,
            call_status_hook: hook("call_status_hook")?,
            app_calling: is_on("allow_direct_app_calling"),
            queue_calling: is_on("allow_direct_queue_calling"),
            user_calling: is_on("allow_direct_user_calling"),
        })
    }
}

/// The claims of a decoded token, which is `header.claims`. `None` if it is none.
fn claims(text: &[u8]) -> Option<&[u8]> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    values.next()?.ok()?;
    text.get(values.byte_offset()..)?.strip_prefix(b".")
}

/// Whether a JSON value is true in JavaScript, in which readers of registrations are written: all but
/// `false`, `null`, zero and the empty string.
fn is_true(json: &str) -> bool {
    let is_zero = json.parse::<f64>().is_ok_and(|number| number == 0.0);
    !is_zero && !["false", "null", "\"\""].contains(&json)
}

/// A registration to be saved.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Who is registered.
    pub aor: &'a AddressOfRecord,
    /// For how long, in seconds, at least 1.
    pub expires: u32,
    /// The URI of the contact.
    pub contact: &'a str,
    /// Where calls for the device have to be sent: `host:port` of this server.
    pub sbc_address: &'a str,
    /// The same for servers in the same private network.
    pub private_sbc_address: &'a str,
    /// The transport, in lower case.
    pub protocol: &'a str,
    /// Where the request came from: `address:port`, `[address]:port` for IPv6.
    pub source: &'a str,
    /// What the device was granted.
    pub grant: &'a Grant,
}

impl Entry<'_> {
    /// When it ends, if it begins now: UNIX time in milliseconds.
    pub fn end(&self, now: u64) -> u64 {
        now.saturating_add(u64::from(self.expires) * 1000)
    }

    /// As it is written.
    pub fn json(&self, now: u64) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let flag = |flag: bool| flag.to_string();
        let grant = self.grant;
        let mut members = vec![
            ("expiryTime", self.end(now).to_string()),
            ("contact", text(self.contact)),
            ("sbcAddress", text(self.sbc_address)),
            ("protocol", text(self.protocol)),
            ("proxy", text(&format!("sip:{}", self.source))),
            ("source", text(self.source)),
            ("allow_direct_app_calling", flag(grant.app_calling)),
            ("allow_direct_queue_calling", flag(grant.queue_calling)),
            ("allow_direct_user_calling", flag(grant.user_calling)),
        ];
        // Readers differ in how they spell it.
        for (names, hook) in [
            (["callHook", "call_hook"], &grant.call_hook),
            (
                ["callStatusHook", "call_status_hook"],
                &grant.call_status_hook,
            ),
        ] {
            let hooks = names.map(|name| hook.clone().map(|hook| (name, hook)));
            members.extend(hooks.into_iter().flatten());
        }
        members.push(("privateSbcAddress", text(self.private_sbc_address)));
        let members = members
            .iter()
            .map(|(name, json)| format!("\"{name}\":{json}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }
}

/// A member of a registration, for a variable of the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberValue {
    /// A number that fits into the script's integers.
    Integer(i32),
    /// A string; of anything else its JSON.
    Text(String),
}

/// A time in milliseconds, which may have a fraction.
fn milliseconds(json: &RawValue) -> Option<u64> {
    let number: f64 = serde_json::from_str(json.get()).ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // `as` saturates
    Some(number as u64)
}

/// When an entry says that it ends.
pub(super) fn end_of(entry: &[u8]) -> Option<u64> {
    let members: HashMap<String, &RawValue> = serde_json::from_slice(entry).ok()?;
    milliseconds(members.get("expiryTime")?)
}

/// A registration that was found.
#[derive(Clone, Debug)]
pub struct Registration {
    json: String,
    members: HashMap<String, Box<RawValue>>,
    left: u64,
}

impl Registration {
    /// Reads an entry. `None` if it is not a JSON object that says when it ends, or has ended.
    pub fn parse(entry: Vec<u8>, now: u64) -> Option<Self> {
        let json = String::from_utf8(entry).ok()?;
        let members: HashMap<String, Box<RawValue>> = serde_json::from_str(&json).ok()?;
        let end = milliseconds(members.get("expiryTime")?)?;
        if end > LAST_END {
            return None;
        }
        let left = end.checked_sub(now).filter(|left| *left > 0)?;
        Some(Registration {
            json,
            members,
            left: left / 1000,
        })
    }

    /// As it is there.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// For how many whole seconds it remains.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// A member by its name; `None` if it is missing, null, or a string that can't be read.
    pub fn member(&self, name: &str) -> Option<MemberValue> {
        let json = self.members.get(name)?.get();
        if json == "null" {
            return None;
        }
        if let Ok(number) = json.parse() {
            return Some(MemberValue::Integer(number));
        }
        match json.starts_with('"') {
            true => serde_json::from_str(json).ok().map(MemberValue::Text),
            false => Some(MemberValue::Text(json.to_owned())),
        }
    }
}
