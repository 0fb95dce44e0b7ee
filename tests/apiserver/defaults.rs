//! What an administrator decides for all servers.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::pods::Kubelet;
use crate::support::{Space, World};

pub async fn defaults_hold_until_a_spec_says_otherwise(world: Arc<World>) -> Result<()> {
    let space = world.space("defaults").await?;
    let defaults = json!({
        "resources": {"limits": {"memory": "1Gi"}},
        "nodeSelector": {"pool": "mcp"},
        "securityContext": {"readOnlyRootFilesystem": true},
    });
    let settings = ["--registry-mirror", "mirror.corp/hub", "--server-defaults", &defaults.to_string()];
    let (_operator, _kubelet) = (space.operator(&settings).await?, Kubelet::start(&space));

    space.server("silent", &json!({"image": "mcp/everything:1", "port": 3001})).await?;
    space.until_ready_is("silent", "True", "Ready").await?;
    let pod = pod_of(&space, "silent").await?;
    ensure!(pod["nodeSelector"] == json!({"pool": "mcp"}), "{pod}");
    let container = &pod["containers"][0];
    ensure!(container["image"] == "mirror.corp/hub/mcp/everything:1", "{container}");
    ensure!(container["resources"]["limits"]["memory"] == "1Gi", "{container}");
    let security = &container["securityContext"];
    ensure!(security["readOnlyRootFilesystem"] == true && security["allowPrivilegeEscalation"] == false, "{security}");

    let own = json!({
        "image": "ghcr.io/org/server:1", "port": 3001, "resources": {}, "nodeSelector": {"pool": "own"},
        "securityContext": {"readOnlyRootFilesystem": false},
    });
    space.server("outspoken", &own).await?;
    space.until_ready_is("outspoken", "True", "Ready").await?;
    let pod = pod_of(&space, "outspoken").await?;
    ensure!(pod["nodeSelector"] == json!({"pool": "own"}), "{pod}");
    let container = &pod["containers"][0];
    ensure!(container["image"] == "ghcr.io/org/server:1", "{container}");
    ensure!(container["resources"] == json!({}), "{container}");
    ensure!(container["securityContext"]["readOnlyRootFilesystem"] == false, "{container}");
    Ok(())
}

async fn pod_of(space: &Space, name: &str) -> Result<Value> {
    let deployment = space.api::<Deployment>().get(name).await?;
    Ok(serde_json::to_value(deployment.spec.and_then(|it| it.template.spec).context("a pod")?)?)
}
