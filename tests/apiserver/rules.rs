//! What is wrong with a spec is told by the API server, or by the operator where the API server
//! cannot know.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use landfall::api::MCPServer;
use serde_json::{Map, Value, json};
use std::sync::Arc;

use crate::support::pods::Kubelet;
use crate::support::{Space, World, condition, message, rules};

pub async fn each_rule_is_told_by_the_api_server(world: Arc<World>) -> Result<()> {
    let space = world.space("rules").await?;
    for (change, expected) in rules::cases() {
        let answer = refusal(&space, "echo", &rules::spec(&change)).await.with_context(|| change.to_string())?;
        ensure!(answer.contains(expected), "{change} was refused with: {answer}");
    }
    let smallest = Map::from_iter([("image".to_owned(), json!("echo:1")), ("port".to_owned(), json!(1))]);
    for name in ["with.dot", "1st", &"a".repeat(64)] {
        let answer = refusal(&space, name, &smallest).await?;
        ensure!(answer.contains("metadata.name becomes the name of a Service"), "{name}: {answer}");
    }
    Ok(())
}

/// What the API server says to someone who runs `kubectl create`.
async fn refusal(space: &Space, name: &str, spec: &Map<String, Value>) -> Result<String> {
    let resource = ApiResource::erase::<MCPServer>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(space.world.admin.clone(), &space.name, &resource);
    let object = DynamicObject::new(name, &resource).data(json!({"spec": spec}));
    let error = api.create(&PostParams::default(), &object).await.err().context("it was accepted")?;
    Ok(error.to_string())
}

pub async fn a_spec_that_only_the_operator_can_refuse_leaves_what_runs(world: Arc<World>) -> Result<()> {
    let space = world.space("refuse").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    let good = json!({"image": "echo:1", "port": 3001});
    space.server("echo", &good).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    let before = space.api::<Deployment>().get("echo").await?;

    let mut bad = json!({"image": "echo:2", "port": 3001});
    bad["podTemplate"] = json!({"spec": {"hostNetwrok": true}});
    bad["resources"] = json!({"requests": {"memory": "lots"}});
    space.server("echo", &bad).await?;
    let server = space.until_ready_is("echo", "False", "InvalidSpec").await?;
    for field in
        ["spec.podTemplate.spec.hostNetwrok: no such field", "spec.resources.requests.memory: \"lots\" is no quantity"]
    {
        ensure!(message(&server).contains(field), "{}", message(&server));
    }
    ensure!(condition(&server, "Accepted").is_some_and(|it| it.status == "False"));
    ensure!(condition(&server, "Stalled").is_some_and(|it| it.status == "True"));
    let after = space.api::<Deployment>().get("echo").await?;
    ensure!(after.resource_version() == before.resource_version(), "what runs keeps running");

    space.server("echo", &good).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    Ok(())
}
