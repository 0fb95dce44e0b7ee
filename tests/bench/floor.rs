//! The floor: a client that makes the children of each server and writes one status, and does nothing
//! else. It compares nothing, remembers nothing and repairs nothing: no operator can be faster.

use anyhow::{Context, Result};
use futures::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use landfall::api::MCPServer;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use tokio::process::{Child, Command};
use tokio::sync::{Semaphore, mpsc};

use crate::field::Field;
use crate::load::{NAME, UID};
use crate::requests::Log;
use crate::support::client;

/// The floor, in the audit log.
const FLOOR: &str = "bench-floor";

/// What the process is told.
#[derive(clap::Args)]
pub struct Arguments {
    kubeconfig: PathBuf,
    templates: PathBuf,
    servers: usize,
    concurrency: usize,
}

/// A running floor; killed when dropped.
pub struct Floor {
    pub log: Log,
    child: Child,
}

impl Floor {
    /// Starts it in a process of its own; it makes `templates` for each of so many servers.
    pub fn start(field: &Field, templates: &[Value], servers: usize, concurrency: usize) -> Result<Self> {
        let cluster = &field.world.cluster;
        let file = cluster.directory().join("templates.json");
        std::fs::write(&file, serde_json::to_vec(templates)?)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("floor")
            .arg(cluster.kubeconfig_for(FLOOR, &["system:masters"])?)
            .arg(file)
            .args([servers.to_string(), concurrency.to_string()])
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { log: Log::of(cluster.audit_log(), FLOOR), child })
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("the floor has ended")
    }

    /// Whether all is done. It then waits to be looked at, and is ended by being dropped.
    pub fn is_done(&mut self, directory: &Path) -> Result<bool> {
        anyhow::ensure!(self.child.try_wait()?.is_none(), "the floor ended before it was done");
        Ok(directory.join("templates.done").exists())
    }
}

/// What the process does.
pub async fn run(arguments: Arguments) -> Result<()> {
    let templates: Vec<Value> = serde_json::from_slice(&std::fs::read(&arguments.templates)?)?;
    let kinds = templates.iter().map(kind_of).collect::<Result<Vec<_>>>()?;
    let texts = templates.iter().map(Value::to_string).zip(kinds).collect();
    let client = client(&arguments.kubeconfig).await?;
    let work = Arc::new(Work { client: client.clone(), texts, turns: Semaphore::new(arguments.concurrency) });
    let (made, mut told) = mpsc::unbounded_channel::<Result<Event>>();
    let servers = Api::<Server>::namespaced(client.clone(), "bench");
    let deployments = Api::<Deployment>::namespaced(client, "bench");
    let mut servers = pin!(watcher(servers, watcher::Config::default()).applied_objects());
    let mut deployments = pin!(watcher(deployments, watcher::Config::default()).applied_objects());
    let mut state = State::default();
    while state.reported < arguments.servers {
        tokio::select! {
            server = servers.try_next() => {
                let server = server?.context("the watch ended")?;
                if state.seen.insert(server.name_any()) {
                    Arc::clone(&work).begin(server, &made);
                }
            }
            deployment = deployments.try_next() => state.observe(&deployment?.context("the watch ended")?),
            event = told.recv() => match event.context("nobody is left to tell")?? {
                Event::Made(name, server) => drop(state.made.insert(name, *server)),
                Event::Reported => state.reported += 1,
            },
        }
        for server in state.take_ready() {
            Arc::clone(&work).end(server, &made);
        }
    }
    std::fs::write(arguments.templates.with_extension("done"), "")?;
    std::future::pending().await
}

type Server = PartialObjectMeta<MCPServer>;

enum Event {
    Made(String, Box<Server>),
    Reported,
}

#[derive(Default)]
struct State {
    seen: HashSet<String>,
    made: HashMap<String, Server>,
    available: Vec<String>,
    was_available: HashSet<String>,
    reported: usize,
}

impl State {
    fn observe(&mut self, deployment: &Deployment) {
        let is_available = deployment.status.as_ref().and_then(|it| it.available_replicas).is_some_and(|it| it > 0);
        let name = deployment.name_any();
        if is_available && self.was_available.insert(name.clone()) {
            self.available.push(name);
        }
    }

    /// Servers whose children are there, and whose Deployment is available.
    fn take_ready(&mut self) -> Vec<Server> {
        let mut ready = Vec::new();
        self.available.retain(|name| match self.made.remove(name) {
            Some(server) => {
                ready.push(server);
                false
            }
            None => self.seen.contains(name),
        });
        ready
    }
}

struct Work {
    client: Client,
    texts: Vec<(String, ApiResource)>,
    /// As many as there are workers, given in the order in which they are asked for.
    turns: Semaphore,
}

impl Work {
    fn begin(self: Arc<Self>, server: Server, told: &mpsc::UnboundedSender<Result<Event>>) {
        let told = told.clone();
        tokio::spawn(async move {
            let event = self.make(&server).await.map(|()| Event::Made(server.name_any(), Box::new(server)));
            // Nobody listens any more when all is done.
            let _ = told.send(event);
        });
    }

    fn end(self: Arc<Self>, server: Server, told: &mpsc::UnboundedSender<Result<Event>>) {
        let told = told.clone();
        tokio::spawn(async move {
            let _ = told.send(self.report(&server).await.map(|()| Event::Reported));
        });
    }

    async fn make(&self, server: &Server) -> Result<()> {
        let _turn = self.turns.acquire().await?;
        let (name, uid) = (server.name_any(), server.uid().unwrap_or_default());
        for (text, resource) in &self.texts {
            let child: Value = serde_json::from_str(&text.replace(NAME, &name).replace(UID, &uid))?;
            let api = Api::<DynamicObject>::namespaced_with(self.client.clone(), "bench", resource);
            let child_name = child["metadata"]["name"].as_str().unwrap_or_default();
            api.patch(child_name, &PatchParams::apply(FLOOR).force(), &Patch::Apply(&child)).await?;
        }
        Ok(())
    }

    async fn report(&self, server: &Server) -> Result<()> {
        let _turn = self.turns.acquire().await?;
        let ready = json!({"type": "Ready", "status": "True", "reason": "Ready", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1});
        let status = json!({
            "apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer",
            "status": {"observedGeneration": 1, "conditions": [ready]},
        });
        let api = Api::<Server>::namespaced(self.client.clone(), "bench");
        let params = PatchParams::apply(FLOOR).force();
        api.patch_status(&server.name_any(), &params, &Patch::Apply(&status)).await?;
        Ok(())
    }
}

fn kind_of(template: &Value) -> Result<ApiResource> {
    let field = |name: &str| template[name].as_str().with_context(|| format!("a child without {name}"));
    let (version, kind) = (field("apiVersion")?, field("kind")?);
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    Ok(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}
