//! `Children<Live> -> Observation`: what the live objects say, sorted into what users ask. Pure.

mod pod;
mod rollout;

pub use pod::PodView;

use k8s_openapi::jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

use crate::api::conditions::Reason;
use crate::children::{Children, Live};
use crate::validate::ValidatedServer;
use pod::Finding;
use rollout::Rollout;

/// What the live objects say.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Pods that there are.
    pub replicas: i32,
    /// Pods that pass their readiness check.
    pub ready_replicas: i32,
    /// Those pods, each by what changes when it is replaced or its containers start anew.
    pub ready_pods: Vec<String>,
    /// What can be said of the workload as a whole.
    pub workload: Workload,
    /// Why pods do not come up, if one of them says so.
    pub trouble: Option<Trouble>,
    /// When time alone may change all this.
    pub look_again: Option<Duration>,
}

/// The state of the Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// The Deployment's controller has not reported on it yet.
    Unseen,
    /// No pod is wanted, and none is there.
    ScaledToZero,
    /// Pods of this generation are on their way; `serving` if older ones answer meanwhile.
    RollingOut { serving: bool },
    /// All pods are of this generation, and at least one answers.
    Up,
    /// All pods are of this generation, and none answers.
    Down,
    /// The rollout has stopped making progress; `serving` if older pods answer.
    Stuck { serving: bool },
}

/// Why something does not work, for people: a stable hint, and a detail that may vary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub reason: Reason,
    pub hint: String,
    pub detail: Option<String>,
}

/// Looks at the children of `server` and at its pods.
pub fn observe(
    server: &ValidatedServer,
    children: &Children<Live>,
    pods: &[Arc<PodView>],
    now: Timestamp,
) -> Observation {
    let rollout = children.deployments.first().map_or_else(Rollout::unseen, |it| Rollout::of(it));
    let mut trouble = rollout.refused();
    let mut look_again = None;
    if !matches!(rollout.workload, Workload::Up | Workload::ScaledToZero) {
        for pod in newest_template(pods) {
            match pod.find(server.port, now) {
                Finding::Fine => {}
                Finding::LookAgainIn(wait) => look_again = Some(look_again.map_or(wait, |it: Duration| it.min(wait))),
                Finding::Trouble(found) => trouble = trouble.or(Some(found)),
            }
        }
    }
    Observation {
        replicas: rollout.replicas,
        ready_replicas: rollout.ready_replicas,
        ready_pods: ready_pods(pods),
        workload: rollout.workload,
        trouble,
        look_again,
    }
}

fn ready_pods(pods: &[Arc<PodView>]) -> Vec<String> {
    let mut ready: Vec<_> = pods.iter().filter_map(|pod| pod.incarnation()).collect();
    ready.sort_unstable();
    ready
}

/// The pods made from the same template as the newest one. Those of older templates are on their
/// way out, and what ails them may be just what the new one mends.
fn newest_template(pods: &[Arc<PodView>]) -> impl Iterator<Item = &Arc<PodView>> {
    let newest = pods.iter().max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let template = newest.and_then(|pod| pod.template_hash());
    pods.iter().filter(move |pod| pod.template_hash() == template)
}

#[cfg(test)]
mod tests;
