//! Objects that a cluster with a node has from the start.

use std::fmt::Debug;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::node::{DNS_SERVICE, DNS_USER};

const SYSTEM: &str = "kube-system";

pub async fn install(client: &Client, dns: Ipv4Addr) -> Result<()> {
    storage(client).await?;
    dns_rights(client).await?;
    dns_service(client, dns).await
}

async fn storage(client: &Client) -> Result<()> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": "standard",
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        // Built into the controller manager: folders on the node.
        "provisioner": "kubernetes.io/host-path",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    });
    apply(&Api::<StorageClass>::all(client.clone()), &class).await
}

async fn dns_rights(client: &Client) -> Result<()> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": DNS_USER},
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["services", "pods", "namespaces"],
                "verbs": ["list", "watch"],
            },
            {
                "apiGroups": ["discovery.k8s.io"],
                "resources": ["endpointslices"],
                "verbs": ["list", "watch"],
            },
        ],
    });
    apply(&Api::<ClusterRole>::all(client.clone()), &role).await?;
    let group = "rbac.authorization.k8s.io";
    let binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": DNS_USER},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": DNS_USER},
        "subjects": [{"apiGroup": group, "kind": "User", "name": DNS_USER}],
    });
    apply(&Api::<ClusterRoleBinding>::all(client.clone()), &binding).await
}

/// Cluster DNS is no pod, so its Service has no selector and its endpoint is written here.
async fn dns_service(client: &Client, dns: Ipv4Addr) -> Result<()> {
    let ports = json!([
        {"name": "dns", "port": 53, "protocol": "UDP"},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]);
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "kube-dns", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"clusterIP": DNS_SERVICE, "ports": ports},
    });
    apply(&Api::<Service>::namespaced(client.clone(), SYSTEM), &service).await?;
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "kube-dns", "labels": {"kubernetes.io/service-name": "kube-dns"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [dns], "conditions": {"ready": true}}],
        "ports": ports,
    });
    apply(&Api::<EndpointSlice>::namespaced(client.clone(), SYSTEM), &slice).await
}

async fn apply<K: Clone + Debug + DeserializeOwned>(api: &Api<K>, object: &Value) -> Result<()> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let parameters = PatchParams::apply("landfall-cluster");
    api.patch(name, &parameters, &Patch::Apply(object))
        .await
        .with_context(|| format!("cannot make the {} {name}", object["kind"]))?;
    Ok(())
}
