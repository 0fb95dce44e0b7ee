//! What is to be verified.

use std::time::Duration;

use crate::observe::{ExposureState, FrontDoor, Observation, Workload};
use crate::probe::Service;
use crate::validate::{PlannedHeader, ValidatedServer, VerificationPlan};

/// Where a server is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Door {
    /// At its Service, as clients within the cluster call it.
    Service,
    /// At its public URL. No credentials are sent there: whether it can be used without is worth knowing,
    /// and the way there may be anybody's.
    Front,
}

/// What is to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub namespace: String,
    pub name: String,
    pub door: Door,
    /// Where clients call the server.
    pub url: String,
    /// The Service behind the URL, if it is that of one.
    pub service: Option<Service>,
    /// The address and port at which the URL's host is, if not where DNS says.
    pub connect: Option<(String, u16)>,
    /// Which object leads there from outside, and which of its generations.
    pub route: Option<String>,
    pub headers: Vec<PlannedHeader>,
    pub interval: Duration,
    /// The pods that answer; another one is one that was not asked yet.
    pub pods: Vec<String>,
}

impl Subject {
    /// `None` until all pods are of this generation and one of them answers: before, clients are
    /// served by what the spec no longer describes.
    pub(super) fn of_service(
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
            door: Door::Service,
            url: server.cluster_url.clone(),
            service: Some(service),
            connect: None,
            route: None,
            headers: plan.headers.clone(),
            interval: plan.interval.unwrap_or(interval),
            pods: observation.ready_pods.clone(),
        })
    }

    /// The same server, called from outside; `None` until it is let in there.
    pub(super) fn of_front(&self, observation: &Observation) -> Option<Self> {
        let Some(ExposureState::Admitted(FrontDoor { called: Some(called), .. })) = &observation.exposure else {
            return None;
        };
        Some(Self {
            door: Door::Front,
            url: called.url.clone(),
            service: None,
            connect: Some((called.address.clone(), u16::try_from(called.port).ok()?)),
            route: Some(called.route.clone()),
            headers: Vec::new(),
            ..self.clone()
        })
    }

    /// Whether what is known of `before` says nothing of this.
    pub(super) fn is_another(&self, before: &Self) -> bool {
        self.url != before.url
            || self.headers != before.headers
            || self.connect != before.connect
            || self.route != before.route
    }

    /// Whether the URL of `before` now leads another way, so that the old one may still answer.
    pub(super) fn is_led_another_way(&self, before: &Self) -> bool {
        self.url == before.url && self.route != before.route
    }

    /// Whether there are pods that `before` has not.
    pub(super) fn has_new_pods(&self, before: &Self) -> bool {
        self.pods.iter().any(|pod| !before.pods.contains(pod))
    }
}
