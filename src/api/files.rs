//! Files that are mounted into the server's container.

use k8s_openapi::api::core::v1::{ConfigMapKeySelector, SecretKeySelector};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// A file that is mounted into the server's container, read-only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.content), has(self.configMapKeyRef), has(self.secretKeyRef)].filter(h, h).size() == 1")
    .message("a file has one source: give one of content, configMapKeyRef and secretKeyRef"))]
pub struct File {
    /// Absolute path of the file in the container, such as `/etc/server/config.toml`. No other file,
    /// volume or scratch directory may be mounted at it, above it or below it.
    #[x_kube(validation = Rule::new(schema::IS_MOUNT_PATH).message("a file's path must be absolute and other than '/', without ':' or '..' and without a trailing '/', such as /etc/server/config.toml"))]
    #[schemars(length(min = 1, max = 512))]
    pub path: String,

    /// Text of the file. `$(NAME)` stands for one of Landfall's variables, such as
    /// `$(MCP_PUBLIC_URL)`, and `$$(NAME)` for that text. It is kept in a `ConfigMap`: what is secret
    /// belongs into a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    pub content: Option<String>,

    /// A key of a `ConfigMap` of the same namespace. An optional one that does not exist is left
    /// out. Example: `{name: settings, key: config.toml}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeySelector>,

    /// A key of a Secret of the same namespace. An optional one that does not exist is left out
    /// where Landfall watches Secrets; elsewhere an empty directory is in its place.
    /// Example: `{name: keys, key: tools.yaml}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeySelector>,
}
