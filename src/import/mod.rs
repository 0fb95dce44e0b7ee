//! What others run MCP servers with -> `MCPServer`s, with notes on what could not be carried over. Pure: a
//! file that another one names is asked for by a function that the caller gives.
//!
//! ```text
//! text ──> client, compose, registry, toolhive, kmcp, lifecycle ──> Draft ──> Outcome ──> print
//!          one file for each format                                 spec +
//!          client, kmcp: launch ──> package, docker, compose        notes
//!                        a command line
//! ```
//!
//! A value that may be a secret never gets out of here: it becomes a key of a Secret for a person to fill.
//! What speaks only stdio or SSE is refused: `known` says of well-known servers how they are made to
//! speak streamable HTTP, and `transport` reads it off the others.

mod address;
mod client;
mod compose;
mod docker;
mod draft;
mod kmcp;
mod known;
mod launch;
mod lifecycle;
mod package;
mod print;
mod registry;
mod secret;
mod toolhive;
mod transport;

use serde_json::Value;
use std::collections::BTreeSet;

use crate::api::MCPServer;
use crate::manifest;

pub use print::print;

/// What is imported.
pub struct Input<'a> {
    /// Its text.
    pub text: &'a str,
    /// What a server is called whose document gives it no name.
    pub name: &'a str,
    /// Reads another file, named as in this one.
    pub read: &'a dyn Fn(&str) -> Result<String, String>,
}

/// What has become of one server.
pub enum Outcome {
    /// It can be run.
    Server(Box<Import>),
    /// It cannot, and why.
    Refused {
        /// What it is called where it comes from.
        name: String,
        /// Why, and what would help.
        why: String,
    },
}

impl Outcome {
    /// What the server is called: as a resource, or where it comes from if it has become none.
    pub fn name(&self) -> &str {
        match self {
            Self::Server(import) => import.server.metadata.name.as_deref().unwrap_or_default(),
            Self::Refused { name, .. } => name,
        }
    }
}

/// A server that can be run.
pub struct Import {
    /// The resource.
    pub server: MCPServer,
    /// What a person has to make first.
    pub secret: Option<SecretToMake>,
    /// What could not be carried over, or should be looked at.
    pub notes: Vec<String>,
}

/// A Secret whose values only a person knows.
pub struct SecretToMake {
    /// What it is called.
    pub name: String,
    /// Its keys.
    pub keys: BTreeSet<String>,
}

/// Why a server cannot be run, and what would help.
type Refusal = String;

/// Everything in `input`, or why it cannot be read at all.
pub fn import(input: &Input<'_>) -> Result<Vec<Outcome>, String> {
    let documents = read(input.text)?;
    let mut outcomes = Vec::new();
    for document in &documents {
        outcomes.extend(of_document(document, input)?);
    }
    if outcomes.is_empty() {
        return Err("there is no MCP server in it".into());
    }
    make_names_unique(&mut outcomes);
    Ok(outcomes)
}

fn of_document(document: &Value, input: &Input<'_>) -> Result<Vec<Outcome>, String> {
    let group = document["apiVersion"].as_str().and_then(|it| it.split_once('/')).map_or("", |it| it.0);
    match (document["kind"].as_str(), group) {
        (Some("MCPServer"), crate::api::GROUP) => Err("it is a resource of Landfall already".into()),
        (Some("MCPServer"), "toolhive.stacklok.dev") => Ok(vec![toolhive::import(document)]),
        (Some("MCPServer"), "kagent.dev") => Ok(vec![kmcp::import(document)]),
        (Some("MCPServer"), "mcp.x-k8s.io") => Ok(vec![lifecycle::import(document)]),
        (Some("MCPServer"), group) => Err(format!(
            "MCPServer of \"{group}\" is unknown here; known are those of toolhive.stacklok.dev, kagent.dev and mcp.x-k8s.io"
        )),
        // Whatever else stands in a file of resources is somebody else's.
        (Some(_), _) if document["apiVersion"].is_string() => Ok(Vec::new()),
        _ if client::is(document) => Ok(client::import(document, input)),
        _ if document["services"].is_object() => compose::import(document, input),
        _ if registry::is(document) => Ok(vec![registry::import(document)]),
        _ => Err("this is none of: a client's configuration (mcpServers, servers or context_servers), a compose file \
                  (services), a registry's server.json (packages, remotes), or a resource MCPServer"
            .into()),
    }
}

/// JSON as clients take it, with comments; or YAML with any number of documents.
fn read(text: &str) -> Result<Vec<Value>, String> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with(['{', '/']) {
        let options = jsonc_parser::ParseOptions::default();
        let read = jsonc_parser::parse_to_serde_value::<Option<Value>>(text, &options);
        return read.map(|it| it.into_iter().collect()).map_err(|error| manifest::one_line(&error.to_string()));
    }
    Ok(manifest::documents(text)?.into_iter().map(|it| it.value).collect())
}

/// Two entries may come to the same name once it is one that Kubernetes takes.
fn make_names_unique(outcomes: &mut [Outcome]) {
    let mut taken = BTreeSet::new();
    for outcome in outcomes {
        let Outcome::Server(import) = outcome else { continue };
        let name = import.server.metadata.name.clone().unwrap_or_default();
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|it| !taken.contains(it)).unwrap_or_default();
        if free != name {
            import.notes.push(format!("metadata.name: another server of this file is called {name}, too"));
            import.server.metadata.name = Some(free.clone());
        }
        taken.insert(free);
    }
}
