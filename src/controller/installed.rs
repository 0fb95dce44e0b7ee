//! Waits until the cluster has the resource as this program knows it.
//!
//! The API server drops fields that it does not know without a word, and an operator that went on
//! would take them for absent. What it knows stands in its `OpenAPI` document, which every client may
//! read: this costs no right.

use hyper::Request;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Client, Resource};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::health::Health;
use super::leader;
use super::report::{EVENT_TIMEOUT, LONGEST_NOTE};
use crate::api::MCPServer;
use crate::api::crd::mcpserver_crd;
use crate::settings::Settings;
use crate::text;

/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What was installed a moment ago takes the API server a few seconds to show: no news for a log.
const NEWS_AFTER: Duration = Duration::from_secs(6);

/// More fields than these are only counted.
const MOST_NAMED: usize = 5;

/// The fields that this program knows, each after the one that it is in. The schema that they are read from is
/// much larger, and takes as long to make as everything else that an operator does before its first request.
static KNOWN: LazyLock<Result<Vec<String>, String>> = LazyLock::new(|| {
    let crd = mcpserver_crd().and_then(serde_json::to_value).map_err(|error| error.to_string())?;
    Ok(fields(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
});

/// What keeps the operator from its work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error(
        "the CustomResourceDefinition mcpservers.landfall.dev is not installed: install the chart landfall-crds, or \
         apply crds/mcpservers.yaml"
    )]
    Missing,
    #[error(
        "the CustomResourceDefinition mcpservers.landfall.dev is older than this operator, version {}: it lacks {}. \
         Upgrade the chart landfall-crds, or apply crds/mcpservers.yaml",
        env!("CARGO_PKG_VERSION"),
        named(.0)
    )]
    Older(Vec<String>),
    #[error("the API server does not answer: {0}")]
    Unknown(String),
}

impl Problem {
    fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "ResourceMissing",
            Self::Older(_) => "ResourceOutdated",
            Self::Unknown(_) => "NoAnswer",
        }
    }
}

fn named(fields: &[String]) -> String {
    let some = fields[..fields.len().min(MOST_NAMED)].join(", ");
    match fields.len().saturating_sub(MOST_NAMED) {
        0 => some,
        more => format!("{some} and {more} more"),
    }
}

/// Waits; meanwhile the log, `/readyz` and an event say for what.
pub(super) async fn wait(client: &Client, settings: &Settings, health: &Health) -> anyhow::Result<()> {
    let known = known()?;
    let (mut told, mut seen) = (None, None);
    while let Some(problem) = look(client, known).await {
        health.wait_for(Some(problem.to_string()));
        let since = match &seen {
            Some((same, since)) if *same == problem => *since,
            _ => seen.insert((problem.clone(), Instant::now())).1,
        };
        if told.as_ref() != Some(&problem) && since.elapsed() >= NEWS_AFTER {
            tracing::error!("waiting: {problem}");
            publish(client, settings, &problem).await;
            told = Some(problem);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    if told.is_some() {
        tracing::info!("the CustomResourceDefinition is there as it should be");
    }
    health.wait_for(None);
    Ok(())
}

/// What is wrong with the resource that the cluster has, in a sentence.
pub async fn resource_problem(client: &Client) -> anyhow::Result<Option<String>> {
    Ok(look(client, known()?).await.map(|problem| problem.to_string()))
}

fn known() -> anyhow::Result<&'static [String]> {
    KNOWN.as_deref().map_err(|error| anyhow::anyhow!("{error}"))
}

async fn look(client: &Client, known: &[String]) -> Option<Problem> {
    let (group, version) = (MCPServer::group(&()), MCPServer::version(&()));
    let request = Request::get(format!("/openapi/v3/apis/{group}/{version}")).body(Vec::new());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Some(Problem::Unknown(error.to_string())),
    };
    match client.request::<Value>(request).await {
        Ok(document) => judge(known, &document),
        Err(kube::Error::Api(status)) if status.code == 404 => Some(Problem::Missing),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            tracing::warn!("whether the CustomResourceDefinition is up to date cannot be seen: {}", status.message);
            None
        }
        Err(error) => Some(Problem::Unknown(error.to_string())),
    }
}

