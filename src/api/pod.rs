//! Parts of the spec that become parts of a pod.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// When an image is pulled.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(transform = schema::explained_by_its_field)]
pub enum PullPolicy {
    /// At each start of a container.
    Always,
    /// When the node does not have it yet.
    IfNotPresent,
    /// Never: the image must be on the node.
    Never,
}

impl PullPolicy {
    /// The value as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// A directory that is empty at each start of a pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scratch {
    /// Absolute path in the container, such as `/app/sessions`.
    #[x_kube(validation = Rule::new(schema::IS_MOUNT_PATH)
        .message("scratch path must be an absolute directory other than '/', without ':' or '..' and without a trailing '/', such as /app/sessions"))]
    #[schemars(length(min = 1, max = 512))]
    pub path: String,

    /// Size above which the pod is evicted, such as `1Gi`. Default: no limit but the node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_limit: Option<Quantity>,

    /// Where the directory is kept. Default: `Disk`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub medium: Option<ScratchMedium>,
}

/// Where a scratch directory is kept.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[schemars(transform = schema::explained_by_its_field)]
pub enum ScratchMedium {
    /// On the node's disk.
    Disk,
    /// In memory (tmpfs); counts against the container's memory limit. Right for `/dev/shm`.
    Memory,
}
