//! `http_authorize`: a webhook decides.

use std::{
    ffi::CStr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::alerts;
use super::codes::entrance as code;
use super::entrance::{Chosen, Entrance, Proof, REPLAY, Refused, Rules};
use super::files;
use super::waiting::{Started, Wait, Wake, on_thread};
use crate::config::http::{Http, SentHeaders};
use crate::counters::Claim;
use crate::digest::Credentials;
use crate::http::{
    self, Answer as HttpAnswer, Answered, Ban, Endpoint, EndpointDefaults, EndpointError,
    EndpointRow, FailureKind, GrantValue, Outcome, Refusal, Request, Target, Verdict,
};
use crate::log;
use crate::module::Module;
use crate::opensips::events::{self, Event};
use crate::opensips::log::Level;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::pool::Ticket;
use crate::process::{self, Asked, Gate, Raised};
use crate::sip::{self, AddressOfRecord, HeadError};
use crate::store::Answer;
use crate::store::shared::{Aged, Wanted};

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
        at: Entrance {
            module,
            message,
            rules: &RULES,
        },
        outputs,
    };
    let source = module.request.source(message);
    if let Err(refusal) = call.at.check_ban(&source) {
        return Started::Done(call.at.refuse(refusal));
    }
    let (prepared, claim) = match call.prepare(url, &source) {
        Ok((asking, claim)) => (Ok(asking), claim),
        Err(refusal) => (Err(refusal), None),
    };
    match (prepared, call.at.gate(&source, claim)) {
        (_, Err(refusal)) => Started::Done(call.at.refuse(refusal)),
        (Ok(asking), Ok(gate)) => call.ask(asking, source, gate, wait),
        (Err(refusal), Ok(gate)) => call.at.refuse_unless_banned(refusal, gate, wait),
    }
}

/// Why nobody is asked.
const NO_ENDPOINT: &str = "its realm has no endpoint";

/// How requests are refused.
const RULES: Rules = Rules {
    function: FUNCTION,
    denied: Statistic::HttpDenied,
    failed: Statistic::HttpFailures,
    count: count_refusal,
};

/// What an endpoint is asked, and what its admission has to be for.
struct Asking {
    target: Target,
    request: Request,
    proof: Proof,
}

/// Who is admitted, and the members that `load_grant` asks for.
type Admission = (AddressOfRecord, Vec<Option<GrantValue>>);

fn count_refusal(code: i32) {
    stats::count_code(Statistic::HttpRefused1, 7, code);
}

#[derive(Clone, Copy)]
struct Call {
    module: &'static Module,
    http: &'static Http,
    at: Entrance,
    outputs: Outputs,
}

