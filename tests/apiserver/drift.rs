//! What others do to the children.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Resource, ResourceExt};
use landfall::api::MCPServer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use crate::support::pods::Kubelet;
use crate::support::{Space, World, edit, until};

/// Within this time, whatever somebody did to a child is undone.
const REPAIRED_WITHIN: Duration = Duration::from_secs(5);

pub async fn what_somebody_deletes_or_edits_comes_back(world: Arc<World>) -> Result<()> {
    let space = world.space("drift").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    comes_back_after_deletion::<Deployment>(&space).await?;
    comes_back_after_deletion::<Service>(&space).await?;
    comes_back_after_deletion::<ServiceAccount>(&space).await?;

    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "server", "image": "other:1"}]}}}});
    let params = PatchParams::default();
    space.api::<Deployment>().patch("echo", &params, &Patch::Strategic(&image)).await?;
    comes_back::<Deployment>(&space, "the image", "/spec/template/spec/containers/0/image", &json!("echo:1")).await?;

    // Without these, the watch no longer shows the object.
    for label in ["managed-by", "instance", "name"] {
        let path = format!("/metadata/labels/app.kubernetes.io~1{label}");
        for_each_kind(&space, label, &path).await?;
    }

    edit(&space.api::<Service>(), "echo", &json!({"spec": {"selector": {"app.kubernetes.io/instance": "other"}}}))
        .await?;
    comes_back::<Service>(&space, "the selector", "/spec/selector/app.kubernetes.io~1instance", &json!("echo")).await?;
    let port = json!({"spec": {"ports": [{"name": "mcp", "port": 3001, "targetPort": 9}]}});
    space.api::<Service>().patch("echo", &params, &Patch::Strategic(&port)).await?;
    comes_back::<Service>(&space, "the target port", "/spec/ports/0/targetPort", &json!("mcp")).await?;
    let account = json!({"automountServiceAccountToken": true});
    edit(&space.api::<ServiceAccount>(), "echo", &account).await?;
    comes_back::<ServiceAccount>(&space, "the switch", "/automountServiceAccountToken", &json!(false)).await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    let status = json!({"status": {"readyReplicas": 7, "url": "http://elsewhere"}});
    space.api::<MCPServer>().patch_status("echo", &params, &Patch::Merge(&status)).await?;
    comes_back::<MCPServer>(&space, "the status", "/status/readyReplicas", &json!(1)).await?;
    Ok(())
}

async fn for_each_kind(space: &Space, label: &str, path: &str) -> Result<()> {
    let before = field(&space.api::<Service>(), path).await?.context("every child has the label")?;
    let without = json!({"metadata": {"labels": {format!("app.kubernetes.io/{label}"): null}}});
    edit(&space.api::<Deployment>(), "echo", &without).await?;
    edit(&space.api::<Service>(), "echo", &without).await?;
    edit(&space.api::<ServiceAccount>(), "echo", &without).await?;
    comes_back::<Deployment>(space, label, path, &before).await?;
    comes_back::<Service>(space, label, path, &before).await?;
    comes_back::<ServiceAccount>(space, label, path, &before).await
}

async fn comes_back_after_deletion<K>(space: &Space) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api = space.api::<K>();
    let old = api.get("echo").await?.uid();
    api.delete("echo", &DeleteParams::background()).await?;
    let what = format!("a new {}", K::kind(&()));
    until(&what, REPAIRED_WITHIN, async || api.get_opt("echo").await.ok()?.filter(|it| it.uid() != old)).await?;
    Ok(())
}

async fn comes_back<K>(space: &Space, what: &str, path: &str, wanted: &Value) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
{
    let api = space.api::<K>();
    let what = format!("{what} of the {} is as before", K::kind(&()));
    until(&what, REPAIRED_WITHIN, async || field(&api, path).await.ok()?.filter(|it| it == wanted)).await?;
    Ok(())
}

async fn field<K>(api: &Api<K>, path: &str) -> Result<Option<Value>>
where
    K: Clone + Debug + Serialize + DeserializeOwned,
{
    Ok(serde_json::to_value(api.get("echo").await?)?.pointer(path).cloned())
}

pub async fn what_others_own_stays(world: Arc<World>) -> Result<()> {
    let space = world.space("others").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let deployments = space.api::<Deployment>();
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    // What `kubectl rollout restart`, an annotation controller, an autoscaler and a sidecar
    // injector do.
    let restart =
        json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}});
    edit(&deployments, "echo", &restart).await?;
    edit(&deployments, "echo", &json!({"metadata": {"annotations": {"others/note": "x"}, "labels": {"others": "y"}}}))
        .await?;
    deployments.patch_scale("echo", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 3}}))).await?;
    let sidecar = json!({"spec": {"template": {"spec": {"containers": [{"name": "sidecar", "image": "sidecar:1"}]}}}});
    deployments.patch("echo", &PatchParams::default(), &Patch::Strategic(&sidecar)).await?;

    // A change of our own, so that the operator has every reason to write.
    space.server("echo", &json!({"image": "echo:2", "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let deployment = serde_json::to_value(deployments.get("echo").await?)?;
    let at = |path: &str| deployment.pointer(path).cloned().unwrap_or_default();
    ensure!(at("/spec/replicas") == json!(3), "{}", at("/spec"));
    ensure!(at("/metadata/annotations/others~1note") == json!("x"));
    ensure!(at("/metadata/labels/others") == json!("y"));
    ensure!(
        at("/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt").is_string(),
        "{}",
        at("/spec/template")
    );
    let containers = at("/spec/template/spec/containers");
    let names: Vec<_> = containers.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str()).collect();
    ensure!(names.contains(&"server") && names.contains(&"sidecar"), "{names:?}");
    Ok(())
}
