//! The identity of the server's pods.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The identity of the server's pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccountSpec {
    /// An existing `ServiceAccount` of the same namespace. Default: Landfall makes one that has the
    /// server's name and no rights.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$')")
        .message("serviceAccount.name must be the name of a ServiceAccount: lower-case letters, digits, '-' and '.'"))]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Mounts the account's token into the pods, for servers that call the Kubernetes API.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub automount_token: bool,
}
