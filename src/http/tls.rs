//! Which certificates of endpoints are trusted, and with which certificate this side presents itself.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig, TlsProvider};
use zeroize::Zeroizing;

use crate::files::{self, Stamp};

/// The longest file of certificates, keys or passwords, in bytes. The authorities that a system trusts take
/// a quarter of that.
pub(super) const MAX_PEM: usize = 1024 * 1024;

/// The shortest time between two looks at such a file.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The certificate authorities trusted to issue certificates for endpoints, where no file names
/// them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those of the system; if it has none, those of Mozilla at build time.
    #[default]
    System,
    /// Any: the connection is encrypted, but the peer is unknown.
    Anybody,
    /// Only those in this PEM text.
    #[cfg(test)]
    Pem(Vec<u8>),
}

/// PEM files (RFC 7468) that connections to an endpoint are made with. They are read again when they
/// change.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TlsFiles {
    /// The authorities trusted in place of all others; without it, [`Trust`] decides.
    pub ca: Option<PathBuf>,
    /// The client certificate, with those of intermediate authorities after it.
    pub certificate: Option<PathBuf>,
    /// Its private key, not encrypted; `None` if it is in the file of the certificate.
    pub key: Option<PathBuf>,
}

/// Which of the files it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPart {
    /// That of the authorities.
    Authorities,
    /// That of the client certificate.
    Certificate,
    /// That of its key.
    Key,
}

impl fmt::Display for TlsPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsPart::Authorities => "certificate authorities",
            TlsPart::Certificate => "client certificate",
            TlsPart::Key => "key of the client certificate",
        })
    }
}

/// A file of certificates or keys can't be used. Nothing of its content is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {part} in {}: {cause}", .path.display().to_string().escape_debug())]
pub struct TrustError {
    /// Which file it is.
    pub part: TlsPart,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: TrustCause,
}

/// What is wrong with a file of certificates or keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustCause {
    /// It can't be read.
    #[error("{0}")]
    Read(String),
    /// It has the beginning of a PEM section, but not all of it.
    #[error("not PEM: {0}")]
    Pem(String),
    /// No section is a certificate.
    #[error("there is no certificate in PEM")]
    NoCertificate,
    /// No certificate can be that of an authority.
    #[error("no certificate there can be read as X.509")]
    BadCertificate,
    /// No section is a private key.
    #[error("there is no private key in PEM")]
    NoKey,
    /// A passphrase would be needed.
    #[error("the private key is encrypted, which is not supported")]
    Encrypted,
    /// Not a key that TLS can sign with.
    #[error("the private key can't be used: {0}")]
    BadKey(String),
    /// The key is another's.
    #[error("the private key is not that of the certificate in {}", .0.display().to_string().escape_debug())]
    Mismatch(PathBuf),
}

/// What files hold, ready for connections.
#[derive(Clone)]
pub struct Loaded {
    pub(super) tls: TlsConfig,
    /// What was read, to see when it has changed.
    pub(super) stamps: Vec<Stamp>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").finish_non_exhaustive()
    }
}

impl TlsFiles {
    /// Their paths, each with what it is.
    fn parts(&self) -> impl Iterator<Item = (TlsPart, &Path)> {
        [
            (TlsPart::Authorities, &self.ca),
            (TlsPart::Certificate, &self.certificate),
            (TlsPart::Key, &self.key),
        ]
        .into_iter()
        .filter_map(|(part, path)| Some((part, path.as_deref()?)))
    }

    /// What distinguishes their present content; blocks on the disk only.
    pub(super) fn stamps(&self) -> Vec<Stamp> {
        self.parts().map(|(_, path)| Stamp::at(path)).collect()
    }

