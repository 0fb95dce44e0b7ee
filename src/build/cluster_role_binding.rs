//! Gives the server's identity its rights in the whole cluster: those of its own `ClusterRole`, and
//! existing ones.

use k8s_openapi::api::rbac::v1::ClusterRoleBinding;

use super::cluster_wide_metadata;
use super::role_binding::{role_ref, subject};
use crate::children::Child;
use crate::reach::cluster_wide_name;
use crate::validate::{ValidatedServer, cluster_wide_binding};

impl Child for ClusterRoleBinding {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let binding = |name: String, role: &str| Self {
            metadata: cluster_wide_metadata(server, name),
            role_ref: role_ref("ClusterRole", role),
            subjects: Some(vec![subject(server)]),
        };
        let own = cluster_wide_name(&server.namespace, server.name.as_str());
        let of_own = (!server.rights.cluster_rules.is_empty()).then(|| binding(own.clone(), &own));
        let existing = server.rights.bind.iter().filter(|role| role.cluster_wide);
        let existing =
            existing.map(|role| binding(cluster_wide_binding(&server.namespace, &server.name, &role.name), &role.name));
        of_own.into_iter().chain(existing).collect()
    }
}
