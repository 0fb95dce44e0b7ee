//! The pod template of the server: one container, and restricted by default.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, KeyToPath, Lifecycle, LifecycleHandler,
    PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, SecretVolumeSource, SleepAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

use super::{
    FILES_HASH, FILES_VOLUME, MCP_PORT, REFERENCES_HASH, SERVER_CONTAINER, STORAGE_VOLUME, config_map, filled, listed,
    persistent_volume_claim,
};
use crate::api::ScratchMedium;
use crate::labels;
use crate::validate::{FileSource, PlannedFile, Rollout, ValidatedServer};

/// Seconds for which a stopping pod still answers, so that load balancers can move on first.
const DRAIN_SECONDS: i64 = 5;

/// Name that the one file of a volume has in it.
const FILE_KEY: &str = "file";

/// The template, with `podTemplate` merged over it.
pub(super) fn template(server: &ValidatedServer) -> PodTemplateSpec {
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(server.pod_labels.clone()),
            annotations: filled(annotations(server)),
            ..ObjectMeta::default()
        }),
        spec: Some(pod_spec(server)),
    };
    if let Some(patch) = &server.pod_template {
        template.merge_from(patch.clone());
    }
    // Last, so that nothing above can take the pods away from the selector of their Deployment.
    template.metadata.get_or_insert_default().labels.get_or_insert_default().extend(labels::recommended(&server.name));
    template
}

fn annotations(server: &ValidatedServer) -> BTreeMap<String, String> {
    let Rollout { files, references } = &server.rollout;
    let hashes = [(FILES_HASH, files), (REFERENCES_HASH, references)];
    let hashes = hashes.into_iter().filter_map(|(key, hash)| Some((key.to_owned(), hash.clone()?)));
    server.pod_annotations.clone().into_iter().chain(hashes).collect()
}

fn pod_spec(server: &ValidatedServer) -> PodSpec {
    let scheduling = server.scheduling.clone();
    PodSpec {
        init_containers: listed(server.pod_parts.init_containers.clone()),
        containers: vec![container(server)],
        volumes: listed(volumes(server)),
        service_account_name: Some(server.account().to_owned()),
        automount_service_account_token: Some(server.automount_token),
        // A Service called "mcp" would otherwise put MCP_PORT=tcp://… into the server's environment.
        enable_service_links: Some(false),
        image_pull_secrets: listed(server.image_pull_secrets.clone()),
        security_context: Some(server.pod_security_context.clone()),
        termination_grace_period_seconds: Some(server.termination_grace_period_seconds),
        runtime_class_name: scheduling.runtime_class_name,
        node_selector: filled(scheduling.node_selector),
        tolerations: listed(scheduling.tolerations),
        affinity: scheduling.affinity,
        topology_spread_constraints: listed(scheduling.topology_spread_constraints),
        priority_class_name: scheduling.priority_class_name,
        ..PodSpec::default()
    }
}

fn container(server: &ValidatedServer) -> Container {
    Container {
        name: SERVER_CONTAINER.into(),
        image: Some(server.image.clone()),
        image_pull_policy: Some(server.image_pull_policy.as_str().into()),
        command: listed(server.command.clone()),
        args: listed(server.args.clone()),
        env: listed(server.env.clone()),
        env_from: listed(server.env_from.clone()),
        ports: Some(ports(server)),
        resources: server.resources.clone(),
        security_context: Some(server.security_context.clone()),
        startup_probe: server.probes.startup.clone(),
        readiness_probe: server.probes.readiness.clone(),
        liveness_probe: server.probes.liveness.clone(),
        lifecycle: drain(server),
        volume_mounts: listed(mounts(server)),
        // Lets a condition quote the last line of a crash, with no right to read logs.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        ..Container::default()
    }
}

/// The ports by name; one that two Service ports lead to is listed once, as Kubernetes wants it.
fn ports(server: &ValidatedServer) -> Vec<ContainerPort> {
    let extra = server.service.extra_ports.iter().map(|extra| (extra.name.as_str(), extra.target_port));
    let mut ports: Vec<ContainerPort> = Vec::new();
    for (name, number) in std::iter::once((MCP_PORT, server.port)).chain(extra) {
        if ports.iter().all(|port| port.container_port != number) {
            ports.push(ContainerPort {
                name: Some(name.into()),
                container_port: number,
                protocol: Some("TCP".into()),
                ..ContainerPort::default()
            });
        }
    }
    ports
}

/// `None` where the grace period leaves no time for it.
fn drain(server: &ValidatedServer) -> Option<Lifecycle> {
    (server.termination_grace_period_seconds > DRAIN_SECONDS).then(|| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds: DRAIN_SECONDS }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}

fn volumes(server: &ValidatedServer) -> Vec<Volume> {
    let scratch = server.scratch.iter().map(|scratch| Volume {
        name: scratch.volume.clone(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: (scratch.medium == ScratchMedium::Memory).then(|| "Memory".into()),
            size_limit: scratch.size_limit.clone(),
        }),
        ..Volume::default()
    });
    let contents = server.files.iter().any(|it| it.content().is_some()).then(|| Volume {
        name: FILES_VOLUME.into(),
        config_map: Some(ConfigMapVolumeSource {
            name: config_map::name(&server.name),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    });
    let storage = server.storage.iter().map(|_| Volume {
        name: STORAGE_VOLUME.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: persistent_volume_claim::name(&server.name),
            read_only: None,
        }),
        ..Volume::default()
    });
    let files = contents.into_iter().chain(server.files.iter().filter_map(file_volume));
    scratch.chain(storage).chain(files).chain(server.pod_parts.volumes.iter().cloned()).collect()
}

/// The volume of a file that is kept in an object of the user.
fn file_volume(file: &PlannedFile) -> Option<Volume> {
    let volume = Volume { name: file.volume.clone(), ..Volume::default() };
    let items = |key: &str| Some(vec![KeyToPath { key: key.into(), path: FILE_KEY.into(), mode: None }]);
    match &file.source {
        FileSource::Content { .. } => None,
        FileSource::ConfigMap(it) => Some(Volume {
            config_map: Some(ConfigMapVolumeSource {
                name: it.name.clone(),
                items: items(&it.key),
                optional: it.optional,
                default_mode: None,
            }),
            ..volume
        }),
        FileSource::Secret(it) => Some(Volume {
            secret: Some(SecretVolumeSource {
                secret_name: Some(it.name.clone()),
                items: items(&it.key),
                optional: it.optional,
                default_mode: None,
            }),
            ..volume
        }),
    }
}

fn mounts(server: &ValidatedServer) -> Vec<VolumeMount> {
    let scratch = server.scratch.iter().map(|scratch| VolumeMount {
        name: scratch.volume.clone(),
        mount_path: scratch.path.clone(),
        ..VolumeMount::default()
    });
    let files = server.files.iter().map(|file| VolumeMount {
        name: file.volume.clone(),
        mount_path: file.path.clone(),
        sub_path: Some(file.content().map_or(FILE_KEY, |(key, _)| key).into()),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    let storage = server.storage.iter().map(|storage| VolumeMount {
        name: STORAGE_VOLUME.into(),
        mount_path: storage.mount_path.clone(),
        ..VolumeMount::default()
    });
    scratch.chain(storage).chain(files).chain(server.pod_parts.volume_mounts.iter().cloned()).collect()
}
