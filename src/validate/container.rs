//! The parts of the spec that speak of the server's container.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{Capabilities, EnvVar, Probe, ResourceRequirements, SecurityContext, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeSet;

use super::mounts::Mounts;
use super::{PodPort, Problems};
use crate::api::{MCPServerSpec, ProbeSpec, PullPolicy, ScratchMedium};
use crate::quantity;

/// Always writable: most runtimes want it, and it costs nothing.
const TMP: &str = "/tmp";
const TMP_VOLUME: &str = "tmp";

/// The probes of the container; `None` for one that is disabled.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResolvedProbes {
    pub startup: Option<Probe>,
    pub readiness: Option<Probe>,
    pub liveness: Option<Probe>,
}

/// A scratch directory and the volume that it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct ScratchVolume {
    pub volume: String,
    pub path: String,
    pub size_limit: Option<Quantity>,
    pub medium: ScratchMedium,
}

/// Kubernetes' own rule. Said explicitly, because its default is filled in once and then stays,
/// also when the tag changes.
pub(super) fn pull_policy(image: &str) -> PullPolicy {
    let name = image.rsplit('/').next().unwrap_or(image);
    let is_pinned = name.contains('@') || name.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    if is_pinned { PullPolicy::IfNotPresent } else { PullPolicy::Always }
}

pub(super) fn check_env(spec: &MCPServerSpec, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for (at, variable) in spec.env.iter().enumerate() {
        let field = format!("spec.env[{at}]");
        if variable.name.is_empty() || !variable.name.bytes().all(|it| matches!(it, b' '..=b'~') && it != b'=') {
            problems.add(
                format!("{field}.name"),
                format!("\"{}\" is no variable name: use printable ASCII without '='", variable.name),
            );
        }
        if !names.insert(&variable.name) {
            problems.add(format!("{field}.name"), format!("\"{}\" is set twice: keep one", variable.name));
        }
        check_variable_source(&field, variable, problems);
    }
    for (at, from) in spec.env_from.iter().enumerate() {
        let sources = usize::from(from.secret_ref.is_some()) + usize::from(from.config_map_ref.is_some());
        if sources != 1 {
            problems.add(
                format!("spec.envFrom[{at}]"),
                format!("has {sources} sources: give one of secretRef and configMapRef"),
            );
        }
    }
}

fn check_variable_source(field: &str, variable: &EnvVar, problems: &mut Problems) {
    let Some(from) = &variable.value_from else { return };
    let sources = [
        from.config_map_key_ref.is_some(),
        from.secret_key_ref.is_some(),
        from.field_ref.is_some(),
        from.resource_field_ref.is_some(),
    ];
    let count = sources.iter().filter(|given| **given).count();
    if count != 1 {
        problems.add(
            format!("{field}.valueFrom"),
            format!("has {count} sources: give one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef"),
        );
    }
    if let Some(divisor) = from.resource_field_ref.as_ref().and_then(|it| it.divisor.as_ref()) {
        check_quantity(&format!("{field}.valueFrom.resourceFieldRef.divisor"), divisor, problems);
    }
    if variable.value.as_ref().is_some_and(|value| !value.is_empty()) {
        problems.add(field, "has both value and valueFrom: keep one");
    }
}

pub(super) fn check_resources(spec: &MCPServerSpec, problems: &mut Problems) {
    let Some(ResourceRequirements { requests, limits, .. }) = &spec.resources else { return };
    for (kind, quantities) in [("requests", requests), ("limits", limits)] {
        for (name, quantity) in quantities.iter().flatten() {
            check_quantity(&format!("spec.resources.{kind}.{name}"), quantity, problems);
        }
    }
    for (name, request) in requests.iter().flatten() {
        let limit = limits.iter().flatten().find(|(limited, _)| *limited == name);
        if let Some((_, limit)) = limit
            && quantity::compare(&request.0, &limit.0).is_some_and(std::cmp::Ordering::is_gt)
        {
            problems.add(
                format!("spec.resources.requests.{name}"),
                format!("{} is more than the limit {}: lower it or raise the limit", request.0, limit.0),
            );
        }
    }
}

pub(super) fn check_quantity(field: &str, quantity: &Quantity, problems: &mut Problems) {
    if quantity::parse(&quantity.0).is_none_or(quantity::Amount::is_negative) {
        problems.add(field, format!("\"{}\" is no quantity: write 500m, 0.5, 128Mi or 1Gi", quantity.0));
    }
}

