//! A server from its creation to its end.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use landfall::api::MCPServer;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

use crate::support::pods::{Kubelet, NEVER};
use crate::support::{World, condition, edit, message, stays};

pub async fn a_server_becomes_ready_only_when_its_pod_is(world: Arc<World>) -> Result<()> {
    let space = world.space("ready").await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    let server = space.until_ready_is("echo", "False", "Starting").await?;
    let status = server.status.context("a status")?;
    ensure!(status.url.as_deref() == Some("http://echo.ready.svc.cluster.local:3001/mcp"), "{status:?}");
    ensure!(status.cluster_url == status.url, "nothing is exposed");
    ensure!(status.observed_generation == Some(1));
    ensure!(status.conditions.iter().any(|it| it.type_ == "Reconciling"), "{status:?}");
    let deployment = space.api::<Deployment>().get("echo").await?;
    ensure!(deployment.spec.and_then(|it| it.replicas) == Some(1));

    let kubelet = Kubelet::start(&space);
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(condition(&server, "Reconciling").is_none(), "{:?}", server.status);
    let status = server.status.context("a status")?;
    ensure!((status.replicas, status.ready_replicas) == (Some(1), Some(1)), "{status:?}");

    // A pod that dies takes Ready with it, though nothing in the spec changed.
    drop(kubelet);
    for pod in space.api::<Pod>().list(&ListParams::default()).await? {
        space.api::<Pod>().delete(&pod.name_any(), &DeleteParams::default()).await?;
    }
    space.until_ready_is("echo", "False", "Starting").await?;
    Ok(())
}

pub async fn deleting_a_server_leaves_nothing_behind(world: Arc<World>) -> Result<()> {
    let space = world.space("delete").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    space.api::<MCPServer>().delete("echo", &DeleteParams::default()).await?;
    space
        .until("all children are gone", async || {
            let all = ListParams::default();
            let deployments = space.api::<Deployment>().list(&all).await.ok()?.items.len();
            let replica_sets = space.api::<ReplicaSet>().list(&all).await.ok()?.items.len();
            let services = space.api::<Service>().list(&all).await.ok()?.items.len();
            let pods = space.api::<Pod>().list(&all).await.ok()?.items.len();
            let accounts = space.api::<ServiceAccount>().list(&all).await.ok()?.items.len();
            // Every namespace has a ServiceAccount of its own.
            (deployments + replica_sets + services + pods == 0 && accounts == 1).then_some(())
        })
        .await
}

pub async fn a_new_image_is_ready_only_when_its_own_pod_is(world: Arc<World>) -> Result<()> {
    let space = world.space("rollout").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let image = |image: &str| json!({"image": image, "port": 3001});
    space.server("echo", &image("echo:1")).await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    // The old pod goes on answering, and that does not count.
    space.server("echo", &image(&format!("echo:{NEVER}"))).await?;
    let server = space.until_ready_is("echo", "False", "RollingOut").await?;
    ensure!(condition(&server, "Available").is_some_and(|it| it.status == "True"), "{:?}", server.status);
    stays("not ready", Duration::from_secs(2), async || {
        let server = space.api::<MCPServer>().get("echo").await?;
        Ok(condition(&server, "Ready").is_some_and(|it| it.status == "False"))
    })
    .await?;

    // Back to the first image: the ReplicaSet is an old one, and its Deployment knows it.
    space.server("echo", &image("echo:1")).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    space.server("echo", &image("echo:2")).await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(server.metadata.generation == Some(4), "{:?}", server.metadata);
    Ok(())
}

