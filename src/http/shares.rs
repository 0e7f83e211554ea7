//! How many requests to one endpoint may be in progress.
//!
//! Without its own limit, an endpoint that is slow but answers within the timeout accumulates so
//! many requests that no thread is left for any other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::inflight::{Count, Inflight, Place};

/// Counts the requests in progress, by the name of their endpoint.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    most: usize,
    /// Those of all processes, if they are limited.
    all: Option<Inflight>,
    under_way: Arc<Mutex<HashMap<String, UnderWay>>>,
}

/// The requests of this process to one endpoint.
#[derive(Debug, Default)]
struct UnderWay {
    count: usize,
    /// Where all processes see how many there are.
    shown: Option<(&'static Place, &'static Count)>,
}

impl UnderWay {
    fn set(&mut self, count: usize, all: Option<&Inflight>) {
        self.count = count;
        if let (Some((_, shown)), Some(all)) = (self.shown, all) {
            all.set(shown, count);
        }
    }
}

/// One request in progress; when it ends, another may begin.
#[derive(Debug)]
pub(super) struct Share {
    name: String,
    shares: Shares,
}

/// The limit of requests in progress to an endpoint is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoShare {
    /// That of this process.
    #[error("{0} requests to this endpoint are under way already (http_max_inflight_endpoint)")]
    Here(usize),
    /// That of all processes.
    #[error(
        "{0} requests to this endpoint are under way already in all processes together \
         (http_max_inflight_endpoint_total)"
    )]
    Everywhere(usize),
}

impl Shares {
    /// At most `most` for each endpoint, and no more than that of all processes.
    pub(super) fn new(most: usize, all: Option<Inflight>) -> Shares {
        Shares {
            most,
            all,
            under_way: Arc::default(),
        }
    }

    /// Begins a request to the endpoint of this name.
    pub(super) fn take(&self, name: &str) -> Result<Share, NoShare> {
        let mut under_way = self.lock();
        let here = under_way.entry(name.to_owned()).or_default();
        if here.count >= self.most {
            return Err(NoShare::Here(self.most));
        }
        here.set(here.count + 1, self.all.as_ref());
        if let Some(all) = &self.all {
            if here.shown.is_none() {
                let place = all.place(name);
                here.shown = place.and_then(|place| Some((place, all.count(place)?)));
                // It may be that there was no room before.
                here.set(here.count, self.all.as_ref());
            }
            let place = here.shown.map(|(place, _)| place);
            let is_own = |count: &Count| {
                let mut shown = under_way.values().filter_map(|it| it.shown);
                shown.any(|(_, own)| std::ptr::eq(own, count))
            };
            if place.is_some_and(|place| !all.is_within(place, Instant::now(), is_own)) {
                self.end(&mut under_way, name);
                return Err(NoShare::Everywhere(all.most()));
            }
        }
        drop(under_way);
        Ok(Share {
            name: name.to_owned(),
            shares: self.clone(),
        })
    }

    /// One request less.
    fn end(&self, under_way: &mut HashMap<String, UnderWay>, name: &str) {
        if let Some(here) = under_way.get_mut(name) {
            let count = here.count.saturating_sub(1);
            here.set(count, self.all.as_ref());
            if count == 0 {
                under_way.remove(name);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, UnderWay>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.shares.end(&mut self.shares.lock(), &self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::inflight::testing::places;
    use super::*;

    #[test]
    fn each_endpoint_has_its_own_room() {
        let shares = Shares::new(2, None);
        let first = shares.take("a").expect("room");
        let _second = shares.take("a").expect("room");
        assert_eq!(shares.take("a").map(drop), Err(NoShare::Here(2)));
        assert!(shares.take("b").is_ok());
        drop(first);
        assert!(shares.take("a").is_ok());
        assert_eq!(shares.lock().len(), 1);
    }

    /// Process 1 is alive, and this one, and no other.
    fn all(most: usize) -> Inflight {
        Inflight::new(places(64), most, |pid| {
            pid == 1 || pid == u64::from(std::process::id())
        })
    }

    #[test]
    fn all_processes_have_the_same_room() {
        let all = all(4);
        // As another process would, after a fork.
        let there = all.clone().of_process(|| 1);
        let (here, there) = (Shares::new(3, Some(all)), Shares::new(3, Some(there)));
        let mine: Vec<_> = (0..3).map(|_| here.take("a").expect("room")).collect();
        assert_eq!(here.take("a").map(drop), Err(NoShare::Here(3)));
        let theirs = there.take("a").expect("room");
        assert_eq!(there.take("a").map(drop), Err(NoShare::Everywhere(4)));
        assert!(there.take("b").is_ok());
        drop(mine);
        let more = [(); 2].map(|()| there.take("a").expect("room"));
        drop((theirs, more));
        for _ in 0..100 {
            let all = [(); 3].map(|()| here.take("a").expect("room"));
            drop(all);
        }
    }

    #[test]
    fn who_was_killed_keeps_no_room() {
        let all = all(4);
        let place = all.place("a").expect("a place");
        let shares = Shares::new(9, Some(all));
        place.of_another(1, 3);
        place.of_another(2, 70_000);
        // Another process of this number.
        place.of_another(std::process::id(), 70_000);
        let _mine = shares.take("a").expect("room");
        assert_eq!(shares.take("a").map(drop), Err(NoShare::Everywhere(4)));
    }

    #[test]
    fn endpoints_without_a_place_are_limited_in_each_process_alone() {
        let all = all(1);
        let shares = Shares::new(2, Some(all));
        let names: Vec<_> = (0..200).map(|number| number.to_string()).collect();
        let taken: Vec<_> = names.iter().flat_map(|name| shares.take(name)).collect();
        assert_eq!(taken.len(), 200);
        let second: Vec<_> = names.iter().flat_map(|name| shares.take(name)).collect();
        assert_eq!(second.len(), 200 - 64);
        drop(taken);
        drop(second);
        assert!(shares.lock().is_empty());
        assert!(shares.take("201").is_ok());
    }
}
