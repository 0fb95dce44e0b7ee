//! An operator behind a gate, which can be killed at any moment.
//!
//! Most runs have it in this process: the same `controller::run` with a client of its own over the same
//! wire, on a thread and a runtime of its own. A crash drops that runtime, and with it every task,
//! cache and connection, so that nothing outlives it but what the API server has: just what SIGKILL
//! leaves. It takes a tenth of the time of a process, which is what makes hundreds of runs possible; a
//! few runs with the real process show that it makes no difference.

use anyhow::{Context, Result};
use clap::Parser;
use futures::FutureExt;
use kube::client::ClientBuilder;
use kube::config::Config;
use landfall::controller;
use landfall::settings::{Platform, Settings};
use serde_json::json;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tower::timeout::TimeoutLayer;

/// As the program has it.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Between attempts to reach the API server at the start.
const RETRY: Duration = Duration::from_millis(200);

/// Where an operator runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Thread,
    Process,
}

/// An operator; killed when dropped.
pub enum Operator {
    Thread { stop: Option<oneshot::Sender<()>>, ended: Option<thread::JoinHandle<()>> },
    Process(Child),
}

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    settings: Settings,
}

impl Operator {
    /// One that serves a namespace by way of the gate at `url`.
    pub fn start(kind: Kind, namespace: &str, url: &str, directory: &Path) -> Result<Self> {
        let flags = flags(namespace);
        match kind {
            Kind::Thread => {
                let settings = Flags::try_parse_from(flags)?.settings;
                let (url, (stop, stopped)) = (url.to_owned(), oneshot::channel());
                let run = move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let Ok(runtime) = runtime else { return };
                    runtime.block_on(async {
                        tokio::select! {
                            _ = stopped => {}
                            // A process that ends by itself is started again.
                            () = again_and_again(&url, &settings) => {}
                        }
                    });
                    runtime.shutdown_background();
                };
                let ended = thread::Builder::new().name(format!("operator-{namespace}")).spawn(run)?;
                Ok(Self::Thread { stop: Some(stop), ended: Some(ended) })
            }
            Kind::Process => {
                let kubeconfig = directory.join(format!("{namespace}.kubeconfig"));
                let text = json!({
                    "apiVersion": "v1", "kind": "Config", "current-context": "it",
                    "clusters": [{"name": "it", "cluster": {"server": url}}],
                    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
                    "users": [{"name": "it", "user": {}}],
                });
                std::fs::write(&kubeconfig, text.to_string())?;
                let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
                command.args(flags).args(["--listen", "127.0.0.1:0"]).env("KUBECONFIG", kubeconfig);
                let log = std::fs::File::options()
                    .create(true)
                    .append(true)
                    .open(directory.join(format!("{namespace}.log")))?;
                let child =
                    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true).spawn()?;
                Ok(Self::Process(child))
            }
        }
    }

    /// Ends it as a crash would, and waits until it is gone.
    pub async fn kill(mut self) -> Result<()> {
        match &mut self {
            Self::Thread { stop, ended } => {
                drop(stop.take());
                let ended = ended.take().context("it runs")?;
                tokio::task::spawn_blocking(move || ended.join())
                    .await?
                    .map_err(|_| anyhow::anyhow!("the operator panicked"))
            }
            Self::Process(child) => Ok(child.kill().await?),
        }
    }
}

fn flags(namespace: &str) -> Vec<String> {
    let fixed = "operator --leader-election false --verification-route none --watch-secrets --watch-classes true \
                 --allow-cluster-rules --base-domain mcp.example.com --cluster-domain cluster.local --namespaces";
    fixed.split_whitespace().chain([namespace]).map(str::to_owned).collect()
}

async fn again_and_again(url: &str, settings: &Settings) {
    loop {
        if let Err(error) = operate(url, settings).await {
            tracing::error!("the operator ended: {error:#}");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// What the program does after it has read its arguments.
async fn operate(url: &str, settings: &Settings) -> Result<()> {
    let layer = TimeoutLayer::new(REQUEST_TIMEOUT);
    // Without TLS, what the system trusts is of no use; reading it would take longer than the rest of a start.
    let mut config = Config::new(url.parse()?);
    config.root_cert = Some(Vec::new());
    let client = ClientBuilder::try_from(config)?.with_layer(&layer).build();
    let groups = client.list_api_groups().await?.groups;
    let platform = Platform {
        allow_cluster_rules: settings.allow_cluster_rules,
        watch_secrets: settings.watch_secrets,
        expose: settings.expose.clone(),
        ..Platform::default()
    };
    let for_ever = std::future::pending().boxed().shared();
    controller::run(client.clone(), client, &groups, settings, &platform, std::sync::Arc::default(), for_ever).await
}