    /// Warnings about what works but should not be so: a key that others may read.
    pub fn warnings(&self) -> Vec<String> {
        let key = self.key.as_ref().or(self.certificate.as_ref());
        key.into_iter()
            .filter(|path| std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o007 != 0))
            .map(|path| {
                let path = path.display().to_string();
                format!(
                    "the private key in {} can be read or written by everybody on this machine",
                    path.escape_debug()
                )
            })
            .collect()
    }

    /// Reads them.
    ///
    /// # Errors
    /// Fails with the first file that can't be used.
    pub(super) fn load(&self, trust: &Trust) -> Result<Loaded, TrustError> {
        // Before the content: a file that changes meanwhile is read once more.
        let stamps = self.stamps();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider);
        let builder = match (&self.ca, trust) {
            (Some(path), _) => builder.root_certs(authorities(path)?),
            (None, Trust::Anybody) => builder.disable_verification(true),
            (None, Trust::System) => builder.root_certs(system_roots()),
            #[cfg(test)]
            (None, Trust::Pem(pem)) => {
                let found = in_pem(&Zeroizing::new(pem.clone())).expect("certificates");
                builder.root_certs(roots(&found))
            }
        };
        Ok(Loaded {
            tls: builder.client_cert(self.identity()?).build(),
            stamps,
        })
    }

    fn identity(&self) -> Result<Option<ClientCert>, TrustError> {
        let Some(certificate) = &self.certificate else {
            return Ok(None);
        };
        let chain = certificates(TlsPart::Certificate, certificate)?;
        let path = self.key.as_ref().unwrap_or(certificate);
        let fault = |cause| TrustError {
            part: TlsPart::Key,
            path: path.clone(),
            cause,
        };
        let (_, pem) = files::read(path, MAX_PEM)
            .map_err(|error| fault(TrustCause::Read(error.to_string())))?;
        let key = private_key(&pem).map_err(fault)?;
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider).map_err(|error| {
            fault(match error {
                rustls::Error::InconsistentKeys(_) => TrustCause::Mismatch(certificate.clone()),
                rustls::Error::InvalidCertificate(_) => TrustCause::BadCertificate,
                other => TrustCause::BadKey(other.to_string()),
            })
        })?;
        let chain: Vec<_> = chain.iter().map(|der| owned(der)).collect();
        let key = PrivateKey::from_pem(&pem)
            .map_err(|_| fault(TrustCause::BadKey("it can't be read".to_owned())))?;
        Ok(Some(ClientCert::new_with_certs(&chain, key)))
    }
}

/// The only private key of a PEM text.
fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TrustCause> {
    // RFC 7468 section 11, and the form that OpenSSL wrote before (RFC 1421 section 4.6.1.1).
    let says = |text: &[u8]| pem.windows(text.len()).any(|window| window == text);
    if says(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || says(b"Proc-Type: 4,ENCRYPTED") {
        return Err(TrustCause::Encrypted);
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        rustls::pki_types::pem::Error::NoItemsFound => TrustCause::NoKey,
        // Not its text, which may repeat a line of the key.
        _ => TrustCause::Pem("a section that does not end, or is not base64".to_owned()),
    })
}

fn certificates(part: TlsPart, path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let fault = |cause| TrustError {
        part,
        path: path.to_owned(),
        cause,
    };
    let (_, pem) =
        files::read(path, MAX_PEM).map_err(|error| fault(TrustCause::Read(error.to_string())))?;
    in_pem(&pem).map_err(fault)
}

fn in_pem(pem: &Zeroizing<Vec<u8>>) -> Result<Vec<CertificateDer<'static>>, TrustCause> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    // Not its text, which may repeat a line of a key in the same file.
    let found = found
        .map_err(|_| TrustCause::Pem("a section that does not end, or is not base64".to_owned()))?;
    match found.is_empty() {
        true => Err(TrustCause::NoCertificate),
        false => Ok(found),
    }
}

/// The authorities in a file.
fn authorities(path: &Path) -> Result<RootCerts, TrustError> {
    let found = certificates(TlsPart::Authorities, path)?;
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.iter().cloned());
    match added {
        0 => Err(TrustError {
            part: TlsPart::Authorities,
            path: path.to_owned(),
            cause: TrustCause::BadCertificate,
        }),
        _ => Ok(roots(&found)),
    }
}

fn system_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs();
    // If there are some that can't be read, they are not replaced with others.
    if found.certs.is_empty() && found.errors.is_empty() {
        return RootCerts::WebPki;
    }
    roots(&found.certs)
}

fn roots(certificates: &[CertificateDer<'_>]) -> RootCerts {
    RootCerts::Specific(Arc::new(
        certificates.iter().map(|der| owned(der)).collect(),
    ))
}

fn owned(der: &[u8]) -> Certificate<'static> {
    Certificate::from_der(der).to_owned()
}

#[cfg(test)]
mod tests;
