//! `challenge_headers`: all challenges of a realm, as whole header lines.

use std::ffi::CStr;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::codes::challenges as code;
use super::codes::{DONE, jwt};
use super::entrance::binding;
use super::http::{endpoint_of, endpoints_wanted};
use super::waiting::{Started, Wait, on_thread};
use crate::config::tokens::TokenAor;
use crate::digest::{self, Algorithm};
use crate::http::{Endpoint, EndpointRow};
use crate::jwt::challenge::{Challenge, ERRORS};
use crate::log;
use crate::module::Module;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::process::{self, Asked, IssuerList, issuers_now, issuers_wanted};
use crate::realms::Realms;
use crate::store::issuers::Issuers;
use crate::store::shared::Aged;
use crate::store::{Answer, StoreError};

/// Name of the function in log lines.
const FUNCTION: &CStr = c"challenge_headers";

/// What a realm is challenged with unless the script says otherwise, the most preferred first (RFC 8760
/// section 2.4).
const SCHEMES: &str = "Bearer, SHA-256, MD5";

/// Most challenges of the Bearer scheme, one for each authorization server: a reply has to fit into a datagram.
const MOST_SERVERS: usize = 4;

/// The longest realm whose endpoint is looked up: a domain name (RFC 1035 section 2.3.4).
const MAX_REALM: usize = 255;

/// What the script asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The realm; empty for the domain of the request.
    pub realm: &'a [u8],
    /// The schemes, in their order; empty for [`SCHEMES`].
    pub schemes: &'a [u8],
    /// What was wrong with a token.
    pub error: &'a [u8],
    /// Whether only a nonce was too old.
    pub stale: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Digest(Algorithm),
}

/// What is said of a token: code and words of RFC 6750 section 3.1; both may be empty.
type Fault = (&'static str, &'static str);

/// The row of a realm's endpoint, and the realm whose row it is; `None` if there is none.
type Row = Option<Box<(String, EndpointRow)>>;

/// A request that is to be challenged.
struct Call {
    module: &'static Module,
    header: Option<Variable>,
    /// Of the header field.
    name: &'static str,
    realm: String,
    domain: String,
    schemes: Vec<Scheme>,
    fault: Fault,
    stale: bool,
    /// Whether the realm is what the sender wrote: then it is no error of ours.
    of_request: bool,
}

/// `challenge_headers(out_headers, realm [, schemes [, error [, stale]]])`. It may return before it is done.
pub fn headers(
    module: &'static Module,
    message: Message,
    header: Option<Variable>,
    wanted: Wanted<'_>,
    wait: Wait,
) -> Started {
    let method = module.request.method(message);
    let domain = module.request.domain(message, &method);
    let read = || {
        let realm = match wanted.realm {
            [] => domain.clone(),
            realm => text("realm", realm)?.to_owned(),
        };
        let schemes = schemes(text("schemes", wanted.schemes)?)?;
        Ok((realm, schemes, fault(text("error", wanted.error)?)?))
    };
    let (realm, schemes, fault) = match read() {
        Ok(read) => read,
        Err::<_, String>(error) => {
            log!(Error, FUNCTION, "{error}");
            return Started::Done(code::MALFORMED);
        }
    };
    if realm.is_empty() {
        log!(
            Notice,
            FUNCTION,
            "the request can't be challenged: it has no domain"
        );
        return Started::Done(code::MALFORMED);
    }
    let call = Call {
        module,
        header,
        name: match method.as_str() {
            "REGISTER" => "WWW-Authenticate",
            _ => "Proxy-Authenticate",
        },
        realm,
        domain,
        schemes,
        fault,
        stale: wanted.stale,
        of_request: wanted.realm.is_empty(),
    };
    call.with_endpoint(message, wait)
}

fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))
}

fn schemes(list: &str) -> Result<Vec<Scheme>, String> {
    let list = match list.is_empty() {
        true => SCHEMES,
        false => list,
    };
    let mut schemes = Vec::new();
    let names = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
    for name in names.filter(|name| !name.is_empty()) {
        let scheme = match name.eq_ignore_ascii_case("Bearer") {
            true => Scheme::Bearer,
            false => Scheme::Digest(
                name.parse()
                    .map_err(|error| format!("schemes: {name:?} is neither Bearer, and {error}"))?,
            ),
        };
        if !schemes.contains(&scheme) {
            schemes.push(scheme);
        }
    }
    match schemes.is_empty() {
        true => Err("schemes has no value".to_owned()),
        false => Ok(schemes),
    }
}

