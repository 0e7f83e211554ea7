//! Parameters of the passwords that are known here.

use std::sync::Arc;

use super::raw::{ConfigError, Raw};
use crate::store::clients::{Cipher, ClientTable, Mode};
use crate::store::subscribers::SubscriberTable;

/// The parameters of `digest_authorize`.
#[derive(Clone, Debug)]
pub struct DigestSettings {
    /// Whether the URI of the credentials has to be that of the request (`digest_uri_check`).
    pub uri_check: bool,
    /// Names of the table of subscribers and its columns.
    pub table: SubscriberTable,
    /// Whether there is one: whether `subscriber_table` is set.
    pub table_named: bool,
    /// How jambonz encrypts passwords (`clients_cipher`).
    pub cipher: Mode,
    /// jambonz's table of clients, `None` without `clients_table`.
    pub clients: Option<ClientTable>,
}

impl DigestSettings {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        let (table, cipher) = (subscribers(raw)?, cipher(raw)?);
        let clients = clients(raw, cipher)?;
        for table in ["subscriber_table", "clients_table"] {
            if raw.has(table) && !raw.has("db_url") {
                return Err(ConfigError::Other {
                    name: table.to_owned(),
                    cause: "is set without db_url".to_owned(),
                });
            }
        }
        Ok(DigestSettings {
            uri_check: raw.flag("digest_uri_check", true)?,
            table,
            table_named: raw.has("subscriber_table"),
            cipher,
            clients,
        })
    }

    /// The table of subscribers, if there is one.
    pub fn subscribers(&self) -> Option<&SubscriberTable> {
        self.table_named.then_some(&self.table)
    }
}

fn subscribers(raw: &Raw) -> Result<SubscriberTable, ConfigError> {
    let column = |name, default| raw.identifier(name, default, false);
    // Not every table has all of them.
    let optional = |name, default| match raw.has(name) && raw.text(name)?.is_none() {
        true => Ok(None),
        false => column(name, default).map(Some),
    };
    let use_domain = raw.flag("subscriber_use_domain", true)?;
    let domain = column("subscriber_domain_column", "domain")?;
    let table = raw.identifier("subscriber_table", "subscriber", true)?;
    Ok(SubscriberTable {
        table,
        user: column("subscriber_user_column", "username")?,
        domain: use_domain.then_some(domain),
        password: optional("subscriber_password_column", "password")?,
        ha1: optional("subscriber_ha1_column", "ha1")?,
        ha1_sha256: optional("subscriber_ha1_sha256_column", "ha1_sha256")?,
        ha1_sha512t256: optional("subscriber_ha1_sha512t256_column", "ha1_sha512t256")?,
    })
}

fn cipher(raw: &Raw) -> Result<Mode, ConfigError> {
    match raw.text("clients_cipher")? {
        None | Some("aes-256-cbc") => Ok(Mode::Cbc),
        Some("aes-256-ctr") => Ok(Mode::Ctr),
        Some(_) => Err(raw.error("clients_cipher", "\"aes-256-cbc\" or \"aes-256-ctr\"")),
    }
}

fn clients(raw: &Raw, mode: Mode) -> Result<Option<ClientTable>, ConfigError> {
    const SECRET: &str = "clients_secret";
    let table = raw.identifier("clients_table", "clients", true)?;
    let secret = raw.text(SECRET)?;
    if !raw.has("clients_table") {
        return Ok(None);
    }
    let secret = secret.ok_or_else(|| ConfigError::Other {
        name: "clients_table".to_owned(),
        cause: format!("is set without {SECRET}"),
    })?;
    let cipher = Arc::new(Cipher::new(secret.as_bytes(), mode));
    Ok(Some(ClientTable { table, cipher }))
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn digest(values: &[(&str, &str)]) -> Result<DigestSettings, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        DigestSettings::new(&raw)
    }

    const URL: (&str, &str) = ("db_url", "mysql://u:p@h/d");

    #[test]
    fn no_table_is_used_unless_it_is_named() {
        let settings = digest(&[URL]).unwrap();
        assert!(settings.subscribers().is_none() && settings.clients.is_none());
        assert!(settings.uri_check);
    }

    #[test]
    fn columns_are_those_of_auth_db() {
        let settings = digest(&[URL, ("subscriber_table", "subscriber")]).unwrap();
        let table = settings.subscribers().unwrap();
        assert_eq!(
            (&*table.user, table.domain.as_deref()),
            ("username", Some("domain"))
        );
        let optional = [
            &table.password,
            &table.ha1,
            &table.ha1_sha256,
            &table.ha1_sha512t256,
        ];
        let names = optional.map(|name| name.as_deref().unwrap());
        assert_eq!(names, ["password", "ha1", "ha1_sha256", "ha1_sha512t256"]);
        let settings = digest(&[
            URL,
            ("subscriber_table", "voip.users"),
            ("subscriber_use_domain", "0"),
            ("subscriber_ha1_sha256_column", ""),
        ]);
        let table = settings.unwrap().table;
        assert_eq!((table.domain, table.ha1_sha256), (None, None));
    }

    #[test]
    fn mistakes_name_the_parameter_and_no_secret() {
        let clients = ("clients_table", "clients");
        let secret = ("clients_secret", "hunter2");
        for values in [
            &[("subscriber_table", "subscriber")][..],
            &[URL, ("subscriber_table", "a;b")],
            &[URL, ("subscriber_user_column", "")],
            &[URL, ("subscriber_ha1_column", "a b")],
            &[URL, ("subscriber_use_domain", "2")],
            &[URL, clients],
            &[clients, secret],
            &[URL, secret, ("clients_cipher", "des")],
            &[("digest_uri_check", "x")],
        ] {
            let message = digest(values).unwrap_err().to_string();
            let names = || values.iter().map(|(name, _)| *name);
            assert!(names().any(|name| message.contains(name)), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
        assert!(digest(&[URL, clients, secret]).unwrap().clients.is_some());
    }
}
