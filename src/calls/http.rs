//! `http_authorize`: a webhook decides.

use std::{
    ffi::CStr,
    fmt::Display,
    sync::Arc,
    time::{Instant, SystemTime},
};

use super::codes::http as code;
use super::waiting::{Started, Wait, Wake, on_thread};
use crate::config::http::Http;
use crate::digest::{Credentials, Digest, Freshness, NonceUses, Use};
use crate::http::{
    Answer, Ban, Bans, Endpoint, EndpointError, GrantValue, Outcome, Request, Target, Verdict,
};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::pool::Ticket;
use crate::process::{self, Asked};
use crate::sip::{self, AddressOfRecord, Header};

mod choice;
mod proof;

pub use choice::{Chosen, binding, choose};

use proof::Proof;

/// Name of the function in log lines.
const FUNCTION: &CStr = c"http_authorize";

/// Where `http_authorize` stores its results.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    /// The whole answer.
    pub grant: Option<Variable>,
    /// The granted expiry in seconds.
    pub expires: Option<Variable>,
    /// The message of the answer.
    pub message: Option<Variable>,
}

/// `http_authorize(url, out_grant [, out_expires [, out_msg]])`. It may return before it is done.
pub fn authorize(
    module: &'static Module,
    message: Message,
    url: &[u8],
    outputs: Outputs,
    wait: Wait,
) -> Started {
    let call = Call {
        module,
        http: &module.config.http,
        message,
        outputs,
    };
    let (target, request, proof) = match call.prepare(url) {
        Ok(prepared) => prepared,
        Err(code) => return Started::Done(code),
    };
    let requested = request.expires;
    on_thread(
        module,
        message,
        wait,
        |wake| call.begin(target, request, wake),
        |cause| Err(EndpointError::given_up(cause)),
        move |message, outcome| {
            Started::Done(Call { message, ..call }.finish(&proof, requested, outcome))
        },
    )
}

#[derive(Clone, Copy)]
struct Call {
    module: &'static Module,
    http: &'static Http,
    message: Message,
    outputs: Outputs,
}

impl Call {
    /// Everything that is decided without asking an endpoint; the return code if that settles it.
    fn prepare(&self, url: &[u8]) -> Result<(Target, Request, Proof), i32> {
        let variables = &self.module.request;
        let source = variables.source(self.message);
        self.check_ban(&source)?;
        let method = variables.method(self.message);
        let Some(aor) = variables.address_of_record(self.message, &method) else {
            let error = "the address of record has a CR, LF or NUL, or a domain that is not UTF-8";
            return Err(self.malformed(&source, &error));
        };
        let headers = self.headers(&source)?;
        let expires = variables.requested_expires(self.message);
        let expires = expires.map_err(|error| self.malformed(&source, &error))?;
        let Chosen {
            header,
            credentials,
        } = self.credentials(&source, &aor)?;
        let target = self.target(url, &credentials, aor.domain())?;
        let request = Request {
            method,
            expires,
            credentials: credentials.clone(),
            source_address: source,
            source_port: variables.source_port(self.message),
            headers: self.http.headers.then_some(headers),
        };
        let proof = Proof {
            aor,
            header,
            credentials,
        };
        Ok((target, request, proof))
    }

    /// The head of the request, if there is only one way to read it.
    fn headers(&self, source: &str) -> Result<Vec<Header>, i32> {
        let headers = self.module.request.headers(self.message);
        headers.map_err(|error| self.malformed(source, &error))
    }

    fn malformed(&self, source: &str, error: &dyn Display) -> i32 {
        let code = code::MALFORMED;
        log!(Notice, FUNCTION, "refused ({code}) {source}: {error}");
        code
    }

    fn check_ban(&self, source: &str) -> Result<(), i32> {
        let banned = process::with_counters(self.module, |counters| {
            Bans::new(counters).is_banned(source)
        });
        match banned {
            None | Some(Ok(false)) => Ok(()),
            Some(Ok(true)) => {
                stats::count(Statistic::HttpBanned);
                log!(
                    Info,
                    FUNCTION,
                    "refused ({}) {source}: it is banned",
                    code::BANNED
                );
                Err(code::BANNED)
            }
            Some(Err(error)) => Err(self.failed(&error.to_string())),
        }
    }

