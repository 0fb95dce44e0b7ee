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
    let known = serde_json::to_value(mcpserver_crd()?)?["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    let (mut told, mut seen) = (None, None);
    while let Some(problem) = look(client, &known).await {
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
pub async fn resource_problem(client: &Client) -> serde_json::Result<Option<String>> {
    let known = serde_json::to_value(mcpserver_crd()?)?["spec"]["versions"][0]["schema"]["openAPIV3Schema"].take();
    Ok(look(client, &known).await.map(|problem| problem.to_string()))
}

async fn look(client: &Client, known: &Value) -> Option<Problem> {
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

fn judge(known: &Value, document: &Value) -> Option<Problem> {
    let schemas = document["components"]["schemas"].as_object();
    let is_ours = |name: &&String| name.ends_with(&format!(".{}", MCPServer::kind(&())));
    let name = schemas.and_then(|schemas| schemas.keys().find(is_ours));
    let Some(name) = name else { return Some(Problem::Missing) };
    let installed = &document["components"]["schemas"][name];
    let mut lacking = Vec::new();
    for part in ["spec", "status"] {
        compare(&known["properties"][part], &installed["properties"][part], part, &mut lacking);
    }
    (!lacking.is_empty()).then_some(Problem::Older(lacking))
}

/// Adds the fields of `known` that `installed` does not have, without those within them.
fn compare(known: &Value, installed: &Value, path: &str, lacking: &mut Vec<String>) {
    for (name, field) in known["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match installed["properties"].get(name) {
            Some(installed) => compare(field, installed, &path, lacking),
            None => lacking.push(path),
        }
    }
    for (inner, mark) in [("items", "[]"), ("additionalProperties", ".*")] {
        if known[inner].is_object() {
            compare(&known[inner], &installed[inner], &format!("{path}{mark}"), lacking);
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

    fn known() -> Value {
        let crd = serde_json::to_value(mcpserver_crd().expect("a CRD")).expect("JSON");
        crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    fn document(schema: &Value) -> Value {
        json!({"components": {"schemas": {"dev.landfall.v1alpha1.MCPServer": schema, "dev.landfall.v1alpha1.MCPServerList": {}}}})
    }

    #[test]
    fn the_resource_of_this_version_or_a_later_one_fits() {
        let mut installed = known();
        assert_eq!(judge(&known(), &document(&installed)), None);
        installed["properties"]["spec"]["properties"]["future"] = json!({"type": "string"});
        assert_eq!(judge(&known(), &document(&installed)), None);
    }

    #[test]
    fn each_field_that_is_not_there_is_named_at_any_depth() {
        let mut installed = known();
        let spec = &mut installed["properties"]["spec"]["properties"];
        spec.as_object_mut().expect("fields").remove("storage");
        let env = spec["env"]["items"]["properties"].as_object_mut().expect("fields");
        env.remove("valueFrom");
        let fields = vec!["spec.env[].valueFrom".to_owned(), "spec.storage".to_owned()];
        let problem = judge(&known(), &document(&installed));
        assert_eq!(problem, Some(Problem::Older(fields)));
        assert!(problem.is_some_and(|it| it.to_string().contains("lacks spec.env[].valueFrom, spec.storage. Upgrade")));
    }

    #[test]
    fn many_fields_are_counted() {
        let problem = judge(&known(), &document(&json!({"properties": {}}))).expect("older");
        assert!(problem.to_string().contains("spec.affinity"), "{problem}");
        assert!(problem.to_string().contains(" more. Upgrade"), "{problem}");
        assert_eq!(judge(&known(), &json!({})), Some(Problem::Missing));
    }
}
