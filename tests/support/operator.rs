//! An operator process for one namespace.

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::process::{Child, Command};

use super::audit::{self, Request};
use super::http::ask;
use super::{Space, World, until};

/// A number that no other operator has.
pub fn next_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An operator process; killed when dropped.
pub struct Operator {
    pub user: String,
    world: Arc<World>,
    child: Child,
    port: u16,
    log: PathBuf,
    kubeconfig: PathBuf,
    arguments: Vec<String>,
    environment: Environment,
}

/// Longer than anything that a status may wait for.
const SILENCE: Duration = Duration::from_secs(8);

/// Variables that hold a path.
type Environment = Vec<(String, PathBuf)>;

impl Operator {
    pub(super) fn start(space: &Space, user: &str, arguments: &[&str], environment: &[(&str, &Path)]) -> Result<Self> {
        let cluster = &space.world.cluster;
        let kubeconfig = cluster.kubeconfig_for(user, &[])?;
        let log = cluster.directory().join(format!("{user}.log"));
        let mut arguments: Vec<_> = ["--namespaces", &space.name, "--lease-namespace", &space.name]
            .iter()
            .chain(arguments)
            .map(|it| (*it).to_owned())
            .collect();
        // Without a node no server answers: pods are only said to be ready.
        if cluster.node_address().is_none() && !arguments.iter().any(|it| it == "--verification-route") {
            arguments.extend(["--verification-route", "none"].map(str::to_owned));
        }
        let world = Arc::clone(&space.world);
        let environment: Vec<_> =
            environment.iter().map(|(name, path)| ((*name).to_owned(), path.to_path_buf())).collect();
        let (child, port) = spawn(&world, &kubeconfig, &log, &arguments, &environment)?;
        Ok(Self { user: user.to_owned(), world, child, port, log, kubeconfig, arguments, environment })
    }

    /// Ends the process as a crash would, and starts it again as the same user.
    pub async fn restart(&mut self) -> Result<()> {
        self.child.kill().await?;
        (self.child, self.port) = spawn(&self.world, &self.kubeconfig, &self.log, &self.arguments, &self.environment)?;
        Ok(())
    }

    /// The process.
    pub fn id(&self) -> Result<u32> {
        self.child.id().context("the operator has ended already")
    }

    /// Sends a signal to the process.
    pub async fn signal(&self, name: &str) -> Result<()> {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.id()?.to_string()]).status().await?;
        ensure!(sent.success(), "SIG{name} could not be sent");
        Ok(())
    }

    /// Asks the process to stop, and gives its exit code.
    pub async fn stop(&mut self) -> Result<Option<i32>> {
        self.signal("TERM").await?;
        let ended = tokio::time::timeout(Duration::from_secs(20), self.child.wait()).await;
        Ok(ended.context("the operator did not stop")??.code())
    }

    /// Ends the process as a crash would.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Status code and body of a path of the health server.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        let answer = ask((address(&self.world), self.port).into(), "GET", path, "").await?;
        Ok((answer.status, answer.body))
    }

    /// Waits until the health server says that it is ready.
    pub async fn until_ready(&self) -> Result<()> {
        let ready = async || self.get("/readyz").await.ok().filter(|(code, _)| *code == 200);
        until("the operator is ready", super::PATIENCE, ready).await.with_context(|| self.log())?;
        Ok(())
    }

    /// Waits until the process works, and does not only wait for the Lease.
    pub async fn until_it_leads(&self) -> Result<()> {
        let leads = async || {
            let metrics = self.get("/metrics").await.ok()?.1;
            metrics.contains("landfall_leader{shard=\"\"} 1").then_some(())
        };
        until("the operator works", super::PATIENCE, leads).await.with_context(|| self.log())
    }

    /// Waits until nothing was asked of the API server for a while but what repeats by itself: watches,
    /// the Lease, and conversations.
    pub async fn until_silent(&self) -> Result<()> {
        let is_noise = |it: &&Request| it.verb != "watch" && !it.is_lease() && !it.is_conversation();
        let is_silent = async || {
            let requests = self.requests().ok()?;
            let is_past = |it: &Request| Timestamp::now().duration_since(it.ended()).unsigned_abs() > SILENCE;
            requests.iter().filter(is_noise).all(is_past).then_some(())
        };
        let silent = until("the operator is silent", super::PATIENCE, is_silent).await;
        let Err(error) = silent else { return Ok(()) };
        let requests = self.requests()?;
        let last: Vec<_> = requests.iter().filter(is_noise).rev().take(20).map(ToString::to_string).collect();
        Err(error.context(format!("the last requests, the latest first: {last:?}")))
    }

    /// What the process has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where the audit log ends by now.
    pub fn audit_position(&self) -> Result<u64> {
        Ok(self.world.cluster.audit_log().metadata()?.len())
    }

    /// As [`Self::requests`], since the audit log ended there.
    pub fn requests_since(&self, position: u64) -> Result<Vec<Request>> {
        audit::requests_from(self.world.cluster.audit_log(), &self.user, position)
    }

    /// What the process has asked of the API server, by the audit log.
    pub fn requests(&self) -> Result<Vec<Request>> {
        audit::requests(self.world.cluster.audit_log(), &self.user)
    }
}

/// Where the process listens: on a node if there is one, since only there it can call servers.
fn address(world: &World) -> Ipv4Addr {
    world.cluster.node_address().unwrap_or(Ipv4Addr::LOCALHOST)
}

fn spawn(
    world: &World,
    kubeconfig: &PathBuf,
    log: &PathBuf,
    arguments: &[String],
    environment: &Environment,
) -> Result<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let log = File::options().create(true).append(true).open(log)?;
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_landfall"));
    command
        .arg("operator")
        .args([
            "--listen",
            &format!("{}:{port}", address(world)),
            "--log-format",
            "json",
            "--cluster-domain",
            "cluster.local",
        ])
        .args(arguments)
        .envs(environment.iter().map(|(name, path)| (name, path)))
        .env("KUBECONFIG", kubeconfig);
    if world.cluster.node_address().is_some() {
        command = world.cluster.in_node_network(&command)?;
    }
    let child =
        Command::from(command).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
    Ok((child, port))
}
