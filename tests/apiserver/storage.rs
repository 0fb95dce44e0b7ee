//! Storage of a server: it outlives the server, is taken up again, and grows.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::pods::Kubelet;
use crate::support::{Space, World, message};

fn spec(storage: &Value) -> Value {
    json!({"image": "echo:1", "port": 3001, "storage": storage})
}

/// A volume that the cluster's controller binds to a claim: only the size of a bound claim can
/// grow, and only of a class that allows it.
pub async fn volume(space: &Space, claim: &str) -> Result<String> {
    let (class, claim) = (space.name.clone(), json!({"namespace": space.name, "name": claim}));
    let classes: Api<StorageClass> = Api::all(space.world.admin.clone());
    let object = json!({
        "metadata": {"name": class}, "provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": true,
    });
    classes.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    let volumes: Api<PersistentVolume> = Api::all(space.world.admin.clone());
    let object = json!({"metadata": {"name": class}, "spec": {
        "storageClassName": class, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "claimRef": claim,
        "hostPath": {"path": "/nowhere"},
    }});
    volumes.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    Ok(class)
}

async fn delete(space: &Space) -> Result<()> {
    space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
    let gone = async || space.api::<Deployment>().get_opt("echo").await.ok()?.is_none().then_some(());
    space.until("the Deployment is gone", gone).await
}

pub async fn it_outlives_its_server_and_is_taken_up_again(world: Arc<World>) -> Result<()> {
    let space = world.space("storage").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let class = volume(&space, "echo-storage").await?;
    let claims = space.api::<PersistentVolumeClaim>();
    let storage = |size: &str| json!({"mountPath": "/data", "size": size, "storageClassName": class});
    space.server("echo", &spec(&storage("1Gi"))).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let before = claims.get("echo-storage").await?;
    ensure!(before.owner_references().is_empty(), "{:?}", before.metadata);
    let strategy = space.api::<Deployment>().get("echo").await?.spec.and_then(|it| it.strategy?.type_);
    ensure!(strategy.as_deref() == Some("Recreate"), "{strategy:?}");

    delete(&space).await?;
    let kept = claims.get("echo-storage").await?;
    ensure!(kept.metadata.deletion_timestamp.is_none() && kept.uid() == before.uid(), "{:?}", kept.metadata);
    space.server("echo", &spec(&storage("1Gi"))).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(claims.get("echo-storage").await?.uid() == before.uid(), "it was made anew");

    let bound =
        async || claims.get("echo-storage").await.ok()?.status.filter(|it| it.phase.as_deref() == Some("Bound"));
    space.until("the claim is bound", bound).await?;
    space.server("echo", &spec(&storage("2Gi"))).await?;
    let size = async || claims.get("echo-storage").await.ok()?.spec?.resources?.requests?.get("storage").cloned();
    let grown = async || size().await.filter(|it| it.0 == "2Gi");
    space.until("the claim has grown", grown).await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    space.server("echo", &spec(&storage("1Gi"))).await?;
    let server = space.until_ready_is("echo", "False", "ChangeRefused").await?;
    ensure!(message(&server).contains("storage cannot shrink: write 2Gi"), "{}", message(&server));
    ensure!(size().await.context("a size")?.0 == "2Gi");
    Ok(())
}

pub async fn it_goes_with_its_server_where_that_is_said(world: Arc<World>) -> Result<()> {
    let space = world.space("storage-gone").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let claims = space.api::<PersistentVolumeClaim>();
    let storage = |retain: bool| json!({"mountPath": "/data", "size": "1Gi", "retain": retain});
    // Also when it was said later, and taken back in between.
    for retain in [true, false, true, false] {
        space.server("echo", &spec(&storage(retain))).await?;
        let owned = async || {
            let owners = claims.get("echo-storage").await.ok()?.owner_references().len();
            (owners == usize::from(!retain)).then_some(())
        };
        space.until(&format!("an owner unless it is retained ({retain})"), owned).await?;
    }
    space.until_ready_is("echo", "True", "Ready").await?;
    delete(&space).await?;
    let gone = async || claims.get_opt("echo-storage").await.ok()?.is_none().then_some(());
    space.until("the claim is gone", gone).await
}
