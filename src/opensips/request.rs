//! What is read from a SIP request, all of it through pseudo-variables.

use super::pvar::{LogLevel, Message, Variable};
use crate::digest::MAX_HEADERS as MAX_CREDENTIALS;
use crate::sip::{self, AddressOfRecord, HeadError, Header, MAX_HEADERS, Party, Rule, RuleError};

/// Most Contact headers that are read. Devices send one or two, or one that holds a list.
pub const MAX_CONTACTS: usize = 16;

/// The method whose requests are about To.
const REGISTER: &str = "REGISTER";

/// Whether a method is not REGISTER, but equals it in a script: `==` ignores case. What is about
/// From would then be saved under To.
fn is_nearly_register(method: &str) -> bool {
    method != REGISTER && method.eq_ignore_ascii_case(REGISTER)
}

/// The pseudo-variables, parsed once at start.
#[derive(Debug)]
pub struct RequestVariables {
    method: Variable,
    call_id: Variable,
    source_ip: Variable,
    source_port: Variable,
    to: Address,
    from: Address,
    /// P-Preferred-Identity, and a second one.
    preferred: [Variable; 2],
    /// The domain of the Request-URI as received, where it is that of a caller whose From names
    /// nobody (`caller_by_credentials`).
    called_domain: Option<Variable>,
    /// The realm in which a script has the credentials name the caller (`caller_realm_avp`).
    caller_realm: Option<Variable>,
    /// User and host of the Request-URI.
    called: [Variable; 2],
    request_uri: Variable,
    /// The Request-URI as received.
    received_uri: Variable,
    from_tag: Variable,
    log_level: LogLevel,
    buffer: Variable,
    /// Names of headers, in the order of the message.
    names: Vec<Variable>,
    authorization: Vec<Variable>,
    proxy_authorization: Vec<Variable>,
    /// X-JWT, and a second one.
    x_jwt: [Variable; 2],
    contact: Vec<Variable>,
    expires: Variable,
    route: Vec<Variable>,
    record_route: Vec<Variable>,
    core_username: Variable,
    /// The scheme of each URI that routing takes for granted, and whose URI that is.
    schemes: [(Variable, RuleError); 3],
}

#[derive(Debug)]
struct Address {
    user: Variable,
    domain: Variable,
    /// A second header of that name, which is not allowed.
    second: Variable,
}

/// Who says whom a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// To of a REGISTER, From of any other.
    Address,
    /// P-Preferred-Identity.
    Identity,
    /// Whoever of the domain the credentials prove. With the user of From, empty if there is none, or that is
    /// nobody's.
    Credentials(Vec<u8>),
}

/// Whom a request is about, as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The user, with its escapes; empty where the credentials name it.
    pub user: Vec<u8>,
    /// The domain.
    pub domain: Vec<u8>,
    /// Who says so.
    pub by: NamedBy,
}

/// The credentials of a request, as the core found them.
#[derive(Debug)]
pub struct Authorizations {
    /// The values of Authorization.
    pub authorization: Vec<Vec<u8>>,
    /// The values of Proxy-Authorization.
    pub proxy_authorization: Vec<Vec<u8>>,
}

