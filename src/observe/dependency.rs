//! How the dependencies of a server are.

use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use std::sync::Arc;
use std::time::Duration;

use super::rollout::Rollout;
use super::{PodView, Silence, Trouble, pods_of, troubles};
use crate::api::conditions::Reason;
use crate::children::{Children, Live};
use crate::text;
use crate::validate::{DependencyPlan, ManagedDependency, PartName, ValidatedServer};

/// How one dependency is.
#[derive(Clone, Debug, PartialEq)]
pub struct DependencyState {
    pub name: String,
    pub url: Option<String>,
    /// `None` for a good one.
    pub trouble: Option<Trouble>,
}

/// Looks at each dependency of `server`; also says when time alone may change that.
pub(super) fn observe(
    server: &ValidatedServer,
    children: &Children<Live>,
    pods: &[Arc<PodView>],
    now: Timestamp,
) -> (Vec<DependencyState>, Option<Duration>) {
    let mut look_again: Option<Duration> = None;
    let mut state = |it: &DependencyPlan| {
        let trouble = it.managed.as_ref().and_then(|managed| {
            let (trouble, again) = trouble(&it.name, managed, children, pods, now);
            look_again = [look_again, again].into_iter().flatten().min();
            trouble
        });
        DependencyState { name: it.name.clone(), url: it.url.clone(), trouble }
    };
    (server.dependencies.iter().map(&mut state).collect(), look_again)
}

/// What keeps it from being ready. One that is run elsewhere is not looked at.
fn trouble(
    name: &str,
    dependency: &ManagedDependency,
    children: &Children<Live>,
    pods: &[Arc<PodView>],
    now: Timestamp,
) -> (Option<Trouble>, Option<Duration>) {
    let part = &dependency.pod.part;
    if !dependency.waits_for.is_empty() {
        let hint = format!("It starts when these are ready: {}.", dependency.waits_for.join(", "));
        return (Some(Trouble::new(Reason::WaitingForDependencies, &hint, None)), None);
    }
    let rollout = rollout(part, children);
    if rollout.ready_replicas > 0 {
        return (None, None);
    }
    let silence = Silence::OfDependency { name };
    let (found, look_again) = troubles(pods_of(pods, part), &silence, now);
    let found = rollout.refused().or(found).map(|it| with_claim(it, dependency, children));
    let starting = || Trouble::new(Reason::Starting, "Its pod does not pass its readiness check yet.", None);
    (Some(found.unwrap_or_else(starting)), look_again)
}

fn rollout(part: &PartName, children: &Children<Live>) -> Rollout {
    let name = part.to_string();
    let stateful = children.stateful_sets.iter().find(|it| it.name_any() == name);
    let deployment = children.deployments.iter().find(|it| it.name_any() == name);
    let deployment = deployment.map(|it| Rollout::of(it));
    stateful.map(|it| Rollout::of_stateful(it)).or(deployment).unwrap_or_else(Rollout::unseen)
}

/// A pod that no node can take says little when what it lacks is its volume.
fn with_claim(trouble: Trouble, dependency: &ManagedDependency, children: &Children<Live>) -> Trouble {
    let name = dependency.pod.part.storage();
    let claim = children.persistent_volume_claims.iter().find(|it| it.name_any() == name);
    let phase = claim.and_then(|it| it.status.as_ref()?.phase.clone());
    if trouble.reason != Reason::Unschedulable || phase.as_deref() != Some("Pending") {
        return trouble;
    }
    let class = claim.and_then(|it| it.spec.as_ref()?.storage_class_name.clone());
    let class = class.map_or("the cluster's default class, if it has one".to_owned(), |it| format!("class \"{it}\""));
    let hint = format!(
        "Its claim \"{name}\" has no volume yet, which {class} should make: check that the class exists and works \
         (kubectl get storageclass; kubectl describe pvc {name})."
    );
    Trouble { reason: Reason::StorageNotBound, hint, detail: trouble.detail.map(|it| text::clean(&it, text::MESSAGE)) }
}
