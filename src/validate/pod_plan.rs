//! The pods of one part of a server, with every default filled in.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext, PodTemplateSpec, ResourceRequirements,
    SecurityContext,
};
use std::collections::BTreeMap;

use super::Problems;
use super::container::{self, ResolvedProbes, ScratchVolume};
use super::files::{self, PlannedFile};
use super::mounts::Mounts;
use super::names::PartName;
use super::pod::{self, Scheduling};
use super::variables::{self, Variables};
use super::volumes::{self, PodParts, StoragePlan};
use crate::api::{MCPServerSpec, PullPolicy};
use crate::references::References;
use crate::settings::Platform;

/// The pods of one part of a server.
#[derive(Clone, Debug)]
pub struct PodPlan {
    pub part: PartName,
    pub image: String,
    pub image_pull_policy: PullPolicy,
    pub image_pull_secrets: Vec<LocalObjectReference>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    /// The operator's variables, then the user's.
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    pub ports: Vec<PodPort>,
    pub files: Vec<PlannedFile>,
    pub scratch: Vec<ScratchVolume>,
    pub storage: Option<StoragePlan>,
    pub parts: PodParts,
    pub resources: Option<ResourceRequirements>,
    pub probes: ResolvedProbes,
    pub security_context: SecurityContext,
    pub pod_security_context: PodSecurityContext,
    pub identity: Identity,
    pub automount_token: bool,
    pub scheduling: Scheduling,
    pub termination_grace_period_seconds: i64,
    /// Whether a pod that stops goes on answering for a moment, so that load balancers can move on.
    pub drains: bool,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Changes when pods have to be made anew although their template is the same.
    pub rollout: Rollout,
    pub template: Option<PodTemplateSpec>,
}

impl PodPlan {
    /// Name of the `ServiceAccount` that the pods have.
    pub fn account(&self) -> &str {
        match &self.identity {
            Identity::Own => self.part.server().as_str(),
            Identity::Existing(name) => name,
            Identity::Nobody => "default",
        }
    }
}

/// A port of the container, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodPort {
    pub name: String,
    pub number: i32,
}

/// Hashes of what pods read at their start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rollout {
    /// Of the files whose text stands in the spec.
    pub files: Option<String>,
    /// Of the keys that the spec uses of Secrets and `ConfigMaps`.
    pub references: Option<String>,
}

/// Whose identity the pods have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// One made for the server, with its name.
    Own,
    /// An existing `ServiceAccount`.
    Existing(String),
    /// The namespace's default, whose token is not mounted.
    Nobody,
}

/// What a plan is made of, beside the spec.
pub(super) struct Surroundings<'a> {
    pub(super) part: PartName,
    /// The first one is what probes connect to by default.
    pub(super) ports: Vec<PodPort>,
    pub(super) variables: &'a Variables,
    pub(super) references: &'a References,
    pub(super) platform: &'a Platform,
    /// Makes hashes different for each server.
    pub(super) salt: &'a str,
}

/// Checks the parts of `spec` that speak of pods.
pub(super) fn plan(spec: &MCPServerSpec, of: Surroundings<'_>, problems: &mut Problems) -> PodPlan {
    container::check_env(spec, problems);
    container::check_resources(spec, problems);
    pod::check_metadata(spec, problems);
    let mut mounts = Mounts::default();
    let scratch = container::scratch(spec, &mut mounts, problems);
    let storage = volumes::storage(spec, &mut mounts, problems);
    let template = pod::template(spec, problems);
    variables::check_references(spec, of.variables, template.as_ref(), problems);
    let files = files::plan(spec, of.variables, of.references, &mut mounts, problems);
    let parts = volumes::parts(spec, template.as_ref(), &mut mounts, problems);
    let rolls = spec.rollout_on_change.unwrap_or(true);
    let account = spec.service_account.clone().unwrap_or_default();
    PodPlan {
        image: spec.image.clone(),
        image_pull_policy: spec.image_pull_policy.unwrap_or_else(|| container::pull_policy(&spec.image)),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        env: of.variables.environment(spec),
        env_from: spec.env_from.clone(),
        rollout: Rollout {
            files: PlannedFile::hash_of(&files),
            references: rolls.then(|| of.references.hash(spec, of.salt, &of.part.to_string())).flatten(),
        },
        files,
        scratch,
        storage,
        parts,
        resources: spec.resources.clone(),
        probes: container::probes(spec, &of.ports, problems),
        security_context: container::security_context(spec.security_context.as_ref()),
        pod_security_context: pod::security_context(spec, of.platform),
        identity: account.name.map_or(Identity::Own, Identity::Existing),
        automount_token: account.automount_token,
        scheduling: pod::scheduling(spec, &of.part, problems),
        termination_grace_period_seconds: spec.termination_grace_period_seconds.unwrap_or(30),
        drains: true,
        labels: spec.pod_labels.clone(),
        annotations: spec.pod_annotations.clone(),
        template,
        ports: of.ports,
        part: of.part,
    }
}
