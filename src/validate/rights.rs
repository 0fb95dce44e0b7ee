//! What the server may do in the cluster.

use k8s_openapi::api::rbac::v1::PolicyRule;
use std::collections::{BTreeMap, BTreeSet};

use super::{Problems, ServerName, names};
use crate::api::{MCPServerSpec, RoleKind, RoleReference};
use crate::reach::cluster_wide_name;
use crate::settings::Platform;

/// What to do about a wish for rights in the whole cluster that nobody allowed.
const NOT_ALLOWED: &str = "the operator was started without allowClusterRules";

/// Rights of the server's identity.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rights {
    /// Annotations of the identity, by which clouds give it rights of theirs.
    pub annotations: BTreeMap<String, String>,
    /// In its namespace.
    pub rules: Vec<PolicyRule>,
    /// In the whole cluster.
    pub cluster_rules: Vec<PolicyRule>,
    pub bind: Vec<RoleReference>,
}

/// Name of the binding that gives a server an existing `ClusterRole` in the whole cluster.
pub fn cluster_wide_binding(namespace: &str, server: &ServerName, role: &str) -> String {
    format!("{}:{role}", cluster_wide_name(namespace, server.as_str()))
}

pub(super) fn rights(
    spec: &MCPServerSpec,
    name: &ServerName,
    namespace: &str,
    platform: &Platform,
    problems: &mut Problems,
) -> Rights {
    let Some(own) = &spec.service_account else { return Rights::default() };
    names::check_annotations("spec.serviceAccount.annotations", &own.annotations, problems);
    for (at, rule) in own.rules.iter().enumerate() {
        let field = format!("spec.serviceAccount.rules[{at}]");
        if !is_empty(rule.non_resource_urls.as_ref()) {
            problems.add(format!("{field}.nonResourceURLs"), "cannot be given in one namespace: remove it");
        }
        check_resources(&field, rule, platform, problems);
    }
    if !own.cluster_rules.is_empty() && !platform.allow_cluster_rules {
        let help =
            "use spec.serviceAccount.rules for rights in this namespace, or ask an administrator for that setting";
        problems.add("spec.serviceAccount.clusterRules", format!("{NOT_ALLOWED}: {help}"));
    }
    for (at, rule) in own.cluster_rules.iter().enumerate() {
        check_cluster_rule(&format!("spec.serviceAccount.clusterRules[{at}]"), rule, platform, problems);
    }
    let mut bound = BTreeSet::new();
    for (at, role) in own.bind.iter().enumerate() {
        let field = format!("spec.serviceAccount.bind[{at}]");
        check_role(&field, role, name, namespace, problems);
        if role.cluster_wide && !platform.allow_cluster_rules {
            let help = "remove it to bind the role in this namespace, or ask an administrator for that setting";
            problems.add(format!("{field}.clusterWide"), format!("{NOT_ALLOWED}: {help}"));
        }
        if !bound.insert((role.kind.as_str(), &role.name, role.cluster_wide)) {
            problems.add(field, format!("{} \"{}\" is named twice: keep one", role.kind.as_str(), role.name));
        }
    }
    Rights {
        annotations: own.annotations.clone(),
        rules: own.rules.clone(),
        cluster_rules: own.cluster_rules.clone(),
        bind: own.bind.clone(),
    }
}

fn check_role(field: &str, role: &RoleReference, name: &ServerName, namespace: &str, problems: &mut Problems) {
    if !names::is_path_segment(&role.name) {
        problems.add(format!("{field}.name"), format!("\"{}\" is no name of a role", role.name));
    }
    if !role.cluster_wide {
        return;
    }
    if role.kind != RoleKind::ClusterRole {
        problems
            .add(format!("{field}.clusterWide"), "is for a ClusterRole: a Role has no rights outside of its namespace");
    }
    let length = cluster_wide_binding(namespace, name, &role.name).len();
    if length > names::LONGEST {
        problems.add(
            format!("{field}.name"),
            format!(
                "its binding is named after the namespace, the server and the role, which makes {length} characters, \
                 and {} are possible: shorten one of them",
                names::LONGEST
            ),
        );
    }
}

/// A rule of the whole cluster is about resources, or about paths of the API server.
fn check_cluster_rule(field: &str, rule: &PolicyRule, platform: &Platform, problems: &mut Problems) {
    if is_empty(rule.non_resource_urls.as_ref()) {
        return check_resources(field, rule, platform, problems);
    }
    if !is_empty(rule.api_groups.as_ref()) || !is_empty(rule.resources.as_ref()) {
        problems.add(field, "is about both resources and nonResourceURLs: make two rules of it");
    }
    if rule.verbs.is_empty() {
        problems.add(format!("{field}.verbs"), "is missing: a rule of nonResourceURLs needs verbs, such as get");
    }
}

fn check_resources(field: &str, rule: &PolicyRule, platform: &Platform, problems: &mut Problems) {
    let lists = [
        ("apiGroups", is_empty(rule.api_groups.as_ref())),
        ("resources", is_empty(rule.resources.as_ref())),
        ("verbs", rule.verbs.is_empty()),
    ];
    for (list, _) in lists.into_iter().filter(|(_, is_empty)| *is_empty) {
        problems.add(
            format!("{field}.{list}"),
            "is missing: a rule needs apiGroups ('' for the core), resources and verbs",
        );
    }
    // It has that right for itself, and Kubernetes would let it give away what it has.
    if platform.watch_secrets
        && names_any(rule.api_groups.as_ref(), "")
        && names_any(rule.resources.as_ref(), "secrets")
    {
        problems.add(
            format!("{field}.resources"),
            "Landfall reads Secrets for itself and does not hand that right on: leave \"secrets\" out, or let somebody \
             who may read them make a Role, and name it in spec.serviceAccount.bind",
        );
    }
}

fn is_empty(list: Option<&Vec<String>>) -> bool {
    list.is_none_or(Vec::is_empty)
}

fn names_any(list: Option<&Vec<String>>, name: &str) -> bool {
    list.is_some_and(|list| list.iter().any(|it| it == name || it == "*"))
}
