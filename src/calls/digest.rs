//! `digest_authorize`: a password that is known here decides.

use std::ffi::CStr;

use super::codes::entrance as code;
use super::entrance::{Entrance, Proof, Refused, Rules};
use super::waiting::{Started, Wait, on_thread};
use crate::counters::Claim;
use crate::digest::{Credentials, Digest, Ha1, Known};
use crate::http::Grant;
use crate::module::Module;
use crate::opensips::log::Level;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, Statistic};
use crate::process::{self, Asked};
use crate::sip::AddressOfRecord;
use crate::store::clients::Client;
use crate::store::{Answer, Source, StoreError};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"digest_authorize";

/// How requests are refused.
const RULES: Rules = Rules {
    function: FUNCTION,
    denied: Statistic::DigestDenied,
    failed: Statistic::DigestFailures,
    count: |_| (),
};

/// Why a response proves nothing. Nobody learns which of the two it is.
const DENIED: &str = "no such user, or not their password";

/// What an admission by a password alone grants.
const OK: &str = "{\"status\":\"ok\"}";

/// Where the password is known.
enum By {
    /// The script has it.
    Script(Known),
    /// The table of subscribers.
    Subscribers,
    /// jambonz's table of clients, in this account.
    Clients(String),
}

/// What is to be verified.
struct Asking {
    by: By,
    digest: Digest,
    method: String,
    proof: Proof,
}

/// `digest_authorize(by [, value [, out_grant]])`. It may return before it is done.
pub fn authorize(
    module: &'static Module,
    message: Message,
    [by, value]: [&[u8]; 2],
    grant: Option<Variable>,
    wait: Wait,
) -> Started {
    let at = Entrance {
        module,
        message,
        rules: &RULES,
    };
    let call = Call { at, grant };
    let source = module.request.source(message);
    if let Err(refusal) = at.check_ban(&source) {
        return Started::Done(at.refuse(refusal));
    }
    let (prepared, claim) = match call.prepare(by, value, &source) {
        Ok((asking, claim)) => (Ok(asking), claim),
        Err(refusal) => (Err(refusal), None),
    };
    match (prepared, at.gate(&source, claim)) {
        (_, Err(refusal)) => Started::Done(at.refuse(refusal)),
        (Err(refusal), Ok(gate)) => at.refuse_unless_banned(refusal, gate, wait),
        (Ok(asking), Ok(gate)) => at.pass(gate, wait, move |at, passed| match passed {
            Ok(()) => Call { at, ..call }.ask(asking, wait),
            Err(refusal) => Started::Done(at.refuse(refusal)),
        }),
    }
}

#[derive(Clone, Copy)]
struct Call {
    at: Entrance,
    grant: Option<Variable>,
}

impl Call {
    /// Everything that is decided without a password; and what the request uses up.
    fn prepare(
        &self,
        by: &[u8],
        value: &[u8],
        source: &str,
    ) -> Result<(Asking, Option<Claim>), Refused> {
        let module = self.at.module;
        let method = module.request.method(self.at.message);
        let (party, _) = self.at.head(&method)?;
        // Whatever nonce_check is: nobody else looks at the nonce.
        let (chosen, claim) = self.at.credentials(source, &party, true)?;
        let Credentials::Digest(digest) = &chosen.credentials else {
            return Err(Refused::NoCredentials);
        };
        let digest = (**digest).clone();
        digest
            .verifiable()
            .map_err(|error| Refused::Malformed(format!("credentials: {error}")))?;
        if module.config.digest.uri_check && !module.request.is_for(self.at.message, &digest.uri) {
            let error = "credentials: their URI is not that of the request (digest_uri_check)";
            return Err(Refused::Malformed(error.to_owned()));
        }
        let asking = Asking {
            by: self.by(by, value, &digest)?,
            digest,
            method,
            proof: Proof {
                party,
                header: chosen.header,
                credentials: chosen.credentials,
            },
        };
        Ok((asking, claim))
    }

