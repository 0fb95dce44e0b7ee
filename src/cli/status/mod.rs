//! `landfall status NAME`: all that there is to know of a server, on one screen.

mod report;

use anyhow::Result;
use clap::ValueEnum;
use k8s_openapi::api::core::v1::{Event, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Api, ListParams, LogParams};
use serde::Serialize;
use std::process::ExitCode;

use super::cluster::{self, Cluster};
use super::tree::{self, Style};
use crate::api::{MCPServer, MCPServerStatus};
use crate::{labels, text};

/// Events that are shown.
const EVENTS: usize = 5;

/// Longest line of a log that is shown.
const LONGEST_LINE: usize = 200;

/// Ends with 0 if the server is Ready, and with 1 if it is not.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Name of the server
    name: String,
    #[command(flatten)]
    cluster: cluster::Args,
    /// How to show it
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// What was seen of a server. Text of others is made fit for a terminal on the way in.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Seen {
    name: String,
    namespace: String,
    generation: Option<i64>,
    status: MCPServerStatus,
    pods: Vec<SeenPod>,
    events: Vec<SeenEvent>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct SeenPod {
    name: String,
    /// `server`, or the name of a dependency.
    part: String,
    ready: bool,
    state: String,
    restarts: i32,
    last_log_line: Option<String>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
struct SeenEvent {
    time: Option<Timestamp>,
    warning: bool,
    reason: String,
    object: String,
    message: String,
}

pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let cluster = args.cluster.connect().await?;
    let server = cluster.server(&args.name).await?;
    let seen = look(&cluster, &server).await;
    match args.output {
        Output::Text => print!("{}", tree::draw(&report::tree(&seen, Timestamp::now()), Style::of_terminal())),
        Output::Json => println!("{:#}", serde_json::to_value(&seen)?),
    }
    Ok(if report::is_ready(&seen.status) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a person may not see is left out: the rest is as good.
async fn look(cluster: &Cluster, server: &MCPServer) -> Seen {
    let name = server.name_any();
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let selector = format!("{}={name},app.kubernetes.io/name=mcpserver", labels::INSTANCE);
    let found = pods.list(&ListParams::default().labels(&selector)).await.map(|it| it.items).unwrap_or_default();
    let mut seen = Vec::new();
    // One on its way out says nothing of the server.
    for pod in found.iter().filter(|it| it.metadata.deletion_timestamp.is_none()) {
        let mut it = pod_of(pod);
        if !it.ready {
            it.last_log_line = last_line(&pods, &it).await;
        }
        seen.push(it);
    }
    let troubled = seen.iter().filter(|it| !it.ready).map(|it| it.name.clone());
    let events = events(cluster, std::iter::once(name.clone()).chain(troubled)).await;
    Seen {
        name,
        namespace: cluster.namespace.clone(),
        generation: server.metadata.generation,
        status: server.status.clone().unwrap_or_default(),
        pods: seen,
        events,
    }
}

fn pod_of(pod: &Pod) -> SeenPod {
    let status = pod.status.as_ref();
    let containers = status.and_then(|it| it.container_statuses.as_ref());
    let container = containers.and_then(|it| it.first());
    let conditions = status.and_then(|it| it.conditions.as_ref()).into_iter().flatten();
    let ready = conditions.clone().any(|it| it.type_ == "Ready" && it.status == "True");
    let state = container.and_then(|it| it.state.as_ref());
    let reason = state.and_then(|it| {
        let waiting = it.waiting.as_ref().and_then(|it| it.reason.clone());
        waiting.or_else(|| it.terminated.as_ref().and_then(|it| it.reason.clone()))
    });
    let unscheduled = conditions.clone().find(|it| it.type_ == "PodScheduled" && it.status == "False");
    let unscheduled = unscheduled.and_then(|it| it.reason.clone());
    let phase = status.and_then(|it| it.phase.clone());
    let component = pod.labels().get(labels::COMPONENT).cloned();
    SeenPod {
        name: pod.name_any(),
        part: component.unwrap_or_default(),
        ready,
        state: text::clean(&reason.or(unscheduled).or(phase).unwrap_or_default(), text::NAME),
        restarts: container.map_or(0, |it| it.restart_count),
        last_log_line: None,
    }
}

/// The last words of a container; of the one before, where this one has yet to speak.
async fn last_line(pods: &Api<Pod>, pod: &SeenPod) -> Option<String> {
    for previous in [false, true] {
        let params = LogParams { tail_lines: Some(1), limit_bytes: Some(4096), previous, ..LogParams::default() };
        let line = pods.logs(&pod.name, &params).await.unwrap_or_default();
        let line = text::clean(&line, LONGEST_LINE);
        if !line.is_empty() {
            return Some(line);
        }
    }
    None
}

/// The newest events about some objects, oldest first.
async fn events(cluster: &Cluster, about: impl Iterator<Item = String>) -> Vec<SeenEvent> {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), &cluster.namespace);
    let mut events = Vec::new();
    for name in about {
        let params = ListParams::default().fields(&format!("involvedObject.name={name}"));
        events.extend(api.list(&params).await.map(|it| it.items).unwrap_or_default());
    }
    let time = |it: &Event| {
        let series = it.series.as_ref().and_then(|it| it.last_observed_time.as_ref()).map(|it| it.0);
        let last = series.or_else(|| it.last_timestamp.as_ref().map(|it| it.0));
        last.or_else(|| it.event_time.as_ref().map(|it| it.0))
    };
    let mut seen: Vec<_> = events
        .iter()
        .map(|it| SeenEvent {
            time: time(it),
            warning: it.type_.as_deref() == Some("Warning"),
            reason: text::clean(it.reason.as_deref().unwrap_or_default(), text::NAME),
            object: format!(
                "{} {}",
                it.involved_object.kind.as_deref().unwrap_or_default(),
                it.involved_object.name.as_deref().unwrap_or_default()
            ),
            message: text::clean(it.message.as_deref().unwrap_or_default(), text::MESSAGE),
        })
        .collect();
    seen.sort_by_key(|it| it.time);
    seen.drain(..seen.len().saturating_sub(EVENTS));
    seen
}
