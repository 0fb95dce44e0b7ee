//! What a namespace holds, without what differs between two runs that came to the same: so that a
//! disturbed run can be held against an undisturbed one.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use super::ledger::Account;
use super::surroundings::STORAGE_CLASS;
use landfall::labels;

/// What a namespace holds, by kind and name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State(BTreeMap<String, Value>);

/// Annotations that say when or how, and not what.
const INCIDENTAL: [&str; 3] =
    ["deployment.kubernetes.io/revision", "landfall.dev/applied-hash", "landfall.dev/references-hash"];

impl State {
    pub fn of(namespace: &str, account: &Account) -> Self {
        let object = |(name, found): (String, Found)| {
            let value = match found {
                Found::Pods(count) => count.into(),
                Found::Object(kind, object) => {
                    let text = essence(kind, Value::clone(object), account).to_string().replace(namespace, "NAMESPACE");
                    serde_json::from_str(&text).unwrap_or_default()
                }
            };
            (name, value)
        };
        Self(found(namespace, account).into_iter().map(object).collect())
    }

    /// Whether something is missing or too much: much sooner said than what differs.
    pub fn has_other_names(&self, namespace: &str, account: &Account) -> bool {
        !found(namespace, account).keys().eq(self.0.keys())
    }

    /// Whether the cluster's own controllers still have something to do: to collect what has no owner any
    /// more, to run pods, to bind claims.
    pub fn is_on_its_way(&self) -> bool {
        self.0.iter().any(|(name, object)| {
            let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
            let is_unbound =
                object["spec"]["storageClassName"] == STORAGE_CLASS && object["status"]["phase"] != "Bound";
            owners.any(|it| it["uid"] == "dead") || name.ends_with("\"Pending\"") || is_unbound
        })
    }

    /// Without the Secrets and claims that there never were.
    pub fn as_far_as_made(&self, account: &Account) -> Self {
        let was_made = |name: &str| match name.split_once(' ') {
            Some((kind @ ("Secret" | "PersistentVolumeClaim"), name)) => {
                account.uids.contains_key(&(kind.to_owned(), name.to_owned()))
            }
            _ => true,
        };
        Self(self.0.iter().filter(|(name, _)| was_made(name)).map(|(name, it)| (name.clone(), it.clone())).collect())
    }

    /// What differs, a line each.
    pub fn difference(&self, expected: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let names: std::collections::BTreeSet<_> = self.0.keys().chain(expected.0.keys()).collect();
        for name in names {
            match (self.0.get(name), expected.0.get(name)) {
                (Some(found), Some(expected)) => compare(name, found, expected, &mut lines),
                (Some(_), None) => lines.push(format!("{name} is too much")),
                (None, _) => lines.push(format!("{name} is missing")),
            }
        }
        lines
    }
}

/// What has a name of its own in a state.
enum Found<'a> {
    Object(&'a str, &'a Value),
    /// So many of a sort.
    Pods(u64),
}

fn found<'a>(namespace: &str, account: &'a Account) -> BTreeMap<String, Found<'a>> {
    let mut all = BTreeMap::new();
    for ((kind, name), object) in &account.objects {
        match (kind.as_str(), name.as_str()) {
            // Every namespace has them.
            ("ServiceAccount", "default") | ("ConfigMap", "kube-root-ca.crt") => {}
            ("Pod", _) => {
                if let Found::Pods(count) = all.entry(format!("Pods {}", pod(object))).or_insert(Found::Pods(0)) {
                    *count += 1;
                }
            }
            _ => {
                let name = name.replace(namespace, "NAMESPACE");
                all.insert(format!("{kind} {name}"), Found::Object(kind, object));
            }
        }
    }
    all
}

fn compare(path: &str, found: &Value, expected: &Value, lines: &mut Vec<String>) {
    match (found, expected) {
        _ if found == expected => {}
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let of = |it: &Map<String, Value>| it.get(key).cloned().unwrap_or_default();
                compare(&format!("{path}.{key}"), &of(a), &of(b), lines);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{index}]"), a, b, lines);
            }
        }
        _ => lines.push(format!("{path} is {found} instead of {expected}")),
    }
}

fn pod(pod: &Value) -> String {
    let labels = &pod["metadata"]["labels"];
    let image = &pod["spec"]["containers"][0]["image"];
    let (server, part) = (&labels[labels::INSTANCE], &labels[labels::COMPONENT]);
    format!("{server} {part} {image} {}", pod["status"]["phase"])
}

fn essence(kind: &str, mut object: Value, account: &Account) -> Value {
    let generation = object["metadata"]["generation"].clone();
    let status = object["status"].take();
    object["status"] = match kind {
        "MCPServer" => server_status(status, &generation),
        "Deployment" | "StatefulSet" => json!({"ready": status["readyReplicas"], "replicas": status["replicas"]}),
        // Only one that is bound can grow.
        "PersistentVolumeClaim" => json!({"phase": status["phase"]}),
        _ => Value::Null,
    };
    // A list does not repeat them.
    remove(&mut object, &["apiVersion", "kind"]);
    metadata(&mut object["metadata"], account);
    match kind {
        "Service" if object["spec"]["clusterIP"] != "None" => {
            remove(&mut object["spec"], &["clusterIP", "clusterIPs"]);
        }
        "Secret" => {
            for value in object["data"].as_object_mut().into_iter().flat_map(Map::values_mut) {
                *value = value.as_str().map_or(0, str::len).into();
            }
        }
        _ => {}
    }
    object
}

fn metadata(metadata: &mut Value, account: &Account) {
    remove(metadata, &["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"]);
    for owner in metadata["ownerReferences"].as_array_mut().into_iter().flatten() {
        let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
        let found = account.objects.get(&(text(&owner["kind"]), text(&owner["name"])));
        let is_alive = found.is_some_and(|it| it["metadata"]["uid"] == owner["uid"]);
        owner["uid"] = if is_alive { "alive".into() } else { "dead".into() };
    }
    for name in INCIDENTAL {
        if let Some(annotation) = metadata["annotations"].get_mut(name) {
            *annotation = Value::Null;
        }
    }
    if let Some(annotations) = metadata["annotations"].as_object_mut() {
        annotations.retain(|name, _| !name.starts_with("pv.kubernetes.io/"));
    }
    if metadata["deletionTimestamp"].is_string() {
        metadata["deletionTimestamp"] = "set".into();
    }
}

fn server_status(mut status: Value, generation: &Value) -> Value {
    let current = |it: &mut Value| {
        if it == generation {
            *it = "current".into();
        }
    };
    current(&mut status["observedGeneration"]);
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        remove(condition, &["lastTransitionTime"]);
        current(&mut condition["observedGeneration"]);
    }
    status
}

fn remove(object: &mut Value, fields: &[&str]) {
    if let Some(object) = object.as_object_mut() {
        object.retain(|name, _| !fields.contains(&name.as_str()));
    }
}
