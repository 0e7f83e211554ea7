//! Asking an endpoint with a form, without blocking.

use std::time::Instant;

use super::{HEAD_START, Webhooks};
use crate::http::form::{FormOutcome, FormQuestion};
use crate::pool::{Lost, Notify, Ticket};

impl Webhooks {
    /// Starts a query. Never blocks: the ticket is completed once, after
    /// [`timeout`](FormQuestion::timeout) at the latest, and then `notify` is called once.
    ///
    /// # Errors
    /// Fails if the endpoint is being left alone, or if too many requests are in progress; nothing is
    /// sent then, and `notify` is not called.
    pub fn post<N: Notify + 'static>(
        &self,
        question: FormQuestion,
        notify: N,
    ) -> Result<Ticket<FormOutcome>, String> {
        let FormQuestion {
            url,
            form,
            most,
            timeout,
        } = question;
        let started = Instant::now();
        let name = url.to_string();
        let fails = move |cause: &dyn std::fmt::Display| format!("endpoint {name}: {cause}");
        if let Some(error) = self.client.leaves_alone(&url, started) {
            return Err(fails(&error));
        }
        let deadline = started + timeout;
        let until = deadline
            .checked_sub(HEAD_START.min(timeout / 10))
            .unwrap_or(deadline);
        let share = self.shares.take(&url.to_string()).map_err(|e| fails(&e))?;
        let client = self.client.clone();
        let (lost_fails, job_fails) = (fails.clone(), fails.clone());
        let lost = move |lost| {
            let cause = match lost {
                Lost::TimedOut => "timed out altogether",
                Lost::Panicked => "not asked: an internal error",
            };
            Err(lost_fails(&cause))
        };
        let job = move || {
            // Released when the thread is free again, which may be after the timeout.
            let _share = share;
            let form = form().map_err(|error| job_fails(&format_args!("not asked: {error}")))?;
            let answer = client.post_form(&url, &form, most, until);
            answer.map_err(|error| job_fails(&error))
        };
        self.pool
            .submit(deadline, lost, job, notify)
            .map_err(|full| fails(&format_args!("not asked: {full}")))
    }
}
