//! What the server may do in the cluster.

use k8s_openapi::api::rbac::v1::PolicyRule;
use std::collections::{BTreeMap, BTreeSet};

use super::{Problems, names};
use crate::api::{MCPServerSpec, RoleReference};

/// Rights of the server's identity in its namespace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// Annotations of the identity, by which clouds give it rights of theirs.
    pub annotations: BTreeMap<String, String>,
    pub rules: Vec<PolicyRule>,
    pub bind: Vec<RoleReference>,
}

pub(super) fn rights(spec: &MCPServerSpec, problems: &mut Problems) -> Rights {
    let Some(own) = &spec.service_account else { return Rights::default() };
    names::check_annotations("spec.serviceAccount.annotations", &own.annotations, problems);
    for (at, rule) in own.rules.iter().enumerate() {
        check_rule(&format!("spec.serviceAccount.rules[{at}]"), rule, problems);
    }
    let mut bound = BTreeSet::new();
    for (at, role) in own.bind.iter().enumerate() {
        let field = format!("spec.serviceAccount.bind[{at}]");
        if !names::is_path_segment(&role.name) {
            problems.add(format!("{field}.name"), format!("\"{}\" is no name of a role", role.name));
        }
        if !bound.insert((role.kind.as_str(), &role.name)) {
            problems.add(field, format!("{} \"{}\" is named twice: keep one", role.kind.as_str(), role.name));
        }
    }
    Rights { annotations: own.annotations.clone(), rules: own.rules.clone(), bind: own.bind.clone() }
}

/// A Role is about resources of its namespace alone.
fn check_rule(field: &str, rule: &PolicyRule, problems: &mut Problems) {
    let is_empty = |list: &Option<Vec<String>>| list.as_ref().is_none_or(Vec::is_empty);
    if !is_empty(&rule.non_resource_urls) {
        problems.add(format!("{field}.nonResourceURLs"), "cannot be given in one namespace: remove it");
    }
    let lists = [
        ("apiGroups", is_empty(&rule.api_groups)),
        ("resources", is_empty(&rule.resources)),
        ("verbs", rule.verbs.is_empty()),
    ];
    for (list, _) in lists.into_iter().filter(|(_, is_empty)| *is_empty) {
        problems.add(
            format!("{field}.{list}"),
            "is missing: a rule needs apiGroups ('' for the core), resources and verbs",
        );
    }
}
