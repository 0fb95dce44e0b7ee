//! `MCPServer` itself: the top level of the spec.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext, ResourceRequirements, SecurityContext, Toleration,
    TopologySpreadConstraint, VolumeMount,
};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use super::{
    Autoscaling, Dependency, DisruptionBudget, Expose, File, MCPServerStatus, NetworkPolicySpec, Probes, PullPolicy,
    Scratch, ServiceAccountSpec, ServiceSpec, Sessions, Storage, VerificationSpec, schema,
};

/// An MCP server that a team shares: what to run, and how clients reach it.
///
/// The smallest one names an image and the port on which its streamable HTTP endpoint listens:
/// `spec: {image: mcp/everything, port: 3001}`.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "landfall.dev",
    version = "v1alpha1",
    kind = "MCPServer",
    plural = "mcpservers",
    singular = "mcpserver",
    shortname = "mcps",
    category = "mcp",
    namespaced,
    status = "MCPServerStatus",
    derive = "PartialEq",
    doc = "An MCP server that a team shares: what to run, and how clients reach it.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Tools", type_ = "integer", json_path = ".status.server.toolCount"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1),
    printcolumn(name = "Protocol", type_ = "string", json_path = ".status.server.protocolVersion", priority = 1),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name becomes the name of a Service: use at most 63 lower-case letters, digits and '-', starting with a letter and ending with a letter or digit")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.replicas) || !has(self.autoscaling)")
        .message("replicas and autoscaling both set the number of pods: remove one of them"),
    validation = Rule::new("!((has(self.replicas) && self.replicas > 1) || (has(self.autoscaling) && self.autoscaling.maxReplicas > 1)) || (has(self.sessions) && self.sessions == 'Stateless') || (has(self.service) && has(self.service.sessionAffinity) && self.service.sessionAffinity == 'ClientIP')")
        .message("more than one pod needs sessions: Stateless if any pod can answer any request, or else service.sessionAffinity: ClientIP"),
    validation = Rule::new("!((has(self.replicas) && self.replicas > 1) || (has(self.autoscaling) && self.autoscaling.maxReplicas > 1)) || !has(self.storage) || (has(self.storage.accessModes) && 'ReadWriteMany' in self.storage.accessModes)")
        .message("more than one pod with storage needs storage.accessModes: [ReadWriteMany]")
)]
pub struct MCPServerSpec {
    /// Container image of the server, with a tag or digest: `ghcr.io/org/server:1.2.3` or
    /// `ghcr.io/org/server@sha256:…`. Without either, `latest` is pulled, as everywhere in
    /// Kubernetes. An image that names no registry comes from Docker Hub, or from the mirror that
    /// Landfall was started with (`registryMirror`).
    #[x_kube(validation = Rule::new(schema::IS_IMAGE).message(schema::IS_IMAGE_MESSAGE))]
    #[schemars(length(min = 1, max = 512))]
    pub image: String,

    /// When the image is pulled. Default: `Always` for the tag `latest` or none, else
    /// `IfNotPresent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,

    /// Secrets of type `kubernetes.io/dockerconfigjson` in the same namespace that let the image be
    /// pulled. Default: those of Landfall's `serverDefaults`, else none.
    /// Example: `[{name: registry-token}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// Replaces the image's entrypoint. Default: the image's own. Example: `[node, dist/index.js]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub command: Vec<String>,

    /// Arguments given to the entrypoint (the image's own or `command`), in place of the image's
    /// default arguments. Many servers need one to leave stdio, such as
    /// `[--transport, streamable-http]`. `$(NAME)` stands for a variable of the server, `$$(NAME)` for
    /// that text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub args: Vec<String>,

    /// Port of the container on which the server speaks streamable HTTP. It must listen there on
    /// all addresses (`0.0.0.0`), not just on loopback.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,

