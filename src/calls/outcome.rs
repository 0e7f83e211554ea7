//! How a call ended, as it is logged and told to whoever has subscribed to events: in one form for all functions.
//!
//! `refused (-3) 192.0.2.1: expired 43 s ago; call-id="a1" user="alice" realm="a.example" token="8eb362cfdab3"`

use std::ffi::CStr;
use std::fmt::{Display, Write};

use super::codes;
use crate::clock;
use crate::jwt::token::{self, Token};
use crate::module::Module;
use crate::opensips::events::{self, Event};
use crate::opensips::log::{self, Level};
use crate::opensips::pvar::Message;
use crate::opensips::shared;
use crate::process::{self, Raised};
use crate::rate::Rate;

/// The most characters of what a caller has written that are shown of each field.
const MOST_SHOWN: usize = 128;

/// The functions whose lines are limited apart, with their lowest code. All others have one limit together.
const KINDS: [(&CStr, i32); 3] = [
    (c"http_authorize", codes::entrance::NOT_THEIRS),
    (c"jwt_authorize", codes::jwt::REVOKED),
    (c"jwt_script_authorize", codes::jwt_script::NOT_A_TOKEN),
];

/// Their limits: one for each code, and one for what they admit.
const fn limits(at: usize) -> usize {
    KINDS[at].1.unsigned_abs() as usize + 1
}

/// The last limit is that of all others.
const LIMITS: usize = limits(0) + limits(1) + limits(2) + 1;

const _: () = assert!(LIMITS <= shared::Page::LOG_RATES);

/// What is said of a token.
#[derive(Clone, Debug, Default)]
pub struct TokenShown {
    /// Its fingerprint.
    pub fingerprint: Option<String>,
    /// The tag of the profile that it names.
    pub tag: Option<String>,
    /// The key that it names.
    pub kid: Option<String>,
}

impl TokenShown {
    /// Of a token that can be read.
    pub fn of(token: &Token, tag_claim: &str) -> Self {
        let tag = token.claim(tag_claim).and_then(|tag| tag.as_str());
        TokenShown {
            fingerprint: Some(token.fingerprint()),
            tag: tag.map(str::to_owned),
            kid: token.kid().map(str::to_owned),
        }
    }

    /// Of its text.
    pub fn of_text(text: &[u8]) -> Self {
        TokenShown {
            fingerprint: Some(token::fingerprint(text)),
            ..TokenShown::default()
        }
    }
}

/// How a call ended.
pub struct Outcome<'a> {
    /// The function that was called.
    pub function: &'static CStr,
    /// What it returns: 1 if it admits.
    pub code: i32,
    /// Why it does not admit.
    pub reason: Option<&'a dyn Display>,
    /// What it was called with.
    pub token: TokenShown,
}

/// Tells that a function without tokens refuses a request.
pub fn refused(
    module: &Module,
    message: Message,
    function: &'static CStr,
    code: i32,
    reason: &dyn Display,
) {
    let refusal = Outcome {
        function,
        code,
        reason: Some(reason),
        token: TokenShown::default(),
    };
    refusal.tell(module, message, Level::Notice);
}

/// Tells that a function could not do its work for a request, which is nobody's fault who sent it.
pub fn failed(
    module: &Module,
    message: Message,
    function: &'static CStr,
    code: i32,
    cause: &dyn Display,
) {
    let failure = Outcome {
        function,
        code,
        reason: Some(cause),
        token: TokenShown::default(),
    };
    failure.tell(module, message, Level::Error);
}

