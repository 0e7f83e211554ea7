//! What is to be registered where, from the rows of the tables.

use std::collections::HashSet;

use zeroize::Zeroizing;

use super::address::user;
use crate::sip::HostPortBuf;
use crate::store::carriers::{Carrier, CarrierRows, Gateway};

/// The longest name of a user, escaped, and the longest Call-ID.
const MAX_TEXT: usize = 255;

/// Why a row can't be used. The portal shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No host, or one with a port.
    #[error("Invalid {0} {1}")]
    Host(&'static str, String),
    /// No transport of ours.
    #[error("Invalid protocol {0}")]
    Protocol(String),
    /// No user, or a long one.
    #[error("Invalid username")]
    User,
    /// A key that can't be a Call-ID.
    #[error("Invalid sip_gateway_sid")]
    Sid,
}

/// A transport to a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// TLS.
    Tls,
}

impl Transport {
    /// That of a gateway's protocol, which may have something after a slash.
    pub fn of(protocol: &str) -> Option<Self> {
        let name = protocol.split('/').next().unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "" | "udp" => Some(Transport::Udp),
            "tcp" => Some(Transport::Tcp),
            "tls" => Some(Transport::Tls),
            _ => None,
        }
    }

    /// As the parameter `transport` of a URI has it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    fn usual_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }
}

/// Where carriers reach this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// By any transport that has none of its own.
    pub any: Option<HostPortBuf>,
    /// Over UDP.
    pub udp: Option<HostPortBuf>,
    /// Over TCP.
    pub tcp: Option<HostPortBuf>,
    /// Over TLS.
    pub tls: Option<HostPortBuf>,
}

impl Addresses {
    /// That of a transport; that of UDP if it has none.
    pub fn of(&self, transport: Transport) -> Option<&HostPortBuf> {
        let own = match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Tls => &self.tls,
        };
        own.as_ref().or(self.any.as_ref()).or(self.udp.as_ref())
    }
}

/// What rows do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// Where carriers reach this machine (`trunk_contact_address`).
    pub addresses: Addresses,
    /// Whether each Contact has that (`trunk_contact_by_address`).
    pub by_address: bool,
    /// The domain of the system (`trunk_domain`), in place of that of the table.
    pub domain: Option<String>,
}

/// A registration that is wanted. Two that are equal are the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The key of the carrier.
    pub carrier: String,
    /// That of the gateway, which is the Call-ID as well.
    pub gateway: String,
    /// The gateway.
    pub address: HostPortBuf,
    /// The Request-URI.
    pub request_uri: String,
    /// The URI of the gateway or of the proxy.
    pub next_hop: String,
    /// Whether that is a proxy.
    pub by_proxy: bool,
    /// The URI of From and To.
    pub from: String,
    /// That of Contact.
    pub contact: String,
    /// The user of the credentials.
    pub username: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// Whether what comes from the gateway then counts as from the carrier.
    pub is_inbound: bool,
}

/// What is to be registered: for each gateway of a carrier a plan, or why there is none, with the carrier's key. Of
/// several that have address, user and password in common, only the first counts; one without a password is none.
pub fn plans(rows: &CarrierRows, site: &Site) -> Vec<(String, Result<Plan, PlanError>)> {
    let domain = site.domain.as_deref().or(rows.domain.as_deref());
    let mut seen = HashSet::new();
    let mut plans = Vec::new();
    for carrier in &rows.carriers {
        if carrier.password.is_empty() {
            continue;
        }
        let from = rows
            .gateways
            .partition_point(|gateway| gateway.carrier < carrier.sid);
        let own = rows.gateways[from..]
            .iter()
            .take_while(|gateway| gateway.carrier == carrier.sid);
        let realm = carrier.account.as_ref().and_then(|account| {
            let found = rows.realms.binary_search_by(|(sid, _)| sid.cmp(account));
            found.ok().map(|at| rows.realms[at].1.as_str())
        });
        for gateway in own {
            let key = (&gateway.host, &carrier.username, &carrier.password[..]);
            if seen.insert(key) {
                let plan = Plan::new(carrier, gateway, realm, domain, site);
                plans.push((carrier.sid.clone(), plan));
            }
        }
    }
    plans
}

/// The URI of a gateway, as one to send to. A name gets its usual port by its records in DNS (RFC 3263).
pub fn gateway_uri(gateway: &Gateway) -> Result<(HostPortBuf, Transport, String), PlanError> {
    let invalid = || PlanError::Host("gateway", gateway.host.clone());
    let mut address = HostPortBuf::parse(&gateway.host).ok_or_else(invalid)?;
    let transport = Transport::of(&gateway.protocol)
        .ok_or_else(|| PlanError::Protocol(gateway.protocol.clone()))?;
    address.port = address.port.or(gateway.port);
    let is_usual = address
        .port
        .is_some_and(|port| port == 5060 || port == transport.usual_port());
    let port = match address.is_address() {
        true => address.port,
        false => address.port.filter(|_| !is_usual),
    };
    let shown = HostPortBuf {
        host: address.host.clone(),
        port,
    };
    let uri = format!("sip:{shown};transport={}", transport.name());
    Ok((address, transport, uri))
}

