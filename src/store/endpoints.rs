//! The table of webhook endpoints, by realm.

use zeroize::Zeroizing;

use super::realm::row_of;
use super::{Select, Source, StoreError};
use crate::http::EndpointRow;

/// Names of the table and its columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointTables {
    /// The table (`endpoints_table`).
    pub table: String,
    /// Column of the realm (`endpoint_realm_column`).
    pub realm: String,
    /// Column of the URL, or of several separated by blanks (`endpoint_url_column`).
    pub url: String,
    /// Column of the method (`endpoint_method_column`); NULL or empty for `http_method`.
    pub method: String,
    /// Column of the user name of Basic authentication (`endpoint_username_column`).
    pub username: String,
    /// Column of its password (`endpoint_password_column`).
    pub password: String,
    /// Column of the secret that signs requests (`endpoint_secret_column`).
    pub signature_secret: String,
    /// Column of the path of the client certificate (`endpoint_tls_cert_column`); NULL or empty for
    /// `http_tls_cert`.
    pub tls_cert: String,
    /// Column of the path of its key (`endpoint_tls_key_column`).
    pub tls_key: String,
    /// Column of the path of the trusted authorities (`endpoint_tls_ca_column`); NULL or empty for
    /// `http_tls_ca`.
    pub tls_ca: String,
    /// Whether there are columns of files: a table of version 1 has none.
    pub has_files: bool,
    /// Whether a realm without a row has that of its parent domain (`realm_parent`).
    pub parent: bool,
}

impl EndpointTables {
    /// The columns that are read.
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = vec![
            self.realm.as_str(),
            &self.url,
            &self.method,
            &self.username,
            &self.password,
            &self.signature_secret,
        ];
        if self.has_files {
            columns.extend([self.tls_cert.as_str(), &self.tls_key, &self.tls_ca]);
        }
        columns
    }

    /// Realm and URLs of all rows, at most `limit` of them.
    ///
    /// # Errors
    /// Fails with the source's error.
    pub fn fetch_urls(
        &self,
        source: &mut dyn Source,
        limit: usize,
    ) -> Result<Vec<(String, String)>, StoreError> {
        let columns = [self.realm.as_str(), &self.url];
        let mut rows = Vec::new();
        let select = Select {
            table: &self.table,
            columns: &columns,
            key: None,
            and: None,
            limit,
        };
        source.each(&select, &mut |row| {
            let mut texts = row.into_iter().map(|cell| {
                let bytes = cell.into_bytes().unwrap_or_default();
                String::from_utf8_lossy(&bytes).trim_ascii_end().to_owned()
            });
            if let (Some(realm), Some(url)) = (texts.next(), texts.next()) {
                rows.push((realm, url));
            }
        })?;
        Ok(rows)
    }

    /// The row of a realm, and whose row that is; `None` if there is none.
    ///
    /// # Errors
    /// Fails with the source's error, and with [`StoreError::BadRow`] for a row without a URL.
    pub fn fetch(
        &self,
        source: &mut dyn Source,
        realm: &str,
    ) -> Result<Option<(String, EndpointRow)>, StoreError> {
        let columns = self.columns();
        let Some((of, row)) = row_of(source, &self.table, &columns, realm, self.parent)? else {
            return Ok(None);
        };
        let mut texts = row.into_iter().skip(1).map(|cell| {
            cell.into_bytes()
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .filter(|text| !text.is_empty())
        });
        let mut next = || texts.next().flatten();
        let Some(url) = next() else {
            return Err(StoreError::BadRow {
                table: self.table.clone(),
                cause: format!("column {} of an endpoint is NULL or empty", self.url),
            });
        };
        let row = EndpointRow {
            url,
            method: next(),
            username: next(),
            password: next().map(Zeroizing::new),
            signature_secret: next().map(Zeroizing::new),
            tls_cert: next(),
            tls_key: next(),
            tls_ca: next(),
        };
        Ok(Some((of, row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Cell;

    struct OneRow(Vec<Cell>);

    impl Source for OneRow {
        fn select(&mut self, select: &Select<'_>) -> Result<Vec<Vec<Cell>>, StoreError> {
            assert_eq!(select.table, "http_endpoints");
            Ok(vec![self.0.clone()])
        }
    }

    fn names() -> EndpointTables {
        EndpointTables {
            table: "http_endpoints".into(),
            realm: "realm".into(),
            url: "url".into(),
            method: "method".into(),
            username: "username".into(),
            password: "password".into(),
            signature_secret: "signature_secret".into(),
            tls_cert: "tls_cert".into(),
            tls_key: "tls_key".into(),
            tls_ca: "tls_ca".into(),
            has_files: true,
            parent: false,
        }
    }

    fn text(s: &str) -> Cell {
        Cell::Text(s.as_bytes().to_vec())
    }

    #[test]
    fn a_row_is_read_by_its_columns() {
        let mut source = OneRow(vec![
            text("Example.org"),
            text("http://a/ http://b/"),
            Cell::Null,
            text("u"),
            text(""),
            text("s"),
            text("/c"),
            Cell::Null,
            text("/a"),
        ]);
        let (of, row) = names().fetch(&mut source, "example.ORG").unwrap().unwrap();
        assert_eq!(of, "example.org");
        assert_eq!(row.url, "http://a/ http://b/");
        assert_eq!((row.method, row.username.as_deref()), (None, Some("u")));
        assert!(row.password.is_none());
        assert_eq!(
            (row.tls_cert.as_deref(), row.tls_ca.as_deref()),
            (Some("/c"), Some("/a"))
        );
        assert!(row.tls_key.is_none());
        assert_eq!(
            row.signature_secret.as_deref().map(String::as_str),
            Some("s")
        );
        assert!(names().fetch(&mut source, "example.com").unwrap().is_none());
    }

    #[test]
    fn a_row_without_a_url_is_an_error() {
        let mut source = OneRow(vec![text("r"), Cell::Null]);
        assert!(matches!(
            names().fetch(&mut source, "r"),
            Err(StoreError::BadRow { .. })
        ));
    }
}
