//! JSON Web Tokens (RFC 7519): reading, verifying, judging and making them.
//!
//! Everything here is a pure function of its arguments: no clock, no globals, no logging. Whatever
//! is needed from outside (the time, the keys, the rules) is passed in.
//!
//! The path of a token: [`token`] reads it, [`key`] reads what may verify it, [`verify`] checks the
//! signature, [`claims`] checks its claims against the [`rules`], and [`authorize`] combines these
//! into the answer for the routing script. [`cache`] remembers the answers, and [`signatures`] what any
//! process has verified; [`revocations`] is what is refused nevertheless, also because of
//! a [`logout`] token. In the other direction,
//! [`sign`] makes a token, and [`challenge`] asks for one.

pub mod algorithm;
pub mod authorize;
pub mod binding;
pub mod cache;
pub(crate) mod challenge;
pub mod claims;
pub mod json;
pub mod key;
pub(crate) mod logout;
pub(crate) mod path;
pub mod public_key;
pub mod revocations;
pub mod rules;
pub(crate) mod sign;
pub mod signatures;
pub mod signing_key;
#[cfg(test)]
pub(crate) mod testing;
pub mod token;
pub(crate) mod username;
pub(crate) mod verify;

/// Quotes text from a token for a log line or a script, truncated and without control characters,
/// since anyone may have sent it.
fn quote(text: &str) -> String {
    quote_up_to(text, 32)
}

/// The same with up to that many characters.
pub(crate) fn quote_up_to(text: &str, longest: usize) -> String {
    let mut quoted = String::with_capacity(longest.min(text.len()) + 8);
    quoted.push('"');
    quoted.extend(text.chars().take(longest).flat_map(char::escape_default));
    quoted.push('"');
    if text.chars().nth(longest).is_some() {
        quoted.push_str("...");
    }
    quoted
}
