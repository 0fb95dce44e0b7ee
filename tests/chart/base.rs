//! `config/default`, for those who do not use Helm.

use anyhow::{Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::process::Command;

use crate::charts::{Charts, manifests, root};

/// Labels and annotations that say how an object came about, or are there for Helm alone.
const OF_HELM: [&str; 5] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
    "helm.sh/resource-policy",
];

pub fn the_kustomize_base_is_the_default_rendering(charts: &Charts) -> Result<()> {
    let output = Command::new(&charts.kubectl).arg("kustomize").arg(root().join("config/default")).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut base = by_name(manifests(&String::from_utf8(output.stdout)?)?);
    let namespace = base.remove("Namespace landfall-system");
    ensure!(namespace.is_some(), "Helm makes the namespace on the command line, the base has it");
    let chart = by_name(charts.render("landfall", &json!({}))?);
    let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
    ensure!(names(&base) == names(&chart), "config/default: {:?}\nthe chart: {:?}", names(&base), names(&chart));
    for (name, object) in &chart {
        if let Some(difference) = difference("", &base[name], object) {
            bail!("{name}: config/default and the chart differ{difference}");
        }
    }
    Ok(())
}

fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let named = |mut object: Value| {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            for map in metadata.values_mut().filter_map(Value::as_object_mut) {
                map.retain(|key, _| !OF_HELM.contains(&key.as_str()));
            }
            metadata.retain(|_, value| value.as_object().is_none_or(|it| !it.is_empty()));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"])), object)
    };
    objects.into_iter().map(named).collect()
}

/// The first place where two objects differ.
fn difference(path: &str, left: &Value, right: &Value) -> Option<String> {
    if left == right {
        return None;
    }
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => left.keys().chain(right.keys()).find_map(|key| {
            let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
            difference(&format!("{path}.{key}"), &of(left), &of(right))
        }),
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            let mut pairs = left.iter().zip(right).enumerate();
            pairs.find_map(|(index, (left, right))| difference(&format!("{path}[{index}]"), left, right))
        }
        _ => Some(format!(" at {path}: {left} and {right}")),
    }
}
