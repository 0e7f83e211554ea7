//! How many requests to one endpoint may be in progress.
//!
//! Without its own limit, an endpoint that is slow but answers within the timeout accumulates so
//! many requests that no thread is left for any other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts the requests in progress, by the name of their endpoint.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    most: usize,
    under_way: Arc<Mutex<HashMap<String, usize>>>,
}

/// One request in progress; when it ends, another may begin.
#[derive(Debug)]
pub(super) struct Share {
    name: String,
    shares: Shares,
}

/// The limit of requests in progress to an endpoint is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} requests to this endpoint are under way already (http_max_inflight_endpoint)")]
pub(super) struct NoShare(usize);

impl Shares {
    /// At most `most` for each endpoint.
    pub(super) fn new(most: usize) -> Shares {
        Shares {
            most,
            under_way: Arc::default(),
        }
    }

    /// Begins a request to the endpoint of this name.
    pub(super) fn take(&self, name: &str) -> Result<Share, NoShare> {
        let mut under_way = self.lock();
        let count = under_way.entry(name.to_owned()).or_default();
        if *count >= self.most {
            return Err(NoShare(self.most));
        }
        *count += 1;
        Ok(Share {
            name: name.to_owned(),
            shares: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut under_way = self.shares.lock();
        if let Some(count) = under_way.get_mut(&self.name) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                under_way.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_has_its_own_room() {
        let shares = Shares::new(2);
        let first = shares.take("a").expect("room");
        let _second = shares.take("a").expect("room");
        assert_eq!(shares.take("a").map(drop), Err(NoShare(2)));
        assert!(shares.take("b").is_ok());
        drop(first);
        assert!(shares.take("a").is_ok());
        assert_eq!(shares.lock().len(), 1);
    }
}
