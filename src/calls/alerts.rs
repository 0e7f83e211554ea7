//! `alert_raise`, and what `http_authorize` tells the owner of an account about his endpoint.

use std::ffi::CStr;

use super::codes;
use crate::alerts::{ACCOUNT_DEVICE_LIMIT, Alert, MOST_TAG, What};
use crate::http::{Answer, EndpointError, Fault};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::Message;
use crate::process;

/// Name of the function in log lines.
const FUNCTION: &CStr = c"alert_raise";

/// `alert_raise(type [, account_sid [, what [, detail [, service_provider_sid]]]])`.
pub fn raise(
    module: &'static Module,
    message: Message,
    [kind, account, what, detail, provider]: [&[u8]; 5],
) -> i32 {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let given = |bytes: &[u8]| Some(text(bytes)).filter(|text| !text.is_empty());
    let is_type = |byte: &u8| byte.is_ascii_lowercase() || b" -".contains(byte);
    if kind.len() > MOST_TAG || !kind.iter().all(is_type) {
        log!(
            Error,
            FUNCTION,
            "no alert is raised: type {:?} is none, allowed are up to {MOST_TAG} lowercase letters, hyphens and \
             blanks",
            text(kind)
        );
        return codes::FAILED;
    }
    let kind = text(kind);
    let alert = match kind.as_str() {
        ACCOUNT_DEVICE_LIMIT => Alert::new(What::AccountDeviceLimit { limit: text(what) }),
        "" => Alert::text(text(what)),
        _ => Alert::new(What::Other {
            kind: Some(kind),
            message: text(what),
        }),
    };
    let account = given(account).or_else(|| account_of(module, message));
    let alert = Alert {
        detail: given(detail),
        ..alert
            .of_account(account)
            .of_service_provider(given(provider))
    };
    process::alerts::raise(module, &alert);
    codes::DONE
}

/// The account of a request, as the script has it in `alert_account_avp`.
fn account_of(module: &Module, message: Message) -> Option<String> {
    let text = message.text(module.alert_account?)?;
    Some(String::from_utf8_lossy(&text).into_owned()).filter(|text| !text.is_empty())
}

/// Raises the alert of an endpoint that failed, if it was asked.
pub fn endpoint_failed(module: &'static Module, message: Message, error: &EndpointError) {
    let Some((url, fault)) = error.fault() else {
        return;
    };
    let url = match url.strip_prefix("of realm ") {
        Some(realm) => format!("the webhook of {realm}"),
        None => url.to_owned(),
    };
    let what = match fault {
        Fault::Status(status) => What::WebhookStatus { url, status },
        Fault::Unreachable => What::WebhookUnreachable { url },
    };
    let alert = Alert::new(what).of_account(account_of(module, message));
    process::alerts::raise(module, &alert);
}

/// Raises the alert of an endpoint that denied with a status other than 200, as jambonz sees it.
pub fn denied_by_status(module: &'static Module, message: Message, answer: &Answer) {
    if let (Some(status), Some(url)) = (answer.status, &answer.url) {
        let url = url.to_string();
        let what = What::WebhookStatus { url, status };
        let alert = Alert::new(what).of_account(account_of(module, message));
        process::alerts::raise(module, &alert);
    }
}