/// What a client is told of its token: whether it needs another one, or one with more scope. Which rule failed is
/// for the log.
fn fault(text: &str) -> Result<Fault, String> {
    const INVALID: &str = "invalid_token";
    if text.is_empty() {
        return Ok(("", ""));
    }
    if let Some(name) = ERRORS.into_iter().find(|name| *name == text) {
        return Ok((name, ""));
    }
    match text.parse() {
        // Nothing is wrong with a token, or nobody could tell.
        Ok(0.. | jwt::STORE_FAILED) => Ok(("", "")),
        Ok(jwt::NOT_A_TOKEN) => Ok((INVALID, "it is malformed")),
        Ok(jwt::OUT_OF_TIME) => Ok((INVALID, "it has expired, or is not valid yet")),
        Ok(jwt::REVOKED) => Ok((INVALID, "it was revoked")),
        Ok(jwt::NOT_THEIRS) => Ok((INVALID, "it is not of this address of record")),
        Ok(_) => Ok((INVALID, "it is not valid here")),
        Err(_) => Err(format!(
            "error must be a return code of jwt_authorize, or one of {}",
            ERRORS.join(", ")
        )),
    }
}

impl Call {
    /// Whether there is an endpoint that passwords are sent to; looked up if it is not known.
    fn with_endpoint(self, message: Message, wait: Wait) -> Started {
        let http = &self.module.config.http;
        let wants = |scheme: &Scheme| matches!(scheme, Scheme::Digest(_));
        if !self.schemes.iter().any(wants) {
            return Started::Done(self.finish(message, Ok(false)));
        }
        let table = process::with(self.module, |process| process.endpoints.clone());
        let table = match table {
            // That of all realms.
            _ if http.endpoint.is_some() => return Started::Done(self.finish(message, Ok(true))),
            None => return Started::Done(self.finish(message, Ok(false))),
            Some(table) => table,
        };
        // The one that http_authorize will look up.
        let realm = match http.nonce_check {
            true => self.realm.to_ascii_lowercase(),
            false => self.domain.clone(),
        };
        // No table has such a realm, and strangers' oddities are not worth a query.
        if realm.len() > MAX_REALM || !realm.bytes().all(|b| b.is_ascii_graphic()) {
            return Started::Done(self.finish(message, Ok(false)));
        }
        if let Some(found) = table.cached(&realm, Instant::now()) {
            return Started::Done(self.finish(message, Ok(found.value.is_some())));
        }
        let (of, rows) = (realm.clone(), &http.tables);
        let wanted = endpoints_wanted(self.module);
        let asked = process::with(self.module, |process| {
            process.ask_once(wanted, move |source| {
                Ok(rows.fetch(source, &of)?.map(Box::new))
            })
        });
        let module = self.module;
        let known = move |row| has_endpoint(module, &table, &realm, row);
        match asked {
            Asked::Answered(row) => {
                let known = known(row);
                Started::Done(self.finish(message, known))
            }
            Asked::Pending(query) => on_thread(
                module,
                message,
                wait,
                |wake| query.start(wake).map_err(Err),
                |cause| Err(StoreError::Busy(cause.to_owned())),
                move |message, row| Started::Done(self.finish(message, known(row))),
            ),
        }
    }

    fn finish(&self, message: Message, has_endpoint: Result<bool, String>) -> i32 {
        let has_endpoint = match has_endpoint {
            Ok(has_endpoint) => has_endpoint,
            Err(error) => {
                if process::is_due(self.module, (FUNCTION, &error)) {
                    log!(Error, FUNCTION, "realm {:?}: {error}", self.realm);
                }
                return code::UNAVAILABLE;
            }
        };
        let lines = match self.lines(has_endpoint) {
            Ok(lines) => lines,
            Err(error) if self.of_request => {
                log!(Notice, FUNCTION, "the request can't be challenged: {error}");
                return code::MALFORMED;
            }
            Err(error) => {
                log!(Error, FUNCTION, "{error}");
                return code::MALFORMED;
            }
        };
        if lines.is_empty() {
            log!(
                Info,
                FUNCTION,
                "nobody can identify users of realm {:?}",
                self.realm
            );
            return code::NOTHING;
        }
        let is_set = |header| message.set(header, Value::Text(lines.as_bytes()));
        match self.header.is_some_and(is_set) {
            true => DONE,
            false => {
                log!(Error, FUNCTION, "the output could not be set");
                code::MALFORMED
            }
        }
    }