pub async fn a_plain_server_costs_its_children_and_two_writes(world: Arc<World>) -> Result<()> {
    let space = world.space("cost").await?;
    let (operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    operator.until_ready().await?;
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes: Vec<_> = operator.requests()?.iter().filter(|it| it.is_write()).map(ToString::to_string).collect();
    let children: Vec<_> = writes.iter().filter(|it| !it.contains("mcpservers")).collect();
    ensure!(children.len() == 3, "{writes:?}");
    ensure!(writes.len() <= children.len() + 2, "{writes:?}");
    let reads: Vec<_> = operator.requests()?.into_iter().filter(|it| it.verb == "get" && !it.is_lease()).collect();
    ensure!(reads.len() <= 2, "only the API groups and our own schema are read, once each: {reads:?}");
    Ok(())
}

pub async fn what_is_no_longer_wanted_is_removed(world: Arc<World>) -> Result<()> {
    let space = world.space("prune").await?;
    let _operator = space.operator(&[]).await?;
    let accounts = space.api::<ServiceAccount>();
    let spec = json!({"image": "echo:1", "port": 3001});
    space.server("echo", &spec).await?;
    space.until("its own ServiceAccount", async || accounts.get_opt("echo").await.ok()?).await?;

    let mut existing = spec.clone();
    existing["serviceAccount"] = json!({"name": "default"});
    space.server("echo", &existing).await?;
    space.until("it is removed", async || accounts.get_opt("echo").await.ok()?.is_none().then_some(())).await?;
    ensure!(accounts.get_opt("default").await?.is_some(), "what the spec names is not ours to remove");

    space.server("echo", &spec).await?;
    space.until("it is made again", async || accounts.get_opt("echo").await.ok()?).await?;
    Ok(())
}

pub async fn the_service_follows_every_change(world: Arc<World>) -> Result<()> {
    let space = world.space("service").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    // Each is a change that Kubernetes has rules of its own for: ports, node ports, affinity, types.
    for service in [
        json!({}),
        json!({"port": 80}),
        json!({"type": "NodePort", "extraPorts": [{"name": "metrics", "port": 9090}]}),
        json!({"type": "LoadBalancer", "sessionAffinity": "ClientIP", "annotations": {"a": "b"}}),
        json!({"extraPorts": [{"name": "other", "port": 9090, "targetPort": 3001}]}),
        json!({}),
    ] {
        space.server("echo", &json!({"image": "echo:1", "port": 3001, "service": service})).await?;
        space.until_ready_is("echo", "True", "Ready").await.with_context(|| service.to_string())?;
        let live = space.api::<Service>().get("echo").await?.spec.context("a spec")?;
        let wanted = |field: &str, default: &str| service[field].as_str().unwrap_or(default).to_owned();
        ensure!(live.type_ == Some(wanted("type", "ClusterIP")), "{live:?}");
        ensure!(live.session_affinity == Some(wanted("sessionAffinity", "None")), "{live:?}");
        let extra = service["extraPorts"].as_array().map_or(0, Vec::len);
        ensure!(live.ports.as_ref().map(Vec::len) == Some(1 + extra), "{live:?}");
    }
    Ok(())
}

pub async fn scaling_through_the_resource(world: Arc<World>) -> Result<()> {
    let space = world.space("scale").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &json!({"image": "echo:1", "port": 3001, "replicas": 1, "sessions": "Stateless"})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let patch = Patch::Merge(json!({"spec": {"replicas": 3}}));
    space.api::<MCPServer>().patch_scale("echo", &PatchParams::default(), &patch).await?;
    let server = space
        .until_server("echo", "three ready pods", |it| {
            it.status.as_ref().is_some_and(|it| it.ready_replicas == Some(3))
        })
        .await?;
    let scale: Scale = space.api::<MCPServer>().get_scale("echo").await?;
    let status = scale.status.context("a status")?;
    ensure!(status.replicas == 3 && status.selector == server.status.and_then(|it| it.selector), "{status:?}");
    let selector = status.selector.context("a selector")?;
    let pods = space.api::<Pod>().list(&ListParams::default().labels(&selector)).await?;
    ensure!(pods.items.len() == 3, "an autoscaler would look at {} pods", pods.items.len());
    Ok(())
}

pub async fn zero_replicas_are_a_wanted_state(world: Arc<World>) -> Result<()> {
    let space = world.space("zero").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let replicas = |count: i32| json!({"image": "echo:1", "port": 3001, "replicas": count});
    space.server("echo", &replicas(0)).await?;
    let server = space.until_ready_is("echo", "False", "ScaledToZero").await?;
    ensure!(
        condition(&server, "Stalled").is_none() && condition(&server, "Reconciling").is_none(),
        "{:?}",
        server.status
    );
    space.server("echo", &replicas(1)).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    space.server("echo", &replicas(0)).await?;
    space.until_ready_is("echo", "False", "ScaledToZero").await?;
    Ok(())
}

pub async fn suspension_holds_back_every_write(world: Arc<World>) -> Result<()> {
    let space = world.space("suspend").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let deployments = space.api::<Deployment>();
    let image = |suspend: bool, image: &str| json!({"image": image, "port": 3001, "suspend": suspend});
    space.server("echo", &image(false, "echo:1")).await?;
    space.until_ready_is("echo", "True", "Ready").await?;

    space.server("echo", &image(true, "echo:1")).await?;
    space.until_ready_is("echo", "True", "Ready").await.context("nothing is held back yet")?;
    space.server("echo", &image(true, "echo:2")).await?;
    let server = space.until_ready_is("echo", "False", "Suspended").await?;
    ensure!(message(&server).contains("Deployment \"echo\""), "{}", message(&server));
    edit(
        &deployments,
        "echo",
        &json!({"spec": {"minReadySeconds": 1, "template": {"spec": {"dnsPolicy": "Default"}}}}),
    )
    .await?;
    let image_of = async || -> Result<String> {
        let pod = deployments.get("echo").await?.spec.and_then(|it| it.template.spec).context("a pod")?;
        pod.containers[0].image.clone().context("an image")
    };
    stays("the old image", Duration::from_secs(2), async || Ok(image_of().await? == "echo:1")).await?;

    space.server("echo", &image(false, "echo:2")).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(image_of().await? == "echo:2");
    Ok(())
}
