//! `MCPServer + References -> ValidatedServer`: the spec with every default filled in, in types in
//! which nothing illegal can be said. Pure; reports all problems at once.
//!
//! The API server has checked the schema and the CEL rules before. What remains are the rules that
//! neither can express: parts of the spec that the schema keeps raw, and names across fields.

mod container;
mod expansion;
mod files;
mod mounts;
mod names;
mod network_policy;
mod pod;
mod raw;
mod rights;
mod scaling;
mod service;
mod variables;
mod verification;
mod volumes;

pub use container::{ResolvedProbes, ScratchVolume};
pub use files::{FileSource, PlannedFile};
pub use names::ServerName;
pub use network_policy::NetworkRules;
pub use pod::Scheduling;
pub use rights::Rights;
pub use scaling::{AutoscalingPlan, DisruptionLimit};
pub use service::{PlannedPort, ServicePlan};
pub use verification::{HeaderSource, PlannedHeader, VerificationPlan};

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext, PodTemplateSpec, ResourceRequirements,
    SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::fmt;

use crate::api::{MCPServer, PullPolicy};
use crate::references::References;
use crate::settings::Platform;
pub use volumes::{PodParts, StoragePlan};

use mounts::Mounts;
use variables::Variables;

/// A spec that can be built, with its defaults filled in.
#[derive(Clone, Debug)]
pub struct ValidatedServer {
    pub name: ServerName,
    pub namespace: String,
    pub owner: OwnerReference,
    pub image: String,
    pub image_pull_policy: PullPolicy,
    pub image_pull_secrets: Vec<LocalObjectReference>,
    pub command: Vec<String>,
    pub args: Vec<String>,
    pub port: i32,
    /// The operator's variables, then the user's.
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    pub files: Vec<PlannedFile>,
    pub scratch: Vec<ScratchVolume>,
    pub storage: Option<StoragePlan>,
    pub pod_parts: PodParts,
    pub replicas: Option<i32>,
    pub autoscaling: Option<AutoscalingPlan>,
    pub disruption_limit: Option<DisruptionLimit>,
    pub network_rules: NetworkRules,
    pub rights: Rights,
    pub resources: Option<ResourceRequirements>,
    pub probes: ResolvedProbes,
    pub security_context: SecurityContext,
    pub pod_security_context: PodSecurityContext,
    pub identity: Identity,
    pub automount_token: bool,
    pub service: ServicePlan,
    pub scheduling: Scheduling,
    pub termination_grace_period_seconds: i64,
    pub pod_labels: BTreeMap<String, String>,
    pub pod_annotations: BTreeMap<String, String>,
    /// Changes when pods have to be made anew although their template is the same.
    pub rollout: Rollout,
    pub pod_template: Option<PodTemplateSpec>,
    pub suspend: bool,
    /// How it is verified; `None` for not at all.
    pub verification: Option<VerificationPlan>,
    /// URL of the MCP endpoint within the cluster.
    pub cluster_url: String,
    /// A sentence for each reference that leads nowhere.
    pub missing: Vec<String>,
}

impl ValidatedServer {
    /// Name of the `ServiceAccount` that the pods have.
    pub fn account(&self) -> &str {
        match &self.identity {
            Identity::Own => self.name.as_str(),
            Identity::Existing(name) => name,
        }
    }
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
    /// One made for this server, with its name.
    Own,
    /// An existing `ServiceAccount`.
    Existing(String),
}

/// What is wrong with a spec, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path of the field.
    pub field: String,
    /// What was found there, and what would work.
    pub message: String,
}

/// Everything that is wrong with a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(Vec<Problem>);

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    /// The value, or `None` with the problem noted.
    fn note<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem)).ok()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

/// Checks `server` and fills in its defaults.
pub fn validate(server: &MCPServer, references: &References, platform: &Platform) -> Result<ValidatedServer, Problems> {
    let mut problems = Problems::default();
    let spec = &server.spec;
    let name = problems.note(ServerName::parse(&server.name_any()));
    let owner = server.controller_owner_ref(&()).filter(|owner| !owner.uid.is_empty());
    if owner.is_none() {
        problems.add("metadata.uid", "is not set: only an MCPServer that the API server has stored can own objects");
    }
    container::check_env(spec, &mut problems);
    container::check_resources(spec, &mut problems);
    pod::check_metadata(spec, &mut problems);
    let service = service::plan(spec.service.as_ref(), spec.port, &mut problems);
    let autoscaling = scaling::autoscaling(spec, &mut problems);
    let disruption_limit = scaling::disruption_budget(spec, &mut problems);
    let network_rules = network_policy::rules(spec, &mut problems);
    let rights = rights::rights(spec, &mut problems);
    let verification = verification::plan(spec, &mut problems);
    let scheduling = pod::scheduling(spec, name.as_ref(), &mut problems);
    let pod_template = pod::template(spec, &mut problems);
    let probes = container::probes(spec, &service, &mut problems);
    let mut mounts = Mounts::default();
    let scratch = container::scratch(spec, &mut mounts, &mut problems);
    let storage = volumes::storage(spec, &mut mounts, &mut problems);
    let namespace = server.namespace().unwrap_or_default();
    let variables = name.as_ref().map(|name| Variables::new(name, &namespace, spec, &service, platform));
    let files = variables.as_ref().map(|variables| {
        variables::check_references(spec, variables, pod_template.as_ref(), &mut problems);
        files::plan(spec, variables, references, &mut mounts, &mut problems)
    });
    let pod_parts = volumes::parts(spec, pod_template.as_ref(), &mut mounts, &mut problems);
    let (Some(name), Some(owner), Some(variables), Some(files), true) =
        (name, owner, variables, files, problems.0.is_empty())
    else {
        return Err(problems);
    };
    let rolls = spec.rollout_on_change.unwrap_or(true);
    let account = spec.service_account.clone().unwrap_or_default();
    Ok(ValidatedServer {
        cluster_url: service.url(&name, &namespace, spec.path.as_deref(), platform),
        rollout: Rollout {
            files: PlannedFile::hash_of(&files),
            references: rolls.then(|| references.hash(spec, &owner.uid)).flatten(),
        },
        files,
        owner,
        image: spec.image.clone(),
        image_pull_policy: spec.image_pull_policy.unwrap_or_else(|| container::pull_policy(&spec.image)),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        port: spec.port,
        env: variables.environment(spec),
        env_from: spec.env_from.clone(),
        scratch,
        storage,
        pod_parts,
        replicas: spec.replicas.filter(|_| autoscaling.is_none()),
        autoscaling,
        disruption_limit,
        network_rules,
        rights,
        resources: spec.resources.clone(),
        probes,
        security_context: container::security_context(spec.security_context.as_ref()),
        pod_security_context: pod::security_context(spec, platform),
        identity: account.name.map_or(Identity::Own, Identity::Existing),
        automount_token: account.automount_token,
        service,
        scheduling,
        termination_grace_period_seconds: spec.termination_grace_period_seconds.unwrap_or(30),
        pod_labels: spec.pod_labels.clone(),
        pod_annotations: spec.pod_annotations.clone(),
        pod_template,
        suspend: spec.suspend,
        verification,
        missing: references.missing(spec),
        name,
        namespace,
    })
}

#[cfg(test)]
mod tests;
