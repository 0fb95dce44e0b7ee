//! `MCPServer` of the MCP lifecycle operator, `mcp.x-k8s.io`.

use k8s_openapi::api::core::v1::EnvVar;
use serde_json::{Value, json};

use super::draft::{Draft, texts};
use super::{Outcome, Refusal, secret};
use crate::api::{ProbeSpec, Probes, Sessions};

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
    let (config, runtime) = (&spec["config"], &spec["runtime"]);
    let image = spec["source"]["containerImage"]["ref"].as_str();
    draft.image(image.ok_or("spec.source names no image")?)?;
    let port = config["port"].as_i64().and_then(|it| i32::try_from(it).ok());
    draft.spec.port = port.ok_or("spec.config.port is not set")?;
    draft.spec.path = config["path"].as_str().filter(|it| *it != "/mcp").map(Into::into);
    // It knows streamable HTTP alone, so its words are taken as they are.
    let env: Vec<EnvVar> = draft.part("config.env", &config["env"]).unwrap_or_default();
    for variable in env {
        match &variable.value {
            Some(value) if secret::is(&variable.name, value) => draft.ask(&variable.name),
            _ => draft.spec.env.push(variable),
        }
    }
    draft.spec.args = draft.arguments(texts(&config["arguments"]).iter().map(String::as_str));
    draft.spec.env_from = draft.part("config.envFrom", &config["envFrom"]).unwrap_or_default();
    for (at, mount) in config["storage"].as_array().into_iter().flatten().enumerate() {
        storage(draft, at, mount);
    }
    match runtime["replicas"].as_i64() {
        Some(0) => draft.spec.replicas = Some(0),
        Some(more) if more > 1 => {
            draft.spec.replicas = i32::try_from(more).ok();
            draft.spec.sessions = Some(Sessions::Stateless);
            draft.note("sessions: Stateless, as several pods were asked for; if the server keeps sessions, use one, or service.sessionAffinity: ClientIP");
        }
        _ => {}
    }
    let security = &runtime["security"];
    if let Some(name) = security["serviceAccountName"].as_str().filter(|it| !it.is_empty()) {
        let account = draft.spec.service_account.get_or_insert_default();
        account.name = Some(name.into());
        account.automount_token = true;
        draft.note("serviceAccount: its token is mounted, as is usual; remove automountToken if the server does not call Kubernetes");
    }
    draft.spec.pod_security_context =
        draft.part("runtime.security.podSecurityContext", &security["podSecurityContext"]);
    draft.spec.security_context = draft.part("runtime.security.securityContext", &security["securityContext"]);
    draft.spec.resources = draft.part("runtime.resources", &runtime["resources"]);
    let health = &runtime["health"];
    let mut probe = |field: &str| {
        let probe = draft.part(&format!("runtime.health.{field}"), &health[field])?;
        Some(ProbeSpec { disabled: false, probe })
    };
    let probes = Probes { startup: None, readiness: probe("readinessProbe"), liveness: probe("livenessProbe") };
    if probes != Probes::default() {
        draft.spec.probes = Some(probes);
    }
    draft.leave("spec.", spec, &["source", "config", "runtime"]);
    draft.leave("spec.config.", config, &["port", "path", "arguments", "env", "envFrom", "storage"]);
    draft.leave("spec.runtime.", runtime, &["replicas", "security", "resources", "health"]);
    Ok(())
}

fn storage(draft: &mut Draft, at: usize, mount: &Value) {
    let source = &mount["source"];
    let path = mount["path"].as_str().unwrap_or_default();
    if source["type"] == "EmptyDir" {
        return draft.scratch(path);
    }
    let name = format!("storage-{at}");
    let volume = match source["type"].as_str() {
        Some("ConfigMap") => json!({"name": name, "configMap": source["configMap"]}),
        Some("Secret") => json!({"name": name, "secret": source["secret"]}),
        _ => return draft.note(format!("config.storage: {path} is not carried over")),
    };
    let read_only = (mount["permissions"] != "ReadWrite").then_some(true);
    draft.spec.volumes.extend(volume.as_object().cloned());
    let mount = json!({"name": name, "mountPath": path, "readOnly": read_only});
    let mount = draft.part("config.storage", &mount);
    draft.spec.volume_mounts.extend::<Option<_>>(mount);
}
