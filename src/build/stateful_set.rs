//! The `StatefulSets` that run dependencies with storage.
//!
//! Their claim is a child of its own, and not made of a template in here: such a template can never
//! change, so growing a volume would mean to delete the `StatefulSet` and make it anew.

use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};

use super::{metadata_of, pod};
use crate::children::Child;
use crate::labels::label_selector;
use crate::validate::{PodPlan, ValidatedServer};

impl Child for StatefulSet {
    const MAY_WAIT: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        let stored = server.managed().filter(|it| it.pod.storage.is_some() && it.waits_for.is_empty());
        stored.map(|it| stateful_set(server, &it.pod)).collect()
    }
}

fn stateful_set(server: &ValidatedServer, pod: &PodPlan) -> StatefulSet {
    StatefulSet {
        metadata: metadata_of(server, &pod.part),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            selector: label_selector(&pod.part),
            service_name: Some(pod.part.headless()),
            // In order, a pod that cannot start would keep the one that mends it from being made.
            pod_management_policy: Some("Parallel".into()),
            template: pod::template(pod),
            ..StatefulSetSpec::default()
        }),
        ..StatefulSet::default()
    }
}
