//! jambonz's tables of carriers, their gateways, accounts and the system.

use zeroize::Zeroizing;

use super::{Answer, Cell, Change, Refusal, Select, Source, StoreError};

/// Most rows of one table that are read.
const MOST: usize = 1_000_000;

/// The columns of a carrier that are read, in this order.
const CARRIER: [&str; 12] = [
    "voip_carrier_sid",
    "name",
    "account_sid",
    "service_provider_sid",
    "register_username",
    "register_password",
    "register_sip_realm",
    "register_from_user",
    "register_from_domain",
    "outbound_sip_proxy",
    "trunk_type",
    "register_public_ip_in_contact",
];

/// Those of a gateway.
const GATEWAY: [&str; 7] = [
    "sip_gateway_sid",
    "voip_carrier_sid",
    "ipv4",
    "protocol",
    "port",
    "use_sips_scheme",
    "is_active",
];

/// Names of the tables. Their columns have the names that jambonz gives them.
#[derive(Clone, Debug)]
pub struct CarrierTables {
    /// Carriers (`carriers_table`).
    pub carriers: String,
    /// Their gateways (`gateways_table`).
    pub gateways: String,
    /// Accounts (`accounts_table`).
    pub accounts: String,
    /// The system's own domain (`system_table`).
    pub system: String,
}

/// A carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carrier {
    /// Its key.
    pub sid: String,
    /// Its name.
    pub name: String,
    /// Whose it is; `None` for all accounts of a provider.
    pub account: Option<String>,
    /// The provider whose it is, if it is not an account's.
    pub provider: Option<String>,
    /// The user of its credentials.
    pub username: String,
    /// The password, as it is.
    pub password: Zeroizing<String>,
    /// Where registrations are kept there; the gateway's address if it is not set.
    pub realm: Option<String>,
    /// The user of From and To, if it is not that of the credentials.
    pub from_user: Option<String>,
    /// The domain of From and To, if it is not the realm.
    pub from_domain: Option<String>,
    /// Where requests are sent to, if not to the gateway.
    pub proxy: Option<String>,
    /// Whether what comes from where it is registered counts as from this carrier (`trunk_type` "reg").
    pub is_inbound: bool,
    /// Whether Contact has the public address.
    pub by_address: bool,
}

/// A gateway of a carrier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Its key.
    pub sid: String,
    /// Its carrier's.
    pub carrier: String,
    /// A name or an address (the column is called `ipv4`).
    pub host: String,
    /// The transport, and what else there is after a slash.
    pub protocol: String,
    /// Its port, if it is set.
    pub port: Option<u16>,
    /// Whether its URI is of the scheme `sips`, over TLS.
    pub is_sips: bool,
}

/// All that registrations at carriers depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarrierRows {
    /// Active carriers that want a registration, of active accounts, by their keys.
    pub carriers: Vec<Carrier>,
    /// Active gateways for calls out, of any carrier, by carrier and key.
    pub gateways: Vec<Gateway>,
    /// Realms of active accounts, by account.
    pub realms: Vec<(String, String)>,
    /// The domain of the system, if it is set.
    pub domain: Option<String>,
}

