//! What a pod's status says about why it does not work. Only what is read here is kept of a pod.

use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod, PodCondition};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::{Deserialize, Serialize};
use std::time::Duration;

use super::Trouble;
use crate::api::conditions::Reason;
use crate::text;

/// A pod, less everything that is not looked at: a whole one is ten times as large.
#[derive(Resource, Deserialize, Serialize, Clone, Debug)]
#[resource(inherit = Pod)]
pub struct PodView {
    pub metadata: ObjectMeta,
    #[serde(default)]
    pub status: PodStatusView,
}

/// The part of a pod's status that is looked at.
#[derive(Deserialize, Serialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
pub struct PodStatusView {
    #[serde(default)]
    pub conditions: Vec<PodCondition>,
    #[serde(default)]
    pub container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    pub init_container_statuses: Vec<ContainerStatus>,
}

/// A server that has not opened its port after this time is called one that does not listen. It may
/// still come: some download a model first. Then the condition clears by itself.
const LISTENS_WITHIN: Duration = Duration::from_secs(15);

/// Why a pod does not work, or when to look again.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Finding {
    Fine,
    Trouble(Trouble),
    LookAgainIn(Duration),
}

impl PodView {
    pub(super) fn find(&self, silence: &Silence<'_>, now: Timestamp) -> Finding {
        if self.metadata.deletion_timestamp.is_some() || self.has("Ready") {
            return Finding::Fine;
        }
        if let Some(trouble) = self.unschedulable() {
            return Finding::Trouble(trouble);
        }
        let containers = self.status.init_container_statuses.iter().chain(&self.status.container_statuses);
        let mut again = None;
        for container in containers {
            match in_container(container, silence, now) {
                Finding::Fine => {}
                Finding::Trouble(trouble) => return Finding::Trouble(trouble),
                Finding::LookAgainIn(wait) => again = Some(wait),
            }
        }
        again.map_or(Finding::Fine, Finding::LookAgainIn)
    }

    /// Another text for each start of a container of each pod; `None` for one that is not ready.
    pub(super) fn incarnation(&self) -> Option<String> {
        let starts: i32 = self.status.container_statuses.iter().map(|it| it.restart_count).sum();
        let is_ready = self.has("Ready") && self.metadata.deletion_timestamp.is_none();
        is_ready.then(|| format!("{}/{starts}", self.metadata.uid.as_deref().unwrap_or_default()))
    }

    /// Which template of its Deployment a pod was made from.
    pub(super) fn template_hash(&self) -> Option<&String> {
        self.metadata.labels.as_ref()?.get("pod-template-hash")
    }

    fn has(&self, condition: &str) -> bool {
        self.status.conditions.iter().any(|it| it.type_ == condition && it.status == "True")
    }

    fn unschedulable(&self) -> Option<Trouble> {
        let is_it = |it: &&PodCondition| {
            it.type_ == "PodScheduled" && it.status == "False" && it.reason.as_deref() == Some("Unschedulable")
        };
        let condition = self.status.conditions.iter().find(is_it)?;
        Some(Trouble::new(
            Reason::Unschedulable,
            "No node can take the pod: add capacity, or relax resources, nodeSelector, tolerations or affinity.",
            condition.message.as_deref(),
        ))
    }
}

fn in_container(status: &ContainerStatus, silence: &Silence<'_>, now: Timestamp) -> Finding {
    let state = status.state.clone().unwrap_or_default();
    if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref();
        match waiting.reason.as_deref().unwrap_or_default() {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => {
                return Finding::Trouble(image_trouble(&status.image, message));
            }
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
                return Finding::Trouble(unmakeable(message));
            }
            _ => {}
        }
    }
    let was_killed_unstarted = status.started == Some(false);
    let ended = state.terminated.or_else(|| status.last_state.clone().unwrap_or_default().terminated);
    match (ended, state.running) {
        (Some(end), _) => Finding::Trouble(crash(&end, was_killed_unstarted, silence)),
        (None, Some(running)) => silent(running.started_at.map(|time| time.0), silence, now),
        (None, None) => Finding::Fine,
    }
}

