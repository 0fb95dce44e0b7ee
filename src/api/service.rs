//! The Service in front of the server's pods.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::schema;

/// The Service in front of the server's pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Port of the Service. Default: the container's `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,

    /// Type of the Service. Default: `ClusterIP`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<ServiceType>,

    /// Annotations of the Service, such as those of a cloud's load balancer. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// Further ports of the container that the Service offers, such as one for metrics.
    /// Default: none. Example: `[{name: metrics, port: 9090}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 32))]
    pub extra_ports: Vec<ExtraPort>,

    /// Whether calls from one client address go to one pod. It holds only for clients that call
    /// the Service itself: ingress controllers and gateways call pods directly. Default: `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_affinity: Option<SessionAffinity>,
}

/// A further port of the Service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ExtraPort {
    /// Name of the port, unique in the Service; `mcp` is taken by the server's own.
    #[x_kube(validation = Rule::new("self != 'mcp' && self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.matches('[a-z]') && !self.contains('--')")
        .message("an extra port's name has at most 15 lower-case letters, digits and single '-', at least one letter, and is not 'mcp'"))]
    #[schemars(length(min = 1, max = 15))]
    pub name: String,

    /// Port of the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// Port of the container. Default: the same as `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub target_port: Option<i32>,
}

/// Type of a Service.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(transform = schema::explained_by_its_field)]
pub enum ServiceType {
    /// Reached from within the cluster.
    ClusterIP,
    /// Reached on a port of every node, too.
    NodePort,
    /// Reached through a load balancer of the cloud, too.
    LoadBalancer,
}

impl ServiceType {
    /// The value as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIP => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

/// Whether calls from one client address go to one pod.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(transform = schema::explained_by_its_field)]
pub enum SessionAffinity {
    /// Any call may go to any pod.
    None,
    /// Calls from one address go to one pod.
    ClientIP,
}

impl SessionAffinity {
    /// The value as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::ClientIP => "ClientIP",
        }
    }
}
