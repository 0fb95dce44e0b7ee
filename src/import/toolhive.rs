//! `MCPServer` of `ToolHive`, `toolhive.stacklok.dev/v1alpha1` and `v1beta1`.

use k8s_openapi::api::core::v1::{EnvVarSource, SecretKeySelector};
use serde_json::{Map, Value};

use super::draft::{Draft, map, text, texts};
use super::{Outcome, Refusal, docker, transport};

/// What is about its proxy, which there is none of here.
const PROXY: [&str; 12] = [
    "proxyMode",
    "proxyPort",
    "trustProxyHeaders",
    "endpointPrefix",
    "sessionStorage",
    "proxyReadTimeout",
    "proxyWriteTimeout",
    "replicas",
    "resourceOverrides",
    "groupRef",
    "telemetry",
    "telemetryConfigRef",
];

const CARRIED: [&str; 16] = [
    "image",
    "transport",
    "port",
    "targetPort",
    "mcpPort",
    "args",
    "env",
    "secrets",
    "serviceAccount",
    "podTemplateSpec",
    "volumes",
    "resources",
    "backendReplicas",
    "sessionAffinity",
    "permissionProfile",
    "audit",
];

pub(super) fn import(document: &Value) -> Outcome {
    let name = document["metadata"]["name"].as_str().unwrap_or_default();
    let mut draft = Draft::in_place_of(document);
    match carry(&mut draft, document) {
        Ok(()) => draft.finish(),
        Err(why) => Outcome::Refused { name: name.to_owned(), why },
    }
}

fn carry(draft: &mut Draft, document: &Value) -> Result<(), Refusal> {
    let spec = &document["spec"];
    draft.image(spec["image"].as_str().unwrap_or_default())?;
    // First, so that the Secret to make is none of these.
    pod(draft, &spec["podTemplateSpec"]);
    for secret in spec["secrets"].as_array().into_iter().flatten() {
        secret_variable(draft, secret);
    }
    for variable in spec["env"].as_array().into_iter().flatten() {
        let value = text(&variable["value"]).unwrap_or_default();
        draft.variable(variable["name"].as_str().unwrap_or_default(), &value);
    }
    draft.spec.args = draft.arguments(texts(&spec["args"]).iter().map(String::as_str));
    let repository = spec["image"].as_str().map(docker::repository).unwrap_or_default();
    let port = ["mcpPort", "targetPort"].iter().find_map(|it| spec[*it].as_i64()).and_then(|it| i32::try_from(it).ok());
    match spec["transport"].as_str().unwrap_or("stdio") {
        "streamable-http" => {
            let port = port.or_else(|| spec["port"].as_i64().and_then(|it| i32::try_from(it).ok()));
            let port = port.ok_or("spec.mcpPort (spec.targetPort in v1alpha1) is not set, so the server's own port is not known: set it, and import again")?;
            served(draft, repository, port)?;
        }
        "sse" => transport::settle(draft, repository, None).map_err(|_| {
            format!("{repository} speaks SSE, and only streamable HTTP can be shared: if it speaks that, too, set transport: streamable-http, with \
                     the arguments that turn it on, and import again")
        })?,
        _ => transport::settle(draft, repository, None).map_err(|why| format!("transport stdio, which the proxy translated: {why}"))?,
    }
    resources(draft, spec);
    account(draft, spec);
    volumes(draft, spec);
    if let Some(replicas) = spec["backendReplicas"].as_i64().filter(|it| *it > 1) {
        draft.note(format!(
            "backendReplicas: {replicas} pods need sessions: Stateless, or else service.sessionAffinity: ClientIP"
        ));
    }
    if !spec["permissionProfile"].is_null() {
        draft.note("permissionProfile: not carried over; spec.networkPolicy says whom the server may call");
    }
    let auth = [
        "oidcConfig",
        "oidcConfigRef",
        "authzConfig",
        "externalAuthConfigRef",
        "authServerRef",
        "toolConfigRef",
        "rateLimiting",
        "webhookConfigRef",
    ];
    for field in auth.iter().filter(|it| !spec[**it].is_null()) {
        draft.note(format!("{field}: not carried over, the proxy did that; let a gateway do it, or the server itself"));
    }
    let known: Vec<_> = CARRIED.iter().chain(&PROXY).chain(&auth).copied().collect();
    draft.leave("spec.", spec, &known);
    Ok(())
}

/// The proxy told the server by variables where to listen.
fn served(draft: &mut Draft, repository: &str, port: i32) -> Result<(), Refusal> {
    transport::settle(draft, repository, Some(port))?;
    draft.notes.retain(|it| !it.starts_with("port: taken"));
    if super::known::find(repository).is_none() {
        for (name, value) in
            [("MCP_TRANSPORT", "streamable-http"), ("MCP_HOST", "0.0.0.0"), ("FASTMCP_PORT", "$(MCP_PORT)")]
        {
            draft.set(name, value);
        }
        draft.note("env MCP_TRANSPORT, MCP_HOST and FASTMCP_PORT: ToolHive sets them, so the server may count on them");
    }
    Ok(())
}

