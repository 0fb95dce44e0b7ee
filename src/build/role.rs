//! Rights in the server's namespace that the spec asks for.

use k8s_openapi::api::rbac::v1::Role;

use super::metadata;
use crate::children::Child;
use crate::validate::ValidatedServer;

impl Child for Role {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        if server.rights.rules.is_empty() {
            return Vec::new();
        }
        vec![Self { metadata: metadata(server), rules: Some(server.rights.rules.clone()) }]
    }
}
