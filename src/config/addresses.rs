//! Parameters of this server's own addresses: `sbc_addresses_table`, `sbc_addresses`, `sbc_addresses_interval`,
//! `sbc_addresses_expire`.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::raw::{ConfigError, Raw};
use crate::store::addresses::{AddressTable, SbcAddress};

const ADDRESSES: &str = "sbc_addresses";
const EXPIRE: &str = "sbc_addresses_expire";

/// The port that jambonz takes where there is no UDP.
const DEFAULT_PORT: u16 = 5060;

/// Milliseconds between two notes, and seconds after which an address that nobody notes is taken out: as with
/// jambonz's sbc-sip-sidecar.
const DEFAULT_INTERVAL_MS: i64 = 900_000;
const DEFAULT_EXPIRE: i64 = 3600;

/// What the parameters of the own addresses say.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The table (`sbc_addresses_table`); `None`: nothing is noted.
    pub table: Option<AddressTable>,
    /// The addresses that are public (`sbc_addresses`).
    pub public: Vec<SbcAddress>,
    /// Those that are not, and are not noted.
    pub others: Vec<Ipv4Addr>,
    /// The time between two notes (`sbc_addresses_interval`).
    pub interval: Duration,
    /// Seconds after which an address that nobody notes is taken out (`sbc_addresses_expire`).
    pub expire: u32,
}

/// Whether others than its own network reach an address.
fn is_public(address: Ipv4Addr) -> bool {
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified())
}

/// One `protocol:address:port`.
fn socket(text: &str) -> Option<(&str, Ipv4Addr, u16)> {
    let (protocol, rest) = text.split_once(':')?;
    let (address, port) = rest.split_once(':')?;
    let port = port
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| port.parse().ok())??;
    let is_known = ["udp", "tcp", "tls", "ws", "wss"].contains(&protocol);
    (is_known && port > 0).then_some((protocol, address.parse().ok()?, port))
}

/// The addresses of sockets, each once, with their ports.
fn addresses(text: &str) -> Option<Vec<SbcAddress>> {
    let mut addresses: Vec<SbcAddress> = Vec::new();
    let entries = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
    for entry in entries.filter(|entry| !entry.is_empty()) {
        let (protocol, ipv4, port) = socket(entry)?;
        let at = match addresses.iter().position(|address| address.ipv4 == ipv4) {
            Some(at) => at,
            None => {
                addresses.push(SbcAddress {
                    ipv4,
                    port: DEFAULT_PORT,
                    tls_port: None,
                    wss_port: None,
                });
                addresses.len() - 1
            }
        };
        let address = addresses.get_mut(at)?;
        match protocol {
            "udp" => address.port = port,
            "tls" => address.tls_port = Some(port),
            "wss" => address.wss_port = Some(port),
            // The table has no port of these.
            _ => {}
        }
    }
    Some(addresses)
}

impl Addresses {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first one that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        const TABLE: &str = "sbc_addresses_table";
        let table = match raw.text(TABLE)? {
            None => None,
            Some(_) => Some(AddressTable(raw.identifier(TABLE, "", true)?)),
        };
        let all = addresses(raw.text(ADDRESSES)?.unwrap_or("")).ok_or_else(|| {
            let allowed = "protocol:address:port, the protocol one of udp, tcp, tls, ws and wss, the address one \
                           of IPv4; several separated by commas or blanks";
            raw.error(ADDRESSES, allowed)
        })?;
        let milliseconds = raw.int(
            "sbc_addresses_interval",
            DEFAULT_INTERVAL_MS,
            1000..=86_400_000,
            "milliseconds",
        )?;
        let seconds = raw.int(EXPIRE, DEFAULT_EXPIRE, 1..=31_536_000, "seconds")?;
        if table.is_some() && seconds * 1000 <= milliseconds {
            return Err(ConfigError::Other {
                name: EXPIRE.to_owned(),
                cause: format!(
                    "{seconds} s is not longer than sbc_addresses_interval, {milliseconds} ms: others would take out \
                     addresses that are in use"
                ),
            });
        }
        let (public, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|address| is_public(address.ipv4));
        Ok(Addresses {
            table,
            public,
            others: others.into_iter().map(|address| address.ipv4).collect(),
            interval: Duration::from_millis(milliseconds.unsigned_abs()),
            expire: u32::try_from(seconds).unwrap_or(u32::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn read(values: &[(&str, &str)]) -> Result<Addresses, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Addresses::new(&raw)
    }

    #[test]
    fn ports_belong_to_their_address() {
        let text = "udp:203.0.113.7:5080,tls:203.0.113.7:5061 wss:203.0.113.7:8443, tcp:203.0.113.8:5070, \
                    udp:10.0.0.7:5060 udp:172.31.0.1:5060 udp:192.168.1.1:5060 udp:127.0.0.1:5060";
        let read = read(&[(ADDRESSES, text)]).unwrap();
        let first = SbcAddress {
            ipv4: "203.0.113.7".parse().unwrap(),
            port: 5080,
            tls_port: Some(5061),
            wss_port: Some(8443),
        };
        let second = SbcAddress {
            ipv4: "203.0.113.8".parse().unwrap(),
            port: 5060,
            tls_port: None,
            wss_port: None,
        };
        assert_eq!(read.public, [first, second]);
        assert_eq!(read.others.len(), 4);
        assert!(read.table.is_none());
        assert!(is_public("172.32.0.1".parse().unwrap()));
    }

    #[test]
    fn mistakes_name_the_parameter() {
        for (name, value) in [
            (ADDRESSES, "203.0.113.7"),
            (ADDRESSES, "udp:203.0.113.7"),
            (ADDRESSES, "udp:203.0.113.7:0"),
            (ADDRESSES, "udp:203.0.113.7:+1"),
            (ADDRESSES, "udp:203.0.113.7:65536"),
            (ADDRESSES, "udp:sbc.example:5060"),
            (ADDRESSES, "sctp:203.0.113.7:5060"),
            (ADDRESSES, "udp:[2001:db8::1]:5060"),
            ("sbc_addresses_table", "a;b"),
            ("sbc_addresses_interval", "999"),
            (EXPIRE, "0"),
        ] {
            let message = read(&[(name, value)]).unwrap_err().to_string();
            assert!(message.contains(name), "{message}");
        }
        let table = ("sbc_addresses_table", "jambones.sbc_addresses");
        assert!(read(&[table]).unwrap().table.is_some());
        let message = read(&[table, (EXPIRE, "900")]).unwrap_err().to_string();
        assert!(message.contains(EXPIRE), "{message}");
        assert!(read(&[table, (EXPIRE, "901")]).is_ok() && read(&[(EXPIRE, "900")]).is_ok());
    }
}