impl CarrierTables {
    /// Reads all of it.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch(&self, source: &mut dyn Source) -> Answer<CarrierRows> {
        let mut accounts = Vec::new();
        let select = Select {
            table: &self.accounts,
            columns: &["account_sid", "sip_realm"],
            key: Some(("is_active", "1")),
            and: None,
            limit: MOST,
        };
        source.each(&select, &mut |row| {
            let mut cells = row.into_iter();
            if let Some(sid) = text(cells.next()) {
                accounts.push((sid, text(cells.next()).unwrap_or_default()));
            }
        })?;
        accounts.sort();
        let mut carriers = Vec::new();
        let select = Select {
            table: &self.carriers,
            columns: &CARRIER,
            key: Some(("requires_register", "1")),
            and: Some(("is_active", "1")),
            limit: MOST,
        };
        let is_active = |account: &str| {
            let found = accounts.binary_search_by(|(sid, _)| sid.as_str().cmp(account));
            found.is_ok()
        };
        source.each(&select, &mut |row| {
            let carrier = carrier(row);
            if carrier.account.as_deref().is_none_or(is_active) {
                carriers.push(carrier);
            }
        })?;
        // So that of several that are the same the same one counts each time.
        carriers.sort_by(|one, other| one.sid.cmp(&other.sid));
        let gateways = self.gateways(source, ("is_active", "1"))?;
        let domain = self.domain(source)?;
        accounts.retain(|(_, realm)| !realm.is_empty());
        Ok(CarrierRows {
            carriers,
            gateways,
            realms: accounts,
            domain,
        })
    }

    /// Active gateways for calls out that want to be asked whether they are there.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch_pinged(&self, source: &mut dyn Source) -> Answer<Vec<Gateway>> {
        self.gateways(source, ("send_options_ping", "1"))
    }

    fn gateways(&self, source: &mut dyn Source, and: (&str, &str)) -> Answer<Vec<Gateway>> {
        let mut gateways = Vec::new();
        let select = Select {
            table: &self.gateways,
            columns: &GATEWAY,
            key: Some(("outbound", "1")),
            and: Some(and),
            limit: MOST,
        };
        source.each(&select, &mut |row| gateways.extend(gateway(row)))?;
        gateways.sort_by(|one, other| (&one.carrier, &one.sid).cmp(&(&other.carrier, &other.sid)));
        Ok(gateways)
    }

    /// The domain of the system. An older jambonz has no such table.
    fn domain(&self, source: &mut dyn Source) -> Answer<Option<String>> {
        let select = Select {
            table: &self.system,
            columns: &["sip_domain_name"],
            key: None,
            and: None,
            limit: 1,
        };
        match source.select(&select) {
            Ok(rows) => Ok(rows.into_iter().flatten().find_map(|cell| text(Some(cell)))),
            Err(StoreError::Refused {
                why: Refusal::Table | Refusal::Column,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Who a carrier is, whether it is active or not; `None` if it is gone.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch_carrier(&self, source: &mut dyn Source, sid: &str) -> Answer<Option<Carrier>> {
        let select = Select {
            table: &self.carriers,
            columns: &CARRIER,
            key: Some(("voip_carrier_sid", sid)),
            and: None,
            limit: 1,
        };
        Ok(source.select(&select)?.into_iter().next().map(carrier))
    }

    /// Writes what became of a registration, a JSON object of 4096 bytes at most, which jambonz's portal shows.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn set_status(&self, source: &mut dyn Source, carrier: &str, status: &str) -> Answer<u64> {
        let table = quoted(&self.carriers);
        let statement = format!("UPDATE {table} SET register_status=? WHERE voip_carrier_sid=?");
        self.change(source, &self.carriers, &statement, &[status, carrier])
    }

    /// Switches a carrier off that refuses: one of `trunk_type` "reg" as a whole, of others the registration.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn switch_off(&self, source: &mut dyn Source, carrier: &str) -> Answer<u64> {
        let table = quoted(&self.carriers);
        let statement = format!(
            "UPDATE {table} SET is_active=IF(trunk_type='reg', 0, is_active), \
             requires_register=IF(trunk_type='reg', requires_register, 0) WHERE voip_carrier_sid=?"
        );
        self.change(source, &self.carriers, &statement, &[carrier])
    }

    /// Asks a gateway no more whether it is there.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn stop_pings(&self, source: &mut dyn Source, gateway: &str) -> Answer<u64> {
        let table = quoted(&self.gateways);
        let statement = format!("UPDATE {table} SET send_options_ping=0 WHERE sip_gateway_sid=?");
        self.change(source, &self.gateways, &statement, &[gateway])
    }

    fn change(
        &self,
        source: &mut dyn Source,
        table: &str,
        statement: &str,
        values: &[&str],
    ) -> Answer<u64> {
        let values: Vec<_> = values
            .iter()
            .map(|value| Cell::Text(value.as_bytes().to_vec()))
            .collect();
        source.change(&Change {
            table,
            statement,
            values: &values,
        })
    }

    /// Fails unless the tables have all columns that are read.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn probe(&self, source: &mut dyn Source) -> Answer<()> {
        super::try_columns(
            source,
            &self.accounts,
            &["account_sid", "sip_realm", "is_active"],
        )?;
        let more = ["requires_register", "is_active", "register_status"];
        let columns: Vec<_> = CARRIER.into_iter().chain(more).collect();
        super::try_columns(source, &self.carriers, &columns)?;
        let columns: Vec<_> = GATEWAY
            .into_iter()
            .chain(["outbound", "send_options_ping"])
            .collect();
        super::try_columns(source, &self.gateways, &columns)?;
        // Whether the user may change them: no row has that key.
        let (carriers, gateways) = (quoted(&self.carriers), quoted(&self.gateways));
        let carriers = format!(
            "UPDATE {carriers} SET register_status=register_status, is_active=is_active, \
             requires_register=requires_register WHERE voip_carrier_sid=?"
        );
        self.change(source, &self.carriers, &carriers, &[""])?;
        let gateways = format!(
            "UPDATE {gateways} SET send_options_ping=send_options_ping WHERE sip_gateway_sid=?"
        );
        self.change(source, &self.gateways, &gateways, &[""])?;
        Ok(())
    }
}

fn carrier(row: Vec<Cell>) -> Carrier {
    let mut cells = row.into_iter();
    let mut next = || text(cells.next());
    Carrier {
        sid: next().unwrap_or_default(),
        name: next().unwrap_or_default(),
        account: next(),
        provider: next(),
        username: next().unwrap_or_default(),
        password: Zeroizing::new(next().unwrap_or_default()),
        realm: next(),
        from_user: next(),
        from_domain: next(),
        proxy: next(),
        is_inbound: next().as_deref() == Some("reg"),
        by_address: cells.next().is_some_and(|cell| is_on(&cell)),
    }
}

