//! Gives the server's identity its rights: those of its own Role, and existing ones.

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use super::{metadata, metadata_named};
use crate::children::Child;
use crate::validate::{ServerName, ValidatedServer};

impl Child for RoleBinding {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let own = (!server.rights.rules.is_empty()).then(|| Self {
            metadata: metadata(server),
            role_ref: role_ref("Role", server.name.as_str()),
            subjects: Some(vec![subject(server)]),
        });
        let existing = server.rights.bind.iter().map(|role| Self {
            metadata: metadata_named(server, &server.pod.part, name(&server.name, role.kind.as_str(), &role.name)),
            role_ref: role_ref(role.kind.as_str(), &role.name),
            subjects: Some(vec![subject(server)]),
        });
        own.into_iter().chain(existing).collect()
    }
}

/// A binding cannot change its role, so each role has one of its own. No server has a `:` in its
/// name: the bindings of two servers never meet.
fn name(server: &ServerName, kind: &str, role: &str) -> String {
    format!("{server}:{}:{role}", kind.to_lowercase())
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: "rbac.authorization.k8s.io".into(), kind: kind.into(), name: name.into() }
}

fn subject(server: &ValidatedServer) -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: server.pod.account().to_owned(),
        namespace: Some(server.namespace.clone()),
        api_group: None,
    }
}
