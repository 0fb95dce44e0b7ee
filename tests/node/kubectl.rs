//! What people type.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

use crate::ECHO;
use crate::support::{Space, World};

/// What kubectl prints, in the namespace.
pub async fn kubectl(space: &Space, arguments: &[&str]) -> Result<String> {
    kubectl_with(space, arguments, "").await
}

/// Applies manifests, in YAML or JSON.
pub async fn apply(space: &Space, manifests: &str) -> Result<()> {
    kubectl_with(space, &["apply", "--server-side", "--filename", "-"], manifests).await?;
    Ok(())
}

async fn kubectl_with(space: &Space, arguments: &[&str], input: &str) -> Result<String> {
    let cluster = &space.world.cluster;
    let mut command = Command::new(cluster.kubectl()?);
    command.arg("--kubeconfig").arg(cluster.kubeconfig()).args(["--namespace", &space.name]).args(arguments);
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    child.stdin.take().context("no input")?.write_all(input.as_bytes()).await?;
    let output = child.wait_with_output().await?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{arguments:?}: {printed}{}", String::from_utf8_lossy(&output.stderr));
    Ok(printed)
}

pub async fn the_everyday_commands_work(world: Arc<World>) -> Result<()> {
    let space = world.space("everyday").await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &json!({"image": ECHO, "port": 3001})).await?;
    kubectl(&space, &["wait", "mcpserver/echo", "--for=condition=Ready", "--timeout=60s"]).await?;

    let table = kubectl(&space, &["get", "mcps"]).await?;
    let words: Vec<_> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(words == ["NAME", "READY", "URL", "TOOLS", "AGE"], "{table}");
    let row: Vec<_> = table.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    ensure!(row.get(3) == Some(&"2"), "its tools: {table}");
    ensure!(table.contains("True") && table.contains("http://echo.everyday.svc.cluster.local:3001/mcp"), "{table}");
    let wide = kubectl(&space, &["get", "mcp", "-o", "wide"]).await?;
    ensure!(["REASON", "PROTOCOL", "2026-07-28", "IMAGE", ECHO].iter().all(|word| wide.contains(word)), "{wide}");
    let explained = kubectl(&space, &["explain", "mcpserver.spec.path"]).await?;
    ensure!(explained.contains("Default: `/mcp`"), "{explained}");

    kubectl(&space, &["rollout", "restart", "deployment/echo"]).await?;
    kubectl(&space, &["rollout", "status", "deployment/echo", "--timeout=60s"]).await?;
    let annotations =
        kubectl(&space, &["get", "deployment/echo", "-o", "jsonpath={.spec.template.metadata.annotations}"]).await?;
    ensure!(annotations.contains("kubectl.kubernetes.io/restartedAt"), "{annotations}");
    kubectl(&space, &["wait", "mcpserver/echo", "--for=condition=Ready", "--timeout=60s"]).await?;

    // Without spec.replicas, the number is whoever's who sets it on the Deployment.
    kubectl(&space, &["scale", "deployment/echo", "--replicas=2"]).await?;
    space
        .until_server("echo", "two ready pods", |it| it.status.as_ref().is_some_and(|it| it.ready_replicas == Some(2)))
        .await?;
    let logs = kubectl(&space, &["logs", "deployment/echo"]).await?;
    ensure!(!logs.is_empty());
    kubectl(&space, &["delete", "mcps", "echo"]).await?;
    Ok(())
}
