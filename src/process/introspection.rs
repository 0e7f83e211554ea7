//! The HTTP client and the threads with which issuers are asked for tokens: their own, so that a provider that
//! hangs leaves the webhooks to others.

use super::{Process, notices, with_threads};
use crate::http::{Changes, Client, ClientConfig, FormOutcome, FormQuestion, Meters, Webhooks};
use crate::pool::{Notify, Ticket};

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
        let config = ClientConfig {
            meters: Meters {
                changes: Changes(notices::endpoint_changed),
                ..Meters::default()
            },
            ..self.module.config.http.providers.clone()
        };
        let client = Client::new(config, self.module.circuits.clone());
        let client = client.map_err(|error| error.to_string())?;
        Ok(with_threads("auth_web-ask", self.module, client))
    }
}
