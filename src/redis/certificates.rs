//! The certificates of a URL: who is trusted, and who we are.

use std::io;
use std::path::{Path, PathBuf};

use redis::{ClientTlsConfig, RedisError, TlsCertificates};
use rustls::RootCertStore;
use thiserror::Error;

use super::url::RedisUrl;

/// What [PEM](https://www.rfc-editor.org/rfc/rfc7468#section-5) calls a certificate.
const CERTIFICATE: &str = "CERTIFICATE";

/// Why the certificates of a URL can't be used.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// A file can't be read.
    #[error("names {0:?}, which can't be read ({1})")]
    File(PathBuf, io::Error),
    /// A file has no certificate in it.
    #[error("names {0:?}, which has no certificate in PEM")]
    NoCertificate(PathBuf),
    /// A file does not have what it should.
    #[error("has certificates or a key that can't be used: {0}")]
    Content(RedisError),
    /// The system has authorities, and none can be read.
    #[error("has no tls_ca, and the system's certificate authorities can't be read ({0})")]
    System(String),
}

/// Reads them, once for all connections: the system has more than a hundred authorities, and reading them
/// takes longer than a handshake. `None` without TLS.
///
/// # Errors
/// Fails with [`CertificateError`].
pub fn read(url: &RedisUrl) -> Result<Option<TlsCertificates>, CertificateError> {
    let read = |path: &Path| {
        let refused = |error| CertificateError::File(path.to_owned(), error);
        std::fs::read(path).map_err(refused)
    };
    let given = url.tls_ca.as_deref().map(read).transpose()?;
    // The crate takes a file without any for a list of none.
    let is_certificate = |pem: &pem::Pem| pem.tag() == CERTIFICATE;
    if let (Some(path), Some(text)) = (&url.tls_ca, &given)
        && !pem::parse_many(text).is_ok_and(|list| list.iter().any(is_certificate))
    {
        return Err(CertificateError::NoCertificate(path.clone()));
    }
    if !url.is_tls {
        return Ok(None);
    }
    let client_tls = match &url.tls_identity {
        None => None,
        Some((certificate, key)) => Some(ClientTlsConfig {
            client_cert: read(certificate)?,
            client_key: read(key)?,
        }),
    };
    let root_cert = match given {
        Some(given) => Some(given),
        None => of_system()?,
    };
    Ok(Some(TlsCertificates {
        client_tls,
        root_cert,
    }))
}

/// Those that the system trusts, in PEM; `None` if it has none: then the crate trusts those of Mozilla, as for
/// endpoints.
fn of_system() -> Result<Option<Vec<u8>>, CertificateError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        // If there are some that can't be read, they are not replaced with others.
        return match found.errors.first() {
            Some(error) => Err(CertificateError::System(error.to_string())),
            None => Ok(None),
        };
    }
    // The crate would refuse all of them for one that it can't read.
    let mut store = RootCertStore::empty();
    let readable = found
        .certs
        .into_iter()
        .filter(|certificate| store.add(certificate.clone()).is_ok())
        .map(|certificate| pem::Pem::new(CERTIFICATE, certificate.as_ref()));
    let readable: Vec<pem::Pem> = readable.collect();
    if readable.is_empty() {
        let none = "none of them can be read".to_owned();
        return Err(CertificateError::System(none));
    }
    Ok(Some(pem::encode_many(&readable).into_bytes()))
}