impl RequestVariables {
    /// Parses them. `by_credentials` is `caller_by_credentials`, `caller_realm` the name of
    /// `caller_realm_avp`.
    ///
    /// # Errors
    /// Fails with the specification that the core does not know.
    pub fn new(by_credentials: bool, caller_realm: Option<&str>) -> Result<Self, String> {
        let parse = |text: &str| Variable::parse(text).ok_or_else(|| text.to_owned());
        // One more than allowed, to notice that there are too many.
        let list = |name: &str, most: usize| {
            let indexes = 0..=most;
            indexes
                .map(|index| parse(&format!("$({name}[{index}])")))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(RequestVariables {
            method: parse("$rm")?,
            // For $ci the core logs an error where there is none.
            call_id: parse("$hdr(Call-ID)")?,
            source_ip: parse("$si")?,
            source_port: parse("$sp")?,
            to: Address {
                user: parse("$tU")?,
                domain: parse("$td")?,
                second: parse("$(hdr(To)[1])")?,
            },
            from: Address {
                user: parse("$fU")?,
                domain: parse("$fd")?,
                second: parse("$(hdr(From)[1])")?,
            },
            preferred: [
                parse("$(hdr(P-Preferred-Identity)[0])")?,
                parse("$(hdr(P-Preferred-Identity)[1])")?,
            ],
            called_domain: by_credentials.then(|| parse("$od")).transpose()?,
            caller_realm: caller_realm
                .map(|name| parse(&format!("$avp({name})")))
                .transpose()?,
            called: [parse("$rU")?, parse("$rd")?],
            request_uri: parse("$ru")?,
            received_uri: parse("$ou")?,
            from_tag: parse("$ft")?,
            log_level: LogLevel::new()?,
            buffer: parse("$mb")?,
            names: list("hdr_name", MAX_HEADERS)?,
            authorization: list("hdr(Authorization)", MAX_CREDENTIALS)?,
            proxy_authorization: list("hdr(Proxy-Authorization)", MAX_CREDENTIALS)?,
            x_jwt: [parse("$(hdr(X-JWT)[0])")?, parse("$(hdr(X-JWT)[1])")?],
            contact: list("hdr(Contact)", MAX_CONTACTS)?,
            expires: parse("$hdr(Expires)")?,
            route: list("hdr(Route)", MAX_HEADERS)?,
            record_route: list("hdr(Record-Route)", MAX_HEADERS)?,
            core_username: parse("$aU")?,
            // Each has a scheme, but for one that can't be read.
            schemes: [
                (parse("$(ou{uri.schema})")?, RuleError::RequestUri),
                (parse("$(fu{uri.schema})")?, RuleError::FromUri),
                (parse("$(tu{uri.schema})")?, RuleError::ToUri),
            ],
        })
    }

    fn text(&self, message: Message, variable: Variable) -> String {
        let bytes = message.text(variable).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The method.
    pub fn method(&self, message: Message) -> String {
        self.text(message, self.method)
    }

    /// The Call-ID.
    pub fn call_id(&self, message: Message) -> String {
        self.text(message, self.call_id)
    }

    /// Whom a request is about that was refused: it may be written wrongly.
    pub fn named_quietly(&self, message: Message) -> Named {
        let method = self.method(message);
        self.log_level
            .quietly(message, || self.named(message, &method))
    }

    /// The address that the request came from.
    pub fn source(&self, message: Message) -> String {
        self.text(message, self.source_ip)
    }

    /// The port that the request came from.
    pub fn source_port(&self, message: Message) -> u16 {
        self.text(message, self.source_port).parse().unwrap_or(0)
    }

    /// The header that says whom the request is about: To of a REGISTER (RFC 3261 section 10.2), From
    /// of any other.
    fn address(&self, method: &str) -> &Address {
        match method {
            REGISTER => &self.to,
            _ => &self.from,
        }
    }

    /// User and domain that the request is about, as received.
    ///
    /// A caller whose From is nobody's (RFC 3323 section 4.1.1.3) is whom P-Preferred-Identity names
    /// (RFC 3325 section 9.2), if it is one: a name that has to be proven like any other. If there is
    /// none, or From has the device's own address for a domain, or none, as a number of tel, he is looked
    /// for where he calls. Before all of that, the script may know where to look.
    pub fn named(&self, message: Message, method: &str) -> Named {
        let Address { user, domain, .. } = self.address(method);
        let [user, domain] = [user, domain].map(|part| message.text(*part).unwrap_or_default());
        let named = |user, domain, by| Named { user, domain, by };
        if method == REGISTER {
            return named(user, domain, NamedBy::Address);
        }
        let is_nobodys = sip::is_nobodys(&user, &domain);
        let by_credentials = |user, realm| {
            let user = if is_nobodys { Vec::new() } else { user };
            named(Vec::new(), realm, NamedBy::Credentials(user))
        };
        let chosen = self.caller_realm.and_then(|realm| message.text(realm));
        if let Some(realm) = chosen.filter(|realm| !realm.is_empty()) {
            return by_credentials(user, realm);
        }
        if is_nobodys
            && let [Some(value), None] = self.preferred.map(|value| message.text(value))
            && let Some([user, domain]) = sip::identity(&value)
        {
            return named(user, domain, NamedBy::Identity);
        }
        match self.called_domain.and_then(|called| message.text(called)) {
            Some(called)
                if (is_nobodys || domain.is_empty() || sip::is_ip_address(&domain))
                    && !called.is_empty()
                    && !sip::is_ip_address(&called) =>
            {
                by_credentials(user, called)
            }
            _ => named(user, domain, NamedBy::Address),
        }
    }

    /// The domain of the user that the request is about, in lower case.
    pub fn domain(&self, message: Message, method: &str) -> String {
        let domain = self.named(message, method).domain;
        String::from_utf8_lossy(&domain).to_ascii_lowercase()
    }

    /// Whom the request is about: the address of record that is registered, else the caller.
    /// `None` if that can't be anybody: a user with a percent-escaped CR, LF or NUL, or a domain that
    /// is not UTF-8, which could only be shown, and asked about, as a different one.
    pub fn party(&self, message: Message, method: &str) -> Option<Party> {
        let Named { user, domain, by } = self.named(message, method);
        let domain = str::from_utf8(&domain).ok()?;
        if matches!(by, NamedBy::Credentials(_)) {
            return Some(Party::Proven(domain.to_ascii_lowercase()));
        }
        let aor = AddressOfRecord::new(&user, domain);
        sip::is_one_line(aor.user()).then_some(Party::Named(aor))
    }

    /// Whether the request could also be read as being about another user: of two To or From
    /// headers, OpenSIPS takes the first, and after a wait the last.
    pub fn is_about_several(&self, message: Message, method: &str) -> bool {
        is_nearly_register(method) || message.text(self.address(method).second).is_some()
    }

    /// All headers, name and value, if there is only one way to read them, and the core has read
    /// them that way.
    ///
    /// # Errors
    /// Fails with [`HeadError`] if they can be read in another way.
    pub fn headers(&self, message: Message) -> Result<Vec<Header>, HeadError> {
        if is_nearly_register(&self.method(message)) {
            return Err(HeadError::Method);
        }
        let headers = sip::head(&message.text(self.buffer).unwrap_or_default())?;
        let ours = headers.iter().map(|(name, _)| Some(name.as_slice()));
        // The core has no header after our last one.
        let ours = ours.chain(std::iter::once(None));
        for (at, (ours, variable)) in ours.zip(&self.names).enumerate() {
            if message.text(*variable).as_deref() != ours {
                return Err(HeadError::Ambiguous(at + 1));
            }
        }
        Ok(headers)
    }

    /// Whether a message, whose headers these are, keeps rules. `has_target` tells whether it has one contact
    /// that can be read.
    ///
    /// # Errors
    /// Fails with the [`RuleError`] of the first that it breaks.
    pub fn check(
        &self,
        message: Message,
        headers: &[Header],
        rules: &[Rule],
        has_target: impl Fn() -> bool,
    ) -> Result<(), RuleError> {
        let method = || message.text(self.method).unwrap_or_default();
        let buffer = || message.text(self.buffer).unwrap_or_default();
        let is_there = |variable: Variable| message.text(variable).is_some();
        let is_readable = |(scheme, error): &(Variable, RuleError)| match is_there(*scheme) {
            true => Ok(()),
            false => Err(*error),
        };
        let check = |rule: &Rule| match rule {
            Rule::Method => sip::check_method(&method()),
            Rule::Mandatory => sip::check_mandatory(headers),
            Rule::MaxForwards => sip::check_max_forwards(headers),
            Rule::LineEnds => sip::check_line_ends(&buffer()),
            Rule::RequestUri => {
                let uri = message.text(self.request_uri).unwrap_or_default();
                let [user, host] = self.called.map(is_there);
                sip::check_request_uri(&uri, user, host)
            }
            Rule::FromTag if is_there(self.from_tag) => Ok(()),
            Rule::FromTag => Err(RuleError::FromTag),
            Rule::XJwt => sip::check_x_jwt(headers),
            Rule::Contact if has_target() => Ok(()),
            Rule::Contact => Err(RuleError::Contact),
            // Whatever acts on one that the core can't read would log that as an error of ours.
            Rule::Uris => self.schemes.iter().try_for_each(is_readable),
        };
        let mut rules = rules.iter();
        rules.try_for_each(|rule| self.log_level.quietly(message, || check(rule)))
    }

    /// Whether a URI is equivalent to the Request-URI as it was received (RFC 3261 section 19.1.4).
    pub fn is_for(&self, message: Message, uri: &[u8]) -> bool {
        let received = message.text(self.received_uri).unwrap_or_default();
        match [&received, uri].map(str::from_utf8) {
            [Ok(received), Ok(uri)] => sip::is_same_uri(received, uri),
            _ => received == uri,
        }
    }

    /// The credentials; of each kind at most one more than the module looks at.
    pub fn authorizations(&self, message: Message) -> Authorizations {
        Authorizations {
            authorization: values(message, &self.authorization),
            proxy_authorization: values(message, &self.proxy_authorization),
        }
    }

    /// The values of X-JWT; at most two.
    pub fn x_jwt(&self, message: Message) -> Vec<Vec<u8>> {
        values(message, &self.x_jwt)
    }

    /// The values of Route.
    pub fn route(&self, message: Message) -> Vec<Vec<u8>> {
        values(message, &self.route)
    }

    /// The values of Record-Route.
    pub fn record_route(&self, message: Message) -> Vec<Vec<u8>> {
        values(message, &self.record_route)
    }

    /// The whole username that the core's own parser finds in the first Proxy-Authorization or,
    /// without one, the first Authorization. It logs an error if that header is not of scheme
    /// Digest.
    pub fn core_username(&self, message: Message) -> Option<Vec<u8>> {
        message.text(self.core_username)
    }

    /// The expiry in seconds that the request asks for.
    ///
    /// # Errors
    /// Fails with [`HeadError::TooManyContacts`] if there are too many Contact headers.
    pub fn requested_expires(&self, message: Message) -> Result<Option<u32>, HeadError> {
        let contacts = values(message, &self.contact);
        if contacts.len() > MAX_CONTACTS {
            return Err(HeadError::TooManyContacts(MAX_CONTACTS));
        }
        let expires = message.text(self.expires);
        let contacts = contacts.iter().map(Vec::as_slice);
        Ok(sip::requested_expires(contacts, expires.as_deref()))
    }
}

/// The values of a header, up to the first index that does not exist.
fn values(message: Message, variables: &[Variable]) -> Vec<Vec<u8>> {
    let values = variables.iter().map(|variable| message.text(*variable));
    values.map_while(|value| value).collect()
}
