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
use crate::support::{Space, World, condition, message};

/// What is changed in the smallest spec, and the sentence that the API server answers with.
fn cases() -> Vec<(Value, &'static str)> {
    let image = "image must be an image reference such as ghcr.io/org/server:1.2.3";
    let scratch = "scratch path must be an absolute directory other than '/'";
    vec![
        (json!({"image": null}), "spec.image: Required value"),
        (json!({"image": "https://ghcr.io/org/server"}), image),
        (json!({"image": "two words"}), image),
        (json!({"image": "ghcr.io/Upper/case:1"}), image),
        (json!({"image": "x:tag with space"}), image),
        (json!({"image": ""}), "at least 1 chars long"),
        (json!({"imagePullPolicy": "Sometimes"}), "supported values: \"Always\", \"IfNotPresent\", \"Never\""),
        (json!({"port": null}), "spec.port: Required value"),
        (json!({"port": 0}), "should be greater than or equal to 1"),
        (json!({"port": 65536}), "should be less than or equal to 65535"),
        (json!({"port": "http"}), "must be of type integer"),
        (json!({"path": "mcp"}), "path must start with '/'"),
        (json!({"path": "/m cp"}), "path must start with '/'"),
        (json!({"path": "/mcp?x=1"}), "path must start with '/'"),
        (json!({"env": [{"name": "A"}, {"name": "A"}]}), "Duplicate value"),
        (json!({"env": [{"value": "1"}]}), "spec.env[0].name: Required value"),
        (json!({"scratch": [{"path": "relative"}]}), scratch),
        (json!({"scratch": [{"path": "/"}]}), scratch),
        (json!({"scratch": [{"path": "/a/../b"}]}), scratch),
        (json!({"scratch": [{"path": "/a"}, {"path": "/a"}]}), "Duplicate value"),
        (json!({"scratch": [{"path": "/a", "medium": "Tape"}]}), "supported values: \"Disk\", \"Memory\""),
        (json!({"files": [{"path": "relative", "content": ""}]}), "a file's path must be absolute"),
        (json!({"files": [{"path": "/a"}]}), "a file has one source"),
        (
            json!({"files": [{"path": "/a", "content": "", "secretKeyRef": {"name": "a", "key": "b"}}]}),
            "a file has one source",
        ),
        (json!({"storage": {"mountPath": "/", "size": "1Gi"}}), "storage.mountPath must be an absolute directory"),
        (json!({"storage": {"mountPath": "/a"}}), "spec.storage.size: Required value"),
        (
            json!({"storage": {"mountPath": "/a", "size": "1Gi"}, "replicas": 2, "sessions": "Stateless"}),
            "needs storage.accessModes: [ReadWriteMany]",
        ),
        (json!({"volumes": ["text"]}), "must be of type object"),
        (json!({"replicas": 2}), "more than one pod needs sessions: Stateless"),
        (json!({"autoscaling": {"maxReplicas": 2}}), "more than one pod needs sessions: Stateless"),
        (json!({"autoscaling": {"maxReplicas": 1}, "replicas": 1}), "replicas and autoscaling both set the number"),
        (json!({"autoscaling": {"minReplicas": 2, "maxReplicas": 1}}), "autoscaling.minReplicas must not be more"),
        (json!({"sessions": "Sticky"}), "supported values: \"Stateful\", \"Stateless\""),
        (json!({"disruptionBudget": {}}), "a disruptionBudget has one limit"),
        (json!({"disruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}), "a disruptionBudget has one limit"),
        (json!({"serviceAccount": {"name": "a", "annotations": {"b": "c"}}}), "serviceAccount.annotations are for the"),
        (
            json!({"serviceAccount": {"bind": [{"kind": "Group", "name": "a"}]}}),
            "supported values: \"Role\", \"ClusterRole\"",
        ),
        (
            json!({"serviceAccount": {"bind": [{"kind": "Role", "name": "a", "clusterWide": true}]}}),
            "clusterWide is for a ClusterRole",
        ),
        (json!({"replicas": -1}), "should be greater than or equal to 0"),
        (json!({"resources": {"requests": {"cpu": 0.5}}}), "must be of type integer,string"),
        (json!({"probes": {"liveness": {"httpGet": {"port": 1}, "exec": {}}}}), "a probe has one handler"),
        (json!({"probes": {"liveness": {"disabled": true, "exec": {}}}}), "a disabled probe has no handler"),
        (
            json!({"service": {"type": "ExternalName"}}),
            "supported values: \"ClusterIP\", \"NodePort\", \"LoadBalancer\"",
        ),
        (json!({"service": {"extraPorts": [{"name": "mcp", "port": 1}]}}), "an extra port's name has at most 15"),
        (json!({"service": {"extraPorts": [{"name": "UP", "port": 1}]}}), "an extra port's name has at most 15"),
        (json!({"service": {"sessionAffinity": "Cookie"}}), "supported values: \"None\", \"ClientIP\""),
        (json!({"serviceAccount": {"name": "Not A Name"}}), "serviceAccount.name must be the name of a ServiceAccount"),
        (json!({"verification": {"interval": "9s"}}), "interval must be a duration from 10s to 24h"),
        (json!({"verification": {"interval": "25h"}}), "interval must be a duration from 10s to 24h"),
        (json!({"verification": {"interval": "soon"}}), "interval must be a duration from 10s to 24h"),
        (json!({"verification": {"interval": "1m", "disabled": true}}), "a disabled verification has no interval"),
        (json!({"verification": {"headers": [{"name": "X-Key"}]}}), "a header has one source"),
        (json!({"verification": {"headers": [{"name": "X Key", "value": "a"}]}}), "a header's name has letters"),
        (json!({"terminationGracePeriodSeconds": 0}), "should be greater than or equal to 1"),
        (json!({"podTemplate": "text"}), "must be of type object"),
    ]
}

pub async fn each_rule_is_told_by_the_api_server(world: Arc<World>) -> Result<()> {
    let space = world.space("rules").await?;
    for (change, expected) in cases() {
        let mut spec = Map::from_iter([("image".to_owned(), json!("echo:1")), ("port".to_owned(), json!(3001))]);
        spec.extend(change.as_object().context("an object")?.clone());
        spec.retain(|_, value| !value.is_null());
        let answer = refusal(&space, "echo", &spec).await.with_context(|| change.to_string())?;
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
