//! A database through the native driver, on threads.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::opensips::stats;
use crate::pool::{Lost, NoNotify, Notify, Pool, Ticket};
use crate::process::availability::{Admission, Availability};
use crate::process::notices;
use crate::store::mysql::MySql;
use crate::store::{Answer, Source, StoreError};

/// A question on its way.
#[derive(Debug)]
pub enum Asked<T> {
    /// The answer, or the error that the database hangs.
    Answered(Answer<T>),
    /// It is to be asked on a thread.
    Pending(Query<T>),
}

impl<T: Send + 'static> Asked<T> {
    /// Waits for the answer: for a thread that may block.
    ///
    /// # Errors
    /// Fails as [`Query::wait`] does.
    pub fn wait(self) -> Answer<T> {
        match self {
            Asked::Answered(answer) => answer,
            Asked::Pending(query) => query.wait(),
        }
    }
}

/// See the [module](self).
#[derive(Clone)]
pub struct Native {
    driver: Arc<MySql>,
    /// `db_timeout`.
    timeout: Duration,
    availability: Arc<Availability<StoreError>>,
}

impl Native {
    /// Does not connect yet.
    pub fn new(driver: &MySql, timeout: Duration) -> Self {
        Native {
            driver: Arc::new(driver.counting(stats::DB_CONNECTIONS)),
            timeout,
            availability: Arc::default(),
        }
    }

    /// Prepares a query for one of these threads or, while the database hangs, answers with that
    /// error.
    pub fn ask<T: Send + 'static>(
        &self,
        threads: &Arc<Pool>,
        work: impl FnOnce(&mut dyn Source) -> Answer<T> + Send + 'static,
    ) -> Asked<T> {
        let query = Query {
            database: self.clone(),
            threads: Arc::clone(threads),
            work: Box::new(work),
        };
        match self.availability.admit(Instant::now(), self.timeout) {
            Admission::Ask => Asked::Pending(query),
            Admission::Probe(error) => {
                drop(query.start(NoNotify));
                Asked::Answered(Err(error))
            }
            Admission::Refuse(error) => Asked::Answered(Err(error)),
        }
    }

    /// Runs a query in the calling thread, which waits, even for a database that hangs.
    ///
    /// # Errors
    /// Fails with the error of the driver or of the work.
    pub fn read<T>(&self, work: impl FnOnce(&mut dyn Source) -> Answer<T>) -> Answer<T> {
        work(&mut self.driver.source(Instant::now() + self.timeout))
    }

    /// Closes what is open.
    pub fn disconnect(&self) {
        self.driver.disconnect();
    }
}

/// The work of a query on a thread.
type Work<T> = Box<dyn FnOnce(&mut dyn Source) -> Answer<T> + Send>;

/// A question that is to be asked on a thread.
pub struct Query<T> {
    database: Native,
    threads: Arc<Pool>,
    work: Work<T>,
}

impl<T> std::fmt::Debug for Query<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Query").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Query<T> {
    /// Starts the query. `notify` is notified when the ticket is complete, within `db_timeout`.
    ///
    /// # Errors
    /// Fails if nothing was started.
    pub fn start<N: Notify + 'static>(self, notify: N) -> Answer<Ticket<Answer<T>>> {
        let Native {
            driver,
            timeout,
            availability,
        } = self.database;
        let deadline = Instant::now() + timeout;
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let lost_to = Arc::clone(&availability);
        let lost = move |lost| match lost {
            Lost::TimedOut => {
                let error = StoreError::TimedOut(milliseconds);
                lost_to.note(Some(&error), deadline, Instant::now());
                notices::note_database(deadline, Some(&error));
                Err(error)
            }
            Lost::Panicked => Err(StoreError::Unreachable(
                "internal error in its driver".into(),
            )),
        };
        let job = move || {
            let answer = (self.work)(&mut driver.source(deadline));
            let error = answer.as_ref().err();
            availability.note(error, deadline, Instant::now());
            answer
        };
        self.threads
            .submit(deadline, lost, job, notify)
            .map_err(|full| StoreError::Busy(full.to_string()))
    }

    /// Runs the query, and waits for the answer: for a thread that may block.
    ///
    /// # Errors
    /// Fails with the database's error, or if it did not answer in time.
    pub fn wait(self) -> Answer<T> {
        self.start(NoNotify)?.wait()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::pool::PoolConfig;
    use crate::store::Select;
    use crate::store::url::DbUrl;

    /// The database at that port, with a short `db_timeout`.
    fn database(port: u16) -> Native {
        let timeout = Duration::from_millis(50);
        let url = DbUrl::parse(&format!("mysql://u:p@127.0.0.1:{port}/d")).unwrap();
        Native::new(&MySql::new(&url, timeout).unwrap(), timeout)
    }

    #[test]
    fn whoever_asks_fails_at_once_while_it_hangs() {
        // The system accepts connections, and nobody answers.
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let database = database(server.local_addr().unwrap().port());
        let threads = Arc::new(Pool::new("test", PoolConfig::default()));
        let select = Select {
            table: "t",
            columns: &["c"],
            key: None,
            and: None,
            limit: 1,
        };
        let number = move |source: &mut dyn Source| source.select(&select).map(|rows| rows.len());
        let Asked::Pending(query) = database.ask(&threads, number) else {
            panic!("it is not known yet that it hangs");
        };
        let hangs = StoreError::TimedOut(50);
        assert_eq!(query.wait(), Err(hangs.clone()));
        // Another kind of question.
        let ask = || database.ask(&threads, move |source| source.select(&select));
        let Asked::Answered(answer) = ask() else {
            panic!("it would be waited for");
        };
        assert_eq!(answer, Err(hangs));
        // Refused connections are an answer, which a probe finds in the background.
        drop(server);
        let answer = loop {
            match ask() {
                Asked::Answered(_) => thread::sleep(Duration::from_millis(5)),
                Asked::Pending(query) => break query.wait(),
            }
        };
        assert!(matches!(answer, Err(StoreError::Unreachable(_))));
    }
}
