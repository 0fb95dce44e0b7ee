//! How far objects of a kind reach: into one namespace, or into the cluster as a whole.
//!
//! Nothing in a namespace can own what is the whole cluster's. So such a child is known by its name,
//! in which its server stands, and the server has a finalizer for as long as it has such children.

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::Api;
use kube::{Client, Resource, ResourceExt};

use crate::labels;

/// How far objects of a kind reach.
pub trait Reach: Sized {
    /// Whether into the whole cluster: such kinds are served only where administrators allow it.
    const IS_CLUSTER_WIDE: bool;

    /// The objects of a kind in one namespace, or in all; what is the cluster's is in none.
    fn api<K: Resource<DynamicType = (), Scope = Self>>(client: Client, namespace: Option<&str>) -> Api<K>;

    /// Namespace that an object is in, or that it was made for.
    fn namespace_of(object: &impl Resource) -> Option<String>;

    /// Namespace and name of the server that an object without an owner was made for, by what it
    /// says of itself.
    fn server_of(object: &impl Resource) -> Option<(String, String)>;
}

impl Reach for NamespaceResourceScope {
    const IS_CLUSTER_WIDE: bool = false;

    fn api<K: Resource<DynamicType = (), Scope = Self>>(client: Client, namespace: Option<&str>) -> Api<K> {
        match namespace {
            Some(namespace) => Api::namespaced(client, namespace),
            None => Api::all(client),
        }
    }

    fn namespace_of(object: &impl Resource) -> Option<String> {
        object.namespace()
    }

    fn server_of(object: &impl Resource) -> Option<(String, String)> {
        let server = object.labels().get(labels::INSTANCE)?;
        Some((object.namespace()?, server.clone()))
    }
}

impl Reach for ClusterResourceScope {
    const IS_CLUSTER_WIDE: bool = true;

    fn api<K: Resource<DynamicType = (), Scope = Self>>(client: Client, _: Option<&str>) -> Api<K> {
        Api::all(client)
    }

    fn namespace_of(object: &impl Resource) -> Option<String> {
        Self::server_of(object).map(|(namespace, _)| namespace)
    }

    fn server_of(object: &impl Resource) -> Option<(String, String)> {
        let name = object.meta().name.as_ref()?;
        let mut parts = name.split(':');
        let is_ours = parts.next() == Some(PREFIX);
        let (namespace, server) = (parts.next()?, parts.next()?);
        is_ours.then(|| (namespace.to_owned(), server.to_owned()))
    }
}

const PREFIX: &str = "landfall";

/// Name of what a server has in the whole cluster, or its beginning. No namespace and no server has
/// a `:` in its name, so those of two servers never meet.
pub fn cluster_wide_name(namespace: &str, server: &str) -> String {
    format!("{PREFIX}:{namespace}:{server}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::rbac::v1::ClusterRole;

    fn server_in(name: &str) -> Option<(String, String)> {
        let mut role = ClusterRole::default();
        role.metadata.name = Some(name.into());
        ClusterResourceScope::server_of(&role)
    }

    #[test]
    fn the_server_stands_in_the_name() {
        let name = cluster_wide_name("team", "echo");
        for name in [name.clone(), format!("{name}:view"), format!("{name}:system:node")] {
            assert_eq!(server_in(&name), Some(("team".into(), "echo".into())));
        }
        for name in ["landfall-operator", "landfall:team", "system:team:echo", ""] {
            assert_eq!(server_in(name), None, "{name}");
        }
    }
}
