//! The parts of the spec that speak of pods: where they run, and as whom.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    Affinity, PodSecurityContext, PodTemplateSpec, SeccompProfile, Toleration, TopologySpreadConstraint,
};
use std::collections::BTreeMap;

use super::{PartName, Problems, names, raw};
use crate::api::MCPServerSpec;
use crate::labels;
use crate::settings::Platform;

/// User and group of a pod whose image does not matter: "nonroot" of distroless images, and the
/// number that most of the images agree on that were made to run without root.
const NONROOT: i64 = 65532;

/// Where pods run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scheduling {
    pub runtime_class_name: Option<String>,
    pub node_selector: BTreeMap<String, String>,
    pub tolerations: Vec<Toleration>,
    pub affinity: Option<Affinity>,
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
    pub priority_class_name: Option<String>,
}

pub(super) fn scheduling(spec: &MCPServerSpec, part: &PartName, problems: &mut Problems) -> Scheduling {
    names::check_labels("spec.nodeSelector", &spec.node_selector, problems);
    let affinity = spec.affinity.as_ref().and_then(|raw| raw::decode("spec.affinity", raw, problems));
    let mut constraints = spec.topology_spread_constraints.clone();
    for constraint in &mut constraints {
        if constraint.label_selector.is_none() {
            constraint.label_selector = Some(labels::label_selector(part));
        }
    }
    Scheduling {
        runtime_class_name: spec.runtime_class_name.clone(),
        node_selector: spec.node_selector.clone(),
        tolerations: spec.tolerations.clone(),
        affinity,
        topology_spread_constraints: constraints,
        priority_class_name: spec.priority_class_name.clone(),
    }
}

pub(super) fn check_metadata(spec: &MCPServerSpec, problems: &mut Problems) {
    names::check_labels("spec.podLabels", &spec.pod_labels, problems);
    names::check_annotations("spec.podAnnotations", &spec.pod_annotations, problems);
    for key in spec.pod_labels.keys().filter(|key| labels::is_reserved(key)) {
        problems.add(
            format!("spec.podLabels[{key}]"),
            "is set by Landfall, which selects the pods by it: remove it, or use a key of your own",
        );
    }
}

/// `podTemplate`, decoded.
pub(super) fn template(spec: &MCPServerSpec, problems: &mut Problems) -> Option<PodTemplateSpec> {
    let raw = spec.pod_template.as_ref()?;
    let template: PodTemplateSpec = raw::decode("spec.podTemplate", raw, problems)?;
    let containers =
        template.spec.iter().flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    for (at, container) in containers.enumerate() {
        if container.name.is_empty() {
            problems.add(
                format!("spec.podTemplate.spec.containers[{at}].name"),
                "is missing: lists are merged by name; the server's own container is named \"server\"",
            );
        }
    }
    Some(template)
}

/// Restricted by default; a field of the spec replaces that field.
pub(super) fn security_context(spec: &MCPServerSpec, platform: &Platform) -> PodSecurityContext {
    let own = spec.pod_security_context.clone().unwrap_or_default();
    let container_user = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    // Asking for root is clear enough; kubelet would refuse it together with runAsNonRoot.
    let wants_root = container_user.or(own.run_as_user) == Some(0);
    // OpenShift gives each namespace users and groups of its own, and refuses others.
    let id = (!platform.openshift).then_some(NONROOT);
    let mut context = PodSecurityContext {
        run_as_non_root: (!wants_root).then_some(true),
        run_as_user: id,
        run_as_group: id,
        fs_group: id,
        fs_group_change_policy: id.map(|_| "OnRootMismatch".into()),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), localhost_profile: None }),
        ..PodSecurityContext::default()
    };
    if own.seccomp_profile.is_some() {
        context.seccomp_profile = None;
    }
    context.merge_from(own);
    context
}
