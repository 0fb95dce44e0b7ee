//! Storage of the server itself.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// Storage of the server itself, which outlives its pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Absolute path in the container at which the storage is mounted, such as `/data`.
    #[x_kube(validation = Rule::new(schema::IS_MOUNT_PATH).message(schema::IS_STORAGE_PATH_MESSAGE))]
    #[schemars(length(min = 1, max = 512))]
    pub mount_path: String,

    /// How much is asked for, such as `10Gi`. It may grow later, where the storage class allows it,
    /// and never shrink.
    pub size: Quantity,

    /// `StorageClass` of the volume; it cannot be changed later. Default: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(schema::IS_STORAGE_CLASS).message(schema::IS_STORAGE_CLASS_MESSAGE))]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,

    /// How the volume may be mounted; it cannot be changed later. Default: `[ReadWriteOnce]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub access_modes: Vec<AccessMode>,

    /// Whether the data is kept when the server, or this section, is deleted; a server of the same
    /// name then takes it up again. Set to false, it is deleted with them. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<bool>,
}

/// How a volume may be mounted.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessMode {
    /// By pods on one node.
    ReadWriteOnce,
    /// By one pod.
    ReadWriteOncePod,
    /// By pods on any number of nodes.
    ReadWriteMany,
}

impl AccessMode {
    /// The mode as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReadWriteOnce => "ReadWriteOnce",
            Self::ReadWriteOncePod => "ReadWriteOncePod",
            Self::ReadWriteMany => "ReadWriteMany",
        }
    }
}
