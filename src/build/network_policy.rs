//! Who may call the server, and whom it may call.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{listed, metadata};
use crate::children::Child;
use crate::labels;
use crate::validate::{NetworkRules, ValidatedServer};

impl Child for NetworkPolicy {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let NetworkRules { ingress, egress } = &server.network_rules;
        let directions = [("Ingress", ingress.is_some()), ("Egress", egress.is_some())];
        let directions: Vec<_> = directions.iter().filter(|it| it.1).map(|it| it.0.to_owned()).collect();
        if directions.is_empty() {
            return Vec::new();
        }
        // A rule with an empty `from` admits everybody: nobody is meant by no rule at all.
        let callers = ingress.clone().and_then(listed);
        let ingress = callers.map(|from| vec![NetworkPolicyIngressRule { from: Some(from), ports: None }]);
        vec![Self {
            metadata: metadata(server),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(LabelSelector {
                    match_labels: Some(labels::selector(&server.pod.part)),
                    ..LabelSelector::default()
                }),
                policy_types: Some(directions),
                ingress,
                egress: egress.clone().and_then(listed),
            }),
        }]
    }
}
