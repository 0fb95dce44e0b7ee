//! Entries for tests.

use serde_json::{Value, json};

use super::Entry;
use crate::api::MCPServer;

/// A server that is called `NAMESPACE/NAME`, with this status.
pub(super) fn entry(name: &str, status: &Value) -> Entry {
    let (namespace, name) = name.split_once('/').expect("a namespace and a name");
    let server: MCPServer = serde_json::from_value(json!({
        "apiVersion": "landfall.dev/v1alpha1",
        "kind": "MCPServer",
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": "2025-12-31T00:00:00Z"},
        "spec": {"image": "mcp/everything:1", "port": 3001},
        "status": status,
    }))
    .expect("an MCPServer");
    Entry::from(&server)
}

/// The status of a server that is ready.
pub(super) fn ready() -> Value {
    json!({
        "url": "https://echo.example.com/mcp",
        "clusterUrl": "http://echo.team.svc.cluster.local:3001/mcp",
        "observedGeneration": 3,
        "server": {"name": "echo-server", "version": "0.1.0", "protocolVersion": "2025-11-25", "toolCount": 2},
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
        }],
    })
}