    /// The header lines, each with its end.
    fn lines(&self, has_endpoint: bool) -> Result<String, String> {
        let algorithms: Vec<_> = self
            .schemes
            .iter()
            .filter_map(|scheme| match scheme {
                Scheme::Digest(algorithm) if has_endpoint => Some(*algorithm),
                _ => None,
            })
            .collect();
        let digests = match algorithms.is_empty() {
            true => Vec::new(),
            // With one nonce, which is bound to all of these algorithms.
            false => digest::challenge(
                &self.module.nonces,
                &self.realm,
                &binding(self.realm.as_bytes(), &self.domain),
                &algorithms,
                self.stale,
                SystemTime::now(),
            )
            .map_err(|error| error.to_string())?,
        };
        let mut digests = digests.into_iter();
        let mut lines = String::new();
        for scheme in &self.schemes {
            let values = match scheme {
                Scheme::Bearer => self.bearers()?,
                Scheme::Digest(_) => digests.next().into_iter().collect(),
            };
            for value in values {
                lines.extend([self.name, ": ", &value, "\r\n"]);
            }
        }
        Ok(lines)
    }

    /// The issuers as they were last read; `None` without a table of them. A challenge waits for nothing: if they
    /// are to be read again, that is done in the background.
    fn issuers(&self) -> Option<Arc<Issuers>> {
        process::with(self.module, |process| {
            let list = process.issuers.as_mut()?;
            if list.should_refresh() {
                let (table, since) = (&self.module.config.tokens.issuers.table, issuers_now());
                let wanted = issuers_wanted(self.module, since);
                let asked = process.ask_once(wanted, move |source| table.fetch_all(source));
                let list = process.issuers.as_mut()?;
                match asked {
                    Asked::Pending(query) => list.refresh(query),
                    Asked::Answered(Ok(rows)) => drop(list.store(since, rows)),
                    // Whoever comes with a token is told.
                    Asked::Answered(Err(_)) => {}
                }
            }
            process.issuers.as_ref().map(IssuerList::newest)
        })
    }

    /// One challenge for each issuer whose tokens count here.
    fn bearers(&self) -> Result<Vec<String>, String> {
        let tokens = &self.module.config.tokens;
        if let TokenAor::OfDomains(domains) = &tokens.aor
            && !domains
                .iter()
                .any(|of| of.eq_ignore_ascii_case(&self.domain))
        {
            return Ok(Vec::new());
        }
        let listed = self.issuers();
        let issuers = listed.as_deref().unwrap_or(&tokens.issuers.fixed);
        let of_realm = issuers.of_realm(&self.domain).take(MOST_SERVERS);
        let mut servers: Vec<_> = of_realm
            .map(|issuer| (issuer.authz_server.as_deref(), &issuer.rules))
            .collect();
        let other = self.module.provider.is_some() || self.module.tables.profiles;
        if servers.is_empty() && other {
            servers.push((tokens.issuers.authz_server.as_deref(), &tokens.rules));
        }
        let (error, description) = self.fault;
        let mut values: Vec<String> = Vec::new();
        for (authz_server, rules) in servers {
            let challenge = Challenge {
                realm: &self.realm,
                authz_server: authz_server.unwrap_or_default(),
                scope: &rules.required_scope.join(" "),
                error,
                description,
            };
            let value = challenge
                .header_value()
                .map_err(|error| error.to_string())?;
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Ok(values)
    }
}

/// Whether a realm has an endpoint, given its row, which is remembered for `http_authorize`.
fn has_endpoint(
    module: &'static Module,
    table: &Realms<Endpoint>,
    realm: &str,
    row: Answer<Aged<Row>>,
) -> Result<bool, String> {
    let defaults = &module.config.http.defaults;
    let parsed = || {
        let row = row.map_err(|error| error.to_string())?;
        endpoint_of(row.map(|row| row.map(|row| *row)), defaults)
    };
    let found = table.lookup(realm, Instant::now(), parsed)?;
    Ok(found.value.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_keep_their_order() {
        use Scheme::{Bearer, Digest};
        let (md5, sha) = (Digest(Algorithm::Md5), Digest(Algorithm::Sha256));
        assert_eq!(schemes(""), Ok(vec![Bearer, sha, md5]));
        assert_eq!(schemes("md5 , bearer MD5"), Ok(vec![md5, Bearer]));
        for bad in [",", "Basic", "Bearer SHA", "Digest"] {
            assert!(schemes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_is_told_what_kind_of_token_it_needs() {
        for (text, error, is_described) in [
            ("", "", false),
            ("1", "", false),
            ("-6", "", false),
            ("invalid_request", "invalid_request", false),
            ("insufficient_scope", "insufficient_scope", false),
            ("-1", "invalid_token", true),
            ("-3", "invalid_token", true),
            ("-8", "invalid_token", true),
            ("-99", "invalid_token", true),
        ] {
            let (code, description) = fault(text).expect(text);
            assert_eq!(
                (code, !description.is_empty()),
                (error, is_described),
                "{text}"
            );
        }
        for bad in ["expired", "-1\r\nVia: x", "1.5", " "] {
            assert!(fault(bad).is_err(), "{bad}");
        }
    }
}