/// Every directory that can be written to, each with a volume of its own.
pub(super) fn scratch(spec: &MCPServerSpec, mounts: &mut Mounts, problems: &mut Problems) -> Vec<ScratchVolume> {
    let mut volumes = vec![ScratchVolume {
        volume: TMP_VOLUME.into(),
        path: TMP.into(),
        size_limit: None,
        medium: ScratchMedium::Disk,
    }];
    // What the user mounts there can be written to as well, or is meant not to be.
    let is_mounted = spec.volume_mounts.iter().any(|it| it.mount_path == TMP)
        || spec.storage.as_ref().is_some_and(|it| it.mount_path == TMP);
    if is_mounted {
        volumes.clear();
    } else {
        claim_tmp(mounts, problems);
    }
    let mut is_limited = false;
    for (at, scratch) in spec.scratch.iter().enumerate() {
        let field = format!("spec.scratch[{at}]");
        if let Some(limit) = &scratch.size_limit {
            check_quantity(&format!("{field}.sizeLimit"), limit, problems);
        }
        let volume = ScratchVolume {
            volume: format!("scratch-{at}"),
            path: scratch.path.clone(),
            size_limit: scratch.size_limit.clone(),
            medium: scratch.medium.unwrap_or(ScratchMedium::Disk),
        };
        if scratch.path == TMP && !is_limited && !is_mounted {
            is_limited = true;
            volumes[0] = ScratchVolume { volume: TMP_VOLUME.into(), ..volume };
        } else {
            mounts.volume(&field, &volume.volume, problems);
            mounts.directory(&format!("{field}.path"), &scratch.path, problems);
            volumes.push(volume);
        }
    }
    volumes
}

fn claim_tmp(mounts: &mut Mounts, problems: &mut Problems) {
    let field = "the server's scratch directory";
    mounts.volume(field, TMP_VOLUME, problems);
    mounts.directory(field, TMP, problems);
}

/// The probes of the spec over those that every server gets.
pub(super) fn probes(spec: &MCPServerSpec, ports: &[PodPort], problems: &mut Problems) -> ResolvedProbes {
    let own = spec.probes.clone().unwrap_or_default();
    // Every second, so that a server is known to be up as soon as it is; five minutes, since some
    // download a model or a package first.
    let startup = Probe { period_seconds: Some(1), failure_threshold: Some(300), ..Probe::default() };
    let every = |seconds| Probe { period_seconds: Some(seconds), failure_threshold: Some(3), ..Probe::default() };
    let mut resolve = |field: &str, own: Option<ProbeSpec>, default: Probe| {
        let probe = resolve_probe(own.unwrap_or_default(), default, ports)?;
        check_probe_port(&format!("spec.probes.{field}"), &probe, ports, problems);
        Some(probe)
    };
    ResolvedProbes {
        startup: resolve("startup", own.startup, startup),
        // Often, because a pod counts as ready only at the first check after it has started.
        readiness: resolve("readiness", own.readiness, every(2)),
        liveness: resolve("liveness", own.liveness, every(10)),
    }
}

fn resolve_probe(own: ProbeSpec, mut default: Probe, ports: &[PodPort]) -> Option<Probe> {
    if own.disabled {
        return None;
    }
    if !own.has_handler() {
        let port = IntOrString::String(ports.first()?.name.clone());
        default.tcp_socket = Some(TCPSocketAction { port, host: None });
    }
    default.merge_from(own.probe);
    Some(default)
}

fn check_probe_port(field: &str, probe: &Probe, ports: &[PodPort], problems: &mut Problems) {
    let http = probe.http_get.as_ref().map(|action| &action.port);
    let tcp = probe.tcp_socket.as_ref().map(|action| &action.port);
    let Some(IntOrString::String(name)) = http.or(tcp) else { return };
    let known: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
    if !known.contains(&name.as_str()) {
        problems.add(
            format!("{field}.port"),
            format!("there is no port named \"{name}\": use a number, or one of {}", known.join(", ")),
        );
    }
}

/// Restricted by default; a field of the spec replaces that field.
pub(super) fn security_context(own: Option<&SecurityContext>) -> SecurityContext {
    let own = own.cloned().unwrap_or_default();
    let privileged = own.privileged == Some(true);
    let mut context = SecurityContext {
        // A privileged container escalates by definition, and the API server refuses the contradiction.
        allow_privilege_escalation: (!privileged).then_some(false),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), add: None }),
        ..SecurityContext::default()
    };
    if own.capabilities.is_some() {
        context.capabilities = None;
    }
    context.merge_from(own);
    context
}
