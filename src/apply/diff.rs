//! Whether an object has to be applied: pure.
//!
//! Two questions are asked, because neither alone suffices. The hash of what was last applied,
//! kept in an annotation, shows that the wish has changed, also when a field was dropped from it.
//! Comparing the wish with the live object shows that somebody else has changed what we own. Fields
//! that the wish does not name belong to others and are not looked at.

use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use crate::{digest, quantity};

/// Annotation with the hash of what was applied.
pub const APPLIED_HASH: &str = "landfall.dev/applied-hash";

/// Why an object has to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It does not exist.
    Missing,
    /// What should be has changed since it was last applied.
    Changed,
    /// Somebody changed this field.
    Drifted(String),
}

/// Adds the annotation with the hash of the wish that `desired` was made of.
pub fn seal(desired: &mut impl Resource, hash: String) {
    desired.annotations_mut().insert(APPLIED_HASH.into(), hash);
}

/// `None` if `live` is what the sealed `desired` says.
pub fn difference(desired: &Value, live: &Value) -> Option<Difference> {
    let hash = |object: &Value| object["metadata"]["annotations"][APPLIED_HASH].as_str().map(str::to_owned);
    if hash(desired) != hash(live) {
        return Some(Difference::Changed);
    }
    first_drift(&Place::root(), desired, live).map(Difference::Drifted)
}

/// The hash of a wish.
pub fn hash(wish: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(digest::of(&serde_json::to_vec(wish)?).text())
}

/// Where in an object the comparison is.
#[derive(Clone, Copy)]
struct Place<'a> {
    parent: Option<&'a Self>,
    field: &'a str,
}

impl<'a> Place<'a> {
    fn root() -> Self {
        Self { parent: None, field: "" }
    }

    fn at(&'a self, field: &'a str) -> Self {
        Self { parent: Some(self), field }
    }

    fn path(&self) -> String {
        match self.parent {
            Some(parent) if parent.parent.is_some() => format!("{}.{}", parent.path(), self.field),
            _ => self.field.to_owned(),
        }
    }

    /// Whether a value here is an amount, which the API server may have put into other letters.
    fn holds_quantity(&self) -> bool {
        let above = self.parent.map_or("", |parent| parent.field);
        matches!(above, "requests" | "limits")
            || matches!(self.field, "sizeLimit" | "divisor" | "averageValue")
            || (above == "target" && self.field == "value")
    }
}

/// The first field of `desired` that `live` does not have, or has otherwise.
fn first_drift(place: &Place<'_>, desired: &Value, live: &Value) -> Option<String> {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => desired
            .iter()
            .find_map(|(key, value)| first_drift(&place.at(key), value, live.get(key).unwrap_or(&Value::Null))),
        (Value::Array(desired), Value::Array(live)) => list_drift(place, desired, live),
        (Value::String(desired), Value::String(live)) if place.holds_quantity() => {
            let same = desired == live || quantity::compare(desired, live).is_some_and(std::cmp::Ordering::is_eq);
            (!same).then(|| place.path())
        }
        _ => (desired != live && !is_dropped_when_empty(place, desired, live)).then(|| place.path()),
    }
}

/// Kubernetes does not store empty lists and maps, and fills in nothing for them. An empty struct
/// such as `emptyDir: {}` is stored, and means something.
fn is_dropped_when_empty(place: &Place<'_>, desired: &Value, live: &Value) -> bool {
    let is_empty = match desired {
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty() && place.field != "emptyDir",
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Bool(it) => !it,
        Value::Number(_) => false,
    };
    live.is_null() && is_empty
}

/// Lists that server-side apply merges by keys may have items of others; all other lists belong to
/// one owner as a whole.
fn list_drift(place: &Place<'_>, desired: &[Value], live: &[Value]) -> Option<String> {
    let Some(keys) = merge_keys(place) else {
        if desired.len() != live.len() {
            return Some(place.path());
        }
        return desired.iter().zip(live).find_map(|(desired, live)| first_drift(place, desired, live));
    };
    desired.iter().find_map(|item| {
        let same_item = |other: &&Value| keys.iter().all(|key| is_same_key(key, &item[*key], &other[*key]));
        match live.iter().find(same_item) {
            Some(other) => first_drift(place, item, other),
            None => Some(place.path()),
        }
    })
}

/// `protocol` is TCP where it is absent.
fn is_same_key(key: &str, desired: &Value, live: &Value) -> bool {
    let filled = |value: &Value| match (key, value) {
        ("protocol", Value::Null) => Value::String("TCP".into()),
        _ => value.clone(),
    };
    filled(desired) == filled(live)
}

