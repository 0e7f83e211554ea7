use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("it can be written");
        path
    }
}

fn made() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["h".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn cause(files: &TlsFiles) -> Option<(TlsPart, TrustCause)> {
    let error = files.load(&Trust::System).err()?;
    assert!(
        error
            .to_string()
            .contains(&error.path.display().to_string()),
        "{error}"
    );
    Some((error.part, error.cause))
}

#[test]
fn authorities_must_be_there_and_whole() {
    let folder = Folder::new();
    let (certificate, key) = made();
    let of = |content: &str| {
        let ca = Some(folder.file("ca", content));
        let files = TlsFiles {
            ca,
            ..TlsFiles::default()
        };
        cause(&files).map(|(part, cause)| {
            assert_eq!(part, TlsPart::Authorities);
            cause
        })
    };
    assert_eq!(of(""), Some(TrustCause::NoCertificate));
    assert_eq!(of("no pem"), Some(TrustCause::NoCertificate));
    assert_eq!(of(&key), Some(TrustCause::NoCertificate));
    let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
    assert!(matches!(of(broken), Some(TrustCause::Pem(_))));
    let cut = &certificate[..certificate.len() / 2];
    assert!(matches!(of(cut), Some(TrustCause::Pem(_))));
    let strange = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(of(strange), Some(TrustCause::BadCertificate));
    assert_eq!(of(&certificate), None);
    for path in ["/nonexistent/file", "/dev/zero", "/"] {
        let files = TlsFiles {
            ca: Some(path.into()),
            ..TlsFiles::default()
        };
        assert!(matches!(cause(&files), Some((_, TrustCause::Read(_)))));
    }
}

#[test]
fn a_client_certificate_needs_its_own_key() {
    let folder = Folder::new();
    let ((certificate, key), (_, other)) = (made(), made());
    let certificate_file = folder.file("certificate", &certificate);
    let of = |content: &str| {
        let files = TlsFiles {
            ca: None,
            certificate: Some(certificate_file.clone()),
            key: Some(folder.file("key", content)),
        };
        let found = cause(&files);
        assert!(
            found
                .iter()
                .all(|(_, cause)| !cause.to_string().contains("MIG")),
            "{found:?}"
        );
        found.map(|(_, cause)| cause)
    };
    assert_eq!(of(&key), None);
    assert_eq!(
        of(&other),
        Some(TrustCause::Mismatch(certificate_file.clone()))
    );
    assert_eq!(of(&certificate), Some(TrustCause::NoKey));
    assert_eq!(of(""), Some(TrustCause::NoKey));
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    assert_eq!(of(&encrypted), Some(TrustCause::Encrypted));
    assert!(matches!(of(&key[..60]), Some(TrustCause::Pem(_))));
    let strange = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(of(strange), Some(TrustCause::BadKey(_))));
    let both = TlsFiles {
        certificate: Some(folder.file("both", &format!("{key}{certificate}"))),
        ..TlsFiles::default()
    };
    assert_eq!(cause(&both), None);
}

#[test]
fn a_key_that_all_may_read_is_worth_a_warning() {
    let folder = Folder::new();
    let path = folder.file("key", "k");
    let files = TlsFiles {
        certificate: Some("/nonexistent".into()),
        key: Some(path.clone()),
        ca: None,
    };
    for (mode, warnings) in [(0o600, 0), (0o640, 0), (0o644, 1), (0o602, 1)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        assert_eq!(files.warnings().len(), warnings, "{mode:o}");
    }
}
