//! Which certificates of endpoints are trusted.

use std::sync::Arc;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// The certificate authorities trusted to issue certificates for endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those of the system; if it has none, those of Mozilla at build time.
    #[default]
    System,
    /// Only those in this PEM text (RFC 7468).
    Pem(Vec<u8>),
    /// Any: the connection is encrypted, but the peer is unknown.
    Anybody,
}

/// Why certificates can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The PEM text is malformed.
    #[error("the certificates of authorities are not PEM: {0}")]
    Pem(String),
    /// It contains no certificate.
    #[error("there is no certificate of an authority in the PEM text")]
    Empty,
}

impl Trust {
    pub(super) fn tls_config(&self) -> Result<TlsConfig, TrustError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(provider);
        let builder = match self {
            Trust::Anybody => builder.disable_verification(true),
            Trust::Pem(pem) => builder.root_certs(roots(certificates(pem)?)),
            Trust::System => builder.root_certs(system_roots()),
        };
        Ok(builder.build())
    }
}

fn system_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs();
    // If there are some that can't be read, they are not replaced with others.
    if found.certs.is_empty() && found.errors.is_empty() {
        return RootCerts::WebPki;
    }
    let certificates = found.certs.iter();
    roots(
        certificates
            .map(|found| Certificate::from_der(found).to_owned())
            .collect(),
    )
}

fn roots(certificates: Vec<Certificate<'static>>) -> RootCerts {
    RootCerts::Specific(Arc::new(certificates))
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, TrustError> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(TrustError::Pem(error.to_string())),
        }
    }
    if found.is_empty() {
        Err(TrustError::Empty)
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_must_be_there_and_whole() {
        let error = |pem: &[u8]| Trust::Pem(pem.to_vec()).tls_config().err();
        assert_eq!(error(b""), Some(TrustError::Empty));
        assert_eq!(error(b"no pem"), Some(TrustError::Empty));
        let broken = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        assert!(matches!(error(broken), Some(TrustError::Pem(_))));
        let key = rcgen::generate_simple_self_signed(["h".to_owned()]).expect("a certificate");
        assert_eq!(error(key.cert.pem().as_bytes()), None);
        assert_eq!(
            error(key.signing_key.serialize_pem().as_bytes()),
            Some(TrustError::Empty)
        );
    }
}
