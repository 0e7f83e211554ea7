//! What issuers said of tokens, kept in the memory of one process for a while.
//!
//! A token is never kept, only its HMAC-SHA-256 under a key that is drawn when the process starts. What says
//! that a token is not active is kept apart, so that tokens which somebody makes up push out no good ones.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use aws_lc_rs::rand;
use lru::LruCache;

use super::answer::Told;

/// How much is kept, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Most tokens that are active, and most that are not; 0 keeps none.
    pub size: usize,
    /// How long it is kept that a token is active; zero keeps none (`introspection_ttl`).
    pub ttl: Duration,
    /// How long it is kept that a token is not; zero keeps none (`introspection_inactive_ttl`).
    pub inactive_ttl: Duration,
}

/// Of which token whom is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Question([u8; 32]);

#[derive(Debug)]
struct Entry<T> {
    value: T,
    told: Instant,
    generation: u64,
}

/// See the [module](self).
pub struct Memory {
    config: MemoryConfig,
    /// `None` if there are no random bytes: then nothing is kept.
    key: Option<hmac::Key>,
    active: LruCache<Question, Entry<Arc<Told>>>,
    inactive: LruCache<Question, Entry<()>>,
}

/// A cache that grows as it fills.
fn lru<T>(most: usize) -> LruCache<Question, T> {
    let mut entries = LruCache::unbounded();
    entries.resize(NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MIN));
    entries
}

impl Memory {
    /// An empty one.
    pub fn new(config: MemoryConfig) -> Self {
        let mut key = [0; 32];
        let key = rand::fill(&mut key).ok().map(|()| key);
        Memory {
            key: key
                .filter(|_| config.size > 0)
                .map(|key| hmac::Key::new(hmac::HMAC_SHA256, &key)),
            active: lru(config.size),
            inactive: lru(config.size),
            config,
        }
    }

