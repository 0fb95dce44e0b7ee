//! `landfall operator`.

use anyhow::Context;
use futures::FutureExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIGroup;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower::timeout::TimeoutLayer;
use tracing_subscriber::EnvFilter;

use crate::controller::{self, Fence, Health, Shutdown};
use crate::settings::{LogFormat, Platform, Settings, domain_of};

/// Until the head of an answer: a watch stays open for as long as it likes.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Between attempts to reach the API server at the start.
const RETRY: Duration = Duration::from_secs(2);

const DEFAULT_DOMAIN: &str = "cluster.local";

/// Arguments of `landfall operator`.
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    settings: Settings,

    /// Prints the settings as they were understood, and ends.
    #[arg(long)]
    print_settings: bool,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let settings = args.settings;
    if args.print_settings {
        println!("{}", serde_json::to_string_pretty(&settings)?);
        return Ok(());
    }
    start_log(&settings)?;
    let shutdown = on_signal()?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}: choose another address with --listen", settings.listen))?;
    let health = Arc::new(Health::default());
    health.wait_for(Some("the API server does not answer yet".into()));
    tokio::spawn(controller::serve(listener, Arc::clone(&health)));
    let (client, conversations) = connect().await?;
    let groups = tokio::select! {
        groups = api_groups(&client) => groups,
        () = shutdown.clone() => return Ok(()),
    };
    let platform = found_platform(&groups, &settings);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cluster_domain = platform.cluster_domain,
        openshift = platform.openshift,
        "starting"
    );
    controller::run(client, conversations, &groups, &settings, &platform, health, shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

fn start_log(settings: &Settings) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&settings.log).with_context(|| format!("--log: \"{}\" is no filter", settings.log))?;
    // No colour where nobody sees it, and none with NO_COLOR.
    let is_coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(is_coloured);
    match settings.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).with_span_list(false).init(),
    }
    Ok(())
}

/// Ends at the first signal to stop; a second one ends the process at once.
fn on_signal() -> anyhow::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping: open work is finished first");
        let _ = sender.send(());
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        std::process::exit(1);
    });
    Ok(receiver.map(drop).boxed().shared())
}

/// A client for the API server, and one for conversations that go through it.
async fn connect() -> anyhow::Result<(Client, Client)> {
    let config = Config::infer()
        .await
        .context("no cluster: set KUBECONFIG to a kubeconfig file, or run in a pod with a ServiceAccount")?;
    let layer = TimeoutLayer::new(REQUEST_TIMEOUT);
    // What a server answers is to be heard, not to be tried again until something else is answered.
    let mut conversations = config.clone();
    conversations.default_retry = false;
    let conversations = ClientBuilder::try_from(conversations)?.with_layer(&layer).build();
    let fence = Fence::default();
    let client = ClientBuilder::try_from((config, fence.connections()))?.with_layer(&fence).with_layer(&layer).build();
    Ok((client, conversations))
}

/// Which kinds of objects there are; waits for the API server if it does not answer.
async fn api_groups(client: &Client) -> Vec<APIGroup> {
    loop {
        match client.list_api_groups().await {
            Ok(list) => return list.groups,
            Err(error) => tracing::warn!("the API server does not answer, trying again: {error}"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// What the pure steps need to know.
fn found_platform(groups: &[APIGroup], settings: &Settings) -> Platform {
    let openshift = groups.iter().any(|group| group.name == "security.openshift.io");
    let found = || domain_of(&std::fs::read_to_string("/etc/resolv.conf").ok()?);
    platform(settings, settings.cluster_domain.clone().or_else(found), openshift)
}

/// What the pure steps need to know of a cluster that is like this.
pub(super) fn platform(settings: &Settings, cluster_domain: Option<String>, openshift: bool) -> Platform {
    Platform {
        cluster_domain: cluster_domain.unwrap_or_else(|| DEFAULT_DOMAIN.into()),
        openshift,
        registry_mirror: settings.registry_mirror.clone(),
        server_defaults: settings.server_defaults.clone(),
        allow_cluster_rules: settings.allow_cluster_rules,
        watch_secrets: settings.watch_secrets,
        expose: settings.expose.clone(),
    }
}