/// Keys of the lists that Kubernetes declares as maps (`x-kubernetes-list-map-keys`), as far as
/// they occur in the kinds that we apply.
fn merge_keys(place: &Place<'_>) -> Option<&'static [&'static str]> {
    let above = place.parent.map_or("", |parent| parent.field);
    Some(match place.field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "resourceClaims"
        | "claims"
        | "schedulingGates" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "ports" if above == "spec" => &["port", "protocol"],
        // Those of a NetworkPolicy belong to one owner as a whole.
        "ports" if above.ends_with("ontainers") => &["containerPort", "protocol"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey", "whenUnsatisfiable"],
        "ownerReferences" => &["uid"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sealed(mut value: Value) -> Value {
        let hash = hash(&value).expect("JSON");
        value["metadata"]["annotations"][APPLIED_HASH] = json!(hash);
        value
    }

    fn deployment() -> Value {
        json!({
            "metadata": {"name": "it", "labels": {"a": "b"}},
            "spec": {
                "template": {"spec": {
                    "containers": [{"name": "server", "image": "x:1", "resources": {"requests": {"cpu": "1000m"}},
                        "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]}],
                    "volumes": [{"name": "tmp", "emptyDir": {}}],
                    "tolerations": [{"key": "k"}],
                }},
            },
        })
    }

    /// What the API server makes of it: defaults, canonical quantities, and things of others.
    fn live() -> Value {
        let mut live = sealed(deployment());
        live["metadata"]["annotations"]["injected"] = json!("by another");
        live["spec"]["replicas"] = json!(3);
        let pod = &mut live["spec"]["template"]["spec"];
        pod["dnsPolicy"] = json!("ClusterFirst");
        pod["tolerations"][0]["operator"] = json!("Exists");
        pod["containers"][0]["resources"]["requests"]["cpu"] = json!("1");
        pod["containers"][0]["ports"][0]["protocol"] = json!("TCP");
        pod["containers"][0]["env"].as_array_mut().expect("a list").push(json!({"name": "B", "value": "2"}));
        pod["containers"].as_array_mut().expect("a list").insert(0, json!({"name": "sidecar"}));
        live
    }

    fn drift_after(change: impl FnOnce(&mut Value)) -> Option<Difference> {
        let mut live = live();
        change(&mut live);
        difference(&sealed(deployment()), &live)
    }

    #[test]
    fn defaults_and_what_others_own_are_no_difference() {
        assert_eq!(drift_after(|_| ()), None);
    }

    #[test]
    fn a_field_dropped_from_the_wish_is_a_change() {
        let mut desired = deployment();
        desired["spec"]["template"]["spec"]["tolerations"] = json!([]);
        assert_eq!(difference(&sealed(desired), &live()), Some(Difference::Changed));
    }

    #[test]
    fn amounts_of_an_autoscaler_are_compared_as_amounts() {
        let metrics = |value: &str| {
            json!({"metadata": {}, "spec": {"metrics": [
                {"type": "Pods", "pods": {"target": {"type": "AverageValue", "averageValue": value}}},
                {"type": "Object", "object": {"target": {"type": "Value", "value": value}}},
            ]}})
        };
        let desired = sealed(metrics("1000m"));
        let mut live = sealed(metrics("1000m"));
        live["spec"] = metrics("1")["spec"].clone();
        assert_eq!(difference(&desired, &live), None);
    }

    #[test]
    fn ports_of_a_network_policy_are_in_order() {
        let ports = json!([{"port": 53, "protocol": "UDP"}, {"port": 54, "protocol": "UDP"}]);
        let desired = sealed(json!({"metadata": {}, "spec": {"egress": [{"ports": ports}]}}));
        assert_eq!(difference(&desired, &desired), None);
    }

    #[test]
    fn what_somebody_changed_is_named() {
        type Change = fn(&mut Value);
        let cases: [(Change, &str); 8] = [
            (|it| it["metadata"]["labels"] = json!({}), "metadata.labels.a"),
            (
                |it| it["spec"]["template"]["spec"]["containers"][1]["image"] = json!("x:2"),
                "spec.template.spec.containers.image",
            ),
            (|it| it["spec"]["template"]["spec"]["containers"] = json!([]), "spec.template.spec.containers"),
            (
                |it| it["spec"]["template"]["spec"]["containers"][1]["env"][0]["value"] = json!("9"),
                "spec.template.spec.containers.env.value",
            ),
            (
                |it| it["spec"]["template"]["spec"]["containers"][1]["resources"]["requests"]["cpu"] = json!("2"),
                "spec.template.spec.containers.resources.requests.cpu",
            ),
            (
                |it| it["spec"]["template"]["spec"]["volumes"][0] = json!({"name": "tmp", "hostPath": {"path": "/"}}),
                "spec.template.spec.volumes.emptyDir",
            ),
            (
                |it| it["spec"]["template"]["spec"]["tolerations"] = json!([{"key": "k"}, {"key": "l"}]),
                "spec.template.spec.tolerations",
            ),
            (|it| it["spec"] = json!(null), "spec"),
        ];
        for (change, path) in cases {
            assert_eq!(drift_after(change), Some(Difference::Drifted(path.to_owned())));
        }
    }
}
