//! The samples, run by an operator in its own pod.

use anyhow::{Context, Result, ensure};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

use crate::charts::{Charts, root};
use crate::node::{Node, add_sample, made};
use crate::support::{apply, condition, from_yaml};

const DATABASE: &str = include_str!("../../config/samples/database.yaml");

/// What keeps this machine from making an image of a database.
pub fn missing() -> Option<String> {
    let found = Command::new("apt-get").arg("--version").output().is_ok_and(|it| it.status.success());
    (!found).then(|| "databases: their images are made of packages of Debian or Ubuntu, by apt-get".to_owned())
}

pub async fn echo_is_verified_from_inside(node: &Node, charts: &Charts) -> Result<()> {
    node.installed(charts).await?;
    let space = node.space("sample-echo").await?;
    add_sample(&space).await?;
    let server = space.until_ready_is("echo", "True", "Ready").await?;
    ensure!(condition(&server, "Verified").is_some_and(|it| it.status == "True"), "{:?}", server.status);
    let url = server.status.and_then(|it| it.url).context("no url")?;
    ensure!(node.world.call(&url, "from inside").await?.contains("from inside"));
    Ok(())
}

/// With images that are made here in place of those of registries: a real Postgres, and a server that uses it.
pub async fn a_database_comes_with_its_server(node: &Node, charts: &Charts) -> Result<()> {
    node.world.cluster.load_image(&made("databases", "postgres.tar")?).await?;
    let postgres = fs::read_to_string(root().join("target/images/postgres.name"))?;
    node.installed(charts).await?;
    let space = node.space("sample-database").await?;
    let mut sample: Value = from_yaml(DATABASE)?;
    let spec = &mut sample["spec"];
    spec["image"] = json!("localhost/landfall/echo-server:0.1.0");
    spec["port"] = json!(3001);
    spec["args"] = json!([]);
    // A version is of the preset's own image.
    let database = spec["dependencies"][0].as_object_mut().context("the sample has no dependency")?;
    database.remove("version");
    database.insert("image".into(), json!(postgres.trim()));
    apply(&space.api(), serde_json::from_value::<MCPServer>(sample)?).await?;
    let server = space.until_ready_is("database", "True", "Ready").await?;
    ensure!(condition(&server, "Verified").is_some_and(|it| it.status == "True"), "{:?}", server.status);
    let url = server.status.and_then(|it| it.url).context("no url")?;
    let stored = node.world.call_tool(&url, "remember", &json!({"key": "colour", "value": "blue"})).await?;
    ensure!(stored.contains("stored in postgres"), "{stored}");
    let recalled = node.world.call_tool(&url, "recall", &json!({"key": "colour"})).await?;
    ensure!(recalled.contains("postgres: blue"), "{recalled}");
    Ok(())
}
