//! The Deployment that runs the server.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{metadata, pod};
use crate::children::Child;
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
                    match_labels: Some(labels::selector(&server.name)),
                    ..LabelSelector::default()
                },
                // A new pod answers before an old one goes: a single replica stays reachable.
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".into()),
                    rolling_update: Some(RollingUpdateDeployment {
                        max_surge: Some(IntOrString::Int(1)),
                        max_unavailable: Some(IntOrString::Int(0)),
                    }),
                }),
                template: pod::template(server),
                ..DeploymentSpec::default()
            }),
            ..Self::default()
        }]
    }

    fn trim(&mut self) {
        // Written by kubectl's client-side apply, and as large as the object itself.
        if let Some(annotations) = &mut self.metadata.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
}