fn judge(known: &[String], document: &Value) -> Option<Problem> {
    let schemas = document["components"]["schemas"].as_object();
    let is_ours = |name: &&String| name.ends_with(&format!(".{}", MCPServer::kind(&())));
    let name = schemas.and_then(|schemas| schemas.keys().find(is_ours));
    let Some(name) = name else { return Some(Problem::Missing) };
    let installed: HashSet<_> = fields(&document["components"]["schemas"][name]).into_iter().collect();
    let mut lacking: Vec<String> = Vec::new();
    for field in known.iter().filter(|it| !installed.contains(*it)) {
        let within = lacking.last().and_then(|last| field.strip_prefix(last.as_str()));
        if within.is_none_or(|it| !it.starts_with(['.', '['])) {
            lacking.push(field.clone());
        }
    }
    (!lacking.is_empty()).then_some(Problem::Older(lacking))
}

/// The paths of all fields, each after the one that it is in.
fn fields(schema: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    for part in ["spec", "status"] {
        add_fields(&schema["properties"][part], part, &mut paths);
    }
    paths
}

fn add_fields(schema: &Value, path: &str, paths: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        paths.push(path.clone());
        add_fields(field, &path, paths);
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if schema[inner].is_object() {
            add_fields(&schema[inner], &format!("{path}{mark}"), paths);
        }
    }
}

/// An event about the operator's own pod: there is nothing else yet that it could be about.
async fn publish(client: &Client, settings: &Settings, problem: &Problem) {
    let event = Event {
        type_: EventType::Warning,
        reason: problem.reason().into(),
        note: Some(text::shortened(&problem.to_string(), LONGEST_NOTE)),
        action: "Start".into(),
        secondary: None,
    };
    let pod = ObjectReference {
        api_version: Some("v1".into()),
        kind: Some("Pod".into()),
        name: Some(leader::host()),
        namespace: Some(leader::namespace(client, settings)),
        ..ObjectReference::default()
    };
    let recorder = Recorder::new(client.clone(), "landfall.dev/operator".into());
    match tokio::time::timeout(EVENT_TIMEOUT, recorder.publish(&event, &pod)).await {
        Ok(Ok(())) => {}
        failed => tracing::warn!("the event was not published: {failed:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        let crd = serde_json::to_value(mcpserver_crd().expect("a CRD")).expect("JSON");
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    fn known() -> &'static [String] {
        super::known().expect("a CRD")
    }

    fn document(schema: &Value) -> Value {
        json!({"components": {"schemas": {"dev.landfall.v1alpha1.MCPServer": schema, "dev.landfall.v1alpha1.MCPServerList": {}}}})
    }

    #[test]
    fn the_resource_of_this_version_or_a_later_one_fits() {
        let mut installed = schema();
        assert_eq!(judge(known(), &document(&installed)), None);
        installed["properties"]["spec"]["properties"]["future"] = json!({"type": "string"});
        assert_eq!(judge(known(), &document(&installed)), None);
    }

    #[test]
    fn each_field_that_is_not_there_is_named_at_any_depth() {
        let mut installed = schema();
        let spec = &mut installed["properties"]["spec"]["properties"];
        spec.as_object_mut().expect("fields").remove("storage");
        let env = spec["env"]["items"]["properties"].as_object_mut().expect("fields");
        env.remove("valueFrom");
        let fields = vec!["spec.env[].valueFrom".to_owned(), "spec.storage".to_owned()];
        let problem = judge(known(), &document(&installed));
        assert_eq!(problem, Some(Problem::Older(fields)));
        assert!(problem.is_some_and(|it| it.to_string().contains("lacks spec.env[].valueFrom, spec.storage. Upgrade")));
    }

    #[test]
    fn many_fields_are_counted() {
        let problem = judge(known(), &document(&json!({"properties": {}}))).expect("older");
        assert!(problem.to_string().contains("spec.affinity"), "{problem}");
        assert!(problem.to_string().contains(" more. Upgrade"), "{problem}");
        assert_eq!(judge(known(), &json!({})), Some(Problem::Missing));
    }
}
