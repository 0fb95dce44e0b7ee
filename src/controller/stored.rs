//! Servers as the watch shows them: unread.
//!
//! What the API server lets through need not be what this version can read, and a server that it cannot
//! read must not end the watch of all others. So each is read when its turn comes. Until then its text
//! is kept, which is half as large as what it says.

use kube::Resource;
use kube::api::ObjectMeta;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::api::{MCPServer, MCPServerSpec, MCPServerStatus, unreadable};

/// A server of which only the metadata has been read.
#[derive(Resource, Deserialize, Clone, Debug)]
#[resource(inherit = MCPServer)]
pub(super) struct StoredServer {
    metadata: ObjectMeta,
    spec: Option<Box<RawValue>>,
    status: Option<Box<RawValue>>,
}

impl StoredServer {
    /// The server, or one without a spec and why its spec cannot be read.
    pub(super) fn read(&self) -> (MCPServer, Result<(), String>) {
        let spec = self.spec.as_deref().map_or("{}", RawValue::get);
        let (spec, result) = match serde_json::from_str::<MCPServerSpec>(spec) {
            Ok(spec) => (spec, Ok(())),
            Err(error) => (MCPServerSpec::default(), Err(explained(spec, &error))),
        };
        (MCPServer { metadata: self.metadata.clone(), spec, status: self.status() }, result)
    }

    /// What cannot be read of a status is as good as none: it is written anew.
    pub(super) fn status(&self) -> Option<MCPServerStatus> {
        serde_json::from_str(self.status.as_deref()?.get()).ok()
    }

    /// Changes with the text of the status.
    pub(super) fn said(&self) -> Option<u64> {
        let status = self.status.as_deref()?.get();
        Some(BuildHasherDefault::<DefaultHasher>::new().hash_one(status))
    }
}

/// Names the field. Nobody sees the text that the parser counts in.
fn explained(spec: &str, error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    unreadable::explained(&serde_json::from_str(spec).unwrap_or_default(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (MCPServer, Result<(), String>) {
        serde_json::from_str::<StoredServer>(text).expect("its metadata can be read").read()
    }

    #[test]
    fn what_cannot_be_read_says_why_and_keeps_its_status() {
        let text =
            r#"{"metadata": {"name": "it"}, "spec": {"image": "x:1", "port": 3000000000}, "status": {"url": "u"}}"#;
        let (server, result) = read(text);
        assert_eq!(
            (server.metadata.name.as_deref(), server.status.and_then(|it| it.url).as_deref()),
            (Some("it"), Some("u"))
        );
        let error = result.expect_err("no port");
        assert!(error.starts_with("spec.port: ") && error.contains("3000000000") && !error.contains("line"), "{error}");
    }

    #[test]
    fn what_can_be_read_is_read() {
        let (server, result) = read(r#"{"metadata": {}, "spec": {"image": "x:1", "port": 80}}"#);
        assert_eq!((server.spec.port, server.status, result), (80, None, Ok(())));
    }
}
