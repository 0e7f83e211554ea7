//! What the functions have in common: the request that they are about, and the way to Redis.

use std::ffi::CStr;
use std::fmt::Display;
use std::time::SystemTime;

use super::super::codes::registration as code;
use super::super::on_redis::on_redis;
use super::super::outcome;
use super::super::waiting::{Started, Wait};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::process;
use crate::redis::CacheError;
use crate::registrations::Registrations;
use crate::sip::{AddressOfRecord, Party};

/// One call of a function.
#[derive(Clone, Copy)]
pub struct Call {
    /// Name of the function in log lines.
    pub function: &'static CStr,
    pub module: &'static Module,
    pub message: Message,
}

/// UNIX time in milliseconds.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

impl Call {
    /// Whom the request is about.
    ///
    /// # Errors
    /// Fails with the return code, which is logged, if that is not certain.
    pub fn aor(&self, method: &str) -> Result<AddressOfRecord, i32> {
        let variables = &self.module.request;
        if variables.is_about_several(self.message, method) {
            return Err(self.malformed(&"it is not certain whom the request is about"));
        }
        match variables.party(self.message, method) {
            Some(Party::Named(aor)) if !aor.user().is_empty() && !aor.domain().is_empty() => {
                Ok(aor)
            }
            _ => Err(self.malformed(&"the request has no address of record")),
        }
    }

    /// Whom a REGISTER is about.
    ///
    /// # Errors
    /// Fails as [`aor`](Self::aor), and for any other request.
    pub fn registered(&self) -> Result<AddressOfRecord, i32> {
        let method = self.module.request.method(self.message);
        match method.as_str() {
            "REGISTER" => self.aor(&method),
            _ => Err(self.malformed(&"the request is not a REGISTER")),
        }
    }

    /// Asks Redis on a thread, and then does the rest, which gives the return code.
    pub fn ask<T: Send + 'static>(
        self,
        wait: Wait,
        work: impl FnOnce(&Registrations<'_>) -> Result<T, CacheError> + Send + 'static,
        then: impl FnOnce(Call, T) -> i32 + 'static,
    ) -> Started {
        let Call {
            module, message, ..
        } = self;
        on_redis(
            module,
            message,
            wait,
            |session| work(&Registrations::new(session)),
            move |message, answer| {
                let call = Call { message, ..self };
                match answer {
                    Ok(value) => then(call, value),
                    Err(error) => call.unavailable(&error),
                }
            },
        )
    }

    /// How many registrations a realm may have, as a table has it. `None` for -1, for nothing, and for more than
    /// a script can count.
    ///
    /// # Errors
    /// Fails with the return code, which is logged, if it is anything else: that is no fault of the device.
    pub fn limit(&self, text: &[u8]) -> Result<Option<u32>, i32> {
        match text.trim_ascii() {
            b"" | b"-1" => Ok(None),
            digits if digits.iter().all(u8::is_ascii_digit) => {
                let number = str::from_utf8(digits)
                    .ok()
                    .and_then(|text| text.parse::<i32>().ok());
                Ok(number.map(i32::unsigned_abs))
            }
            other => {
                let other = other.escape_ascii();
                Err(self.failed(&format_args!(
                    "limit is neither -1 nor a number from 0: {other}"
                )))
            }
        }
    }

    /// Sets an output, if the script names one.
    pub fn set(&self, variable: Option<Variable>, value: Value<'_>) -> bool {
        let is_set = variable.is_none_or(|variable| self.message.set(variable, value));
        if !is_set {
            log!(Error, self.function, "an output could not be set");
        }
        is_set
    }

    /// The return code if Redis can't be asked.
    fn unavailable(&self, cause: &CacheError) -> i32 {
        let text = cause.to_string();
        match process::is_due(self.module, (self.function, &text)) {
            true => self.failed(cause),
            false => code::UNAVAILABLE,
        }
    }

    pub fn failed(&self, cause: &dyn Display) -> i32 {
        outcome::failed(
            self.module,
            self.message,
            self.function,
            code::UNAVAILABLE,
            cause,
        );
        code::UNAVAILABLE
    }

    pub fn malformed(&self, cause: &dyn Display) -> i32 {
        outcome::refused(
            self.module,
            self.message,
            self.function,
            code::MALFORMED,
            cause,
        );
        code::MALFORMED
    }
}