impl Call {
    /// Everything that is decided without asking anything but the database; and what the request
    /// uses up.
    fn prepare(&self, url: &[u8], source: &str) -> Result<(Asking, Option<Claim>), Refused> {
        let (variables, message) = (&self.module.request, self.at.message);
        let method = variables.method(message);
        let (party, headers) = self.at.head(&method)?;
        let malformed = |error: HeadError| Refused::Malformed(error.to_string());
        let expires = variables.requested_expires(message).map_err(malformed)?;
        let (chosen, claim) = self.at.credentials(source, &party, self.http.nonce_check)?;
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
            source_port: variables.source_port(message),
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

    /// Asks the endpoint on a thread.
    fn ask(self, asking: Asking, source: String, gate: Option<Gate>, wait: Wait) -> Started {
        let Asking {
            target,
            request,
            proof,
        } = asking;
        let requested = request.expires;
        stats::count(Statistic::HttpRequests);
        let waiting = stats::HTTP_IN_FLIGHT.hold();
        on_thread(
            self.module,
            self.at.message,
            wait,
            |wake| self.begin(target, request, gate, wake),
            |cause| Err(EndpointError::given_up(cause).into()),
            move |message, outcome| {
                drop(waiting);
                let at = self.at.with(message);
                Started::Done(Call { at, ..self }.finish(&source, &proof, requested, outcome))
            },
        )
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
            None => Err(Refused::Denied(NO_ENDPOINT)),
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
                if let Some(outdated) = found.outdated.filter(|error| self.at.is_due(error)) {
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
            .map_err(|error| Err(error.into()))
    }

    /// What remains to be done once the thread is done.
    fn finish(&self, source: &str, proof: &Proof, requested: Option<u32>, outcome: Outcome) -> i32 {
        files::report(FUNCTION, &self.http.client.reports);
        let Answered { answer, banned } = match outcome {
            Ok(answered) => answered,
            Err(refusal) => {
                let refusal = match refusal {
                    Refusal::Banned => Refused::Banned,
                    Refusal::Replay => Refused::BadNonce(REPLAY),
                    Refusal::Gate(error) => Refused::Unavailable(error),
                    Refusal::Endpoint(error) if error.is_unknown_realm() => {
                        Refused::Denied(NO_ENDPOINT)
                    }
                    Refusal::Endpoint(error) => {
                        alerts::endpoint_failed(self.module, self.at.message, &error);
                        match error.kind() {
                            FailureKind::TimedOut => stats::count(Statistic::HttpTimeouts),
                            FailureKind::Unreachable => stats::count(Statistic::HttpUnreachable),
                            FailureKind::LeftAlone => stats::count(Statistic::HttpLeftAlone),
                            FailureKind::Overload => stats::count(Statistic::HttpOverloads),
                            FailureKind::BadAnswer => stats::count(Statistic::HttpBadAnswers),
                            FailureKind::Other => {}
                        }
                        match error.kind() {
                            FailureKind::LeftAlone => Refused::Unavailable(error.to_string()),
                            _ => Refused::Failed(error.to_string()),
                        }
                    }
                };
                return self.at.refuse(refusal);
            }
        };
        if let Some(remark) = &answer.remark {
            log!(Warning, FUNCTION, "the endpoint answered: {remark}");
        }
        let (expires, admission) = match answer.verdict {
            Verdict::Admitted { expires } => match self.admits(proof, &answer) {
                Ok(admission) => (expires.or(requested), Some(admission)),
                Err(refusal) => return self.at.refuse(refusal),
            },
            Verdict::Denied { .. } => (None, None),
        };
        // Capped at the largest integer that a script can hold.
        let expires = expires.map(|seconds| i32::try_from(seconds).unwrap_or(i32::MAX));
        let set = self.at.set(
            self.outputs.grant,
            Value::Text(answer.grant.json().as_bytes()),
        ) && self.at.set(
            self.outputs.expires,
            expires.map_or(Value::Null, Value::Int),
        ) && self.at.set(
            self.outputs.message,
            answer
                .message
                .as_ref()
                .map_or(Value::Null, |m| Value::Text(m.as_bytes())),
        );
        let (aor, members) = match (answer.verdict, admission) {
            (Verdict::Admitted { .. }, Some(admission)) => admission,
            (Verdict::Denied { ban }, _) => {
                return self.denied(source, proof, &answer, ban, banned);
            }
            (Verdict::Admitted { .. }, None) => return code::FAILED,
        };
        let set = set && self.at.show_grant(&members) && self.at.show(proof, &aor);
        if !set {
            log!(Error, FUNCTION, "an output could not be set: not admitted");
            stats::count(Statistic::HttpFailures);
            count_refusal(code::FAILED);
            return code::FAILED;
        }
        stats::count(Statistic::HttpAdmitted);
        self.at.tell(Level::Info, code::ADMITTED, None);
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

    fn denied(
        &self,
        source: &str,
        proof: &Proof,
        answer: &HttpAnswer,
        ban: Option<Ban>,
        banned: Option<Result<(), String>>,
    ) -> i32 {
        stats::count(Statistic::HttpDenied);
        count_refusal(code::DENIED);
        let status = answer.status.map(|status| format!(" with status {status}"));
        let status = status.unwrap_or_default();
        let said = answer.message.as_deref().unwrap_or("");
        let said = proof.credentials.hidden_in(said);
        let reason = format_args!("denied by the endpoint{status}: {said:?}");
        alerts::denied_by_status(self.module, self.at.message, answer);
        self.at.tell(Level::Notice, code::DENIED, Some(&reason));
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
            Some(Ok(())) => {
                stats::count(Statistic::HttpBans);
                self.raise_ban(source, ban);
                log!(Notice, FUNCTION, "{source} is banned {length}");
            }
            Some(Err(error)) => log!(Error, FUNCTION, "{source} is not banned {length}: {error}"),
            None => log!(
                Warning,
                FUNCTION,
                "{source} should be banned {length}, and is not: cachedb_url is not set"
            ),
        }
    }

    fn raise_ban(&self, source: &str, ban: Ban) {
        if !events::is_wanted(Event::Ban) || events::is_in_route() {
            return;
        }
        let seconds = match ban {
            Ban::Seconds(seconds) => i32::try_from(seconds).unwrap_or(i32::MAX),
            Ban::Forever => 0,
        };
        let variables = &self.at.module.request;
        let realm = variables.domain(self.at.message, &variables.method(self.at.message));
        let source = source.to_owned();
        process::raise_later(Raised::Banned {
            source,
            seconds,
            realm,
        });
    }
}
