//! The Deployment that runs the server.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{SERVER_CONTAINER, metadata, pod};
use crate::children::{Child, Settled};
use crate::labels;
use crate::validate::ValidatedServer;

impl Child for Deployment {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        vec![Self {
            metadata: metadata(server),
            spec: Some(DeploymentSpec {
                // Absent when the spec says nothing, so that whoever scales the Deployment owns it.
                replicas: server.replicas,
                selector: LabelSelector {
                    match_labels: Some(labels::selector(&server.pod.part)),
                    ..LabelSelector::default()
                },
                strategy: Some(strategy(server)),
                template: pod::template(&server.pod, SERVER_CONTAINER),
                ..DeploymentSpec::default()
            }),
            ..Self::default()
        }]
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

fn strategy(server: &ValidatedServer) -> DeploymentStrategy {
    if server.pod.storage.is_some() {
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
