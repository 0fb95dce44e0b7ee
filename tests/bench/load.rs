//! The servers, and who makes them.

use anyhow::{Context, Result};
use clap::ValueEnum;
use futures::stream::{StreamExt, TryStreamExt, iter};
use kube::api::PostParams;
use kube::{Api, Client};
use landfall::api::MCPServer;
use serde::Serialize;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;
use tokio::process::Command;

/// Who makes the servers, in the audit log.
pub const LOADER: &str = "bench-loader";

/// As fast as a client can: more under way at a time make it no faster.
const AT_A_TIME: usize = 16;

/// The class of their Ingresses.
pub const CLASS: &str = "nginx";

/// The port of every server, where nobody listens unless it is said.
pub const PORT: u16 = 3001;

/// What kind of servers.
#[derive(ValueEnum, Serialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Spec {
    /// An image and a port.
    Plain,
    /// With an Ingress and a database.
    Full,
    /// Servers that take connections and never say a word.
    Silent,
}

impl Spec {
    /// At which of these numbers this kind is measured.
    pub fn counts(self, asked: &[usize]) -> Vec<usize> {
        match self {
            Self::Plain => asked.to_vec(),
            Self::Full => asked.iter().copied().filter(|it| (100..=1_000).contains(it)).collect(),
            Self::Silent => vec![100],
        }
    }

    /// One server, as a person would write it.
    pub fn server(self, name: &str, port: u16) -> Value {
        let mut spec = json!({"image": "ghcr.io/org/server:1.2.3", "port": port});
        if self == Self::Full {
            spec["expose"] = json!({"host": format!("{name}.example.com"), "ingress": {"className": CLASS}});
            spec["dependencies"] = json!([{"name": "cache", "image": "ghcr.io/org/cache:1.2.3",
                "ports": [{"name": "cache", "port": 6379}]}]);
        }
        json!({
            "apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer",
            "metadata": {"name": name, "namespace": "bench"}, "spec": spec,
        })
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Full => "full",
            Self::Silent => "silent",
        })
    }
}

/// The name of each server.
pub fn name(number: usize) -> String {
    format!("server-{number}")
}

/// Makes so many servers, as fast as a client can.
pub async fn create(client: &Client, spec: Spec, count: usize, port: u16) -> Result<()> {
    let api = Api::<MCPServer>::namespaced(client.clone(), "bench");
    let create = |number| {
        let api = api.clone();
        async move {
            let server = serde_json::from_value(spec.server(&name(number), port))?;
            api.create(&PostParams::default(), &server).await?;
            anyhow::Ok(())
        }
    };
    iter(0..count).map(create).buffer_unordered(AT_A_TIME).try_collect().await
}

/// Stands in a template for the name of a server.
pub const NAME: &str = "name-of-the-server";

/// Stands in a template for its uid.
pub const UID: &str = "uid-of-the-server";

/// The children of one server as JSON, with [`NAME`] and [`UID`] in place of its own.
pub async fn templates(operator: &Path, spec: Spec, folder: &Path) -> Result<Vec<Value>> {
    let manifest = folder.join("template.json");
    std::fs::write(&manifest, spec.server(NAME, PORT).to_string())?;
    let output = Command::new(operator).arg("render").arg("-f").arg(&manifest).output().await?;
    let text = String::from_utf8(output.stdout)?;
    anyhow::ensure!(output.status.success(), "render: {}", String::from_utf8_lossy(&output.stderr));
    let owner = json!([{"apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer", "name": NAME, "uid": UID,
        "controller": true, "blockOwnerDeletion": true}]);
    let documents = text.split("---\n").filter(|it| !it.trim().is_empty());
    let child = |document: &str| {
        let mut child: Value = serde_saphyr::from_str(document).context("render writes no YAML")?;
        child["metadata"]["ownerReferences"] = owner.clone();
        Ok(child)
    };
    documents.map(child).collect()
}

/// A silent server: takes connections and holds them.
#[derive(Debug)]
pub struct Silence {
    pub port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Silence {
    /// Listens at an address of this machine.
    pub async fn begin(address: std::net::IpAddr) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind((address, 0)).await?;
        let port = listener.local_addr()?.port();
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        Ok(Self { port, task })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        self.task.abort();
    }
}
