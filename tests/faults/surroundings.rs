//! What the rest of a cluster does that is not here: a kubelet says that pods run, an ingress
//! controller gives addresses, a gateway's controller takes routes. At once, and in all namespaces.

use anyhow::Result;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::{Ingress, IngressClass};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, watcher};
use kube::{Client, Resource, ResourceExt};
use landfall::gateway_api::{Gateway, GatewayClass, HTTPRoute};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

use crate::support::{World, apply, pods};

/// Where the gateway is that routes can be of.
pub const GATEWAY: (&str, &str) = ("gateways", "main");
/// The class of storage that can grow.
pub const STORAGE_CLASS: &str = "growing";

/// Whose status was written when is nobody's business here.
const TIME: &str = "2026-01-01T00:00:00Z";

/// Makes what servers of all runs refer to.
pub async fn make(world: &World) -> Result<()> {
    let admin = &world.admin;
    world.cluster.install_gateway_api().await?;
    let is_default = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    let class =
        json!({"metadata": {"name": "public", "annotations": is_default}, "spec": {"controller": "example.com/test"}});
    apply::<IngressClass>(&Api::all(admin.clone()), serde_json::from_value(class)?).await?;
    let class = json!({"metadata": {"name": "public"}, "spec": {"controllerName": "example.com/test"}});
    apply::<GatewayClass>(&Api::all(admin.clone()), serde_json::from_value(class)?).await?;
    let class = json!({"metadata": {"name": STORAGE_CLASS}, "provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": true});
    apply::<StorageClass>(&Api::all(admin.clone()), serde_json::from_value(class)?).await?;
    let namespace = json!({"metadata": {"name": GATEWAY.0}});
    apply::<k8s_openapi::api::core::v1::Namespace>(&Api::all(admin.clone()), serde_json::from_value(namespace)?)
        .await?;
    let gateway = json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": GATEWAY.1},
        "spec": {"gatewayClassName": "public", "listeners": [
            {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}},
        ]},
    });
    let resource = ApiResource::erase::<Gateway>(&());
    let gateways: Api<DynamicObject> = Api::namespaced_with(admin.clone(), GATEWAY.0, &resource);
    gateways.patch(GATEWAY.1, &PatchParams::apply("tests").force(), &Patch::Apply(&gateway)).await?;
    let status = json!({"status": {"addresses": [{"type": "IPAddress", "value": "203.0.113.7"}]}});
    gateways.patch_status(GATEWAY.1, &PatchParams::default(), &Patch::Merge(&status)).await?;
    Ok(())
}

/// Works until the process ends.
pub fn start(admin: &Client) {
    tokio::spawn(serve::<Pod>(admin.clone(), pods::readiness));
    tokio::spawn(serve::<Ingress>(admin.clone(), |it| {
        let has_address = it.status.as_ref().and_then(|it| it.load_balancer.as_ref()?.ingress.as_ref()).is_some();
        (!has_address).then(|| json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}))
    }));
    tokio::spawn(serve::<HTTPRoute>(admin.clone(), taken));
}

/// What a gateway's controller says of a route, unless it has said it.
fn taken(route: &HTTPRoute) -> Option<Value> {
    let now = serde_json::to_value(route).unwrap_or_default();
    let said = &now["status"]["parents"][0]["conditions"][0]["observedGeneration"];
    if said.is_i64() && said.as_i64() == route.metadata.generation {
        return None;
    }
    let condition = |type_: &str| {
        json!({"type": type_, "status": "True", "reason": type_, "message": "", "lastTransitionTime": TIME,
               "observedGeneration": route.metadata.generation})
    };
    let parent =
        json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "namespace": GATEWAY.0, "name": GATEWAY.1});
    let parents = json!([{"controllerName": "example.com/test", "parentRef": parent,
                          "conditions": [condition("Accepted"), condition("ResolvedRefs")]}]);
    Some(json!({"status": {"parents": parents}}))
}

/// Writes the status of each object of a kind, as often as there is something to say.
async fn serve<K>(admin: Client, status: fn(&K) -> Option<Value>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let objects = watcher(Api::<K>::all(admin.clone()), watcher::Config::default()).default_backoff().applied_objects();
    let said = objects.for_each_concurrent(16, |object| async {
        let Ok(object) = object else { return };
        let Some(status) = status(&object) else { return };
        let api = Api::<K>::namespaced(admin.clone(), &object.namespace().unwrap_or_default());
        // It may be gone by now; and what changed meanwhile comes again.
        let _ = api.patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(&status)).await;
    });
    said.await;
}
