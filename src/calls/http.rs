//! `http_authorize`: a webhook decides.

use std::{
    ffi::CStr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::codes::http as code;
use super::files;
use super::waiting::{Started, Wait, Wake, on_thread};
use crate::config::http::{Http, SentHeaders};
use crate::counters::Claim;
use crate::digest::{Credentials, Digest, Freshness, nonce_claim};
use crate::http::{
    self, Answer as HttpAnswer, Answered, Ban, Endpoint, EndpointDefaults, EndpointError,
    EndpointRow, Entry, GrantValue, Outcome, Refusal, Request, Target, Verdict,
};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::pool::Ticket;
use crate::process::{self, Asked, Change, Gate, Passing, Process};
use crate::sip::{self, AddressOfRecord, HeadError, Party};
use crate::store::Answer;
use crate::store::shared::{Aged, Wanted};

mod choice;
mod proof;

#[cfg(feature = "fuzzing")]
pub use choice::choose;
pub use choice::{Chosen, binding};

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

/// The endpoint that a realm's row says, the realm whose row that is, and when it was asked for.
pub(super) fn endpoint_of(
    row: Aged<Option<(String, EndpointRow)>>,
    defaults: &EndpointDefaults,
) -> Result<(Option<(String, Endpoint)>, Instant), String> {
    let Aged { value, since, .. } = row;
    let Some((of, row)) = value else {
        return Ok((None, since));
    };
    let endpoint = Endpoint::from_row(&row, defaults).map_err(|error| error.to_string())?;
    Ok((Some((of, endpoint)), since))
}

/// Which answers count for whoever wants to know a realm's endpoint now.
pub(super) fn endpoints_wanted(module: &Module) -> Wanted {
    let database = module.endpoints_database();
    let ttl = database.map_or(Duration::ZERO, |database| database.cache.ttl);
    Wanted::within(ttl, 0)
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
    let source = module.request.source(message);
    if let Err(refusal) = call.check_ban(&source) {
        return Started::Done(call.refuse(&source, refusal));
    }
    let (prepared, claim) = match call.prepare(url, &source) {
        Ok((asking, claim)) => (Ok(asking), claim),
        Err(refusal) => (Err(refusal), None),
    };
    match (prepared, call.gate(&source, claim)) {
        (_, Err(refusal)) => Started::Done(call.refuse(&source, refusal)),
        (Ok(asking), Ok(gate)) => call.ask(asking, source, gate, wait),
        (Err(refusal), Ok(gate)) => call.refuse_unless_banned(refusal, source, gate, wait),
    }
}

/// Why a nonce is refused that is fresh.
const REPLAY: &str = "this count of its nonce was used before";

/// Why a request is not admitted, before its endpoint is asked or instead.
enum Refused {
    Banned,
    Malformed(String),
    NoCredentials,
    BadNonce(&'static str),
    NotTheirs(String, Party),
    NoEndpoint,
    CacheFailed(String),
    Failed(String),
}

/// What an endpoint is asked, and what its admission has to be for.
struct Asking {
    target: Target,
    request: Request,
    proof: Proof,
}

/// Who is admitted, and the members that `load_grant` asks for.
type Admission = (AddressOfRecord, Vec<Option<GrantValue>>);

fn entered(entry: Result<Entry, String>) -> Result<(), Refused> {
    match entry {
        Ok(Entry::Open) => Ok(()),
        Ok(Entry::Banned) => Err(Refused::Banned),
        Ok(Entry::Replay) => Err(Refused::BadNonce(REPLAY)),
        Err(error) => Err(Refused::CacheFailed(error)),
    }
}

#[derive(Clone, Copy)]
struct Call {
    module: &'static Module,
    http: &'static Http,
    message: Message,
    outputs: Outputs,
}

impl Call {
    /// Everything that is decided without asking anything but the database; and what the request
    /// uses up.
    fn prepare(&self, url: &[u8], source: &str) -> Result<(Asking, Option<Claim>), Refused> {
        let variables = &self.module.request;
        let method = variables.method(self.message);
        let Some(party) = variables.party(self.message, &method) else {
            let error = "the address of record has a CR, LF or NUL, or a domain that is not UTF-8";
            return Err(Refused::Malformed(error.to_owned()));
        };
        let malformed = |error: HeadError| Refused::Malformed(error.to_string());
        let headers = variables.headers(self.message).map_err(malformed)?;
        let expires = variables
            .requested_expires(self.message)
            .map_err(malformed)?;
        let (chosen, claim) = self.credentials(source, &party)?;
        let Chosen {
            header,
            credentials,
        } = chosen;
        let target = self.target(url, &credentials, party.domain())?;
        let request = Request {
            method,
            expires,
            credentials: credentials.clone(),
            source_address: source.to_owned(),
            source_port: variables.source_port(self.message),
            headers: (self.http.headers != SentHeaders::None).then_some(headers),
            headers_in_query: self.http.headers == SentHeaders::Always,
        };
        let proof = Proof {
            party,
            header,
            credentials,
        };
        let asking = Asking {
            target,
            request,
            proof,
        };
        Ok((asking, claim))
    }

    fn credentials(&self, source: &str, party: &Party) -> Result<(Chosen, Option<Claim>), Refused> {
        let variables = &self.module.request;
        let domain = party.domain();
        let now = SystemTime::now();
        let nonces = &self.module.nonces;
        let freshness = |digest: &Digest| {
            let bound = choice::binding(&digest.realm, domain);
            nonces.check(&digest.nonce, &bound, digest.algorithm, now)
        };
        let values = variables.authorizations(self.message);
        let core_username = || variables.core_username(self.message);
        let chosen = match choice::choose(&values, domain, freshness, core_username) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => {
                log!(Debug, FUNCTION, "no credentials from {source}");
                return Err(Refused::NoCredentials);
            }
            Err(error) => return Err(Refused::Malformed(format!("credentials: {error}"))),
        };
        let Credentials::Digest(digest) = &chosen.credentials else {
            return Ok((chosen, None));
        };
        if !self.http.nonce_check {
            return match self.http.aor_check || matches!(party, Party::Proven(_)) {
                true if !digest.realm.eq_ignore_ascii_case(domain.as_bytes()) => {
                    let cause = "its realm is not that of".to_owned();
                    Err(Refused::NotTheirs(cause, party.clone()))
                }
                _ => Ok((chosen, None)),
            };
        }
        match freshness(digest) {
            Freshness::Fresh(remaining) => {
                let claim = nonce_claim(digest, remaining);
                Ok((chosen, Some(claim)))
            }
            Freshness::Stale => Err(Refused::BadNonce("its nonce is stale")),
            // Not -3: that would make it repeat what it has just done.
            Freshness::NotOffered => {
                let cause = "its algorithm was not offered";
                log!(Info, FUNCTION, "no credentials from {source}: {cause}");
                Err(Refused::NoCredentials)
            }
            Freshness::NotOurs => Err(Refused::BadNonce(
                "its nonce is not ours for this realm and domain",
            )),
        }
    }

    /// Looks at the bans, where that is done in the process's own thread.
    fn check_ban(&self, source: &str) -> Result<(), Refused> {
        let entry = process::with(self.module, |process| process.check_ban(source));
        self.tell_of_cache();
        entered(entry)
    }

    /// Makes the claim, now or, with Redis, on the thread that goes on with the request, which looks at
    /// the bans as well.
    fn gate(&self, source: &str, claim: Option<Claim>) -> Result<Option<Gate>, Refused> {
        let passing = process::with(self.module, |process| process.gate(source, claim));
        self.tell_of_cache();
        match passing {
            Passing::Later(gate) => Ok(Some(gate)),
            Passing::Now(entry) => entered(entry).map(|()| None),
        }
    }

    /// Asks the endpoint on a thread.
    fn ask(self, asking: Asking, source: String, gate: Option<Gate>, wait: Wait) -> Started {
        let Asking {
            target,
            request,
            proof,
        } = asking;
        let requested = request.expires;
        on_thread(
            self.module,
            self.message,
            wait,
            |wake| self.begin(target, request, gate, wake),
            |cause| Err(EndpointError::given_up(cause).into()),
            move |message, outcome| {
                let call = Call { message, ..self };
                Started::Done(call.finish(&source, &proof, requested, outcome))
            },
        )
    }

    /// Refuses a request; if its source is banned, for that reason.
    fn refuse_unless_banned(
        self,
        refusal: Refused,
        source: String,
        gate: Option<Gate>,
        wait: Wait,
    ) -> Started {
        let Some(gate) = gate else {
            return Started::Done(self.refuse(&source, refusal));
        };
        on_thread(
            self.module,
            self.message,
            wait,
            |wake| {
                process::with(self.module, |process| {
                    gate.start(process.cache_threads(), wake)
                })
            },
            |cause| Err(cause.to_owned()),
            move |message, entry| {
                let refusal = entered(entry).err().unwrap_or(refusal);
                let call = Call { message, ..self };
                call.tell_of_cache();
                Started::Done(call.refuse(&source, refusal))
            },
        )
    }

    /// The return code of a refusal, which is counted and logged here.
    fn refuse(&self, source: &str, refusal: Refused) -> i32 {
        let (code, statistic) = match &refusal {
            Refused::Banned => (code::BANNED, Some(Statistic::HttpBanned)),
            Refused::Malformed(_) => (code::MALFORMED, None),
            Refused::NoCredentials => (code::NO_CREDENTIALS, None),
            Refused::BadNonce(_) => (code::BAD_NONCE, Some(Statistic::HttpBadNonces)),
            Refused::NotTheirs(..) => (code::NOT_THEIRS, Some(Statistic::HttpDenied)),
            Refused::NoEndpoint => (code::DENIED, Some(Statistic::HttpDenied)),
            Refused::CacheFailed(_) | Refused::Failed(_) => {
                (code::ENDPOINT_FAILED, Some(Statistic::HttpFailures))
            }
        };
        if let Some(statistic) = statistic {
            stats::count(statistic);
        }
        match refusal {
            Refused::Banned => {
                log!(Info, FUNCTION, "refused ({code}) {source}: it is banned");
            }
            Refused::Malformed(error) => {
                log!(Notice, FUNCTION, "refused ({code}) {source}: {error}");
            }
            Refused::NoCredentials => {}
            Refused::BadNonce(cause) => {
                log!(Info, FUNCTION, "refused ({code}) {source}: {cause}");
            }
            Refused::NotTheirs(cause, party) => {
                log!(
                    Notice,
                    FUNCTION,
                    "refused ({code}) {source}: {cause} {party}"
                );
            }
            Refused::NoEndpoint => {
                let cause = "its realm has no endpoint";
                log!(Notice, FUNCTION, "refused ({code}) {source}: {cause}");
            }
            Refused::CacheFailed(cause) => {
                if self.is_due(&cause) {
                    log!(Error, FUNCTION, "{cause}");
                }
            }
            Refused::Failed(cause) => log!(Error, FUNCTION, "{cause}"),
        }
        code
    }

    /// Whether a failure that affects other requests as well is to be logged.
    fn is_due(&self, failure: &str) -> bool {
        process::with(self.module, |process| {
            process.repeated.is_due((FUNCTION, failure), Instant::now())
        })
    }

    /// Logs that the CacheDB fails, or answers again, once each.
    fn tell_of_cache(&self) {
        let required = self.module.config.cache.required;
        match process::with(self.module, Process::cache_change) {
            None => {}
            Some(Change::Failing(error)) => {
                let then = match required {
                    true => "requests that need it are refused (cachedb_required)",
                    false => "bans and used nonces are not looked at (cachedb_required)",
                };
                log!(
                    Warning,
                    FUNCTION,
                    "the CacheDB can't be asked: {error}; {then}"
                );
            }
            Some(Change::Answering(length)) => {
                let seconds = length.as_secs();
                log!(
                    Warning,
                    FUNCTION,
                    "the CacheDB answers again, after {seconds} s"
                );
            }
        }
    }

    /// The endpoint: the call's, else the realm's, else the parameter's. The realm is the one that
    /// the nonce was made for or, if the nonce proves nothing, the domain of the request.
    fn target(
        &self,
        url: &[u8],
        credentials: &Credentials,
        domain: &str,
    ) -> Result<Target, Refused> {
        if !url.is_empty() {
            let parsed = std::str::from_utf8(url)
                .map_err(|_| "the URL is not UTF-8".to_owned())
                .and_then(|url| process::with(self.module, |process| process.endpoint(url)));
            return parsed.map(Target::Endpoint).map_err(Refused::Failed);
        }
        let vouched = credentials.realm().filter(|_| self.http.nonce_check);
        let realm = match vouched {
            Some(realm) => String::from_utf8_lossy(realm).to_ascii_lowercase(),
            None => domain.to_owned(),
        };
        let fallback = self.http.endpoint.clone();
        let known = |endpoint: Option<Arc<Endpoint>>| match endpoint {
            Some(endpoint) => Ok(Target::Endpoint(endpoint)),
            None => Err(Refused::NoEndpoint),
        };
        let table = process::with(self.module, |process| process.endpoints.clone());
        let Some(table) = table else {
            return known(fallback);
        };
        if let Some(found) = table.cached(&realm, Instant::now()) {
            return known(found.value.or(fallback));
        }
        let (of, rows) = (realm.clone(), &self.http.tables);
        let wanted = endpoints_wanted(self.module);
        let asked = process::with(self.module, |process| {
            process.ask_once(wanted, move |source| rows.fetch(source, &of))
        });
        let defaults = &self.http.defaults;
        let parsed =
            move |row: Answer<Aged<_>>| endpoint_of(row.map_err(|e| e.to_string())?, defaults);
        let row = match asked {
            Asked::Answered(row) => row,
            Asked::Pending(query) => {
                let of = realm.clone();
                let find = Box::new(move || {
                    let found = table.lookup(&of, Instant::now(), || parsed(query.wait()))?;
                    Ok(found.value.or(fallback))
                });
                return Ok(Target::Realm { realm, find });
            }
        };
        match table.lookup(&realm, Instant::now(), || parsed(row)) {
            Ok(found) => {
                if let Some(outdated) = found.outdated.filter(|error| self.is_due(error)) {
                    log!(
                        Warning,
                        FUNCTION,
                        "realm {realm:?}: {outdated}; the cache serves"
                    );
                }
                known(found.value.or(fallback))
            }
            Err(error) => Err(Refused::Failed(format!("realm {realm:?}: {error}"))),
        }
    }

    /// Starts asking the endpoint on a thread; the outcome if nothing was started.
    fn begin(
        &self,
        target: Target,
        request: Request,
        gate: Option<Gate>,
        wake: Wake,
    ) -> Result<Ticket<Outcome>, Outcome> {
        let webhooks = process::with(self.module, |process| {
            // For an endpoint that challenges. It is asked even if they are unavailable.
            if let Err(error) = process.credentials() {
                log!(Debug, FUNCTION, "no credentials of the table: {error}");
            }
            process.webhooks()
        })
        .map_err(|error| Err(EndpointError::given_up(&error.to_string()).into()))?;
        let gate = gate.map(|gate| Box::new(gate) as Box<dyn http::Gate>);
        webhooks
            .ask(target, request, gate, SystemTime::now(), wake)
            .map_err(|error| {
                if error.is_overload() {
                    stats::count(Statistic::HttpOverloads);
                }
                Err(error.into())
            })
    }

    /// What remains to be done once the thread is done.
    fn finish(&self, source: &str, proof: &Proof, requested: Option<u32>, outcome: Outcome) -> i32 {
        self.tell_of_cache();
        files::report(FUNCTION, &self.http.client.reports);
        let Answered { answer, banned } = match outcome {
            Ok(answered) => answered,
            Err(refusal) => {
                let refusal = match refusal {
                    Refusal::Banned => Refused::Banned,
                    Refusal::Replay => Refused::BadNonce(REPLAY),
                    Refusal::Gate(error) => Refused::CacheFailed(error),
                    Refusal::Endpoint(error) if error.is_unknown_realm() => Refused::NoEndpoint,
                    Refusal::Endpoint(error) => Refused::Failed(error.to_string()),
                };
                return self.refuse(source, refusal);
            }
        };
        if let Some(remark) = &answer.remark {
            log!(Warning, FUNCTION, "the endpoint answered: {remark}");
        }
        let (expires, admission) = match answer.verdict {
            Verdict::Admitted { expires } => match self.admits(proof, &answer) {
                Ok(admission) => (expires.or(requested), Some(admission)),
                Err(refusal) => return self.refuse(source, refusal),
            },
            Verdict::Denied { .. } => (None, None),
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
        let (aor, members) = match (answer.verdict, admission) {
            (Verdict::Admitted { .. }, Some(admission)) => admission,
            (Verdict::Denied { ban }, _) => return self.denied(source, &answer, ban, banned),
            (Verdict::Admitted { .. }, None) => return code::ENDPOINT_FAILED,
        };
        // The first of a list ends up in front, as with load_credentials.
        let set = set
            && self.module.grant_avps.iter().zip(&members).rev().all(
                |(avp, member)| match member {
                    None => true,
                    Some(GrantValue::Integer(number)) => avp.push(Value::Int(*number)),
                    Some(GrantValue::Text(text)) => avp.push(Value::Text(text.as_bytes())),
                },
            )
            && self.show(proof, &aor);
        if !set {
            log!(Error, FUNCTION, "an output could not be set: not admitted");
            return code::ENDPOINT_FAILED;
        }
        stats::count(Statistic::HttpAdmitted);
        code::ADMITTED
    }

    /// Who is admitted, and the members that `load_grant` asks for; the return code if the admission
    /// does not count: it is for somebody else, or has a member that no script should get. Scripts
    /// put members into headers and match them with regular expressions, which stop at a NUL.
    fn admits(&self, proof: &Proof, answer: &HttpAnswer) -> Result<Admission, Refused> {
        let proven = proof.check(answer.aor.as_deref(), self.http.aor_check);
        let aor =
            proven.map_err(|error| Refused::NotTheirs(error.to_string(), proof.party.clone()))?;
        let of = |name: &str| match answer.grant.member(name) {
            Some(GrantValue::Text(text)) if !sip::is_one_line(text.as_bytes()) => {
                let cause = "has a CR, LF or NUL: not admitted";
                let cause = format!("the endpoint's answer: member {name:?} {cause}");
                Err(Refused::Failed(cause))
            }
            _ if !answer.grant.is_readable(name) => {
                let domain = proof.party.domain().escape_debug();
                let cause = "has a string that can't be read: not admitted";
                let cause = format!("the endpoint's answer for {domain}: member {name:?} {cause}");
                Err(Refused::Failed(cause))
            }
            member => Ok(member),
        };
        let wanted = self.http.grant.iter();
        let members = wanted.map(|wanted| of(&wanted.source));
        Ok((aor, members.collect::<Result<_, _>>()?))
    }

    /// Gives the script what `load_authorization` asks for of the credentials that were checked.
    fn show(&self, proof: &Proof, aor: &AddressOfRecord) -> bool {
        let avps = self.module.authorization_avps.iter();
        let mut wanted = avps.zip(&self.http.authorization).rev();
        wanted.all(|(avp, wanted)| {
            let part = proof.part(&wanted.source, aor);
            part.is_none_or(|part| avp.push(Value::Text(&part)))
        })
    }

    fn denied(
        &self,
        source: &str,
        answer: &HttpAnswer,
        ban: Option<Ban>,
        banned: Option<Result<(), String>>,
    ) -> i32 {
        stats::count(Statistic::HttpDenied);
        let status = answer.status.map(|status| format!(" with status {status}"));
        log!(
            Notice,
            FUNCTION,
            "refused ({}) {source}: denied by the endpoint{}: {:?}",
            code::DENIED,
            status.unwrap_or_default(),
            answer.message.as_deref().unwrap_or("")
        );
        if let Some(ban) = ban {
            self.ban(source, ban, banned);
        }
        code::DENIED
    }

    fn ban(&self, source: &str, ban: Ban, banned: Option<Result<(), String>>) {
        let length = match ban {
            Ban::Seconds(seconds) => format!("for {seconds} s"),
            Ban::Forever => "for ever".to_owned(),
        };
        // With an engine of the core it is done here, on the process's own thread.
        let banned =
            banned.or_else(|| process::with(self.module, |process| process.ban(source, ban)));
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
