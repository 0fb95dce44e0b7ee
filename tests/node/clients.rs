//! The clients of the SDKs, told of a server by what `landfall connect` prints and by nothing else.

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tokio::sync::OnceCell;

use crate::support::{Space, World};
use crate::{ECHO, root};

/// More in a row are no chance: a proxy made with Go cuts an answer now and then (golang/go#40747).
const ATTEMPTS: usize = 5;

/// What they need to know beside the configuration.
#[derive(Default)]
pub struct Beside<'a> {
    /// A host name outside of the cluster: it is the node.
    pub host: Option<&'a str>,
    /// What the server asks for.
    pub token: Option<&'a str>,
}

/// Where they are installed.
async fn installed() -> Result<&'static Path> {
    static FOLDER: OnceCell<PathBuf> = OnceCell::const_new();
    let install = || async {
        let output = tokio::process::Command::new(root().join("tests/clients/install")).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
    };
    FOLDER.get_or_try_init(install).await.map(PathBuf::as_path)
}

pub async fn configured_by_connect_they_call_a_tool(world: Arc<World>) -> Result<()> {
    let space = world.space("clients").await?;
    let _operator = space.operator(&[]).await?;
    space.server("echo", &json!({"image": ECHO, "port": 3001})).await?;
    space.until_ready_is("echo", "True", "Ready").await?;
    each_calls(&space, "echo", &Beside::default()).await
}

/// Each client calls a tool, by the file of Claude Code and by that of VS Code.
pub async fn each_calls(space: &Space, server: &str, beside: &Beside<'_>) -> Result<()> {
    for form in ["claude-code", "vscode"] {
        let file = space.world.cluster.directory().join(format!("{}-{server}-{form}.json", space.name));
        let mut connect = Command::new(env!("CARGO_BIN_EXE_landfall"));
        connect.args(["connect", server, "--client", form, "-n", &space.name]);
        let output = connect.env("KUBECONFIG", space.world.cluster.kubeconfig()).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(&file, &output.stdout)?;
        for client in ["python", "typescript"] {
            let told = format!("{client} by {form}");
            call(space, client, &file, server, &told, beside)
                .await
                .with_context(|| format!("{told} with {}", String::from_utf8_lossy(&output.stdout)))?;
        }
    }
    Ok(())
}

async fn call(
    space: &Space,
    client: &str,
    file: &Path,
    server: &str,
    message: &str,
    beside: &Beside<'_>,
) -> Result<()> {
    let cluster = &space.world.cluster;
    let hosts = cluster.directory().join(format!("{}-hosts", space.name));
    let node = cluster.node_address().context("there is no node")?;
    std::fs::write(&hosts, format!("127.0.0.1 localhost\n{node} {}\n", beside.host.unwrap_or("node")))?;
    // What public DNS would say.
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&hosts);
    command.arg(installed().await?.join(client)).arg(file).args([server, message]);
    command.env("SSL_CERT_FILE", cluster.authority()).env("NODE_EXTRA_CA_CERTS", cluster.authority());
    command.env("NO_PROXY", "*");
    if let Some(token) = beside.token {
        let variable = format!("{}_TOKEN", server.to_uppercase());
        command.env(format!("INPUT_{variable}"), token).env(variable, token);
    }
    let mut failed = String::new();
    for _ in 0..ATTEMPTS {
        let output = tokio::process::Command::from(cluster.in_node(&command)?).kill_on_drop(true).output().await?;
        if output.status.success() {
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(said.trim() == message, "{message:?} was answered {said:?}");
            return Ok(());
        }
        failed = String::from_utf8_lossy(&output.stderr).into_owned();
    }
    bail!("failed {ATTEMPTS} times: {failed}")
}
