//! Fills the gaps of a dependency from its preset.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{ExecAction, HTTPGetAction, Probe, ResourceRequirements, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeSet;

use super::super::{PodPort, Problems};
use super::Around;
use super::offer::Offer;
use crate::api::{Dependency, MCPServerSpec, ProbeSpec, Scratch, Storage};
use crate::presets::{Check, Preset, parse_tag};

/// Seconds that a command may take: the shell of some databases takes one to start.
const COMMAND_SECONDS: i32 = 5;

/// The ports that it listens on.
pub(super) fn ports(dependency: &Dependency, preset: Option<&Preset>, problems: &mut Problems) -> Vec<PodPort> {
    let own = dependency.ports.iter().map(|it| PodPort { name: it.name.clone(), number: it.port });
    let own: Vec<_> = own.collect();
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for port in &own {
        if !names.insert(&port.name) || !numbers.insert(port.number) {
            problems.add(
                format!("spec.ports[{}]", port.name),
                format!("{} is there twice: give each port a name and a number of its own", port.number),
            );
        }
    }
    match preset {
        Some(preset) if own.is_empty() => {
            preset.ports.iter().map(|(name, number)| PodPort { name: (*name).into(), number: *number }).collect()
        }
        None if own.is_empty() && dependency.external.is_none() => {
            problems
                .add("spec.ports", "is missing: name the ports that it listens on, such as [{name: http, port: 8080}]");
            own
        }
        _ => own,
    }
}

/// Whether it keeps data.
pub(super) fn is_stored(dependency: &Dependency, preset: Option<&Preset>) -> bool {
    match &dependency.storage {
        Some(storage) => !storage.disabled,
        None => preset.is_some_and(|it| it.data.is_some()),
    }
}

/// The spec of its pods.
pub(super) fn filled(
    dependency: &Dependency,
    preset: Option<&Preset>,
    offer: &Offer,
    around: &Around<'_>,
    problems: &mut Problems,
) -> MCPServerSpec {
    let mut spec = dependency.as_server();
    spec.image_pull_secrets.clone_from(&around.spec.image_pull_secrets);
    spec.rollout_on_change = around.spec.rollout_on_change;
    if dependency.service_account.is_some() {
        spec.service_account.clone_from(&around.spec.service_account);
    }
    spec.storage = storage(dependency, preset, problems);
    let Some(preset) = preset else { return spec };
    check_version(dependency, preset, problems);
    if dependency.image.is_none() {
        spec.image = preset.image_of(dependency.version.as_deref());
    }
    if spec.command.is_empty() && spec.args.is_empty() {
        let password = preset.credentials.iter().filter(|_| !offer.login.is_none()).flat_map(|it| it.args);
        spec.args = preset.args.iter().chain(password).map(|&it| it.to_owned()).collect();
    }
    // A database without storage writes to the same place, which lasts as long as its pod.
    let data = preset.data.as_ref().filter(|_| spec.storage.is_none()).map(|it| it.path);
    let writable = preset.scratch.iter().copied().chain(data);
    let missing = writable.filter(|path| spec.scratch.iter().all(|own| own.path != *path));
    let missing: Vec<_> = missing.map(|path| Scratch { path: path.into(), size_limit: None, medium: None }).collect();
    spec.scratch.extend(missing);
    spec.resources = Some(spec.resources.unwrap_or_else(|| least(preset)));
    if spec.node_selector.is_empty() {
        spec.node_selector = preset.node_selector.iter().map(|(key, it)| ((*key).into(), (*it).into())).collect();
    }
    let probes = spec.probes.get_or_insert_default();
    probes.readiness = Some(readiness(probes.readiness.take(), preset, offer));
    if preset.read_only_root {
        spec.security_context.get_or_insert_default().read_only_root_filesystem.get_or_insert(true);
    }
    if !around.platform.openshift {
        let user = spec.pod_security_context.get_or_insert_default();
        user.run_as_user.get_or_insert(preset.user);
        user.run_as_group.get_or_insert(preset.group);
        user.fs_group.get_or_insert(preset.fs_group);
    }
    spec
}

fn check_version(dependency: &Dependency, preset: &Preset, problems: &mut Problems) {
    let Some(version) = &dependency.version else { return };
    let is_known = parse_tag(version).first().is_some_and(|major| preset.majors.contains(major));
    if !is_known {
        let majors = preset.majors.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
        problems.add(
            "spec.version",
            format!(
                "\"{version}\" is none that this preset is made for, which are {majors}: take one of them, or give an image \
                 and check what else it needs"
            ),
        );
    }
}

fn storage(dependency: &Dependency, preset: Option<&Preset>, problems: &mut Problems) -> Option<Storage> {
    if !is_stored(dependency, preset) {
        return None;
    }
    let own = dependency.storage.clone().unwrap_or_default();
    let known = preset.and_then(|it| it.data.as_ref());
    let mount_path = own.mount_path.or_else(|| known.map(|it| it.path.to_owned()));
    let size = own.size.or_else(|| known.map(|it| Quantity(it.size.to_owned())));
    if mount_path.is_none() {
        problems.add("spec.storage.mountPath", "is missing: say where the data is kept, such as /data");
    }
    if size.is_none() {
        problems.add("spec.storage.size", "is missing: say how much is asked for, such as 10Gi");
    }
    Some(Storage {
        mount_path: mount_path?,
        size: size?,
        storage_class_name: own.storage_class_name,
        access_modes: own.access_modes,
        retain: own.retain,
    })
}

fn least(preset: &Preset) -> ResourceRequirements {
    let (cpu, memory) = preset.requests;
    let requests = [("cpu", cpu), ("memory", memory)].map(|(key, it)| (key.to_owned(), Quantity(it.to_owned())));
    ResourceRequirements { requests: Some(requests.into()), ..ResourceRequirements::default() }
}

/// The preset's check, unless the spec has one of its own; timings of the spec hold for both.
fn readiness(own: Option<ProbeSpec>, preset: &Preset, offer: &Offer) -> ProbeSpec {
    let own = own.unwrap_or_default();
    let Some(port) = offer.ports.first().filter(|_| !own.disabled && !own.has_handler()) else { return own };
    let port = IntOrString::String(port.name.clone());
    let mut probe = match preset.readiness {
        Check::Tcp => Probe { tcp_socket: Some(TCPSocketAction { port, host: None }), ..Probe::default() },
        Check::Http(path) => Probe {
            http_get: Some(HTTPGetAction { path: Some(path.into()), port, ..HTTPGetAction::default() }),
            ..Probe::default()
        },
        Check::Command(command) => Probe {
            exec: Some(ExecAction { command: Some(["sh", "-c", command].map(str::to_owned).into()) }),
            timeout_seconds: Some(COMMAND_SECONDS),
            period_seconds: Some(COMMAND_SECONDS),
            ..Probe::default()
        },
    };
    probe.merge_from(own.probe);
    ProbeSpec { disabled: false, probe }
}