fn secret_variable(draft: &mut Draft, secret: &Value) {
    let (name, key) = (secret["name"].as_str().unwrap_or_default(), secret["key"].as_str().unwrap_or_default());
    let variable = secret["targetEnvName"].as_str().filter(|it| !it.is_empty()).unwrap_or(key);
    if draft.has(variable) {
        return;
    }
    let secret_key_ref = SecretKeySelector { name: name.into(), key: key.into(), optional: None };
    let value_from = EnvVarSource { secret_key_ref: Some(secret_key_ref), ..EnvVarSource::default() };
    let variable =
        k8s_openapi::api::core::v1::EnvVar { name: variable.into(), value: None, value_from: Some(value_from) };
    draft.spec.env.push(variable);
}

fn resources(draft: &mut Draft, spec: &Value) {
    if spec["resources"].as_object().is_some_and(|it| !it.is_empty()) && draft.spec.resources.is_none() {
        draft.spec.resources = draft.part("resources", &spec["resources"]);
        draft.note(
            "resources: ToolHive gave them to its proxy; here they are the server's own, so look whether they fit",
        );
    }
}

fn account(draft: &mut Draft, spec: &Value) {
    let named = spec["serviceAccount"].as_str().filter(|it| !it.is_empty());
    if let Some(name) =
        named.or_else(|| spec.pointer("/podTemplateSpec/spec/serviceAccountName").and_then(Value::as_str))
    {
        let account = draft.spec.service_account.get_or_insert_default();
        account.name = Some(name.into());
        account.automount_token = true;
        draft.note("serviceAccount: its token is mounted, as ToolHive does; remove automountToken if the server does not call Kubernetes");
    }
}

fn volumes(draft: &mut Draft, spec: &Value) {
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let path = volume["mountPath"].as_str().unwrap_or_default();
        draft.note(format!(
            "volumes: {path} was a path of a node; not carried over, use spec.storage, spec.files or spec.volumes"
        ));
    }
}

/// What the template says of the pod, and of the container `mcp`.
fn pod(draft: &mut Draft, template: &Value) {
    let spec = &template["spec"];
    let containers = spec["containers"].as_array().into_iter().flatten();
    for container in containers {
        if container["name"] != "mcp" {
            draft.note("podTemplateSpec: another container is not carried over, the server has its pod to itself");
            continue;
        }
        for variable in container["env"].as_array().into_iter().flatten() {
            let read: Option<k8s_openapi::api::core::v1::EnvVar> = draft.part("podTemplateSpec env", variable);
            match read {
                Some(it) if it.value_from.is_some() => {
                    draft.spec.env.retain(|old| old.name != it.name);
                    draft.spec.env.push(it);
                }
                Some(it) => draft.variable(&it.name, it.value.as_deref().unwrap_or_default()),
                None => {}
            }
        }
        draft.spec.env_from = draft.part("podTemplateSpec envFrom", &container["envFrom"]).unwrap_or_default();
        draft.spec.resources = draft.part("podTemplateSpec resources", &container["resources"]);
        draft.spec.security_context = draft.part("podTemplateSpec securityContext", &container["securityContext"]);
        draft.spec.volume_mounts =
            draft.part("podTemplateSpec volumeMounts", &container["volumeMounts"]).unwrap_or_default();
        draft.spec.command = draft.arguments(texts(&container["command"]).iter().map(String::as_str));
        draft.leave(
            "podTemplateSpec mcp.",
            container,
            &["name", "env", "envFrom", "resources", "securityContext", "volumeMounts", "command"],
        );
    }
    draft.spec.pod_security_context = draft.part("podTemplateSpec securityContext", &spec["securityContext"]);
    draft.spec.tolerations = draft.part("podTemplateSpec tolerations", &spec["tolerations"]).unwrap_or_default();
    draft.spec.image_pull_secrets =
        draft.part("podTemplateSpec imagePullSecrets", &spec["imagePullSecrets"]).unwrap_or_default();
    draft.spec.affinity = spec["affinity"].as_object().cloned();
    draft.spec.volumes = objects(&spec["volumes"]);
    draft.spec.init_containers = objects(&spec["initContainers"]);
    draft.spec.node_selector =
        map(spec, "nodeSelector").filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
    draft.spec.runtime_class_name = spec["runtimeClassName"].as_str().map(Into::into);
    draft.spec.priority_class_name = spec["priorityClassName"].as_str().map(Into::into);
    let metadata = &template["metadata"];
    draft.spec.pod_annotations =
        map(metadata, "annotations").filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
    draft.spec.pod_labels =
        map(metadata, "labels").filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
    let carried = [
        "containers",
        "serviceAccountName",
        "securityContext",
        "tolerations",
        "imagePullSecrets",
        "affinity",
        "volumes",
        "initContainers",
        "nodeSelector",
        "runtimeClassName",
        "priorityClassName",
    ];
    draft.leave("podTemplateSpec.", spec, &carried);
}

fn objects(value: &Value) -> Vec<Map<String, Value>> {
    value.as_array().into_iter().flatten().filter_map(Value::as_object).cloned().collect()
}
