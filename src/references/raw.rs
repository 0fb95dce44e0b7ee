//! References in the parts of a spec that the schema keeps raw. What cannot be decoded refers to
//! nothing: [`crate::validate`] names it.

use k8s_openapi::api::core::v1::{Container, KeyToPath, Volume};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Reference, Source, of_source, of_variable};
use crate::api::MCPServerSpec;

pub(super) fn wanted(spec: &MCPServerSpec) -> Vec<Reference> {
    let volumes = decoded(&spec.volumes).into_iter().flat_map(|it: Volume| of_volume(&it));
    let containers = decoded(&spec.init_containers).into_iter().flat_map(|it: Container| of_container(&it));
    volumes.chain(containers).collect()
}

fn decoded<T: DeserializeOwned>(raw: &[Map<String, Value>]) -> Vec<T> {
    raw.iter().filter_map(|it| serde_json::from_value(Value::Object(it.clone())).ok()).collect()
}

fn of_container(container: &Container) -> Vec<Reference> {
    let field = format!("spec.initContainers[{}]", container.name);
    let keys = container.env.iter().flatten().filter_map(|it| of_variable(&format!("{field}.env"), it));
    let sources = container.env_from.iter().flatten();
    let whole = sources.enumerate().flat_map(|(at, from)| of_source(&format!("{field}.envFrom[{at}]"), from));
    keys.chain(whole).collect()
}

fn of_volume(volume: &Volume) -> Vec<Reference> {
    let field = format!("spec.volumes[{}]", volume.name);
    let of = |source, name: &str, items: &Option<Vec<KeyToPath>>, optional| {
        of_items(&field, source, name, items.as_deref().unwrap_or_default(), optional)
    };
    let mut found = Vec::new();
    if let Some(it) = &volume.config_map {
        found.extend(of(Source::ConfigMap, &it.name, &it.items, it.optional));
    }
    if let Some(it) = &volume.secret {
        found.extend(of(Source::Secret, it.secret_name.as_deref().unwrap_or_default(), &it.items, it.optional));
    }
    for projection in volume.projected.iter().flat_map(|it| it.sources.iter().flatten()) {
        if let Some(it) = &projection.config_map {
            found.extend(of(Source::ConfigMap, &it.name, &it.items, it.optional));
        }
        if let Some(it) = &projection.secret {
            found.extend(of(Source::Secret, &it.name, &it.items, it.optional));
        }
    }
    found
}

/// One reference for each key that is named, or one for all keys.
fn of_items(field: &str, source: Source, name: &str, items: &[KeyToPath], optional: Option<bool>) -> Vec<Reference> {
    let reference = |key: Option<String>| Reference {
        source,
        name: name.into(),
        key,
        optional: optional.unwrap_or(false),
        field: field.into(),
    };
    if items.is_empty() {
        return vec![reference(None)];
    }
    items.iter().map(|item| reference(Some(item.key.clone()))).collect()
}
