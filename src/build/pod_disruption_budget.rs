//! How many of the server's pods may be missing while nodes are drained.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};

use super::metadata;
use crate::children::Child;
use crate::labels::label_selector;
use crate::validate::{DisruptionLimit, ValidatedServer};

impl Child for PodDisruptionBudget {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let (min_available, max_unavailable) = match &server.disruption_limit {
            None => return Vec::new(),
            Some(DisruptionLimit::MinAvailable(limit)) => (Some(limit.clone()), None),
            Some(DisruptionLimit::MaxUnavailable(limit)) => (None, Some(limit.clone())),
        };
        vec![Self {
            metadata: metadata(server),
            spec: Some(PodDisruptionBudgetSpec {
                selector: Some(label_selector(&server.pod.part)),
                min_available,
                max_unavailable,
                // A pod that is not ready anyway must not hold up a drain.
                unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
            }),
            status: None,
        }]
    }

    fn trim(&mut self) {
        self.status = None;
    }
}
