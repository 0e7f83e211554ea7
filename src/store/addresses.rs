//! jambonz's table of the addresses of its SBCs: where carriers and devices reach them.

use std::net::Ipv4Addr;

use aws_lc_rs::rand;

use super::{Answer, Cell, Change, Source, StoreError};

/// Columns of the table, which have the names that jambonz gives them.
const COLUMNS: [&str; 6] = [
    "sbc_address_sid",
    "ipv4",
    "port",
    "tls_port",
    "wss_port",
    "last_updated",
];

/// One address, with its ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SbcAddress {
    /// The address.
    pub ipv4: Ipv4Addr,
    /// The port of UDP.
    pub port: u16,
    /// The port of TLS, if there is one.
    pub tls_port: Option<u16>,
    /// The port of WebSocket over TLS, if there is one.
    pub wss_port: Option<u16>,
}

/// The table (`sbc_addresses_table`), whose name was checked at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressTable(pub String);

impl AddressTable {
    /// Fails unless the table has all of these columns.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn probe(&self, source: &mut dyn Source) -> Answer<()> {
        super::try_columns(source, &self.0, &COLUMNS)
    }

    /// Notes that an address is in use: in its row, or in a new one. By the clock of the database.
    ///
    /// # Errors
    /// Fails with the source's error, and where the system gives no random bytes.
    pub fn keep(&self, source: &mut dyn Source, address: &SbcAddress) -> Answer<()> {
        let table = &self.0;
        let ipv4 = Cell::Text(address.ipv4.to_string().into_bytes());
        let port = Cell::Int(address.port.into());
        let optional = |port: Option<u16>| port.map_or(Cell::Null, |port| Cell::Int(port.into()));
        let (tls, wss) = (optional(address.tls_port), optional(address.wss_port));
        // Of several rows, as somebody may have written them, that of the same port.
        source.change(&Change {
            table,
            statement: &format!(
                "UPDATE {table} SET port = ?, tls_port = ?, wss_port = ?, last_updated = NOW() WHERE ipv4 = ? \
                 ORDER BY port = ? DESC, sbc_address_sid LIMIT 1"
            ),
            values: &[port.clone(), tls.clone(), wss.clone(), ipv4.clone(), port.clone()],
        })?;
        // How many rows were changed says nothing: none, where all was as it is.
        source.change(&Change {
            table,
            statement: &format!(
                "INSERT INTO {table} (sbc_address_sid, ipv4, port, tls_port, wss_port, last_updated) \
                 SELECT ?, ?, ?, ?, ?, NOW() FROM DUAL \
                 WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE ipv4 = ?)"
            ),
            values: &[Cell::Text(uuid()?.into_bytes()), ipv4.clone(), port, tls, wss, ipv4],
        })?;
        Ok(())
    }

    /// Takes out the addresses that nobody has noted for this many seconds, or at any time. How many they were.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn clean(&self, source: &mut dyn Source, seconds: u32) -> Answer<u64> {
        let table = &self.0;
        source.change(&Change {
            table,
            statement: &format!(
                "DELETE FROM {table} WHERE last_updated IS NULL OR last_updated < NOW() - INTERVAL ? SECOND"
            ),
            values: &[Cell::Int(seconds.into())],
        })
    }
}

/// A name that nobody else chooses (RFC 9562 section 5.4).
fn uuid() -> Answer<String> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes)
        .map_err(|_| StoreError::Busy("the system gives no random bytes".to_owned()))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    let digits = format!("{number:032x}");
    let (a, b, c, d, e) = (
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    );
    Ok(format!("{a}-{b}-{c}-{d}-{e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_form_of_a_random_uuid() {
        let names = [uuid().unwrap(), uuid().unwrap()];
        assert_ne!(names[0], names[1]);
        for name in names {
            let lengths: Vec<usize> = name.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{name}");
            assert_eq!(&name[14..15], "4", "{name}");
            assert!("89ab".contains(&name[19..20]), "{name}");
        }
    }
}
