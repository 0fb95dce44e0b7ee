//! What the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is so now; written only when it changes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MCPServerStatus {
    /// The URL that a client should use: the public one of a server that is exposed, as long as it
    /// answers there, else `clusterUrl`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// The URL by which clients within the cluster reach the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_url: Option<String>,

    /// The generation of the spec that everything here speaks of; -1 until the first report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Number of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// Number of pods that pass their readiness check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,

    /// Label selector of the pods, for autoscalers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,

    /// What the server said of itself in an MCP conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerStatus>,

    /// How each dependency is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub dependencies: Vec<DependencyStatus>,

    /// `Accepted`, `ReferencesResolved`, `DependenciesReady`, `Available`, `Verified`, `Exposed` and their
    /// sum `Ready`; `Reconciling` and `Stalled` only while they are true. Their reasons are stable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
}

/// How a dependency is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DependencyStatus {
    /// Its name in the spec.
    pub name: String,

    /// Whether it is ready. One that is run elsewhere (`external`) is not looked at.
    pub ready: bool,

    /// Where it is reached, without user and password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,

    /// Why it is not ready, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// Why it is not ready, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What the server said of itself in an MCP conversation; gone when one fails.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServerStatus {
    /// Name that the server gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Version that the server gives itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// Protocol version agreed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_version: Option<String>,

    /// Eras of the protocol whose clients can connect: `modern` (2026-07-28 and newer), `legacy`
    /// (2025-11-25 and older, with `initialize`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eras: Vec<String>,

    /// Capabilities that the server announces, such as `tools`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,

    /// Number of tools that the server offers; 1000 stands for more, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_count: Option<i32>,

    /// Whether clients of the legacy era get a session, which ties them to one pod: `Stateful` or
    /// `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<String>,

    /// Whether nobody is let in at `url` without credentials, be it that the server asks for them or what
    /// is in front of it; those of `verification.headers`, if any, were not enough.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub auth_required: bool,
}
