//! `http_check`: asks an endpoint as `http_authorize` would, and shows question and answer.
//!
//! Nobody is banned, no nonce is used up, and no statistic counts; the endpoint can't tell it from a request. It takes
//! `db_timeout` for the row of the realm, and `http_timeout` for the endpoint, at most.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::codes::entrance as code;
use super::params::{Failure, answer, failed, refused, text};
use crate::digest::{Credentials, MASKED};
use crate::http::{Answered, Endpoint, Payload, Refusal, Request, Target, Verdict};
use crate::module::Module;
use crate::opensips::mi::{Answer, Member, Members, Params};
use crate::pool::NoNotify;
use crate::process;

/// The most bytes of an answer that are shown: the rest of what the command says has to fit in a datagram too.
const MAX_SHOWN: usize = 8192;

/// The endpoint of a realm, and where it is from.
fn endpoint(
    module: &'static Module,
    realm: &str,
) -> Result<(&'static str, Arc<Endpoint>), Failure> {
    let http = &module.config.http;
    if module.endpoints_database().is_some() {
        let of = realm.to_ascii_lowercase();
        let asked = process::with(module, |process| {
            process.ask(move |source| http.tables.fetch(source, &of))
        });
        if let Some((_, row)) = asked.wait().map_err(failed)? {
            let endpoint = Endpoint::from_row(&row, &http.defaults).map_err(failed)?;
            return Ok(("http_endpoints", Arc::new(endpoint)));
        }
    }
    match &http.endpoint {
        Some(endpoint) => Ok(("http_url", Arc::clone(endpoint))),
        None => Err(refused(
            "that realm has no endpoint, and http_url is not set",
        )),
    }
}

/// The same without what proves who somebody is.
fn masked(credentials: &Credentials) -> Credentials {
    let mut masked = credentials.clone();
    match &mut masked {
        Credentials::Digest(digest) => digest.response = MASKED.to_owned(),
        Credentials::Bearer(bearer) => bearer.token = MASKED.to_owned(),
    }
    masked
}

/// `http_check realm authorization`.
pub fn check(module: &'static Module, params: &Params<'_>) -> Answer {
    let check = || {
        let realm = text(params, c"realm")?.ok_or_else(|| refused("realm is missing"))?;
        let value = text(params, c"authorization")?;
        let value = value.ok_or_else(|| refused("authorization is missing"))?;
        let credentials = Credentials::parse(value.as_bytes()).map_err(refused)?;
        let (of, endpoint) = endpoint(module, &realm)?;
        let request = Request {
            method: "REGISTER".to_owned(),
            expires: Some(3600),
            source_address: "127.0.0.1".to_owned(),
            source_port: 5060,
            headers: None,
            headers_in_query: false,
            credentials: credentials.clone(),
        };
        let shown = Request {
            credentials: masked(&request.credentials),
            ..request.clone()
        };
        let (Payload::Json(question) | Payload::Query(question)) =
            Payload::new(&shown, endpoint.method());
        let mut members: Members = vec![
            (c"of", of.into()),
            (c"endpoint", endpoint.to_string().into()),
            (c"question", question.into()),
        ];
        let webhooks = process::with(module, process::Process::webhooks).map_err(failed)?;
        let begun = Instant::now();
        let target = Target::Endpoint(endpoint);
        let asked = webhooks.ask(target, request, None, SystemTime::now(), NoNotify);
        let outcome = match asked {
            Ok(ticket) => ticket.wait(),
            Err(error) => Err(Refusal::Endpoint(error)),
        };
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        members.push((c"milliseconds", took.into()));
        members.extend(told(outcome, &credentials));
        Ok(Answer::Object(members))
    };
    answer(check())
}

/// As much of an answer as is shown.
fn shortened(text: &str) -> &str {
    let ends = text
        .char_indices()
        .map(|(at, letter)| at + letter.len_utf8());
    let end = ends.take_while(|end| *end <= MAX_SHOWN).last();
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn told(outcome: Result<Answered, Refusal>, credentials: &Credentials) -> Members {
    let said = |verdict: &str, code: i32| -> Members {
        vec![
            (c"verdict", verdict.into()),
            (c"code", i64::from(code).into()),
        ]
    };
    let answered = match outcome {
        Ok(Answered { answer, .. }) => answer,
        Err(error) => {
            let mut members = said("no answer", code::FAILED);
            members.push((c"error", error.to_string().into()));
            return members;
        }
    };
    let mut members = match answered.verdict {
        Verdict::Admitted { expires } => {
            let mut members = said("admitted", code::ADMITTED);
            members.extend(expires.map(|expires| (c"expires", i64::from(expires).into())));
            members
        }
        Verdict::Denied { ban } => {
            let mut members = said("denied", code::DENIED);
            members.extend(ban.map(|ban| (c"ban", format!("{ban:?}").into())));
            members
        }
    };
    if let Some(status) = answered.status {
        members.push((c"status", i64::from(status).into()));
    }
    let body = credentials.hidden_in(answered.grant.json());
    if !body.is_empty() {
        members.push((c"answer", Member::from(shortened(&body))));
    }
    if let Some(message) = &answered.message {
        members.push((c"message", Member::from(&*credentials.hidden_in(message))));
    }
    if let Some(aor) = &answered.aor {
        let aor = String::from_utf8_lossy(&aor.whole()).into_owned();
        members.push((c"aor", aor.into()));
    }
    if let Some(remark) = &answered.remark {
        members.push((c"remark", remark.to_string().into()));
    }
    members
}
