//! How far a Deployment is, in the terms that its controller reports.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentCondition, DeploymentStatus, StatefulSet};

use super::{Trouble, Workload};
use crate::api::conditions::Reason;

pub(super) struct Rollout {
    pub(super) replicas: i32,
    pub(super) ready_replicas: i32,
    pub(super) workload: Workload,
    failure: Option<String>,
}

impl Rollout {
    pub(super) fn unseen() -> Self {
        Self { replicas: 0, ready_replicas: 0, workload: Workload::Unseen, failure: None }
    }

    pub(super) fn of(deployment: &Deployment) -> Self {
        let Some(status) = &deployment.status else { return Self::unseen() };
        let is_current = status.observed_generation >= deployment.metadata.generation;
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let failure = condition(status, "ReplicaFailure").filter(|it| it.status == "True");
        Self {
            replicas: status.replicas.unwrap_or(0),
            ready_replicas: status.ready_replicas.unwrap_or(0),
            workload: workload(status, wanted, is_current),
            failure: failure.and_then(|it| it.message.clone()),
        }
    }

    /// A `StatefulSet` with its one pod.
    pub(super) fn of_stateful(stateful_set: &StatefulSet) -> Self {
        let Some(status) = &stateful_set.status else { return Self::unseen() };
        let ready_replicas = status.ready_replicas.unwrap_or(0);
        let serving = ready_replicas > 0;
        let is_current = status.observed_generation >= stateful_set.metadata.generation;
        let is_updated = is_current && status.current_revision == status.update_revision;
        Self {
            replicas: status.replicas,
            ready_replicas,
            workload: match (is_updated, serving) {
                (true, true) => Workload::Up,
                (true, false) => Workload::Down,
                (false, serving) => Workload::RollingOut { serving },
            },
            failure: None,
        }
    }

    /// The API server refuses to let the pods be made.
    pub(super) fn refused(&self) -> Option<Trouble> {
        let message = self.failure.as_deref()?;
        Some(Trouble::new(
            Reason::PodsRefused,
            "The cluster refuses the pods: a quota, or Pod Security that forbids what securityContext or podTemplate ask for.",
            Some(message),
        ))
    }
}

fn workload(status: &DeploymentStatus, wanted: i32, is_current: bool) -> Workload {
    let replicas = status.replicas.unwrap_or(0);
    let available = status.available_replicas.unwrap_or(0);
    let serving = available > 0;
    if !is_current {
        return if serving { Workload::RollingOut { serving } } else { Workload::Unseen };
    }
    if wanted == 0 {
        return if replicas == 0 { Workload::ScaledToZero } else { Workload::RollingOut { serving } };
    }
    let progress = condition(status, "Progressing").and_then(|it| it.reason.as_deref());
    if progress == Some("ProgressDeadlineExceeded") {
        return Workload::Stuck { serving };
    }
    // Once this template's rollout was complete, losing a pod or being scaled does not undo it: the
    // controller keeps this reason until the template changes. The count guards against the moment
    // after a return to an older template, when the reason is still that of the rollout before.
    let is_complete =
        progress == Some("NewReplicaSetAvailable") && replicas > 0 && status.updated_replicas.unwrap_or(0) == replicas;
    match (is_complete, serving) {
        (true, true) => Workload::Up,
        (true, false) => Workload::Down,
        (false, serving) => Workload::RollingOut { serving },
    }
}

fn condition<'a>(status: &'a DeploymentStatus, type_: &str) -> Option<&'a DeploymentCondition> {
    status.conditions.as_ref()?.iter().find(|it| it.type_ == type_)
}
