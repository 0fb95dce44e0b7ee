//! Who may call the server, and whom it may call.

use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::schema;

/// Who may call the server, and whom it may call. It takes a network plugin that enforces
/// `NetworkPolicies`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// Who may call the server; an empty list closes it to all. Name the ingress controller or
    /// gateway here, too, and Landfall's namespace, from where it checks the server. Default:
    /// everybody. Example: `[{namespaceSelector: {matchLabels: {team: a}}}]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ingress: Option<Vec<NetworkPolicyPeer>>,

    /// Whom the server may call, as `spec.egress` of a `NetworkPolicy` (see
    /// `kubectl explain networkpolicy.spec.egress`); an empty list forbids every call. DNS takes a
    /// rule of its own, such as `{ports: [{port: 53, protocol: UDP}]}`. Default: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::raw_objects")]
    pub egress: Option<Vec<Map<String, Value>>>,
}
