//! A certificate that nobody trusts by default.

use std::path::Path;

/// PEM files of a server: its certificate, which is also its own authority, and its key.
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Identity {
    /// A new one for 127.0.0.1.
    pub fn new(folder: &Path) -> Result<Identity, String> {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_string()])
            .map_err(|e| e.to_string())?;
        let write = |name: &str, text: String| {
            let path = folder.join(name);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::write(&path, text))
                .map(|()| path.display().to_string())
                .map_err(|e| format!("{name}: {e}"))
        };
        Ok(Identity {
            certificate: write("certificate.pem", made.cert.pem())?,
            key: write("key.pem", made.signing_key.serialize_pem())?,
        })
    }
}
