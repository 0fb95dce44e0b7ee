//! The catalog: which servers there are, for programs and for people. Pure: an [`Entry`] says of a server what
//! its status says, and a list of them becomes the MCP registry's API form ([`registry`]), a page (`page`) and
//! the answer to an HTTP request ([`answer`]).
//!
//! It shows nothing that the status does not, but for the names of the headers that clients have to send. Text
//! from servers is one short line and is escaped; the page has no script and links to nothing that a server
//! chose.

mod answer;
mod html;
mod page;
mod query;
mod registry;

pub use answer::answer;
pub use registry::whole as registry;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};

use crate::api::{MCPServer, ServerStatus};
use crate::connect::Connection;
use crate::status;
use crate::text;

/// What the catalog says of a server: a hundredth of the whole resource.
#[derive(Resource, Clone, Debug)]
#[resource(inherit = MCPServer)]
pub struct Entry {
    metadata: ObjectMeta,
    state: State,
    /// Why it is not ready, in one word.
    reason: String,
    /// Since when it is so.
    since: Option<Timestamp>,
    generation: i64,
    /// How to connect, if it has a URL.
    connection: Option<Connection>,
    /// Whether the URL is one within the cluster.
    is_inside: bool,
    /// What it said of itself.
    said: ServerStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    NotReady,
    Unknown,
}

impl From<&DeserializeGuard<MCPServer>> for Entry {
    fn from(server: &DeserializeGuard<MCPServer>) -> Self {
        match &server.0 {
            Ok(server) => server.into(),
            Err(error) => Self::unknown(&error.metadata),
        }
    }
}

impl From<&MCPServer> for Entry {
    fn from(server: &MCPServer) -> Self {
        let mut entry = Self::unknown(&server.metadata);
        let Some(status) = &server.status else { return entry };
        if let Some(ready) = status::ready(Some(status)) {
            entry.state = match ready.status.as_str() {
                "True" => State::Ready,
                "False" => State::NotReady,
                _ => State::Unknown,
            };
            entry.reason = text::clean(&ready.reason, text::NAME);
            entry.since = Some(ready.last_transition_time.0);
        }
        entry.generation = status.observed_generation.unwrap_or_default();
        // Nobody but the operator should have written it; were it otherwise, a link must still be one.
        let is_web = |it: &Connection| it.url.starts_with("http://") || it.url.starts_with("https://");
        entry.connection = Connection::of(server, None).ok().filter(is_web);
        entry.is_inside = status.cluster_url == status.url;
        entry.said = status.server.clone().unwrap_or_default();
        entry
    }
}

impl Entry {
    /// A server of which nothing is known but that it exists.
    fn unknown(metadata: &ObjectMeta) -> Self {
        let metadata = ObjectMeta {
            name: metadata.name.clone(),
            namespace: metadata.namespace.clone(),
            resource_version: metadata.resource_version.clone(),
            creation_timestamp: metadata.creation_timestamp.clone(),
            ..ObjectMeta::default()
        };
        Self {
            metadata,
            state: State::Unknown,
            reason: String::new(),
            since: None,
            generation: 0,
            connection: None,
            is_inside: false,
            said: ServerStatus::default(),
        }
    }

    /// Namespace and name: what a cluster has once.
    fn place(&self) -> (String, String) {
        (self.namespace().unwrap_or_default(), self.name_any())
    }

    /// The same in the form of names in the registry.
    fn name(&self) -> String {
        let (namespace, name) = self.place();
        format!("{namespace}/{name}")
    }

    /// Whether clients can use it now.
    fn is_ready(&self) -> bool {
        self.state == State::Ready && self.connection.is_some()
    }

    /// What the server calls itself.
    fn title(&self) -> Option<String> {
        let title = self.said.name.as_deref().map(|it| text::clean(it, text::NAME));
        title.filter(|it| !it.is_empty())
    }

    /// What it offers, in few words.
    fn tools(&self) -> Option<String> {
        Some(match self.said.tool_count? {
            1 => "1 tool".into(),
            count @ 1000.. => format!("{count} tools or more"),
            count => format!("{count} tools"),
        })
    }
}

#[cfg(test)]
mod fixtures;
