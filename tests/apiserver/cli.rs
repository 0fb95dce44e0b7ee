//! The subcommands that look at a cluster.

use anyhow::{Result, ensure};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, DeleteParams, PostParams};
use serde_json::{Value, json};
use std::process::{Output, Stdio};
use std::sync::Arc;
use tokio::process::Command;

use crate::support::pods::Kubelet;
use crate::support::{Space, World};

/// Calls the program as an administrator of the cluster.
async fn call(space: &Space, arguments: &[&str]) -> Result<Output> {
    call_as(space, &space.world.cluster.kubeconfig().display().to_string(), arguments).await
}

async fn call_as(space: &Space, kubeconfig: &str, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.args(arguments).args(["-n", &space.name]).env_clear().env("KUBECONFIG", kubeconfig);
    Ok(command.output().await?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub async fn status_shows_what_is_ready_and_what_is_not(world: Arc<World>) -> Result<()> {
    let space = world.space("cli-status").await?;
    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    let database = json!([{"name": "db", "image": "never:1", "ports": [{"name": "http", "port": 1}]}]);
    space.server("waits", &json!({"image": "echo:1", "port": 3001, "dependencies": database})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    space
        .until_server("waits", "its database is starting", |it| {
            it.status.as_ref().is_some_and(|it| !it.dependencies.is_empty())
        })
        .await?;

    let ready = call(&space, &["status", "echo"]).await?;
    let shown = text(&ready.stdout);
    ensure!(ready.status.code() == Some(0), "{shown}{}", text(&ready.stderr));
    ensure!(shown.starts_with("✓ echo in cli-status  Ready: "), "{shown}");
    for part in ["http://echo.cli-status.svc.cluster.local:3001/mcp", "1 of 1 ready", "✓ echo-"] {
        ensure!(shown.contains(part), "no {part:?} in:\n{shown}");
    }
    ensure!(!shown.contains('\u{1b}'), "colour where there is no terminal");
    ensure!(shown.lines().all(|it| it.chars().count() <= 80), "{shown}");
    on_a_terminal_it_is_the_same_in_colour(&space, &shown).await?;

    let waits = call(&space, &["status", "waits"]).await?;
    let shown = text(&waits.stdout);
    ensure!(waits.status.code() == Some(1) && shown.contains("… db "), "{shown}");

    let json = call(&space, &["status", "echo", "-o", "json"]).await?;
    let seen: Value = serde_json::from_slice(&json.stdout)?;
    ensure!(seen["status"]["url"] == "http://echo.cli-status.svc.cluster.local:3001/mcp", "{seen}");
    ensure!(seen["pods"][0]["ready"] == true && seen["pods"][0]["part"] == "server", "{seen}");

    let nobody = call(&space, &["status", "nobody"]).await?;
    let message = text(&nobody.stderr);
    ensure!(
        nobody.status.code() == Some(1)
            && message.contains("there is no MCPServer \"nobody\"")
            && message.contains("it has echo, waits"),
        "{message}"
    );
    Ok(())
}

/// `script` of util-linux is a terminal to what it runs.
async fn on_a_terminal_it_is_the_same_in_colour(space: &Space, plain: &str) -> Result<()> {
    let status = format!("{} status echo -n {}", env!("CARGO_BIN_EXE_landfall"), space.name);
    let captured = async |no_colour: &str| -> Result<String> {
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &status, "/dev/null"]).stdin(Stdio::null());
        script.env("KUBECONFIG", space.world.cluster.kubeconfig()).env("NO_COLOR", no_colour).env("TERM", "xterm");
        let output = script.env_remove("COLUMNS").output().await?;
        ensure!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
        Ok(text(&output.stdout).replace("\r\n", "\n"))
    };
    let coloured = captured("").await?;
    ensure!(coloured.starts_with("\u{1b}[32m✓ \u{1b}[0mecho in "), "{coloured}");
    let mut bare = coloured;
    for code in ["\u{1b}[0m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"] {
        bare = bare.replace(code, "");
    }
    // Between two calls, a second may have passed, and lines may break elsewhere.
    let is_age = |it: &&str| it.strip_suffix('s').is_some_and(|it| it.parse::<u32>().is_ok());
    let without_ages =
        |it: &str| -> String { it.split_whitespace().filter(|it| *it != "│" && !is_age(it)).collect() };
    ensure!(without_ages(&bare) == without_ages(plain), "{bare}\n{plain}");
    let asked_not_to = captured("1").await?;
    ensure!(!asked_not_to.contains('\u{1b}'), "colour in spite of NO_COLOR: {asked_not_to}");
    Ok(())
}

pub async fn connect_takes_the_url_from_the_status(world: Arc<World>) -> Result<()> {
    let space = world.space("cli-connect").await?;
    space.server("echo", &json!({"image": "echo:1", "port": 3001})).await?;
    let early = call(&space, &["connect", "echo", "--client", "claude-code"]).await?;
    ensure!(
        early.status.code() == Some(1) && text(&early.stderr).contains("has no URL yet"),
        "{}",
        text(&early.stderr)
    );

    let (_operator, _kubelet) = (space.operator(&[]).await?, Kubelet::start(&space));
    space.until_ready_is("echo", "True", "Ready").await?;
    let called = call(&space, &["connect", "echo", "--client", "claude-code"]).await?;
    ensure!(called.status.success(), "{}", text(&called.stderr));
    let read: Value = serde_json::from_slice(&called.stdout)?;
    let url = "http://echo.cli-connect.svc.cluster.local:3001/mcp";
    ensure!(read["mcpServers"]["echo"] == json!({"type": "http", "url": url}), "{read}");
    ensure!(text(&called.stderr).contains("kubectl port-forward"), "{}", text(&called.stderr));
    Ok(())
}

pub async fn doctor_sees_what_is_there_and_what_is_not(world: Arc<World>) -> Result<()> {
    let space = world.space("cli-doctor").await?;
    let classes: Api<StorageClass> = Api::all(world.admin.clone());
    let class = json!({"metadata": {"name": "cli-doctor"}, "provisioner": "example.com/none"});
    classes.create(&PostParams::default(), &serde_json::from_value(class)?).await?;
    let called = call(&space, &["doctor"]).await?;
    classes.delete("cli-doctor", &DeleteParams::default()).await?;
    let shown = text(&called.stdout);
    ensure!(called.status.code() == Some(0), "{shown}{}", text(&called.stderr));
    for part in ["✓ API server", "✓ resource", "✓ your rights", "… operator", "cli-doctor"] {
        ensure!(shown.contains(part), "no {part:?} in:\n{shown}");
    }
    ensure!(shown.lines().all(|it| it.chars().count() <= 80), "{shown}");

    // Somebody without rights is told what they lack, and no more than that.
    let kubeconfig = world.cluster.kubeconfig_for("nobody-in-particular", &[])?;
    let called = call_as(&space, &kubeconfig.display().to_string(), &["doctor"]).await?;
    let shown = text(&called.stdout);
    ensure!(called.status.code() == Some(0) && shown.contains("you may not create mcpservers"), "{shown}");
    ensure!(shown.contains("you may not look at these"), "{shown}");

    let called = call_as(&space, "/nowhere", &["doctor"]).await?;
    ensure!(
        called.status.code() == Some(1) && text(&called.stderr).contains("set KUBECONFIG"),
        "{}",
        text(&called.stderr)
    );
    ensure!(called.stdout.is_empty(), "there is nothing to look at");
    Ok(())
}
