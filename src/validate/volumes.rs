//! Volumes, mounts and init containers that the spec gives as in a pod, and the server's storage.

use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeSet;

use super::mounts::Mounts;
use super::{Problems, container, names, raw};
use crate::api::{AccessMode, MCPServerSpec};
use crate::build::{SERVER_CONTAINER, STORAGE_VOLUME};
use crate::presets::DataVersion;

/// What the spec adds to the pod, as in a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodParts {
    pub volumes: Vec<Volume>,
    pub volume_mounts: Vec<VolumeMount>,
    pub init_containers: Vec<Container>,
}

/// Storage of the server itself, with its defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct StoragePlan {
    pub mount_path: String,
    pub size: Quantity,
    pub storage_class_name: Option<String>,
    pub access_modes: Vec<AccessMode>,
    /// Whether the data outlives what it belongs to.
    pub retain: bool,
    /// Which database writes to it, if that is known.
    pub data: Option<DataVersion>,
}

pub(super) fn storage(spec: &MCPServerSpec, mounts: &mut Mounts, problems: &mut Problems) -> Option<StoragePlan> {
    let storage = spec.storage.as_ref()?;
    container::check_quantity("spec.storage.size", &storage.size, problems);
    mounts.volume("spec.storage", STORAGE_VOLUME, problems);
    mounts.directory("spec.storage.mountPath", &storage.mount_path, problems);
    let access_modes: BTreeSet<_> = storage.access_modes.iter().copied().collect();
    if access_modes.contains(&AccessMode::ReadWriteOncePod) && access_modes.len() > 1 {
        problems.add("spec.storage.accessModes", "ReadWriteOncePod goes with no other mode: keep one of them");
    }
    Some(StoragePlan {
        mount_path: storage.mount_path.clone(),
        size: storage.size.clone(),
        storage_class_name: storage.storage_class_name.clone(),
        access_modes: if access_modes.is_empty() {
            vec![AccessMode::ReadWriteOnce]
        } else {
            access_modes.into_iter().collect()
        },
        retain: storage.retain.unwrap_or(true),
        data: None,
    })
}

/// Goes last, when all volumes that Landfall makes are known.
pub(super) fn parts(
    spec: &MCPServerSpec,
    template: Option<&PodTemplateSpec>,
    mounts: &mut Mounts,
    problems: &mut Problems,
) -> PodParts {
    let volumes = volumes(spec, mounts, problems);
    let of_template = template.iter().flat_map(|it| it.spec.iter()).flat_map(|it| it.volumes.iter().flatten());
    let known: BTreeSet<_> = mounts.volumes().map(str::to_owned).chain(of_template.map(|it| it.name.clone())).collect();
    for (at, mount) in spec.volume_mounts.iter().enumerate() {
        let field = format!("spec.volumeMounts[{at}]");
        check_mount(&field, mount, &known, problems);
        mounts.directory(&format!("{field}.mountPath"), &mount.mount_path, problems);
    }
    let init_containers = init_containers(spec, &known, problems);
    PodParts { volumes, volume_mounts: spec.volume_mounts.clone(), init_containers }
}

fn volumes(spec: &MCPServerSpec, mounts: &mut Mounts, problems: &mut Problems) -> Vec<Volume> {
    let mut volumes = Vec::new();
    for (at, raw) in spec.volumes.iter().enumerate() {
        let field = format!("spec.volumes[{at}]");
        let Some(volume) = raw::decode::<Volume>(&field, raw, problems) else { continue };
        names::check_dns_label(&format!("{field}.name"), &volume.name, problems);
        mounts.volume(&format!("{field}.name"), &volume.name, problems);
        let decoded = serde_json::to_value(&volume).unwrap_or_default();
        let sources = decoded.as_object().map_or(0, |it| it.keys().filter(|key| *key != "name").count());
        if sources != 1 {
            problems.add(&field, format!("has {sources} sources: give one, such as configMap, secret or emptyDir"));
        }
        volumes.push(volume);
    }
    volumes
}

fn check_mount(field: &str, mount: &VolumeMount, known: &BTreeSet<String>, problems: &mut Problems) {
    if !known.contains(&mount.name) {
        let known = known.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        problems.add(
            format!("{field}.name"),
            format!("there is no volume \"{}\": add it to spec.volumes, or use one of {known}", mount.name),
        );
    }
    if mount.sub_path.is_some() && mount.sub_path_expr.is_some() {
        problems.add(field, "has both subPath and subPathExpr: keep one");
    }
    for (name, path) in [("subPath", &mount.sub_path), ("subPathExpr", &mount.sub_path_expr)] {
        let Some(path) = path else { continue };
        if path.starts_with('/') || path.split('/').any(|it| it == "..") {
            problems.add(
                format!("{field}.{name}"),
                format!("\"{path}\" must be a path within the volume: relative and without '..'"),
            );
        }
    }
}

/// They are restricted as the server's own container is, or a namespace that wants it so would
/// refuse the pod.
fn init_containers(spec: &MCPServerSpec, known: &BTreeSet<String>, problems: &mut Problems) -> Vec<Container> {
    let mut taken = BTreeSet::from([SERVER_CONTAINER.to_owned()]);
    let mut containers = Vec::new();
    for (at, raw) in spec.init_containers.iter().enumerate() {
        let field = format!("spec.initContainers[{at}]");
        let Some(mut container) = raw::decode::<Container>(&field, raw, problems) else { continue };
        names::check_dns_label(&format!("{field}.name"), &container.name, problems);
        if !taken.insert(container.name.clone()) {
            problems.add(
                format!("{field}.name"),
                format!("\"{}\" is the name of another container: choose another", container.name),
            );
        }
        if container.image.as_ref().is_none_or(String::is_empty) {
            problems.add(format!("{field}.image"), "is missing: name the image that runs");
        }
        let mut paths = Mounts::default();
        for (at, mount) in container.volume_mounts.iter().flatten().enumerate() {
            let field = format!("{field}.volumeMounts[{at}]");
            check_mount(&field, mount, known, problems);
            paths.directory(&format!("{field}.mountPath"), &mount.mount_path, problems);
        }
        container.security_context = Some(container::security_context(container.security_context.as_ref()));
        containers.push(container);
    }
    containers
}
