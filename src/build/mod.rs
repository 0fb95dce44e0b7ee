//! `ValidatedServer -> Children<Desired>`: what should exist, one file per kind of child. Pure, and
//! it cannot fail.

mod cluster_role;
mod cluster_role_binding;
mod config_map;
mod deployment;
mod horizontal_pod_autoscaler;
mod http_route;
mod ingress;
mod network_policy;
mod persistent_volume_claim;
mod pod;
mod pod_disruption_budget;
mod role;
mod role_binding;
mod secret;
mod service;
mod service_account;
mod stateful_set;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

use crate::children::{Child, Children, Desired, Make};
use crate::labels;
use crate::validate::{PartName, PodPlan, ValidatedServer};

/// Name of the server's container, for `podTemplate` to refer to.
pub const SERVER_CONTAINER: &str = "server";

/// Name of the port that speaks MCP, in the pod and in the Service.
pub const MCP_PORT: &str = "mcp";

/// Name of the volume with the files whose text stands in the spec.
pub const FILES_VOLUME: &str = "files";

/// Name of the volume with the server's own storage.
pub const STORAGE_VOLUME: &str = "storage";

/// Annotation of pods with the hash of the keys that they use of Secrets and `ConfigMaps`.
pub const REFERENCES_HASH: &str = "landfall.dev/references-hash";

/// Annotation of pods with the hash of their files.
const FILES_HASH: &str = "landfall.dev/files-hash";

/// Everything that `server` needs.
pub fn build(server: &ValidatedServer) -> Children<Desired> {
    struct Build<'a>(&'a ValidatedServer);
    impl Make<Desired> for Build<'_> {
        fn make<K: Child>(&mut self) -> Vec<K> {
            K::build(self.0)
        }
    }
    Children::from_each(&mut Build(server))
}

/// Metadata of a child that has the server's own name.
fn metadata(server: &ValidatedServer) -> ObjectMeta {
    metadata_of(server, &server.pod.part)
}

/// Metadata of a child that has the name of a part of the server.
fn metadata_of(server: &ValidatedServer, part: &PartName) -> ObjectMeta {
    metadata_named(server, part, part.to_string())
}

/// Metadata of a child that is one of several, or of a kind that others make for themselves, too.
fn metadata_named(server: &ValidatedServer, part: &PartName, name: String) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(server.namespace.clone()),
        labels: Some(labels::recommended(part)),
        owner_references: Some(vec![server.owner.clone()]),
        ..ObjectMeta::default()
    }
}

/// The pods of every part of the server.
fn pods(server: &ValidatedServer) -> impl Iterator<Item = &PodPlan> {
    std::iter::once(&server.pod).chain(server.managed().map(|it| &it.pod))
}

/// Metadata of a child that is the whole cluster's: nothing in a namespace can own it.
fn cluster_wide_metadata(server: &ValidatedServer, name: String) -> ObjectMeta {
    let mut labels = labels::recommended(&server.pod.part);
    labels.insert(labels::NAMESPACE.into(), server.namespace.clone());
    ObjectMeta { name: Some(name), labels: Some(labels), ..ObjectMeta::default() }
}

/// `None` for an empty map: Kubernetes drops it, so a live object would never equal one with it.
fn filled<V>(map: BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then_some(map)
}

/// `None` for an empty list, for the same reason as [`filled`].
fn listed<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