    /// Where the password is known. The table is one that exists.
    fn by(&self, by: &[u8], value: &[u8], digest: &Digest) -> Result<By, Refused> {
        let settings = &self.at.module.config.digest;
        let failed = |error: &str| Err(Refused::Failed(error.to_owned()));
        match by {
            // In quotes, a variable that has no value is "<null>" to the core.
            b"password" | b"ha1" if value.is_empty() || value == b"<null>" => {
                Ok(By::Script(Known::Nothing))
            }
            b"password" => Ok(By::Script(Known::Password(value.to_vec().into()))),
            b"ha1" => match Ha1::parse(value, digest.algorithm) {
                Some(ha1) => Ok(By::Script(Known::Ha1(ha1))),
                None => {
                    let digits = digest.algorithm.response_length();
                    let algorithm = digest.algorithm;
                    failed(&format!(
                        "the HA1 of the script is not {digits} hexadecimal digits, as for {algorithm}"
                    ))
                }
            },
            b"subscriber" if settings.subscribers().is_none() => {
                failed("subscriber_table is not set")
            }
            b"subscriber" => Ok(By::Subscribers),
            b"clients" if settings.clients.is_none() => failed("clients_table is not set"),
            b"clients" => match str::from_utf8(value) {
                Ok(account) if !account.is_empty() => Ok(By::Clients(account.to_owned())),
                _ => failed("clients are those of an account, which the script does not name"),
            },
            _ => failed("allowed is \"password\", \"ha1\", \"subscriber\" or \"clients\""),
        }
    }

    /// Asks for the password where it is known, on a thread if it has to be waited for.
    fn ask(self, asking: Asking, wait: Wait) -> Started {
        let Asking {
            by,
            digest,
            method,
            proof,
        } = asking;
        let module = self.at.module;
        let settings = &module.config.digest;
        // Whoever is admitted is a user of that domain, whatever the realm is called.
        let aor = AddressOfRecord::of_name(&digest.username, proof.party.domain());
        let user = aor.and_then(|aor| String::from_utf8(aor.user().to_vec()).ok());
        let user = user.filter(|user| !user.is_empty());
        // Nobody has such a name, whatever rows there are.
        let by = match &user {
            Some(_) => by,
            None => By::Script(Known::Nothing),
        };
        let (user, domain) = (user.unwrap_or_default(), proof.party.domain().to_owned());
        let algorithm = digest.algorithm;
        let bare = |known| Client {
            known,
            grant: OK.to_owned(),
        };
        type Work = Box<dyn FnOnce(&mut dyn Source) -> Answer<Client> + Send>;
        let work: Work = match (by, settings.subscribers(), &settings.clients) {
            (By::Script(known), ..) => {
                let decided = self.decide(&digest, &method, &proof, Ok(bare(known)));
                return Started::Done(decided);
            }
            (By::Subscribers, Some(table), _) => Box::new(move |source| {
                let known = table.fetch(source, &user, &domain, algorithm)?;
                Ok(bare(known))
            }),
            (By::Clients(account), _, Some(table)) => {
                Box::new(move |source| table.fetch(source, &account, &user))
            }
            (By::Subscribers | By::Clients(_), ..) => {
                let error = Refused::Failed("its table is not set".to_owned());
                return Started::Done(self.at.refuse(error));
            }
        };
        let answered = move |at: Entrance, answer| {
            let call = Call { at, ..self };
            Started::Done(call.decide(&digest, &method, &proof, answer))
        };
        match process::with(module, |process| process.ask(work)) {
            Asked::Answered(answer) => answered(self.at, answer),
            Asked::Pending(query) => on_thread(
                module,
                self.at.message,
                wait,
                |wake| query.start(wake).map_err(Err),
                |cause| Err(StoreError::Busy(cause.to_owned())),
                move |message, answer| answered(self.at.with(message), answer),
            ),
        }
    }

    /// The return code, once it is known what there is to know.
    fn decide(&self, digest: &Digest, method: &str, proof: &Proof, answer: Answer<Client>) -> i32 {
        let refuse = |refusal| self.at.refuse(refusal);
        let Client { known, grant } = match answer {
            Ok(client) => client,
            Err(error) if error.is_outage() => {
                return refuse(Refused::Unavailable(error.to_string()));
            }
            Err(error) => return refuse(Refused::Failed(error.to_string())),
        };
        if !digest.is_by(&known, method.as_bytes()) {
            return refuse(Refused::Denied(DENIED));
        }
        let http = &self.at.module.config.http;
        let aor = match proof.check(None, http.aor_check) {
            Ok(aor) => aor,
            Err(error) => {
                return refuse(Refused::NotTheirs(error.to_string(), proof.party.clone()));
            }
        };
        let failed = |error: &str| refuse(Refused::Failed(format!("{error}: not admitted")));
        let Ok(granted) = Grant::parse(grant.as_bytes()) else {
            return failed("the grant can't be read");
        };
        let wanted = http.grant.iter();
        let members: Vec<_> = wanted
            .map(|wanted| granted.member(&wanted.source))
            .collect();
        let set = self.at.set(self.grant, Value::Text(grant.as_bytes()))
            && self.at.show_grant(&members)
            && self.at.show(proof, &aor);
        if !set {
            return failed("an output could not be set");
        }
        stats::count(Statistic::DigestAdmitted);
        self.at.tell(Level::Info, code::ADMITTED, None);
        code::ADMITTED
    }
}
