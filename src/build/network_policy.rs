//! Who may call the server, and whom it may call; and that only those who need a dependency can
//! connect to it.

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec};

use super::{listed, metadata_of};
use crate::children::Child;
use crate::labels::label_selector;
use crate::validate::{ManagedDependency, NetworkRules, PartName, ValidatedServer};

impl Child for NetworkPolicy {
    fn build(server: &ValidatedServer) -> Vec<Self> {
        let own = policy(server, &server.pod.part, &server.network_rules);
        let dependencies = server.managed().filter_map(|it| policy(server, &it.pod.part, &closed(it)));
        own.into_iter().chain(dependencies).collect()
    }
}

/// `None` where both directions are open.
fn policy(server: &ValidatedServer, part: &PartName, rules: &NetworkRules) -> Option<NetworkPolicy> {
    let NetworkRules { ingress, egress } = rules;
    let directions = [("Ingress", ingress.is_some()), ("Egress", egress.is_some())];
    let directions: Vec<_> = directions.iter().filter(|it| it.1).map(|it| it.0.to_owned()).collect();
    if directions.is_empty() {
        return None;
    }
    // A rule with an empty `from` admits everybody: nobody is meant by no rule at all.
    let callers = ingress.clone().and_then(listed);
    let ingress = callers.map(|from| vec![NetworkPolicyIngressRule { from: Some(from), ports: None }]);
    Some(NetworkPolicy {
        metadata: metadata_of(server, part),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(label_selector(part)),
            policy_types: Some(directions),
            ingress,
            egress: egress.clone().and_then(listed),
        }),
    })
}

/// To all but the parts of the server that need it, and whom the spec names.
fn closed(dependency: &ManagedDependency) -> NetworkRules {
    let callers = dependency.callers.iter();
    let callers =
        callers.map(|it| NetworkPolicyPeer { pod_selector: Some(label_selector(it)), ..NetworkPolicyPeer::default() });
    let named = dependency.network_rules.ingress.iter().flatten().cloned();
    NetworkRules { ingress: Some(callers.chain(named).collect()), egress: dependency.network_rules.egress.clone() }
}
