//! The autoscaler of the server's Deployment.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec,
};

use super::metadata;
use crate::children::Child;
use crate::validate::ValidatedServer;

impl Child for HorizontalPodAutoscaler {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let plan = server.autoscaling.iter();
        let build = plan.map(|plan| Self {
            metadata: metadata(server),
            spec: Some(HorizontalPodAutoscalerSpec {
                scale_target_ref: CrossVersionObjectReference {
                    api_version: Some("apps/v1".into()),
                    kind: "Deployment".into(),
                    name: server.name.to_string(),
                },
                min_replicas: Some(plan.min_replicas),
                max_replicas: plan.max_replicas,
                metrics: Some(plan.metrics.clone()),
                behavior: None,
            }),
            status: None,
        });
        build.collect()
    }

    fn trim(&mut self) {
        // Changes with every measurement, and nobody here reads it.
        self.status = None;
    }
}
