//! `MCPServer + References -> ValidatedServer`: the spec with every default filled in, in types in
//! which nothing illegal can be said. Pure; reports all problems at once.
//!
//! The API server has checked the schema and the CEL rules before. What remains are the rules that
//! neither can express: parts of the spec that the schema keeps raw, and names across fields.

mod container;
mod names;
mod pod;
mod raw;

pub use container::{ResolvedProbes, ScratchVolume};
pub use names::ServerName;
pub use pod::Scheduling;

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, LocalObjectReference, PodSecurityContext, PodTemplateSpec, ResourceRequirements,
    SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::fmt;

use crate::api::{DEFAULT_PATH, MCPServer, PullPolicy, ServiceSpec, ServiceType, SessionAffinity};
use crate::references::References;
use crate::settings::Platform;

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
    pub env: Vec<EnvVar>,
    pub env_from: Vec<EnvFromSource>,
    pub scratch: Vec<ScratchVolume>,
    pub replicas: Option<i32>,
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
    pub pod_template: Option<PodTemplateSpec>,
    pub suspend: bool,
    /// URL of the MCP endpoint within the cluster.
    pub cluster_url: String,
    /// A sentence for each reference that leads nowhere.
    pub missing: Vec<String>,
}

/// Whose identity the pods have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// One made for this server, with its name.
    Own,
    /// An existing `ServiceAccount`.
    Existing(String),
}

/// The Service, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePlan {
    pub port: i32,
    pub type_: ServiceType,
    pub annotations: BTreeMap<String, String>,
    pub extra_ports: Vec<PlannedPort>,
    pub session_affinity: SessionAffinity,
}

/// A further port of the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedPort {
    pub name: String,
    pub port: i32,
    pub target_port: i32,
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
    let service = service(spec.service.as_ref(), spec.port, &mut problems);
    let scheduling = pod::scheduling(spec, name.as_ref(), &mut problems);
    let pod_template = pod::template(spec, &mut problems);
    let probes = container::probes(spec, &service, &mut problems);
    let scratch = container::scratch(spec, &mut problems);
    let (Some(name), Some(owner), true) = (name, owner, problems.0.is_empty()) else {
        return Err(problems);
    };
    let namespace = server.namespace().unwrap_or_default();
    let account = spec.service_account.clone().unwrap_or_default();
    Ok(ValidatedServer {
        cluster_url: cluster_url(&name, &namespace, &service, spec.path.as_deref(), platform),
        owner,
        image: spec.image.clone(),
        image_pull_policy: spec.image_pull_policy.unwrap_or_else(|| container::pull_policy(&spec.image)),
        image_pull_secrets: spec.image_pull_secrets.clone(),
        command: spec.command.clone(),
        args: spec.args.clone(),
        port: spec.port,
        env: spec.env.clone(),
        env_from: spec.env_from.clone(),
        scratch,
        replicas: spec.replicas,
        resources: spec.resources.clone(),
        probes,
        security_context: container::security_context(spec),
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
        missing: references.missing(spec),
        name,
        namespace,
    })
}

fn service(spec: Option<&ServiceSpec>, port: i32, problems: &mut Problems) -> ServicePlan {
    let spec = spec.cloned().unwrap_or_default();
    let plan = ServicePlan {
        port: spec.port.unwrap_or(port),
        type_: spec.type_.unwrap_or(ServiceType::ClusterIP),
        annotations: spec.annotations,
        extra_ports: spec
            .extra_ports
            .into_iter()
            .map(|extra| PlannedPort {
                name: extra.name,
                port: extra.port,
                target_port: extra.target_port.unwrap_or(extra.port),
            })
            .collect(),
        session_affinity: spec.session_affinity.unwrap_or(SessionAffinity::None),
    };
    names::check_annotations("spec.service.annotations", &plan.annotations, problems);
    let mut taken = BTreeMap::from([(plan.port, "the server's own port")]);
    for extra in &plan.extra_ports {
        if let Some(by) = taken.insert(extra.port, "another extra port") {
            problems.add(
                format!("spec.service.extraPorts[{}].port", extra.name),
                format!("{} is taken by {by}: give each port of the Service a number of its own", extra.port),
            );
        }
    }
    plan
}

/// The path is used exactly as written; the port is left out where HTTP implies it.
fn cluster_url(
    name: &ServerName,
    namespace: &str,
    service: &ServicePlan,
    path: Option<&str>,
    platform: &Platform,
) -> String {
    let port = if service.port == 80 { String::new() } else { format!(":{}", service.port) };
    let path = path.unwrap_or(DEFAULT_PATH);
    format!("http://{name}.{namespace}.svc.{}{port}{path}", platform.cluster_domain)
}

#[cfg(test)]
mod tests;
