//! Server certificates, and the authorities that vouch for them.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

/// A certificate for 127.0.0.1, its authority, and an unrelated authority.
pub struct Certificates {
    pub authority: PathBuf,
    pub other_authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// The same in DER.
    pub certificate_der: CertificateDer<'static>,
    pub key_der: PrivatePkcs8KeyDer<'static>,
}

impl Certificates {
    /// Creates new ones, in PEM files in this folder.
    pub fn new(folder: &Path) -> Result<Certificates, String> {
        std::fs::create_dir_all(folder).map_err(|e| e.to_string())?;
        let failed = |e: rcgen::Error| e.to_string();
        let authority = || -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
            let mut params = CertificateParams::new(Vec::new())?;
            // OpenSSL takes a certificate with its issuer's name for a self-signed one.
            params
                .distinguished_name
                .push(DnType::CommonName, "Authority of the tests");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate()?)
        };
        let (ours, other) = (authority().map_err(failed)?, authority().map_err(failed)?);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_string()])
            .and_then(|params| params.signed_by(&key, &ours))
            .map_err(failed)?;
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .map(|()| path)
                .map_err(|e| e.to_string())
        };
        Ok(Certificates {
            authority: write("ca.pem", ours.pem())?,
            other_authority: write("other-ca.pem", other.pem())?,
            certificate: write("server.pem", certificate.pem())?,
            key: write("server.key", key.serialize_pem())?,
            certificate_der: certificate.der().clone(),
            key_der: PrivatePkcs8KeyDer::from(key.serialize_der()),
        })
    }
}
