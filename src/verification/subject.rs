//! What is to be verified.

use std::time::Duration;

use crate::observe::{Observation, Workload};
use crate::probe::Service;
use crate::validate::{PlannedHeader, ValidatedServer, VerificationPlan};

/// What is to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub namespace: String,
    pub name: String,
    /// Where clients within the cluster call the server.
    pub url: String,
    /// The Service behind the URL.
    pub service: Service,
    pub headers: Vec<PlannedHeader>,
    pub interval: Duration,
    /// The pods that answer; another one is one that was not asked yet.
    pub pods: Vec<String>,
}

impl Subject {
    /// `None` until all pods are of this generation and one of them answers: before, clients are
    /// served by what the spec no longer describes.
    pub(super) fn of(
        server: &ValidatedServer,
        plan: &VerificationPlan,
        observation: &Observation,
        interval: Duration,
    ) -> Option<Self> {
        if observation.workload != Workload::Up || observation.ready_pods.is_empty() {
            return None;
        }
        let service =
            Service { namespace: server.namespace.clone(), name: server.name.to_string(), port: server.service.port };
        Some(Self {
            namespace: server.namespace.clone(),
            name: server.name.to_string(),
            url: server.cluster_url.clone(),
            service,
            headers: plan.headers.clone(),
            interval: plan.interval.unwrap_or(interval),
            pods: observation.ready_pods.clone(),
        })
    }

    /// Whether what is known of `before` says nothing of this.
    pub(super) fn is_another(&self, before: &Self) -> bool {
        self.url != before.url || self.headers != before.headers
    }

    /// Whether there are pods that `before` has not.
    pub(super) fn has_new_pods(&self, before: &Self) -> bool {
        self.pods.iter().any(|pod| !before.pods.contains(pod))
    }
}
