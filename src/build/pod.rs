//! The pod template of the server, and of each dependency: one container, and restricted by default.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, KeyToPath, Lifecycle, LifecycleHandler,
    PersistentVolumeClaimVolumeSource, PodSpec, PodTemplateSpec, SecretVolumeSource, SleepAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

use super::{FILES_HASH, FILES_VOLUME, REFERENCES_HASH, STORAGE_VOLUME, filled, listed};
use crate::api::ScratchMedium;
use crate::labels;
use crate::validate::{FileSource, PlannedFile, PodPlan, PodPort, Rollout};

/// Seconds for which a stopping pod still answers, so that load balancers can move on first.
const DRAIN_SECONDS: i64 = 5;

/// Name that the one file of a volume has in it.
const FILE_KEY: &str = "file";

/// The template, with `podTemplate` merged over it.
pub(super) fn template(pod: &PodPlan) -> PodTemplateSpec {
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(pod.labels.clone()),
            annotations: filled(annotations(pod)),
            ..ObjectMeta::default()
        }),
        spec: Some(pod_spec(pod)),
    };
    if let Some(patch) = &pod.template {
        template.merge_from(patch.clone());
    }
    // Last, so that nothing above can take the pods away from the selector of their Deployment.
    template.metadata.get_or_insert_default().labels.get_or_insert_default().extend(labels::recommended(&pod.part));
    template
}

fn annotations(pod: &PodPlan) -> BTreeMap<String, String> {
    let Rollout { files, references } = &pod.rollout;
    let hashes = [(FILES_HASH, files), (REFERENCES_HASH, references)];
    let hashes = hashes.into_iter().filter_map(|(key, hash)| Some((key.to_owned(), hash.clone()?)));
    pod.annotations.clone().into_iter().chain(hashes).collect()
}

fn pod_spec(pod: &PodPlan) -> PodSpec {
    let scheduling = pod.scheduling.clone();
    PodSpec {
        init_containers: listed(pod.parts.init_containers.clone()),
        containers: vec![container(pod)],
        volumes: listed(volumes(pod)),
        service_account_name: Some(pod.account().to_owned()),
        automount_service_account_token: Some(pod.automount_token),
        // A Service called "mcp" would otherwise put MCP_PORT=tcp://… into the server's environment.
        enable_service_links: Some(false),
        image_pull_secrets: listed(pod.image_pull_secrets.clone()),
        security_context: Some(pod.pod_security_context.clone()),
        termination_grace_period_seconds: Some(pod.termination_grace_period_seconds),
        runtime_class_name: scheduling.runtime_class_name,
        node_selector: filled(scheduling.node_selector),
        tolerations: listed(scheduling.tolerations),
        affinity: scheduling.affinity,
        topology_spread_constraints: listed(scheduling.topology_spread_constraints),
        priority_class_name: scheduling.priority_class_name,
        ..PodSpec::default()
    }
}

fn container(pod: &PodPlan) -> Container {
    Container {
        name: pod.part.component().into(),
        image: Some(pod.image.clone()),
        image_pull_policy: Some(pod.image_pull_policy.as_str().into()),
        command: listed(pod.command.clone()),
        args: listed(pod.args.clone()),
        env: listed(pod.env.clone()),
        env_from: listed(pod.env_from.clone()),
        ports: Some(ports(pod)),
        resources: pod.resources.clone(),
        security_context: Some(pod.security_context.clone()),
        startup_probe: pod.probes.startup.clone(),
        readiness_probe: pod.probes.readiness.clone(),
        liveness_probe: pod.probes.liveness.clone(),
        lifecycle: drain(pod),
        volume_mounts: listed(mounts(pod)),
        // Lets a condition quote the last line of a crash, with no right to read logs.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        ..Container::default()
    }
}

fn ports(pod: &PodPlan) -> Vec<ContainerPort> {
    let port = |port: &PodPort| ContainerPort {
        name: Some(port.name.clone()),
        container_port: port.number,
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    };
    pod.ports.iter().map(port).collect()
}

/// `None` where the grace period leaves no time for it.
fn drain(pod: &PodPlan) -> Option<Lifecycle> {
    (pod.drains && pod.termination_grace_period_seconds > DRAIN_SECONDS).then(|| Lifecycle {
        pre_stop: Some(LifecycleHandler {
            sleep: Some(SleepAction { seconds: DRAIN_SECONDS }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    })
}

fn volumes(pod: &PodPlan) -> Vec<Volume> {
    let scratch = pod.scratch.iter().map(|scratch| Volume {
        name: scratch.volume.clone(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: (scratch.medium == ScratchMedium::Memory).then(|| "Memory".into()),
            size_limit: scratch.size_limit.clone(),
        }),
        ..Volume::default()
    });
    let contents = pod.files.iter().any(|it| it.content().is_some()).then(|| Volume {
        name: FILES_VOLUME.into(),
        config_map: Some(ConfigMapVolumeSource { name: pod.part.files(), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    });
    let storage = pod.storage.iter().map(|_| Volume {
        name: STORAGE_VOLUME.into(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: pod.part.storage(),
            read_only: None,
        }),
        ..Volume::default()
    });
    let files = contents.into_iter().chain(pod.files.iter().filter_map(file_volume));
    scratch.chain(storage).chain(files).chain(pod.parts.volumes.iter().cloned()).collect()
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

fn mounts(pod: &PodPlan) -> Vec<VolumeMount> {
    let scratch = pod.scratch.iter().map(|scratch| VolumeMount {
        name: scratch.volume.clone(),
        mount_path: scratch.path.clone(),
        ..VolumeMount::default()
    });
    let files = pod.files.iter().map(|file| VolumeMount {
        name: file.volume.clone(),
        mount_path: file.path.clone(),
        sub_path: Some(file.content().map_or(FILE_KEY, |(key, _)| key).into()),
        read_only: Some(true),
        ..VolumeMount::default()
    });
    let storage = pod.storage.iter().map(|storage| VolumeMount {
        name: STORAGE_VOLUME.into(),
        mount_path: storage.mount_path.clone(),
        ..VolumeMount::default()
    });
    scratch.chain(storage).chain(files).chain(pod.parts.volume_mounts.iter().cloned()).collect()
}