/// The two reasons that kubelet alternates between say the same: one text for both, or the status
/// would change for ever.
fn image_trouble(image: &str, message: Option<&str>) -> Trouble {
    let detail = message.map(|text| text.split_once("ErrImagePull: ").map_or(text, |(_, rest)| rest));
    Trouble::new(
        Reason::ImagePullFailed,
        &format!(
            "The image \"{image}\" cannot be pulled: check its name and tag, and imagePullSecrets for a private registry."
        ),
        detail.filter(|text| !text.starts_with("Back-off")),
    )
}

fn unmakeable(message: Option<&str>) -> Trouble {
    Trouble::new(
        Reason::ContainerConfigError,
        "The container cannot be made as described: check the Secrets, keys, command, user and mounts that it names.",
        message,
    )
}

fn crash(end: &ContainerStateTerminated, before_start: bool, silence: &Silence<'_>) -> Trouble {
    let (code, reason, message) = (end.exit_code, end.reason.as_deref(), end.message.as_deref());
    // The same as RunContainerError, seen a moment later.
    if matches!(reason, Some("StartError" | "ContainerCannotRun")) {
        return unmakeable(message);
    }
    // 137 and 143: ended by a signal, which is kubelet's after a failed startup or liveness probe.
    if before_start && matches!(code, 137 | 143) && reason != Some("OOMKilled") {
        return silence.trouble();
    }
    let hint = match (code, reason) {
        (_, Some("OOMKilled")) => {
            "The container used more memory than its limit: raise resources.limits.memory.".to_owned()
        }
        (0, _) => "The server ended by itself, without an error. One that speaks stdio does so at once: turn on its \
                   streamable HTTP transport with args or env."
            .to_owned(),
        (code, _) => format!("The container ends with exit code {code}: see its log with kubectl logs."),
    };
    let last_line = message.and_then(|text| text.lines().rev().find(|line| !line.trim().is_empty()));
    Trouble::new(Reason::CrashLooping, &hint, last_line)
}

fn silent(started_at: Option<Timestamp>, silence: &Silence<'_>, now: Timestamp) -> Finding {
    let Some(started_at) = started_at else { return Finding::Fine };
    let running = now.duration_since(started_at).unsigned_abs();
    match LISTENS_WITHIN.checked_sub(running) {
        Some(wait) if !wait.is_zero() => Finding::LookAgainIn(wait),
        _ => Finding::Trouble(silence.trouble()),
    }
}

/// Whose container it is that runs and does not answer: what helps depends on it.
pub(super) enum Silence<'a> {
    OfServer { port: i32 },
    OfDependency { name: &'a str },
}

impl Silence<'_> {
    fn trouble(&self) -> Trouble {
        let hint = match self {
            Self::OfServer { port } => format!(
                "The container runs but its health check on port {port} fails: make the server listen on 0.0.0.0:{port} \
                 (many listen on 127.0.0.1 only, or on another port), or set spec.port to the port that it uses."
            ),
            Self::OfDependency { name } => format!(
                "The container runs but its readiness check fails: see its log with kubectl logs, and compare ports \
                 and probes of spec.dependencies[{name}] with what the image does."
            ),
        };
        Trouble::new(Reason::NotListening, &hint, None)
    }
}

impl Trouble {
    /// Nothing is wrong: it just takes its time.
    pub fn is_start(&self) -> bool {
        matches!(self.reason, Reason::Starting | Reason::WaitingForDependencies)
    }

    pub(super) fn new(reason: Reason, hint: &str, detail: Option<&str>) -> Self {
        let detail = detail.map(|text| text::clean(text, text::MESSAGE)).filter(|text| !text.is_empty());
        Self { reason, hint: hint.to_owned(), detail }
    }
}
