//! The operator on a real node with real containers: the example server, in an image made here.

#[path = "../support/mod.rs"]
mod support;

mod kubectl;
mod sdks;
mod serving;
mod trouble;

use anyhow::{Context, Result, ensure};
use landfall_cluster::Size;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use support::{World, until};

/// The example server, under the name that the sample gives it.
pub const ECHO: &str = "localhost/landfall/echo-server:0.1.0";

/// The same server as another version.
pub const ECHO_NEXT: &str = "localhost/landfall/echo-server:0.2.0";

fn main() -> ExitCode {
    let mut tests = tests![
        serving::the_sample_answers_tool_calls_and_leaves_nothing_behind,
        serving::a_new_image_takes_over_without_a_gap,
        serving::an_image_that_cannot_be_pulled_leaves_the_old_pod_serving,
        serving::a_restricted_namespace_is_enough,
        trouble::each_fault_of_a_server_has_its_reason_and_hint,
        trouble::a_server_that_dies_is_not_ready_until_it_is_back,
        kubectl::the_everyday_commands_work,
    ];
    match sdks::missing() {
        Some(missing) => eprintln!("skipped: servers of the SDKs: {missing} is missing"),
        None => tests.extend(tests![
            sdks::everything_of_npm_answers,
            sdks::a_server_of_the_go_sdk_answers,
            sdks::a_server_that_checks_the_host_answers_once_it_knows_its_names,
        ]),
    }
    support::run(Size::Node, tests, |world| Box::pin(load_images(world)))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

async fn load_images(world: &World) -> Result<()> {
    let made = Command::new("make").arg("images").current_dir(root()).env_remove("MAKEFLAGS").status();
    ensure!(made.context("make is not installed")?.success(), "`make images` failed");
    for archive in ["echo-server.tar", "echo-server-next.tar"] {
        world.cluster.load_image(&root().join("target/images").join(archive)).await?;
    }
    if sdks::missing().is_none() {
        sdks::load_images(world).await?;
    }
    Ok(())
}

/// The example server's binary, which is also a client.
pub fn echo_client() -> PathBuf {
    root().join("target/images/echo-server")
}

impl World {
    /// As [`Self::call`], for a server that has just become ready: kube-proxy learns of a pod a
    /// moment after the pod is ready, and a connection made in the midst of that may get lost.
    pub async fn first_call(&self, url: &str, text: &str) -> Result<String> {
        let call = async || tokio::time::timeout(Duration::from_secs(2), self.call(url, text)).await.ok()?.ok();
        until("the first call is answered", Duration::from_secs(10), call).await
    }

    /// Holds an MCP conversation with `url` from within the cluster, and gives what it printed.
    pub async fn call(&self, url: &str, text: &str) -> Result<String> {
        let mut command = Command::new(echo_client());
        command.args(["call", url, "--message", text]);
        let output = tokio::process::Command::from(self.cluster.in_node(&command)?).output().await?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
        Ok(printed)
    }
}