    fn credentials(&self, source: &str, aor: &AddressOfRecord) -> Result<Chosen, i32> {
        let variables = &self.module.request;
        let domain = aor.domain();
        let now = SystemTime::now();
        let nonces = &self.module.nonces;
        let freshness = |digest: &Digest| {
            nonces.check(&digest.nonce, &choice::binding(&digest.realm, domain), now)
        };
        let values = variables.authorizations(self.message);
        let core_username = || variables.core_username(self.message);
        let chosen = match choice::choose(&values, domain, freshness, core_username) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => {
                log!(Debug, FUNCTION, "no credentials from {source}");
                return Err(code::NO_CREDENTIALS);
            }
            Err(error) => {
                return Err(self.malformed(source, &format_args!("credentials: {error}")));
            }
        };
        let Credentials::Digest(digest) = &chosen.credentials else {
            return Ok(chosen);
        };
        if !self.http.nonce_check {
            return match self.http.aor_check {
                true if !digest.realm.eq_ignore_ascii_case(domain.as_bytes()) => {
                    Err(self.not_theirs(source, &"its realm is not that of", aor))
                }
                _ => Ok(chosen),
            };
        }
        let remaining = match freshness(digest) {
            Freshness::Fresh(remaining) => remaining,
            Freshness::Stale => return Err(self.bad_nonce(source, "its nonce is stale")),
            Freshness::NotOurs => {
                let cause = "its nonce is not ours for this realm and domain";
                return Err(self.bad_nonce(source, cause));
            }
        };
        let used = process::with_counters(self.module, |counters| {
            NonceUses::new(counters).record(digest, remaining)
        });
        match used {
            None | Some(Ok(Use::First)) => Ok(chosen),
            Some(Ok(Use::Replay)) => {
                Err(self.bad_nonce(source, "this count of its nonce was used before"))
            }
            Some(Err(error)) => Err(self.failed(&error.to_string())),
        }
    }

    fn not_theirs(&self, source: &str, cause: &dyn Display, aor: &AddressOfRecord) -> i32 {
        let code = code::NOT_THEIRS;
        stats::count(Statistic::HttpDenied);
        log!(Notice, FUNCTION, "refused ({code}) {source}: {cause} {aor}");
        code
    }

    fn bad_nonce(&self, source: &str, cause: &str) -> i32 {
        let code = code::BAD_NONCE;
        stats::count(Statistic::HttpBadNonces);
        log!(Info, FUNCTION, "refused ({code}) {source}: {cause}");
        code
    }

    /// The endpoint: the call's, else the realm's, else the parameter's. The realm is the one that
    /// the nonce was made for or, if the nonce proves nothing, the domain of the request.
    fn target(&self, url: &[u8], credentials: &Credentials, domain: &str) -> Result<Target, i32> {
        if !url.is_empty() {
            let parsed = std::str::from_utf8(url)
                .map_err(|_| "the URL is not UTF-8".to_owned())
                .and_then(|url| process::with(self.module, |process| process.endpoint(url)));
            return parsed
                .map(Target::Endpoint)
                .map_err(|error| self.failed(&error));
        }
        let vouched = credentials.realm().filter(|_| self.http.nonce_check);
        let realm = match vouched {
            Some(realm) => String::from_utf8_lossy(realm).to_ascii_lowercase(),
            None => domain.to_owned(),
        };
        let fallback = self.http.endpoint.clone();
        let known = |endpoint: Option<Arc<Endpoint>>| match endpoint {
            Some(endpoint) => Ok(Target::Endpoint(endpoint)),
            None => Err(self.no_endpoint()),
        };
        let table = process::with(self.module, |process| process.endpoints.clone());
        let Some(table) = table else {
            return known(fallback);
        };
        if let Some(found) = table.cached(&realm, Instant::now()) {
            return known(found.endpoint.or(fallback));
        }
        let (of, rows) = (realm.clone(), &self.http.tables);
        let asked = process::with(self.module, |process| {
            process.ask(move |source| rows.fetch(source, &of))
        });
        let row = match asked {
            Asked::Answered(row) => row,
            Asked::Pending(query) => {
                let of = realm.clone();
                let find = Box::new(move || {
                    let found = table.lookup(&of, Instant::now(), || query.wait())?;
                    Ok(found.endpoint.or(fallback))
                });
                return Ok(Target::Realm { realm, find });
            }
        };
        match table.lookup(&realm, Instant::now(), || row) {
            Ok(found) => {
                if let Some(outdated) = found.outdated {
                    log!(
                        Warning,
                        FUNCTION,
                        "realm {realm:?}: {outdated}; the cache serves"
                    );
                }
                known(found.endpoint.or(fallback))
            }
            Err(error) => Err(self.failed(&format!("realm {realm:?}: {error}"))),
        }
    }

    fn no_endpoint(&self) -> i32 {
        let code = code::DENIED;
        let source = self.module.request.source(self.message);
        stats::count(Statistic::HttpDenied);
        log!(
            Notice,
            FUNCTION,
            "refused ({code}) {source}: its realm has no endpoint"
        );
        code
    }

    fn failed(&self, cause: &str) -> i32 {
        stats::count(Statistic::HttpFailures);
        log!(Error, FUNCTION, "{cause}");
        code::ENDPOINT_FAILED
    }

    /// Starts asking the endpoint on a thread; the outcome if nothing was started.
    fn begin(
        &self,
        target: Target,
        request: Request,
        wake: Wake,
    ) -> Result<Ticket<Outcome>, Outcome> {
        let webhooks = process::with(self.module, |process| {
            // For an endpoint that challenges. It is asked even if they are unavailable.
            if let Err(error) = process.credentials() {
                log!(Debug, FUNCTION, "no credentials of the table: {error}");
            }
            process.webhooks()
        })
        .map_err(|error| Err(EndpointError::given_up(&error.to_string())))?;
        webhooks
            .ask(target, request, SystemTime::now(), wake)
            .map_err(|error| {
                if error.is_overload() {
                    stats::count(Statistic::HttpOverloads);
                }
                Err(error)
            })
    }

    /// What remains to be done once the thread is done.
    fn finish(&self, proof: &Proof, requested: Option<u32>, outcome: Outcome) -> i32 {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(error) if error.is_unknown_realm() => return self.no_endpoint(),
            Err(error) => return self.failed(&error.to_string()),
        };
        if let Some(remark) = &answer.remark {
            log!(Warning, FUNCTION, "the endpoint answered: {remark}");
        }
        let (expires, members) = match answer.verdict {
            Verdict::Admitted { expires } => match self.admits(proof, &answer) {
                Ok(members) => (expires.or(requested), members),
                Err(code) => return code,
            },
            Verdict::Denied { .. } => (None, Vec::new()),
        };
        // Capped at the largest integer that a script can hold.
        let expires = expires.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
        let set = self.set(
            self.outputs.grant,
            Value::Text(answer.grant.json().as_bytes()),
        ) && self.set(
            self.outputs.expires,
            expires.map_or(Value::Null, Value::Int),
        ) && self.set(
            self.outputs.message,
            answer
                .message
                .as_ref()
                .map_or(Value::Null, |m| Value::Text(m.as_bytes())),
        );
        if let Verdict::Denied { ban } = answer.verdict {
            return self.denied(&answer, ban);
        }
        // The first of a list ends up in front, as with load_credentials.
        let set = set
            && self.module.grant_avps.iter().zip(&members).rev().all(
                |(avp, member)| match member {
                    None => true,
                    Some(GrantValue::Integer(number)) => avp.push(Value::Int(*number)),
                    Some(GrantValue::Text(text)) => avp.push(Value::Text(text.as_bytes())),
                },
            )
            && self.show(proof);
        if !set {
            log!(Error, FUNCTION, "an output could not be set: not admitted");
            return code::ENDPOINT_FAILED;
        }
        stats::count(Statistic::HttpAdmitted);
        code::ADMITTED
    }

    /// The members of an admission that `load_grant` asks for; the return code if the admission
    /// does not count: it is for somebody else, or has a member that no script should get. Scripts
    /// put members into headers and match them with regular expressions, which stop at a NUL.
    fn admits(&self, proof: &Proof, answer: &Answer) -> Result<Vec<Option<GrantValue>>, i32> {
        if self.http.aor_check
            && let Err(error) = proof.check(answer.aor.as_deref())
        {
            let source = self.module.request.source(self.message);
            return Err(self.not_theirs(&source, &error, &proof.aor));
        }
        let of = |name: &str| match answer.grant.member(name) {
            Some(GrantValue::Text(text)) if !sip::is_one_line(text.as_bytes()) => {
                let cause = "has a CR, LF or NUL: not admitted";
                Err(self.failed(&format!("the endpoint's answer: member {name:?} {cause}")))
            }
            member => Ok(member),
        };
        let wanted = self.http.grant.iter();
        wanted.map(|wanted| of(&wanted.source)).collect()
    }

    /// Gives the script what `load_authorization` asks for of the credentials that were checked.
    fn show(&self, proof: &Proof) -> bool {
        let avps = self.module.authorization_avps.iter();
        let mut wanted = avps.zip(&self.http.authorization).rev();
        wanted.all(|(avp, wanted)| {
            let part = proof.part(&wanted.source);
            part.is_none_or(|part| avp.push(Value::Text(&part)))
        })
    }

    fn denied(&self, answer: &Answer, ban: Option<Ban>) -> i32 {
        let source = self.module.request.source(self.message);
        stats::count(Statistic::HttpDenied);
        log!(
            Notice,
            FUNCTION,
            "refused ({}) {source}: denied by the endpoint: {:?}",
            code::DENIED,
            answer.message.as_deref().unwrap_or("")
        );
        if let Some(ban) = ban {
            self.ban(&source, ban);
        }
        code::DENIED
    }

    fn ban(&self, source: &str, ban: Ban) {
        let length = match ban {
            Ban::Seconds(seconds) => format!("for {seconds} s"),
            Ban::Forever => "for ever".to_owned(),
        };
        let banned =
            process::with_counters(self.module, |counters| Bans::new(counters).ban(source, ban));
        match banned {
            Some(Ok(())) => log!(Notice, FUNCTION, "{source} is banned {length}"),
            Some(Err(error)) => log!(Error, FUNCTION, "{source} is not banned {length}: {error}"),
            None => log!(
                Warning,
                FUNCTION,
                "{source} should be banned {length}, and is not: cachedb_url is not set"
            ),
        }
    }

    fn set(&self, variable: Option<Variable>, value: Value<'_>) -> bool {
        variable.is_none_or(|variable| self.message.set(variable, value))
    }
}