impl Outcome<'_> {
    /// Logs it, and raises the event of a refusal; both within their limits.
    pub fn tell(&self, module: &Module, message: Message, level: Level) {
        let second = clock::now().as_secs();
        let page = shared::page();
        let is_refusal = self.code < 0 && !self.is_question() && !self.is_outbound();
        let event_rate = module.config.told.event_rate;
        let is_event = is_refusal
            && event_rate > 0
            && events::is_wanted(Event::Denied)
            // What the route of an event asks would raise the next one, without end.
            && !events::is_in_route()
            && page.event_rate.admits(second, event_rate);
        let is_line = log::enabled(level)
            && page
                .log_rates
                .get(self.limit())
                .is_none_or(|rate| is_within(rate, second, module.config.told.log_rate));
        if !is_line && !is_event {
            return;
        }
        let variables = &module.request;
        let source = variables.source(message);
        let named = match self.code < 0 {
            true => variables.named_quietly(message),
            false => variables.named(message, &variables.method(message)),
        };
        let [user, realm] = [named.user, named.domain]
            .map(|part| shortened(&String::from_utf8_lossy(&part)).to_owned());
        let reason = self.reason.map(|reason| reason.to_string());
        if is_line {
            let line = self.line(
                &source,
                reason.as_deref(),
                &[
                    ("call-id", Some(variables.call_id(message).as_str())),
                    ("user", Some(&user)),
                    ("realm", Some(&realm)),
                    ("token", self.token.fingerprint.as_deref()),
                    ("tag", self.token.tag.as_deref()),
                    ("kid", self.token.kid.as_deref()),
                ],
            );
            log::write(level, self.function, format_args!("{line}"));
        }
        if is_event {
            process::raise_later(Raised::Denied {
                function: self.function.to_string_lossy().into_owned(),
                code: self.code,
                reason: reason.unwrap_or_default(),
                source,
                user,
                realm,
            });
        }
    }

    /// Whether a device was merely not asked for credentials yet.
    fn is_question(&self) -> bool {
        self.function == KINDS[0].0 && self.code == codes::entrance::NO_CREDENTIALS
    }

    /// Whether it is about a request that we send: nobody is refused by it.
    fn is_outbound(&self) -> bool {
        self.function == c"credentials_get"
    }

    /// Which of the limits applies.
    fn limit(&self) -> usize {
        let mut first = 0;
        for (at, (function, lowest)) in KINDS.iter().enumerate() {
            if *function == self.function && (*lowest..=1).contains(&self.code) {
                return first + self.code.min(0).unsigned_abs() as usize;
            }
            first += limits(at);
        }
        first
    }

    fn line(&self, source: &str, reason: Option<&str>, fields: &[(&str, Option<&str>)]) -> String {
        let code = self.code;
        let verb = if code > 0 { "admitted" } else { "refused" };
        let mut line = format!("{verb} ({code}) {source}");
        if let Some(reason) = reason {
            line.push_str(": ");
            line.push_str(reason);
        }
        let mut separator = ";";
        for (name, value) in fields {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let value = shortened(value).escape_debug();
                _ = write!(line, "{separator} {name}=\"{value}\"");
                separator = "";
            }
        }
        line
    }
}

/// The beginning of what may be long.
fn shortened(text: &str) -> &str {
    let end = text.char_indices().nth(MOST_SHOWN).map(|(end, _)| end);
    end.map_or(text, |end| &text[..end])
}

/// Whether a line may be written; 0 is no limit.
fn is_within(rate: &Rate, second: u64, most: u32) -> bool {
    most == 0 || rate.admits(second, most)
}

/// Logs how many lines were left out in seconds that are over.
pub fn tell_of_left_out(second: u64) {
    let rates = &shared::page().log_rates;
    let mut first = 0;
    for (at, (function, _)) in KINDS.iter().enumerate() {
        for code in 0..limits(at) {
            let left_out = rates[first + code].take_left_out(second);
            if left_out > 0 {
                let what = match code {
                    0 => "admissions".to_owned(),
                    code => format!("refusals (-{code})"),
                };
                let line = format_args!("{left_out} {what} were not logged (log_rate)");
                log::write(Level::Notice, function, line);
            }
        }
        first += limits(at);
    }
    let left_out = rates[first].take_left_out(second);
    if left_out > 0 {
        let line = format_args!("{left_out} refusals were not logged (log_rate)");
        log::write(Level::Notice, c"refused", line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(function: &'static CStr, code: i32) -> Outcome<'static> {
        Outcome {
            function,
            code,
            reason: None,
            token: TokenShown::default(),
        }
    }

    #[test]
    fn each_function_and_code_has_a_limit_of_its_own() {
        let mut limits = Vec::new();
        for (function, lowest) in KINDS {
            limits.push(outcome(function, 1).limit());
            limits.extend(
                (lowest..0)
                    .rev()
                    .map(|code| outcome(function, code).limit()),
            );
        }
        limits.push(outcome(c"check_headers", -1).limit());
        assert_eq!(limits, (0..LIMITS).collect::<Vec<_>>());
        assert_eq!(outcome(c"http_authorize", -9).limit(), LIMITS - 1);
    }

    #[test]
    fn what_a_caller_writes_ends_no_field() {
        let refusal = outcome(c"jwt_authorize", -3);
        let fields = [
            ("call-id", Some("a\" user=\"root\"\r\n")),
            ("user", Some("alice")),
            ("realm", None),
            ("kid", Some("")),
        ];
        assert_eq!(
            refusal.line("192.0.2.1", Some("expired 43 s ago"), &fields),
            "refused (-3) 192.0.2.1: expired 43 s ago; \
             call-id=\"a\\\" user=\\\"root\\\"\\r\\n\" user=\"alice\""
        );
        let long = "x".repeat(500);
        let line = refusal.line("192.0.2.1", None, &[("call-id", Some(&long))]);
        assert_eq!(
            line.len(),
            "refused (-3) 192.0.2.1; call-id=\"\"".len() + MOST_SHOWN
        );
    }
}
