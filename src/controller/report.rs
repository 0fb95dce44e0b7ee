//! Writes what [`crate::status`] worked out: the status where it changed, an event where a server
//! got into trouble or out of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource, ResourceExt};
use serde_json::json;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::stored::StoredServer;
use crate::api::conditions::Reason;
use crate::api::{MCPServer, MCPServerStatus, STATUS_MANAGER};
use crate::cache::version;
use crate::metrics::Metrics;
use crate::status;
use crate::text;

/// An event that the API server does not take in this time is dropped: it is news, not state.
pub(super) const EVENT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest note of an event that the API takes, in bytes.
pub(super) const LONGEST_NOTE: usize = 1024;

/// Reasons that call for a person.
const TROUBLE: &[Reason] = &[
    Reason::AccessDenied,
    Reason::BackendUnavailable,
    Reason::ChangeRefused,
    Reason::ContainerConfigError,
    Reason::CrashLooping,
    Reason::DependencyNotReady,
    Reason::EndpointNotFound,
    Reason::Forbidden,
    Reason::GatewayAPIMissing,
    Reason::GatewayMissing,
    Reason::GatewayNotReady,
    Reason::GatewayNotWatched,
    Reason::HandshakeRejected,
    Reason::HandshakeTimeout,
    Reason::HeadersStripped,
    Reason::HostRejected,
    Reason::HostTaken,
    Reason::ImagePullFailed,
    Reason::IngressClassMissing,
    Reason::InvalidSpec,
    Reason::LegacySSEOnly,
    Reason::MissingReference,
    Reason::NameConflict,
    Reason::NotListening,
    Reason::NotMCP,
    Reason::PodsRefused,
    Reason::ProgressDeadlineExceeded,
    Reason::Redirected,
    Reason::RejectedByCluster,
    Reason::RouteNotAccepted,
    Reason::SessionNotSticky,
    Reason::Undecodable,
    Reason::Unreachable,
    Reason::Unschedulable,
    Reason::UnsupportedProtocolVersion,
];

/// Writes statuses and events.
pub(super) struct Reporter {
    client: Client,
    recorder: Recorder,
    metrics: Arc<Metrics>,
    /// Resource version of the last write to each server, by uid, until the watch has shown it.
    written: Mutex<HashMap<String, u64>>,
    /// What the last status was about and says, by uid of the server: its generation and a hash.
    told: Mutex<HashMap<String, (Option<i64>, u64)>>,
}

impl Reporter {
    pub(super) fn new(client: Client, metrics: Arc<Metrics>) -> Self {
        let recorder = Recorder::new(client.clone(), "landfall.dev/operator".into());
        Self { client, recorder, metrics, written: Mutex::default(), told: Mutex::default() }
    }

    /// Whether the watch has yet to show our own last write: what is cached of `server` is older
    /// than what we know.
    pub(super) fn is_behind(&self, server: &MCPServer) -> bool {
        let mut written = self.written();
        let uid = server.uid().unwrap_or_default();
        let behind = match (written.get(&uid), version(server)) {
            (Some(written), Some(cached)) => cached < *written,
            _ => false,
        };
        if !behind {
            written.remove(&uid);
        }
        behind
    }

    /// Notes a server as a write of ours has left it.
    pub(super) fn wrote(&self, server: &impl Resource) {
        if let (Some(uid), Some(version)) = (server.meta().uid.clone(), version(server)) {
            self.written().insert(uid, version);
        }
    }

