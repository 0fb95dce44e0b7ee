//! What was seen -> the tree. Pure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;

use super::{Seen, SeenEvent, SeenPod};
use crate::api::conditions::ConditionType;
use crate::api::{DependencyStatus, MCPServerStatus, ServerStatus};
use crate::cli::tree::{Mark, Node};
use crate::text;

/// Whether a client can use the server.
pub(super) fn is_ready(status: &MCPServerStatus) -> bool {
    condition(status, ConditionType::Ready).is_some_and(|it| it.status == "True")
}

pub(super) fn tree(seen: &Seen, now: Timestamp) -> Node {
    let status = &seen.status;
    let ready = condition(status, ConditionType::Ready);
    let said = ready.map_or_else(|| "the operator has not seen it yet".to_owned(), sentence);
    let title = format!("{} in {}", seen.name, seen.namespace);
    let mut root = Node::new(ready.map_or(Mark::Waiting, mark), title, said);
    let behind = seen.generation.zip(status.observed_generation).is_some_and(|(now, then)| now > then);
    if behind {
        root.children.push(Node::new(Mark::Waiting, "spec", "has changed; what follows is about the one before"));
    }
    root.children.push(route(status));
    root.children.extend(status.server.as_ref().map(|it| Node::new(Mark::Plain, "server", server(it))));
    root.children.extend(condition(status, ConditionType::Verified).map(|it| {
        Node::new(
            mark(it),
            "probe",
            format!("{}; so since {}", sentence(it), age(Some(it.last_transition_time.0), now)),
        )
    }));
    root.children.push(pods("pods", &seen.pods, "server", status));
    root.children.extend(status.dependencies.iter().map(|it| dependency(it, seen)));
    root.children.extend(troubles(status));
    if !seen.events.is_empty() {
        let events = seen.events.iter().rev().map(|it| event(it, now));
        root.children.push(Node::new(Mark::Plain, "events", "newest first").with(events));
    }
    root
}

/// How clients get in.
fn route(status: &MCPServerStatus) -> Node {
    let Some(url) = &status.url else { return Node::new(Mark::Waiting, "URL", "none yet") };
    let node = Node::new(Mark::Plain, "URL", url.as_str());
    match &status.cluster_url {
        Some(inner) if inner != url => node.with([Node::new(Mark::Plain, "within the cluster", inner.as_str())]),
        _ => node,
    }
}

fn server(it: &ServerStatus) -> String {
    let mut parts = Vec::new();
    let name = [it.name.as_deref(), it.version.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    parts.extend((!name.is_empty()).then(|| text::clean(&name, text::NAME)));
    parts.extend(it.protocol_version.as_ref().map(|it| format!("protocol {it}")));
    parts.extend(it.tool_count.map(|it| format!("{it} tools")));
    parts.extend(it.auth_required.then(|| "asks for credentials".to_owned()));
    parts.join(", ")
}

fn pods(label: &str, pods: &[SeenPod], part: &str, status: &MCPServerStatus) -> Node {
    let own: Vec<_> = pods.iter().filter(|it| it.part == part).collect();
    let ready = own.iter().filter(|it| it.ready).count();
    let mark = if ready > 0 || status.replicas == Some(0) { Mark::Good } else { Mark::Waiting };
    Node::new(mark, label, format!("{ready} of {} ready", own.len())).with(own.into_iter().map(pod))
}

fn pod(it: &SeenPod) -> Node {
    let is_failing =
        !it.ready && !["Pending", "ContainerCreating", "Running", "PodInitializing"].contains(&it.state.as_str());
    let mark = match (it.ready, is_failing) {
        (true, _) => Mark::Good,
        (false, true) => Mark::Bad,
        (false, false) => Mark::Waiting,
    };
    let restarts = match it.restarts {
        0 => String::new(),
        1 => ", restarted once".into(),
        more => format!(", restarted {more} times"),
    };
    let ready = if it.ready { "" } else { ", not ready" };
    let line = it.last_log_line.iter().map(|it| Node::new(Mark::Plain, "last line", it.as_str()));
    Node::new(mark, it.name.as_str(), format!("{}{ready}{restarts}", it.state)).with(line)
}

fn dependency(it: &DependencyStatus, seen: &Seen) -> Node {
    let said = match (it.ready, &it.message) {
        (true, _) => it.url.clone().unwrap_or_default(),
        (false, Some(message)) => format!("{}: {message}", it.reason.as_deref().unwrap_or("not ready")),
        (false, None) => it.reason.clone().unwrap_or_else(|| "not ready".into()),
    };
    let troubled = seen.pods.iter().filter(|pod| pod.part == it.name && !pod.ready).map(pod);
    Node::new(if it.ready { Mark::Good } else { Mark::Waiting }, it.name.as_str(), said).with(troubled)
}

/// Conditions that are not as they should be, and have no line of their own.
fn troubles(status: &MCPServerStatus) -> impl Iterator<Item = Node> + use<'_> {
    let shown = [ConditionType::Ready, ConditionType::Verified, ConditionType::DependenciesReady];
    let is_shown = move |it: &&Condition| shown.iter().any(|shown| shown.as_str() == it.type_);
    let progress = [ConditionType::Reconciling, ConditionType::Stalled];
    let is_progress = move |it: &&Condition| progress.iter().any(|progress| progress.as_str() == it.type_);
    let ready = condition(status, ConditionType::Ready).map(|it| it.message.as_str());
    // The sum has the message of what is wrong: it is not said twice.
    let is_said = move |it: &&Condition| ready == Some(it.message.as_str());
    let wrong = status.conditions.iter().filter(move |it| !is_shown(it) && !is_progress(it) && !is_said(it));
    wrong.filter(|it| it.status != "True").map(|it| Node::new(mark(it), it.type_.as_str(), sentence(it)))
}

