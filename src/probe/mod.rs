//! The conversation that tells whether an MCP client can use a server, now.
//!
//! In: a [`Target`] (URL, address, secret headers) and how much to ask. Out: a
//! [`Report`] with one [`Outcome`] and what the server said of itself. There is no
//! error beside it: that a server cannot be reached is an outcome too.
//!
//! ```text
//! Target -> conversation -> call -> wire -> reply -> classify -> Outcome
//!             modern, legacy          connection, sse            Report
//! ```
//!
//! - **Harmless.** Only `server/discover`, `initialize`, `tools/list`, one short GET;
//!   never a call of a tool. Every session id that any reply named is ended.
//! - **Bounded.** Time, bytes, pages, tools and redirects have [`Limits`].
//! - **Distrustful.** Text of servers is cleaned and cut ([`crate::text`]); instructions and
//!   descriptions of tools are not read. Secret headers are masked in what comes back.
//!
//! The protocol is followed as published, not through a library of it: a prober has
//! to tell apart what a client only calls failure, and to end what a client would
//! leave open.

mod api_server;
mod call;
mod challenge;
pub mod classify;
mod connection;
mod conversation;
mod legacy;
mod limits;
mod login;
mod metered;
mod modern;
mod outcome;
mod redirect;
mod report;
mod secrets;
pub mod sse;
mod target;
#[cfg(test)]
mod tests;
mod wire;
pub mod wire_types;

use std::sync::Arc;

use rustls::ClientConfig;

pub use self::{
    challenge::Challenge,
    conversation::Conversation,
    limits::Limits,
    outcome::{Outcome, Standing, Step},
    report::{Era, Report, Server, Sessions},
    target::{Service, Target, TargetError},
};
use self::{connection::Connector, conversation::Talk, wire::Wire};

/// Holds conversations; cheap to use for many servers at once, by reference.
#[derive(Default)]
pub struct Prober {
    connector: Connector,
    limits: Limits,
}

impl Prober {
    /// A prober with other limits than the usual ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// A prober that trusts what `config` trusts instead of what the system does.
    #[must_use]
    pub fn with_tls(mut self, config: Arc<ClientConfig>) -> Self {
        self.connector = Connector::with_tls(config);
        self
    }

    /// A prober that reaches Services through the API server.
    #[must_use]
    pub fn through(mut self, client: kube::Client) -> Self {
        self.connector = Connector::through(client);
        self
    }

    /// Holds a conversation with the server, and ends what it began.
    pub async fn probe(&self, target: &Target, conversation: Conversation) -> Report {
        let wire = Wire::new(target, &self.connector, self.limits);
        let mut talk = Talk::new(wire, self.limits, target.has_replicas);
        let outcome = talk.hold(conversation).await;
        let sessions_kept = talk.wire.end_sessions().await;
        tracing::debug!(url = %target, reason = outcome.reason().as_str(), "probed MCP server");
        Report {
            outcome,
            server: talk.server,
            complete: talk.is_complete,
            requests: talk.wire.requests(),
            sessions_kept,
            sent_headers: !target.headers.is_empty(),
            host: target.authority.to_string(),
        }
    }
}