/// `None` for one that is not active.
fn gateway(row: Vec<Cell>) -> Option<Gateway> {
    let mut cells = row.into_iter();
    let mut next = || text(cells.next());
    let [sid, carrier, host, protocol] = [(); 4].map(|()| next().unwrap_or_default());
    let port = cells.next()?.as_int().and_then(|port| port.try_into().ok());
    let is_sips = is_on(&cells.next()?);
    is_on(&cells.next()?).then_some(Gateway {
        sid,
        carrier,
        host,
        protocol,
        port: port.filter(|port| *port > 0),
        is_sips,
    })
}

/// `None` for NULL, an empty text, and what is not UTF-8.
fn text(cell: Option<Cell>) -> Option<String> {
    let text = String::from_utf8(cell?.into_bytes()?).ok()?;
    (!text.is_empty()).then_some(text)
}

/// Whether a flag is on, in whatever type the driver reads it.
fn is_on(cell: &Cell) -> bool {
    match cell {
        Cell::Null => false,
        Cell::Int(number) => *number != 0,
        // A BIT, or a text.
        Cell::Text(text) => matches!(&text[..], [1] | b"1"),
    }
}

/// Names are identifiers (checked at start), which can't contain a backquote.
fn quoted(name: &str) -> String {
    let parts: Vec<_> = name.split('.').map(|part| format!("`{part}`")).collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers by table, and keeps what is changed.
    #[derive(Default)]
    struct Tables {
        rows: Vec<(&'static str, Vec<Vec<Cell>>)>,
        changes: Vec<(String, Vec<Cell>)>,
    }

    impl Source for Tables {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            let found = self.rows.iter().find(|(table, _)| *table == select.table);
            match found {
                Some((_, rows)) => Ok(rows.clone()),
                None => Err(StoreError::Refused {
                    table: select.table.to_owned(),
                    cause: "there is none".to_owned(),
                    why: Refusal::Table,
                }),
            }
        }

        fn change(&mut self, change: &Change<'_>) -> Result<u64, StoreError> {
            let change = (change.statement.to_owned(), change.values.to_vec());
            self.changes.push(change);
            Ok(1)
        }
    }

    fn tables() -> CarrierTables {
        CarrierTables {
            carriers: "jb.voip_carriers".to_owned(),
            gateways: "sip_gateways".to_owned(),
            accounts: "accounts".to_owned(),
            system: "system_information".to_owned(),
        }
    }

    fn row(values: &[&str]) -> Vec<Cell> {
        let cell = |value: &&str| match *value {
            "" => Cell::Null,
            value => match value.parse() {
                Ok(number) => Cell::Int(number),
                Err(_) => Cell::Text(value.as_bytes().to_vec()),
            },
        };
        values.iter().map(cell).collect()
    }

    #[test]
    fn carriers_of_accounts_that_are_not_active_are_none() {
        let carrier =
            |sid, account| row(&[sid, "n", account, "", "u", "p", "r", "", "", "", "reg", "1"]);
        let mut source = Tables {
            rows: vec![
                (
                    "accounts",
                    vec![row(&["on", "a.example"]), row(&["none", ""])],
                ),
                (
                    "jb.voip_carriers",
                    vec![carrier("c2", ""), carrier("c3", "off"), carrier("c1", "on")],
                ),
                (
                    "sip_gateways",
                    vec![
                        row(&["g1", "c1", "192.0.2.1", "udp", "5060", "0", "1"]),
                        row(&["g2", "c1", "192.0.2.2", "udp", "", "1", "0"]),
                        row(&["g0", "c1", "gw.example", "tls/srtp", "", "1", "1"]),
                    ],
                ),
            ],
            ..Tables::default()
        };
        let rows = tables().fetch(&mut source).unwrap();
        let sids: Vec<_> = rows.carriers.iter().map(|c| c.sid.as_str()).collect();
        assert_eq!(sids, ["c1", "c2"]);
        let first = &rows.carriers[0];
        assert!(first.is_inbound && first.by_address && first.from_user.is_none());
        assert_eq!((first.username.as_str(), &**first.password), ("u", "p"));
        let gateways: Vec<_> = rows.gateways.iter().map(|g| (&*g.sid, g.port)).collect();
        assert_eq!(gateways, [("g0", None), ("g1", Some(5060))]);
        assert_eq!(rows.realms, [("on".to_owned(), "a.example".to_owned())]);
        // There is no table of the system.
        assert_eq!(rows.domain, None);
    }

    #[test]
    fn a_change_has_its_values_bound() {
        let mut source = Tables::default();
        let tables = tables();
        tables.set_status(&mut source, "c'1", "{}").unwrap();
        tables.switch_off(&mut source, "c'1").unwrap();
        tables.stop_pings(&mut source, "g").unwrap();
        for (statement, values) in &source.changes {
            assert_eq!(statement.matches('?').count(), values.len(), "{statement}");
            assert!(!statement.contains("c'1"), "{statement}");
        }
        assert!(
            source.changes[0]
                .0
                .starts_with("UPDATE `jb`.`voip_carriers` SET")
        );
    }
}
