//! How many pods there are, and how many of them may be missing.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schema;

/// Whether a server remembers its clients between requests.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(transform = schema::explained_by_its_field)]
pub enum Sessions {
    /// It keeps sessions in memory: a client's requests have to reach the pod that knows it.
    Stateful,
    /// Any pod can answer any request.
    Stateless,
}

/// An autoscaler for the server's pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas")
    .message("autoscaling.minReplicas must not be more than maxReplicas"))]
pub struct Autoscaling {
    /// Fewest pods. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_replicas: Option<i32>,

    /// Most pods.
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: i32,

    /// CPU that pods shall use, in percent of what they request. Default: 80 where neither
    /// `memoryPercent` nor `metrics` is given, else none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub cpu_percent: Option<i32>,

    /// Memory that pods shall use, in percent of what they request. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub memory_percent: Option<i32>,

    /// Further metrics, as in a `HorizontalPodAutoscaler` (see
    /// `kubectl explain hpa.spec.metrics --api-version=autoscaling/v2`). Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::raw_objects")]
    pub metrics: Vec<Map<String, Value>>,
}

/// How many pods may be missing while nodes are drained.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.minAvailable) != has(self.maxUnavailable)")
    .message("a disruptionBudget has one limit: give one of minAvailable and maxUnavailable"))]
pub struct DisruptionBudget {
    /// Pods that have to stay, as a number or in percent such as `50%`. With as many as there are
    /// pods, no node that runs one can be drained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_available: Option<IntOrString>,

    /// Pods that may be missing, as a number or in percent such as `50%`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<IntOrString>,
}
