//! The Deployments that run the server, and its dependencies without storage.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{metadata_of, pod};
use crate::children::{Child, Settled};
use crate::labels::label_selector;
use crate::validate::{PodPlan, ValidatedServer};

impl Child for Deployment {
    const MAY_WAIT: bool = true;

    fn build(server: &ValidatedServer) -> Vec<Self> {
        // Absent when the spec says nothing, so that whoever scales the Deployment owns it.
        let own = (&server.pod, server.replicas, &server.waits_for);
        let dependencies = server.managed().filter(|it| it.pod.storage.is_none());
        let dependencies = dependencies.map(|it| (&it.pod, Some(1), &it.waits_for));
        // The server's own last: should the cluster refuse a dependency, no pod of the server is told of it.
        let all = dependencies.chain(std::iter::once(own)).filter(|(_, _, waits_for)| waits_for.is_empty());
        all.map(|(pod, replicas, _)| deployment(server, pod, replicas)).collect()
    }

    /// An absent number of replicas means that it stays as it is. Without taking it over, ceasing to
    /// name it would set it back to one.
    fn settle(&mut self, live: &Self) -> Result<Settled, String> {
        let given = live.spec.as_ref().and_then(|it| it.replicas).filter(|given| *given != 1);
        match &mut self.spec {
            Some(spec) if spec.replicas.is_none() && given.is_some() => {
                spec.replicas = given;
                Ok(Settled::TakenOver)
            }
            _ => Ok(Settled::AsItWas),
        }
    }

    fn trim(&mut self) {
        // Written by kubectl's client-side apply, and as large as the object itself.
        if let Some(annotations) = &mut self.metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
}

fn deployment(server: &ValidatedServer, pod: &PodPlan, replicas: Option<i32>) -> Deployment {
    Deployment {
        metadata: metadata_of(server, &pod.part),
        spec: Some(DeploymentSpec {
            replicas,
            selector: label_selector(&pod.part),
            strategy: Some(strategy(pod)),
            template: pod::template(pod),
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

fn strategy(pod: &PodPlan) -> DeploymentStrategy {
    if pod.storage.is_some() {
        // Two pods on two nodes cannot have one volume, and two servers rarely expect to share one.
        return DeploymentStrategy { type_: Some("Recreate".into()), rolling_update: None };
    }
    // A new pod answers before an old one goes: a single replica stays reachable.
    DeploymentStrategy {
        type_: Some("RollingUpdate".into()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}
