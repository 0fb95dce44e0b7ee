//! Whoever sets the number of pods keeps it, while the operator has every reason to write.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::api::PostParams;
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::support::pods::Kubelet;
use crate::support::{Space, World, until};

fn spec(more: &Value) -> Result<Value> {
    let mut spec = json!({
        "image": "echo:1", "port": 3001, "sessions": "Stateless", "resources": {"requests": {"cpu": "10m"}},
    });
    spec.as_object_mut().context("an object")?.extend(more.as_object().context("an object")?.clone());
    Ok(spec)
}

/// Waits for the cluster's own controller of autoscalers, which looks every fifteen seconds.
async fn until_replicas(space: &Space, number: i32) -> Result<()> {
    let replicas = async || space.api::<Deployment>().get("echo").await.ok()?.spec?.replicas.filter(|it| *it == number);
    until(&format!("{number} replicas"), Duration::from_mins(2), replicas).await.map(drop)
}

/// A new image is a reason to write the Deployment; the number has to stay through all of it.
async fn stays_over_a_change(space: &Space, number: i32, spec: &Value) -> Result<()> {
    let mut spec = spec.clone();
    spec["image"] = json!("echo:2");
    space.server("echo", &spec).await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    let replicas = server.status.and_then(|it| it.replicas);
    ensure!(replicas == Some(number), "{replicas:?} replicas");
    let deployment = space.api::<Deployment>().get("echo").await?;
    ensure!(deployment.spec.and_then(|it| it.replicas) == Some(number));
    Ok(())
}

pub async fn an_autoscaler_of_the_spec_keeps_its_number(world: Arc<World>) -> Result<()> {
    let space = world.space("autoscaler").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let spec = spec(&json!({"autoscaling": {"minReplicas": 3, "maxReplicas": 5}}))?;
    space.server("echo", &spec).await?;
    until_replicas(&space, 3).await?;
    stays_over_a_change(&space, 3, &spec).await
}

pub async fn an_autoscaler_of_somebody_else_keeps_its_number(world: Arc<World>) -> Result<()> {
    let space = world.space("autoscaler-other").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let spec = spec(&json!({}))?;
    space.server("echo", &spec).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    scale_by(&space, json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "echo"}), 4).await?;
    until_replicas(&space, 4).await?;
    stays_over_a_change(&space, 4, &spec).await
}

/// As one does that knows the resource and not its Deployment.
pub async fn an_autoscaler_of_the_resource_keeps_its_number(world: Arc<World>) -> Result<()> {
    let space = world.space("autoscaler-resource").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &spec(&json!({"replicas": 1}))?).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    scale_by(&space, json!({"apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer", "name": "echo"}), 2).await?;
    until_replicas(&space, 2).await?;
    ensure!(space.api::<MCPServer>().get("echo").await?.spec.replicas == Some(2));
    space
        .until_server("echo", "two ready pods", |it| it.status.as_ref().is_some_and(|it| it.ready_replicas == Some(2)))
        .await?;
    Ok(())
}

async fn scale_by(space: &Space, target: Value, at_least: i32) -> Result<()> {
    let metric = json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80},
    }});
    let autoscaler = serde_json::from_value(json!({
        "metadata": {"name": "other"},
        "spec": {"scaleTargetRef": target, "minReplicas": at_least, "maxReplicas": 6, "metrics": [metric]},
    }))?;
    space.api::<HorizontalPodAutoscaler>().create(&PostParams::default(), &autoscaler).await?;
    Ok(())
}
