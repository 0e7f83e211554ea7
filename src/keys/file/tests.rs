use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::jwt::algorithm::{Algorithm, AlgorithmSet};
use crate::jwt::key::KeyError;
use crate::jwt::signatures::Signatures;
use crate::jwt::testing::{SECRET, fixture, good, parse as token};
use crate::jwt::verify::verify_with_set;
use crate::keys::{Fetch, FetchError, Fetched, KeySources, SourceConfig};

struct Nobody;

impl Fetch for Nobody {
    fn get(&self, _: &str, _: Instant) -> Result<Fetched, FetchError> {
        panic!("a file is no reason to ask anybody")
    }
}

/// A file, and a clock that advances by one check interval on each check.
struct Scene {
    folder: TempDir,
    sources: KeySources,
    now: Instant,
}

impl Scene {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            sources: KeySources::new(SourceConfig::default(), Arc::new(Nobody)),
            now: Instant::now(),
        }
    }

    fn with(content: impl AsRef<[u8]>) -> Self {
        let scene = Self::new();
        scene.write(content);
        scene
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// Puts a new file in place, properly.
    fn write(&self, content: impl AsRef<[u8]>) {
        let new = self.folder.path().join("new");
        fs::write(&new, content).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn at_once(&self) -> Result<Arc<KeySet>, SourceError> {
        self.sources.file(&self.path(), self.now)
    }

    fn after(&mut self, time: Duration) -> Result<Arc<KeySet>, SourceError> {
        self.now += time;
        self.at_once()
    }

    fn look(&mut self) -> Result<Arc<KeySet>, SourceError> {
        self.after(LOOK_INTERVAL)
    }
}

fn verifies(keys: &KeySet, algorithm: Algorithm) -> bool {
    verify_with_set(
        &token(&good(algorithm, "{}")),
        keys,
        AlgorithmSet::ALL,
        &Signatures::none(),
    )
    .is_ok()
}

#[test]
fn a_file_holds_whatever_a_secret_may_be() {
    let certificate = fixture!("ec-p256.certificate.pem");
    for (content, algorithm) in [
        (&fixture!("rsa-2048.public.pem")[..], Algorithm::RS256),
        (certificate, Algorithm::ES256),
        (
            include_bytes!("../../../tests/jwks/keycloak.json"),
            Algorithm::RS256,
        ),
        (SECRET, Algorithm::HS256),
    ] {
        let keys = Scene::with(content).at_once().expect("keys");
        assert!(verifies(&keys, algorithm));
    }
}

#[test]
fn white_space_at_the_end_of_a_secret_in_text_is_not_part_of_it() {
    for end in ["", "\n", "\r\n", "  \t\n\n"] {
        let keys = Scene::with([SECRET, end.as_bytes()].concat())
            .at_once()
            .expect("keys");
        assert!(verifies(&keys, Algorithm::HS256), "{end:?}");
    }
    let other = Scene::with([b" ", SECRET].concat()).at_once();
    assert!(!verifies(&other.expect("keys"), Algorithm::HS256));
}

#[test]
fn a_binary_secret_is_taken_byte_by_byte() {
    for secret in [
        &b"\x80 thirty-two bytes or more of a secret \n"[..],
        b"\x01 thirty-two bytes or more of a secret \n",
        b"{\x90 thirty-two bytes or more of a secret",
    ] {
        let keys = Scene::with(secret).at_once().expect("keys");
        let key = jsonwebtoken::EncodingKey::from_secret(secret);
        let header = r#"{"alg":"HS256"}"#;
        let signed = crate::jwt::testing::signed(header, "{}", Algorithm::HS256, &key);
        assert!(
            verify_with_set(
                &token(&signed),
                &keys,
                AlgorithmSet::ALL,
                &Signatures::none()
            )
            .is_ok()
        );
    }
}

/// What a program that fetches a key may have written instead.
#[test]
fn the_answer_of_a_server_is_not_a_secret() {
    for content in [
        "<!DOCTYPE html>\n<html><body>404</body></html>",
        "  <html>",
        "<?xml version=\"1.0\"?>",
        r#"{"error":"not found"}"#,
        r#"["an array that is long enough for a secret"]"#,
        "{}",
    ] {
        let error = Scene::with(content).at_once().unwrap_err();
        assert_eq!(error.cause, SourceCause::NotASecret, "{content}");
    }
    let map =
        serde_json::json!({ "a": str::from_utf8(fixture!("rsa-2048.certificate.pem")).unwrap() });
    let keys = Scene::with(map.to_string()).at_once().expect("keys");
    assert!(verifies(&keys, Algorithm::RS256) && !verifies(&keys, Algorithm::HS256));
    let jwk = serde_json::json!({ "kty": "oct", "k": crate::jwt::testing::base64url(SECRET) });
    let keys = Scene::with(jwk.to_string()).at_once().expect("keys");
    assert!(verifies(&keys, Algorithm::HS256));
}

#[test]
fn a_file_is_looked_at_once_a_second_and_read_when_it_changed() {
    let mut scene = Scene::with(fixture!("rsa-2048.public.pem"));
    let first = scene.at_once().expect("keys");
    let generation = scene.sources.generation();
    let same = scene.look().expect("keys");
    assert!(Arc::ptr_eq(&first, &same));
    // Touched, but unchanged.
    scene.write(fixture!("rsa-2048.public.pem"));
    let same = scene.look().expect("keys");
    assert!(Arc::ptr_eq(&first, &same));
    assert_eq!(scene.sources.generation(), generation);
    scene.write(fixture!("ec-p256.public.pem"));
    let not_yet = scene
        .after(LOOK_INTERVAL - Duration::from_millis(1))
        .expect("keys");
    assert!(Arc::ptr_eq(&first, &not_yet));
    let changed = scene.after(Duration::from_millis(1)).expect("keys");
    assert!(verifies(&changed, Algorithm::ES256) && !verifies(&changed, Algorithm::RS256));
    assert!(scene.sources.generation() > generation);
}

#[test]
fn a_reload_looks_at_once() {
    let scene = Scene::with(fixture!("rsa-2048.public.pem"));
    scene.at_once().expect("keys");
    scene.write(fixture!("ec-p256.public.pem"));
    assert!(verifies(&scene.at_once().expect("keys"), Algorithm::RS256));
    scene.sources.reload(1);
    assert!(verifies(&scene.at_once().expect("keys"), Algorithm::ES256));
}

#[test]
fn a_link_is_followed_to_where_it_leads_now() {
    let mut scene = Scene::new();
    let folder = scene.folder.path().to_owned();
    fs::write(folder.join("old"), fixture!("rsa-2048.public.pem")).unwrap();
    fs::write(folder.join("new"), fixture!("ec-p256.public.pem")).unwrap();
    symlink("old", scene.path()).unwrap();
    assert!(verifies(&scene.at_once().expect("keys"), Algorithm::RS256));
    fs::remove_file(scene.path()).unwrap();
    symlink("new", scene.path()).unwrap();
    assert!(verifies(&scene.look().expect("keys"), Algorithm::ES256));
}

#[test]
fn a_file_that_was_removed_has_no_keys_until_it_is_back() {
    let mut scene = Scene::with(fixture!("rsa-2048.public.pem"));
    scene.at_once().expect("keys");
    let generation = scene.sources.generation();
    fs::remove_file(scene.path()).unwrap();
    let error = scene.look().expect_err("it was removed");
    assert!(matches!(error.cause, SourceCause::Read(_)), "{error}");
    assert!(error.last_good.is_none());
    let path = scene.path().display().to_string();
    assert!(
        !error.to_string().contains(&path),
        "it may be a secret that looks like one: {error}"
    );
    assert!(scene.sources.generation() > generation);
    scene.write(fixture!("rsa-2048.public.pem"));
    assert!(scene.at_once().is_err(), "it was looked at a moment ago");
    assert!(verifies(&scene.look().expect("keys"), Algorithm::RS256));
}

#[test]
fn a_file_that_can_not_be_read_any_more_has_no_keys() {
    let mut scene = Scene::with(fixture!("rsa-2048.public.pem"));
    scene.at_once().expect("keys");
    fs::set_permissions(scene.path(), fs::Permissions::from_mode(0o000)).unwrap();
    // Root can read it all the same.
    if fs::File::open(scene.path()).is_err() {
        let error = scene.look().expect_err("it may not be read");
        assert!(matches!(error.cause, SourceCause::Read(_)), "{error}");
    }
    fs::remove_file(scene.path()).unwrap();
    fs::create_dir(scene.path()).unwrap();
    assert_eq!(
        scene.look().expect_err("a folder").cause,
        SourceCause::NotAFile
    );
}

#[test]
fn nobody_waits_for_a_pipe() {
    let scene = Scene::new();
    let made = std::process::Command::new("mkfifo")
        .arg(scene.path())
        .status()
        .expect("mkfifo");
    assert!(made.success());
    let error = scene.at_once().expect_err("a pipe");
    assert_eq!(error.cause, SourceCause::NotAFile);
    let device = scene.sources.file(Path::new("/dev/zero"), scene.now);
    assert_eq!(device.expect_err("a device").cause, SourceCause::NotAFile);
}

#[test]
fn the_longest_file_is_read_and_one_byte_more_is_not() {
    let pem = fixture!("rsa-2048.public.pem");
    let padded = |size: usize| [pem.to_vec(), vec![b'\n'; size - pem.len()]].concat();
    let mut scene = Scene::with(padded(MAX_FILE));
    assert!(verifies(&scene.at_once().expect("keys"), Algorithm::RS256));
    scene.write(padded(MAX_FILE + 1));
    assert_eq!(
        scene.look().expect_err("too long").cause,
        SourceCause::TooLarge
    );
}

#[test]
fn a_file_that_is_half_written_leaves_the_last_keys_for_a_while() {
    let whole = fixture!("ec-p256.public.pem");
    for half in [
        &whole[..whole.len() / 2],
        &whole[..30],
        &whole[..5],
        b"",
        b"{",
        br#"{"use":"sig","#,
        br#"{"keys":[{"kty":"#,
        b"MII",
    ] {
        let mut scene = Scene::with(fixture!("rsa-2048.public.pem"));
        scene.at_once().expect("keys");
        fs::write(scene.path(), half).unwrap();
        for _ in 0..GRACE.as_secs() {
            let keys = scene.look().expect("the last keys");
            assert!(verifies(&keys, Algorithm::RS256));
        }
        fs::write(scene.path(), whole).unwrap();
        let keys = scene.look().expect("the new keys");
        assert!(verifies(&keys, Algorithm::ES256));
    }
}

#[test]
fn a_file_that_stays_unreadable_has_no_keys_in_the_end() {
    let mut scene = Scene::with(fixture!("rsa-2048.public.pem"));
    scene.at_once().expect("keys");
    scene.write("-----BEGIN PUBLIC KEY-----\nhunter2");
    scene.look().expect("the last keys");
    // Writing something else that can't be read does not extend it.
    scene.write("-----BEGIN PUBLIC KEY-----\nhunter3\n");
    scene
        .after(GRACE - LOOK_INTERVAL)
        .expect("the last keys, still");
    let error = scene.look().expect_err("it is over");
    assert!(matches!(error.cause, SourceCause::Key(KeyError::Pem(_))));
    assert!(!error.to_string().contains("hunter"), "{error}");
    assert!(scene.after(GRACE).is_err(), "and remains so");
    scene.write(fixture!("ec-p256.public.pem"));
    assert!(verifies(&scene.look().expect("keys"), Algorithm::ES256));
}

#[test]
fn a_secret_in_place_of_public_keys_counts_when_it_stays() {
    let mut scene = Scene::with(fixture!("rsa-2048.public.pem"));
    scene.at_once().expect("keys");
    scene.write(SECRET);
    let keys = scene.look().expect("the last keys");
    assert!(verifies(&keys, Algorithm::RS256) && !verifies(&keys, Algorithm::HS256));
    let keys = scene.after(GRACE).expect("the secret");
    assert!(verifies(&keys, Algorithm::HS256));
    // Not so if a secret follows a secret, or public keys follow.
    scene.write("another secret of the same key file, long enough");
    assert!(!verifies(&scene.look().expect("keys"), Algorithm::HS256));
    scene.write(fixture!("rsa-2048.public.pem"));
    assert!(verifies(&scene.look().expect("keys"), Algorithm::RS256));
}

#[test]
fn the_beginning_of_a_key_is_no_secret_even_where_nothing_was_before() {
    for half in ["-", "-----BEG", "{", r#"{"ke"#, " {\"use\":\"sig\",\n"] {
        let error = Scene::with(half).at_once().expect_err(half);
        assert_eq!(error.cause, SourceCause::Incomplete, "{half}");
    }
    assert_eq!(
        Scene::with("\n").at_once().expect_err("nothing").cause,
        SourceCause::Key(KeyError::Empty)
    );
    let name = Scene::with("file:///etc/other").at_once();
    assert_eq!(
        name.expect_err("no chain of names").cause,
        SourceCause::Key(KeyError::Url)
    );
}

#[test]
fn the_least_used_file_is_forgotten() {
    let scene = Scene::new();
    let config = SourceConfig {
        max_sources: 0,
        places: 0,
        ..SourceConfig::default()
    };
    let sources = KeySources::new(config, Arc::new(Nobody));
    let other = scene.folder.path().join("other");
    fs::write(&other, SECRET).unwrap();
    scene.write(SECRET);
    for path in [scene.path(), other, scene.path()] {
        sources.file(&path, scene.now).expect("keys");
    }
    assert_eq!(sources.remembered_files(), 1);
}
