//! The HTTP client and the threads with which issuers are asked for tokens: their own, so that a provider that
//! hangs leaves the webhooks to others.

use std::sync::Arc;

use super::Process;
use crate::http::{Client, FormOutcome, FormQuestion, Webhooks};
use crate::opensips::reactor;
use crate::pool::{Notify, OnQuiet, Pool, PoolConfig, Ticket};

impl Process {
    /// Starts to ask an issuer.
    ///
    /// # Errors
    /// Fails with a line for the log if nothing was sent.
    pub fn ask_issuer<N: Notify + 'static>(
        &mut self,
        question: FormQuestion,
        notify: N,
    ) -> Result<Ticket<FormOutcome>, String> {
        if self.issuers_client.is_none() {
            self.issuers_client = Some(self.new_issuers_client()?);
        }
        match &self.issuers_client {
            Some(client) => client.post(question, notify),
            None => Err("there is no HTTP client".to_owned()),
        }
    }

    fn new_issuers_client(&self) -> Result<Webhooks, String> {
        let http = &self.module.config.http;
        let client = Client::new(http.providers.clone(), self.module.circuits.clone());
        let client = Arc::new(client.map_err(|error| error.to_string())?);
        let quiet = client.clone();
        let config = PoolConfig {
            max_threads: http.max_inflight,
            thread_init: reactor::block_signals,
            on_quiet: Some(OnQuiet(Arc::new(move || quiet.forget_connections()))),
            ..PoolConfig::default()
        };
        let pool = Arc::new(Pool::new("auth_web-ask", config));
        // Otherwise the pool's own limit applies first, and says so.
        let most = match http.max_inflight_endpoint {
            most if most < http.max_inflight => most,
            _ => usize::MAX,
        };
        let asks = Webhooks::new(client, pool);
        Ok(asks.with_most_to_one(most, self.module.inflight.clone()))
    }
}
