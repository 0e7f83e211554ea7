//! A provider of keys that replaces them, and fails.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use harness::keys::Key;
use harness::tokens::{b64, now, with_header};
use harness::web::{Web, answer};

/// For how long one that hangs does so before it gives up.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often it looks whether it still has to.
const POLL: Duration = Duration::from_millis(50);

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With its set.
    Answers,
    /// Not before it behaves otherwise.
    Hangs,
    /// With an error.
    Refuses,
}

/// For how long its tokens are good, in seconds: longer than any run.
const LIFE: i64 = 30 * 86_400;

/// How many keys it has, of which one counts at a time: each comes back after the others. So there is a bounded
/// number of tokens, and whoever remembers them does not grow.
const KEYS: usize = 3;

struct State {
    manner: Manner,
    keys: [Key; KEYS],
    /// The one that counts, and whether it is not the first.
    at: usize,
    has_rotated: bool,
}

/// A web server with a JWK Set.
pub struct Provider {
    state: Arc<Mutex<State>>,
    web: Web,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Provider {
    /// One with a new key.
    ///
    /// # Errors
    /// Fails if there is no port.
    pub fn start() -> Result<Provider, String> {
        let state = Arc::new(Mutex::new(State {
            manner: Manner::Answers,
            keys: std::array::from_fn(|_| Key::ed25519()),
            at: 0,
            has_rotated: false,
        }));
        let of = Arc::clone(&state);
        let web = Web::start(None, move |_| {
            let mut left = PATIENCE;
            while lock(&of).manner == Manner::Hangs && !left.is_zero() {
                sleep(POLL);
                left = left.saturating_sub(POLL);
            }
            let state = lock(&of);
            match state.manner {
                Manner::Answers => answer(200, "Cache-Control: max-age=60\r\n", &set(&state)),
                _ => answer(503, "", ""),
            }
        })?;
        Ok(Provider { state, web })
    }

    /// The URL of its set.
    pub fn url(&self) -> String {
        self.web.url("/certs")
    }

    /// How it answers from now on.
    pub fn behave(&self, manner: Manner) {
        lock(&self.state).manner = manner;
    }

    /// Replaces its key.
    pub fn rotate(&self) {
        let mut state = lock(&self.state);
        state.at = (state.at + 1) % KEYS;
        state.has_rotated = true;
    }

    /// The key that counts, and the one before, if there was one.
    pub fn keys(&self) -> (usize, Option<usize>) {
        let state = lock(&self.state);
        let before = (state.at + KEYS - 1) % KEYS;
        (state.at, state.has_rotated.then_some(before))
    }

    /// All of them.
    pub fn all() -> std::ops::Range<usize> {
        0..KEYS
    }

    /// A token by this key with these claims, `"name":value,`; one that has expired, or a good one.
    pub fn token(&self, key: usize, claims: &str, expired: bool) -> String {
        let state = lock(&self.state);
        let header = format!("{{\"alg\":\"EdDSA\",\"typ\":\"JWT\",\"kid\":\"{key}\"}}");
        let end = now() + if expired { -60 } else { LIFE };
        let payload = format!("{{{claims}\"exp\":{end}}}");
        with_header(&state.keys[key], "EdDSA", &header, &payload)
    }
}

/// The key itself ends its SubjectPublicKeyInfo (RFC 8410 section 4).
fn set(state: &State) -> String {
    let der = state.keys[state.at].public_der();
    let x = b64(der.get(der.len().saturating_sub(32)..).unwrap_or_default());
    format!(
        "{{\"keys\":[{{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"{}\",\"x\":\"{x}\"}}]}}",
        state.at
    )
}
