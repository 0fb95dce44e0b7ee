//! The identity of the server's pods.

use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The identity of the server's pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.name) || !has(self.annotations) || self.annotations.size() == 0")
    .message("serviceAccount.annotations are for the ServiceAccount that Landfall makes: remove them, or remove serviceAccount.name"))]
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

    /// Annotations of the `ServiceAccount`, by which clouds give it an identity of theirs.
    /// Default: none. Example: `{eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/mcp"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64))]
    pub annotations: BTreeMap<String, String>,

    /// What the server may do in its namespace, as in a Role. Kubernetes lets Landfall give only
    /// rights that it has itself. Default: none.
    /// Example: `[{apiGroups: [''], resources: [pods], verbs: [get, list, watch]}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub rules: Vec<PolicyRule>,

    /// What the server may do in the whole cluster, as in a `ClusterRole`. Only where Landfall was
    /// started with `allowClusterRules`; Kubernetes lets it give only rights that it has itself.
    /// Default: none. Example: `[{apiGroups: [''], resources: [nodes], verbs: [get, list]}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub cluster_rules: Vec<PolicyRule>,

    /// Existing roles that the server has, in its namespace or in all. Kubernetes lets Landfall bind only roles
    /// whose rights it has itself, or that it may `bind`. Default: none.
    /// Example: `[{kind: ClusterRole, name: view}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub bind: Vec<RoleReference>,
}

/// An existing role.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.clusterWide) || !self.clusterWide || self.kind == 'ClusterRole'")
    .message("clusterWide is for a ClusterRole: a Role has no rights outside of its namespace"))]
pub struct RoleReference {
    /// Kind of the role. A `ClusterRole` is bound in the server's namespace alone, unless
    /// `clusterWide` says otherwise.
    pub kind: RoleKind,

    /// Name of the role.
    #[schemars(length(min = 1, max = 160))]
    pub name: String,

    /// Binds the `ClusterRole` in the whole cluster. Only where Landfall was started with
    /// `allowClusterRules`. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster_wide: bool,
}

/// Kind of a role.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleKind {
    /// Of the server's namespace.
    Role,
    /// Of the cluster.
    ClusterRole,
}

impl RoleKind {
    /// The kind as Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::ClusterRole => "ClusterRole",
        }
    }
}
