//! `MCPServer` of kmcp, `kagent.dev/v1alpha1`.

use k8s_openapi::api::core::v1::{EnvFromSource, SecretEnvSource};
use serde_json::Value;
use std::collections::BTreeMap;

use super::draft::{Draft, map, text, texts};
use super::launch::{self, Launch};
use super::{Input, Outcome, Refusal, docker, transport};

/// The port that it takes when none is said.
const DEFAULT_PORT: i64 = 3000;

const CARRIED: [&str; 14] = [
    "image",
    "port",
    "cmd",
    "args",
    "env",
    "secretRefs",
    "configMapRefs",
    "volumes",
    "volumeMounts",
    "resources",
    "serviceAccount",
    "imagePullSecrets",
    "imagePullPolicy",
    "replicas",
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
    let deployment = &spec["deployment"];
    let is_http = spec["transportType"] == "http";
    // First, so that the Secret to make is none of these.
    references(draft, deployment);
    match deployment["image"].as_str().filter(|it| !it.is_empty()) {
        // Its own images of Node.js and Python are the default for npx and uvx.
        None => package(draft, deployment)?,
        Some(image) => {
            draft.image(image)?;
            draft.spec.command = draft.arguments(texts(&deployment["cmd"]).iter().map(String::as_str));
            draft.spec.args = draft.arguments(texts(&deployment["args"]).iter().map(String::as_str));
            for (name, value) in map(deployment, "env") {
                draft.variable(name, &text(value).unwrap_or_default());
            }
            let http = &spec["httpTransport"];
            let port = http["targetPort"]
                .as_i64()
                .filter(|it| *it > 0)
                .or_else(|| deployment["port"].as_i64())
                .unwrap_or(DEFAULT_PORT);
            let port = i32::try_from(port).ok().filter(|_| is_http);
            transport::settle(draft, docker::repository(image), port).map_err(|why| {
                if is_http { why } else { format!("transportType stdio, which a gateway in the pod translated: {why}") }
            })?;
            draft.notes.retain(|it| !is_http || !it.starts_with("port: taken"));
            if let Some(path) = http["path"].as_str().filter(|it| is_http && it.starts_with('/')) {
                draft.spec.path = Some(path.into());
                draft.notes.retain(|it| !it.starts_with("path: "));
            }
        }
    }
    for field in ["authn", "authz", "routeFilter"].into_iter().filter(|it| !spec[*it].is_null()) {
        draft.note(format!("{field}: not carried over, let a gateway do that, or the server itself"));
    }
    draft.leave(
        "spec.",
        spec,
        &["deployment", "transportType", "stdioTransport", "httpTransport", "authn", "authz", "routeFilter", "timeout"],
    );
    draft.leave("spec.deployment.", deployment, &CARRIED);
    if !spec["httpTransport"]["tls"].is_null() {
        draft.note("httpTransport.tls: not carried over, the server is called without TLS within the cluster");
    }
    Ok(())
}

fn package(draft: &mut Draft, deployment: &Value) -> Result<(), Refusal> {
    let command = deployment["cmd"].as_str().unwrap_or_default();
    if !["npx", "uvx"].contains(&command) {
        return Err("spec.deployment names no image, and neither npx nor uvx as cmd".into());
    }
    let args = texts(&deployment["args"]);
    let env: BTreeMap<_, _> =
        map(deployment, "env").filter_map(|(name, value)| Some((name.as_str(), text(value)?))).collect();
    let launch = Launch { command, args: args.iter().map(String::as_str).collect(), env };
    let input = Input { text: "", name: "", read: &|_| Err("not from here".into()) };
    launch::carry(draft, &launch, &input)
}

/// What it takes from Secrets and others.
fn references(draft: &mut Draft, deployment: &Value) {
    for secret in deployment["secretRefs"].as_array().into_iter().flatten() {
        let name = secret["name"].as_str().unwrap_or_default().to_owned();
        draft.spec.env_from.push(EnvFromSource {
            secret_ref: Some(SecretEnvSource { name, optional: None }),
            ..EnvFromSource::default()
        });
    }
    for source in deployment["configMapRefs"].as_array().into_iter().flatten() {
        let name = source["name"].as_str().unwrap_or_default();
        draft.note(format!(
            "configMapRefs: {name} is not carried over; mount it by spec.volumes, or a key of it by spec.files"
        ));
    }
    let volumes = deployment["volumes"].as_array().into_iter().flatten();
    draft.spec.volumes = volumes.filter_map(Value::as_object).cloned().collect();
    draft.spec.volume_mounts = draft.part("volumeMounts", &deployment["volumeMounts"]).unwrap_or_default();
    draft.spec.resources = draft.part("resources", &deployment["resources"]);
    draft.spec.image_pull_secrets = draft.part("imagePullSecrets", &deployment["imagePullSecrets"]).unwrap_or_default();
    draft.spec.image_pull_policy = draft.part("imagePullPolicy", &deployment["imagePullPolicy"]);
    if let Some(annotations) = deployment["serviceAccount"]["annotations"].as_object() {
        let account = draft.spec.service_account.get_or_insert_default();
        account.annotations = annotations.iter().filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
    }
    match deployment["replicas"].as_i64() {
        Some(0) => draft.spec.replicas = Some(0),
        Some(more) if more > 1 => {
            draft.note(format!(
                "replicas: {more} pods need sessions: Stateless, or else service.sessionAffinity: ClientIP"
            ));
        }
        _ => {}
    }
}
