//! Several operators, each with its share of the namespaces.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::ListParams;
use landfall::settings::Shard;
use serde_json::json;
use std::sync::Arc;

use crate::support::audit::Request;
use crate::support::pods::Kubelet;
use crate::support::{World, edit};

pub async fn each_namespace_has_one_operator(world: Arc<World>) -> Result<()> {
    let mut spaces = Vec::new();
    for shard in ["0/2", "1/2"] {
        let shard: Shard = shard.parse().map_err(anyhow::Error::msg)?;
        let name = (0..100).map(|number| format!("shard-{number}")).find(|it| shard.holds(it)).context("no name")?;
        spaces.push(world.space(&name).await?);
    }
    let mut operators = Vec::new();
    for (index, home) in spaces.iter().enumerate() {
        let other = &spaces[1 - index];
        let shard = format!("{index}/2");
        let lease = json!({"rules": [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
        ]});
        edit(&home.api::<Role>(), "landfall-operator-leader-election", &lease).await?;
        let operator = home.operator(&["--shard", &shard, "--namespaces", &other.name]).await?;
        other.bind(&operator.user, "ClusterRole", "landfall-operator").await?;
        operators.push(operator);
    }
    let _kubelets: Vec<_> = spaces.iter().map(Kubelet::start).collect();
    for space in &spaces {
        space.server("tools", &json!({"image": "echo:1", "port": 3001})).await?;
    }
    for (index, space) in spaces.iter().enumerate() {
        space.until_ready_is("tools", "True", "Ready").await?;
        ensure!(space.api::<Deployment>().list(&ListParams::default()).await?.items.len() == 1);
        ensure!(space.api::<Lease>().get(&format!("landfall-{index}")).await.is_ok());
        let writes = operators[index].requests()?.into_iter().filter(Request::is_write);
        let elsewhere: Vec<_> = writes.filter(|it| it.object_ref.namespace != space.name).collect();
        ensure!(elsewhere.is_empty(), "{elsewhere:?}");
    }
    Ok(())
}