    /// Forgets a server that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.written().remove(uid);
        self.told().remove(uid);
    }

    /// Whether a server has the status that this process gave it last. Another one is news: of somebody who edits
    /// it, or of a leader that wrote its last when it was no longer one.
    pub(super) fn has_told(&self, server: &StoredServer) -> bool {
        let told = self.told().get(&server.uid().unwrap_or_default()).copied();
        // After a start nothing was told: no status is read for that.
        told.is_some_and(|(generation, said)| {
            server.meta().generation == generation && server.status().is_some_and(|status| hash(&status) == said)
        })
    }

    fn written(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn told(&self) -> MutexGuard<'_, HashMap<String, (Option<i64>, u64)>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes `next` the status of the server.
    pub(super) async fn report(&self, server: &MCPServer, next: &MCPServerStatus) -> Result<(), kube::Error> {
        let manifest = json!({
            "apiVersion": MCPServer::api_version(&()),
            "kind": MCPServer::kind(&()),
            // It is the status of just this state of the server. Its uid would not do: the API server does not
            // look at it here, and one made anew by the same name would have the status of the one before.
            "metadata": {"resourceVersion": server.resource_version()},
            "status": next,
        });
        let api = Api::<kube::api::PartialObjectMeta<MCPServer>>::namespaced(
            self.client.clone(),
            &server.namespace().unwrap_or_default(),
        );
        // Before it is written: the watch may be quicker than the answer.
        self.told().insert(server.uid().unwrap_or_default(), (server.metadata.generation, hash(next)));
        let params = PatchParams::apply(STATUS_MANAGER).force();
        let result = api.patch_status(&server.name_any(), &params, &Patch::Apply(&manifest)).await;
        self.metrics.status_write(result.is_ok());
        self.wrote(&result?);
        self.publish(server, status::ready(server.status.as_ref()), status::ready(Some(next))).await;
        Ok(())
    }

    async fn publish(&self, server: &MCPServer, before: Option<&Condition>, after: Option<&Condition>) {
        let Some(event) = after.and_then(|after| news(before, after)) else { return };
        let reference = server.object_ref(&());
        let published = tokio::time::timeout(EVENT_TIMEOUT, self.recorder.publish(&event, &reference)).await;
        let succeeded = matches!(published, Ok(Ok(())));
        self.metrics.event(succeeded);
        if !succeeded {
            tracing::warn!(server = %server.name_any(), reason = %event.reason, "the event was not published: {published:?}");
        }
    }
}

fn hash(status: &MCPServerStatus) -> u64 {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(serde_json::to_string(status).unwrap_or_default())
}

/// An event when trouble begins, changes or ends. A server that comes up as it should makes none:
/// each costs the API server a write, and the status says it already.
fn news(before: Option<&Condition>, after: &Condition) -> Option<Event> {
    let was = before.filter(|it| is_trouble(&it.reason)).map(|it| it.reason.as_str());
    let type_ = if is_trouble(&after.reason) && was != Some(after.reason.as_str()) {
        EventType::Warning
    } else if was.is_some() && !is_trouble(&after.reason) {
        EventType::Normal
    } else {
        return None;
    };
    Some(Event {
        type_,
        reason: after.reason.clone(),
        note: Some(text::shortened(&after.message, LONGEST_NOTE)),
        action: "Reconcile".into(),
        secondary: None,
    })
}

fn is_trouble(reason: &str) -> bool {
    TROUBLE.iter().any(|it| it.as_str() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn ready(status: &str, reason: Reason) -> Condition {
        Condition {
            type_: "Ready".into(),
            status: status.into(),
            reason: reason.as_str().into(),
            message: "m".repeat(3000),
            observed_generation: Some(1),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    #[test]
    fn a_server_that_comes_up_as_it_should_makes_no_event() {
        let (starting, up) = (ready("False", Reason::Starting), ready("True", Reason::Ready));
        assert!(news(None, &starting).is_none());
        assert!(news(Some(&starting), &up).is_none());
        assert!(news(Some(&up), &ready("False", Reason::RollingOut)).is_none());
    }

    #[test]
    fn trouble_makes_one_warning_and_its_end_one_normal_event() {
        let (crash, up) = (ready("False", Reason::CrashLooping), ready("True", Reason::Ready));
        let warning = news(Some(&up), &crash).expect("an event");
        assert!(matches!(warning.type_, EventType::Warning));
        assert!(warning.note.expect("a note").len() <= LONGEST_NOTE);
        assert!(news(Some(&crash), &crash).is_none());
        assert!(matches!(news(Some(&crash), &up).expect("an event").type_, EventType::Normal));
    }
}
