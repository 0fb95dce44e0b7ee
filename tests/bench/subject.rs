//! What is measured: the operator, as it runs by default, in a process of its own.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::field::Field;
use crate::requests::Log;
use crate::support::until;
use crate::usage::Usage;

/// The operator, in the audit log.
const OPERATOR: &str = "bench-operator";

/// What a cluster's administrator would have bound for all namespaces.
const ROLES: [&str; 3] =
    ["landfall-operator", "landfall-operator-watch-classes", "landfall-operator-verify-through-api-server"];

const PATIENCE: Duration = Duration::from_mins(1);

/// A running operator; killed when dropped.
pub struct Subject {
    pub log: Log,
    child: Child,
    port: u16,
    program: PathBuf,
    kubeconfig: PathBuf,
    output: PathBuf,
    arguments: Vec<String>,
}

impl Subject {
    /// Starts it for all namespaces, and waits until it works.
    pub async fn start(field: &Field, program: PathBuf, arguments: Vec<String>) -> Result<Self> {
        let cluster = &field.world.cluster;
        grant(field).await?;
        let kubeconfig = cluster.kubeconfig_for(OPERATOR, &[])?;
        let output = cluster.directory().join("operator.log");
        let log = Log::of(cluster.audit_log(), OPERATOR);
        let (child, port) = spawn(&program, &kubeconfig, &output, &arguments)?;
        let subject = Self { log, child, port, program, kubeconfig, output, arguments };
        subject.until_working().await?;
        Ok(subject)
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().with_context(|| format!("the operator has ended: {}", self.said()))
    }

    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid()?)
    }

    /// Stops it in good order, so that the Lease is free.
    pub async fn stop(&mut self) -> Result<()> {
        Command::new("kill").args(["-TERM", &self.pid()?.to_string()]).status().await?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.context("the operator did not stop")??;
        Ok(())
    }

    /// Starts it again after [`Self::stop`].
    pub fn start_again(&mut self) -> Result<()> {
        (self.child, self.port) = spawn(&self.program, &self.kubeconfig, &self.output, &self.arguments)?;
        Ok(())
    }

    /// How many servers it says are ready, or not.
    pub async fn servers(&self, ready: &str) -> Result<usize> {
        let text = self.get("/metrics").await?;
        let line = format!("landfall_servers{{ready=\"{ready}\"}} ");
        Ok(text.lines().find_map(|it| it.strip_prefix(&line)?.parse().ok()).unwrap_or_default())
    }

    async fn until_working(&self) -> Result<()> {
        let leads = async || self.get("/metrics").await.ok().filter(|it| it.contains("landfall_leader 1"));
        until("the operator leads", PATIENCE, leads).await.with_context(|| self.said())?;
        let ready = async || self.get("/readyz").await.ok().filter(|it| it.starts_with("HTTP/1.1 200"));
        until("the operator is ready", PATIENCE, ready).await.with_context(|| self.said())?;
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        if answer.is_empty() {
            bail!("no answer");
        }
        Ok(answer)
    }

    /// The end of its log.
    fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.output).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

async fn grant(field: &Field) -> Result<()> {
    let admin = field.world.admin.clone();
    let subjects = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": OPERATOR}]);
    let binding = |kind: &str, role: &str| {
        json!({
            "metadata": {"name": format!("{OPERATOR}-{role}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": subjects,
        })
    };
    for role in ROLES {
        let binding: ClusterRoleBinding = serde_json::from_value(binding("ClusterRole", role))?;
        Api::all(admin.clone()).create(&PostParams::default(), &binding).await?;
    }
    let binding: RoleBinding = serde_json::from_value(binding("Role", "landfall-operator-leader-election"))?;
    field.space.api().create(&PostParams::default(), &binding).await?;
    Ok(())
}

fn spawn(program: &PathBuf, kubeconfig: &PathBuf, output: &PathBuf, arguments: &[String]) -> Result<(Child, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let output = File::options().create(true).append(true).open(output)?;
    let child = Command::new(program)
        .args(["operator", "--lease-namespace", "bench", "--cluster-domain", "cluster.local", "--log-format", "json"])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    Ok((child, port))
}
