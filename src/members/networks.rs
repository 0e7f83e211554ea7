//! Networks, as lists of them are written (RFC 4632 section 3.1, RFC 4291 section 2.3).

use std::net::IpAddr;

use thiserror::Error;

/// Most networks in one list.
const MOST: usize = 256;

/// Addresses that have their first bits in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// Some networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

/// Why a list is none of networks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NetworkError {
    /// An entry is none.
    #[error("{0:?} is no network")]
    Entry(String),
    /// There are too many.
    #[error("there are more than {MOST}")]
    Many,
}

/// The first bits of an address, the others 0.
fn first(address: IpAddr, bits: u8) -> u128 {
    let (number, width) = match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    match bits.min(width) {
        0 => 0,
        bits => number & (u128::MAX << (128 - u32::from(bits))),
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => width,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= width)?
            }
            Some(_) => return None,
        };
        Some(Network { address, bits })
    }

    fn has(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && first(self.address, self.bits) == first(address, self.bits)
    }
}

impl Networks {
    /// Networks, or single addresses, separated by commas or blanks: `10.0.0.0/8, 2001:db8::/32`.
    ///
    /// # Errors
    /// Fails with [`NetworkError`].
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let entries = text.split(|c: char| c == ',' || c.is_ascii_whitespace());
        let entries = entries.filter(|entry| !entry.is_empty());
        let network = |entry: &str| {
            Network::parse(entry).ok_or_else(|| NetworkError::Entry(entry.to_owned()))
        };
        let networks: Vec<_> = entries.map(network).collect::<Result<_, _>>()?;
        match networks.len() {
            0 => Err(NetworkError::Entry(text.to_owned())),
            1..=MOST => Ok(Networks(networks)),
            _ => Err(NetworkError::Many),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is in one of them. One of IPv4 that is written as one of IPv6 is one of IPv4.
    pub fn have(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.has(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_in_a_network_by_its_first_bits() {
        let networks = Networks::parse(
            "192.168.0.0/24,172.16.0.0/16 , 10.9.8.7/8\t2001:db8::/33 ::1 203.0.113.7",
        );
        let networks = networks.unwrap();
        let has = |text: &str| networks.have(text.parse().unwrap());
        for inside in [
            "192.168.0.255",
            "172.16.255.255",
            "10.255.0.1",
            "2001:db8:7fff::1",
            "::1",
            "203.0.113.7",
            "::ffff:10.0.0.1",
        ] {
            assert!(has(inside), "{inside}");
        }
        for outside in [
            "192.168.1.0",
            "172.17.0.0",
            "11.0.0.0",
            "2001:db8:8000::1",
            "::2",
            "203.0.113.6",
            "::ffff:11.0.0.1",
            "a00::",
        ] {
            assert!(!has(outside), "{outside}");
        }
        let all = Networks::parse("0.0.0.0/0").unwrap();
        assert!(all.have("203.0.113.6".parse().unwrap()));
        assert!(!all.have("::1".parse().unwrap()));
        assert!(
            Networks::default().is_empty() && !Networks::default().have("::1".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in [
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0/8",
            "::/129",
            "host.example",
            "[::1]/128",
            "10.0.0.0/8/8",
            "10.0.0.0/256",
        ] {
            let list = format!("10.0.0.0/8,{text}");
            let error = Networks::parse(&list).unwrap_err();
            assert_eq!(error, NetworkError::Entry(text.to_owned()));
        }
        assert!(Networks::parse(" , ").is_err());
        let many = vec!["10.0.0.0/8"; MOST + 1].join(",");
        assert_eq!(Networks::parse(&many), Err(NetworkError::Many));
    }
}
