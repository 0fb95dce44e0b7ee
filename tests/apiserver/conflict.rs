//! Objects of a needed name that are somebody else's.

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use kube::api::{Api, DeleteParams, PostParams};
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
use crate::support::{Space, World, condition, message, stays};

pub async fn an_object_of_somebody_else_is_never_touched(world: Arc<World>) -> Result<()> {
    let space = world.space("conflict").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let labels = json!({"app": "mine"});
    let deployment = json!({
        "metadata": {"name": "one"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "mine", "image": "mine:1"}]}},
        },
    });
    is_left_alone::<Deployment>(&space, "one", deployment).await?;
    let service = json!({"metadata": {"name": "two"}, "spec": {"selector": labels, "ports": [{"port": 3001}]}});
    is_left_alone::<Service>(&space, "two", service).await?;
    // Has no field in common with ours that could clash.
    is_left_alone::<ServiceAccount>(&space, "three", json!({"metadata": {"name": "three"}})).await?;

    // Not even when it carries our label, as a copied manifest would.
    let copied = json!({"metadata": {"name": "four", "labels": {"app.kubernetes.io/managed-by": "landfall"}}});
    is_left_alone::<ServiceAccount>(&space, "four", copied).await?;

    // Nor when it is another MCPServer's.
    space.server("five", &json!({"image": "echo:1", "port": 3001})).await?;
    let five = space.until_ready_is("five", "True", "Ready").await?;
    let owner = five.controller_owner_ref(&());
    let foreign = json!({"metadata": {"name": "six", "ownerReferences": [owner]}});
    is_left_alone::<ServiceAccount>(&space, "six", foreign).await
}

async fn is_left_alone<K>(space: &Space, name: &str, foreign: Value) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
{
    let api: Api<K> = space.api();
    let foreign: K = serde_json::from_value(foreign)?;
    let before = api.create(&PostParams::default(), &foreign).await?;
    space.server(name, &json!({"image": "echo:1", "port": 3001})).await?;
    let server = space.until_ready_is(name, "False", "NameConflict").await?;
    let expected = format!("{} \"{name}\" exists and ", K::kind(&()));
    ensure!(message(&server).starts_with(&expected), "{}", message(&server));
    ensure!(condition(&server, "Stalled").is_some(), "only a person can help: {:?}", server.status);
    stays("the object of somebody else", Duration::from_secs(1), async || {
        let now = api.get(name).await?;
        // Its own controller may write its status; nobody may write anything else.
        let is_same = now.meta().generation == before.meta().generation && now.labels() == before.labels();
        Ok(is_same
            && now.owner_references() == before.owner_references()
            && now.annotations().keys().all(|it| !it.contains("landfall")))
    })
    .await?;
    // Once it is gone, the server comes up.
    api.delete(name, &DeleteParams::background()).await?;
    space.until_ready_is(name, "True", "Ready").await?;
    Ok(())
}

pub async fn children_that_outlived_their_owner_are_taken_back(world: Arc<World>) -> Result<()> {
    let space = world.space("orphans").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let spec = json!({"image": "echo:1", "port": 3001});
    space.server("echo", &spec).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let before = space.api::<Deployment>().get("echo").await?;

    space.api::<MCPServer>().delete("echo", &DeleteParams::orphan()).await?;
    let gone = async || space.api::<MCPServer>().get_opt("echo").await.ok()?.is_none().then_some(());
    space.until("the MCPServer is gone", gone).await?;
    ensure!(space.api::<Deployment>().get("echo").await?.owner_references().is_empty());
    space.server("echo", &spec).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let after = space.api::<Deployment>().get("echo").await?;
    ensure!(after.uid() == before.uid(), "it was made anew: {:?}", after.metadata);
    ensure!(after.spec == before.spec, "it was rolled: {:?}", after.spec);
    ensure!(after.owner_references().len() == 1);
    Ok(())
}