fn event(it: &SeenEvent, now: Timestamp) -> Node {
    let mark = if it.warning { Mark::Bad } else { Mark::Plain };
    Node::new(mark, age(it.time, now), format!("{} ({}): {}", it.reason, it.object, it.message))
}

fn condition(status: &MCPServerStatus, type_: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|it| it.type_ == type_.as_str())
}

fn sentence(it: &Condition) -> String {
    if it.message.is_empty() { it.reason.clone() } else { format!("{}: {}", it.reason, it.message) }
}

fn mark(it: &Condition) -> Mark {
    match it.status.as_str() {
        "True" => Mark::Good,
        "False" => Mark::Bad,
        _ => Mark::Waiting,
    }
}

/// As `kubectl get` shows it.
fn age(then: Option<Timestamp>, now: Timestamp) -> String {
    let Some(then) = then else { return "?".into() };
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tree::{Style, draw};
    use serde_json::{from_value, json};

    fn status(ready: &str) -> MCPServerStatus {
        from_value(json!({
            "url": "http://echo.team.svc.cluster.local:3001/mcp",
            "clusterUrl": "http://echo.team.svc.cluster.local:3001/mcp",
            "observedGeneration": 1, "replicas": 1, "readyReplicas": 1,
            "server": {"name": "echo-server", "version": "0.1.0", "protocolVersion": "2025-11-25", "toolCount": 2},
            "dependencies": [{"name": "qdrant", "ready": ready == "True", "url": "http://echo-qdrant:6333",
                "reason": "CrashLooping", "message": "the container starts and ends again: no space left on device"}],
            "conditions": [
                {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Ready", "status": ready, "reason": "Verified", "message": "a client can use it", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Verified", "status": ready, "reason": "Verified", "message": "the handshake succeeded", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ],
        }))
        .expect("a status")
    }

    fn pod(part: &str, ready: bool) -> SeenPod {
        SeenPod {
            name: format!("echo-{part}-0"),
            part: part.into(),
            ready,
            state: if ready { "Running".into() } else { "CrashLoopBackOff".into() },
            restarts: if ready { 0 } else { 4 },
            last_log_line: (!ready)
                .then(|| "panicked: no space left on device while writing a segment of the log".into()),
        }
    }

    fn drawn(seen: &Seen) -> String {
        let now = "2026-01-01T00:05:00Z".parse().expect("a time");
        draw(&tree(seen, now), Style { width: 80, colour: false })
    }

    fn seen(ready: &str) -> Seen {
        Seen {
            name: "echo".into(),
            namespace: "team".into(),
            generation: Some(1),
            status: status(ready),
            pods: vec![pod("server", true), pod("qdrant", ready == "True")],
            events: Vec::new(),
        }
    }

    #[test]
    fn a_ready_server() {
        insta::assert_snapshot!("ready", drawn(&seen("True")));
    }

    #[test]
    fn a_server_whose_database_fails() {
        let mut seen = seen("False");
        seen.generation = Some(2);
        let time = Some("2026-01-01T00:04:30Z".parse().expect("a time"));
        let message = "Back-off restarting failed container qdrant in pod echo-qdrant-0_team(6c1b)".into();
        seen.events = vec![SeenEvent {
            time,
            warning: true,
            reason: "BackOff".into(),
            object: "Pod echo-qdrant-0".into(),
            message,
        }];
        insta::assert_snapshot!("failing", drawn(&seen));
    }

    #[test]
    fn a_server_that_nobody_has_seen() {
        let seen = Seen { status: MCPServerStatus::default(), pods: Vec::new(), ..seen("True") };
        insta::assert_snapshot!("unseen", drawn(&seen));
    }
}
