//! What happens to a server, step by step. The last step is the one that is disturbed at each write.

use anyhow::Result;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use landfall::api::MCPServer;
use serde_json::{Value, json};

use super::surroundings::{GATEWAY, STORAGE_CLASS};
use crate::support::condition;

/// The server of every scenario.
pub const SERVER: &str = "shop";

/// What happens to a server.
pub struct Scenario {
    /// Claims that are given a volume.
    pub volumes: &'static [&'static str],
    pub steps: Vec<Step>,
    pub end: End,
}

/// What the last step comes to if the one before was not done yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The same as ever.
    Same,
    /// The same, with what must not be lost as far as it was ever made.
    Kept,
    /// It stays as it was at that moment: nothing to judge, so that each step has to be done.
    Held,
}

/// A change that somebody makes, and what it comes to.
#[derive(Clone, Debug)]
pub enum Step {
    /// The spec as it shall be, and the reason of `Ready` in the end.
    Spec(Value, &'static str),
    Delete,
}

/// Every scenario there is.
pub const NAMES: [&str; 10] = [
    "create",
    "edit",
    "scale",
    "dependency-added",
    "dependency-removed",
    "storage-grown",
    "exposure-switched",
    "delete",
    "suspend",
    "resume",
];

/// A scenario by its name.
pub fn scenario(name: &'static str) -> Scenario {
    let ready = |spec: Value| Step::Spec(spec, "Ready");
    let (volumes, steps): (&[&str], _) = match name {
        "create" => (&[], vec![ready(rich())]),
        "edit" => (&[], vec![ready(rich()), ready(edited())]),
        "scale" => (&[], vec![ready(scaled(1)), ready(scaled(3)), ready(scaled(2))]),
        "dependency-added" => (&[], vec![ready(plain(&json!({}))), ready(with_dependencies(true))]),
        "dependency-removed" => (&[], vec![ready(with_dependencies(true)), ready(plain(&json!({})))]),
        "storage-grown" => (&["shop-storage", "shop-db-storage"], vec![ready(stored(1)), ready(stored(2))]),
        "exposure-switched" => {
            let gateway = json!({"gateway": {"parentRefs": [{"namespace": GATEWAY.0, "name": GATEWAY.1}]}});
            (&[], vec![ready(exposed(&json!({"ingress": {}}))), ready(exposed(&gateway))])
        }
        "delete" => (&[], vec![ready(rich()), Step::Delete]),
        "suspend" => (
            &[],
            vec![ready(rich()), Step::Spec(with(rich(), json!({"suspend": true, "image": "shop:2"})), "Suspended")],
        ),
        "smallest" => (&[], vec![ready(plain(&json!({})))]),
        "made-again" => (&[], vec![ready(with_dependencies(true)), Step::Delete, ready(scaled(2))]),
        _ => {
            let held = with(edited(), json!({"suspend": true}));
            (&[], vec![ready(rich()), Step::Spec(held, "Suspended"), ready(edited())])
        }
    };
    let end = match name {
        "delete" | "dependency-removed" => End::Kept,
        "suspend" => End::Held,
        _ => End::Same,
    };
    Scenario { volumes, steps, end }
}

pub fn plain(more: &Value) -> Value {
    with(json!({"image": "shop:1", "port": 3001}), more.clone())
}

/// A server with a child of nearly every kind.
pub fn rich() -> Value {
    plain(&json!({
        "files": [{"path": "/etc/shop.conf", "content": "a = 1"}],
        "storage": {"mountPath": "/data", "size": "1Gi"},
        "disruptionBudget": {"minAvailable": 1},
        "networkPolicy": {"ingress": [{"podSelector": {}}]},
        "serviceAccount": {
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
            "clusterRules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}],
        },
        "expose": {"ingress": {}},
        "dependencies": dependencies(),
    }))
}

fn edited() -> Value {
    let change = json!({
        "image": "shop:2", "port": 3002, "env": [{"name": "A", "value": "1"}],
        "files": [{"path": "/etc/shop.conf", "content": "a = 2"}],
        "disruptionBudget": null, "networkPolicy": null,
        "serviceAccount": {"rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]},
        "expose": {"host": "other.example.com", "ingress": {}, "paths": ["/"]},
    });
    with(rich(), change)
}

fn scaled(replicas: u32) -> Value {
    plain(&json!({"replicas": replicas, "sessions": "Stateless"}))
}

fn dependencies() -> Value {
    json!([
        {"name": "db", "preset": "postgres", "version": "17"},
        {"name": "cache", "preset": "redis", "storage": {"disabled": true}},
        {"name": "plugin", "image": "plugin:1", "ports": [{"name": "http", "port": 8080}], "dependsOn": ["db"]},
    ])
}

fn with_dependencies(retain: bool) -> Value {
    let mut dependencies = dependencies();
    dependencies[0]["storage"] = json!({"retain": retain});
    plain(&json!({"dependencies": dependencies}))
}

fn stored(size: u32) -> Value {
    let storage = json!({"size": format!("{size}Gi"), "storageClassName": STORAGE_CLASS});
    plain(&json!({
        "storage": with(storage.clone(), json!({"mountPath": "/data"})),
        "dependencies": [{"name": "db", "preset": "postgres", "version": "17", "storage": storage}],
    }))
}

fn exposed(expose: &Value) -> Value {
    plain(&json!({"expose": expose}))
}

/// A spec with a change; null takes a field away.
pub fn with(mut spec: Value, change: Value) -> Value {
    if let (Some(spec), Value::Object(change)) = (spec.as_object_mut(), change) {
        spec.extend(change);
        spec.retain(|_, value| !value.is_null());
    }
    spec
}

impl Step {
    /// Makes the change, as an administrator.
    pub async fn take(&self, admin: &Client, namespace: &str) -> Result<()> {
        let servers: Api<MCPServer> = Api::namespaced(admin.clone(), namespace);
        match self {
            Self::Spec(spec, _) => {
                let manifest = json!({
                    "apiVersion": "landfall.dev/v1alpha1", "kind": "MCPServer", "metadata": {"name": SERVER}, "spec": spec,
                });
                servers.patch(SERVER, &PatchParams::apply("user").force(), &Patch::Apply(&manifest)).await?;
            }
            Self::Delete => drop(servers.delete(SERVER, &DeleteParams::default()).await?),
        }
        Ok(())
    }

    /// Whether it has come to what it should, in the generation that was asked for.
    pub fn is_done(&self, server: Option<&MCPServer>, asked: Option<i64>) -> bool {
        match self {
            Self::Delete => server.is_none(),
            Self::Spec(_, reason) => server.is_some_and(|server| {
                condition(server, "Ready").is_some_and(|it| it.reason == *reason && it.observed_generation == asked)
            }),
        }
    }
}

/// A volume for a claim to be, with room to grow.
pub async fn make_volume(admin: &Client, namespace: &str, claim: &str) -> Result<()> {
    let volumes: Api<PersistentVolume> = Api::all(admin.clone());
    let object = json!({"metadata": {"name": format!("{namespace}-{claim}")}, "spec": {
        "storageClassName": STORAGE_CLASS, "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": namespace, "name": claim}, "hostPath": {"path": "/nowhere"},
    }});
    volumes.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    Ok(())
}
