//! Parameters of the outbound credentials.

use super::raw::{ConfigError, Raw};
use crate::credentials::{self, Entry, SYNTAX};
use crate::store::credentials::CredentialTable;

/// The parameters of the credentials.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// The entries of `credential`, in script order.
    pub entries: Vec<Entry>,
    /// Names of the table and its columns.
    pub table: CredentialTable,
    /// Whether the script names the table itself, so that it must exist.
    pub tables_named: bool,
}

impl Outbound {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        const NAME: &str = "credential";
        let wrong = |cause: String| ConfigError::Secret {
            name: NAME.to_owned(),
            cause,
        };
        let entries = raw
            .texts(NAME)
            .map_err(|_| wrong(format!("is a number, allowed is a string {SYNTAX}")))?
            .into_iter()
            .map(|value| {
                credentials::parse(value)
                    .map_err(|error| wrong(format!("{error}; allowed is {SYNTAX}")))
            })
            .collect::<Result<_, _>>()?;
        let column = |name, default| raw.identifier(name, default, false);
        Ok(Outbound {
            entries,
            table: CredentialTable {
                table: raw.identifier("credentials_table", "credentials", true)?,
                server: column("credential_server_column", "server")?,
                realm: column("credential_realm_column", "realm")?,
                user: column("credential_user_column", "sip_user")?,
                username: column("credential_username_column", "username")?,
                password: column("credential_password_column", "password")?,
            },
            tables_named: raw.has("credentials_table"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn outbound(values: &[(&str, &str)]) -> Result<Outbound, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Outbound::new(&raw)
    }

    #[test]
    fn any_number_of_entries_in_their_order() {
        let some = outbound(&[("credential", "a:b"), ("credential", "c:d;realm=r")]).unwrap();
        let names: Vec<_> = some.entries.iter().map(|e| &e.login.username[..]).collect();
        assert_eq!(names, [b"a", b"c"]);
        assert!(outbound(&[]).unwrap().entries.is_empty());
    }

    #[test]
    fn a_mistake_says_what_is_allowed_and_not_what_was_given() {
        let message = outbound(&[("credential", "a:b"), ("credential", "hunter2")])
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("\"credential\"") && message.contains(";realm="),
            "{message}"
        );
        assert!(!message.contains("hunter2"), "{message}");
        let mut raw = Raw::default();
        raw.push("credential", RawValue::Int(424_242));
        let message = Outbound::new(&raw).unwrap_err().to_string();
        assert!(!message.contains("424242"), "{message}");
    }

    #[test]
    fn names_are_identifiers() {
        assert!(
            outbound(&[("credentials_table", "voip.credentials")])
                .unwrap()
                .tables_named
        );
        for name in ["credentials_table", "credential_user_column"] {
            assert!(outbound(&[(name, "a;b")]).is_err(), "{name}");
        }
    }
}
