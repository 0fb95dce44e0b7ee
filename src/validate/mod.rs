//! `MCPServer + References -> ValidatedServer`: the spec with every default filled in, in types in
//! which nothing illegal can be said. Pure; reports all problems at once.
//!
//! The API server has checked the schema and the CEL rules before. What remains are the rules that
//! neither can express: parts of the spec that the schema keeps raw, and names across fields.

mod container;
mod defaults;
mod dependencies;
mod expansion;
mod exposure;
mod files;
mod mounts;
mod names;
mod network_policy;
mod pod;
mod pod_plan;
mod raw;
mod rights;
mod scaling;
mod service;
mod variables;
mod verification;
mod volumes;

pub use container::{ResolvedProbes, ScratchVolume};
pub use defaults::{registry_mirror, server_defaults};
pub use dependencies::{DependencyPlan, GeneratedCredentials, ManagedDependency};
pub use exposure::{
    ExposurePlan, GatewayPlan, IngressPlan, Obstacle, ParentPlan, TlsPlan, Way, base_domain, default_gateway,
    exposure_of,
};
pub use files::{FileSource, PlannedFile};
pub use names::{PartName, ServerName};
pub use network_policy::NetworkRules;
pub use pod::Scheduling;
pub use pod_plan::{Identity, PodPlan, PodPort, Rollout};
pub use rights::{Rights, cluster_wide_binding};
pub use scaling::{AutoscalingPlan, DisruptionLimit};
pub use service::{PlannedPort, ServicePlan};
pub use verification::{HeaderSource, PlannedHeader, VerificationPlan};
pub use volumes::{PodParts, StoragePlan};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use std::fmt;

use crate::api::MCPServer;
use crate::references::References;
use crate::settings::Platform;

use pod_plan::Surroundings;
use variables::{Addressed, Variables};

/// A spec that can be built, with its defaults filled in.
#[derive(Clone, Debug)]
pub struct ValidatedServer {
    pub name: ServerName,
    pub namespace: String,
    pub owner: OwnerReference,
    /// Its status says nothing yet: it was made just now.
    pub is_new: bool,
    pub pod: PodPlan,
    /// On which the server speaks MCP.
    pub port: i32,
    pub replicas: Option<i32>,
    pub autoscaling: Option<AutoscalingPlan>,
    pub disruption_limit: Option<DisruptionLimit>,
    pub network_rules: NetworkRules,
    pub rights: Rights,
    pub service: ServicePlan,
    /// The way in for clients outside of the cluster, if there is to be one.
    pub exposure: Option<ExposurePlan>,
    pub dependencies: Vec<DependencyPlan>,
    /// Names of the dependencies that the first rollout still waits for.
    pub waits_for: Vec<String>,
    pub suspend: bool,
    /// How it is verified; `None` for not at all.
    pub verification: Option<VerificationPlan>,
    /// URL of the MCP endpoint within the cluster.
    pub cluster_url: String,
    /// A sentence for each reference that leads nowhere.
    pub missing: Vec<String>,
}

impl ValidatedServer {
    /// The dependencies that are run with the server.
    pub fn managed(&self) -> impl Iterator<Item = &ManagedDependency> {
        self.dependencies.iter().filter_map(|it| it.managed.as_ref())
    }

    /// Whether a workload of this name is yet to be made, when what it depends on is ready.
    pub fn is_waiting(&self, workload: &str) -> bool {
        let parts = self.managed().map(|it| (&it.pod.part, &it.waits_for)).chain([(&self.pod.part, &self.waits_for)]);
        parts.filter(|(_, waits_for)| !waits_for.is_empty()).any(|(part, _)| part.to_string() == workload)
    }
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
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem { field: field.into(), message: message.into() });
    }

    /// Notes what `check` finds in a part of the spec that lies at `path` and is written in the terms of
    /// a whole one.
    fn within<T>(&mut self, path: &str, check: impl FnOnce(&mut Self) -> T) -> T {
        let mut inner = Self::default();
        let result = check(&mut inner);
        let moved = |text: &str| text.replace("spec.", &format!("{path}."));
        self.0.extend(inner.0.iter().map(|it| Problem { field: moved(&it.field), message: moved(&it.message) }));
        result
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
    let spec = &defaults::filled(&server.spec, platform);
    let (Some(name), Some(owner)) = identity(server, &mut problems) else { return Err(problems) };
    let namespace = server.namespace().unwrap_or_default();
    let service = service::plan(spec.service.as_ref(), spec.port, &mut problems);
    let autoscaling = scaling::autoscaling(spec, &mut problems);
    let disruption_limit = scaling::disruption_budget(spec, &mut problems);
    let network_rules = network_policy::rules(spec, &mut problems);
    let rights = rights::rights(spec, &name, &namespace, platform, &mut problems);
    let verification = verification::plan(spec, &mut problems);
    let exposure = exposure::plan(server, references.front(), platform, &mut problems);
    let addressed = Addressed { name: &name, namespace: &namespace, service: &service, exposure: exposure.as_ref() };
    let mut variables = Variables::of_server(&addressed, spec, platform);
    let part = PartName::server_itself(&name);
    let around = dependencies::Around { server: &part, spec, references, platform, salt: &owner.uid };
    let dependencies = dependencies::plan(&around, &mut variables, &mut problems);
    let surroundings = Surroundings {
        part: part.clone(),
        ports: service.pod_ports(spec.port),
        variables: &variables,
        references,
        platform,
        salt: &owner.uid,
    };
    let pod = pod_plan::plan(spec, surroundings, &mut problems);
    if !problems.0.is_empty() {
        return Err(problems);
    }
    Ok(ValidatedServer {
        waits_for: dependencies::waits_for(
            references,
            &pod.part,
            dependencies.iter().filter_map(DependencyPlan::awaited),
        ),
        dependencies,
        cluster_url: service.url(&name, &namespace, spec.path.as_deref(), platform),
        owner,
        is_new: server.status.as_ref().and_then(|it| it.observed_generation).is_none_or(|it| it < 1),
        pod,
        port: spec.port,
        replicas: spec.replicas.filter(|_| autoscaling.is_none()),
        autoscaling,
        disruption_limit,
        network_rules,
        rights,
        service,
        exposure,
        suspend: spec.suspend,
        verification,
        missing: references.missing(),
        name,
        namespace,
    })
}

/// Without these, nothing can be called by a name or owned.
fn identity(server: &MCPServer, problems: &mut Problems) -> (Option<ServerName>, Option<OwnerReference>) {
    let owner = server.controller_owner_ref(&()).filter(|owner| !owner.uid.is_empty());
    if owner.is_none() {
        problems.add("metadata.uid", "is not set: only an MCPServer that the API server has stored can own objects");
    }
    (problems.note(ServerName::parse(&server.name_any())), owner)
}

#[cfg(test)]
mod tests;
