//! `Children<Live> -> Observation`: what the live objects say, sorted into what users ask. Pure.

mod dependency;
mod exposure;
mod pod;
mod rollout;

pub use dependency::DependencyState;
pub use exposure::{Called, ExposureState, FrontDoor};
pub use pod::PodView;

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Duration;

use crate::api::conditions::Reason;
use crate::children::{Children, Live};
use crate::labels;
use crate::validate::{PartName, ValidatedServer};
use pod::{Finding, Silence};
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
    /// How each dependency is.
    pub dependencies: Vec<DependencyState>,
    /// How the way in is; `None` for a server that is not exposed.
    pub exposure: Option<ExposureState>,
    /// When time alone may change all this.
    pub look_again: Option<Duration>,
}

/// The state of the Deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// There is no Deployment yet: its first rollout waits for dependencies.
    Waiting,
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
    let own = children.deployments.iter().find(|it| it.name_any() == server.name.as_str());
    let rollout = own.map_or_else(Rollout::unseen, |it| Rollout::of(it));
    let workload = if server.waits_for.is_empty() { rollout.workload } else { Workload::Waiting };
    let (mut trouble, mut look_again) = (rollout.refused(), None);
    if !matches!(workload, Workload::Up | Workload::ScaledToZero) {
        let silence = Silence::OfServer { port: server.port };
        let (found, again) = troubles(pods_of(pods, &server.pod.part), &silence, now);
        trouble = trouble.or(found);
        look_again = again;
    }
    let (dependencies, again) = dependency::observe(server, children, pods, now);
    Observation {
        replicas: rollout.replicas,
        ready_replicas: rollout.ready_replicas,
        ready_pods: ready_pods(pods_of(pods, &server.pod.part)),
        workload,
        trouble,
        dependencies,
        exposure: exposure::observe(server, children),
        look_again: [look_again, again].into_iter().flatten().min(),
    }
}

/// What ails the newest of `pods`, or when that may be known.
fn troubles<'a>(
    pods: impl Iterator<Item = &'a Arc<PodView>> + Clone,
    silence: &Silence<'_>,
    now: Timestamp,
) -> (Option<Trouble>, Option<Duration>) {
    let (mut trouble, mut look_again) = (None, None);
    for pod in newest_template(pods) {
        match pod.find(silence, now) {
            Finding::Fine => {}
            Finding::LookAgainIn(wait) => look_again = [look_again, Some(wait)].into_iter().flatten().min(),
            Finding::Trouble(found) => trouble = trouble.or(Some(found)),
        }
    }
    (trouble, look_again)
}

/// Those of one part of the server.
fn pods_of<'a>(pods: &'a [Arc<PodView>], part: &PartName) -> impl Iterator<Item = &'a Arc<PodView>> + Clone {
    pods.iter().filter(|pod| labels::has(&***pod, labels::COMPONENT, part.component()))
}

fn ready_pods<'a>(pods: impl Iterator<Item = &'a Arc<PodView>>) -> Vec<String> {
    let mut ready: Vec<_> = pods.filter_map(|pod| pod.incarnation()).collect();
    ready.sort_unstable();
    ready
}

/// The pods made from the same template as the newest one. Those of older templates are on their
/// way out, and what ails them may be just what the new one mends.
fn newest_template<'a>(pods: impl Iterator<Item = &'a Arc<PodView>> + Clone) -> impl Iterator<Item = &'a Arc<PodView>> {
    let newest = pods.clone().max_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let template = newest.and_then(|pod| pod.template_hash());
    pods.filter(move |pod| pod.template_hash() == template)
}

#[cfg(test)]
mod tests;
