//! An operator on a cluster that does not have its resource, or an older one.

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use crate::support::operator::Operator;
use crate::support::{Space, World, from_yaml, stays};

const CRD: &str = include_str!("../../crds/mcpservers.yaml");

/// The resource before servers could have storage.
fn older() -> Result<CustomResourceDefinition> {
    let mut crd: Value = from_yaml(CRD)?;
    let spec = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let fields = spec["properties"].as_object_mut().context("no fields")?;
    fields.remove("storage").context("no storage")?;
    // Rules about fields that are not there would be refused.
    spec["x-kubernetes-validations"].take();
    Ok(serde_json::from_value(crd)?)
}

/// What `/readyz`, the log and an event say, once all three say it.
async fn is_told(space: &Space, operator: &Operator, reason: &str, words: &str) -> Result<()> {
    let told = async || {
        let (code, body) = operator.get("/readyz").await.ok()?;
        let events = space.api::<Event>().list(&ListParams::default()).await.ok()?;
        let event = events.iter().find(|it| it.reason.as_deref() == Some(reason))?;
        let says = [body.as_str(), &operator.log(), event.note.as_deref()?].iter().all(|it| it.contains(words));
        (code == 503 && says).then_some(())
    };
    space.until(&format!("{reason} is told"), told).await.with_context(|| operator.log())
}

pub async fn a_missing_or_older_resource_is_told_and_waited_for(_: Arc<World>) -> Result<()> {
    let world = Arc::new(World::without_resource().await?);
    let result = told_and_waited_for(&world).await;
    match Arc::into_inner(world) {
        Some(world) => world.cluster.stop().await?,
        None => bail!("something still holds the cluster"),
    }
    result
}

async fn told_and_waited_for(world: &Arc<World>) -> Result<()> {
    let space = world.space("team").await?;
    let operator = space.operator(&[]).await?;
    is_told(&space, &operator, "ResourceMissing", "is not installed").await?;

    world.install(older()?).await?;
    is_told(&space, &operator, "ResourceOutdated", "it lacks spec.storage. Upgrade").await?;
    stays("waiting without a watch or a write but the events", Duration::from_secs(1), async || {
        let watches = ["list", "watch", "patch"];
        Ok(operator.requests()?.iter().all(|it| !watches.contains(&it.verb.as_str())))
    })
    .await?;

    world.install(from_yaml(CRD)?).await?;
    operator.until_ready().await?;
    space.server("echo", &json!({"image": "never:1", "port": 3001})).await?;
    space.until_ready_is("echo", "False", "Starting").await?;
    ensure!(operator.log().matches("waiting: the CustomResourceDefinition").count() == 2, "{}", operator.log());
    Ok(())
}
