//! Databases and other services that a server depends on.

use k8s_openapi::api::core::v1::{EnvVar, PodSecurityContext, ResourceRequirements, SecurityContext, Toleration};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::{AccessMode, File, MCPServerSpec, NetworkPolicySpec, PresetName, Probes, PullPolicy, Scratch, schema};

/// A database or another service that the server depends on. Landfall runs it beside the server, in
/// one pod behind a Service `SERVER-NAME`, or leads to one that is run elsewhere (`external`).
///
/// The server gets the variables `NAME_HOST`, `NAME_PORT` and `NAME_URL`, and `NAME_USERNAME`,
/// `NAME_PASSWORD` and `NAME_DATABASE` where there are credentials; NAME is in upper case, with `_`
/// for `-`. They can be used in its `env` and `args` as `$(NAME_URL)`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.preset) || has(self.image) || has(self.external)")
        .message("a dependency needs a preset, an image, or external for one that is run elsewhere"),
    validation = Rule::new("!has(self.external) || !(has(self.image) || has(self.version) || has(self.storage) || has(self.command) || has(self.args) || has(self.env) || has(self.ports) || has(self.files) || has(self.dependsOn))")
        .message("an external dependency is run elsewhere: remove image, version, storage, command, args, env, ports, files and dependsOn, or remove external"),
    validation = Rule::new("!has(self.version) || (has(self.preset) && !has(self.image))")
        .message("version is a version of the preset's image: remove it, or give a preset and no image"),
    validation = Rule::new("has(self.preset) || has(self.external) || (has(self.ports) && self.ports.size() > 0)")
        .message("a dependency without a preset needs ports, such as [{name: http, port: 8080}]")
)]
pub struct Dependency {
    /// Name of the dependency, unique in the server: its objects are called `SERVER-NAME`.
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && self != 'server' && !self.endsWith('-headless')")
        .message("a dependency's name must be lower-case letters, digits and '-', starting with a letter, other than 'server' and not ending in '-headless'"))]
    #[schemars(length(min = 1, max = 40))]
    pub name: String,

    /// A known database, for which everything below has a default. Default: none; then `image` and
    /// `ports` are needed. Example: `postgres`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<PresetName>,

    /// Version of the preset's image. Default: the one that this release of Landfall was made for;
    /// say it yourself, so that an upgrade of Landfall is none of the database. Example: `"17"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]+([.][0-9]+)*(-[A-Za-z0-9_.-]+)?$')")
        .message("version must start with a number, such as \"17\", \"17.2\" or \"17.2-alpine\""))]
    #[schemars(length(min = 1, max = 64))]
    pub version: Option<String>,

    /// Container image, in place of the preset's. The server's `imagePullSecrets` hold for it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(schema::IS_IMAGE).message(schema::IS_IMAGE_MESSAGE))]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,

    /// When the image is pulled. Default: `Always` for the tag `latest` or none, else
    /// `IfNotPresent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,

    /// Replaces the image's entrypoint. Default: the preset's, else the image's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub command: Vec<String>,

    /// Arguments of the entrypoint, in place of the preset's. Default: the preset's, else the image's
    /// own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub args: Vec<String>,

    /// Environment variables, after those of the preset; one of the same name replaces the preset's.
    /// Default: none. Example: `[{name: POSTGRES_INITDB_ARGS, value: --data-checksums}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 256))]
    pub env: Vec<EnvVar>,

    /// Ports that it listens on; `NAME_PORT` and `NAME_URL` speak of the first one. Default: the
    /// preset's. Example: `[{name: http, port: 6333}, {name: grpc, port: 6334}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub ports: Vec<DependencyPort>,

    /// Storage, which makes it a `StatefulSet`; without, it is a Deployment. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<DependencyStorage>,

    /// Directories that it may write to and that are empty at each start. `/tmp` is always one of
    /// them, as are the preset's. Default: none more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    #[schemars(length(max = 32))]
    pub scratch: Vec<Scratch>,

    /// Files that are mounted into the container, as for the server. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    #[schemars(length(max = 32))]
    pub files: Vec<File>,

    /// CPU and memory. Default: the preset's least requests, and no limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Health checks. Default: the preset's, else a TCP connection to the first port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,

    /// Security settings of the container, over the same default as the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,

    /// Security settings of the pod, over the preset's user and group and the same default as the
    /// server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<PodSecurityContext>,

    /// `RuntimeClass` of the pod. Default: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,

    /// Labels that a node must have to run it. Default: the preset's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that the pod tolerates. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<Toleration>,

    /// Affinity of the pod, as `pod.spec.affinity`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::raw_object")]
    pub affinity: Option<Map<String, Value>>,

    /// `PriorityClass` of the pod. Default: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,

    /// Seconds between the wish to stop the pod and its end by force. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub termination_grace_period_seconds: Option<i64>,

    /// Further labels of the pod. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,

    /// Further annotations of the pod. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,

    /// User and password. Default: for a preset that has a password, one is made once and kept in the
    /// Secret `SERVER-NAME-credentials` for as long as the data; for others none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// Names of dependencies that this one depends on: it starts after them, gets their variables, and
    /// may connect to them. Default: none. Example: `[qdrant]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub depends_on: Vec<String>,

    /// `server` gives the pod the server's `ServiceAccount`. Default: one without rights, whose token is
    /// not mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<SharedAccount>,

    /// Who else may connect, and whom it may call. Default: the server, and dependencies that name
    /// this one in `dependsOn`, may connect; it may call everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicySpec>,

    /// Where it is run, when not by Landfall: the same variables then come from there. Default: none.
    /// Example: `{secretRef: {name: managed-postgres}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
}