    /// Path of the MCP endpoint, published exactly as written: a trailing slash is kept, nothing is
    /// rewritten. Default: `/mcp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(r"self.startsWith('/') && self.matches('^[!-~]*$') && !self.matches('[?#]')")
        .message("path must start with '/' and hold neither spaces nor '?' or '#', such as /mcp"))]
    #[schemars(length(min = 1, max = 1024))]
    pub path: Option<String>,

    /// Environment variables of the server, as in a container; `$(NAME)` in a value stands for a
    /// variable above it, `$$(NAME)` for that text. Above all stand Landfall's own: `MCP_PUBLIC_URL`,
    /// `MCP_PUBLIC_HOST`, `MCP_ALLOWED_HOSTS`, `MCP_SERVICE_HOST`, `MCP_PORT`, `MCP_PATH` and
    /// `NAMESPACE`; one given here replaces it.
    /// `MCP_ALLOWED_HOSTS` is every host name, without and with port, under which the server is
    /// called, separated by commas: for servers that check the Host header. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 512))]
    pub env: Vec<EnvVar>,

    /// Secrets and ConfigMaps whose keys all become environment variables. Default: none.
    /// Example: `[{secretRef: {name: api-keys}}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub env_from: Vec<EnvFromSource>,

    /// Files that are mounted into the container, read-only, each by itself: what else is in its
    /// directory stays. Pods are made anew when one changes. Default: none.
    /// Example: `[{path: /etc/server/config.toml, content: 'url = "$(MCP_PUBLIC_URL)"'}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    #[schemars(length(max = 64))]
    pub files: Vec<File>,

    /// Directories that the server may write to and that are empty at each start of a pod (emptyDir
    /// volumes). `/tmp` is always one of them; name it here only to limit it. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    #[schemars(length(max = 32))]
    pub scratch: Vec<Scratch>,

    /// Storage of the server itself, which outlives its pods. With it, an old pod ends before a new
    /// one starts, since most volumes can be used by one at a time. Default: none.
    /// Example: `{mountPath: /data, size: 1Gi}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,

    /// Further volumes of the pods, as `pod.spec.volumes` (see `kubectl explain pod.spec.volumes`);
    /// `volumeMounts` says where they appear. Default: none.
    /// Example: `[{name: models, persistentVolumeClaim: {claimName: models}}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::raw_objects")]
    pub volumes: Vec<Map<String, Value>>,

    /// Where volumes appear in the server's container, as in a container. Default: none.
    /// Example: `[{name: models, mountPath: /models, readOnly: true}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    #[schemars(length(max = 64))]
    pub volume_mounts: Vec<VolumeMount>,

    /// Containers that run one after the other before the server starts, as
    /// `pod.spec.initContainers` (see `kubectl explain pod.spec.initContainers`); their
    /// `securityContext` has the same default as the server's. They can mount `volumes`, and the
    /// volumes of `scratch` (`tmp`, `scratch-0`, …) and `storage` (`storage`). Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::raw_objects")]
    pub init_containers: Vec<Map<String, Value>>,

    /// Makes pods anew when a key that `env`, `envFrom`, `files`, `volumes` or `initContainers` use of
    /// a `ConfigMap` or Secret changes, appears or goes away; keys that are not used do not count.
    /// Secrets count only where Landfall watches them. Default: true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout_on_change: Option<bool>,

    /// Number of pods. Default: one at first, and from then on whatever an autoscaler or
    /// `kubectl scale deployment` sets: Landfall leaves the number alone while this is absent.
    /// Zero stops the server and keeps everything else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub replicas: Option<i32>,

    /// Whether the server remembers its clients between requests. More than one pod of a `Stateful`
    /// server needs `service.sessionAffinity: ClientIP`. Default: `Stateful`, as most servers are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<Sessions>,

    /// Sets the number of pods by their load (a `HorizontalPodAutoscaler`), in place of `replicas`.
    /// Default: none. Example: `{maxReplicas: 5}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,

    /// How many pods may be missing while nodes are drained (a `PodDisruptionBudget`). Default: none.
    /// Example: `{maxUnavailable: 1}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disruption_budget: Option<DisruptionBudget>,

    /// Who may call the server, and whom it may call (a `NetworkPolicy`). Default: everybody, both
    /// ways.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicySpec>,

    /// Databases and other services that the server depends on, run with it or elsewhere. The first
    /// pods of the server start when they are ready. Default: none.
    /// Example: `[{name: postgres, preset: postgres, version: "17"}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[schemars(length(max = 16))]
    pub dependencies: Vec<Dependency>,

    /// CPU and memory of the server's container; there is no other container beside it. Default:
    /// Landfall's `serverDefaults`, else none. Example: `{requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,

    /// Health checks of the container. Default: a TCP connection to `port` for each of startup
    /// (every second, for up to five minutes), readiness (every two seconds) and liveness (every ten
    /// seconds).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<Probes>,

    /// Security settings of the container; a field given here replaces that field of the default:
    /// Landfall's `serverDefaults` over no privilege escalation and all capabilities dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,

    /// Security settings of the pod; a field given here replaces that field of the default:
    /// Landfall's `serverDefaults` over not root, user, group and fsGroup 65532 (left to the platform on `OpenShift`), seccomp profile
    /// `RuntimeDefault`. An image that must run as root needs `{runAsUser: 0}` here and a namespace
    /// that allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<PodSecurityContext>,

    /// The identity of the server's pods. Default: a `ServiceAccount` of the server's own, whose
    /// token is not mounted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<ServiceAccountSpec>,

    /// The Service in front of the pods. Default: a `ClusterIP` Service on `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,

    /// The way in for clients outside of the cluster: an `Ingress` or an `HTTPRoute`. `{}` is enough
    /// where Landfall was started with a `baseDomain` and the cluster has a default class or gateway.
    /// `status.url` is the public URL once it answers. Default: none.
    /// Example: `{host: echo.example.com, ingress: {className: traefik}}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose: Option<Expose>,

    /// How the operator verifies, by an MCP conversation every now and then, that clients can use the
    /// server. Default: every minute, without credentials. Example: `{interval: 15s}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationSpec>,

    /// `RuntimeClass` of the pods, such as `gvisor`. Default: Landfall's `serverDefaults`, else the
    /// cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub runtime_class_name: Option<String>,

    /// Labels that a node must have to run the server. Default: Landfall's `serverDefaults`, else
    /// none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that the pods tolerate. Default: Landfall's `serverDefaults`, else none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub tolerations: Vec<Toleration>,

    /// Affinity of the pods, as `pod.spec.affinity` (see `kubectl explain pod.spec.affinity`).
    /// Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::raw_object")]
    pub affinity: Option<Map<String, Value>>,

    /// How pods spread over zones and nodes, as in a pod. A constraint without `labelSelector`
    /// counts this server's pods. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// `PriorityClass` of the pods. Default: Landfall's `serverDefaults`, else the cluster's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,

    /// Seconds between the wish to stop a pod and its end by force; the first five let open
    /// requests and load balancers move on. Default: 30.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub termination_grace_period_seconds: Option<i64>,

    /// Further labels of the pods. Those that Landfall selects by cannot be replaced. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,

    /// Further annotations of the pods. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_annotations: BTreeMap<String, String>,

    /// What the fields above do not offer: a partial pod template (`metadata`, `spec`) merged over
    /// the one that Landfall makes, lists by their keys. The server's container is named `server`.
    /// Default: none. Example: `{spec: {hostAliases: [{ip: 10.0.0.9, hostnames: [db]}]}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::raw_object")]
    pub pod_template: Option<Map<String, Value>>,

    /// While true, Landfall goes on watching and reporting but writes nothing except the status.
    /// Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}
