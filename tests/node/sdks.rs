//! Real servers of the SDKs in use, in images made from their packages, each described by an
//! `MCPServer` and nothing else.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::root;
use crate::support::{World, message, until};

/// Why the images cannot be made here.
pub fn missing() -> Option<String> {
    let go = || (!works("go", "version")).then(|| "go".to_owned());
    missing_for_clients().or_else(go)
}

/// Why clients cannot be installed here.
pub fn missing_for_clients() -> Option<String> {
    let absent = ["node", "npm", "python3"].into_iter().find(|program| !works(program, "--version"));
    let venv = Command::new("python3").args(["-c", "import ensurepip, venv"]).output();
    let absent = absent.or_else(|| (!venv.is_ok_and(|it| it.status.success())).then_some("python3-venv"));
    absent.map(str::to_owned)
}

fn works(program: &str, argument: &str) -> bool {
    Command::new(program).arg(argument).output().is_ok_and(|it| it.status.success())
}

/// Makes the images and gives them to the node.
pub async fn load_images(world: &World) -> Result<()> {
    let made = Command::new("make").arg("servers").current_dir(root()).env_remove("MAKEFLAGS").status();
    ensure!(made.context("make is not installed")?.success(), "`make servers` failed");
    for name in ["everything", "python", "go"] {
        world.cluster.load_image(&root().join("target/images").join(name).with_extension("tar")).await?;
    }
    Ok(())
}

/// Its default is the older transport, and its port comes from a variable.
pub async fn everything_of_npm_answers(world: Arc<World>) -> Result<()> {
    let spec = json!({
        "image": "localhost/landfall/everything:1", "port": 3001,
        "args": ["streamableHttp"], "env": [{"name": "PORT", "value": "$(MCP_PORT)"}],
    });
    answers(&world, "everything", &spec).await
}

pub async fn a_server_of_the_go_sdk_answers(world: Arc<World>) -> Result<()> {
    let spec = json!({"image": "localhost/landfall/go:1", "port": 8080, "args": ["0.0.0.0:$(MCP_PORT)"]});
    answers(&world, "go", &spec).await
}

/// The Python SDK answers only to hosts that it was told of; until then the condition says so.
pub async fn a_server_that_checks_the_host_answers_once_it_knows_its_names(world: Arc<World>) -> Result<()> {
    let space = world.space("sdk-python").await?;
    let _operator = space.operator(&[]).await?;
    let mut spec = json!({"image": "localhost/landfall/python:1", "port": 8000});
    space.server("server", &spec).await?;
    let server = space.until_ready_is("server", "False", "HostRejected").await?;
    let text = message(&server);
    ensure!(text.starts_with("Allow server.sdk-python.svc.cluster.local:8000 in the server's settings"), "{text}");

    spec["env"] = json!([{"name": "ALLOWED_HOSTS", "value": "$(MCP_ALLOWED_HOSTS)"}]);
    space.server("server", &spec).await?;
    let server = space.until_ready_is("server", "True", "Ready").await?;
    let url = server.status.and_then(|it| it.url).context("the status has a URL")?;
    // For a moment more, kube-proxy may lead to the old pod, which is on its way out.
    let call = async || world.call(&url, "from its package").await.ok();
    let answer = until("the new pod answers", Duration::from_secs(10), call).await?;
    ensure!(answer.contains("from its package"), "{answer}");
    Ok(())
}

async fn answers(world: &Arc<World>, name: &str, spec: &Value) -> Result<()> {
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let space = world.space_with(&format!("sdk-{name}"), &labels).await?;
    let operator = space.operator(&[]).await?;
    space.server("server", spec).await?;
    let server = space.until_ready_is("server", "True", "Ready").await.with_context(|| operator.log())?;
    let url = server.status.and_then(|it| it.url).context("the status has a URL")?;
    let answer = world.call(&url, "from its package").await?;
    ensure!(answer.contains("from its package"), "{answer}");
    Ok(())
}
