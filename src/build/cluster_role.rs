//! Rights in the whole cluster that the spec asks for.

use k8s_openapi::api::rbac::v1::ClusterRole;

use super::cluster_wide_metadata;
use crate::children::Child;
use crate::reach::cluster_wide_name;
use crate::validate::ValidatedServer;

impl Child for ClusterRole {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        if server.rights.cluster_rules.is_empty() {
            return Vec::new();
        }
        vec![Self {
            metadata: cluster_wide_metadata(server, cluster_wide_name(&server.namespace, server.name.as_str())),
            rules: Some(server.rights.cluster_rules.clone()),
            aggregation_rule: None,
        }]
    }
}
