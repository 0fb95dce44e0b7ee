//! Nothing that was applied from Git differs from Git afterwards: neither by what the API server
//! makes of it, nor by what the operator writes.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use serde::Deserialize;
use serde_json::{Value, json};
use std::process::Command;

use crate::charts::Charts;
use crate::helm::run;
use crate::judges::{ARGO_CD, ask};
use crate::node::{DEPLOYMENT, Node, SAMPLE};
use crate::support::{PATIENCE, from_yaml, until};

/// The field manager by which Argo CD applies.
const MANAGER: &str = "argocd-controller";

#[derive(Deserialize)]
struct Difference {
    modified: bool,
    synced: Value,
}

/// kubectl for what a tool would apply from Git.
struct Git<'a> {
    node: &'a Node,
    charts: &'a Charts,
    manifests: Vec<Value>,
}

impl Git<'_> {
    fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": self.manifests});
        let mut kubectl = Command::new(&self.charts.kubectl);
        kubectl.args(arguments).args(["--filename", "-"]).env("KUBECONFIG", self.node.kubeconfig());
        run(&mut kubectl, &list.to_string())
    }

    /// Fails with what differs.
    async fn shows_no_drift(&self) -> Result<()> {
        self.kubectl(&["diff", "--server-side", "--field-manager", MANAGER])?;
        let live: Value = serde_json::from_str(&self.kubectl(&["get", "--output", "json"])?)?;
        let live = live["items"].as_array().context("no list")?;
        ensure!(live.len() == self.manifests.len(), "{} of {} are there", live.len(), self.manifests.len());
        let pairs: Vec<_> =
            self.manifests.iter().zip(live).map(|(it, live)| json!({"config": it, "live": live})).collect();
        let found: Vec<Difference> = ask(&ARGO_CD, &["diff"], &json!(pairs)).await?;
        for (difference, live) in found.iter().zip(live) {
            ensure!(!difference.modified, "Argo CD would make\n{}\nof\n{live}", difference.synced);
        }
        Ok(())
    }
}

pub async fn what_was_applied_from_git_shows_no_drift(node: &Node, charts: &Charts) -> Result<()> {
    let manifests = charts.render("landfall", &json!({"replicas": 2, "podDisruptionBudget": {"enabled": true}}))?;
    let mut operator = Git { node, charts, manifests };
    operator.kubectl(&["apply", "--server-side", "--field-manager", MANAGER])?;
    let is_up = async || {
        let status = node.in_system::<Deployment>().get(DEPLOYMENT).await.ok()?.status?;
        (status.available_replicas == Some(2)).then_some(())
    };
    until("both pods of the operator are up", PATIENCE, is_up).await?;

    let space = node.space("from-git").await?;
    let mut server: Value = from_yaml(SAMPLE)?;
    server["metadata"]["namespace"] = json!(space.name);
    let server = Git { node, charts, manifests: vec![server] };
    server.kubectl(&["apply", "--server-side", "--field-manager", MANAGER])?;
    space.until_ready_is("echo", "True", "Ready").await?;
    operator.shows_no_drift().await?;
    server.shows_no_drift().await?;

    // The resource goes last, as it does after an uninstall.
    operator.manifests.retain(|it| it["kind"] != "CustomResourceDefinition");
    operator.kubectl(&["delete"])?;
    node.forget_everything().await
}