impl Plan {
    /// The plan of a gateway; `realm` is that of the account, `domain` that of the system.
    fn new(
        carrier: &Carrier,
        gateway: &Gateway,
        realm: Option<&str>,
        domain: Option<&str>,
        site: &Site,
    ) -> Result<Self, PlanError> {
        let (address, transport, to_gateway) = gateway_uri(gateway)?;
        let host = |name, text: &str| {
            let parsed = HostPortBuf::parse(text.trim());
            parsed.ok_or_else(|| PlanError::Host(name, text.to_owned()))
        };
        let registrar = match &carrier.realm {
            Some(realm) => host("sip_realm", realm)?,
            None => HostPortBuf {
                host: address.host.clone(),
                port: None,
            },
        };
        let from_domain = match &carrier.from_domain {
            Some(domain) => host("from_domain", domain)?,
            None => registrar.clone(),
        };
        let from_user = user(carrier.from_user.as_deref().unwrap_or(&carrier.username));
        if from_user.is_empty() || from_user.len() > MAX_TEXT {
            return Err(PlanError::User);
        }
        let (next_hop, by_proxy) = match &carrier.proxy {
            None => (to_gateway, false),
            Some(proxy) => {
                let text = proxy.trim();
                let proxy = host(
                    "outbound_sip_proxy",
                    text.strip_prefix("sip:").unwrap_or(text),
                )?;
                (format!("sip:{proxy};transport={}", transport.name()), true)
            }
        };
        let scheme = match gateway.is_sips && transport == Transport::Tls {
            true => "sips",
            false => "sip",
        };
        let by_address = carrier.by_address || site.by_address;
        let own = site.addresses.of(transport).filter(|_| by_address);
        let realm = realm.filter(|_| !carrier.by_address);
        let at = match (own, realm, domain) {
            (Some(own), ..) => own.to_string(),
            (None, Some(realm), _) => host("account realm", realm)?.to_string(),
            (None, None, Some(domain)) => host("domain of the system", domain)?.to_string(),
            (None, None, None) => registrar.to_string(),
        };
        let is_sid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let sid = &gateway.sid;
        if sid.is_empty() || sid.len() > MAX_TEXT || !sid.bytes().all(is_sid) {
            return Err(PlanError::Sid);
        }
        Ok(Plan {
            carrier: carrier.sid.clone(),
            gateway: sid.clone(),
            address,
            request_uri: format!("{scheme}:{registrar}"),
            next_hop,
            by_proxy,
            from: format!("sip:{from_user}@{from_domain}"),
            contact: format!("{scheme}:{from_user}@{at};transport={}", transport.name()),
            username: carrier.username.clone(),
            password: carrier.password.clone(),
            is_inbound: carrier.is_inbound,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carrier() -> Carrier {
        Carrier {
            sid: "c".to_owned(),
            username: "foo".to_owned(),
            password: Zeroizing::new("bar".to_owned()),
            ..Carrier::default()
        }
    }

    fn gateway() -> Gateway {
        Gateway {
            sid: "g".to_owned(),
            carrier: "c".to_owned(),
            host: "192.0.2.1".to_owned(),
            protocol: "udp".to_owned(),
            port: Some(5070),
            is_sips: false,
        }
    }

    fn plan(carrier: Carrier, gateway: Gateway, site: &Site) -> Result<Plan, PlanError> {
        let rows = CarrierRows {
            carriers: vec![carrier],
            gateways: vec![gateway],
            realms: vec![("a".to_owned(), "account.example".to_owned())],
            domain: None,
        };
        plans(&rows, site).remove(0).1
    }

    #[test]
    fn where_nothing_else_is_set_it_is_the_gateway() {
        let plan = plan(carrier(), gateway(), &Site::default()).unwrap();
        assert_eq!(plan.request_uri, "sip:192.0.2.1");
        assert_eq!(plan.next_hop, "sip:192.0.2.1:5070;transport=udp");
        assert_eq!(plan.from, "sip:foo@192.0.2.1");
        assert_eq!(plan.contact, "sip:foo@192.0.2.1;transport=udp");
        assert!(!plan.by_proxy && !plan.is_inbound);
    }

    #[test]
    fn each_column_has_its_place() {
        let carrier = Carrier {
            account: Some("a".to_owned()),
            realm: Some("sip.carrier.example:5080".to_owned()),
            from_user: Some("reg user".to_owned()),
            from_domain: Some("regdomain".to_owned()),
            proxy: Some("proxy.example".to_owned()),
            ..carrier()
        };
        let gateway = Gateway {
            protocol: "tls/srtp".to_owned(),
            host: "gw.example".to_owned(),
            port: Some(5060),
            is_sips: true,
            ..gateway()
        };
        let site = Site {
            domain: Some("system.example".to_owned()),
            ..Site::default()
        };
        let made = plan(carrier.clone(), gateway.clone(), &site).unwrap();
        assert_eq!(made.request_uri, "sips:sip.carrier.example:5080");
        assert_eq!(made.next_hop, "sip:proxy.example;transport=tls");
        assert_eq!(made.from, "sip:reg%20user@regdomain");
        assert_eq!(
            made.contact,
            "sips:reg%20user@account.example;transport=tls"
        );
        let contact = |carrier, site: &Site| plan(carrier, gateway.clone(), site).unwrap().contact;
        let of_none = Carrier {
            account: None,
            ..carrier.clone()
        };
        assert!(contact(of_none.clone(), &site).contains("@system.example;"));
        let addresses = Addresses {
            udp: HostPortBuf::parse("192.0.2.9:5060"),
            ..Addresses::default()
        };
        let site = Site { addresses, ..site };
        assert!(contact(of_none.clone(), &site).contains("@system.example;"));
        let by_address = Carrier {
            by_address: true,
            ..carrier
        };
        assert!(contact(by_address, &site).contains("@192.0.2.9:5060;"));
        let site = Site {
            by_address: true,
            ..site
        };
        assert!(contact(of_none, &site).contains("@192.0.2.9:5060;"));
    }

    #[test]
    fn a_name_keeps_a_port_of_its_own() {
        let uri = |host: &str, port, protocol: &str| {
            let gateway = Gateway {
                host: host.to_owned(),
                port,
                protocol: protocol.to_owned(),
                ..gateway()
            };
            gateway_uri(&gateway).unwrap().2
        };
        assert_eq!(
            uri("a.example", Some(5060), "udp"),
            "sip:a.example;transport=udp"
        );
        assert_eq!(
            uri("a.example", Some(5061), "tls"),
            "sip:a.example;transport=tls"
        );
        assert_eq!(
            uri("a.example", Some(5080), "tcp"),
            "sip:a.example:5080;transport=tcp"
        );
        assert_eq!(uri("a.example", None, "udp"), "sip:a.example;transport=udp");
        assert_eq!(uri("192.0.2.1", None, "udp"), "sip:192.0.2.1;transport=udp");
    }

    #[test]
    fn what_is_invalid_says_so() {
        let none = Site::default();
        let with = |change: fn(&mut Carrier, &mut Gateway)| {
            let (mut carrier, mut gateway) = (carrier(), gateway());
            change(&mut carrier, &mut gateway);
            plan(carrier, gateway, &none).unwrap_err().to_string()
        };
        let domain = with(|carrier, _| carrier.from_domain = Some("a\r\nVia: b".to_owned()));
        assert!(domain.starts_with("Invalid from_domain"), "{domain}");
        let realm = with(|carrier, _| carrier.realm = Some("sip:1.2.3.4".to_owned()));
        assert_eq!(realm, "Invalid sip_realm sip:1.2.3.4");
        let gateway = with(|_, gateway| gateway.host = "a>b".to_owned());
        assert_eq!(gateway, "Invalid gateway a>b");
        let protocol = with(|_, gateway| gateway.protocol = "sctp".to_owned());
        assert_eq!(protocol, "Invalid protocol sctp");
        let sid = with(|_, gateway| gateway.sid = "a b".to_owned());
        assert_eq!(sid, "Invalid sip_gateway_sid");
        let proxy = with(|carrier, _| carrier.proxy = Some("p;x=y".to_owned()));
        assert_eq!(proxy, "Invalid outbound_sip_proxy p;x=y");
        let user = with(|carrier, _| carrier.username = String::new());
        assert_eq!(user, "Invalid username");
    }

    #[test]
    fn the_same_is_registered_once_and_nothing_without_a_password() {
        let second = Gateway {
            sid: "h".to_owned(),
            port: None,
            ..gateway()
        };
        let other = Gateway {
            sid: "i".to_owned(),
            host: "192.0.2.2".to_owned(),
            ..gateway()
        };
        let stranger = Gateway {
            carrier: "x".to_owned(),
            ..gateway()
        };
        let mut rows = CarrierRows {
            carriers: vec![carrier()],
            gateways: vec![gateway(), second, other, stranger],
            ..CarrierRows::default()
        };
        let sids = |rows: &CarrierRows| -> Vec<String> {
            let plans = plans(rows, &Site::default());
            plans
                .into_iter()
                .map(|(_, plan)| plan.unwrap().gateway)
                .collect()
        };
        assert_eq!(sids(&rows), ["g", "i"]);
        rows.carriers[0].password = Zeroizing::default();
        assert!(sids(&rows).is_empty());
    }
}
