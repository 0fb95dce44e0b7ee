//! Who may call the server, and whom it may call.

use k8s_openapi::api::networking::v1::{NetworkPolicyEgressRule, NetworkPolicyPeer};

use super::{Problems, raw};
use crate::api::MCPServerSpec;

/// Rules for the server's pods; `None` where a direction is open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkRules {
    pub ingress: Option<Vec<NetworkPolicyPeer>>,
    pub egress: Option<Vec<NetworkPolicyEgressRule>>,
}

pub(super) fn rules(spec: &MCPServerSpec, problems: &mut Problems) -> NetworkRules {
    let Some(own) = &spec.network_policy else { return NetworkRules::default() };
    for (at, peer) in own.ingress.iter().flatten().enumerate() {
        let field = format!("spec.networkPolicy.ingress[{at}]");
        check_peer(&field, peer, problems);
    }
    let egress = own.egress.as_ref().map(|rules| decoded(rules, problems));
    NetworkRules { ingress: own.ingress.clone(), egress }
}

fn decoded(
    rules: &[serde_json::Map<String, serde_json::Value>],
    problems: &mut Problems,
) -> Vec<NetworkPolicyEgressRule> {
    let mut decoded = Vec::new();
    for (at, raw) in rules.iter().enumerate() {
        let field = format!("spec.networkPolicy.egress[{at}]");
        let Some(rule) = raw::decode::<NetworkPolicyEgressRule>(&field, raw, problems) else { continue };
        for (at, peer) in rule.to.iter().flatten().enumerate() {
            check_peer(&format!("{field}.to[{at}]"), peer, problems);
        }
        decoded.push(rule);
    }
    decoded
}

fn check_peer(field: &str, peer: &NetworkPolicyPeer, problems: &mut Problems) {
    let has_selector = peer.namespace_selector.is_some() || peer.pod_selector.is_some();
    if peer.ip_block.is_some() == has_selector {
        problems.add(field, "give either ipBlock, or podSelector, namespaceSelector or both of these");
    }
}