    /// The question for this token to whoever has this number; `None` if nothing is kept.
    pub fn question(&self, asked: u64, token: &str) -> Option<Question> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        context.update(&asked.to_le_bytes());
        context.update(token.as_bytes());
        Some(Question(*context.sign().as_ref().first_chunk()?))
    }

    /// What is known: `Err` of a token that is not active. What was told before a `jwt_reload`, in another
    /// generation, does not count.
    pub fn get(
        &mut self,
        question: Question,
        now: Instant,
        generation: u64,
    ) -> Option<Result<Arc<Told>, ()>> {
        let counts = |told: Instant, of: u64, ttl| {
            of == generation && now.saturating_duration_since(told) < ttl
        };
        if let Some(entry) = self.active.get(&question) {
            if counts(entry.told, entry.generation, self.config.ttl) {
                return Some(Ok(entry.value.clone()));
            }
            self.active.pop(&question);
        }
        if let Some(entry) = self.inactive.get(&question) {
            if counts(entry.told, entry.generation, self.config.inactive_ttl) {
                return Some(Err(()));
            }
            self.inactive.pop(&question);
        }
        None
    }

    /// Keeps what was told, `Err` of a token that is not active. `told` is when it was asked for, and
    /// `generation` the one at that time.
    pub fn put(
        &mut self,
        question: Question,
        answer: Result<Arc<Told>, ()>,
        told: Instant,
        generation: u64,
    ) {
        // Of two answers, what was asked for later counts, whichever comes last; of two at a time, that it is not
        // active.
        let is_newer = |known: Option<Instant>| known.is_some_and(|known| known > told);
        let inactive = self.inactive.peek(&question).map(|entry| entry.told);
        let active = self.active.peek(&question).map(|entry| entry.told);
        if is_newer(inactive) || is_newer(active) || answer.is_ok() && inactive == Some(told) {
            return;
        }
        match answer {
            Ok(value) if !self.config.ttl.is_zero() => {
                self.inactive.pop(&question);
                let entry = Entry {
                    value,
                    told,
                    generation,
                };
                self.active.put(question, entry);
            }
            Err(()) if !self.config.inactive_ttl.is_zero() => {
                self.active.pop(&question);
                let entry = Entry {
                    value: (),
                    told,
                    generation,
                };
                self.inactive.put(question, entry);
            }
            _ => {
                self.active.pop(&question);
                self.inactive.pop(&question);
            }
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Memory")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::json;

    fn told() -> Arc<Told> {
        let answer = json::parse_object(br#"{"active":true}"#).unwrap();
        Arc::new(Told::new(answer).unwrap())
    }

    fn memory(ttl: u64, inactive_ttl: u64, size: usize) -> Memory {
        Memory::new(MemoryConfig {
            size,
            ttl: Duration::from_secs(ttl),
            inactive_ttl: Duration::from_secs(inactive_ttl),
        })
    }

    #[test]
    fn each_answer_is_kept_for_its_own_time() {
        let (start, mut memory) = (Instant::now(), memory(10, 2, 8));
        let at = |seconds| start + Duration::from_secs(seconds);
        let [good, bad] = ["good", "bad"].map(|text| memory.question(1, text).unwrap());
        memory.put(good, Ok(told()), start, 0);
        memory.put(bad, Err(()), start, 0);
        assert!(matches!(memory.get(good, at(9), 0), Some(Ok(_))));
        assert!(matches!(memory.get(bad, at(1), 0), Some(Err(()))));
        assert!(memory.get(bad, at(2), 0).is_none());
        assert!(memory.get(good, at(9), 1).is_none(), "after jwt_reload");
        memory.put(good, Ok(told()), start, 1);
        assert!(memory.get(good, at(10), 1).is_none());
        memory.put(good, Ok(told()), start, 1);
        memory.put(good, Err(()), start, 1);
        assert!(matches!(memory.get(good, at(1), 1), Some(Err(()))));
    }

    #[test]
    fn a_late_answer_takes_the_place_of_no_newer_one() {
        let (start, mut memory) = (Instant::now(), memory(10, 10, 8));
        let at = |seconds| start + Duration::from_secs(seconds);
        let question = memory.question(1, "x").unwrap();
        memory.put(question, Err(()), at(2), 0);
        memory.put(question, Ok(told()), at(1), 0);
        assert!(matches!(memory.get(question, at(3), 0), Some(Err(()))));
        memory.put(question, Ok(told()), at(2), 0);
        assert!(matches!(memory.get(question, at(3), 0), Some(Err(()))));
        memory.put(question, Ok(told()), at(3), 0);
        assert!(matches!(memory.get(question, at(3), 0), Some(Ok(_))));
    }

    #[test]
    fn nobody_answers_for_another() {
        let mut memory = memory(10, 10, 8);
        let [one, other] = [1, 2].map(|asked| memory.question(asked, "x").unwrap());
        memory.put(one, Ok(told()), Instant::now(), 0);
        assert!(memory.get(other, Instant::now(), 0).is_none());
    }

    #[test]
    fn zero_keeps_nothing_and_room_is_bounded() {
        let now = Instant::now();
        assert!(memory(10, 10, 0).question(1, "x").is_none());
        let mut none = memory(0, 0, 8);
        let question = none.question(1, "x").unwrap();
        none.put(question, Ok(told()), now, 0);
        assert!(none.get(question, now, 0).is_none());
        none.put(question, Err(()), now, 0);
        assert!(none.get(question, now, 0).is_none());
        let mut few = memory(10, 10, 2);
        let good = few.question(1, "good").unwrap();
        few.put(good, Ok(told()), now, 0);
        for number in 0..9 {
            let made_up = few.question(1, &number.to_string()).unwrap();
            few.put(made_up, Err(()), now, 0);
        }
        assert!(few.get(good, now, 0).is_some());
        assert_eq!((few.active.len(), few.inactive.len()), (1, 2));
    }
}