/// A port of a dependency.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DependencyPort {
    /// Name of the port, such as `http`.
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && self.matches('[a-z]') && !self.contains('--')")
        .message("a port's name must be at most 15 lower-case letters, digits and '-', with at least one letter"))]
    #[schemars(length(min = 1, max = 15))]
    pub name: String,

    /// Its number, in the pod and in the Service.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// Storage of a dependency, which outlives its pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct DependencyStorage {
    /// Absolute path in the container at which the storage is mounted. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(schema::IS_MOUNT_PATH).message(schema::IS_STORAGE_PATH_MESSAGE))]
    #[schemars(length(min = 1, max = 512))]
    pub mount_path: Option<String>,

    /// How much is asked for, such as `10Gi`. It may grow later, where the storage class allows it,
    /// and never shrink. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Quantity>,

    /// `StorageClass` of the volume; it cannot be changed later. Default: the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(schema::IS_STORAGE_CLASS).message(schema::IS_STORAGE_CLASS_MESSAGE))]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,

    /// How the volume may be mounted; it cannot be changed later. Default: `[ReadWriteOnce]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub access_modes: Vec<AccessMode>,

    /// Whether data and password are kept when the dependency or the server is deleted; one of the
    /// same name then takes them up again. Set to false, they are deleted with it. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<bool>,

    /// Runs a preset that has storage without any: its data is lost at each restart. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
}

/// User and password of a dependency.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.secretRef) || !(has(self.generate) || has(self.username) || has(self.database))")
    .message("credentials come either from secretRef or are generated: remove secretRef, or generate, username and database"))]
pub struct Credentials {
    /// Makes a password of 32 letters and digits, once. Default: true. Set to false, there is none,
    /// where the preset can do without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<bool>,

    /// User, where one is made. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("credentials.username must be letters, digits and '_', not starting with a digit"))]
    pub username: Option<String>,

    /// Database that is made at the first start. Default: the preset's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')").message("credentials.database must be letters, digits and '_', not starting with a digit"))]
    pub database: Option<String>,

    /// An existing Secret of the same namespace with the keys `username`, `password` and `database`, as
    /// far as the dependency has them. The password becomes part of a URL: use letters, digits, '-',
    /// '_' and '.' only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
}

/// Where a dependency is run, when not by Landfall.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.url) != has(self.secretRef)").message("external has one source: give one of url and secretRef"))]
pub struct External {
    /// Its URL, without a password: it stands in the open here. Example:
    /// `https://qdrant.example.com:6333`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.matches('^[a-z][a-z0-9+.-]*://[^/@\\s]+(/[^\\s]*)?$')")
        .message("external.url must be a URL such as https://qdrant.example.com:6333, without a user and password: those belong into a Secret"))]
    #[schemars(length(min = 1, max = 2048))]
    pub url: Option<String>,

    /// A Secret of the same namespace with the key `url`, and if they are needed by themselves
    /// `host`, `port`, `username`, `password` and `database`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretName>,
}

/// Names a Secret of the same namespace.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct SecretName {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Whose identity a dependency's pod has.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = schema::explained_by_its_field)]
pub enum SharedAccount {
    /// The server's.
    Server,
}

impl Dependency {
    /// What it says of pods, in the terms in which a server says it, so that both are checked and
    /// built alike.
    pub fn as_server(&self) -> MCPServerSpec {
        let it = self.clone();
        MCPServerSpec {
            image: it.image.unwrap_or_default(),
            image_pull_policy: it.image_pull_policy,
            command: it.command,
            args: it.args,
            port: it.ports.first().map_or(0, |port| port.port),
            env: it.env,
            files: it.files,
            scratch: it.scratch,
            resources: it.resources,
            probes: it.probes,
            security_context: it.security_context,
            pod_security_context: it.pod_security_context,
            runtime_class_name: it.runtime_class_name,
            node_selector: it.node_selector,
            tolerations: it.tolerations,
            affinity: it.affinity,
            priority_class_name: it.priority_class_name,
            termination_grace_period_seconds: it.termination_grace_period_seconds,
            pod_labels: it.pod_labels,
            pod_annotations: it.pod_annotations,
            network_policy: it.network_policy,
            ..MCPServerSpec::default()
        }
    }

    /// The Secrets of the user that its variables come from, each with the field that names it and
    /// the key that it has to have.
    pub fn secrets(&self) -> impl Iterator<Item = (&'static str, &'static str, &SecretName)> {
        let credentials = self.credentials.iter().filter_map(|it| it.secret_ref.as_ref());
        let external = self.external.iter().filter_map(|it| it.secret_ref.as_ref());
        let credentials = credentials.map(|it| ("credentials.secretRef", "password", it));
        credentials.chain(external.map(|it| ("external.secretRef", "url", it)))
    }
}
